"""Calling HTTP endpoints on purpose: few hosts, no surprises, signed.

    check: scheme, host and port on the allow-list, resolved addresses public (or the host
           allow-listed by name as private) ──> send once to the address that was checked, Host and
           TLS name kept
    redirect to another host, or any redirect of a change ──> refused

A private address is refused unless its host is listed in `private_hosts`: a public name that
resolves into the cluster is an attack, not a service. A name is resolved once per call and the
connection goes to an address that was checked, so an answer that changes meanwhile changes nothing.

    X-Signature-Timestamp  Unix seconds (wall time); a receiver refuses old ones
    X-Signature-SHA256     HMAC-SHA256 of METHOD, URL, Idempotency-Key, timestamp, body, by newlines
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
import json
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import httpx

from foundation.nearest import nearest
from foundation.shortened import shortened
from tools.backends.http_hosts import USUAL, AllowedHost, covered, entry_for
from tools.backends.unpacking import unpacked
from tools.errors import (
    ActionRefusedError,
    BackendDeniedError,
    BackendRefusedError,
    BackendUnavailableError,
    OutcomeUnknownError,
)
from tools.ports import HttpReply

NAME = "http"
MAX_TEXT = 4_000  # characters of an answer that are kept
MAX_BODY = 64 * 1024  # bytes of it that are read, unpacked: the rest is left unread
MAX_HOPS = 3
NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits
Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Where we may call."""

    hosts: tuple[str, ...] = ()  # allowed, exactly: HOST or HOST:PORT, see `http_hosts`
    private_hosts: tuple[str, ...] = ()  # allowed although they resolve to private addresses
    timeout_seconds: float = 10.0
    secret: str = field(default="", repr=False)  # HMAC key of X-Signature-SHA256; empty: unsigned
    ca_file: str = ""


class HttpEndpoints:
    """The HttpCaller of `tools.act.contract`."""

    def __init__(
        self,
        config: HttpConfig,
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        wall: Callable[[], datetime] | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """`wall` dates the signatures: it is needed with a secret.

        Raises ValueError for an entry of `hosts` or `private_hosts` that is none.
        """
        if config.secret and wall is None:
            raise ValueError("signing calls needs the wall clock")
        self._config = config
        self._private = tuple(AllowedHost.parse(each) for each in config.private_hosts)
        self._allowed = (*(AllowedHost.parse(each) for each in config.hosts), *self._private)
        self._wall = wall
        self._resolve = resolve or _resolve
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
            addresses = await self._resolved(method, target)
            response, text = await self._send(method, target, addresses, body, key)
            if not response.is_redirect:
                return self._reply(method, target, response, text)
            target = self._next_hop(method, target, response)
        raise BackendRefusedError(NAME, f"{url} redirects more than {MAX_HOPS} times")

    async def _resolved(self, method: str, url: str) -> Sequence[str]:
        """Return the addresses that may be called, or raise ActionRefusedError."""
        parts = _parsed(method, url)  # by the same rules as the client that connects
        host = parts.host.lower()
        if parts.scheme not in {"http", "https"} or not host or parts.userinfo:
            raise ActionRefusedError(f"{method} {url!r}: write http(s)://host/path without a user")
        port = parts.port if parts.port is not None else USUAL[parts.scheme]
        entry = entry_for(parts.scheme, host, port)
        if not covered(self._allowed, parts.scheme, host, port):
            raise ActionRefusedError(f"{method} {url!r}: {self._not_allowed(host, port, entry)}")
        try:
            addresses = await self._resolve(host, port)
        except OSError as error:
            raise BackendUnavailableError(NAME, f"{host} does not resolve: {error}") from error
        if not covered(self._private, parts.scheme, host, port):
            for each in addresses:
                if not is_public(each):
                    raise ActionRefusedError(
                        f"{host!r} resolves to the private address {each}; "
                        f"list {entry!r} under http_private_hosts if that is meant"
                    )
        return addresses

    def _not_allowed(self, host: str, port: int, entry: str) -> str:
        names = {each.name for each in self._allowed}
        if host in names:
            return (
                f"port {port} of {host!r} is not allowed; if that is meant, list {entry!r} under "
                "http_hosts"
            )
        return f"host {host!r} is not allowed.{nearest(host, names)}"

    async def _send(
        self,
        method: str,
        url: str,
        addresses: Sequence[str],
        body: Mapping[str, Any] | None,
        key: str,
    ) -> tuple[httpx.Response, str]:
        """Send once: another address is tried only while no connection was made."""
        content = json.dumps(body, sort_keys=True).encode() if body is not None else b""
        headers = self._headers(method, url, content, key)
        refused: Exception | None = None
        for address in addresses:
            try:
                return await self._try(method, url, address, content, headers)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                refused = error
        raise BackendUnavailableError(NAME, f"{url} cannot be reached: {refused}") from refused

    async def _try(
        self, method: str, url: str, address: str, content: bytes, headers: Mapping[str, str]
    ) -> tuple[httpx.Response, str]:
        client = self._client or self._connect()
        parts = _parsed(method, url)
        request = client.build_request(
            method,
            parts.copy_with(host=address),
            content=content,
            headers={"Host": parts.netloc.decode(), **headers},
            extensions={"sni_hostname": parts.host},
        )
        try:
            response = await client.send(request, stream=True)
            try:
                return response, await _beginning(response)
            finally:
                await response.aclose()
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            raise
        except (httpx.TransportError, httpx.DecodingError) as error:
            why = str(error) or type(error).__name__
            if method == "GET":
                raise BackendUnavailableError(NAME, f"{url}: {why}") from error
            raise OutcomeUnknownError(
                f"{method} {url} was sent and not answered ({why}); ask the service what it did"
            ) from error

    def _headers(self, method: str, url: str, content: bytes, key: str) -> dict[str, str]:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if content:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Idempotency-Key"] = key
        if self._config.secret and self._wall is not None:
            at = str(int(self._wall().timestamp()))
            signed = b"\n".join((method.encode(), url.encode(), key.encode(), at.encode(), content))
            digest = hmac.new(self._config.secret.encode(), signed, hashlib.sha256).hexdigest()
            headers["X-Signature-Timestamp"] = at
            headers["X-Signature-SHA256"] = digest
        return headers

    def _next_hop(self, method: str, url: str, response: httpx.Response) -> str:
        asked = _parsed(method, url)
        target = asked.join(response.headers.get("location", ""))
        same = (target.scheme, target.netloc) == (asked.scheme, asked.netloc)
        if method != "GET" or not same:
            raise BackendRefusedError(
                NAME,
                f"{method} {url} answered a redirect to {str(target)!r}; name the final address",
            )
        return str(target)

    def _reply(self, method: str, url: str, response: httpx.Response, text: str) -> HttpReply:
        status, said = response.status_code, shortened(text, 200)
        if status in {401, 403}:
            raise BackendDeniedError(NAME, f"{method} {url} answered {status}: {said}")
        if status >= 500:
            if method == "GET":
                raise BackendUnavailableError(NAME, f"GET {url} answered {status}: {said}")
            raise OutcomeUnknownError(
                f"{method} {url} answered {status} ({said}); it may have taken effect"
            )
        if status >= 400:
            raise BackendRefusedError(NAME, f"{method} {url} answered {status}: {said}")
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


async def _beginning(response: httpx.Response) -> str:
    """Return the beginning of a body, unpacked no further than it is kept.

    Raises DecodingError for a coding that we do not unpack.
    """
    found = b""
    async for piece in unpacked(response):
        found += piece[: MAX_BODY - len(found)]
        if len(found) >= MAX_BODY:
            break
    try:
        text = found.decode(response.encoding or "utf-8", "replace")
    except (LookupError, ValueError):  # a charset that is none: the header is anybody's
        text = found.decode("utf-8", "replace")
    return shortened(text, MAX_TEXT)


def _authorities(ca_file: str) -> Any:
    import ssl

    return ssl.create_default_context(cafile=ca_file or None)


def _parsed(method: str, url: str) -> httpx.URL:
    try:
        return httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ActionRefusedError(f"{method} {url!r}: is no address: {error}") from error


async def _resolve(host: str, port: int) -> Sequence[str]:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def is_public(text: str) -> bool:
    """Say whether an address, and any IPv4 address inside it, belongs to the open internet."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inside = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inside is not None:
            return is_public(str(inside))
    return address.is_global and not address.is_multicast and not address.is_reserved
