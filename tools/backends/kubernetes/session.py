"""One identity's connection to one cluster: raw REST calls and what their failures mean.

401, 403           BackendDeniedError with verb, resource and the missing RBAC rule
404                NotFoundError
409, 422 "test"    LostRaceError               (the object is not as it was read)
429                TryLaterError               (rate limit, disruption budget: named)
other 4xx          BackendRefusedError
3xx                BackendRefusedError         (nobody sends us on to somebody else)
too large          AnswerTooLargeError, of a sent change OutcomeUnknownError
another object     as no answer                (acting identity only: see `answers`)
5xx, no answer     reads and dry runs: BackendUnavailableError
                   sent changes: OutcomeUnknownError, never repeated
never connected    BackendUnavailableError
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from tools.backends.condition import Condition
from tools.backends.kubernetes.answers import mistaken
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.kinds import Resource, rbac_rule, resource_of
from tools.errors import (
    AnswerTooLargeError,
    BackendDeniedError,
    BackendError,
    BackendRefusedError,
    BackendUnavailableError,
    LostRaceError,
    NotFoundError,
    OutcomeUnknownError,
    TryLaterError,
)
from tools.ports import Health
from tools.world import DEFAULT_CLUSTER, WorkloadRef

NAME = "kubernetes"
Object = dict[str, Any]
Listed = tuple[list[Object], str]  # objects, and the resource version the list was true at


@dataclass(frozen=True, slots=True)
class KubernetesCall:
    """One request and the words its failure is told in."""

    verb: str  # the RBAC verb: get, list, patch, delete, create
    resource: Resource
    ref: WorkloadRef  # name is empty for a list
    subresource: str = ""
    changes: bool = False  # true when an answer that is lost leaves the effect unproved

    def __str__(self) -> str:
        """Return `patch deployments/order-api in trading`."""
        name = f"{self.resource.plural}/{self.ref.name}" if self.ref.name else self.resource.plural
        tail = f" ({self.subresource})" if self.subresource else ""
        where = f" in {self.ref.namespace}" if self.ref.namespace else ""
        return f"{self.verb} {name}{tail}{where}"

    @property
    def path(self) -> str:
        if self.verb in {"list", "watch"} or (self.verb == "create" and not self.subresource):
            return self.resource.collection(self.ref.namespace)
        return self.resource.path(self.ref, self.subresource)


MOST_PAGES = 200  # of one list: a hundred thousand objects
WATCH_SECONDS = 240.0  # after this long the API ends a stream and we go on with the next
METHODS = {"get": "GET", "list": "GET", "patch": "PATCH", "delete": "DELETE", "create": "POST"}


class KubernetesSession:
    """Sends requests as one identity."""

    def __init__(self, config: KubernetesConfig, *, acting: bool) -> None:
        self.config = config
        self._acting = acting
        self._api: Any = None
        self.name = NAME if config.name == DEFAULT_CLUSTER else f"{NAME} {config.name}"
        # a change is never held back by what reading has learned: it is sent, or it fails itself
        self.condition = Condition(self.name, trips=not acting)

    async def close(self) -> None:
        if self._api is not None:
            await self._api.close()
            self._api = None

    async def send(
        self,
        call: KubernetesCall,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Object:
        """Send one request once and return the object it answers."""
        raw = await self._raw(call, query or {}, body, content_type)
        answer = _object(raw)
        if not answer:  # a login page with status 200 must not read as an empty list
            start = raw[:80].decode("utf-8", "replace")
            raise self._unanswered(
                call,
                f"the answer is no Kubernetes object ({start!r}); check that the address in the "
                "kubeconfig is the API server itself and that no proxy or login page answers",
            )
        if self._acting and (
            other := mistaken(call.verb, call.resource, call.ref, call.subresource, answer)
        ):
            raise self._unanswered(call, f"the answer is about {other}")
        return answer

    async def text(self, call: KubernetesCall, query: Mapping[str, str]) -> str:
        """Send one reading request and return the text it answers (a log)."""
        raw = await self._raw(call, query, accept="text/plain, */*")
        return raw.decode("utf-8", "replace")

    async def _raw(
        self,
        call: KubernetesCall,
        query: Mapping[str, str],
        body: Any = None,
        content_type: str = "",
        accept: str = "application/json",
    ) -> bytes:
        with self.condition.attempt():
            return await self._sent(call, query, body, content_type, accept)

    async def _sent(
        self,
        call: KubernetesCall,
        query: Mapping[str, str],
        body: Any,
        content_type: str,
        accept: str,
    ) -> bytes:
        api = await self._connected()
        headers = {"Accept": accept}
        if body is not None:
            headers["Content-Type"] = content_type
        prepared = await api.param_serialize(
            method=METHODS[call.verb],
            resource_path=call.path,
            query_params=sorted(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        seconds = self.config.timeout_seconds
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, 5.0))
        try:
            response = await api.call_api(*prepared, _request_timeout=timeout)
            raw = await self._body(call, response.response)
        except _SentOnError as error:
            raise BackendRefusedError(
                self.name,
                f"{call}: {self._whereabouts()} sends us on to {str(error)!r}, which we do not "
                "follow; name the API server itself",
            ) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise BackendUnavailableError(self.name, self._unreached(error)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            why = str(error) or f"no answer within {seconds:g} s"
            raise self._unanswered(call, why) from error
        if 200 <= response.status < 300:
            return bytes(raw)
        raise self._failure(call, response.status, raw, response.headers.get("Retry-After", ""))

    async def _body(self, call: KubernetesCall, response: aiohttp.ClientResponse) -> bytes:
        """Read an answer, unpacked, up to the limit."""
        parts: list[bytes] = []
        size, limit = 0, self.config.max_response_bytes
        async for part in response.content.iter_any():
            size += len(part)
            if size > limit:
                response.close()
                text = f"the answer is larger than {limit:,} bytes"
                if call.changes:
                    raise self._unanswered(call, text)
                raise AnswerTooLargeError(self.name, f"{call}: {text}; nothing of it is used")
            parts.append(part)
        return b"".join(parts)

    async def get(self, ref: WorkloadRef) -> Object:
        """Read one object. Raises NotFoundError."""
        return await self.send(KubernetesCall("get", resource_of(ref.kind), ref))

    async def list(
        self, kind: str, namespace: str, query: Mapping[str, str], *, first_page_of: int = 0
    ) -> list[Object]:
        """List objects of a kind, page after page; items carry their kind.

        `first_page_of` asks for that many and no further page.
        """
        items, _ = await self.list_at(kind, namespace, query, first_page_of=first_page_of)
        return items

    async def list_at(
        self, kind: str, namespace: str, query: Mapping[str, str], *, first_page_of: int = 0
    ) -> Listed:
        """List objects with the resource version the list was true at: where a watch begins."""
        resource = resource_of(kind)
        call = KubernetesCall("list", resource, WorkloadRef(self.config.name, namespace, kind, ""))
        size = first_page_of or self.config.page_size
        fields = {"limit": str(size), **{k: v for k, v in query.items() if v}}
        items: list[Object] = []
        for _ in range(MOST_PAGES):
            page = await self.send(call, query=fields)
            for item in page.get("items") or ():
                item.setdefault("kind", kind)
                items.append(item)
            own = page.get("metadata") or {}
            following = own.get("continue")
            if not following or first_page_of:
                return items, str(own.get("resourceVersion", ""))
            fields["continue"] = following
        raise AnswerTooLargeError(
            self.name, f"{call}: more than {MOST_PAGES} pages of {size} objects; name a namespace"
        )

    async def watch(self, kind: str, namespace: str, version: str) -> AsyncGenerator[Object, None]:
        """Yield the events after a version until the API ends the stream.

        The API asks for bookmarks, so that a quiet kind can be resumed from a version that is
        still known. Raises BackendError when the stream cannot be opened or breaks off.
        """
        call = KubernetesCall(
            "watch", resource_of(kind), WorkloadRef(self.config.name, namespace, kind, "")
        )
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": f"{WATCH_SECONDS:g}",
        }
        api = await self._connected()
        prepared = await api.param_serialize(
            method="GET",
            resource_path=call.path,
            query_params=sorted(query.items()),
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        limit = self.config.max_response_bytes
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=5.0, sock_read=WATCH_SECONDS + self.config.timeout_seconds
        )
        try:
            response = await api.call_api(*prepared, _request_timeout=timeout)
            try:
                if response.status != 200:
                    body = await self._body(call, response.response)
                    raise self._failure(call, response.status, body)
                async for line in _lines(response.response.content, limit):
                    yield _object(line)
            finally:
                response.response.close()
        except (aiohttp.ClientError, TimeoutError) as error:
            why = str(error) or "the stream went silent"
            raise BackendUnavailableError(self.name, f"{call}: {why}") from error

    async def health(self) -> Health:
        """Ask for the version: every identity may."""
        configured = self.config.actionable if self._acting else self.config.readable
        name = f"{NAME}_act" if self._acting else NAME
        if not configured:
            return Health(name, up=False, detail="not configured", configured=False)
        version = Resource("", "", "version", namespaced=False)
        try:
            answer = await self.send(_VersionCall("get", version, WorkloadRef("", "", "", "")))
        except BackendError as error:
            return self.condition.health(name, up=False, detail=str(error))
        detail = f"{self.config.name} {answer.get('gitVersion', '')}"
        return self.condition.health(name, up=True, detail=detail)

    async def _connected(self) -> Any:
        if self._api is None:
            self._api = await self._connect()
        return self._api

    async def _connect(self) -> Any:
        from kubernetes.aio import client, config

        ours = self.config
        settings = client.Configuration()
        file = ours.kubeconfig_act if self._acting else ours.kubeconfig
        try:
            if file:
                await config.load_kube_config(  # type: ignore[no-untyped-call]
                    config_file=file,
                    context=(ours.context_act if self._acting else ours.context) or None,
                    client_configuration=settings,
                    persist_config=False,
                )
            elif ours.in_cluster and not self._acting:
                config.load_incluster_config(  # type: ignore[no-untyped-call]
                    client_configuration=settings
                )
            else:
                variable = ours.setting_act if self._acting else ours.setting
                raise BackendDeniedError(self.name, f"no identity is configured; set {variable}")
        except (config.ConfigException, OSError, ValueError) as error:
            where = file or "the pod's service account"
            raise BackendDeniedError(self.name, f"{where} cannot be used: {error}") from error
        settings.retries = None
        settings.client_session_kwargs = {"middlewares": (_send_once,)}
        if ours.proxy:
            settings.proxy = ours.proxy
        return client.ApiClient(settings)

    def _unanswered(self, call: KubernetesCall, why: str) -> Exception:
        if call.changes:
            return OutcomeUnknownError(
                f"{call} was sent and not answered ({why}); look at the object before doing "
                "anything again"
            )
        return BackendUnavailableError(self.name, f"{call}: {why}")

    def _unreached(self, error: Exception) -> str:
        """Return why no connection came about, and what to look at."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return (
                f"the server's certificate is not trusted ({error}); a proxy may be breaking TLS "
                "open: put its authority into certificate-authority of the kubeconfig"
            )
        return (
            f"cannot be reached: {error}; check that the API server runs and that the address in "
            f"the kubeconfig is right ({self._whereabouts()})"
        )

    def _whereabouts(self) -> str:
        """Name the file that says where the API server is and who we are."""
        ours = self.config
        file = ours.kubeconfig_act if self._acting else ours.kubeconfig
        setting = ours.setting_act if self._acting else ours.setting
        return f"{setting}: {file!r}" if file else "the pod's service account"

    def _failure(
        self, call: KubernetesCall, status: int, raw: bytes, retry_after: str = ""
    ) -> Exception:
        answer = _object(raw)
        text = str(answer.get("message") or raw[:300].decode("utf-8", "replace"))
        reason = str(answer.get("reason", ""))
        if status == 401:
            return BackendDeniedError(
                self.name,
                f"{call}: the identity is not accepted ({text}); its token has expired or is "
                f"wrong: renew it ({self._whereabouts()})",
            )
        if status == 403:
            rule = rbac_rule(call.verb, call.resource, call.ref.namespace, call.subresource)
            return BackendDeniedError(
                self.name, f"{call} is denied ({text}); it needs the rule {rule}"
            )
        if status == 404:
            return NotFoundError(f"{self.name}: {call}: {text}")
        if status == 409 or (status == 422 and call.verb == "patch" and _is_failed_test(text)):
            return LostRaceError(f"{call}: the object changed meanwhile: {text}")
        if status == 429:
            wait = f"; ask again in {retry_after} s" if retry_after else ""
            return TryLaterError(self.name, f"{call}: {_with_causes(text, answer)}{wait}")
        if status < 500:
            return BackendRefusedError(self.name, f"{call}: {reason or status}: {text}")
        return self._unanswered(call, f"HTTP {status}: {text}")


class _SentOnError(aiohttp.ClientError):
    """The answer is a redirect; says where to."""


async def _send_once(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Keep aiohttp from repeating a DELETE whose kept-alive connection broke before an answer.

    It repeats methods that HTTP calls idempotent. The second DELETE would find nothing and tell
    "not found" of a pod that the first one removed. Nor does it follow a redirect: that would carry
    a change to whoever the answer names.
    """
    try:
        response = await handler(request)
        if 300 <= response.status < 400 and "Location" in response.headers:
            response.close()
            raise _SentOnError(response.headers["Location"])
        return response
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if request.method == "GET":
            raise
        raise aiohttp.ClientConnectionError(str(error) or type(error).__name__) from error


class _VersionCall(KubernetesCall):
    @property
    def path(self) -> str:
        return "/version"


def _is_failed_test(text: str) -> bool:
    """Tell a failed `test` operation from a change that validation refuses; both are 422."""
    return "is invalid" not in text.lower()


def _with_causes(text: str, answer: Object) -> str:
    """Add what a Status names as causes: which disruption budget holds a pod."""
    causes = (answer.get("details") or {}).get("causes") or ()
    told = [str(each.get("message", "")) for each in causes]
    return " ".join([text, *(each for each in told if each)])


async def _lines(content: aiohttp.StreamReader, limit: int) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, each as long as one answer may be."""
    rest = b""
    async for part in content.iter_any():
        *whole, rest = (rest + part).split(b"\n")
        if len(rest) > limit:
            raise aiohttp.ClientPayloadError(f"an event is larger than {limit:,} bytes")
        for line in whole:
            if line.strip():
                yield line


def _object(raw: bytes) -> Object:
    try:
        value = json.loads(raw) if raw else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
