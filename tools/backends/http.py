"""Calling HTTP endpoints on purpose: few hosts, no surprises, signed.

    check: scheme, host on the allow-list, resolved addresses public (or the host allow-listed by
           name as private) ──> send once to the address that was checked, Host and TLS name kept
    redirect to another host, or any redirect of a change ──> refused

A private address is refused unless its host is listed in `private_hosts`: a public name that
resolves into the cluster is an attack, not a service.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from tools.act.contract import HttpReply
from tools.errors import (
    ActionRefusedError,
    BackendDeniedError,
    BackendRefusedError,
    BackendUnavailableError,
    OutcomeUnknownError,
    nearest,
)

NAME = "http"
MAX_TEXT = 4_000  # characters of an answer that are kept
MAX_HOPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Where we may call."""

    hosts: tuple[str, ...] = ()  # allowed host names, exactly
    private_hosts: tuple[str, ...] = ()  # allowed although they resolve to private addresses
    timeout_seconds: float = 10.0
    secret: str = field(default="", repr=False)  # HMAC key of X-Signature-SHA256; empty: unsigned
    ca_file: str = ""


class HttpEndpoints:
    """The HttpCaller of `tools.act.contract`."""

    def __init__(
        self, config: HttpConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._config = config
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def check(self, method: str, url: str) -> None:
        await self._resolved(method, url)

    async def call(
        self, method: str, url: str, body: Mapping[str, Any] | None, key: str
    ) -> HttpReply:
        target = url
        for _ in range(MAX_HOPS):
            address = await self._resolved(method, target)
            response = await self._send(method, target, address, body, key)
            if not response.is_redirect:
                return self._reply(method, target, response)
            target = self._next_hop(method, target, response)
        raise BackendRefusedError(NAME, f"{url} redirects more than {MAX_HOPS} times")

    async def _resolved(self, method: str, url: str) -> str:
        """Return an address that may be called, or raise ActionRefusedError."""
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        ours = self._config
        allowed = {each.lower() for each in (*ours.hosts, *ours.private_hosts)}
        if parts.scheme not in {"http", "https"} or not host or parts.username is not None:
            raise ActionRefusedError(f"{method} {url!r}: write http(s)://host/path without a user")
        if host not in allowed:
            raise ActionRefusedError(
                f"{method} {url!r}: host {host!r} is not allowed.{nearest(host, allowed)}"
            )
        private = host in {each.lower() for each in ours.private_hosts}
        loop = asyncio.get_running_loop()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise BackendUnavailableError(NAME, f"{host} does not resolve: {error}") from error
        addresses = [str(each[4][0]) for each in found]
        if not private:
            for each in addresses:
                if not ipaddress.ip_address(each.partition("%")[0]).is_global:
                    raise ActionRefusedError(
                        f"{host!r} resolves to the private address {each}; "
                        "list it under private_hosts if that is meant"
                    )
        return addresses[0]

    async def _send(
        self, method: str, url: str, address: str, body: Mapping[str, Any] | None, key: str
    ) -> httpx.Response:
        client = self._client or self._connect()
        content = json.dumps(body, sort_keys=True).encode() if body is not None else b""
        parts = httpx.URL(url)
        headers = {"Host": parts.netloc.decode(), "Accept": "application/json"}
        if content:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        if self._config.secret:
            signed = b"\n".join((method.encode(), url.encode(), key.encode(), content))
            digest = hmac.new(self._config.secret.encode(), signed, hashlib.sha256).hexdigest()
            headers["X-Signature-SHA256"] = digest
        try:
            return await client.request(
                method,
                parts.copy_with(host=address),
                content=content,
                headers=headers,
                extensions={"sni_hostname": parts.host},
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise BackendUnavailableError(NAME, f"{url} cannot be reached: {error}") from error
        except httpx.TransportError as error:
            why = str(error) or type(error).__name__
            if method == "GET":
                raise BackendUnavailableError(NAME, f"{url}: {why}") from error
            raise OutcomeUnknownError(
                f"{method} {url} was sent and not answered ({why}); ask the service what it did"
            ) from error

    def _next_hop(self, method: str, url: str, response: httpx.Response) -> str:
        target = str(urljoin(url, response.headers.get("location", "")))
        same = urlsplit(target)[:2] == urlsplit(url)[:2]
        if method != "GET" or not same:
            raise BackendRefusedError(
                NAME, f"{method} {url} answered a redirect to {target!r}; name the final address"
            )
        return target

    def _reply(self, method: str, url: str, response: httpx.Response) -> HttpReply:
        status, text = response.status_code, response.text[:MAX_TEXT]
        if status in {401, 403}:
            raise BackendDeniedError(NAME, f"{method} {url} answered {status}: {text[:200]}")
        if status >= 500:
            if method == "GET":
                raise BackendUnavailableError(NAME, f"GET {url} answered {status}: {text[:200]}")
            raise OutcomeUnknownError(
                f"{method} {url} answered {status} ({text[:200]}); it may have taken effect"
            )
        if status >= 400:
            raise BackendRefusedError(NAME, f"{method} {url} answered {status}: {text[:200]}")
        return HttpReply(status, text)

    def _connect(self) -> httpx.AsyncClient:
        ours = self._config
        self._client = httpx.AsyncClient(
            timeout=ours.timeout_seconds,
            follow_redirects=False,
            transport=self._transport,
            verify=_authorities(ours.ca_file),
            trust_env=False,  # a proxy would resolve the name again, past our check
        )
        return self._client


def _authorities(ca_file: str) -> Any:
    import ssl

    return ssl.create_default_context(cafile=ca_file or None)
