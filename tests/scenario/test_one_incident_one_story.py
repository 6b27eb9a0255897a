"""One incident from its declaration to its end, by three people in the strict local Slack."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bot.core.remediation.planning.planner import Origin
from bot.domain.access import AccessConfig, Role
from bot.domain.ids import ChannelId, PlanId, Ts, UserId
from bot.domain.incident import Priority
from bot.domain.place import Place
from sandbox.slack.chat.people import ALICE, BOB, INCIDENTS, ONCALL_GROUP
from tests.fixtures.shift import Shift, buttons
from tools.world import ProposalDraft, ServiceName

HERE = "#incidents"
NAME = "INC-2026-0001"


def incident_card(shift: Shift) -> dict[str, Any] | None:
    cards = shift.slack.messages(HERE)
    return next((m for m in cards if f"'block_id': '{NAME}'" in str(m["blocks"])), None)


async def card_with(shift: Shift, words: str) -> dict[str, Any]:
    """Wait until the live card says so."""

    def look() -> dict[str, Any] | None:
        card = incident_card(shift)
        return card if card and words in str(card["blocks"]) else None

    return await shift.wait_for(look)


async def thread_says(shift: Shift, ts: str, words: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        return next((m for m in shift.slack.thread(HERE, ts)[1:] if words in str(m)), None)

    return await shift.wait_for(look)


async def chosen(shift: Shift, user: str, ts: str, word: str) -> None:
    option = next(
        o
        for block in (incident_card(shift) or {})["blocks"]
        if block["type"] == "actions"
        for element in block["elements"]
        if element["action_id"] == "incident.more"
        for o in element["options"]
        if o["value"] == word
    )
    done = await shift.slack.click(
        user, HERE, ts, "incident.more", choice={"selected_option": option}
    )
    assert done


def with_on_call(shift: Shift) -> None:
    holders = {Role.VIEWER: ("*",), Role.RESPONDER: (ONCALL_GROUP,), Role.APPROVER: (ALICE, BOB)}
    shift.stand.configure(access=AccessConfig(holders))


async def test_one_card_lives_through_the_whole_incident(shift: Shift) -> None:
    with_on_call(shift)
    async with shift.running():
        assert await shift.slack.command("alice", HERE, "/sre incident declare P1 shop Orders fail")
        await shift.told("alice", f"{NAME} is declared")
        card = await card_with(shift, "nobody has it yet")
        assert f"<!subteam^{ONCALL_GROUP}>" in str(card["blocks"])
        ts = str(card["ts"])
        assert await shift.slack.click("bob", HERE, ts, "incident.take")
        await card_with(shift, f"<@{BOB}> has it")
        assert await shift.slack.click("alice", HERE, ts, "incident.join")
        await shift.told("alice", "somebody took it")  # who joins is caught up

        await chosen(shift, "bob", ts, "note")
        await shift.modal("bob")
        typed = {"type": "plain_text_input", "value": "the queue is full"}
        await shift.slack.submit("bob", {"text": {"text": typed}})
        await chosen(shift, "bob", ts, "hand_over")
        await shift.modal("bob")
        to = {"type": "users_select", "selected_user": ALICE}
        await shift.slack.submit("bob", {"user": {"choice": to}})
        await card_with(shift, f"<@{ALICE}> has it")
        await thread_says(shift, ts, "has INC-2026-0001 now")

        await chosen(shift, "alice", ts, "status")
        form = await shift.modal("alice")
        assert "We are looking into a problem with shop" in str(form)
        said = {"type": "plain_text_input", "value": "Orders may fail; we work on it."}
        await shift.slack.submit("alice", {"text": {"text": said}})
        await shift.wait_for(lambda: _said(shift, "Orders may fail; we work on it."))

        assert await shift.slack.click("alice", HERE, ts, "incident.resolve")
        over = await card_with(shift, "resolved")
        assert buttons(over) == ["incident.reopen", "incident.more"]
        assert await shift.slack.click("bob", HERE, ts, "incident.reopen")
        again = await card_with(shift, "in hand")
        assert again["ts"] == ts
    cards = [m for m in shift.slack.messages(HERE) if f"'block_id': '{NAME}'" in str(m["blocks"])]
    assert len(cards) == 1


def _said(shift: Shift, words: str) -> dict[str, Any] | None:
    return next((m for m in shift.slack.messages(HERE) if words in m["text"]), None)


async def test_a_plan_of_a_questions_thread_tells_the_same_in_the_incidents_thread(
    shift: Shift,
) -> None:
    with_on_call(shift)
    async with shift.running():
        assert await shift.slack.command("alice", HERE, "/sre incident declare shop Orders fail")
        card = await card_with(shift, "nobody has it yet")
        question = shift.slack.post_as("carol", HERE, "is anybody looking?")
        draft = ProposalDraft("rollback", ServiceName("shop"), "orders fail", {})
        place = Place(ChannelId(INCIDENTS), Ts(question))
        receipt = await shift.bot.remediation.planner.propose(draft, Origin(place))
        plan = PlanId(str(receipt.plan_id))
        line = await thread_says(shift, str(card["ts"]), "waiting for answers")
        await thread_says(shift, question, "plan.approve")
        await card_with(shift, "answer the plan")
        await card_with(shift, "/archives/")
        answered = await shift.bot.remediation.approvals.approve(
            plan, UserId(ALICE), ChannelId(INCIDENTS)
        )
        assert answered.accepted
        await shift.run()

        def moved() -> bool:
            told = shift.slack.thread(HERE, str(card["ts"]))
            return any(m["ts"] == line["ts"] and "being verified" in str(m) for m in told)

        await shift.wait_for(lambda: moved() or None)


async def test_who_asks_in_the_thread_is_caught_up_or_gets_quiet(shift: Shift) -> None:
    with_on_call(shift)
    async with shift.running():
        await shift.slack.command("alice", HERE, "/sre incident declare shop Orders fail")
        ts = str((await card_with(shift, "nobody has it yet"))["ts"])
        shift.slack.post_as("carol", HERE, "<@U0SREBOT1> catch me up", thread_ts=ts)
        await shift.told("carol", "Orders fail. nobody has it yet")
        shift.slack.post_as("bob", HERE, "<@U0SREBOT1> quiet here!", thread_ts=ts)
        await card_with(shift, "no updates at a rhythm")
        await thread_says(shift, ts, "asked for quiet")
    assert [run.place.thread_ts for run in await shift.runs()] == []  # neither is a question


async def test_who_may_only_read_takes_nothing(shift: Shift) -> None:
    with_on_call(shift)
    async with shift.running():
        await shift.slack.command("alice", HERE, "/sre incident declare P2 shop Orders fail")
        ts = str((await card_with(shift, "nobody has it yet"))["ts"])
        await shift.slack.click("carol", HERE, ts, "incident.take")
        await shift.told("carol", "You may not do this")
        await shift.slack.command("carol", HERE, f"/sre incidents {NAME}")
        await shift.told("carol", "Orders fail")


async def test_a_serious_one_gets_a_channel_of_its_own_where_that_is_wanted(shift: Shift) -> None:
    with_on_call(shift)
    wanted = replace(shift.stand.settings.incidents, own_channel_from=Priority.P1)
    shift.stand.configure(incidents=wanted)
    async with shift.running():
        for word in ("P1", "P2"):
            await shift.slack.command("alice", HERE, f"/sre incident declare {word} shop Orders")
        await card_with(shift, "nobody has it yet")
        rooms = shift.bot.work.rooms
        assert rooms is not None
        assert await rooms.tick() == 1
        assert await rooms.tick() == 0
        await shift.wait_for(lambda: shift.slack.messages("#inc-2026-0001") or None)
        await card_with(shift, "its channel")
        assert await shift.slack.command("bob", "#inc-2026-0001", "/sre incident take")
        await card_with(shift, f"<@{BOB}> has it")


async def test_halt_and_mute_are_told_to_everybody_with_who_and_until_when(shift: Shift) -> None:
    with_on_call(shift)
    async with shift.running():
        await shift.slack.command("alice", HERE, "/sre mute shop 90m")
        told = await shift.wait_for(lambda: _said(shift, "muted shop until"))
        assert f"<@{ALICE}>" in told["text"]
        await shift.slack.command("bob", HERE, "/sre halt the release is bad")
        told = await shift.wait_for(lambda: _said(shift, "halted every plan"))
        assert f"<@{BOB}>" in told["text"]
        assert "the release is bad" in told["text"]
        await shift.slack.command("carol", HERE, "/sre status")
        status = await shift.told("carol", "muted: shop")
        assert f"by <@{ALICE}> until" in status
        await shift.slack.command("bob", HERE, "/sre unmute shop")
        await shift.wait_for(lambda: _said(shift, "unmuted shop"))
