"""Choosing playbooks: which fit what is happening, best first.

fit      share of trigger conditions that are true, plus what the ranked causes recommend
success  how often it helped before: (helped + 1) / (tried + 2), so a new one starts at one half
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from bot.core.ports import PlanRecord, Store
from bot.core.remediation.measuring import Measure, Notice, gather_facts, metrics_of
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId
from bot.domain.plans.plan import PlanStatus
from playbooks.loader import Library, Loaded
from playbooks.triggers import TriggerFacts, parse
from tools.world import Cause, ServiceName

FIT, SUCCESS, NAMED = 0.6, 0.3, 0.1  # weights of the rank
FAILED = frozenset({PlanStatus.ROLLED_BACK, PlanStatus.FAILED, PlanStatus.OUTCOME_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a fix is looked for: that of a finding, or what an answer says."""

    service: ServiceName
    causes: tuple[Cause, ...]  # the likeliest first
    anomalies: tuple[AnomalyId, ...] = ()


def trouble_of(finding: Finding) -> Trouble:
    """Return what a fix of a finding is looked for by."""
    return Trouble(finding.service, finding.causes, finding.anomalies)


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


@dataclass(frozen=True, slots=True)
class PlaybookChoice:
    """Measures what is happening and ranks the library by it."""

    store: Store
    library: Callable[[], Library]
    measure: Measure
    notice: Notice

    async def matches(self, trouble: Trouble) -> list[Match]:
        """Return the playbooks that fit, best first."""
        library = self.library()
        wanted = frozenset().union(*(metrics_of(each.playbook) for each in library.values()))
        measured = await gather_facts(trouble.service, wanted, self.measure, self.notice)
        async with self.store.begin() as tx:
            past = await tx.plans.list(limit=500)
            anomalies = [await tx.anomalies.get(each) for each in trouble.anomalies]
        own = [a for a in anomalies if a.service == trouble.service]
        seen: dict[str, float] = {a.metric: a.latest.observed for a in own}
        facts = replace(measured, metrics={**seen, **measured.metrics})
        found = rank(library, trouble.service, facts, trouble.causes, past)
        return [replace(match, facts=measured) for match in found]


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
