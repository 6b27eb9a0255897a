"""The scripted model, asked by the real SDK over loopback."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import anthropic
import pytest
from anthropic import AsyncAnthropic
from anthropic.types import Message, RawContentBlockDeltaEvent, TextBlock, ToolUseBlock

from sandbox.model.script import Turn, text, thinking, tool_use
from sandbox.model.server import ModelServer, start_model

Json = dict[str, Any]
TOOLS: list[Any] = [
    {
        "name": name,
        "description": "Looks at something.",
        "input_schema": {"type": "object", "properties": {"service": {"type": "string"}}},
    }
    for name in ("list_events", "recent_changes")
]
HELLO: list[Any] = [{"role": "user", "content": "why is order latency up?"}]


@pytest.fixture
async def model() -> AsyncIterator[ModelServer]:
    server = await start_model("127.0.0.1", 0)
    yield server
    await server.close()


@pytest.fixture
async def client(model: ModelServer) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=model.url, api_key="sandbox-model", max_retries=0) as made:
        yield made


def prose(message: Message) -> str:
    """Return the text of a message's text blocks."""
    return "".join(block.text for block in message.content if isinstance(block, TextBlock))


def calls(message: Message) -> list[ToolUseBlock]:
    """Return the tool calls of a message in order."""
    return [block for block in message.content if isinstance(block, ToolUseBlock)]


async def ask(client: AsyncAnthropic, messages: list[Any], **more: Any) -> Message:
    async with client.messages.stream(
        model="claude-sonnet-5-5", max_tokens=1000, messages=messages, **more
    ) as stream:
        async for _event in stream:
            pass
        return await stream.get_final_message()


async def post(model: ModelServer, body: Any, **headers: str) -> tuple[int, Json]:
    sent = {"Authorization": "Bearer sandbox", "anthropic-version": "2026-10-21"} | headers
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{model.url}/v1/messages", json=body, headers=sent) as reply,
    ):
        return reply.status, await reply.json()


def body(**more: Any) -> Json:
    return {"model": "claude-sonnet-5-5", "max_tokens": 100, "messages": HELLO} | more


async def test_a_streamed_turn_arrives_block_by_block(
    model: ModelServer, client: AsyncAnthropic
) -> None:
    long = "The deploy of order-api raised the latency, as the series shows [E2]."
    model.push([
        Turn([
            thinking("Let me look at the events and at the changes."),
            text(long),
            tool_use("list_events", {"service": "order-api", "note": "x" * 60}),
            tool_use("recent_changes", {}),
        ])
    ])  # fmt: skip
    seen: dict[str, int] = {}
    async with client.messages.stream(
        model="claude-sonnet-5-5", max_tokens=1000, messages=HELLO, tools=TOOLS
    ) as stream:
        async for event in stream:
            kind: str = event.type
            if isinstance(event, RawContentBlockDeltaEvent):
                kind = event.delta.type
            seen[kind] = seen.get(kind, 0) + 1
        final = await stream.get_final_message()
    assert final.stop_reason == "tool_use"
    assert [block.type for block in final.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert prose(final) == long
    first, second = calls(final)
    assert first.input == {"service": "order-api", "note": "x" * 60}
    assert first.id != second.id
    assert seen["text_delta"] > 1
    assert seen["input_json_delta"] > 2
    assert seen["signature_delta"] == 1
    assert final.usage.input_tokens > 0
    assert final.usage.output_tokens > 0


async def test_an_answer_without_streaming_is_one_message(
    model: ModelServer, client: AsyncAnthropic
) -> None:
    model.push(Turn([text("All is well.")]))
    final = await client.messages.create(model="claude-sonnet-5-5", max_tokens=50, messages=HELLO)
    assert prose(final) == "All is well."
    assert final.stop_reason == "end_turn"


async def test_a_turn_can_be_worked_out_from_the_request(
    model: ModelServer, client: AsyncAnthropic
) -> None:
    model.push(lambda request: [text(f"You asked: {request['messages'][-1]['content']}")])
    final = await ask(client, HELLO)
    assert prose(final) == "You asked: why is order latency up?"
    assert b"why is order latency up?" in model.raw_requests[0]


async def test_thinking_must_come_back_as_it_was_sent(
    model: ModelServer, client: AsyncAnthropic
) -> None:
    model.push([Turn([thinking("hm"), tool_use("list_events", {})]), Turn([text("done")])])
    first = await ask(client, HELLO, tools=TOOLS)
    content = [block.model_dump(mode="json", exclude_none=True) for block in first.content]
    content[1] = {key: content[1][key] for key in ("type", "id", "name", "input")}
    result = {"type": "tool_result", "tool_use_id": content[1]["id"], "content": "nothing"}

    def conversation(blocks: list[Json]) -> list[Any]:
        replied = {"role": "user", "content": [result]}
        return [*HELLO, {"role": "assistant", "content": blocks}, replied]

    changed = [content[0] | {"thinking": "something else"}, content[1]]
    with pytest.raises(anthropic.BadRequestError, match="signature"):
        await ask(client, conversation(changed), tools=TOOLS)
    with pytest.raises(anthropic.BadRequestError, match="Expected `thinking`"):
        await ask(client, conversation(content[1:]), tools=TOOLS)
    assert prose(await ask(client, conversation(content), tools=TOOLS)) == "done"


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        ("rate_limit", anthropic.RateLimitError),
        ("overloaded", anthropic.OverloadedError),
        ("api_error", anthropic.InternalServerError),
    ],
)
async def test_a_fault_is_the_error_the_sdk_names(
    model: ModelServer, client: AsyncAnthropic, kind: str, error: type[Exception]
) -> None:
    model.fail(kind)
    with pytest.raises(error):
        await ask(client, HELLO)
    assert (await ask(client, HELLO)).stop_reason == "end_turn"


async def test_the_sdk_retries_after_the_time_it_was_told(model: ModelServer) -> None:
    model.fail("rate_limit", retry_after=0.01)
    model.fail("overloaded", retry_after=0.01)
    model.push(Turn([text("third time lucky")]))
    async with AsyncAnthropic(base_url=model.url, api_key="k", max_retries=2) as patient:
        final = await ask(patient, HELLO)
    assert prose(final) == "third time lucky"
    assert len(model.requests) == 3


async def test_a_cut_stream_is_no_finished_message(
    model: ModelServer, client: AsyncAnthropic
) -> None:
    model.push(Turn([text("This sentence is long enough to arrive in several pieces.")]))
    model.fail("cut")
    with pytest.raises(Exception, match=r"(?i)connection|closed|incomplete|peer|read"):
        await ask(client, HELLO)


async def test_an_error_in_the_stream_is_raised(model: ModelServer, client: AsyncAnthropic) -> None:
    model.push(Turn([text("This sentence is long enough to arrive in several pieces.")]))
    model.fail("stream_error")
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        await ask(client, HELLO)


@pytest.mark.parametrize("reason", ["refusal", "pause_turn", "max_tokens"])
async def test_a_stop_reason_can_be_scripted(
    model: ModelServer, client: AsyncAnthropic, reason: str
) -> None:
    model.push(Turn([text("so far")], stop_reason=reason))
    assert (await ask(client, HELLO)).stop_reason == reason


async def test_an_answer_longer_than_allowed_is_cut(
    model: ModelServer, client: AsyncAnthropic
) -> None:
    model.push(Turn([text("word " * 400)]))
    final = await client.messages.create(model="claude-sonnet-5-5", max_tokens=10, messages=HELLO)
    assert final.stop_reason == "max_tokens"
    assert len(prose(final)) == 40


CALL = {"type": "tool_use", "id": "t1", "name": "list_events", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "ok"}
USER: Json = {"role": "user", "content": "hello"}


def said(*blocks: Json) -> Json:
    return {"role": "assistant", "content": list(blocks)}


def replied(*blocks: Json) -> Json:
    return {"role": "user", "content": list(blocks)}


@pytest.mark.parametrize(
    ("wrong", "names"),
    [
        ({"temperature": 1}, "temperature"),
        ({"top_p": 0.9}, "top_p"),
        ({"colour": "red"}, "colour"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": None}, "max_tokens"),
        ({"model": ""}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [USER, USER]}, "alternate"),
        ({"messages": [said({"type": "text", "text": "hi"})]}, "alternate"),
        ({"messages": [{"role": "system", "content": "x"}]}, "system"),
        ({"messages": [replied({"type": "text", "text": " "})]}, "non-empty"),
        ({"messages": [USER, said(CALL)]}, "t1"),
        ({"messages": [USER, said(CALL), USER]}, "t1"),
        ({"messages": [USER, said(CALL), replied(RESULT, RESULT)]}, "single result"),
        ({"messages": [replied(RESULT)]}, "unexpected `tool_use_id`"),
        ({"messages": [USER, said(CALL), replied({"type": "text", "text": "x"}, RESULT)]}, "first"),
        ({"messages": [USER, said(CALL | {"colour": 1}), replied(RESULT)]}, "colour"),
        ({"messages": [replied(CALL)]}, "tool_use"),
        ({"tools": [{"name": "a b", "input_schema": {"type": "object"}}]}, "a b"),
        ({"tools": [{"name": "a"}]}, "input_schema"),
        ({"tools": [{"name": "a", "input_schema": {"type": "string"}}]}, "object"),
        ({"tools": [TOOLS[0], TOOLS[0]]}, "unique"),
        ({"tools": [TOOLS[0] | {"strict": True}]}, "additionalProperties"),
        ({"tools": [TOOLS[0] | {"colour": 1}]}, "colour"),
        ({"tools": TOOLS, "tool_choice": {"type": "tool", "name": "nosuch"}}, "nosuch"),
        ({"tool_choice": {"type": "auto"}}, "tools"),
        ({"thinking": {"type": "deep"}}, "deep"),
        ({"thinking": {"type": "enabled", "budget_tokens": 10}}, "1024"),
    ],
)
async def test_a_wrong_request_is_refused_by_name(
    model: ModelServer, wrong: Json, names: str
) -> None:
    status, answer = await post(model, body(**wrong))
    assert status == 400
    assert answer["error"]["type"] == "invalid_request_error"
    assert names in answer["error"]["message"]


async def test_a_key_in_the_old_header_is_no_key(model: ModelServer) -> None:
    status, answer = await post(model, body(), Authorization="", **{"x-api-key": "k"})
    assert (status, answer["error"]["type"]) == (401, "authentication_error")


async def test_an_old_api_version_is_refused(model: ModelServer) -> None:
    status, answer = await post(model, body(), **{"anthropic-version": "2023-06-01"})
    assert status == 400
    assert "2023-06-01" in answer["error"]["message"]


async def test_tokens_are_counted(client: AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model="claude-sonnet-5-5", messages=HELLO)
    assert counted.input_tokens > 0


async def test_without_a_script_the_model_looks_and_then_quotes_what_it_found(
    client: AsyncAnthropic,
) -> None:
    first = await ask(client, HELLO, tools=TOOLS)
    calls = [block for block in first.content if block.type == "tool_use"]
    assert [call.name for call in calls] == ["recent_changes", "list_events"]
    answers = {
        "list_events": "[E1] no warnings",
        "recent_changes": "[E2] order-api: release 2.14.0 at 10:02, 3 minutes before the rise",
    }
    results = [
        {"type": "tool_result", "tool_use_id": call.id, "content": answers[call.name]}
        for call in calls
    ]
    content = [block.model_dump(mode="json", exclude_none=True) for block in first.content]
    messages = [*HELLO, {"role": "assistant", "content": content},
                {"role": "user", "content": results}]  # fmt: skip
    final = await ask(client, messages, tools=TOOLS)
    assert "release 2.14.0" in prose(final)
    assert "[E2]" in prose(final)
    assert final.stop_reason == "end_turn"
