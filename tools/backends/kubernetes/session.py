"""One identity's connection to one cluster: raw REST calls, each sent once.

`failures` says what it means when one fails; `answers` when the acting identity is answered about
another object.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

import aiohttp

from foundation.shortened import shortened
from tools.backends.condition import Condition
from tools.backends.kubernetes.answers import mistaken
from tools.backends.kubernetes.calls import ASK_VERSION, METHODS, KubernetesCall
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.failures import Failures, Object, object_of, whereabouts_of
from tools.backends.kubernetes.kinds import resource_of
from tools.errors import (
    AnswerTooLargeError,
    BackendDeniedError,
    BackendError,
    BackendUnavailableError,
)
from tools.ports import Health
from tools.world import DEFAULT_CLUSTER, WorkloadRef

NAME = "kubernetes"
Listed = tuple[list[Object], str]  # objects, and the resource version the list was true at
MOST_PAGES = 200  # of one list: a hundred thousand objects
WATCH_SECONDS = 240.0  # after this long the API ends a stream and we go on with the next


class KubernetesSession:
    """Sends requests as one identity."""

    def __init__(self, config: KubernetesConfig, *, acting: bool) -> None:
        self.config = config
        self._acting = acting
        self._api: Any = None
        self.name = NAME if config.name == DEFAULT_CLUSTER else f"{NAME} {config.name}"
        # a change is never held back by what reading has learned: it is sent, or it fails itself
        self.condition = Condition(self.name, trips=not acting)
        self._failures = Failures(self.name, whereabouts_of(config, acting=acting))

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
        answer = object_of(raw)
        if not answer:  # a login page with status 200 must not read as an empty list
            start = shortened(raw, 80)
            raise self._failures.unanswered(
                call,
                f"the answer is no Kubernetes object ({start!r}); check that the address in the "
                "kubeconfig is the API server itself and that no proxy or login page answers",
            )
        if self._acting and (
            other := mistaken(call.verb, call.resource, call.ref, call.subresource, answer)
        ):
            raise self._failures.unanswered(call, f"the answer is about {other}")
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
            raise self._failures.sent_on(call, str(error)) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise BackendUnavailableError(self.name, self._failures.unreached(error)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            why = str(error) or f"no answer within {seconds:g} s"
            raise self._failures.unanswered(call, why) from error
        if 200 <= response.status < 300:
            return bytes(raw)
        raise self._failures.of_status(
            call, response.status, raw, response.headers.get("Retry-After", "")
        )

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
                    raise self._failures.unanswered(call, text)
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
        # a stream that drips for ever would never be silent, and never say anything
        timeout = aiohttp.ClientTimeout(
            total=WATCH_SECONDS + self.config.timeout_seconds, sock_connect=5.0
        )
        try:
            response = await api.call_api(*prepared, _request_timeout=timeout)
            try:
                if response.status != 200:
                    body = await self._body(call, response.response)
                    raise self._failures.of_status(call, response.status, body)
                async for line in _lines(response.response.content.iter_any(), limit):
                    yield object_of(line)
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
        try:
            answer = await self.send(ASK_VERSION)
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


async def _lines(parts: AsyncIterator[bytes], limit: int) -> AsyncIterator[bytes]:
    """Yield the lines of a stream, each as long as one answer may be."""
    begun: list[bytes] = []  # of a line whose end did not come yet
    size = 0
    async for part in parts:
        first, *others = part.split(b"\n")
        begun.append(first)
        size += len(first)
        if others:
            *whole, last = [b"".join(begun), *others]
            begun, size = [last], len(last)
            for line in whole:
                if line.strip():
                    yield line
        if size > limit:
            raise aiohttp.ClientPayloadError(f"an event is larger than {limit:,} bytes")
