"""What every trace store shares: the connection, the search for the slowest, ids, links, errors.

A trace store returns *some* traces that match, not the slowest. So a full answer is asked again
with the median of what was found as the new minimum, until the answer is no longer full.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import Any

import httpx

from tools.backends.condition import Condition
from tools.backends.transport import Connection, Explain, JsonBackend
from tools.errors import (
    BackendError,
    BackendRefusedError,
    BackendUnavailableError,
    BadArgumentError,
    NotFoundError,
)
from tools.ports import Health
from tools.tracing import TraceHead

MOST_FOUND = 100  # traces asked for at once
MOST_ROUNDS = 4  # each leaves the slower half: of 1,600 matching traces the slowest 100
_TRACE_ID = re.compile(r"[0-9a-fA-F]{8,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingConfig(Connection):
    """A connection and where people see a trace."""

    provider: str = "tempo"  # or "jaeger"
    link_template: str = ""  # an address that holds {trace_id}; empty: no links


class _AbsentError(BackendRefusedError):
    """The store answered 404."""


def refusal(backend: str, status: int, text: str) -> BackendError | None:
    """Return what a store's own words about a question mean; None when it is not the question."""
    if status == 404:
        return _AbsentError(backend, text or "HTTP 404")
    if status in {400, 422}:
        return BackendRefusedError(backend, text or f"HTTP {status}")
    return None


class TraceStore:
    """One store over HTTP: a subclass knows its paths and its shapes. Changes nothing."""

    def __init__(
        self,
        name: str,
        config: TracingConfig,
        *,
        explain: Explain,
        alive_path: str,
        transport: httpx.AsyncBaseTransport | None,
    ) -> None:
        """Take the store's name for errors and the path that tells whether it is well."""
        self._config = config
        self._alive_path = alive_path
        self._http = JsonBackend(name, config, explain=explain, transport=transport)

    async def close(self) -> None:
        await self._http.close()

    def link(self, trace_id: str) -> str:
        return self._config.link_template.replace("{trace_id}", trace_id)

    async def health(self) -> Health:
        return await self._http.health(self._alive_path)

    @property
    def condition(self) -> Condition:
        """How it is, learned from every call."""
        return self._http.condition

    async def _by_id(self, trace_id: str, wanted: str) -> Any:
        """Return the store's answer; NotFoundError, in the caller's words, when it has none."""
        try:
            return await self._http.ask("GET", f"/api/traces/{wanted}", {})
        except _AbsentError as error:
            raise NotFoundError(
                f"no trace {trace_id!r} in {self._http.name}; it may be older than what is kept"
            ) from error

    def _holds_nothing(self, trace_id: str) -> NotFoundError:
        return NotFoundError(f"trace {trace_id!r} holds no spans in {self._http.name}")

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn an answer of another shape into an error that says where to look."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise BackendUnavailableError(
                self._http.name,
                f"{self._config.url} answered JSON that holds no traces ({type(error).__name__}: "
                f"{error}); check that tracing.url points at {self._http.name} itself and that "
                "tracing.provider is right",
            ) from error


Ask = Callable[[timedelta], Awaitable[list[TraceHead]]]  # traces of at least this duration


async def slowest(ask: Ask, minimum: timedelta, limit: int) -> list[TraceHead]:
    """Return the slowest traces, slowest first, as far as the store can be made to tell."""
    found: dict[str, TraceHead] = {}
    for _ in range(MOST_ROUNDS):
        heads = await ask(minimum)
        found |= {head.id: head for head in heads}
        if len(heads) < MOST_FOUND:
            break
        above = timedelta(seconds=median(head.duration.total_seconds() for head in heads))
        if above <= minimum:
            break
        minimum = above
    return sorted(found.values(), key=lambda head: (-head.duration, head.id))[:limit]


def checked_id(trace_id: str) -> str:
    """Return a trace id as stores write it. Raises BadArgumentError for what is none."""
    bare = trace_id.strip()
    if not _TRACE_ID.fullmatch(bare):
        raise BadArgumentError(
            f"trace_id {trace_id!r} is not hexadecimal, as in 4bf92f3577b34da6a3ce929d0e0e4736; "
            "copy it from a log line or an earlier search"
        )
    return bare.lower()
