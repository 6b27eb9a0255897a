"""What both trace stores share: the connection, the search for the slowest, ids, links, errors.

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

from tools.backends.transport import Connection
from tools.errors import BackendUnavailableError, BadArgumentError
from tools.tracing import TraceHead

MOST_FOUND = 100  # traces asked for at once
MOST_ROUNDS = 4  # each leaves the slower half: of 1,600 matching traces the slowest 100
_TRACE_ID = re.compile(r"[0-9a-fA-F]{8,32}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TracingConfig(Connection):
    """A connection and where people see a trace."""

    provider: str = "tempo"  # or "jaeger"
    link_template: str = ""  # an address that holds {trace_id}; empty: no links


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


def link_to(config: TracingConfig, trace_id: str) -> str:
    """Return where a person sees the trace; empty when nothing is configured."""
    return config.link_template.replace("{trace_id}", trace_id)


@contextmanager
def reading(backend: str, url: str) -> Iterator[None]:
    """Turn an answer of another shape into an error that says where to look."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BackendUnavailableError(
            backend,
            f"{url} answered JSON that holds no traces ({type(error).__name__}: {error}); check "
            f"that tracing.url points at {backend} itself and that tracing.provider is right",
        ) from error
