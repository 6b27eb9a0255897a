"""The small pure pieces of proposing: preconditions, twins, the audit row, the receipt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bot.core.ports import PlanRecord
from bot.core.remediation.binding import BoundStep
from bot.domain.audit import BOT, Event
from bot.domain.guards import Refusal
from bot.domain.plan import Choice, Plan, PlanStatus
from playbooks.schema import Playbook
from playbooks.triggers import TriggerFacts, parse
from tools.act.contract import Action
from tools.errors import ActionRefusedError
from tools.world import ProposalDraft, ProposalReceipt


def precondition(playbook: Playbook, facts: TriggerFacts) -> Refusal | None:
    """Return the first precondition that does not hold, or cannot be judged."""
    for text in playbook.preconditions:
        value = parse(text).evaluate(facts)
        if value is not True:
            state = "does not hold" if value is False else "cannot be judged: no data"
            return Refusal("precondition", f"precondition {text!r} {state}")
    return None


def refuse_twins(bound: Sequence[BoundStep]) -> None:
    """Raise ActionRefusedError when two steps act on one object."""
    seen: set[str] = set()
    for each in bound:
        name = str(each.step.target)
        if name in seen:
            raise ActionRefusedError(
                f"two steps act on {name}; the second would not find it as it was shown: "
                "make two playbooks of them"
            )
        seen.add(name)


def choices_of(
    playbook: Playbook, draft: ProposalDraft, actions: Mapping[str, Action]
) -> tuple[Choice, ...]:
    """Return what a person may choose otherwise: the playbook's parameters, or the action's own."""
    if playbook.trigger_conditions:
        return tuple(
            Choice(
                name=name,
                label=each.description,
                value=draft.parameters.get(name, each.default or ""),
                pattern=each.pattern,
            )
            for name, each in playbook.parameters.items()
        )
    action = actions[playbook.steps[0].action]
    return tuple(
        Choice(
            name=name,
            label=field.description or name.replace("_", " "),
            value=draft.parameters.get(name, "" if field.is_required() else str(field.default)),
        )
        for name, field in action.parameters.model_fields.items()
    )


def diagnosis(draft: ProposalDraft, playbook: Playbook, plan: Plan | None = None) -> dict[str, Any]:
    """Return the card of what must never run: what was found, what to look at, why not."""
    return {
        "title": playbook.name,
        "service": draft.service,
        "reason": draft.reason[:500],
        "diagnosis": playbook.diagnosis or playbook.description,
        "would": list(plan.dry_run) if plan else [],
        "score": f"{plan.risk.score:.2f}" if plan else f"{playbook.risk_override or 1.0:.2f}",
        "lines": list(plan.risk.lines) if plan else [],
        "owners": list(playbook.owners),
    }


def proposed(plan: Plan, replaces: str = "") -> Event:
    """Return the audit row of a new plan."""
    return Event(
        kind="plan.proposed",
        at=plan.created_at,
        actor=plan.requested_by or BOT,
        subject=plan.id,
        digest=plan.digest,
        facts={
            "service": plan.service,
            "playbook": plan.body.playbook_id,
            "playbook_sha256": plan.body.playbook_sha256,
            "tier": plan.tier.value,
            "score": plan.risk.score,
            "steps": [f"{step.action} {step.target}" for step in plan.body.steps],
            "finding": plan.finding or "",
            "replaces": replaces,
        },
        private=plan.reason,
    )


def receipt(record: PlanRecord, note: str) -> ProposalReceipt:
    """Return what whoever proposed reads: what waits, until when."""
    plan = record.plan
    waits = {
        PlanStatus.WAITING: f"it waits for {plan.approvers_needed} approval(s) until "
        f"{plan.expires_at:%H:%M} UTC",
        PlanStatus.HELD: "policy lets it run after a short hold unless somebody stops it",
    }.get(record.status, f"it is {record.status.value}")
    steps = "; ".join(line for line in plan.dry_run)
    text = f"{plan.id} ({plan.tier.value}, risk {plan.risk.score:.2f}): {steps}. {waits}."
    return ProposalReceipt(plan.id, plan.tier.value, f"{note}: {text}" if note else text)
