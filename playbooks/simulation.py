"""What a playbook would make of given facts: which of its conditions hold. Runs nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from playbooks.schema import Playbook
from playbooks.triggers import TriggerFacts, parse


@dataclass(frozen=True, slots=True)
class Simulation:
    """Each condition by its text: true, false, or None where the facts do not say."""

    trigger: Mapping[str, bool | None]
    precondition: Mapping[str, bool | None]

    @property
    def fits(self) -> bool:
        """Whether the playbook would be proposed: one trigger holds, and every precondition."""
        return any(value is True for value in self.trigger.values()) and all(
            value is True for value in self.precondition.values()
        )


def simulate(playbook: Playbook, facts: TriggerFacts) -> Simulation:
    """Evaluate a playbook's conditions."""
    return Simulation(
        trigger={text: parse(text).evaluate(facts) for text in playbook.trigger_conditions},
        precondition={text: parse(text).evaluate(facts) for text in playbook.preconditions},
    )
