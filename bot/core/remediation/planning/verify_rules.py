"""How the success of a plan will be judged: expressions over metrics that the service has now.

    playbook's verify, or the trigger that must clear ──roles spelled out──> VerifyRule

A yes covers the very metrics and limits that people read on the card. A series that is there when
the plan is made and gone afterwards is no data then, and not a success.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.core.remediation.measuring import Measure, measured
from bot.domain.plans.plan import VerifyRule
from playbooks.roles import OwnLimit, roles_in, spelled_out
from playbooks.schema import Playbook
from playbooks.triggers import LONGEST, TriggerFacts, parse
from tools.world import Catalogue, Direction, MetricSpec

DEFAULT_WINDOW_SECONDS = 600  # of a playbook without verify: its trigger must clear


@dataclass(frozen=True, slots=True)
class VerifyRules:
    """Writes them for one service."""

    catalogue: Callable[[], Catalogue]
    measure: Measure

    async def of(
        self, playbook: Playbook, service: str, facts: TriggerFacts
    ) -> tuple[VerifyRule, ...]:
        """Return how success is judged: as written, or that what held no longer does."""
        rules = _written(playbook, facts)
        return tuple([await self._over_metrics(rule, service) for rule in rules])

    async def _over_metrics(self, rule: VerifyRule, service: str) -> VerifyRule:
        expression = parse(rule.expression)
        limits = {role: await self._limits(role, service) for role in roles_in(expression)}
        found = spelled_out(expression, limits)
        if found is None or len(str(found)) > LONGEST:
            return rule  # judged by the worst of each role
        return replace(rule, expression=str(found)) if limits else rule

    async def _limits(self, role: str, service: str) -> list[OwnLimit]:
        """Return the limits of a role's metrics that the service has."""
        specs = self.catalogue().measured_by(role)
        values = await asyncio.gather(*(measured(self.measure, s.name, service) for s in specs))
        had = [spec for spec, value in zip(specs, values, strict=True) if value is not None]
        return [each for spec in had for each in _limits_of(spec)]


def _limits_of(spec: MetricSpec) -> list[OwnLimit]:
    if spec.threshold is None:
        return []
    if spec.bad_direction is Direction.BOTH:
        return [
            OwnLimit(spec.name, spec.threshold),
            OwnLimit(spec.name, -spec.threshold, falls=True),
        ]
    return [OwnLimit(spec.name, spec.threshold, falls=spec.bad_direction is Direction.DOWN)]


def _written(playbook: Playbook, facts: TriggerFacts) -> tuple[VerifyRule, ...]:
    if playbook.verify:
        return tuple(VerifyRule(v.expression, v.window_seconds) for v in playbook.verify)
    rules = []
    metrics_only = replace(facts, events=frozenset(), logs=(), partial=False)
    for text in playbook.trigger_conditions:
        expression = parse(text)
        if expression.metrics() and expression.evaluate(metrics_only) is True:
            rules.append(VerifyRule(f"not ({text})", DEFAULT_WINDOW_SECONDS))
    return tuple(rules)
