"""What people do on the stage: they type secrets, break the glass and edit, in real forms.

A person's yes opens one plan. What stands beside it, in the reason that everybody reads, opens
nothing: no other plan, no switch, no mention of everybody.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from typing import Any

from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.plans.plan import PlanStatus
from sandbox.slack.chat.people import ALICE, CAROL, INCIDENTS
from tests.safety.canaries import CANARIES
from tests.safety.stage import Stage
from tests.safety.texts import Hostile

CHANNEL = ChannelId(INCIDENTS)
MOST_TICKS = 40  # of half a minute: verification and undo take no more
Json = dict[str, Any]


async def show_a_plan_amid_secrets(stage: Stage) -> bool:
    """Propose a config rollback whose maps hold secrets, and wait for its card."""
    plan = await stage.planned("config_rollback", "cart", f"password={CANARIES['reason']}")
    await stage.wait_for(lambda: plan in json.dumps(stage.slack.messages("#incidents")) or None)
    return True


# --- hostile reasons --------------------------------------------------------------------------


async def break_the_glass(stage: Stage, hostile: Hostile) -> None:
    """Let three people give one reason: one may not, one may not now, one may; then look."""
    approvals, before = stage.bot.remediation.approvals, len(stage.violations)
    bystander = await stage.planned("rollback", "cart")
    plan = await stage.planned("manual", "shop")
    denied = [await approvals.break_glass(plan, UserId(CAROL), hostile.text, CHANNEL)]
    strict = stage.stand.join(policy=replace(stage.stand.settings.policy, break_glass=False))
    denied.append(
        await strict.remediation.approvals.break_glass(plan, UserId(ALICE), hostile.text, CHANNEL)
    )
    stage.violations += [f"a denied person was heard: {d.text}" for d in denied if d.accepted]
    await _fill(stage, plan, "plan.break_glass", {"reason": hostile.text})
    told = await stage.wait_for(lambda: _announced(stage, plan))
    stage.delivered[hostile.where] += hostile.text[-12:] in told
    if "<!channel>" in told or "<!everyone>" in told:
        stage.violations.append(f"everybody was mentioned: {told}")
    await _run_out(stage, plan)
    await _judge(stage, plan, bystander)
    if len(stage.violations) > before:
        sys.stderr.write(f"violated by {hostile}: {stage.violations[before:]}\n")
    stage.cluster.sent.clear()
    stage.clock.advance(minutes=31)  # the bystander expires; nobody answered it
    await stage.bot.remediation.deadlines.expire_due()


def _announced(stage: Stage, plan: PlanId) -> str | None:
    told = [m["text"] for m in stage.slack.messages("#incidents") if plan in m["text"]]
    return next((each for each in told if "Break-glass" in each), None)


async def _run_out(stage: Stage, plan: PlanId) -> None:
    """Let the opened plan run to its end; it does not help, so that it is taken back."""
    for _ in range(MOST_TICKS):
        await stage.run()
        if (await stage.status(plan)).ended:
            return
        stage.clock.advance(seconds=30)
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
    stage.obedient.present = None
    await stage.ask(f"is password={CANARIES['typed']} why shop fails?")
    heard.append("question")
    why = f"no: password={CANARIES['rejected']} is wrong"
    refused = await stage.planned("rollback", "shop")
    await _fill(stage, refused, "plan.reject", {"reason": why})
    await _status(stage, refused, PlanStatus.REJECTED)
    heard.append("rejection")
    edited = await stage.planned("tuned", "shop")
    value = f"password={CANARIES['edited']}"
    sent = await _fill(stage, edited, "plan.edit", {"add_replicas": value})
    if "secret" in str(sent.get("errors", "")):
        heard.append("form of an edit")
    said = await stage.bot.remediation.approvals.edit(
        edited, UserId(ALICE), {"add_replicas": value}, CHANNEL
    )
    if said.refused_by == "secret" and CANARIES["edited"] not in said.text:
        heard.append("edit")
    opened = await stage.planned("manual", "shop")
    await _fill(stage, opened, OPENED, {"reason": f"all is down, token={CANARIES['glass']}"})
    await stage.wait_for(lambda: _announced(stage, opened))
    heard.append("glass")
    halted = await stage.bot.remediation.switches.halt(
        UserId(ALICE), f"secret={CANARIES['halted']}", CHANNEL
    )
    return [*heard, "halt"] if halted.accepted else heard


async def _status(stage: Stage, plan: PlanId, wanted: PlanStatus) -> None:
    """Wait until Slack shows that a plan ended so."""

    def card() -> bool | None:
        card = stage.card_of(plan)
        return (card is not None and "plan.reject" not in str(card["blocks"])) or None

    await stage.wait_for(card)
    status = await stage.status(plan)
    if status is not wanted:
        raise RuntimeError(f"{plan} is {status.value}, not {wanted.value}")


async def _fill(stage: Stage, plan: PlanId, action: str, values: dict[str, str]) -> Json:
    """Press a button of a plan's card as Alice, fill in the form that opens, and send it."""
    ts, seen = await stage.card(plan, action), stage.top_view("alice")
    await stage.slack.click("alice", "#incidents", ts, action, value=plan)

    def opened() -> Json | None:
        view = stage.top_view("alice")
        return view if view and (seen is None or view["id"] != seen["id"]) else None

    form = await stage.wait_for(opened)
    filled = {name: {"text": {"value": value}} for name, value in values.items()}
    return await stage.slack.submit("alice", filled, form["id"])
