"""Everything that the risk of a plan is scored from, read at one moment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot.core.ports import Clock, Store
from bot.core.remediation.binding import BoundStep, effects_of
from bot.core.remediation.guarding.gate import Gate
from bot.core.remediation.planning.proved_trouble import TroubleReader
from bot.domain.ids import FindingId
from bot.domain.plans.risk import RiskInputs
from playbooks.schema import Playbook
from tools.world import Catalogue, ServiceSpec


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
        trouble = await TroubleReader(self.store, self.clock).read(spec.name, finding)
        refs = [each.step.target for each in bound]
        protected = self.gate.is_protected(effects_of(bound))
        catalogue = self.catalogue()
        return RiskInputs(
            severity=trouble.severity,
            lasted=trouble.lasted,
            trend=trouble.trend,
            category=trouble.category,
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
            doubt=trouble.doubt,
        )


def _floors(bound: Sequence[BoundStep]) -> dict[str, float]:
    """Return the floor of each action; of two steps by one action the riskier counts."""
    found: dict[str, float] = {}
    for each in bound:
        name = each.step.action
        found[name] = max(each.floor, found.get(name, each.floor))
    return found
