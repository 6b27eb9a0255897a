"""The growing answer where things go differently: no stream, too long, a stop, HTTP instead."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.core.ports import StepUpdate
from bot.domain.answer import Answer, Usage
from bot.domain.ids import ChannelId, Ts, UserId
from bot.domain.place import TERMINAL, Place
from bot.domain.run import Running
from bot.slack.app import SlackRoom
from bot.store.store import SqlStore
from sandbox.slack.chat.people import ALICE, INCIDENTS
from sandbox.slack.server import SlackServer
from tests.fakes.clock import FakeClock
from tests.fixtures.bot import BotStand, room_of
from tests.fixtures.nouns import a_run
from tests.fixtures.shift import local_slack


@dataclass
class Bench:
    slack: SlackServer
    store: SqlStore
    room: SlackRoom

    async def run(self, asked_by: str | None = ALICE) -> Running:
        ts = self.slack.post_as("alice", "#incidents", "why?")
        place = Place(ChannelId(INCIDENTS), Ts(ts))
        run = a_run(place=place, asked_by=UserId(asked_by) if asked_by else None)
        async with self.store.begin() as tx:
            assert await tx.runs.start(run)
        return run

    def replies(self, run: Running) -> list[dict[str, Any]]:
        return self.slack.thread("#incidents", str(run.place.thread_ts))[1:]


@pytest.fixture
async def bench(store: SqlStore, tmp_path: Path) -> AsyncIterator[Bench]:
    clock = FakeClock()
    async with local_slack(clock) as slack:
        stand = BotStand(store, tmp_path, clock=clock, slack=slack, signing_secret="s3cret")
        yield Bench(slack, store, room_of(stand.join()))


def an_answer(text: str) -> Answer:
    return Answer(text, text[:80], 0.9, (), (), "deterministic", Usage())


async def tell(bench: Bench, run: Running, text: str) -> None:
    reply = bench.room.replies.for_run(run, fresh=True)
    await reply.step(StepUpdate("s1", "Reading metric", "in_progress"))
    await reply.step(StepUpdate("s1", "Reading metric", "complete", output="E1: fine"))
    for line in text.splitlines(keepends=True):
        await reply.say(line)
    await reply.finish(run, an_answer(text))


async def test_where_streaming_is_refused_a_message_is_rewritten(bench: Bench) -> None:
    bench.slack.fail("chat.startStream", 1, error="missing_scope")
    run = await bench.run()
    await tell(bench, run, "**All well** [E1].\n")
    (shown,) = bench.replies(run)
    assert "All well" in str(shown["blocks"])
    assert "answer.helpful" in str(shown["blocks"])
    assert "answer.stop" not in str(shown["blocks"])


async def test_a_run_nobody_asked_for_is_posted_and_rewritten(bench: Bench) -> None:
    run = await bench.run(asked_by=None)
    await tell(bench, run, "**All well** [E1].\n")
    (shown,) = bench.replies(run)
    assert "All well" in str(shown["blocks"])
    assert not [name for name, _ in bench.slack.calls if name == "chat.startStream"]


@pytest.mark.parametrize("streams", [True, False])
async def test_a_long_answer_goes_on_in_the_next_message(bench: Bench, *, streams: bool) -> None:
    if not streams:
        bench.slack.fail("chat.startStream", 1, error="missing_scope")
    run = await bench.run()
    text = "".join(f"line {n} of the long answer\n" for n in range(900))
    await tell(bench, run, text)
    shown = bench.replies(run)
    assert len(shown) == 3
    told = "".join(b["text"] for m in shown for b in m["blocks"] if b["type"] == "markdown")
    assert [n for n in range(900) if f"line {n} of" not in told] == []
    assert ["answer.helpful" in str(m["blocks"]) for m in shown] == [False, False, True]
    assert not any(m["streaming"] for m in shown)


async def test_a_rate_limit_is_waited_out(bench: Bench) -> None:
    bench.slack.rate_limit("chat.appendStream", 1, 0)
    run = await bench.run()
    await tell(bench, run, "**All well** [E1].\n")
    (shown,) = bench.replies(run)
    assert shown["text"].count("All well") == 1


async def test_a_failed_append_is_not_lost(bench: Bench) -> None:
    bench.slack.fail("chat.appendStream", 2, status=503)
    run = await bench.run()
    await tell(bench, run, "**All well** [E1].\n")
    (shown,) = bench.replies(run)
    assert "All well" in str(shown["blocks"])
    assert "answer.helpful" in str(shown["blocks"])


async def test_an_apology_ends_the_message(bench: Bench) -> None:
    run = await bench.run()
    reply = bench.room.replies.for_run(run, fresh=True)
    await reply.step(StepUpdate("s1", "Reading metric", "in_progress"))
    await reply.fail(run, "Stopped. Evidence so far: none.")
    (shown,) = bench.replies(run)
    assert shown["text"] == "Stopped. Evidence so far: none."
    assert not shown["streaming"]


async def test_a_taken_over_run_replaces_what_the_dead_process_left(bench: Bench) -> None:
    run = await bench.run()
    dead = bench.room.replies.for_run(run, fresh=True)
    await dead.step(StepUpdate("s1", "Reading metric", "in_progress"))
    async with bench.store.begin() as tx:
        left = await tx.runs.running_in(run.place)
    assert left is not None
    assert left.stream_ts == bench.replies(run)[0]["ts"]
    again = bench.room.replies.of_run(left)
    await again.say("**All well** [E1].")
    await again.finish(left, an_answer("**All well** [E1]."))
    (shown,) = bench.replies(run)
    assert shown["ts"] != left.stream_ts
    assert "All well" in shown["text"]


async def test_a_run_of_the_terminal_says_nothing_in_slack(bench: Bench) -> None:
    run = a_run(place=TERMINAL)
    reply = bench.room.replies.of_run(run)
    await reply.say("hello")
    await reply.finish(run, an_answer("hello"))
    assert bench.slack.calls == []


async def test_over_http_only_slack_itself_is_heard(bench: Bench) -> None:
    from starlette.requests import Request

    body = json.dumps(
        {
            "type": "event_callback",
            "event_id": "Ev1",
            "team_id": "T0NOVAEX1",
            "authorizations": [{"team_id": "T0NOVAEX1", "user_id": "U0SREBOT1", "is_bot": True}],
            "event": {"type": "app_home_opened", "user": ALICE, "channel": "D1", "tab": "home"},
        }
    ).encode()

    def request(secret: str) -> Request:
        stamp = str(int(time.time()))  # Slack signs with the wall clock
        digest = hmac.new(secret.encode(), f"v0:{stamp}:".encode() + body, hashlib.sha256)
        headers = {
            "content-type": "application/json",
            "x-slack-request-timestamp": stamp,
            "x-slack-signature": f"v0={digest.hexdigest()}",
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/slack/events",
            "query_string": b"",
            "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        }
        return Request(scope, receive)

    assert (await bench.room.handle_http(request("forged"))).status_code == 401
    assert (await bench.room.handle_http(request("s3cret"))).status_code == 200
    async with bench.store.begin() as tx:
        assert await tx.inbox.backlog() == 1
