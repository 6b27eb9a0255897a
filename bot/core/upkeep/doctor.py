"""The doctor: asks every dependency how it is and says what to do about it.

    off     not configured; the row says what would switch it on
    ok      it answered
    failed  configured, but it did not answer: an operator must look

Checks run side by side and none may take longer than `TIMEOUT_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tools.ports import HasHealth

TIMEOUT_SECONDS = 30.0  # of one check; a busy machine needs ten to import a client


class DependencyState(StrEnum):
    """How one dependency is."""

    OK = "ok"
    OFF = "off"
    FAILED = "failed"


class CheckFailedError(Exception):
    """A dependency is not well; `todo` says what a person can do."""

    def __init__(self, detail: str, todo: str = "") -> None:
        """Keep the next step beside the detail."""
        super().__init__(detail)
        self.todo = todo


@dataclass(frozen=True, slots=True)
class DependencyRow:
    """One line of the doctor's report."""

    name: str
    state: DependencyState
    detail: str
    todo: str = ""


Check = Callable[[], Awaitable[str]]  # returns the detail of a healthy dependency


def of_health(backend: HasHealth, todo: str = "") -> Check:
    """Return the check of a backend that can say how it is."""

    async def check() -> str:
        health = await backend.health()
        if not health.up:
            raise CheckFailedError(health.detail or "does not answer", todo)
        return health.detail or "answers"

    return check


async def examine(
    checks: Mapping[str, Check], off: Mapping[str, str], timeout_seconds: float = TIMEOUT_SECONDS
) -> list[DependencyRow]:
    """Run every check at once; then name what is off, with what would switch it on."""
    asked = await asyncio.gather(*(_ask(n, c, timeout_seconds) for n, c in checks.items()))
    rows = [
        DependencyRow(n, DependencyState.OFF, "not configured", todo)
        for n, todo in off.items()
        if n not in checks
    ]
    return [*asked, *rows]


def all_well(rows: Sequence[DependencyRow]) -> bool:
    """Say whether nothing that is configured failed."""
    return all(row.state is not DependencyState.FAILED for row in rows)


async def _ask(name: str, check: Check, timeout_seconds: float) -> DependencyRow:
    todo = f"check the address and that {name} is running"
    try:
        async with asyncio.timeout(timeout_seconds):
            return DependencyRow(name, DependencyState.OK, await check())
    except TimeoutError:
        return DependencyRow(
            name, DependencyState.FAILED, f"no answer within {timeout_seconds:g} s", todo
        )
    except CheckFailedError as error:
        return DependencyRow(name, DependencyState.FAILED, str(error), error.todo or todo)
    except Exception as error:  # noqa: BLE001 - the doctor's job: whatever fails becomes a row
        return DependencyRow(name, DependencyState.FAILED, f"{type(error).__name__}: {error}", todo)
