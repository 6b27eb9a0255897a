"""A growing answer on a Slack that keeps to its documentation.

docs.slack.dev/reference/methods/chat.startStream, chat.appendStream and chat.stopStream, and
docs.slack.dev/reference/events/agent_session_stopped, read 27 November 2026: a call carries
`chunks` or `markdown_text`, never both; how a stream began is how it goes on; a task's texts hold
256 characters; blocks 50; a person may stop the agent, after which nothing can be added. Seen by
others (python-slack-sdk #1859, node-slack-sdk #2702): Slack ends a stream about five minutes after
it began.
"""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.ports import Reply, StepUpdate
from bot.domain.answer import Answer, Usage
from bot.domain.ids import ChannelId, Ts, UserId
from bot.domain.place import Place
from bot.domain.run import Running, finish
from sandbox.slack.chat.people import ALICE, INCIDENTS
from tests.fixtures.nouns import a_run
from tests.fixtures.shift import Shift

LINES = "".join(f"line {n} of the answer\n" for n in range(40))


async def begun(shift: Shift) -> tuple[Running, Reply]:
    """Begin to answer a question of Alice's."""
    ts = shift.slack.post_as("alice", "#incidents", "why?")
    run = a_run(place=Place(ChannelId(INCIDENTS), Ts(ts)), asked_by=UserId(ALICE))
    async with shift.store.begin() as tx:
        assert await tx.runs.start(run)
    return run, shift.room.replies.for_run(run, fresh=True)


async def end(shift: Shift, run: Running, reply: Reply, text: str = LINES) -> None:
    """Finish the answer, and post what was left to the outbox."""
    answer = Answer(text, "line 0", 0.9, (), (), "deterministic", Usage())
    async with shift.store.begin() as tx:
        await tx.runs.save(finish(run, answer))
    await reply.finish(run, answer)
    await shift.room.outbox.drain()


async def tell(shift: Shift, *, detail: str = "E1: fine") -> list[dict[str, Any]]:
    """Answer a question with a step and prose; returns what its thread shows at the end."""
    run, reply = await begun(shift)
    await reply.step(StepUpdate("s1", "Reading metric " * 30, "in_progress"))
    for line in LINES.splitlines(keepends=True):
        await reply.say(line)
    await reply.step(StepUpdate("s1", "Read metric", "complete", output=detail, details=detail))
    await end(shift, run, reply)
    return shift.slack.thread("#incidents", str(run.place.thread_ts))[1:]


def words(messages: list[dict[str, Any]]) -> str:
    return "".join(
        block["text"] for m in messages for block in m["blocks"] if block["type"] == "markdown"
    )


def is_whole(messages: list[dict[str, Any]], text: str = LINES) -> bool:
    """Say whether every line is there exactly once, finished and marked, and nothing is empty."""
    once = all(words(messages).count(line) == 1 for line in text.splitlines())
    over = not any(m["streaming"] for m in messages) and all(words([m]) for m in messages)
    return once and over and "answer.helpful" in str(messages[-1]["blocks"])


async def test_an_answer_grows_by_chunks_alone_and_within_the_limits(shift: Shift) -> None:
    shown = await tell(shift, detail="E1: " + "fine " * 200)
    assert is_whole(shown)
    calls = [(name, args) for name, args in shift.slack.calls if name.endswith("Stream")]
    assert [args for _, args in calls if "markdown_text" in args] == []
    name, first = calls[0]
    assert (name, first["task_display_mode"]) == ("chat.startStream", "plan")
    assert first["chunks"], "an empty message was begun"
    tasks = [c for _, args in calls for c in args.get("chunks", []) if c["type"] == "task_update"]
    longest = max(len(str(each.get(key, ""))) for each in tasks for key in ("title", "output"))
    assert 200 < longest <= 256


@pytest.mark.parametrize("error", ["invalid_chunks", "restricted_action", "team_not_found"])
@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
async def test_what_a_refused_stream_leaves_is_the_whole_answer_alone(
    shift: Shift, method: str, error: str
) -> None:
    shift.slack.fail(method, 1_000, error=error)
    assert is_whole(await tell(shift))


@pytest.mark.parametrize("method", ["chat.appendStream", "chat.stopStream"])
async def test_where_nothing_of_a_stream_can_be_changed_it_is_taken_away_and_posted(
    shift: Shift, method: str
) -> None:
    shift.slack.fail(method, 1_000, error="messaging_processing_failed")
    shift.slack.fail("chat.update", 1_000, error="update_failed")
    shown = await tell(shift)
    assert is_whole(shown)
    assert len(shown) == 1


async def test_a_stream_that_slack_ended_goes_on_and_says_everything_once(shift: Shift) -> None:
    shift.slack.parts.stream_seconds = 0.0
    assert is_whole(await tell(shift))


@pytest.mark.parametrize("method", ["chat.startStream", "chat.appendStream", "chat.stopStream"])
async def test_an_answer_whose_call_was_lost_on_its_way_back_is_there_once(
    shift: Shift, method: str
) -> None:
    shift.slack.lose(method)
    assert is_whole(await tell(shift))


@pytest.mark.parametrize("before", [LINES, LINES[:200]], ids=["at its end", "in the middle"])
async def test_an_answer_whose_message_somebody_deletes_is_said_again(
    shift: Shift, before: str
) -> None:
    run, reply = await begun(shift)
    await reply.say(before)
    (shown,) = shift.slack.thread("#incidents", str(run.place.thread_ts))[1:]
    shift.slack.parts.chat.delete(shift.slack.message(INCIDENTS, shown["ts"]))
    if before != LINES:
        await reply.say(LINES[200:])
    await end(shift, run, reply)
    (again,) = shift.slack.thread("#incidents", str(run.place.thread_ts))[1:]
    assert is_whole([again])


async def test_an_answer_whose_second_message_is_refused_is_still_there_once(shift: Shift) -> None:
    long = "".join(f"line {n} of the answer\n" for n in range(700))
    run, reply = await begun(shift)
    lines = long.splitlines(keepends=True)
    await reply.say("".join(lines[:400]))
    shift.slack.fail("chat.startStream", 100, error="restricted_action")
    for line in lines[400:]:
        await reply.say(line)
    await end(shift, run, reply, long)
    assert is_whole(shift.slack.thread("#incidents", str(run.place.thread_ts))[1:], long)


async def test_a_message_that_is_full_before_we_think_so_goes_on_in_the_next(shift: Shift) -> None:
    """openclaw #143882: `msg_too_long` from some 10,600 bytes on, which no page names."""
    shift.slack.fail("chat.appendStream", 1, error="msg_too_long")
    assert is_whole(await tell(shift))


async def test_an_answer_that_its_reader_stopped_ends_with_the_apology(shift: Shift) -> None:
    """Stop work and say so: docs.slack.dev/reference/events/agent_session_stopped, as above."""
    run, reply = await begun(shift)
    await reply.step(StepUpdate("s1", "Reading metric", "in_progress"))
    ended = shift.slack.stop_agent("alice", "#incidents", str(run.place.thread_ts))
    await reply.step(StepUpdate("s1", "Reading metric", "complete"))
    await reply.fail(run, "Stopped. Evidence so far: none.")
    (shown,) = shift.slack.thread("#incidents", str(run.place.thread_ts))[1:]
    assert (shown["ts"], words([shown])) == (ended[0], "Stopped. Evidence so far: none.")
