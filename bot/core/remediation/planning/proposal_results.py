"""What a proposal comes to: the receipt, the audit row, and the card of what must never run."""

from __future__ import annotations

from typing import Any

from bot.core.ports import PlanRecord
from bot.domain.audit import BOT, Event
from bot.domain.plans.plan import Plan
from bot.domain.plans.plan_life import Held, Waiting
from playbooks.schema import Playbook
from tools.world import ProposalDraft, ProposalReceipt


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


def proposed(record: PlanRecord, replaces: str = "") -> Event:
    """Return the audit row of a new plan."""
    plan = record.plan
    return Event(
        kind="plan.proposed",
        at=plan.created_at,
        actor=plan.requested_by or BOT,
        subject=plan.id,
        digest=plan.digest,
        facts={
            "status": record.status.value,
            "version": record.version,
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
    match record.state:
        case Waiting():
            until = f"{plan.expires_at:%H:%M} UTC"
            waits = f"it waits for {plan.approvers_needed} approval(s) until {until}"
        case Held():
            waits = "policy lets it run after a short hold unless somebody stops it"
        case _:
            waits = f"it is {record.status.value}"
    steps = "; ".join(line for line in plan.dry_run)
    text = f"{plan.id} ({plan.tier.value}, risk {plan.risk.score:.2f}): {steps}. {waits}."
    return ProposalReceipt(plan.id, plan.tier.value, f"{note}: {text}" if note else text)
