"""What a Prometheus says of its metrics: names, label values, types, targets.

These calls are rare and small, and `prometheus-api-client` makes them well, so it serves here. It
is synchronous and tells failures as text; this file keeps it off the event loop, gives it a limit
of time, and turns what it raises into the errors every backend raises.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from foundation.shortened import shortened
from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.transport import WHOLE_RATIO
from tools.errors import (
    BackendDeniedError,
    BackendError,
    BackendRefusedError,
    BackendUnavailableError,
)
from tools.ports import MetricAbout

NAME = "prometheus"
MOST_VALUES = 10_000  # of one label; servers that know `limit` send no more
THREADS = 2  # that its questions get, so that no other work waits for one that nobody answers
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ScrapeTarget:
    """One thing the server scrapes."""

    job: str
    instance: str
    up: bool
    error: str = ""


class Names:
    """Asks for metadata. Built without I/O; the client is made at the first question."""

    def __init__(self, config: PrometheusConfig) -> None:
        self._config = config
        self._section = config.section or NAME
        self._client: Any = None
        self._threads: ThreadPoolExecutor | None = None

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
            self._threads = None

    async def label_values(self, label: str, selector: str = "") -> list[str]:
        """Return the values of one label, sorted, at most `MOST_VALUES`."""
        fields: dict[str, Any] = {"limit": MOST_VALUES}
        if selector:
            fields["match[]"] = selector
        found = await self._ask(
            lambda client: client.get_label_values(quote(label, safe=""), params=fields)
        )
        return sorted(str(value) for value in found)[:MOST_VALUES]

    async def about(self, metric: str) -> MetricAbout | None:
        """Return type, help and unit of one metric, None when the server says nothing."""
        rows = await self._ask(lambda client: client.get_metric_metadata(metric))
        for row in rows:
            if row["metric_name"] == metric:
                return MetricAbout(metric, row["type"], row["help"], row["unit"])
        return None

    async def every_about(self) -> list[MetricAbout]:
        """Return what the server says of all metrics; VictoriaMetrics as shipped says nothing."""
        rows = await self._ask(lambda client: client.get_metric_metadata(""))
        found: dict[str, MetricAbout] = {}
        for row in rows:  # several targets may say it differently: the first counts
            about = MetricAbout(row["metric_name"], row["type"], row["help"], row["unit"])
            found.setdefault(about.name, about)
        return list(found.values())

    async def targets(self) -> list[ScrapeTarget]:
        """Return the active targets."""
        found = await self._ask(lambda client: client.get_targets(state="active"))
        return [
            ScrapeTarget(
                job=str(row.get("labels", {}).get("job", "")),
                instance=str(row.get("labels", {}).get("instance", "")),
                up=row.get("health") == "up",
                error=str(row.get("lastError", "")),
            )
            for row in found.get("activeTargets") or ()
        ]

    async def _ask(self, question: Callable[[Any], T]) -> T:
        """Run one question in a thread. Raises BackendError as the other calls do."""
        from prometheus_api_client.exceptions import PrometheusApiClientException
        from requests import JSONDecodeError, RequestException

        if self._client is None:
            self._client = await asyncio.to_thread(self._connect)
        threads = self._threads = self._threads or ThreadPoolExecutor(THREADS, "prometheus-names")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._config.timeout_seconds * WHOLE_RATIO):
                return await loop.run_in_executor(threads, question, self._client)
        except PrometheusApiClientException as error:
            raise self._said_no(str(error)) from error
        except JSONDecodeError as error:
            raise self._unlike(error) from error
        except TimeoutError as error:
            waited = self._config.timeout_seconds * WHOLE_RATIO
            raise self._unavailable(f"no answer within {waited:g} s") from error
        except RequestException as error:
            raise self._unreached(str(error)) from error
        except (RecursionError, ValueError) as error:  # too deep, or a number nobody reads
            raise self._unlike(shortened(str(error), 80)) from error
        except (KeyError, TypeError, AttributeError) as error:
            raise self._unlike(error) from error

    def _connect(self) -> Any:
        """Build the client with the same identity, TLS and proxy as the other calls."""
        from prometheus_api_client import PrometheusConnect
        from requests import Session
        from urllib3.util import Retry

        from tools.backends.prometheus.bounded import BoundedAdapter  # imports requests as well

        ours, session = self._config, Session()
        session.verify = (ours.ca_file or True) if ours.verify_tls else False
        if ours.client_cert_file:
            key = ours.client_key_file
            session.cert = (ours.client_cert_file, key) if key else ours.client_cert_file
        headers = {"X-Scope-OrgID": ours.tenant} if ours.tenant else {}
        if ours.bearer_token:
            headers["Authorization"] = f"Bearer {ours.bearer_token}"
        retry = Retry(
            total=max(0, ours.retry_attempts - 1),
            backoff_factor=ours.retry_wait_seconds,
            status_forcelist=(429, 502, 503, 504),
            redirect=0,
            raise_on_status=False,
        )
        client = PrometheusConnect(
            ours.url,
            headers=headers,
            retry=retry,
            auth=(ours.username, ours.password) if ours.username else None,
            proxy={"http": ours.proxy, "https": ours.proxy} if ours.proxy else None,
            session=session,
            timeout=ours.timeout_seconds,
        )
        whole = ours.timeout_seconds * WHOLE_RATIO  # the library mounted adapters of its own
        session.mount(ours.url, BoundedAdapter(ours.max_response_bytes, whole, max_retries=retry))
        return client

    def _said_no(self, text: str) -> BackendError:
        """Read the status out of the exception's text: the client keeps it nowhere else."""
        status = text.removeprefix("HTTP Status Code ")[:3]
        where = self._config.url
        if status in {"401", "403"}:
            return BackendDeniedError(
                NAME,
                f"{where} refuses our identity (HTTP {status}); renew the token in "
                f"{self._section}.bearer_token, or check {self._section}.basic",
            )
        if status.startswith("4") and status != "429":
            return BackendRefusedError(NAME, text)
        return self._unavailable(text)

    def _unlike(self, error: Exception | str) -> BackendUnavailableError:
        return self._unavailable(
            f"the answer is no Prometheus answer ({error}); check that {self._section}.url points "
            "at the API itself"
        )

    def _unreached(self, text: str) -> BackendUnavailableError:
        if "CERTIFICATE_VERIFY_FAILED" in text:
            return self._unavailable(
                "the server's certificate is not trusted; name its authority's PEM file in "
                f"{self._section}.tls.ca_file"
            )
        return self._unavailable(
            f"cannot be reached ({shortened(text, 200)}); check that it runs and that "
            f"{self._section}.url is right"
        )

    def _unavailable(self, why: str) -> BackendUnavailableError:
        return BackendUnavailableError(NAME, f"{self._config.url}: {why}")
