"""What the Messages API does on its bad days: the bot still answers, and the thread goes on.

Sources: the API's documentation of stop reasons, streaming errors and tool use (a result for every
call in the very next message; no empty content; a call cut off by `max_tokens` is incomplete), and
public issues of agents whose thread was refused for good after one bad turn.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.claude.model import Claude, ClaudeConfig
from bot.core.investigation.model.conversation import is_whole, told_again
from bot.domain.ids import ChannelId, RunId, Ts
from bot.domain.place import Place
from sandbox.model.protocol import check_request
from sandbox.model.script import Turn, garbled_tool_use, text, thinking, tool_use
from sandbox.model.server import ModelServer, start_model
from sandbox.slack.chat.people import INCIDENTS
from tests.fixtures.nouns import NOW
from tests.fixtures.shift import Shift

GOOD = Turn([text("**Nothing is known yet.** Ask again later.\n\nConfidence: low")])
LOOK = Turn([thinking("Look first."), tool_use("recent_changes", {})])
HALF = "**The database is on fire and everybody should know about it at once.** Because "


@pytest.fixture
async def model(shift: Shift) -> AsyncIterator[ModelServer]:
    server = await start_model("127.0.0.1", 0)
    claude = Claude(ClaudeConfig("sandbox-model", base_url=server.url, max_retries=0))
    shift.stand.model = claude
    yield server
    await claude.close()
    await server.close()


async def asks(shift: Shift, words: str = "why is order latency up?", ts: str = "") -> str:
    """Ask in the channel or in a thread, wait for the answer, return everything it shows."""
    mention = f"<@{shift.slack.user_id('sre')}> {words}"
    before = len(shift.slack.thread("#incidents", ts)) if ts else 0
    asked = shift.slack.post_as("alice", "#incidents", mention, thread_ts=ts or None)
    if not ts:
        return str(await shift.answer_in(asked))

    def look() -> dict[str, Any] | None:
        replies = shift.slack.thread("#incidents", ts)[before + 1 :]
        return next((m for m in replies if not m["streaming"] and m.get("blocks")), None)

    return str(await shift.wait_for(look))


FAULTS: dict[str, list[Turn]] = {
    "tool arguments that are no JSON (31)": [
        Turn([garbled_tool_use("recent_changes", '{"service": order-api]]')])
    ],
    # lijunzh/koda #501: no object but a text or null, and the API refuses to be told it again.
    "tool arguments that are a list": [Turn([garbled_tool_use("recent_changes", '["api"]')])],
    "tool arguments that are a text": [Turn([garbled_tool_use("recent_changes", '"api"')])],
    "tool arguments that are null": [Turn([garbled_tool_use("recent_changes", "null")])],
    "an answer without content (32)": [LOOK, Turn([])],
    # home-assistant/core #175637, opencode #31259: white space alone passes for content of a turn,
    # and the API refuses every request that tells it again.
    "an answer of white space": [LOOK, Turn([text(" \n ")])],
    "thinking and no answer": [Turn([thinking("Hm.")])],
    "a refusal in the middle of prose (34)": [Turn([text(HALF)], stop_reason="refusal")],
    # earendil-works/pi #1869: a loop that did not know this reason to stop crashed on it.
    "cut by the context window before a word": [
        Turn([thinking("Long.")], stop_reason="model_context_window_exceeded")
    ],
    "a reason to stop that nobody knows, without words": [Turn([], stop_reason="weather")],
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_whatever_the_model_does_the_question_is_answered_and_the_thread_goes_on(
    shift: Shift, model: ModelServer, fault: str
) -> None:
    model.push([*FAULTS[fault], GOOD])
    async with shift.running():
        mention = f"<@{shift.slack.user_id('sre')}> why is order latency up?"
        asked = shift.slack.post_as("alice", "#incidents", mention)
        first = str(await shift.answer_in(asked))
        assert "database is on fire" not in first
        assert "Claude" in first  # the answer says why it is not Claude's
        assert "fault of ours" not in first
        assert "Nothing is known yet" in await asks(shift, "and now?", asked)
    for body in model.requests:
        check_request(body)
    async with shift.store.begin() as tx:
        kept = await tx.conversation.history(Place(ChannelId(INCIDENTS), Ts(asked)))
    assert is_whole(kept)  # the good exchange, and nothing of the bad one


async def test_a_thread_that_an_older_version_broke_is_answered_again(
    shift: Shift, model: ModelServer
) -> None:
    model.push([GOOD, GOOD])
    async with shift.running():
        mention = f"<@{shift.slack.user_id('sre')}> why is order latency up?"
        asked = shift.slack.post_as("alice", "#incidents", mention)
        await shift.answer_in(asked)
        place = Place(ChannelId(INCIDENTS), Ts(asked))
        async with shift.store.begin() as tx:
            for role, content in (("user", [text("and?")]), ("assistant", [])):
                await tx.conversation.append(
                    place, role, content, RunId("RUN-old"), NOW, read_under={}
                )
        assert "Nothing is known yet" in await asks(shift, "and now?", asked)
    assert [m["role"] for m in model.requests[-1]["messages"]] == ["user", "assistant", "user"]


async def test_a_crash_of_ours_beside_the_model_still_ends_in_an_answer(
    shift: Shift, model: ModelServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise LookupError("no such price")

    monkeypatch.setattr("bot.claude.model.usd_micros", broken)
    model.push([GOOD])
    async with shift.running():
        told = await asks(shift)
    assert "a fault of ours (LookupError)" in told


async def test_a_call_that_was_cut_off_is_not_run_with_half_its_arguments(
    shift: Shift, model: ModelServer
) -> None:
    half = Turn([text("I look. "), tool_use("recent_changes", {})], stop_reason="max_tokens")
    model.push([half, GOOD])
    async with shift.running():
        assert "Nothing is known yet" in await asks(shift)
    told = str(model.requests[1]["messages"][-1])
    assert "not run" in told
    assert "tool_result" not in told


@pytest.mark.parametrize("kind", ["cut", "stream_error"])
async def test_half_an_answer_is_taken_back_when_the_stream_breaks(
    shift: Shift, model: ModelServer, kind: str
) -> None:
    """strands-agents/harness-sdk #1868 (`cut`): a stream that ended before its `message_stop`."""
    model.fail(kind, after_events=8)
    model.push([Turn([text(HALF + "it is late. " * 30)])])
    async with shift.running():
        told = await asks(shift)
    assert "on fire" not in told
    assert "Claude" in told


BLOCKS = st.one_of(
    st.builds(text, st.sampled_from(["words", "", " "])),
    st.builds(
        lambda n: {"type": "tool_use", "id": f"t{n}", "name": "look", "input": {}},
        st.integers(1, 3),
    ),
    st.builds(
        lambda n: {
            "type": "tool_result",
            "tool_use_id": f"t{n}",
            "content": [{"type": "text", "text": "seen"}],
        },
        st.integers(1, 3),
    ),
)
STORED = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["user", "assistant"]),
            "content": st.lists(BLOCKS, max_size=3),
        }
    ),
    max_size=12,
)
WHOLE: list[dict[str, Any]] = [
    {"role": "user", "content": [text("why?")]},
    {
        "role": "assistant",
        "content": [
            text("I look."),
            {"type": "tool_use", "id": "a1", "name": "look", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a1", "content": [text("seen")]},
        ],
    },
    {"role": "assistant", "content": [text("Because.")]},
]


def request_with(messages: list[dict[str, Any]]) -> dict[str, Any]:
    question = {"role": "user", "content": [text("and now?")]}
    return {"model": "m", "max_tokens": 10, "messages": [*messages, question]}


@given(STORED)
def test_whatever_a_thread_holds_what_is_told_again_is_a_valid_request(
    stored: list[dict[str, Any]],
) -> None:
    check_request(request_with(told_again(stored)))


@pytest.mark.parametrize("begin", range(9))
@pytest.mark.parametrize("end", range(9))
def test_a_thread_cut_anywhere_is_still_valid_and_keeps_whole_exchanges(
    begin: int, end: int
) -> None:
    again = [
        {**message, "content": [_renamed(block) for block in message["content"]]}
        for message in WHOLE
    ]
    told = told_again([*WHOLE, *again][begin : 8 - end])
    check_request(request_with(told))
    whole = max(0, (8 - end) // 4 - (begin + 3) // 4)
    assert len(told) == 4 * whole


def _renamed(block: dict[str, Any]) -> dict[str, Any]:
    return {k: "b1" if v == "a1" else v for k, v in block.items()}


def test_the_newest_exchanges_are_told_when_not_all_fit() -> None:
    long = [
        {"role": "user", "content": [text("why? " * 2000)]},
        {"role": "assistant", "content": [text("Because.")]},
    ]
    short = [
        {"role": "user", "content": [text("and?")]},
        {"role": "assistant", "content": [text("So.")]},
    ]
    assert told_again([*long, *short], most_tokens=1000) == short
    assert told_again([*long, *short], most_tokens=100_000) == [*long, *short]


@pytest.mark.parametrize("without", range(4))
def test_an_exchange_without_one_of_its_messages_is_not_kept(without: int) -> None:
    assert is_whole(WHOLE)
    assert not is_whole([m for i, m in enumerate(WHOLE) if i != without])
