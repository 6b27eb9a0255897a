"""The whole story, as a newcomer would live it: real bot process, real Bolt, imitated outside.

anomaly → finding → kill −9 → chart → plan → question → kill −9 → answer → click → kill −9
→ recovery → digest → postmortem → audit
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from sandbox.main import Ports, Sandbox, up
from tests.fixtures.slack_timing import UNHURRIED
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
SPEED = 20.0
INCIDENTS, DIGEST = "#incidents", "#sre-digest"


@dataclass
class Story:
    """The sandbox and the bot's process beside it."""

    sandbox: Sandbox
    env: dict[str, str]
    log: Path
    bot: asyncio.subprocess.Process | None = None
    starts: int = 0
    lines: list[str] = field(default_factory=list)

    @property
    def slack(self) -> Any:
        return self.sandbox.slack

    async def start_bot(self) -> None:
        self.starts += 1
        output = self.log.with_suffix(f".{self.starts}.log").open("wb")
        self.bot = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", "run", env=self.env, cwd=ROOT, stderr=output, stdout=output
        )
        output.close()
        await self.slack.wait_for_bot(PATIENCE)

    async def kill_bot(self) -> None:
        """SIGKILL: nothing is told, nothing is flushed."""
        assert self.bot is not None
        self.bot.kill()
        await self.bot.wait()

    async def stop_bot(self) -> int:
        assert self.bot is not None
        self.bot.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.bot.wait(), PATIENCE)

    async def sees(self, channel: str, what: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until a message of a channel or of its threads is as asked, and return it."""

        def found() -> dict[str, Any] | None:
            return next((m for m in self.everything(channel) if what(m)), None)

        await self.slack.wait_for(lambda: found() is not None, PATIENCE)
        message = found()
        assert message is not None
        return message

    def everything(self, channel: str) -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = []
        for message in self.slack.messages(channel):
            told.append(message)
            if message.get("reply_count"):
                told += self.slack.thread(channel, message["ts"])[1:]
        return told

    def kept(self, ts: str) -> bool:
        """Say whether the bot has a message in its inbox: it was acknowledged, or will be."""
        return self._counts("SELECT count(*) FROM slack_inbox WHERE body LIKE ?", f"%{ts}%")

    def posted(self, ts: str) -> bool:
        """Say whether the bot knows of a message that it is there; else it looks for it later."""
        return self._counts("SELECT count(*) FROM slack_outbox WHERE ts = ?", ts)

    def _counts(self, query: str, value: str) -> bool:
        path = self.env["DATABASE_URL"].partition("///")[2]
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return bool(database.execute(query, [value]).fetchone()[0])

    async def cli(self, *arguments: str) -> tuple[int, str]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot", *arguments, env=self.env, cwd=ROOT,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        out, err = await process.communicate()
        assert process.returncode is not None
        return process.returncode, (out + err).decode()


def buttons(message: dict[str, Any]) -> set[str]:
    """Return the action ids a message offers."""
    return {
        element["action_id"]
        for block in message.get("blocks") or ()
        if block["type"] == "actions"
        for element in block["elements"]
    }


def has_image(message: dict[str, Any]) -> bool:
    return any(block["type"] == "image" for block in message.get("blocks") or ())


def text_of(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    sandbox = await up(
        "bad_deploy", SPEED, Ports(0, 0, 0, 0, 0, 0), tmp_path / "sandbox",
        after_seconds=600.0, timing=UNHURRIED,
    )  # fmt: skip
    keep = {
        k: v for k, v in os.environ.items() if not k.startswith(("SRE_", "SLACK_", "ANTHROPIC"))
    }
    env = {
        **keep,
        **sandbox.env,
        "API_PORT": "0",
        "API_LIVE_PORT": "0",
        "SRE_AGENT_SLACK__DIGEST__CRON": "*/10 * * * *",
        "SRE_AGENT_KNOWLEDGE__EXPORT_DIR": str(tmp_path / "export"),
        "AUDIT_KEY": "0123456789abcdef0123456789abcdef",
    }
    told = Story(sandbox, env, tmp_path / "bot")
    yield told
    if told.bot is not None and told.bot.returncode is None:
        await told.kill_bot()
    await sandbox.close()


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_question_an_anomaly_a_plan_a_click_a_kill_a_recovery_and_a_postmortem(
    story: Story, tmp_path: Path
) -> None:
    await story.start_bot()

    # The cycle notices the bad deploy by itself and tells it once; its chart comes later, from the
    # next process if the first one dies before Slack has looked the file through.
    finding = await story.sees(INCIDENTS, lambda m: "anomaly.acknowledge" in buttons(m))
    await story.slack.wait_for(lambda: story.posted(finding["ts"]), PATIENCE)
    await story.kill_bot()
    await story.start_bot()
    await story.sees(INCIDENTS, lambda m: m["ts"] == finding["ts"] and has_image(m))
    assert "order-api:2.14.0" in text_of(finding)

    # The plan is there with its risk, its dry run and its buttons; who may not is refused.
    card = await story.sees(INCIDENTS, lambda m: "plan.approve" in buttons(m))
    plan_id = next(
        e["value"]
        for block in card["blocks"]
        if block["type"] == "actions"
        for e in block["elements"]
        if e["action_id"] == "plan.approve"
    )
    for word in ("*Risk 0.", "one approver", "deployment_rollback"):
        assert word in text_of(card)
    assert await story.slack.click("carol", INCIDENTS, card["ts"], "plan.approve", value=plan_id)
    await story.slack.wait_for(lambda: story.slack.ephemerals("carol", INCIDENTS), PATIENCE)
    assert len(story.sandbox.kubernetes.effects) == 0

    # A question is answered with the cause, evidence and a chart of its own, though the process
    # that heard it dies over it.
    asked = story.slack.post_as("alice", INCIDENTS, "<@U0SREBOT1> why is order latency up?")
    await story.slack.wait_for(lambda: story.kept(asked), PATIENCE)
    await story.kill_bot()
    await story.start_bot()
    answer = await story.sees(
        INCIDENTS, lambda m: m.get("thread_ts") == asked and "answer.helpful" in buttons(m)
    )
    assert "2.14.0" in text_of(answer)
    assert "[E" in text_of(answer)
    assert has_image(answer)

    # Approved by one who may; the bot dies at once, and the next start carries it through.
    assert await story.slack.click("alice", INCIDENTS, card["ts"], "plan.approve", value=plan_id)
    await story.kill_bot()
    await story.start_bot()
    done = await story.sees(
        INCIDENTS, lambda m: m["ts"] == card["ts"] and "plan.approve" not in buttons(m)
    )
    assert "U0ALICE01" in text_of(done)
    await story.sees(
        INCIDENTS, lambda m: m.get("text", "").startswith("✅") and "order-api" in m["text"]
    )
    rollbacks = [e for e in story.sandbox.kubernetes.effects if "order-api" in str(e)]
    assert len(rollbacks) == 1

    # Nothing was told twice.
    findings = [m for m in story.slack.messages(INCIDENTS) if "FND-" in text_of(m)]
    assert [m["ts"] for m in findings] == [finding["ts"]]

    # The digest came by schedule, the postmortem from what really happened.
    await story.sees(DIGEST, lambda m: bool(m.get("bot_id")))
    assert await story.slack.command("alice", INCIDENTS, "/postmortem")
    draft = await story.sees(INCIDENTS, lambda m: "postmortem.publish" in buttons(m))
    assert "2.14.0" in text_of(draft)
    publish = next(
        e["value"]
        for block in draft["blocks"]
        if block["type"] == "actions"
        for e in block["elements"]
        if e["action_id"] == "postmortem.publish"
    )
    assert await story.slack.click(
        "alice", INCIDENTS, draft["ts"], "postmortem.publish", value=publish
    )
    folder = tmp_path / "export/lessons-learned/postmortems"
    await story.slack.wait_for(lambda: list(folder.glob("*.md")), PATIENCE)

    assert await story.stop_bot() == 0
    status, told = await story.cli("audit", "verify")
    assert status == 0, told
    status, told = await story.cli("audit", "tail", "--limit", "500", "--json")
    assert status == 0
    for kind in ("plan.approved", "step.succeeded", "plan.verified", "postmortem.published"):
        assert kind in told
