"""The agent loop and Claude's adapter, against a server that speaks the Messages protocol."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from bot.claude.model import Claude, ClaudeConfig
from bot.core.investigation.model.agent_loop import (
    MOST_CALLS,
    Hooks,
    RunStoppedError,
    Talk,
    TalkOutcome,
    converse,
    over_budget,
)
from bot.core.ports import (
    Budget,
    ModelEvent,
    ModelRequest,
    ModelUnavailableError,
    TextDelta,
    ToolUse,
)
from bot.domain.answer import Usage
from sandbox.model.script import Turn, text, thinking, tool_use
from sandbox.model.server import ModelServer, start_model
from tests.fakes.clock import FakeClock
from tests.patience import PATIENCE
from tools.contract import Risk, Toolbox, ToolResult, tool

KEY = "sandbox-model"


@tool(risk=Risk.READ)
async def read_metric(metric: str) -> ToolResult:
    """Read a metric.

    Args:
        metric: its name.
    """
    return ToolResult(f"{metric} is 412 ms", {"metric": metric})


@tool(risk=Risk.READ)
async def read_events(service: str) -> ToolResult:
    """Read events.

    Args:
        service: its name.
    """
    return ToolResult(f"{service} has no events", {"service": service})


TOOLS = Toolbox((read_metric, read_events), {}).tools


@dataclass
class Room:
    """One conversation with everything that was said and called in it."""

    model: ModelServer
    clock: FakeClock = field(default_factory=FakeClock)
    said: list[str] = field(default_factory=list)
    called: list[ToolUse] = field(default_factory=list)
    stop_after: int | None = None  # tool calls after which somebody presses Stop
    answering: Callable[[ToolUse], Awaitable[tuple[str, bool]]] | None = None
    messages: list[dict[str, Any]] = field(
        default_factory=lambda: [{"role": "user", "content": "why is order latency up?"}]
    )

    async def talk(self, budget: Budget | None = None, max_tokens: int = 1000) -> TalkOutcome:
        async def say(words: str) -> None:
            self.said.append(words)

        async def call(use: ToolUse) -> tuple[str, bool]:
            self.called.append(use)
            if self.answering is not None:
                return await self.answering(use)
            return f"result of {use.name}", False

        async def stopped() -> bool:
            return self.stop_after is not None and len(self.called) >= self.stop_after

        claude = Claude(
            ClaudeConfig(KEY, base_url=self.model.url, timeout_seconds=10, max_retries=2)
        )
        conversation = Talk(
            "You are careful.", self.messages, TOOLS, budget or Budget(), max_tokens
        )
        try:
            hooks = Hooks(say=say, call_tool=call, stopped=stopped)
            async with asyncio.timeout(PATIENCE):
                return await converse(claude, conversation, hooks, self.clock)
        finally:
            await claude.close()

    def sent(self, number: int) -> list[dict[str, Any]]:
        """Return the messages of one request."""
        found: list[dict[str, Any]] = self.model.requests[number]["messages"]
        return found


@pytest.fixture
async def room() -> AsyncIterator[Room]:
    server = await start_model("127.0.0.1", 0)
    yield Room(server)
    await server.close()


LOOK_TWICE = Turn(
    [
        thinking("The metric first, and the events beside it."),
        text("I will look. "),
        tool_use("read_metric", {"metric": "order_latency_p99"}),
        tool_use("read_events", {"service": "order-api"}),
    ]
)
DONE = Turn([text("**Nothing is wrong.** Confidence: high")])


async def test_an_answer_without_tools_ends_the_talk(room: Room) -> None:
    room.model.push([DONE])
    outcome = await room.talk()
    assert outcome.text == "**Nothing is wrong.** Confidence: high"
    assert "".join(room.said) == outcome.text
    assert outcome.cut == ""
    assert outcome.usage.steps == 1
    assert outcome.usage.input_tokens > 0
    assert outcome.usage.usd_micros > 0


async def test_tools_of_one_turn_run_side_by_side(room: Room) -> None:
    both = asyncio.Barrier(2)

    async def meet(use: ToolUse) -> tuple[str, bool]:
        await both.wait()  # a tool that waited for the other one's end would never come here
        return f"result of {use.name}", False

    room.answering = meet
    room.model.push([LOOK_TWICE, DONE])
    await room.talk()
    assert {use.name for use in room.called} == {"read_metric", "read_events"}


async def test_all_results_go_back_in_one_user_message_in_the_order_of_the_calls(
    room: Room,
) -> None:
    room.model.push([LOOK_TWICE, DONE])
    await room.talk()
    asked, results = room.sent(1)[-2:]
    calls = [block["id"] for block in asked["content"] if block["type"] == "tool_use"]
    assert results["role"] == "user"
    assert [block["tool_use_id"] for block in results["content"]] == calls
    assert results["content"][0]["content"][0]["text"] == "result of read_metric"


async def test_thinking_and_its_signature_go_back_verbatim(room: Room) -> None:
    room.model.push([LOOK_TWICE, DONE])
    await room.talk()
    (thought,) = [b for b in room.sent(1)[-2]["content"] if b["type"] == "thinking"]
    assert thought["thinking"] == "The metric first, and the events beside it."
    assert thought["signature"]


async def test_a_failed_tool_is_told_to_the_model_as_an_error(room: Room) -> None:
    async def fail(use: ToolUse) -> tuple[str, bool]:
        return "prometheus: cannot be reached", True

    room.answering = fail
    room.model.push([Turn([tool_use("read_metric", {"metric": "x"})]), DONE])
    await room.talk()
    (result,) = room.sent(1)[-1]["content"]
    assert result["is_error"] is True
    assert result["content"][0]["text"] == "prometheus: cannot be reached"


@pytest.mark.parametrize("fault", ["rate_limit", "overloaded", "api_error"])
async def test_a_refusal_for_the_moment_is_tried_again(room: Room, fault: str) -> None:
    room.model.fail(fault, times=2, retry_after=0.01)
    room.model.push([DONE])
    outcome = await room.talk()
    assert outcome.text.startswith("**Nothing is wrong.**")
    assert len(room.model.requests) == 3


@pytest.mark.parametrize(
    ("fault", "named"), [("rate_limit", "429"), ("overloaded", "529"), ("api_error", "500")]
)
async def test_a_lasting_refusal_is_unavailability_that_names_the_status(
    room: Room, fault: str, named: str
) -> None:
    room.model.fail(fault, times=9, retry_after=0.01)
    with pytest.raises(ModelUnavailableError, match=named):
        await room.talk()


@pytest.mark.parametrize("fault", ["cut", "stream_error"])
async def test_a_stream_that_breaks_off_is_unavailability_and_never_half_an_answer(
    room: Room, fault: str
) -> None:
    room.model.push([DONE])
    room.model.fail(fault)
    with pytest.raises(ModelUnavailableError):
        await room.talk()
    assert [m["role"] for m in room.messages] == ["user"]


async def test_a_server_that_is_gone_is_unavailability(room: Room) -> None:
    await room.model.close()
    with pytest.raises(ModelUnavailableError, match="cannot be reached"):
        await room.talk()


async def test_a_refusal_to_answer_is_unavailability(room: Room) -> None:
    room.model.push([Turn([text("I cannot help with that.")], stop_reason="refusal")])
    with pytest.raises(ModelUnavailableError, match="declined"):
        await room.talk()


async def test_an_answer_cut_by_its_length_says_so(room: Room) -> None:
    room.model.push([Turn([text("word " * 400)])])
    outcome = await room.talk(max_tokens=50)
    assert "longer than 50 tokens" in outcome.cut
    assert outcome.text.startswith("word word")


async def test_a_tool_call_cut_by_the_length_is_not_run(room: Room) -> None:
    long = {"metric": "x" * 4000}
    room.model.push([Turn([text("I look. "), tool_use("read_metric", long)]), DONE])
    outcome = await room.talk(max_tokens=50)
    assert room.called == []
    assert "longer than 50 tokens" in outcome.cut


async def test_a_paused_turn_goes_on_where_it_stopped(room: Room) -> None:
    paused = Turn([text("First half, ")], stop_reason="pause_turn")
    room.model.push([paused, Turn([text("second half.")])])
    outcome = await room.talk()
    assert "".join(room.said) == "First half, second half."
    assert outcome.usage.steps == 2
    assert room.sent(1)[-1]["role"] == "assistant"


async def test_a_used_up_budget_asks_for_a_last_answer_without_tools(room: Room) -> None:
    looks = [Turn([tool_use("read_metric", {"metric": str(n)})]) for n in range(2)]
    room.model.push([*looks, Turn([text("This is what I know.")])])
    outcome = await room.talk(Budget(max_steps=3))
    assert outcome.text == "This is what I know."
    assert outcome.cut == "3 steps"
    last = room.model.requests[-1]
    assert last["tool_choice"] == {"type": "none"}
    assert "Answer now" in last["messages"][-1]["content"][-1]["text"]
    assert [r["tool_choice"]["type"] for r in room.model.requests] == ["auto", "auto", "none"]


async def test_a_stop_ends_the_talk_before_the_next_turn(room: Room) -> None:
    room.stop_after = 2
    room.model.push([LOOK_TWICE, DONE])
    with pytest.raises(RunStoppedError):
        await room.talk()
    assert len(room.model.requests) == 1


async def test_tools_are_described_to_the_model_by_their_signature(room: Room) -> None:
    room.model.push([DONE])
    await room.talk()
    offered = {t["name"]: t for t in room.model.requests[0]["tools"]}
    assert offered["read_metric"]["description"] == "Read a metric."
    assert offered["read_metric"]["input_schema"]["required"] == ["metric"]


@pytest.mark.parametrize(
    ("spent", "limit"),
    [
        (Usage(steps=11), "12 steps"),
        (Usage(input_tokens=150_000, output_tokens=50_000), "200000 tokens"),
        (Usage(seconds=180.0), "180 seconds"),
        (Usage(usd_micros=1_000_000), "$1.00"),
        (Usage(steps=10, input_tokens=199_999, seconds=179.0, usd_micros=999_999), ""),
    ],
)
def test_every_limit_is_named_when_it_is_reached(spent: Usage, limit: str) -> None:
    assert over_budget(spent, Budget()) == limit


class Endless:
    """A model that never comes to an end."""

    name = "endless"

    def __init__(self, *events: ModelEvent, pause: float = 0.0) -> None:
        self._events, self._pause = events, pause

    async def turn(self, request: ModelRequest) -> AsyncIterator[ModelEvent]:
        while True:
            for event in self._events:
                yield event
                await asyncio.sleep(self._pause)


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (Endless(TextDelta("so "), pause=0.01), "did not end within 0 seconds"),
        (Endless(TextDelta("so " * 50)), "over 2000 letters"),
    ],
    ids=["drips", "pours"],
)
async def test_a_model_that_comes_to_no_end_is_left(model: Endless, why: str) -> None:
    said: list[str] = []

    async def say(words: str) -> None:
        said.append(words)

    async def call(_: ToolUse) -> tuple[str, bool]:
        return "", False

    async def stopped() -> bool:
        return False

    talk = Talk("", [{"role": "user", "content": "why?"}], TOOLS, Budget(seconds=0.2), 100)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(ModelUnavailableError, match=why):
            await converse(model, talk, Hooks(say, call, stopped), FakeClock())
    assert sum(map(len, said)) <= 2_000


async def test_of_a_crowd_of_calls_so_many_are_made_and_the_others_are_told(room: Room) -> None:
    crowd = MOST_CALLS + 3
    room.model.push(
        [Turn([tool_use("read_metric", {"metric": f"m{n}"}) for n in range(crowd)]), DONE]
    )
    await room.talk()
    assert len(room.called) == MOST_CALLS
    (results,) = (each["content"] for each in room.messages[2:3])
    assert [each.get("is_error", False) for each in results] == [False] * MOST_CALLS + [True] * 3
