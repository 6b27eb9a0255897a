"""A plan's card pressed in the local Slack: real Bolt, real approvals, real store, real actions.

Every doubtful click (old card, forged, replayed, doubled, during a restart) is one effect, or one
clear refusal, and an audit row.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from slack_bolt.async_app import AsyncBoltRequest

from bot.core.remediation.planning.planner import Origin
from bot.domain.access import AccessConfig, Role
from bot.domain.ids import ChannelId, UserId
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.policy import PolicyConfig
from bot.slack.app import SlackRoom
from bot.slack.directory import FRESH
from sandbox.slack.chat.people import ALICE, BOB, CAROL, INCIDENTS, ONCALL_GROUP
from sandbox.slack.server import SlackServer
from tests.fakes.decision import SCALE, library
from tests.fixtures.shift import PLACE, Shift
from tools.errors import OutcomeUnknownError
from tools.world import ProposalDraft, ServiceName

CHOOSING = SCALE.replace("{add_replicas: 2}", '{add_replicas: "{{ add_replicas }}"}') + (
    'parameters: {add_replicas: {description: how many more, default: 2, pattern: "[1-5]"}}\n'
)


def click_of(user: str, action: str, value: str, trigger: str) -> dict[str, Any]:
    """What Slack sends for one click; anybody may have made it up."""
    return {
        "type": "block_actions",
        "trigger_id": trigger,
        "user": {"id": user},
        "channel": {"id": INCIDENTS},
        "container": {"channel_id": INCIDENTS, "message_ts": "1732099200.000100"},
        "actions": [{"action_id": action, "block_id": value, "value": value}],
    }


async def deliver(room: SlackRoom, body: dict[str, Any]) -> None:
    """Hand a payload to Bolt, as its socket would."""
    answer = await room.app.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))
    assert answer.status == 200
    await room.inbox.idle()


async def test_clicks_from_two_phones_and_of_two_people_are_one_execution(shift: Shift) -> None:
    plan = await shift.planned("manual")
    async with shift.running():
        card = await shift.card(plan, "plan.approve")
        clicks = [
            shift.slack.click(user, "#incidents", card, "plan.approve")
            for user in ("alice", "alice", "bob", "bob")
        ]
        assert all(await asyncio.gather(*clicks))
        await shift.told("alice", plan, times=2)
        await shift.told("bob", plan, times=2)
        await shift.run()
        assert await shift.status(plan) is PlanStatus.VERIFYING
    assert len(shift.cluster.sent) == 1
    assert (await shift.audit(plan)).count("plan.approved") == 2


async def test_a_click_on_an_old_card_is_told_what_became_of_the_plan(shift: Shift) -> None:
    plan = await shift.planned("rollback")
    async with shift.running() as room:
        await shift.card(plan, "plan.approve")
        said = await shift.bot.remediation.approvals.reject(
            plan, UserId(BOB), "not today", ChannelId(INCIDENTS)
        )
        assert said.accepted
        await deliver(room, click_of(ALICE, "plan.approve", plan, "old.1"))
        assert "rejected; nothing was changed" in await shift.told("alice", plan)
    await shift.run()
    assert shift.cluster.sent == []


@pytest.mark.parametrize(
    "value",
    ["PLAN-000000", "", '{"plan": "approved", "approver": "U0ALICE01"}', "../PLAN-1; run"],
)
async def test_a_forged_value_names_no_plan_and_does_nothing(shift: Shift, value: str) -> None:
    plan = await shift.planned("rollback")
    async with shift.running() as room:
        await deliver(room, click_of(ALICE, "plan.approve", value, "forged.1"))
        await shift.told("alice", "plan")
    assert await shift.status(plan) is PlanStatus.WAITING


async def test_a_payload_in_somebody_elses_place_counts_where_the_card_lives(
    shift: Shift,
) -> None:
    plan = await shift.planned("rollback")
    access = shift.stand.settings.access
    shift.stand.configure(
        access=AccessConfig(access.holders, channels={"C0GENERAL": {Role.APPROVER: (CAROL,)}})
    )
    async with shift.running() as room:
        forged = click_of(CAROL, "plan.approve", plan, "forged.2")
        forged["channel"] = forged["container"] = {"id": "C0GENERAL", "channel_id": "C0GENERAL"}
        await deliver(room, forged)
        await shift.wait_for(lambda: shift.slack.ephemerals("carol", "#general"))
    assert await shift.status(plan) is PlanStatus.WAITING
    assert "access.denied" in await shift.audit(plan)


async def test_a_replayed_payload_is_one_click(shift: Shift) -> None:
    plan = await shift.planned("rollback")
    async with shift.running() as room:
        click = click_of(ALICE, "plan.approve", plan, "same.1")
        for _ in range(3):
            await deliver(room, dict(click))
        await shift.told("alice", plan)
        await shift.run()
        await deliver(room, click_of(ALICE, "plan.approve", plan, "another.1"))
        assert "counted already" in await shift.told("alice", "counted already")
    assert (await shift.audit(plan)).count("plan.approved") == 1
    assert len(shift.cluster.sent) == 1


async def test_a_click_while_the_bot_restarts_is_an_error_and_then_one_effect(
    shift: Shift,
) -> None:
    plan = await shift.planned("rollback")
    async with shift.running():
        card = await shift.card(plan, "plan.approve")
    assert not await shift.slack.click("alice", "#incidents", card, "plan.approve")
    assert await shift.status(plan) is PlanStatus.WAITING
    async with shift.running():
        assert await shift.slack.click("alice", "#incidents", card, "plan.approve")
        await shift.told("alice", plan)
    assert (await shift.audit(plan)).count("plan.approved") == 1


async def test_a_click_that_was_acknowledged_before_the_bot_died_is_worked_on_after(
    shift: Shift,
) -> None:
    plan = await shift.planned("rollback")
    dead = shift.room
    body = click_of(ALICE, "plan.approve", plan, "kept.1")
    answer = await dead.app.async_dispatch(AsyncBoltRequest(body=body, mode="socket_mode"))
    assert answer.status == 200  # committed and acknowledged; its inbox never worked
    assert await shift.status(plan) is PlanStatus.WAITING
    async with shift.running():
        await shift.told("alice", plan)
    assert await shift.status(plan) is PlanStatus.APPROVED


async def test_an_approver_removed_after_the_click_lets_nothing_run(shift: Shift) -> None:
    shift.join(access=AccessConfig({Role.VIEWER: ("*",), Role.APPROVER: (ONCALL_GROUP,)}))
    plan = await shift.planned("rollback")
    async with shift.running():
        card = await shift.card(plan, "plan.approve")
        assert await shift.slack.click("alice", "#incidents", card, "plan.approve")
        await shift.told("alice", plan)
        groups = shift.slack.parts.chat.groups
        groups[ONCALL_GROUP] = replace(groups[ONCALL_GROUP], members=(BOB,))
        shift.clock.advance(FRESH + timedelta(seconds=1))  # nobody is believed longer
        await shift.run()
    assert shift.cluster.sent == []
    assert await shift.status(plan) is PlanStatus.WITHDRAWN


async def test_the_glass_is_broken_with_a_reason_that_the_channel_reads(shift: Shift) -> None:
    shift.join(policy=PolicyConfig(break_glass=True))
    plan = await shift.planned("manual")
    async with shift.running():
        card = await shift.card(plan, "plan.break_glass")
        assert await shift.slack.click("alice", "#incidents", card, "plan.break_glass")
        await shift.modal("alice")
        short = await shift.slack.submit("alice", {"reason": {"text": {"value": "x"}}})
        assert "say why" in short["errors"]["reason"]
        sent = await shift.slack.submit(
            "alice", {"reason": {"text": {"value": "all orders fail and Bob is on a plane"}}}
        )
        assert sent["ok"]
        loud = await shift.wait_for(lambda: _says(shift.slack, "Break-glass"))
        assert f"<@{ALICE}>" in loud["text"]
        assert "Bob is on a plane" in loud["text"]
    assert await shift.status(plan) is PlanStatus.APPROVED


async def test_no_glass_is_offered_where_policy_has_none(shift: Shift) -> None:
    plan = await shift.planned("manual")
    async with shift.running() as room:
        await shift.card(plan, "plan.approve")
        assert "plan.break_glass" not in str(shift.card_of(plan))
        await deliver(room, click_of(ALICE, "plan.break_glass", plan, "forged.3"))
    assert await shift.status(plan) is PlanStatus.WAITING


async def test_a_plan_is_edited_in_a_form_and_the_new_one_asks_anew(shift: Shift) -> None:
    shift.stand.library = library(CHOOSING)
    shift.join()
    old = await shift.planned("scale-up")
    async with shift.running():
        card = await shift.card(old, "plan.edit")
        assert await shift.slack.click("alice", "#incidents", card, "plan.edit")
        form = await shift.modal("alice")
        assert "how many more" in str(form["blocks"])
        wrong = await shift.slack.submit("alice", {"add_replicas": {"text": {"value": "70"}}})
        assert "[1-5]" in wrong["errors"]["add_replicas"]
        sent = await shift.slack.submit("alice", {"add_replicas": {"text": {"value": "4"}}})
        assert sent["ok"]
        await shift.told("alice", "takes its place")
        async with shift.store.begin() as tx:
            (record,) = await tx.plans.list([PlanStatus.WAITING])
        await shift.card(record.plan.id, "plan.approve")
        await shift.wait_for(lambda: "replaced by" in str(shift.card_of(old)) or None)
    assert await shift.status(old) is PlanStatus.WITHDRAWN


async def test_an_expired_plan_is_proposed_again_from_its_card(shift: Shift) -> None:
    plan = await shift.planned("rollback")
    async with shift.running() as room:
        await shift.card(plan, "plan.approve")
        shift.clock.advance(minutes=31)
        assert await shift.bot.remediation.deadlines.expire_due() == 1
        room.wake()
        card = await shift.card(plan, "plan.propose_again")
        assert await shift.slack.click("alice", "#incidents", card, "plan.propose_again")
        await shift.told("alice", "is proposed; its card")
    async with shift.store.begin() as tx:
        assert len(await tx.plans.list([PlanStatus.WAITING])) == 1


async def test_an_unknown_outcome_is_told_with_a_button(shift: Shift) -> None:
    plan = await shift.approved("rollback")
    actions = shift.stand.actions
    real = type(actions["deployment_rollback"])

    class AnswerLost(real):  # type: ignore[misc, valid-type]
        async def execute(self, actors: object, bound: object, key: str) -> None:
            raise OutcomeUnknownError("the connection broke after the request")

    actions["deployment_rollback"] = AnswerLost()
    await shift.run()
    actions["deployment_rollback"] = real()
    async with shift.running():
        card = await shift.card(plan, "plan.retry")
        assert all(f"'plan.{word}'" in str(shift.card_of(plan)) for word in ("done", "undone"))
        assert await shift.slack.click("carol", "#incidents", card, "plan.retry")
        await shift.told("carol", "may not")
        assert await shift.slack.click("bob", "#incidents", card, "plan.retry")
        await shift.told("bob", "goes on")
        await shift.run()
    assert shift.images()["shop"] == "shop:1"
    assert "step.told_retry" in await shift.audit(plan)


async def test_a_halted_plan_is_undone_from_its_card_and_the_approver_is_told(
    shift: Shift,
) -> None:
    plan = await shift.approved("rollback")
    await shift.run()
    stopped = await shift.bot.remediation.approvals.stop(plan, UserId(BOB), ChannelId(INCIDENTS))
    assert stopped.accepted
    await shift.run()
    assert await shift.status(plan) is PlanStatus.HALTED
    async with shift.running() as room:
        card = await shift.card(plan, "plan.undo")
        assert await shift.slack.click("bob", "#incidents", card, "plan.undo")
        await shift.told("bob", "is being taken back")
        await shift.run()
        assert await shift.status(plan) is PlanStatus.ROLLED_BACK
        room.wake()

        def ends() -> list[str] | None:
            lines = [m["text"] for m in shift.slack.thread("#incidents", card)[1:]]
            found = [text for text in lines if f"<@{ALICE}>" in text]
            return found if len(found) == 2 else None  # halted, then taken back

        halted, undone = await shift.wait_for(ends)
    assert "stopped" in halted
    assert "taken back" in undone
    assert shift.images()["shop"] == "shop:2"


async def test_a_card_says_up_front_why_it_cannot_be_approved(shift: Shift) -> None:
    shift.join(policy=PolicyConfig(enabled=False))
    off = await shift.planned("rollback")
    async with shift.running() as room:
        await shift.card(off, "plan.reject")
        assert "auto_remediation.enabled is false" in str(shift.card_of(off))
        assert "plan.approve" not in str(shift.card_of(off))
        await deliver(room, click_of(ALICE, "plan.approve", off, "forged.4"))
        assert "auto_remediation.enabled is false" in await shift.told("alice", "enabled")
    assert await shift.status(off) is PlanStatus.WAITING


async def test_what_is_critical_is_a_card_without_a_button(shift: Shift) -> None:
    draft = ProposalDraft("forbidden", ServiceName("shop"), "orders fail")
    receipt = await shift.bot.remediation.planner.propose(draft, Origin(PLACE))
    assert receipt.plan_id is None
    async with shift.running():
        card = await shift.wait_for(lambda: _says(shift.slack, "Diagnosis: "))
    assert "the bot never does" in str(card["blocks"])
    assert [block for block in card["blocks"] if block["type"] == "actions"] == []


def _says(slack: SlackServer, word: str) -> dict[str, Any] | None:
    return next((m for m in slack.messages("#incidents") if word in m["text"]), None)
