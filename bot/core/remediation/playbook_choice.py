"""Choosing playbooks: which fit what is happening, best first.

fit      share of trigger conditions that are true, plus what the ranked causes recommend
success  how often it helped before: (helped + 1) / (tried + 2), so a new one starts at one half
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from bot.core.ports import PlanRecord
from bot.domain.plan import PlanStatus
from playbooks.loader import Library, Loaded
from playbooks.schema import Playbook
from playbooks.triggers import TriggerFacts, parse
from tools.errors import BackendError
from tools.world import Cause

FIT, SUCCESS, NAMED = 0.6, 0.3, 0.1  # weights of the rank
FAILED = frozenset({PlanStatus.ROLLED_BACK, PlanStatus.FAILED, PlanStatus.OUTCOME_UNKNOWN})


class Measure(Protocol):
    """Reads one catalogued metric of a service now; None when nothing is known."""

    def __call__(self, metric: str, service: str) -> Awaitable[float | None]: ...


@dataclass(frozen=True, slots=True)
class Notices:
    """What cluster and logs said lately of a service; None: nobody could look."""

    events: frozenset[str] | None = None
    logs: tuple[str, ...] | None = None
    partial: bool = False  # what is not among them may have happened all the same


Notice = Callable[[str], Awaitable[Notices]]  # service → notices


async def nothing_noticed(_service: str) -> Notices:
    """Stand in where neither cluster nor logs are configured."""
    return Notices()


@dataclass(frozen=True, slots=True)
class Match:
    """A playbook that fits, with why."""

    loaded: Loaded
    fit: float
    success_ratio: float
    tried: int
    conditions: tuple[str, ...]  # the trigger conditions that hold
    facts: TriggerFacts | None = None  # what was measured to choose it, so that it is measured once

    @property
    def rank(self) -> float:
        """Return what matches are ordered by, in [0, 1]."""
        named = NAMED if self.loaded.playbook.services else 0.0
        return FIT * self.fit + SUCCESS * self.success_ratio + named


async def gather_facts(
    service: str, metrics: frozenset[str], measure: Measure, notice: Notice
) -> TriggerFacts:
    """Read what some expressions need; what cannot be read stays unknown."""
    names = sorted(metrics)
    values = await asyncio.gather(*(measured(measure, name, service) for name in names))
    seen = await notice(service)
    known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    return TriggerFacts(known, seen.events, seen.logs, seen.partial)


async def measured(measure: Measure, metric: str, service: str) -> float | None:
    """Read one metric; a dead backend makes it unknown."""
    try:
        return await measure(metric, service)
    except BackendError:
        return None


def metrics_of(playbook: Playbook) -> frozenset[str]:
    """Return every metric that decides whether a playbook fits or may start."""
    texts = (*playbook.trigger_conditions, *playbook.preconditions)
    return frozenset().union(*(parse(text).metrics() for text in texts))


def rank(
    library: Library,
    service: str,
    facts: TriggerFacts,
    causes: Sequence[Cause],
    past: Sequence[PlanRecord],
) -> list[Match]:
    """Return the playbooks whose trigger holds, best first."""
    found = []
    for loaded in library.values():
        playbook = loaded.playbook
        if playbook.services and service not in playbook.services:
            continue
        texts = playbook.trigger_conditions
        holding = tuple(text for text in texts if parse(text).evaluate(facts) is True)
        if not holding:
            continue
        recommended = max(
            (c.confidence for c in causes if playbook.actions() & set(c.remediation)), default=0.0
        )
        fit = min(1.0, 0.5 * len(holding) / len(texts) + 0.5 * recommended)
        ratio, tried = _success(playbook.id, past)
        found.append(Match(loaded, fit, ratio, tried, holding))
    return sorted(found, key=lambda match: (-match.rank, match.loaded.playbook.id))


def _success(playbook_id: str, past: Sequence[PlanRecord]) -> tuple[float, int]:
    own = [record.status for record in past if record.plan.body.playbook_id == playbook_id]
    helped = own.count(PlanStatus.SUCCEEDED)
    tried = helped + sum(status in FAILED for status in own)
    return (helped + 1) / (tried + 2), tried
