"""Every click and command that the whole story does not press: the real bot over the real sandbox.

The bot is composed in this process (`start_bot`), so nothing waits for a second interpreter.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from bot.composition.process import Bot, start_bot
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId, ChannelId
from bot.domain.place import Place
from bot.main import open_database
from bot.settings import Settings, load_settings
from bot.slack import replies
from sandbox.main import Ports, Sandbox, up
from sandbox.slack.chat import people
from tests.fixtures.nouns import a_baseline, a_finding, a_verdict, an_anomaly
from tests.fixtures.slack_timing import UNHURRIED
from tests.patience import PATIENCE
from tools.world import Cause, ServiceName

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(240),
    pytest.mark.asyncio(loop_scope="module"),  # one bot lives through all of them
]

INCIDENTS = "#incidents"
HARM_SECONDS, SPEED = 900.0, 10.0  # of the world's time
REASON = {"reason": {"text": {"type": "plain_text_input", "value": "the release is wanted"}}}


@dataclass
class Day:
    """A bot at work while a bad release goes out; its own detection is put off for a day."""

    sandbox: Sandbox
    bot: Bot
    exported: Path

    @property
    def slack(self) -> Any:
        return self.sandbox.slack

    def told(self) -> list[dict[str, Any]]:
        """Return every message of the channel and of its threads."""
        found: list[dict[str, Any]] = []
        for message in self.slack.messages(INCIDENTS):
            found.append(message)
            if message.get("reply_count"):
                found += self.slack.thread(INCIDENTS, message["ts"])[1:]
        return found

    async def sees(self, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for a message."""
        found: dict[str, Any] = await self.slack.wait_for(
            lambda: next((m for m in self.told() if what(m)), None), PATIENCE
        )
        return found

    async def whispered(self, user: str, words: str) -> dict[str, Any]:
        """Wait until one person alone is told something."""
        found: dict[str, Any] = await self.slack.wait_for(
            lambda: next(
                (m for m in self.slack.ephemerals(user, INCIDENTS) if words in json.dumps(m)), None
            ),
            PATIENCE,
        )
        return found

    async def press(self, user: str, message: dict[str, Any], action: str, **more: Any) -> None:
        """Click; the bot must acknowledge."""
        assert await self.slack.click(user, INCIDENTS, message["ts"], action, **more)

    async def modal(self, user: str, message: dict[str, Any], action: str) -> dict[str, Any]:
        """Click what opens a modal; returns it."""
        before = len(self.slack.pushed(user, "view_open"))
        await self.press(user, message, action)
        await self.slack.wait_for(
            lambda: len(self.slack.pushed(user, "view_open")) > before, PATIENCE
        )
        shown: dict[str, Any] = self.slack.modal(user)
        return shown

    async def plan_for(self, card: dict[str, Any]) -> dict[str, Any]:
        """Ask for a fix until the release has done enough harm for a playbook to fit."""
        asked, end = 0, self.sandbox.clock.now() + HARM_SECONDS
        while self.sandbox.clock.now() < end:
            asked += 1
            await self.press("alice", card, "finding.propose")
            await self.slack.wait_for(lambda n=asked: self._plan() or self._none_fits(n), PATIENCE)
            if plan := self._plan():
                return plan
            await asyncio.sleep(0.2)  # the harm is done by the world's time, not by our questions
        pytest.fail("no playbook ever fitted")

    def _plan(self) -> dict[str, Any] | None:
        return next((m for m in self.told() if "plan.approve" in buttons(m)), None)

    def _none_fits(self, times: int) -> bool:
        told = [m["text"] for m in self.slack.ephemerals("alice", INCIDENTS)]
        return sum("No playbook fits" in text for text in told) >= times

    async def command(self, user: str, text: str, words: str) -> None:
        """Run a command and wait for its answer."""
        assert await self.slack.command(user, INCIDENTS, text)
        await self.whispered(user, words)

    async def finding(self, name: str, number: int) -> dict[str, Any]:
        """Let the bot tell a finding; returns its message."""
        finding = self._finding(name, number)
        place = self._place()
        anomaly = an_anomaly(f"ANO-{number}", f"metric_{number}")
        now = self.bot.parts.clock.now()
        seen = replace(a_verdict(f"metric_{number}"), at=now, started_at=now)
        async with self.bot.parts.store.begin() as tx:
            await tx.anomalies.save(replace(anomaly, first=seen, latest=seen, worst=seen))
            await tx.findings.save(finding)
            await tx.outbox.post(f"finding:{name}", "finding", name, place)
        return await self.sees(lambda m: name in json.dumps(m) and bool(buttons(m)))

    def _place(self) -> Place:
        return Place(ChannelId(self.slack.channel_id(INCIDENTS)))

    def _finding(self, name: str, number: int) -> Finding:
        now = self.bot.parts.clock.now()
        service = ServiceName("order-api")
        return replace(
            a_finding(name),
            anomalies=(AnomalyId(f"ANO-{number}"),),
            opened_at=now,
            place=self._place(),
            causes=(
                Cause(
                    "Deploy of order-api",
                    service,
                    "deploy",
                    0.9,
                    ("E1",),
                    now,
                    remediation=("deployment_rollback",),
                ),
            ),
        )


def buttons(message: dict[str, Any]) -> set[str]:
    return {
        element["action_id"]
        for block in message.get("blocks") or ()
        if block["type"] == "actions"
        for element in block["elements"]
    }


def settings_for(sandbox: Sandbox, folder: Path) -> Settings:
    return load_settings(
        {
            **sandbox.env,
            "API_PORT": "0",
            "API_LIVE_PORT": "0",
            "AUDIT_KEY": "ab" * 32,
            "SRE_AGENT_KNOWLEDGE__EXPORT_DIR": str(folder / "export"),
            "SRE_AGENT_ANOMALY_DETECTION__CHECK_INTERVAL_SECONDS": "86400",
        }
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def day(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Day]:
    tmp_path = tmp_path_factory.mktemp("day")
    sandbox = await up(
        "bad_deploy", SPEED, Ports(0, 0, 0, 0, 0, 0), tmp_path / "sandbox",
        after_seconds=30, timing=UNHURRIED,
    )  # fmt: skip
    settings = settings_for(sandbox, tmp_path)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(sandbox.close)
        async with open_database(settings) as store, store.begin() as tx:
            # One fresh baseline: the bot need not learn for half a minute before a click.
            await tx.baselines.save([replace(a_baseline(), learned_at=settings.clock.now())])
        bot = await start_bot(settings, stack)
        await sandbox.slack.wait_for_bot(PATIENCE)
        yield Day(sandbox, bot, tmp_path / "export")


async def test_a_finding_is_acknowledged_muted_declared_and_closed_as_a_false_alarm(
    day: Day,
) -> None:
    card = await day.finding("FND-1", 1)
    assert buttons(card) >= {
        "anomaly.acknowledge", "anomaly.mute", "anomaly.false_alarm", "incident.declare",
        "finding.propose",
    }  # fmt: skip
    await day.press("carol", card, "anomaly.acknowledge")
    await day.whispered("carol", "needs the role responder")

    await day.press("alice", card, "anomaly.acknowledge")
    await day.sees(lambda m: m["ts"] == card["ts"] and "looks after it" in json.dumps(m))

    chosen = {"selected_option": {"text": {"type": "plain_text", "text": "4 h"}, "value": "4"}}
    await day.press("alice", card, "anomaly.mute", choice=chosen)
    muted = await day.whispered("alice", "No findings for order-api until")
    assert "<!date^" in json.dumps(muted)  # read in one's own time zone

    await day.press("alice", card, "incident.declare")
    await day.whispered("alice", "is declared")
    await day.sees(lambda m: m["ts"] == card["ts"] and "INC-" in json.dumps(m))

    await day.press("bob", card, "anomaly.false_alarm")
    await day.whispered("bob", "false alarm")
    closed = await day.sees(
        lambda m: m["ts"] == card["ts"] and "called it a false alarm" in json.dumps(m)
    )
    assert "anomaly.false_alarm" not in buttons(closed)


async def test_the_brake_is_pulled_by_anyone_on_call_and_let_go_by_an_admin(day: Day) -> None:
    await day.command("carol", "/sre halt", "needs the role responder")
    await day.command("bob", "/sre halt strange numbers", "Halted")
    await day.command("alice", "/sre status", "<@U0BOB0002>: strange numbers")
    await day.command("bob", "/sre resume", "needs the role admin")
    await day.command("alice", "/sre resume", "Plans may run again")
    await day.command("alice", "/sre freeze audit week", "Frozen")
    await day.command("alice", "/sre unfreeze", "The freeze is over")
    await day.command("alice", "/sre reload", "playbooks")
    await day.command("alice", "/sre plans", "No plan waits")
    await day.command("alice", "/sre mute order-apj 4h", "Did you mean 'order-api'?")
    await day.command("alice", "/sre mute order-api 2h", "No findings for order-api until")
    await day.command("alice", "/postmortem INC-1999-0001", "INC-1999-0001")


async def test_a_postmortem_is_drafted_from_a_message_edited_and_published(day: Day) -> None:
    card = await day.finding("FND-3", 3)
    await day.press("alice", card, "incident.declare")
    await day.sees(lambda m: m["ts"] == card["ts"] and "INC-" in json.dumps(m))
    assert await day.slack.shortcut("alice", "message.postmortem", INCIDENTS, card["ts"])
    draft = await day.sees(lambda m: "postmortem.edit" in buttons(m))

    form = await day.modal("alice", draft, "postmortem.edit")
    values = {
        block["block_id"]: {
            "text": {"type": "plain_text_input", "value": block["element"].get("initial_value")}
        }
        for block in form["blocks"]
    }
    values["title"]["text"]["value"] = " "
    assert "title" in (await day.slack.submit("alice", values))["errors"]
    values["title"]["text"]["value"] = "Orders slow after a release"
    assert await day.slack.submit("alice", values) == {"ok": True}
    await day.sees(lambda m: m["ts"] == draft["ts"] and "Orders slow after" in json.dumps(m))

    await day.press("alice", draft, "postmortem.publish")
    shown = await day.sees(lambda m: m["ts"] == draft["ts"] and "published by" in json.dumps(m))
    assert buttons(shown) == set()
    (file,) = (day.exported / "lessons-learned/postmortems").glob("*.md")
    assert "Orders slow after a release" in file.read_text(encoding="utf-8")


async def test_a_question_from_a_message_is_answered_rated_and_its_evidence_shown(day: Day) -> None:
    ts = day.slack.post_as("carol", INCIDENTS, "is order-api healthy?")
    assert await day.slack.shortcut("carol", "message.ask", INCIDENTS, ts)
    answer = await day.sees(lambda m: m.get("thread_ts") == ts and "evidence.show" in buttons(m))
    shown = json.dumps(await day.modal("carol", answer, "evidence.show"))
    assert "detect_anomalies" in shown
    assert "<!date^" in shown
    await day.press("carol", answer, "answer.helpful")
    await day.whispered("carol", "Thank you")


async def test_an_answer_that_is_not_needed_any_more_is_stopped(
    day: Day, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replies, "OFFER_STOP_AFTER_SECONDS", 0.0)
    ts = day.slack.post_as("alice", INCIDENTS, "<@U0SREBOT1> why is order latency up?")
    offer = await day.whispered("alice", "answer.stop")
    await day.press("alice", offer, "answer.stop")
    await day.sees(
        lambda m: (
            m.get("thread_ts") == ts and "Evidence so far" in json.dumps(m) and not m["streaming"]
        )
    )


async def test_an_unknown_button_and_a_payload_that_lacks_something_are_told(day: Day) -> None:
    unknown = {
        "type": "actions", "block_id": "old",
        "elements": [
            {"type": "button", "action_id": "plan.aprove", "value": "PLAN-1",
             "text": {"type": "plain_text", "text": "Approve"}},
        ],
    }  # fmt: skip
    channel = day.slack.channel_id(INCIDENTS)
    body = {"user": people.BOT_USER_ID, "text": "an old card", "blocks": [unknown]}
    card = day.slack.parts.chat.post(channel, body)
    await day.press("alice", {"ts": card.ts}, "plan.aprove")
    told = await day.whispered("alice", "I know nothing called plan.aprove")
    assert "Did you mean 'plan.approve'?" in json.dumps(told)

    lacking = {"type": "block_actions", "user": {"id": people.CAROL}, "channel": {"id": channel}}
    await day.slack.parts.socket.ask("interactive", {**lacking, "trigger_id": "1.2.lacking"})
    await day.whispered("carol", "field 'actions'")


async def test_a_fix_is_proposed_looked_into_and_rejected_with_a_reason(day: Day) -> None:
    card = await day.finding("FND-2", 2)
    plan = await day.plan_for(card)
    assert "deployment_rollback" in json.dumps(plan)

    assert "template_sha256" in json.dumps(await day.modal("alice", plan, "plan.details"))

    await day.modal("bob", plan, "plan.reject")
    short = {"reason": {"text": {"type": "plain_text_input", "value": "x"}}}
    refused = await day.slack.submit("bob", short)
    assert "Please say why" in refused["errors"]["reason"]
    assert await day.slack.submit("bob", REASON) == {"ok": True}
    await day.sees(lambda m: m["ts"] == plan["ts"] and "the release is wanted" in json.dumps(m))
    assert day.sandbox.kubernetes.effects == []
