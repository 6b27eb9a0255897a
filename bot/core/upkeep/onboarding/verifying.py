"""Every draft is asked of the store: what has no data is not proposed.

the last hour    has it data, and of whom
the last week    what is usual; only where a metric is old enough to tell
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import numpy as np

from bot.core.upkeep.onboarding.survey import AT_ONCE, Tell
from tools.background import in_background
from tools.errors import BackendError
from tools.onboarding.drafts import Alternatives, Draft
from tools.onboarding.limits import Limit, limit_of
from tools.ports import Clock, Metrics
from tools.world import Floats, Series, Window

RECENT, RECENT_STEP = timedelta(hours=1), timedelta(seconds=30)
HISTORY, HISTORY_STEP = timedelta(days=7), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A draft with data, and its limit."""

    draft: Draft
    services: frozenset[str]  # whose series have values
    limit: Limit
    latest: Mapping[str, float] = field(default_factory=dict)  # by service

    @property
    def name(self) -> str:
        """The metric's name in the catalogue."""
        return self.draft.name


@dataclass(frozen=True, slots=True)
class Silent:
    """A draft that is not proposed, and why."""

    draft: Draft
    why: str
    error: BackendError | None = None  # the store refused or failed; without: it has no data


class DraftCheck:
    """Asks the store for each draft."""

    def __init__(self, metrics: Metrics, clock: Clock, tell: Tell) -> None:
        self._metrics, self._clock, self._tell = metrics, clock, tell
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def verify(self, drafts: Sequence[Alternatives]) -> tuple[list[Proposal], list[Silent]]:
        """Return what can be proposed, and what has no data, in the order of the drafts."""
        done = 0

        async def one(alternatives: Alternatives) -> Proposal | Silent:
            nonlocal done
            async with self._slots:
                found = await self._first(alternatives)
            done += 1
            if done % 20 == 0 or done == len(drafts):
                self._tell(f"asked for {done} of {len(drafts)} proposed metrics")
            return found

        with in_background():  # a bot that runs meanwhile goes first
            found = await asyncio.gather(*(one(each) for each in drafts))
        good = [each for each in found if isinstance(each, Proposal)]
        return good, [each for each in found if isinstance(each, Silent)]

    async def _first(self, alternatives: Alternatives) -> Proposal | Silent:
        failed: BackendError | None = None
        for draft in alternatives:
            try:
                found = await self._ask(draft)
            except BackendError as error:
                failed = error
                continue
            if found is not None:
                return found
        why = "no data in the last hour" if failed is None else str(failed)
        return Silent(alternatives[0], why, failed)

    async def _ask(self, draft: Draft) -> Proposal | None:
        now = self._clock.now()
        recent = await self._metrics.query_range(
            draft.query, Window.ending(now, RECENT), RECENT_STEP
        )
        seen = by_service(recent, draft.group_by)
        if not seen:
            return None
        span = _span(seen, RECENT_STEP)
        values = list(seen.values())
        if span >= RECENT * 0.9:  # it may be much older
            window = Window.ending(now, HISTORY)
            history = await self._metrics.query_range(draft.query, window, HISTORY_STEP)
            older = by_service(history, draft.group_by)
            if _span(older, HISTORY_STEP) > span:
                span, values = _span(older, HISTORY_STEP), [*older.values(), *values]
        latest = {service: float(found[-1]) for service, found in seen.items()}
        return Proposal(draft, frozenset(seen), limit_of(draft, values, span), latest)


def by_service(found: Sequence[Series], group_by: str) -> dict[str, Floats]:
    """Return the finite values of each service; who has none is left out."""
    values: dict[str, list[Floats]] = {}
    for series in found:
        finite = series.values[np.isfinite(series.values)]
        name = series.label(group_by)
        if finite.size and name:
            values.setdefault(name, []).append(finite)
    return {name: np.concatenate(parts) for name, parts in values.items()}


def _span(seen: Mapping[str, Floats], step: timedelta) -> timedelta:
    """Return how long the oldest service has had values."""
    return step * max((each.size for each in seen.values()), default=0)
