"""More of the Messages API's bad days, and whatever else may fail while the model answers.

Each case names whom it went wrong for in public (read in November 2026), in our words.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from bot.claude.model import Claude
from bot.core.investigation.model.conversation import is_whole, told_again
from bot.core.ports import ModelEvent, ModelRequest, TextDelta, ToolUse, TurnEnd
from bot.domain.run import Done
from sandbox.model.script import Turn, text, thinking, tool_use
from sandbox.model.server import ModelServer
from tests.fakes.reply import KeptReply
from tests.fixtures.office import ALICE, THREAD, Office

HALF = "**The database is on fire and everybody should know about it at once.** Because "
GOOD = Turn([text("**Nothing is known yet.** Ask again later.\n\nConfidence: low")])
USAGE = {"input_tokens": 1000, "output_tokens": 10, "cached_tokens": 0, "usd_micros": 5000}


class Broken:
    """A model that says something, then raises."""

    name = "broken"

    def __init__(self, error: BaseException, *said: ModelEvent) -> None:
        self.error, self.said = error, said

    async def turn(self, _: ModelRequest) -> AsyncIterator[ModelEvent]:
        for each in self.said:
            yield each
        raise self.error

    async def check(self) -> str:
        return "broken"

    async def close(self) -> None: ...


ERRORS: dict[str, Callable[[], BaseException]] = {
    # anthropic-sdk-python #1472, #1806: an error as the first event, or a beginning without usage,
    # and the library's own reading of the stream raises this.
    "a field that is not there": lambda: AttributeError("'NoneType' has no attribute 'usage'"),
    "an assertion of a library": lambda: AssertionError("unreachable"),
    "several at once": lambda: ExceptionGroup("streams", [OSError("reset"), ValueError("odd")]),
    "a tree that is too deep": lambda: RecursionError("maximum recursion depth exceeded"),
    "no memory": MemoryError,
    "a generator that ended": StopAsyncIteration,
    # IBM/mcp-context-forge #3737: a request failed in a transport's own scope, and its cancellation
    # reached the task that waited for an answer.
    "a cancellation that nobody asked for": lambda: asyncio.CancelledError("a scope of its own"),
}


@pytest.mark.parametrize("said", [(), (TextDelta(HALF),)], ids=["silent", "half"])
@pytest.mark.parametrize("error", ERRORS)
async def test_whatever_is_raised_beside_the_model_the_investigator_answers_and_says_so(
    office: Office, error: str, said: tuple[ModelEvent, ...]
) -> None:
    office.claude = Broken(ERRORS[error](), *said)  # type: ignore[assignment]
    answer, reply = await office.ask()
    assert answer.mode == "deterministic"
    assert answer.causes[0].service == "order-api"
    assert any(gap.startswith("claude: ") and "fault of ours" in gap for gap in answer.gaps)
    assert "on fire" not in reply.text


async def test_a_shutdown_is_no_fault_of_the_model(office: Office) -> None:
    begun = asyncio.Event()

    class Slow(Broken):
        async def turn(self, _: ModelRequest) -> AsyncIterator[ModelEvent]:
            begun.set()
            await asyncio.Event().wait()
            yield TextDelta("")

    office.claude = Slow(ValueError())  # type: ignore[assignment]
    asking = asyncio.create_task(office.ask())
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    (run,) = await office.runs()
    assert not isinstance(run, Done)  # the next start goes on with it


@pytest.mark.parametrize("arguments", [[], "text", None, {"metric": {"nested": 1}}, {"x" * 9: 1}])
async def test_arguments_of_any_form_are_told_to_the_model_or_end_in_an_answer(
    office: Office, arguments: Any
) -> None:
    """A model behind the port whose arguments are a text, a list, nothing, or wrong within."""
    use = ToolUse("toolu_1", "query_metric", arguments)
    block = {"type": "tool_use", "id": use.id, "name": use.name, "input": arguments}
    called = TurnEnd("tool_use", [block], model="m", **USAGE)
    said = TurnEnd("end_turn", [text("**Done.** Confidence: low")], model="m", **USAGE)

    class Odd(Broken):
        turns = 0

        async def turn(self, _: ModelRequest) -> AsyncIterator[ModelEvent]:
            self.turns += 1
            if self.turns == 1:
                yield use
                yield called
            else:
                yield TextDelta("**Done.** Confidence: low")
                yield said

    office.claude = Odd(ValueError())  # type: ignore[assignment]
    answer, _ = await office.ask()
    assert answer.text


async def test_what_a_failed_talk_cost_is_booked_and_counts_against_the_day(
    office: Office, claude: ModelServer
) -> None:
    """Systemorph/MeshWeaver #595: a round that ended in an error left no usage behind."""
    look = Turn([tool_use("recent_changes", {})])
    claude.push([look, Turn([text(HALF)], stop_reason="refusal")])
    answer, _ = await office.ask()
    assert answer.mode == "deterministic"
    assert answer.usage.usd_micros > 0
    async with office.store.begin() as tx:
        spent = await tx.usage.spent(office.clock.now(), ALICE)
    assert spent.usd_micros == answer.usage.usd_micros
    assert spent.input_tokens == answer.usage.input_tokens > 0


async def test_what_a_stopped_run_cost_is_booked(office: Office, claude: ModelServer) -> None:
    """claude-agent-acp #844, synaplan #1146: who stops before the end spends beside the budget."""

    class Stopping(KeptReply):
        async def step(self, update: Any) -> None:
            await super().step(update)
            if claude.requests:
                async with office.store.begin() as tx:
                    run = await tx.runs.running_in(THREAD)
                    assert run is not None
                    await tx.runs.request_stop(run.id, office.clock.wall())

    claude.push([Turn([tool_use("recent_changes", {})]), GOOD])
    desk = office.desk()
    run = await desk.open(office.question())
    assert run is not None
    assert await desk.answer(run, Stopping()) is None
    async with office.store.begin() as tx:
        assert (await tx.usage.spent(office.clock.now(), ALICE)).usd_micros > 0


async def test_thoughts_of_an_earlier_question_are_not_told_again(
    office: Office, claude: ModelServer
) -> None:
    """opencode #48637, llxprt-code #2335: a thought's signature holds for its model and prompt."""
    look = Turn([thinking("What changed?"), tool_use("recent_changes", {})])
    claude.push([look, GOOD, look, GOOD])
    for minutes in (0, 7):  # our prompt tells the time
        office.clock.advance(minutes=minutes)
        answer, _ = await office.ask()
        assert answer.mode == "claude", answer.gaps
    within, after = claude.requests[1]["messages"], claude.requests[2]["messages"]
    assert "thinking" in str(within[-2]["content"])  # of the turn at work it must come back
    assert "What changed?" not in str(after)
    assert "tool_result" in str(after)


async def test_a_paused_turn_is_one_answer_and_is_remembered(
    office: Office, claude: ModelServer
) -> None:
    """agenc-core #2111, prism #1003: a pause was taken for the end, or for a fault."""
    paused = Turn([text("**Half of it.** ")], stop_reason="pause_turn")
    claude.push([paused, GOOD, GOOD])
    first, _ = await office.ask()
    assert "Half of it" in first.text
    assert "Nothing is known yet" in first.text
    await office.ask("and now?")
    roles = [message["role"] for message in claude.requests[2]["messages"]]
    assert roles == ["user", "assistant", "user"]


async def test_who_only_pauses_is_not_waited_for_without_end(
    office: Office, claude: ModelServer
) -> None:
    claude.push([Turn([text("Wait. ")], stop_reason="pause_turn") for _ in range(40)])
    await office.ask()
    assert len(claude.requests) < 20


@pytest.mark.parametrize("reason", ["model_context_window_exceeded", "max_tokens", "compaction"])
async def test_an_answer_that_was_cut_says_so_and_is_no_whole_one(
    office: Office, claude: ModelServer, reason: str
) -> None:
    """hermes-agent #30963: a cut answer was shown as the whole one."""
    claude.push([Turn([text("**It is the deploy.** And there is more to")], stop_reason=reason)])
    answer, _ = await office.ask()
    assert any(gap.startswith("claude: ") for gap in answer.gaps)


async def test_an_empty_answer_after_tools_is_ours_to_give(
    office: Office, claude: ModelServer
) -> None:
    """agent-afk #290: a refusal without a word ended in silence, and so did every later message."""
    claude.push([Turn([tool_use("recent_changes", {})]), Turn([], stop_reason="refusal"), GOOD])
    first, _ = await office.ask()
    assert (first.mode, "declined" in str(first.gaps)) == ("deterministic", True)
    again, _ = await office.ask("and now?")
    assert again.mode == "claude"
    assert "recent_changes" not in str(claude.requests[-1]["messages"][:-1])


def test_two_calls_of_one_id_are_never_told_again() -> None:
    """claude-code #21317, litellm #23510: one id for two calls, and the API refuses the thread."""
    twice = [tool_use("recent_changes", {}, "toolu_1") for _ in range(2)]
    kept = [
        {"role": "user", "content": [text("why?")]},
        {"role": "assistant", "content": twice},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("none")]}]},
        {"role": "assistant", "content": [text("So.")]},
    ]  # fmt: skip
    assert not is_whole(kept)
    assert told_again(kept) == []


def test_the_real_adapter_is_what_these_stand_in_for() -> None:
    assert {"turn", "check", "close"} <= set(vars(Claude))
