"""One HTTP connection to a backend that answers JSON: authentication, TLS, limits, retries.

    ask() ──budget, slot──> attempt ──> 2xx: JSON
                      │  ├──> transport error, 429 (after Retry-After), 5xx: again,
                      │  │    then BackendUnavailableError
                      │  ├──> 401, 403: BackendDeniedError
                      │  └──> other 4xx: BackendRefusedError   (never tried again)

Only questions go through here; they change nothing and may be repeated.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import httpx
import stamina

from foundation.json_text import read_json
from foundation.shortened import shortened
from tools.backends.budget import QueryBudget
from tools.backends.condition import Condition
from tools.backends.unpacking import unpacked
from tools.background import is_background
from tools.errors import (
    AnswerTooLargeError,
    BackendDeniedError,
    BackendError,
    BackendRefusedError,
    BackendUnavailableError,
)
from tools.ports import Health

READ_IN_THREAD_BYTES = 1024 * 1024  # smaller bodies are read faster than a thread is woken
WHOLE_RATIO = 2.0  # of `timeout_seconds`: an answer that drips in is cut off after so long


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """How to reach one backend."""

    url: str  # base, without /api/…
    timeout_seconds: float = 30.0  # of silence in one attempt; the whole may take twice as long
    retry_attempts: int = 3  # attempts in all, at least 1
    retry_wait_seconds: float = 0.2  # before the second attempt; doubles, with jitter
    section: str = ""  # of config.yaml, for errors that name a setting; empty: the backend's name
    max_concurrency: int = 8  # requests in flight at once
    queries_per_minute: int = 0  # attempts in any 60 s; 0: no budget
    max_response_bytes: int = 64 * 1024 * 1024
    compression: bool = False  # a server packs a large answer far slower than a LAN carries it
    tenant: str = ""  # X-Scope-OrgID; empty: not sent
    bearer_token: str = field(default="", repr=False)
    username: str = ""  # basic authentication, with `password`
    password: str = field(default="", repr=False)
    ca_file: str = ""  # PEM; empty: the system's authorities
    client_cert_file: str = ""
    client_key_file: str = ""
    verify_tls: bool = True
    proxy: str = field(default="", repr=False)  # empty: HTTPS_PROXY and friends of the process


class _AgainError(Exception):
    """This attempt failed in a way that may pass; carries what to raise in the end."""

    def __init__(self, final: BackendError, wait_seconds: float | None = None) -> None:
        """`wait_seconds` is what the server asked for; None: our own backoff."""
        super().__init__(str(final))
        self.final = final
        self.wait_seconds = wait_seconds


def _pass_on(error: Exception) -> bool | float:
    """Tell stamina whether to try again, and after which wait when the server named one."""
    if not isinstance(error, _AgainError):
        return False
    return True if error.wait_seconds is None else error.wait_seconds


Watch = Callable[[bytes], None]  # sees each part of an answer as it comes; raises to stop reading
Explain = Callable[[httpx.Response, bytes], BackendError | None]


class JsonBackend:
    """Asks one backend over HTTP. Built without I/O; the client is made at the first question."""

    def __init__(
        self,
        name: str,
        connection: Connection,
        *,
        explain: Explain,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the backend's name for errors and `explain`, which reads its own error bodies."""
        self.name = name
        self.connection = connection
        self._explain = explain
        self._transport = transport
        self._slots = asyncio.Semaphore(connection.max_concurrency)
        # detection may hang on a slow backend and still leave slots to a person's question
        self._background_slots = asyncio.Semaphore(max(1, connection.max_concurrency * 3 // 4))
        self._section = connection.section or name
        self._budget = QueryBudget(
            name, connection.queries_per_minute, setting=f"{self._section}.queries_per_minute"
        )
        self.condition = Condition(name)
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def health(self, path: str) -> Health:
        """Ask one door, once, whether the backend answers."""
        try:
            await self.ask_bytes("GET", path, {}, attempts=1, counted=False)
        except BackendError as error:
            return self.condition.health(self.name, up=False, detail=str(error))
        return self.condition.health(self.name, up=True, detail=self.connection.url)

    async def ask(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str],
        *,
        attempts: int | None = None,
        read: Callable[[bytes], Any] = read_json,
        watch: Watch | None = None,
        counted: bool = True,
    ) -> Any:
        """Return the JSON answer; POST sends `fields` as a form, GET as a query string.

        `read` turns the body into the answer and raises ValueError for what is not JSON; a large
        body is read in a thread, so that the event loop turns meanwhile.
        """
        body = await self.ask_bytes(
            method, path, fields, attempts=attempts, watch=watch, counted=counted
        )
        try:
            if len(body) > READ_IN_THREAD_BYTES:
                return await asyncio.to_thread(read, body)
            return read(body)
        except ValueError as error:
            raise self._unreadable(path, body) from error

    def _unreadable(self, path: str, body: bytes) -> BackendUnavailableError:
        start = shortened(body, 80)
        where = f"{self.connection.url}{path}"
        if body[:1] in {b"{", b"["}:
            return BackendUnavailableError(
                self.name,
                f"the answer of {where} breaks off after {len(body):,} bytes ({start!r}); ask "
                "again, and if it stays so look at the proxy between us and the server",
            )
        return BackendUnavailableError(
            self.name,
            f"{where} answered something that is not JSON ({start!r}); check that "
            f"{self._section}.url points at the API itself and not at a login or error page",
        )

    async def ask_bytes(
        self,
        method: str,
        path: str,
        fields: Mapping[str, str],
        *,
        attempts: int | None = None,
        watch: Watch | None = None,
        counted: bool = True,
    ) -> bytes:
        """Return the raw answer, tried again on failures that may pass.

        A probe of health is not `counted`: a spent budget must not make a backend look dead.
        """
        try:
            async for attempt in stamina.retry_context(
                on=_pass_on,
                attempts=max(1, attempts or self.connection.retry_attempts),
                timeout=None,
                wait_initial=self.connection.retry_wait_seconds,
                wait_max=self.connection.retry_wait_seconds * 10,
                wait_jitter=self.connection.retry_wait_seconds,
            ):
                with attempt:
                    if counted:
                        await self._budget.take(
                            patience=self.connection.timeout_seconds, background=is_background()
                        )
                    lane = self._background_slots if is_background() else nullcontext()
                    async with lane, self._slots:
                        with self.condition.attempt():
                            return await self._once(method, path, fields, watch)
        except _AgainError as error:
            raise error.final from error
        raise AssertionError("stamina gave no attempt")  # pragma: no cover - attempts >= 1

    async def _once(
        self, method: str, path: str, fields: Mapping[str, str], watch: Watch | None
    ) -> bytes:
        client = self._client or self._connect()
        place = "data" if method == "POST" else "params"
        try:
            request = client.build_request(method, path, **{place: dict(fields)})  # type: ignore[arg-type]
            async with asyncio.timeout(self.connection.timeout_seconds * WHOLE_RATIO):
                response = await client.send(request, stream=True)
                try:
                    body = await self._read(response, watch if response.is_success else None)
                finally:
                    await response.aclose()
        except TimeoutError as error:
            whole = self.connection.timeout_seconds * WHOLE_RATIO
            dripped = (
                f"no whole answer within {whole:g} s though it had begun; ask for less, or raise "
                f"{self._section}.timeout_seconds"
            )
            raise _AgainError(self._unavailable(dripped)) from error
        except httpx.DecodingError as error:
            unlike = f"the answer cannot be unpacked ({error})"
            raise self._unavailable(f"{unlike}; look at the proxy between us") from error
        except httpx.TimeoutException as error:
            waited = (
                f"no answer within {self.connection.timeout_seconds:g} s; ask for less, or raise "
                f"{self._section}.timeout_seconds"
            )
            raise _AgainError(self._unavailable(waited)) from error
        except httpx.TransportError as error:
            raise self._unreached(error) from error
        if response.is_success:
            return body
        raise self._failure(response, body)

    def _unreached(self, error: httpx.TransportError) -> Exception:
        text = str(error) or type(error).__name__
        if "CERTIFICATE_VERIFY_FAILED" in text:  # trying again would not make it trusted
            return self._unavailable(
                f"the server's certificate is not trusted ({text}); a proxy may be breaking TLS "
                f"open: name its authority's PEM file in {self._section}.tls.ca_file"
            )
        if isinstance(error, httpx.RemoteProtocolError):
            text = f"the connection broke off ({text})"
            return _AgainError(self._unavailable(f"{text}; ask again"))
        hint = f"check that it runs and that {self._section}.url is right"
        return _AgainError(self._unavailable(f"cannot be reached ({text}); {hint}"))

    async def _read(self, response: httpx.Response, watch: Watch | None) -> bytes:
        limit = self.connection.max_response_bytes
        parts: list[bytes] = []
        size = 0
        async for part in unpacked(response):
            size += len(part)
            if size > limit:
                raise AnswerTooLargeError(
                    self.name,
                    f"the answer is larger than {limit:,} bytes; "
                    "ask for fewer series, a shorter window or a longer step "
                    f"({self._section}.max_response_megabytes is the limit)",
                )
            if watch is not None:
                watch(part)
            parts.append(part)
        return b"".join(parts)

    def _failure(self, response: httpx.Response, body: bytes) -> Exception:
        status = response.status_code
        text = shortened(body, 300).strip() or response.reason_phrase
        if status in {401, 403}:
            return self._denied(status, text)
        explained = self._explain(response, body)
        if explained is not None:
            return explained
        if status == 429:
            wait = self._retry_after(response)
            return _AgainError(
                self._unavailable(
                    f"HTTP 429: it asks us to slow down ({text}); ask again later, or lower "
                    f"{self._section}.queries_per_minute"
                ),
                wait,
            )
        if response.is_redirect:
            place = response.headers.get("Location", "")
            return BackendRefusedError(
                self.name,
                f"{self.connection.url} sends us on to {place!r}, which we do not follow; set "
                f"{self._section}.url to where the API answers itself",
            )
        if status >= 500:
            return _AgainError(self._unavailable(f"HTTP {status}: {text}"))
        return BackendRefusedError(self.name, f"HTTP {status}: {text}")

    def _retry_after(self, response: httpx.Response) -> float | None:
        """Return the seconds the server asks for; a date or nothing leaves it to our backoff."""
        text = response.headers.get("Retry-After", "")
        if not text.isascii() or not text.isdigit():
            return None
        return min(float(text), self.connection.timeout_seconds)

    def _denied(self, status: int, text: str) -> BackendDeniedError:
        ours = self.connection
        if ours.bearer_token:
            step = f"renew the token in {self._section}.bearer_token"
        elif ours.username:
            step = f"check {self._section}.basic.username and .password"
        else:
            step = f"set {self._section}.bearer_token or {self._section}.basic"
        if ours.tenant:
            step += f", and check {self._section}.tenant {ours.tenant!r}"
        return BackendDeniedError(
            self.name, f"{ours.url} refuses our identity (HTTP {status}: {text}); {step}"
        )

    def _unavailable(self, why: str) -> BackendUnavailableError:
        return BackendUnavailableError(self.name, f"{self.connection.url}: {why}")

    def _connect(self) -> httpx.AsyncClient:
        ours = self.connection
        packed = "gzip" if ours.compression else "identity"
        headers = {"Accept": "application/json", "Accept-Encoding": packed}
        if ours.tenant:
            headers["X-Scope-OrgID"] = ours.tenant
        if ours.bearer_token:
            headers["Authorization"] = f"Bearer {ours.bearer_token}"
        basic = httpx.BasicAuth(ours.username, ours.password) if ours.username else None
        self._client = httpx.AsyncClient(
            base_url=ours.url.rstrip("/"),
            headers=headers,
            auth=basic,
            timeout=httpx.Timeout(ours.timeout_seconds, connect=min(ours.timeout_seconds, 10.0)),
            verify=self._tls(),
            proxy=ours.proxy or None,
            transport=self._transport,
            follow_redirects=False,
        )
        return self._client

    def _tls(self) -> ssl.SSLContext | bool:
        ours = self.connection
        if not ours.url.startswith("https:"):
            return False  # nothing to verify, and no 20 ms spent on loading authorities
        try:
            context = ssl.create_default_context(cafile=ours.ca_file or None)
            if ours.client_cert_file:
                context.load_cert_chain(ours.client_cert_file, ours.client_key_file or None)
        except OSError as error:  # ssl.SSLError is one: no such file, or not PEM
            files = [ours.ca_file, ours.client_cert_file, ours.client_key_file]
            named = ", ".join(repr(file) for file in files if file)
            raise self._unavailable(
                f"a file of {self._section}.tls cannot be used ({error}); it names {named}: give "
                "PEM files that this process may read"
            ) from error
        if not ours.verify_tls:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context
