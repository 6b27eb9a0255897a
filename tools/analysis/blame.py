"""Whom an error line blames: the host that was not found, refused, did not answer.

    "dial tcp: lookup my-api on 10.0.0.10:53: no such host"    ──> my-api, name unknown
    "connect ECONNREFUSED 10.1.2.3:5432"                       ──> 10.1.2.3:5432, refused
    "UnableToConnect on redis:6379/Interactive"                ──> redis:6379, failed

A word is a host only beside a scheme, a port or a verb of connecting: `schema.table` is none. The
forms are those of Go, Java, .NET, Node, Python, libpq, MySQL and gRPC; words English and Chinese.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

import re2

LONGEST = 4_000  # characters of a line that are read
_HOST = r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?)"
_PORT = r"(?P<port>\d{2,5})"


class How(StrEnum):
    """What became of a connection."""

    UNKNOWN_NAME = "unknown name"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    RESET = "reset"
    UNREACHABLE = "unreachable"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, order=True)
class Blame:
    """Who is blamed and for what."""

    host: str  # lower case, without a final dot
    port: int | None
    how: How


_END = r"(?: on \S+)?: (?:no such host|server misbehaving|i/o timeout|temporary failure)"
_UNKNOWN = r"(?:name or service not known|nodename nor servname|name resolution)"
_NAMES = (
    rf"lookup {_HOST}{_END}",
    rf"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) {_HOST}",
    rf"UnknownHostException:? (?:Failed to resolve )?'?{_HOST}",
    rf"could not translate host name \"{_HOST}\"",
    rf"(?:failed|unable) to resolve (?:host(?:name)?|address|name)? ?['\"]?{_HOST}",
    rf"(?:host|server)='?{_HOST}'?.{{0,200}}{_UNKNOWN}",
    rf"name resolution fail(?:ed|ure)(?: for| of)? ?(?:target )?(?:dns:)?/*['\"]?{_HOST}",
    rf"(?:无法解析|解析失败)[^A-Za-z0-9]{{0,20}}{_HOST}",
)
_URL = r"['\"/]?(?:[a-z][a-z0-9+.-]*://)?(?:[^/@\s'\"]*@)?"
_VERB = r"(?:dial (?:tcp|udp)6?|ECONN\w+|ETIMEDOUT|EHOSTUNREACH|UnableToConnect on)"
_TO = r"connect(?:ion|ing|ed)?(?: error)?:?(?: to| on| with)?(?: address)?:?"
_NOUN = r"(?:upstream:?|backend|server|host|endpoint:?)"
_WHERE = (
    rf"ipv4:{_HOST}:{_PORT}\b",
    rf"(?:{_VERB}|{_TO}|{_NOUN})[ =]+{_URL}{_HOST}(?:/[0-9.]+)?:{_PORT}\b",
    rf"[a-z][a-z0-9+.-]*://(?:[^/@\s'\"]*@)?{_HOST}:{_PORT}\b",
    rf"HTTPConnectionPool\(host='{_HOST}', port={_PORT}\)",
    rf"server at \"{_HOST}\"(?: \([0-9.]+\))?, port {_PORT}",
    rf"host \"{_HOST}\"(?: \([0-9.]+\))? and accepting\s+TCP/IP connections on port {_PORT}",
    rf"(?:连接|访问|请求)[^A-Za-z0-9]{{0,20}}{_HOST}:{_PORT}\b",
)
_FAILED = (
    r"unable ?to ?connect|(?:failed to|could not|cannot|can't) connect|"
    r"connection (?:error|failed|failure)|connect error|连接.{0,20}失败"
)
_ENDS = {
    How.REFUSED: r"refused|ECONNREFUSED|拒绝",
    How.TIMED_OUT: r"time(?:d )?-?out|ETIMEDOUT|deadline exceeded|超时",
    How.RESET: r"reset by peer|ECONNRESET|broken pipe|closed by|重置",
    How.UNREACHABLE: r"no route to host|unreachable|EHOSTUNREACH",
    How.FAILED: _FAILED,
}
_BY_NAME = tuple(re2.compile(f"(?i){pattern}") for pattern in _NAMES)
_BY_PLACE = tuple(re2.compile(f"(?i){pattern}") for pattern in _WHERE)
_HOW = tuple((how, re2.compile(f"(?i){pattern}")) for how, pattern in _ENDS.items())
_NOBODY = frozenset({"localhost", "127.0.0.1", "0.0.0.0"})  # noqa: S104 - names in a log


def blamed(line: str) -> Blame | None:
    """Return whom a line blames, None when nobody or only this machine itself."""
    text = line[:LONGEST]
    for pattern in _BY_NAME:
        match = pattern.search(text)
        if match:
            return _blame(match["host"], None, How.UNKNOWN_NAME)
    how = next((how for how, pattern in _HOW if pattern.search(text)), None)
    if how is None:
        return None
    for pattern in _BY_PLACE:
        match = pattern.search(text)
        if match:
            return _blame(match["host"], int(match["port"]), how)
    return None


def count_blamed(lines: Iterable[str]) -> Counter[Blame]:
    """Return how often each is blamed."""
    return Counter(found for line in lines if (found := blamed(line)) is not None)


def _blame(host: str, port: int | None, how: How) -> Blame | None:
    name = host.lower().rstrip(".")
    return None if name in _NOBODY else Blame(name, port, how)
