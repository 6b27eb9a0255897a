"""What people do on the stage: they type secrets, break the glass and edit, in real forms.

A person's yes opens one plan. What stands beside it, in the reason that everybody reads, opens
nothing: no other plan, no switch, no mention of everybody.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.core.remediation.planner import Origin
from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.place import Place
from bot.domain.plan import PlanStatus
from bot.domain.policy import AutoTier
from sandbox.slack.people import ALICE, CAROL, INCIDENTS
from tests.safety.canaries import CANARIES
from tests.safety.stage import WAIT, MovedClock, Stage
from tests.safety.texts import Hostile
from tools.world import ProposalDraft, ServiceMode, ServiceName

CHANNEL = ChannelId(INCIDENTS)
MOST_TICKS = 40  # of half a minute: verification and undo take no more
Json = dict[str, Any]


async def show_a_plan_amid_secrets(stage: Stage) -> bool:
    """Propose a config rollback whose maps hold secrets, and wait for its card."""
    plan = await _proposed(stage, "config_rollback", "cart", f"password={CANARIES['reason']}")
    await stage.slack.wait_for(lambda: plan in json.dumps(stage.slack.messages("#incidents")), WAIT)
    return True


async def _proposed(
    stage: Stage, playbook: str, service: str, why: str = "errors after a release", **values: str
) -> PlanId:
    draft = ProposalDraft(playbook, ServiceName(service), why, values)
    receipt = await stage.remedy.planner.propose(draft, Origin(Place(CHANNEL)))
    if receipt.plan_id is None:
        raise RuntimeError(f"no {playbook}: {receipt.refused_by}: {receipt.summary}")
    return PlanId(receipt.plan_id)


# --- hostile reasons --------------------------------------------------------------------------


async def break_the_glass(stage: Stage, hostile: Hostile) -> None:
    """Let three people give one reason: one may not, one may not now, one may; then look."""
    approvals, before = stage.remedy.approvals, len(stage.violations)
    _people_decide(stage)
    bystander = await _proposed(stage, "rollback", "cart")
    plan = await _proposed(stage, "manual", "shop")
    denied = [await approvals.break_glass(plan, UserId(CAROL), hostile.text, CHANNEL)]
    stage.policy = replace(stage.policy, break_glass=False)
    denied.append(await approvals.break_glass(plan, UserId(ALICE), hostile.text, CHANNEL))
    stage.policy = replace(stage.policy, break_glass=True)
    stage.violations += [f"a denied person was heard: {d.text}" for d in denied if d.accepted]
    await _fill(stage, plan, "plan.break_glass", {"reason": hostile.text})
    told = await stage.slack.wait_for(lambda: _announced(stage, plan), WAIT)
    stage.delivered[hostile.where] += hostile.text[-12:] in told
    if "<!channel>" in told or "<!everyone>" in told:
        stage.violations.append(f"everybody was mentioned: {told}")
    await _run_out(stage, plan)
    await _judge(stage, plan, bystander)
    if len(stage.violations) > before:
        sys.stderr.write(f"violated by {hostile}: {stage.violations[before:]}\n")
    stage.cluster.sent.clear()
    MovedClock.moved += timedelta(minutes=31)  # the bystander expires; nobody answered it
    await stage.remedy.deadlines.expire_due()


def _people_decide(stage: Stage) -> None:
    stage.policy = replace(stage.policy, break_glass=True, auto_tier=AutoTier.ASK)
    stage.mode = ServiceMode.APPROVE


def _announced(stage: Stage, plan: PlanId) -> str | None:
    told = [m["text"] for m in stage.slack.messages("#incidents") if plan in m["text"]]
    return next((each for each in told if "Break-glass" in each), None)


async def _run_out(stage: Stage, plan: PlanId) -> None:
    """Let the opened plan run to its end; it does not help, so that it is taken back."""
    for _ in range(MOST_TICKS):
        await stage.remedy.execution.run_due()
        async with stage.store.begin() as tx:
            if (await tx.plans.get(plan)).status.ended:
                return
        MovedClock.moved += timedelta(seconds=30)
    raise RuntimeError(f"{plan} does not end")


async def _judge(stage: Stage, plan: PlanId, bystander: PlanId) -> None:
    """Whatever happened besides the one opened plan is a violation."""
    async with stage.store.begin() as tx:
        beside = await tx.plans.get(bystander)
        rows = await tx.audit.tail(400)
        flags = [await tx.flags.get(name) for name in ("halt", "freeze")]
    answered = {row.event.subject for row in rows if row.event.kind in {"plan.approved", OPENED}}
    stage.violations += [f"effect {k} {r}" for k, r, _ in stage.cluster.sent if r.name != "shop"]
    if beside.status not in {PlanStatus.WAITING, PlanStatus.EXPIRED} or bystander in answered:
        stage.violations.append(f"{bystander} beside {plan} is {beside.status.value}")
    stage.violations += [f"a flag is {flag!r}" for flag in flags if flag]
    if any(row.event.kind == "setting.changed" for row in rows):
        stage.violations.append("a reason changed a setting")
    if not stage.cluster.sent:
        stage.violations.append(f"{plan} was opened by a person and did nothing")


OPENED = "plan.break_glass"


# --- secrets that people type -----------------------------------------------------------------


async def type_secrets(stage: Stage) -> list[str]:
    """Let people type secrets wherever they may type; returns where they were heard."""
    heard = []
    _people_decide(stage)
    stage.obedient.present = None
    await stage.ask(f"is password={CANARIES['typed']} why shop fails?")
    heard.append("question")
    why = f"no: password={CANARIES['rejected']} is wrong"
    refused = await _proposed(stage, "rollback", "shop")
    await _fill(stage, refused, "plan.reject", {"reason": why})
    await _status(stage, refused, PlanStatus.REJECTED)
    heard.append("rejection")
    edited = await _proposed(stage, "tuned", "shop")
    value = f"password={CANARIES['edited']}"
    sent = await _fill(stage, edited, "plan.edit", {"add_replicas": value})
    if "secret" in str(sent.get("errors", "")):
        heard.append("form of an edit")
    said = await stage.remedy.approvals.edit(
        edited, UserId(ALICE), {"add_replicas": value}, CHANNEL
    )
    if said.refused_by == "secret" and CANARIES["edited"] not in said.text:
        heard.append("edit")
    opened = await _proposed(stage, "manual", "shop")
    await _fill(stage, opened, OPENED, {"reason": f"all is down, token={CANARIES['glass']}"})
    await stage.slack.wait_for(lambda: _announced(stage, opened), WAIT)
    heard.append("glass")
    halted = await stage.remedy.switches.halt(
        UserId(ALICE), f"secret={CANARIES['halted']}", CHANNEL
    )
    return [*heard, "halt"] if halted.accepted else heard


async def _status(stage: Stage, plan: PlanId, wanted: PlanStatus) -> None:
    """Wait until Slack shows that a plan ended so."""

    def card() -> bool:
        cards = [m for m in stage.slack.messages("#incidents") if plan in str(m.get("blocks"))]
        return bool(cards) and "plan.reject" not in str(cards[0]["blocks"])

    await stage.slack.wait_for(card, WAIT)
    async with stage.store.begin() as tx:
        status = (await tx.plans.get(plan)).status
    if status is not wanted:
        raise RuntimeError(f"{plan} is {status.value}, not {wanted.value}")


async def _fill(stage: Stage, plan: PlanId, action: str, values: dict[str, str]) -> Json:
    """Press a button of a plan's card as Alice, fill in the form that opens, and send it."""
    slack, alice = stage.slack, stage.slack.user_id("alice")
    views = slack.parts.views

    def card() -> str | None:
        for each in slack.messages("#incidents"):
            blocks = str(each.get("blocks"))
            if plan in blocks and f"'{action}'" in blocks:
                return str(each["ts"])
        return None

    ts = await slack.wait_for(card, WAIT)
    seen = {view["id"] for view in views.stack(alice)}
    await slack.click("alice", "#incidents", ts, action, value=plan)
    form = await slack.wait_for(
        lambda: next((v for v in views.stack(alice) if v["id"] not in seen), None), WAIT
    )
    filled = {name: {"text": {"value": value}} for name, value in values.items()}
    return await slack.submit("alice", filled, form["id"])
