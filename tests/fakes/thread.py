"""Everything a `Recorder` asks for beside its tools, in one: the thread it writes in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Self

from bot.domain.answer import Evidence

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


class FakeThread:
    """A store of one thread's evidence, a reply that shows nothing, a clock that stands."""

    def __init__(self) -> None:
        self.evidence = self.audit = self
        self.rows: list[Any] = []

    def begin(self) -> FakeThread:
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    async def append(self, event: object) -> None:
        return None

    async def step(self, update: object) -> None:
        return None

    def now(self) -> datetime:
        return NOON

    async def add(self, place: object, run_id: object, **columns: Any) -> Any:
        self.rows.append(Evidence(id=f"E{len(self.rows) + 1}", **columns))  # type: ignore[arg-type]
        return self.rows[-1]
