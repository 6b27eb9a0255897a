"""The Slack room with the real Bolt over the local Slack's websocket, on a real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import pytest
import yaml

from bot.clock import WorldClock
from bot.core.investigation.causes import CauseSheet, usable
from bot.core.investigation.desk import AgentDesk
from bot.core.investigation.investigator import Investigator
from bot.core.investigation.turn import DeskConfig
from bot.core.remediation.approvals import Approvals, Said
from bot.core.shared.charts import ChartDesk
from bot.core.shared.stored_ports import StoredBaselines
from bot.domain.access import AccessConfig, Role
from bot.domain.approval import Pending
from bot.domain.ids import ChannelId, PlanId, RunId, Ts, UserId
from bot.domain.place import Place
from bot.domain.plan import PlanStatus
from bot.domain.plan_life import Waiting
from bot.domain.policy import PolicyConfig, rule
from bot.domain.question import Question
from bot.domain.redaction import Redactor
from bot.domain.run import AgentRun, Done, Running
from bot.slack.app import SlackRoom
from bot.slack.charts import render_chart
from bot.slack.config import SlackConfig
from bot.store.store import SqlStore
from foundation.retries import RetryPolicy
from sandbox.slack.people import (
    ALICE,
    BOT_USER_ID,
    CAROL,
    DEVELOPERS_GROUP,
    INCIDENTS,
    ONCALL_GROUP,
)
from sandbox.slack.server import SlackServer, Timing, start_slack
from tests.fakes.changes import FakeChanges
from tests.fakes.decision import Production
from tests.fakes.metrics import FakeMetrics
from tests.fakes.workers import InlineWorkers
from tests.fixtures.nouns import a_finding, a_record, an_anomaly, an_incident
from tests.fixtures.rooms import connected, deps_over, room_over
from tools.analysis.detect import DetectorSettings
from tools.contract import Toolbox
from tools.observe.anomalies import detect_anomalies
from tools.observe.cluster import recent_changes
from tools.observe.metrics import query_metric
from tools.ports import Baselines, Changes, Metrics, Workers
from tools.ports import Clock as WorldTime
from tools.world import Catalogue, MetricName, MetricSpec, ServiceMode, ServiceName, ServiceSpec

WAIT = 15.0
QUERY = "order_latency"
QUICK = Timing(ack_seconds=2.0, retry_scale=0.0)
ACCESS = AccessConfig(
    holders={
        Role.VIEWER: (DEVELOPERS_GROUP,),
        Role.RESPONDER: (ONCALL_GROUP,),
        Role.APPROVER: (ONCALL_GROUP,),
        Role.ADMIN: (ALICE,),
    }
)


def catalogue() -> Catalogue:
    metric = MetricSpec(
        name=MetricName("order_latency_p99"), category="trading", query=QUERY, unit="seconds",
        description="Order latency", threshold=0.5,
    )  # fmt: skip
    service = ServiceSpec(name=ServiceName("order-api"), namespace="trading", workloads=())
    return Catalogue({metric.name: metric}, {service.name: service})


class KeptPlans(Approvals):
    """Answers plans by writing down who asked; the real approvals have their own tests."""

    __setattr__ = object.__setattr__  # the real one is frozen

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def _keep(self, *what: str) -> Said:
        self.asked.append(what)
        return Said(True, PlanStatus.APPROVED, "Noted.")

    async def approve(
        self, plan_id: PlanId, user: UserId, channel: ChannelId, digest: str = ""
    ) -> Said:
        assert not digest
        return self._keep("approve", plan_id, user, channel)

    async def reject(self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId) -> Said:
        return self._keep("reject", plan_id, user, reason, channel)

    async def stop(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        return self._keep("stop", plan_id, user, channel)

    async def undo(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        return self._keep("undo", plan_id, user, channel)

    async def resolve_unknown(
        self, plan_id: PlanId, user: UserId, verdict: str, channel: ChannelId | None = None
    ) -> Said:
        return self._keep("resolve", plan_id, user, verdict, str(channel))

    async def propose_again(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        return self._keep("again", plan_id, user, channel)

    async def break_glass(
        self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId, digest: str = ""
    ) -> Said:
        assert not digest
        return self._keep("break_glass", plan_id, user, reason, channel)

    async def edit(
        self, plan_id: PlanId, user: UserId, values: Mapping[str, str], channel: ChannelId
    ) -> Said:
        return self._keep("edit", plan_id, user, str(dict(values)), channel)


class HeldDesk(AgentDesk):
    """A desk whose answers wait until the test lets them go."""

    def __init__(self, desk: AgentDesk) -> None:
        self._desk = desk
        self.may_go = asyncio.Event()

    async def open(self, question: Question, run_id: RunId | None = None) -> Running | None:
        return await self._desk.open(question, run_id)

    async def answer(self, run: Running, reply: Any) -> Any:
        await self.may_go.wait()
        return await self._desk.answer(run, reply)


@dataclass
class Story:
    """Everything of one story."""

    slack: SlackServer
    store: SqlStore
    clock: WorldClock = field(default_factory=WorldClock)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    plans: KeptPlans = field(default_factory=KeptPlans)
    held: HeldDesk | None = None
    judged: int = 0  # how often it was asked who may

    def access(self) -> AccessConfig:
        self.judged += 1
        return ACCESS

    def desk(self) -> AgentDesk:
        workers, baselines = InlineWorkers(), StoredBaselines(self.store)
        ports: dict[type, object] = {
            WorldTime: self.clock,
            Metrics: self.metrics,
            Changes: FakeChanges(),
            Baselines: baselines,
            Workers: workers,
            Catalogue: catalogue(),
            DetectorSettings: DetectorSettings(),
        }

        def toolbox_of(run: Running, sheet: CauseSheet) -> Toolbox:
            tools = usable((query_metric, detect_anomalies, recent_changes))
            return Toolbox(tools, {**ports, CauseSheet: sheet})

        return AgentDesk(
            store=self.store,
            clock=self.clock,
            catalogue=catalogue,
            investigator=Investigator(catalogue),
            toolbox_of=toolbox_of,
            redactor=Redactor(),
            charts=ChartDesk(self.store, self.clock, workers, baselines, catalogue, render_chart),
            model=None,
            config=DeskConfig(owner="test:1"),
        )

    def config(self, **changes: Any) -> SlackConfig:
        config = SlackConfig(
            bot_token=self.slack.bot_token,
            owner="test:1",
            app_token=self.slack.app_token,
            api_url=self.slack.api_url,
            poll=timedelta(milliseconds=50),
            retry=RetryPolicy(
                first=timedelta(milliseconds=50), longest=timedelta(minutes=5), give_up_after=6
            ),
            lease=timedelta(seconds=5),
        )
        return replace(config, **changes)

    def room(self) -> SlackRoom:
        policy = PolicyConfig()
        deps = deps_over(
            self.store,
            self.clock,
            Production(self.store).bot,
            self.access,
            catalogue,
            questions=self.held or self.desk(),
            plans=self.plans,
            ruling=lambda r: rule(r.plan.tier, ServiceMode.APPROVE, policy),
        )
        return room_over(self.config(), deps)

    def running(self) -> AbstractAsyncContextManager[SlackRoom]:
        return connected(self.room())

    def feed(self) -> None:
        end = self.clock.now().timestamp() + 120
        times = end - 60.0 * np.arange(13 * 60, -1, -1)
        values = 0.1 * (1 + 0.02 * np.sin(np.arange(times.size)))
        values[-20:] = 0.9
        self.metrics.put(QUERY, {"service": "order-api"}, times.tolist(), values.tolist())

    async def wait_for(self, look: Callable[[], Any]) -> Any:
        return await self.slack.wait_for(look, WAIT)

    async def answer_in(self, ts: str, channel: str = "#incidents") -> dict[str, Any]:
        """Wait for the finished answer in a thread."""

        def look() -> dict[str, Any] | None:
            replies = self.slack.thread(channel, ts)[1:]
            done = [m for m in replies if not m["streaming"] and _actions(m)]
            return done[0] if done else None

        found: dict[str, Any] = await self.wait_for(look)
        return found

    async def whisper_to(self, user: str, word: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            said = self.slack.ephemerals(user, "#incidents")
            return next((m for m in said if word in m["text"]), None)

        found: dict[str, Any] = await self.wait_for(look)
        return found

    async def runs(self) -> list[AgentRun]:
        async with self.store.begin() as tx:
            rows = await tx.audit.tail(500)
            asked = [r.event.subject for r in rows if r.event.kind.startswith("question.")]
            return [await tx.runs.get(RunId(each)) for each in asked]

    async def plan_card(self) -> str:
        """Post a plan's card; returns its ts."""
        record = a_record()
        place = Place(ChannelId(INCIDENTS))
        wall = self.clock.wall()
        plan = replace(record.plan, place=place, expires_at=wall + timedelta(minutes=30))
        pending = Pending(plan.id, plan.digest, 1, plan.expires_at)
        async with self.store.begin() as tx:
            await tx.findings.save(a_finding())
            await tx.plans.add(replace(record, plan=plan, state=Waiting(pending)))
            await tx.outbox.post(f"plan:{plan.id}", "plan", plan.id, place)
        card = await self.wait_for(
            lambda: next((m for m in self.slack.messages("#incidents") if _actions(m)), None)
        )
        return str(card["ts"])


def _actions(message: dict[str, Any]) -> list[str]:
    return [
        element["action_id"]
        for block in message.get("blocks", [])
        if block["type"] == "actions"
        for element in block["elements"]
    ]


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    manifest = yaml.safe_load(Path("slack-manifest.yaml").read_text(encoding="utf-8"))
    server = await start_slack(manifest=manifest, timing=QUICK)
    yield server
    await server.close()


@pytest.fixture
def story(slack: SlackServer, store: SqlStore) -> Story:
    made = Story(slack, store)
    made.feed()
    return made


async def test_a_mention_becomes_an_answer_with_progress_chart_and_buttons(story: Story) -> None:
    async with story.running():
        ts = story.slack.post_as("alice", "#incidents", "@sre why is order latency up?")
        answer = await story.answer_in(ts)
    assert "order_latency_p99" in answer["text"]
    assert [t["status"] for t in answer["tasks"]]
    assert {t["status"] for t in answer["tasks"]} <= {"complete", "error"}
    images = [b for b in answer["blocks"] if b["type"] == "image"]
    assert images[0]["alt_text"].startswith("Chart of order_latency_p99 of order-api")
    assert images[0]["slack_file"]["id"]
    assert {"evidence.show", "answer.helpful", "answer.unhelpful"} <= set(_actions(answer))
    (run,) = await story.runs()
    assert isinstance(run, Done)
    assert (run.stream_ts, run.question.text) == (answer["ts"], "why is order latency up?")
    assert len(story.slack.thread("#incidents", ts)) == 2


async def test_the_evidence_behind_an_answer_opens_in_a_modal(story: Story) -> None:
    async with story.running():
        ts = story.slack.post_as("carol", "#incidents", "@sre why is order latency up?")
        answer = await story.answer_in(ts)
        assert await story.slack.click("carol", "#incidents", answer["ts"], "evidence.show")
        modal = await story.wait_for(lambda: _modal(story.slack, "carol"))
        assert "*E1*" in str(modal["blocks"])
        assert await story.slack.click_in_view("carol", modal["id"], "evidence.open")
        first = await story.wait_for(lambda: _page(story.slack, "carol", "page 1:"))
        assert first["previous_view_id"] == modal["id"]
        assert "evidence.previous" not in str(first["blocks"])
        assert await story.slack.click_in_view("carol", first["id"], "evidence.next")
        second = await story.wait_for(lambda: _page(story.slack, "carol", "page 2: lines 1–"))
        assert second["id"] == first["id"]
        assert await story.slack.click_in_view("carol", first["id"], "evidence.previous")
        await story.wait_for(lambda: _page(story.slack, "carol", "page 1:"))
        assert await story.slack.click("carol", "#incidents", answer["ts"], "answer.helpful")
        await story.whisper_to("carol", "Thank you")


def _question(slack: SlackServer) -> dict[str, Any] | None:
    return next((m for m in slack.messages("#incidents") if "asks" in m["text"]), None)


def _modal(slack: SlackServer, user: str) -> dict[str, Any] | None:
    stack = slack.parts.views.stack(slack.user_id(user))
    return stack[-1] if stack else None


def _page(slack: SlackServer, user: str, words: str) -> dict[str, Any] | None:
    modal = _modal(slack, user)
    return modal if modal and words in str(modal["blocks"]) else None


async def test_an_envelope_that_comes_twice_is_one_run(story: Story) -> None:
    """The first delivery is committed but its acknowledgement is lost, so Slack sends it again."""
    session = aiohttp.ClientSession()
    client = story.room().workspace.client
    opened = await client.apps_connections_open(app_token=story.slack.app_token)
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
        card = await story.plan_card()
        await room.inbox.stop()
        await room.outbox.stop()
        await story.store.downgrade("base")
        assert not await story.slack.click("alice", "#incidents", card, "plan.approve")
        (failed,) = story.slack.pushed("alice", "ack_failed")
        assert failed["action_id"] == "plan.approve"
        await story.store.upgrade()
    assert story.plans.asked == []


async def test_a_post_whose_worker_died_before_the_commit_is_found_and_not_repeated(
    story: Story,
) -> None:
    room = story.room()
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
    ts = story.slack.post_as("alice", "#incidents", "@sre why is order latency up?")
    place = Place(ChannelId(INCIDENTS), Ts(ts))
    question = Question("why is order latency up?", place, "mention", UserId(ALICE))
    run = await story.desk().open(question)
    assert run is not None
    room = story.room()
    begun = await room.workspace.client.chat_startStream(
        channel=INCIDENTS, thread_ts=ts, recipient_user_id=ALICE, recipient_team_id="T0NOVAEX1",
        markdown_text="Looking at",
    )  # fmt: skip
    await story.desk().answer(run, room.replies.of_run(run))
    (only,) = story.slack.thread("#incidents", ts)[1:]
    assert only["ts"] != begun["ts"]
    assert "answer.helpful" in _actions(only)


async def test_an_answer_stored_but_not_shown_is_completed_after_the_restart(story: Story) -> None:
    ts = story.slack.post_as("alice", "#incidents", "why is order latency up?")
    place = Place(ChannelId(INCIDENTS), Ts(ts))
    question = Question("why is order latency up?", place, "mention", UserId(ALICE))
    run = await story.desk().open(question)
    assert run is not None
    reply = story.room().replies.for_run(run, fresh=True)

    class Killed:
        """Everything but the end: the process dies right before it."""

        step, say, fail = reply.step, reply.say, reply.fail

        async def finish(self, run: Running, answer: Any) -> None: ...

    await story.desk().answer(run, Killed())
    assert story.slack.thread("#incidents", ts)[1]["streaming"]
    async with story.running():
        shown = await story.answer_in(ts)
    assert "order_latency_p99" in str(shown["blocks"])
    assert len(story.slack.thread("#incidents", ts)) == 2


async def test_a_dead_slack_fails_no_run_and_the_answer_comes_when_it_is_back(story: Story) -> None:
    ts = story.slack.post_as("alice", "#incidents", "why is order latency up?")
    place = Place(ChannelId(INCIDENTS), Ts(ts))
    question = Question("why is order latency up?", place, "mention", UserId(ALICE))
    run = await story.desk().open(question)
    assert run is not None
    room = story.room()
    for method in ("chat.startStream", "chat.postMessage"):
        story.slack.fail(method, 50, status=500)
    answer = await story.desk().answer(run, room.replies.for_run(run, fresh=True))
    assert answer is not None
    assert len(story.slack.thread("#incidents", ts)) == 1
    for method in ("chat.startStream", "chat.postMessage"):
        story.slack.fail(method, 0)
    assert await room.outbox.drain() == 1
    assert "answer.helpful" in _actions(await story.answer_in(ts))


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
        said = await story.whisper_to("alice", "plan.aprove")
    assert "Did you mean 'plan.approve'?" in said["text"]


async def test_a_payload_with_missing_fields_is_told_and_does_no_harm(story: Story) -> None:
    async with story.running():
        broken: dict[str, Any] = {
            "type": "block_actions", "user": {"id": ALICE}, "channel": {"id": INCIDENTS},
            "actions": [], "trigger_id": "1.2.broken",
        }  # fmt: skip
        await story.slack.parts.socket.ask("interactive", broken)
        said = await story.whisper_to("alice", "could not read")
        assert "actions" in said["text"]
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
        card = await story.plan_card()
        assert await story.slack.click("carol", "#incidents", card, "plan.approve")
        said = await story.whisper_to("carol", "may not")
        assert "responder" in said["text"]
    assert story.plans.asked == []
    assert story.slack.ephemerals("alice", "#incidents") == []
    async with story.store.begin() as tx:
        (denied,) = [r for r in await tx.audit.tail() if r.event.kind == "access.denied"]
    assert (denied.event.actor, denied.event.facts["right"]) == (CAROL, "plan.approve")


async def test_a_right_is_judged_once_per_click_however_the_click_is_worked_on(
    story: Story,
) -> None:
    def judged() -> int:
        story.judged, count = 0, story.judged
        return count

    async with story.running() as room:
        card = await story.plan_card()
        judged()
        assert await story.slack.command("alice", "#incidents", "/ask why is order latency up?")
        asked = await story.wait_for(lambda: _question(story.slack))
        answer = await story.answer_in(asked["ts"])
        assert judged() == 1
        assert await story.slack.click("alice", "#incidents", card, "plan.approve")
        await story.whisper_to("alice", "Noted")
        assert judged() == 1
        assert await story.slack.click("alice", "#incidents", card, "plan.reject")
        await story.wait_for(lambda: _modal(story.slack, "alice"))
        sent = await story.slack.submit("alice", {"reason": {"text": {"value": "not today"}}})
        assert sent["ok"]
        await story.wait_for(lambda: len(story.plans.asked) == 2)
        assert judged() == 2  # the button that opened the form, and the form
        assert await story.slack.click("alice", "#incidents", answer["ts"], "answer.unhelpful")
        await story.wait_for(lambda: _modal(story.slack, "alice"))
        await story.whisper_to("alice", "Thank you")
        await room.inbox.idle()
        assert judged() == 1


async def test_alice_approves_and_bob_rejects_with_a_reason(story: Story) -> None:
    async with story.running():
        card = await story.plan_card()
        assert await story.slack.click("alice", "#incidents", card, "plan.approve")
        await story.whisper_to("alice", "Noted")
        assert await story.slack.click("bob", "#incidents", card, "plan.reject")
        await story.wait_for(lambda: _modal(story.slack, "bob"))
        short = await story.slack.submit("bob", {"reason": {"text": {"value": "no"}}})
        assert "say why" in short["errors"]["reason"]
        sent = await story.slack.submit("bob", {"reason": {"text": {"value": "too risky today"}}})
        assert sent["ok"]
        await story.whisper_to("bob", "Noted")
    bob = story.slack.user_id("bob")
    assert story.plans.asked == [
        ("approve", "PLAN-000001", ALICE, INCIDENTS),
        ("reject", "PLAN-000001", bob, "too risky today", INCIDENTS),
    ]


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
    story.held = HeldDesk(story.desk())
    async with story.running():
        ts = story.slack.post_as("alice", "#incidents", "@sre why is order latency up?")
        for _ in range(200):
            if await story.runs():
                break
            await asyncio.sleep(0.02)
        more = story.slack.post_as("bob", "#incidents", "@sre and what changed?", ts)
        await story.wait_for(
            lambda: story.slack.message("#incidents", more).reactions or None,
        )
        story.held.may_go.set()
        await story.answer_in(ts)
    states = sorted(type(run).__name__ for run in await story.runs())
    assert states == ["Done", "Queued"]


async def test_the_command_ask_posts_the_question_and_answers_below_it(story: Story) -> None:
    async with story.running():
        assert await story.slack.command("alice", "#incidents", "/ask why is order latency up?")
        asked = await story.wait_for(lambda: _question(story.slack))
        answer = await story.answer_in(asked["ts"])
    assert "order_latency_p99" in answer["text"]


async def test_a_question_in_a_direct_message_is_answered_there(story: Story) -> None:
    async with story.running():
        ts = story.slack.post_as("carol", "dm", "why is order latency up?")

        def look() -> Any:
            replies = story.slack.thread(f"D0{CAROL[2:]}", ts, user=CAROL)[1:]
            return next((m for m in replies if not m["streaming"] and _actions(m)), None)

        assert "order_latency_p99" in (await story.wait_for(look))["text"]


async def test_sre_help_status_and_a_typo(story: Story) -> None:
    async with story.running():
        assert await story.slack.command("carol", "#incidents", "/sre help")
        await story.whisper_to("carol", "What I can do")
        assert await story.slack.command("carol", "#incidents", "/sre status")
        await story.whisper_to("carol", "open findings")
        assert await story.slack.command("carol", "#incidents", "/sre hlp")
        said = await story.whisper_to("carol", "There is no")
        assert "Did you mean 'help'?" in said["text"]
        assert await story.slack.command("carol", "#incidents", "/sre freeze now")
        await story.whisper_to("carol", "may not")


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
            lambda: next((m for m in story.slack.messages("#incidents") if _actions(m)), None)
        )
        assert "Critical" in card["text"]
        assert await story.slack.click("alice", "#incidents", card["ts"], "anomaly.acknowledge")

        def acknowledged() -> Any:
            (message,) = story.slack.messages("#incidents")
            return message if "looks after it" in str(message["blocks"]) else None

        shown = await story.wait_for(acknowledged)
        assert f"<@{ALICE}>" in str(shown["blocks"])
        assert "anomaly.acknowledge" not in _actions(shown)
        option = {"selected_option": {"value": "4", "text": {"type": "plain_text", "text": "4 h"}}}
        assert await story.slack.click(
            "alice", "#incidents", card["ts"], "anomaly.mute", choice=option
        )
        await story.whisper_to("alice", "No findings for order-api")
    async with story.store.begin() as tx:
        (mute,) = await tx.mutes.active(story.clock.now())
    assert mute.service == "order-api"


async def test_a_row_for_a_channel_nobody_knows_is_parked_with_the_nearest_name(
    story: Story, capsys: pytest.CaptureFixture[str]
) -> None:
    room = story.room()
    async with story.store.begin() as tx:
        place = Place(ChannelId("#incidnets"))
        await tx.outbox.post("n:2", "notice", "n", place, {"text": "lost?"})
    assert await room.outbox.drain() == 1
    assert "Did you mean 'incidents'?" in capsys.readouterr().out
    async with story.store.begin() as tx:
        assert await tx.outbox.backlog() == 0


async def test_the_home_tab_shows_what_waits(story: Story) -> None:
    async with story.running():
        await story.plan_card()
        story.slack.open_home("alice")
        home = await story.wait_for(lambda: story.slack.home("alice"))
    assert "PLAN-000001" in str(home["blocks"])


async def test_the_bot_hears_not_itself(story: Story) -> None:
    async with story.running() as room:
        await room.workspace.client.chat_postMessage(
            channel=INCIDENTS, text=f"<@{BOT_USER_ID}> why?"
        )
        story.slack.post_as("alice", "#incidents", "no question")
        await story.wait_for(lambda: story.slack.parts.socket.undelivered == 0)
        await room.inbox.idle()
    assert await story.runs() == []
