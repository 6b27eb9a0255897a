"""Everything that the risk of a plan is scored from, read at one moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.core.ports import Clock, Store
from bot.core.remediation.binding import BoundStep, effects_of
from bot.core.remediation.guarding.gate import Gate
from bot.domain.anomaly import Anomaly
from bot.domain.ids import FindingId
from bot.domain.risk import RiskInputs, Trend
from playbooks.schema import Playbook
from tools.world import Catalogue, ServiceName, ServiceSpec, Severity


@dataclass(frozen=True, slots=True)
class RiskInputsReader:
    """Gathers the inputs of a score."""

    store: Store
    clock: Clock
    gate: Gate
    catalogue: Callable[[], Catalogue]

    async def read(
        self,
        spec: ServiceSpec,
        playbook: Playbook,
        bound: Sequence[BoundStep],
        finding: FindingId | None,
    ) -> RiskInputs:
        """Return what a plan of these steps is scored from."""
        worst = await self._worst(spec.name, finding)
        refs = [each.step.target for each in bound]
        protected = self.gate.is_protected(effects_of(bound))
        since = worst.started_at if worst is not None else self.clock.now()
        catalogue = self.catalogue()
        return RiskInputs(
            severity=worst.severity if worst is not None else Severity.MEDIUM,
            lasted=max(timedelta(0), self.clock.now() - since),
            trend=_trend(worst),
            category=worst.category if worst is not None else "",
            namespace=spec.namespace,
            kinds=tuple(ref.kind for ref in refs),
            service_tier=spec.tier,
            dependants=len(catalogue.dependants(spec.name)),
            pods_affected=sum(each.looked.pods_affected for each in bound),
            pods_total=sum(each.looked.pods_total for each in bound),
            steps=len(bound),
            undoable=all(each.undo is not None or each.floor == 0 for each in bound),
            floors=_floors(bound),
            protected=protected or spec.protected,
            override=playbook.risk_override,
        )

    async def _worst(self, service: ServiceName, finding: FindingId | None) -> Anomaly | None:
        async with self.store.begin() as tx:
            if finding is not None:
                ids = (await tx.findings.get(finding)).anomalies
                found = [await tx.anomalies.get(each) for each in ids]
            else:
                found = [a for a in await tx.anomalies.active() if a.service == service]
        return max(found, key=lambda a: abs(a.worst.deviation_sigma), default=None)


def _floors(bound: Sequence[BoundStep]) -> dict[str, float]:
    """Return the floor of each action; of two steps by one action the riskier counts."""
    found: dict[str, float] = {}
    for each in bound:
        name = each.step.action
        found[name] = max(each.floor, found.get(name, each.floor))
    return found


def _trend(worst: Anomaly | None) -> Trend:
    if worst is None:
        return Trend.UNKNOWN
    latest, top = abs(worst.latest.deviation_sigma), abs(worst.worst.deviation_sigma)
    if latest >= top:
        return Trend.WORSE
    return Trend.BETTER if latest < 0.8 * top else Trend.STEADY
