"""Verification: did it help? Judged on world time by the plan's own expressions.

all rules true after the settling time → cleared · the window over: a rule false → not cleared,
no rule false but some without data → no data. Absent data is neither success nor failure.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

from bot.core.ports import Clock
from bot.core.remediation.measuring import Measure, measured
from bot.domain.ids import PlanId
from bot.domain.plans.plan import Plan, VerifyRule
from bot.domain.plans.plan_life import Verifying
from playbooks.triggers import TriggerFacts, parse

SETTLE = timedelta(seconds=60)  # world: metrics are rates, so the first minute proves nothing
LOOK_EVERY = timedelta(seconds=5)  # wall


class VerificationResult(StrEnum):
    """What verification says now."""

    NOT_YET = "not_yet"
    CLEARED = "cleared"
    NOT_CLEARED = "not_cleared"
    NO_DATA = "no_data"


class Verifier:
    """Judges plans whose steps are done."""

    def __init__(self, clock: Clock, measure: Measure) -> None:
        self._clock, self._measure = clock, measure
        self._looked: dict[PlanId, datetime] = {}  # wall

    def until(self, plan: Plan) -> datetime:
        """Return the end of a plan's verify window (world time)."""
        longest = max((rule.window_seconds for rule in plan.body.verify), default=0)
        return self._clock.now() + timedelta(seconds=longest)

    def is_due(self, plan: Plan, state: Verifying) -> bool:
        """Say whether it is time to look again."""
        last = self._looked.get(plan.id)
        if last is None or self._clock.wall() - last >= LOOK_EVERY:
            return True
        return self._clock.now() >= state.until

    async def look(self, plan: Plan, state: Verifying) -> tuple[VerificationResult, str]:
        """Judge a plan; the text says what was measured."""
        now, until = self._clock.now(), state.until
        self._looked[plan.id] = self._clock.wall()
        rules = plan.body.verify
        if not rules:
            return VerificationResult.NO_DATA, "the plan has no verify expression"
        if now < until - self._window(rules) + min(SETTLE, self._window(rules) / 2):
            return VerificationResult.NOT_YET, ""
        judged = [await self._judge(rule, plan.service) for rule in rules]
        seen = "; ".join(text for _, text in judged)
        values = [value for value, _ in judged]
        if all(value is True for value in values):
            return self._end(plan, VerificationResult.CLEARED), seen
        if now < until:
            return VerificationResult.NOT_YET, seen
        failed = any(value is False for value in values)
        return self._end(
            plan, VerificationResult.NOT_CLEARED if failed else VerificationResult.NO_DATA
        ), seen

    def _end(self, plan: Plan, result: VerificationResult) -> VerificationResult:
        self._looked.pop(plan.id, None)
        return result

    def _window(self, rules: tuple[VerifyRule, ...]) -> timedelta:
        return timedelta(seconds=max(rule.window_seconds for rule in rules))

    async def _judge(self, rule: VerifyRule, service: str) -> tuple[bool | None, str]:
        expression = parse(rule.expression)
        values: dict[str, float] = {}
        for metric in sorted(expression.metrics()):
            value = await measured(self._measure, metric, service)
            if value is not None:
                values[metric] = value
        shown = ", ".join(f"{name} = {value:.4g}" for name, value in values.items()) or "no data"
        return expression.evaluate(TriggerFacts(values)), f"{rule.expression} ({shown})"
