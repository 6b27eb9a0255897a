"""People ask in the local Slack: real Bolt over its websocket, the whole bot, a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
from sqlalchemy import text

from bot.domain.access import AccessConfig, Role
from bot.domain.ids import ChannelId, Ts, UserId
from bot.domain.place import Place
from bot.domain.plans.plan import PlanStatus
from bot.domain.question import Question
from bot.domain.run import Done, Running
from bot.slack import replies
from bot.store.store import SqlStore
from sandbox.slack.chat.people import (
    ALICE,
    BOB,
    BOT_USER_ID,
    CAROL,
    DEVELOPERS_GROUP,
    INCIDENTS,
    ONCALL_GROUP,
)
from sandbox.slack.server import SlackServer
from tests.fakes.clock import FakeClock
from tests.fakes.decision import services
from tests.fakes.metrics import FakeMetrics
from tests.fakes.workers import InlineWorkers
from tests.fixtures.nouns import a_finding, an_anomaly, an_incident
from tests.fixtures.shift import Shift, buttons
from tests.patience import PATIENCE
from tools.world import (
    Catalogue,
    MetricName,
    MetricSpec,
    ServiceName,
    ServiceSpec,
)

QUERY = "order_latency"
ACCESS = AccessConfig(
    holders={
        Role.VIEWER: (DEVELOPERS_GROUP,),
        Role.RESPONDER: (ONCALL_GROUP,),
        Role.APPROVER: (ONCALL_GROUP,),
        Role.ADMIN: (ALICE,),
    }
)


class Story(Shift):
    """A shift in which the latency of orders is up."""

    def __init__(self, store: SqlStore, folder: Path, slack: SlackServer, clock: FakeClock) -> None:
        metric = MetricSpec(
            name=MetricName("order_latency_p99"), category="trading", query=QUERY, unit="seconds",
            description="Order latency", threshold=0.5,
        )  # fmt: skip
        orders = ServiceSpec(name=ServiceName("order-api"), namespace="trading", workloads=())
        known = {ServiceName(name): spec for name, spec in services().items()}
        catalogue = Catalogue({metric.name: metric}, {**known, orders.name: orders})
        self.metrics = FakeMetrics()
        super().__init__(store, folder, slack, clock, metrics=self.metrics, catalogue=catalogue)
        self.feed()
        self.stand.configure(access=ACCESS)

    def feed(self) -> None:
        end = self.clock.now().timestamp()
        times = end - 60.0 * np.arange(13 * 60, -1, -1)
        values = 0.1 * (1 + 0.02 * np.sin(np.arange(times.size)))
        values[-20:] = 0.9
        self.metrics.put(QUERY, {"service": "order-api"}, times.tolist(), values.tolist())

    async def asked(self, words: str = "why is order latency up?") -> tuple[str, Running]:
        """Let Alice ask a bot that does not hear; returns the ts of her words and her run."""
        ts = self.slack.post_as("alice", "#incidents", words)
        place = Place(ChannelId(INCIDENTS), Ts(ts))
        run = await self.bot.desk.open(Question(words, place, "mention", UserId(ALICE)))
        assert run is not None
        return ts, run

    @asynccontextmanager
    async def without(self, table: str) -> AsyncIterator[None]:
        """Let the database lack a table for a while."""
        await self._execute(f"ALTER TABLE {table} RENAME TO gone")
        try:
            yield
        finally:
            await self._execute(f"ALTER TABLE gone RENAME TO {table}")

    async def _execute(self, statement: str) -> None:
        async with self.store._engine.begin() as connection:
            await connection.execute(text(statement))


@pytest.fixture
async def story(
    store: SqlStore, tmp_path: Path, slack: SlackServer, clock: FakeClock
) -> AsyncIterator[Story]:
    made = Story(store, tmp_path, slack, clock)
    yield made
    await made.idle()


async def test_a_mention_becomes_an_answer_with_progress_chart_and_buttons(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "CHART_PATIENCE", timedelta(seconds=PATIENCE))
    story.stand.workers = InlineWorkers()  # this chart is drawn
    async with story.running():
        ts = story.slack.post_as("alice", "#incidents", "@sre why is order latency up?")
        answer = await story.answer_in(ts)
    assert "order_latency_p99" in answer["text"]
    assert [t["status"] for t in answer["tasks"]]
    assert {t["status"] for t in answer["tasks"]} <= {"complete", "error"}
    images = [b for b in answer["blocks"] if b["type"] == "image"]
    assert images[0]["alt_text"].startswith("Chart of order_latency_p99 of order-api")
    assert images[0]["slack_file"]["id"]
    assert {"evidence.show", "answer.helpful", "answer.unhelpful"} <= set(buttons(answer))
    (run,) = await story.runs()
    assert isinstance(run, Done)
    assert (run.stream_ts, run.question.text) == (answer["ts"], "why is order latency up?")
    assert len(story.slack.thread("#incidents", ts)) == 2


async def test_an_answer_ends_though_its_chart_is_late(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "CHART_PATIENCE", timedelta(0))
    story.stand.workers = InlineWorkers()
    story.slack.parts.files.late_seconds = 1e9
    async with story.running():
        ts = story.slack.post_as("alice", "#incidents", "@sre why is order latency up?")
        answer = await story.answer_in(ts)
    assert {"evidence.show", "answer.helpful", "answer.unhelpful"} <= set(buttons(answer))
    assert not [b for b in answer["blocks"] if b["type"] == "image"]
    assert len(story.slack.thread("#incidents", ts)) == 2


async def test_the_evidence_behind_an_answer_opens_in_a_modal(story: Story) -> None:
    async with story.running():
        ts = story.slack.post_as("carol", "#incidents", "@sre why is order latency up?")
        answer = await story.answer_in(ts)
        assert await story.slack.click("carol", "#incidents", answer["ts"], "evidence.show")
        modal = await story.wait_for(lambda: story.top_view("carol"))
        assert "*E1*" in str(modal["blocks"])
        assert await story.slack.click_in_view("carol", modal["id"], "evidence.open")
        first = await story.wait_for(lambda: _page(story, "carol", "page 1:"))
        assert first["previous_view_id"] == modal["id"]
        assert "evidence.previous" not in str(first["blocks"])
        assert await story.slack.click_in_view("carol", first["id"], "evidence.next")
        second = await story.wait_for(lambda: _page(story, "carol", "page 2: lines 1–"))
        assert second["id"] == first["id"]
        assert await story.slack.click_in_view("carol", first["id"], "evidence.previous")
        await story.wait_for(lambda: _page(story, "carol", "page 1:"))
        assert await story.slack.click("carol", "#incidents", answer["ts"], "answer.helpful")
        await story.told("carol", "Thank you")


def _page(story: Story, user: str, words: str) -> dict[str, Any] | None:
    modal = story.top_view(user)
    return modal if modal and words in str(modal["blocks"]) else None


async def test_an_envelope_that_comes_twice_is_one_run(story: Story) -> None:
    """The first delivery is committed but its acknowledgement is lost, so Slack sends it again."""
    story.slack.parts.socket.ack_seconds = 0.5  # then it is sent again
    session = aiohttp.ClientSession()
    opened = await story.room.workspace.client.apps_connections_open(
        app_token=story.slack.app_token
    )
    async with session, session.ws_connect(str(opened["url"])) as deaf:
        assert (await deaf.receive_json())["type"] == "hello"
        ts = story.slack.post_as("alice", "#incidents", "@sre why is order latency up?")
        first = await deaf.receive_json()
        async with story.store.begin() as tx:
            body = first["payload"]
            assert await tx.inbox.add(body["event_id"], "event", body, story.clock.wall())
    async with story.running() as room:
        await story.answer_in(ts)
        await story.wait_for(lambda: story.slack.parts.socket.undelivered == 0)
        await room.inbox.idle()
    assert len(await story.runs()) == 1
    assert len(story.slack.thread("#incidents", ts)) == 2


async def test_nothing_is_acknowledged_that_is_not_in_the_store(story: Story) -> None:
    async with story.running() as room:
        plan = await story.planned("rollback")
        card = await story.card(plan, "plan.approve")
        await room.inbox.stop()
        await room.outbox.stop()
        story.slack.parts.socket.ack_seconds = 0.5  # none comes, however long Slack waits
        async with story.without("slack_inbox"):
            assert not await story.slack.click("alice", "#incidents", card, "plan.approve")
        (failed,) = story.slack.pushed("alice", "ack_failed")
        assert failed["action_id"] == "plan.approve"
    assert await story.status(plan) is PlanStatus.WAITING
    assert "plan.approved" not in await story.audit(plan)


async def test_a_post_whose_worker_died_before_the_commit_is_found_and_not_repeated(
    story: Story,
) -> None:
    room = story.room
    place = Place(ChannelId(INCIDENTS))
    async with story.store.begin() as tx:
        row_id = await tx.outbox.post("n:1", "notice", "n", place, {"text": "once only"})
        row = await tx.outbox.claim("dead", story.clock.wall(), timedelta(0))
        assert row is not None
        await tx.outbox.sending(row_id, story.clock.now())
    posted = await room.workspace.client.chat_postMessage(
        channel=INCIDENTS,
        text="once only",
        metadata={"event_type": "sre_agent_outbox", "event_payload": {"id": row_id}},
    )
    assert await room.outbox.drain() == 1
    assert [m["text"] for m in story.slack.messages("#incidents")] == ["once only"]
    async with story.store.begin() as tx:
        found = await tx.outbox.find("n:1")
    assert found is not None
    assert found.ts == posted["ts"]


async def test_an_unfinished_stream_of_a_dead_process_is_replaced(story: Story) -> None:
    """Killed between chat.startStream and the commit of its ts: nobody knows the message's ts."""
    ts, run = await story.asked()
    room = story.room
    begun = await room.workspace.client.chat_startStream(
        channel=INCIDENTS, thread_ts=ts, recipient_user_id=ALICE, recipient_team_id="T0NOVAEX1",
        markdown_text="Looking at",
    )  # fmt: skip
    await story.bot.desk.answer(run, room.replies.for_run(run, fresh=False))
    (only,) = story.slack.thread("#incidents", ts)[1:]
    assert only["ts"] != begun["ts"]
    assert "answer.helpful" in buttons(only)


async def test_an_answer_stored_but_not_shown_is_completed_after_the_restart(story: Story) -> None:
    ts, run = await story.asked()
    reply = story.room.replies.for_run(run, fresh=True)

    class Killed:
        """Everything but the end: the process dies right before it."""

        step, say, take_back, fail = reply.step, reply.say, reply.take_back, reply.fail

        async def finish(self, run: Running, answer: Any) -> None: ...

    await story.bot.desk.answer(run, Killed())
    assert story.slack.thread("#incidents", ts)[1]["streaming"]
    async with story.running():
        shown = await story.answer_in(ts)
    assert "order_latency_p99" in str(shown["blocks"])
    assert len(story.slack.thread("#incidents", ts)) == 2


async def test_a_dead_slack_fails_no_run_and_the_answer_comes_when_it_is_back(story: Story) -> None:
    ts, run = await story.asked()
    room = story.room
    for method in ("chat.startStream", "chat.postMessage"):
        story.slack.fail(method, 50, status=500)
    answer = await story.bot.desk.answer(run, room.replies.for_run(run, fresh=True))
    assert answer is not None
    assert len(story.slack.thread("#incidents", ts)) == 1
    for method in ("chat.startStream", "chat.postMessage"):
        story.slack.fail(method, 0)
    story.clock.advance(minutes=6)  # it is tried again in a while
    assert await room.outbox.drain() == 1
    assert "answer.helpful" in buttons(await story.answer_in(ts))


async def test_an_unknown_button_is_answered_with_one_clear_line(story: Story) -> None:
    async with story.running() as room:
        block = {
            "type": "actions",
            "elements": [
                {
                    "type": "button", "action_id": "plan.aprove", "value": "PLAN-1",
                    "text": {"type": "plain_text", "text": "?"},
                }
            ],
        }  # fmt: skip
        card = await room.workspace.client.chat_postMessage(
            channel=INCIDENTS, text="old", blocks=[block]
        )
        assert await story.slack.click("alice", "#incidents", str(card["ts"]), "plan.aprove")
        said = await story.told("alice", "plan.aprove")
    assert "Did you mean 'plan.approve'?" in said


async def test_a_payload_with_missing_fields_is_told_and_does_no_harm(story: Story) -> None:
    async with story.running():
        broken: dict[str, Any] = {
            "type": "block_actions", "user": {"id": ALICE}, "channel": {"id": INCIDENTS},
            "actions": [], "trigger_id": "1.2.broken",
        }  # fmt: skip
        await story.slack.parts.socket.ask("interactive", broken)
        said = await story.told("alice", "could not read")
        assert "actions" in said
        event = {
            "type": "event_callback", "event_id": "Ev1", "team_id": "T0NOVAEX1",
            "event": {"type": "app_mention", "user": ALICE},
        }  # fmt: skip
        story.slack.parts.socket.send_event(event)
        ts = story.slack.post_as("alice", "#incidents", "@sre why is order latency up?")
        await story.answer_in(ts)
    async with story.store.begin() as tx:
        assert await tx.inbox.backlog() == 0


async def test_carol_may_not_approve_and_that_is_audited(story: Story) -> None:
    async with story.running():
        plan = await story.planned("rollback")
        card = await story.card(plan, "plan.approve")
        assert await story.slack.click("carol", "#incidents", card, "plan.approve")
        said = await story.told("carol", "may not")
        assert "responder" in said
    assert await story.status(plan) is PlanStatus.WAITING
    assert story.slack.ephemerals("alice", "#incidents") == []
    async with story.store.begin() as tx:
        (denied,) = [r for r in await tx.audit.tail() if r.event.kind == "access.denied"]
    assert (denied.event.actor, denied.event.facts["right"]) == (CAROL, "plan.approve")


async def test_alice_approves_and_bob_rejects_with_a_reason(story: Story) -> None:
    async with story.running():
        plan = await story.planned("manual")
        card = await story.card(plan, "plan.approve")
        assert await story.slack.click("alice", "#incidents", card, "plan.approve")
        await story.told("alice", plan)
        assert await story.slack.click("bob", "#incidents", card, "plan.reject")
        await story.modal("bob")
        short = await story.slack.submit("bob", {"reason": {"text": {"value": "no"}}})
        assert "say why" in short["errors"]["reason"]
        sent = await story.slack.submit("bob", {"reason": {"text": {"value": "too risky today"}}})
        assert sent["ok"]
        await story.told("bob", plan)
    async with story.store.begin() as tx:
        rows = [r.event for r in await tx.audit.tail(100, plan) if r.event.actor in {ALICE, BOB}]
    assert [(each.actor, each.kind) for each in rows] == [
        (ALICE, "plan.approved"),
        (BOB, "plan.rejected"),
    ]
    assert "too risky today" in repr(rows)
    assert await story.status(plan) is PlanStatus.REJECTED


async def test_guests_and_outsiders_get_nothing(story: Story) -> None:
    story.slack.invite("sre", "#general")
    async with story.running() as room:
        for name in ("gita", "sam"):
            story.slack.post_as(name, "#general", "@sre why is order latency up?")

            def refused(name: str = name) -> Any:
                return story.slack.ephemerals(name, "#general")

            (said,) = await story.wait_for(refused)
            assert "may not" in said["text"]
        await room.inbox.idle()
    assert await story.runs() == []


async def test_a_question_during_a_run_waits_with_eyes_on_it(story: Story) -> None:
    story.metrics.may_answer.clear()
    async with story.running():
        ts = story.slack.post_as("alice", "#incidents", "@sre why is order latency up?")
        async with asyncio.timeout(PATIENCE):
            await story.metrics.is_asked.wait()
        more = story.slack.post_as("bob", "#incidents", "@sre and what changed?", ts)
        await story.wait_for(
            lambda: story.slack.message("#incidents", more).reactions or None,
        )
        story.metrics.may_answer.set()
        await story.answer_in(ts)
    states = sorted(type(run).__name__ for run in await story.runs())
    assert states == ["Done", "Queued"]


async def test_the_command_ask_posts_the_question_and_answers_below_it(story: Story) -> None:
    async with story.running():
        assert await story.slack.command("alice", "#incidents", "/ask why is order latency up?")
        asked = await story.wait_for(
            lambda: next(
                (m for m in story.slack.messages("#incidents") if "asks" in m["text"]), None
            )
        )
        answer = await story.answer_in(asked["ts"])
    assert "order_latency_p99" in answer["text"]


async def test_a_question_in_a_direct_message_is_answered_there(story: Story) -> None:
    async with story.running():
        ts = story.slack.post_as("carol", "dm", "why is order latency up?")

        def look() -> Any:
            replies = story.slack.thread(f"D0{CAROL[2:]}", ts, user=CAROL)[1:]
            return next((m for m in replies if not m["streaming"] and buttons(m)), None)

        assert "order_latency_p99" in (await story.wait_for(look))["text"]


async def test_sre_help_status_and_a_typo(story: Story) -> None:
    async with story.running():
        assert await story.slack.command("carol", "#incidents", "/sre help")
        await story.told("carol", "What I can do")
        assert await story.slack.command("carol", "#incidents", "/sre status")
        await story.told("carol", "open findings")
        assert await story.slack.command("carol", "#incidents", "/sre hlp")
        said = await story.told("carol", "There is no")
        assert "Did you mean 'help'?" in said
        assert await story.slack.command("carol", "#incidents", "/sre freeze now")
        await story.told("carol", "may not")


async def test_a_finding_is_posted_acknowledged_and_redrawn(story: Story) -> None:
    finding = replace(a_finding(), place=Place(ChannelId("#incidents")))
    async with story.running():
        async with story.store.begin() as tx:
            await tx.anomalies.save(an_anomaly())
            incident = an_incident()
            await tx.incidents.save(incident)
            await tx.findings.save(replace(finding, incident=incident.id))
            place = Place(ChannelId("#incidents"))
            await tx.outbox.post(f"finding:{finding.id}", "finding", finding.id, place)
        card = await story.wait_for(
            lambda: next((m for m in story.slack.messages("#incidents") if buttons(m)), None)
        )
        assert "Critical" in card["text"]
        assert await story.slack.click("alice", "#incidents", card["ts"], "anomaly.acknowledge")

        def acknowledged() -> Any:
            (message,) = story.slack.messages("#incidents")
            return message if "looks after it" in str(message["blocks"]) else None

        shown = await story.wait_for(acknowledged)
        assert f"<@{ALICE}>" in str(shown["blocks"])
        assert "anomaly.acknowledge" not in buttons(shown)
        option = {"selected_option": {"value": "4", "text": {"type": "plain_text", "text": "4 h"}}}
        assert await story.slack.click(
            "alice", "#incidents", card["ts"], "anomaly.mute", choice=option
        )
        await story.told("alice", "No findings for order-api")
    async with story.store.begin() as tx:
        (mute,) = await tx.mutes.active(story.clock.now())
    assert mute.service == "order-api"


async def test_the_home_tab_shows_what_waits(story: Story) -> None:
    async with story.running():
        plan = await story.planned("rollback")
        story.slack.open_home("alice")
        home = await story.wait_for(lambda: story.slack.home("alice"))
    assert plan in str(home["blocks"])


async def test_the_bot_hears_not_itself(story: Story) -> None:
    async with story.running() as room:
        await room.workspace.client.chat_postMessage(
            channel=INCIDENTS, text=f"<@{BOT_USER_ID}> why?"
        )
        story.slack.post_as("alice", "#incidents", "no question")
        await story.wait_for(lambda: story.slack.parts.socket.undelivered == 0)
        await room.inbox.idle()
    assert await story.runs() == []
