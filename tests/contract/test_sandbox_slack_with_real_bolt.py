"""The local Slack against the real, unmodified slack_bolt AsyncApp over Socket Mode."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.models.messages.chunk import TaskUpdateChunk
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.clock import ManualClock
from sandbox.slack.chat.people import ALICE, BOT_USER_ID, INCIDENTS, TEAM_ID
from sandbox.slack.manifest import BUILT_IN
from sandbox.slack.server import SlackServer, start_slack
from tests.fixtures.slack_timing import PATIENT
from tests.patience import PATIENCE

HASTY = 0.4  # seconds until an acknowledgement that never comes is missed
NOON = 1_790_000_000.0
BUTTONS: list[dict[str, Any]] = [
    {"type": "section", "text": {"type": "mrkdwn", "text": "Roll back *order-api*?"}},
    {
        "type": "actions",
        "block_id": "plan",
        "elements": [
            {
                "type": "button",
                "action_id": "plan.approve",
                "value": "PLAN-1",
                "text": {"type": "plain_text", "text": "Approve"},
            },
            {
                "type": "button",
                "action_id": "plan.reject",
                "value": "PLAN-1",
                "text": {"type": "plain_text", "text": "Reject"},
            },
        ],
    },
]
MODAL: dict[str, Any] = {
    "type": "modal",
    "callback_id": "plan.reject",
    "title": {"type": "plain_text", "text": "Reject"},
    "submit": {"type": "plain_text", "text": "Reject"},
    "blocks": [
        {
            "type": "input",
            "block_id": "reason",
            "label": {"type": "plain_text", "text": "Why?"},
            "element": {"type": "plain_text_input", "action_id": "text", "max_length": 200},
        }
    ],
}


@dataclass
class Bot:
    """A real Bolt app and what it heard."""

    slack: SlackServer
    app: AsyncApp
    handler: AsyncSocketModeHandler
    heard: list[Any] = field(default_factory=list)

    async def call(self) -> None:
        # Bolt leaves these two methods without types
        open_socket: Callable[[], Awaitable[None]] = self.handler.connect_async
        await open_socket()

    async def hang_up(self) -> None:
        close_socket: Callable[[], Awaitable[None]] = self.handler.close_async
        await close_socket()

    def hear(self, what: Any) -> None:
        self.heard.append(what)
        self.slack.parts.hub.stir()

    async def until(self, count: int) -> list[Any]:
        return await self.slack.wait_for(lambda: self.heard if len(self.heard) >= count else None)


async def a_bot(slack: SlackServer) -> Bot:
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    app = AsyncApp(client=client, signing_secret="unused")
    handler = AsyncSocketModeHandler(app, app_token=slack.app_token, ping_interval=1)
    return Bot(slack, app, handler)


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    server = await start_slack(clock=ManualClock(NOON), manifest=BUILT_IN, timing=PATIENT)
    yield server
    await server.close()


@pytest.fixture
async def bot(slack: SlackServer) -> AsyncIterator[Bot]:
    made = await a_bot(slack)
    yield made
    await made.hang_up()


@pytest.fixture
async def second_bot(slack: SlackServer) -> AsyncIterator[Bot]:
    made = await a_bot(slack)
    yield made
    await made.hang_up()


def hear_messages(bot: Bot) -> None:
    @bot.app.event("message")
    async def _(body: dict[str, Any]) -> None:
        bot.hear(body["event"]["text"])


async def connect(bot: Bot) -> None:
    await bot.call()
    await bot.slack.wait_for_bot()


def reply_in(slack: SlackServer, ts: str) -> Callable[[], dict[str, Any] | None]:
    return lambda: next(iter(slack.thread("#incidents", ts)[1:]), None)


async def test_a_mention_is_answered_in_its_thread(slack: SlackServer, bot: Bot) -> None:
    @bot.app.event("app_mention")
    async def _(event: dict[str, Any], say: Callable[..., Awaitable[Any]]) -> None:
        await say(text=f"hello <@{event['user']}>", thread_ts=event["ts"])

    await connect(bot)
    ts = slack.post_as("alice", "#incidents", "@sre why is order latency up?")
    reply = await slack.wait_for(reply_in(slack, ts))
    assert reply["text"] == f"hello <@{ALICE}>"
    assert reply["thread_ts"] == ts
    assert slack.messages("#incidents")[0]["reply_count"] == 1


async def test_a_mention_in_a_channel_is_two_events_and_the_bot_hears_not_itself(
    slack: SlackServer, bot: Bot
) -> None:
    @bot.app.event("app_mention")
    async def _(body: dict[str, Any]) -> None:
        bot.hear(("app_mention", body["event"]["text"]))

    @bot.app.event("message")
    async def _(body: dict[str, Any]) -> None:
        bot.hear(("message", body["event"]["text"]))

    await connect(bot)
    await bot.app.client.chat_postMessage(channel=INCIDENTS, text="I am the bot")
    slack.post_as("alice", "#incidents", "@sre hi")
    text = f"<@{BOT_USER_ID}> hi"
    assert sorted(await bot.until(2)) == [("app_mention", text), ("message", text)]


async def test_events_wait_for_a_bot_that_is_not_there_yet(slack: SlackServer, bot: Bot) -> None:
    @bot.app.event("message")
    async def _(body: dict[str, Any]) -> None:
        bot.hear(body["event"]["text"])

    for word in ("one", "two", "three"):
        slack.post_as("alice", "dm", word)
    await connect(bot)
    assert sorted(await bot.until(3)) == ["one", "three", "two"]


async def test_a_pressed_button_is_acknowledged_and_the_card_replaced(
    slack: SlackServer, bot: Bot
) -> None:
    @bot.app.action("plan.approve")
    async def _(
        ack: Callable[..., Awaitable[Any]],
        body: dict[str, Any],
        respond: Callable[..., Awaitable[Any]],
    ) -> None:
        await ack()
        bot.hear((body["actions"][0]["value"], body["user"]["id"], body["container"]["type"]))
        await respond(text="approved", blocks=[], replace_original=True)

    await connect(bot)
    card = await bot.app.client.chat_postMessage(channel=INCIDENTS, text="plan", blocks=BUTTONS)
    assert await slack.click("alice", "#incidents", card["ts"], "plan.approve")
    assert await bot.until(1) == [("PLAN-1", ALICE, "message")]
    message = await slack.wait_for(
        lambda: next((m for m in slack.messages("#incidents") if m["text"] == "approved"), None)
    )
    assert message["ts"] == card["ts"]
    assert "edited" in message


async def test_a_button_nobody_answers_shows_a_warning_and_is_not_sent_again(
    slack: SlackServer, bot: Bot
) -> None:
    @bot.app.action("plan.approve")
    async def _() -> None:
        bot.hear("pressed")

    await connect(bot)
    card = await bot.app.client.chat_postMessage(channel=INCIDENTS, text="plan", blocks=BUTTONS)
    slack.parts.socket.ack_seconds = HASTY
    pressing = asyncio.create_task(slack.click("alice", "#incidents", card["ts"], "plan.approve"))
    await bot.until(1)
    assert not await pressing
    (failed,) = slack.pushed("alice", "ack_failed")
    assert failed["action_id"] == "plan.approve"
    assert failed["message_ts"] == card["ts"]
    assert "did not answer" in failed["text"]
    assert bot.heard == ["pressed"]
    assert slack.pushed("bob", "ack_failed") == []


async def test_a_button_without_a_bot_says_that_the_bot_is_not_connected(
    slack: SlackServer, bot: Bot
) -> None:
    card = await bot.app.client.chat_postMessage(channel=INCIDENTS, text="plan", blocks=BUTTONS)
    assert not await slack.click("alice", "#incidents", card["ts"], "plan.approve")
    assert "not connected" in slack.pushed("alice", "ack_failed")[0]["text"]


async def test_a_modal_opens_complains_and_is_submitted(slack: SlackServer, bot: Bot) -> None:
    @bot.app.action("plan.reject")
    async def _(
        ack: Callable[..., Awaitable[Any]], body: dict[str, Any], client: AsyncWebClient
    ) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)
        await ack()

    @bot.app.view("plan.reject")
    async def _(ack: Callable[..., Awaitable[Any]], view: dict[str, Any]) -> None:
        reason = view["state"]["values"]["reason"]["text"]["value"]
        if reason == "no":
            await ack(response_action="errors", errors={"reason": "Say more."})
            return
        await ack()
        bot.hear(reason)

    await connect(bot)
    card = await bot.app.client.chat_postMessage(channel=INCIDENTS, text="plan", blocks=BUTTONS)
    assert await slack.click("bob", "#incidents", card["ts"], "plan.reject")
    assert slack.modal("bob")["callback_id"] == "plan.reject"

    def filled(text: str) -> dict[str, Any]:
        return {"reason": {"text": {"type": "plain_text_input", "value": text}}}

    empty = await slack.submit("bob", filled(""))
    assert empty["errors"] == {"reason": "Please complete this required field."}
    short = await slack.submit("bob", filled("no"))
    assert short["response_action"] == "errors"
    assert short["errors"] == {"reason": "Say more."}
    assert slack.modal("bob")["callback_id"] == "plan.reject"
    assert (await slack.submit("bob", filled("too risky today")))["ok"]
    assert await bot.until(1) == ["too risky today"]
    assert slack.parts.views.stack(slack.user_id("bob")) == []


async def test_a_form_nobody_answers_times_out_and_stays_open(slack: SlackServer, bot: Bot) -> None:
    @bot.app.action("plan.reject")
    async def _(
        ack: Callable[..., Awaitable[Any]], body: dict[str, Any], client: AsyncWebClient
    ) -> None:
        await client.views_open(trigger_id=body["trigger_id"], view=MODAL)
        await ack()

    await connect(bot)
    card = await bot.app.client.chat_postMessage(channel=INCIDENTS, text="plan", blocks=BUTTONS)
    assert await slack.click("bob", "#incidents", card["ts"], "plan.reject")
    slack.parts.socket.ack_seconds = HASTY
    answer = await slack.submit("bob", {"reason": {"text": {"value": "because"}}})
    assert answer["error"] == "timeout"
    assert slack.modal("bob")["callback_id"] == "plan.reject"


async def test_a_slash_command_answers_the_person_alone(slack: SlackServer, bot: Bot) -> None:
    @bot.app.command("/sre")
    async def _(ack: Callable[..., Awaitable[Any]], command: dict[str, Any]) -> None:
        await ack(f"you said {command['text']}")

    await connect(bot)
    assert await slack.command("carol", "#incidents", "/sre status")
    (shown,) = slack.ephemerals("carol", "#incidents")
    assert shown["text"] == "you said status"
    assert shown["ephemeral"]
    assert slack.ephemerals("alice", "#incidents") == []
    assert slack.messages("#incidents") == []


async def test_a_message_shortcut_carries_its_message(slack: SlackServer, bot: Bot) -> None:
    @bot.app.shortcut("message.ask")
    async def _(ack: Callable[..., Awaitable[Any]], shortcut: dict[str, Any]) -> None:
        await ack()
        bot.hear(shortcut["message"]["text"])

    await connect(bot)
    ts = slack.post_as("alice", "#incidents", "latency is up")
    assert await slack.shortcut("bob", "message.ask", "#incidents", ts)
    assert await bot.until(1) == ["latency is up"]


async def test_a_disconnect_makes_the_client_come_back_without_losing_events(
    slack: SlackServer, bot: Bot
) -> None:
    @bot.app.event("message")
    async def _(body: dict[str, Any]) -> None:
        bot.hear(body["event"]["text"])

    await connect(bot)
    await slack.disconnect_all()
    slack.post_as("alice", "dm", "still there?")
    assert await bot.until(1) == ["still there?"]
    opened = [name for name, _ in slack.calls if name == "apps.connections.open"]
    assert len(opened) == 2


async def test_an_event_nobody_acknowledges_is_delivered_again(
    slack: SlackServer, bot: Bot
) -> None:
    session = aiohttp.ClientSession()
    opened = await bot.app.client.apps_connections_open(app_token=slack.app_token)
    async with session, session.ws_connect(opened["url"]) as mute:
        assert (await mute.receive_json())["type"] == "hello"
        slack.parts.socket.ack_seconds = HASTY
        slack.post_as("alice", "dm", "hello?")
        first = await mute.receive_json()
        slack.parts.socket.ack_seconds = PATIENCE  # it counts from the next delivery on
        second = await mute.receive_json()
        await mute.send_json({"envelope_id": second["envelope_id"]})
        await slack.wait_for(lambda: slack.parts.socket.undelivered == 0)
    assert first["payload"]["event_id"] == second["payload"]["event_id"]
    assert (first["retry_attempt"], second["retry_attempt"]) == (0, 1)
    assert second["retry_reason"] == "timeout"


async def test_each_envelope_goes_to_one_of_several_connections(
    slack: SlackServer, bot: Bot, second_bot: Bot
) -> None:
    for one in (bot, second_bot):
        hear_messages(one)
        await connect(one)
    words = [f"word {n}" for n in range(6)]
    for word in words:
        slack.post_as("alice", "dm", word)
    heard = await slack.wait_for(
        lambda: both if len(both := bot.heard + second_bot.heard) >= len(words) else []
    )
    assert sorted(heard) == words
    assert bot.heard
    assert second_bot.heard


async def test_an_answer_streams_with_tasks_and_ends_with_buttons(
    slack: SlackServer, bot: Bot
) -> None:
    @bot.app.event("app_mention")
    async def _(say_stream: Callable[..., Awaitable[Any]]) -> None:
        stream = await say_stream(buffer_size=1)
        await stream.append(
            chunks=[TaskUpdateChunk(id="t1", title="Look at latency", status="in_progress")]
        )
        await stream.append(markdown_text="**Order latency** is up")
        await stream.append(
            chunks=[TaskUpdateChunk(id="t1", title="Looked at latency", status="complete")]
        )
        await stream.append(markdown_text=" since 14:03 [E1].")
        bot.hear("streaming")
        await stream.stop(blocks=BUTTONS, metadata={"event_type": "a", "event_payload": {"n": 1}})

    await connect(bot)
    ts = slack.post_as("alice", "#incidents", "@sre why?")
    await bot.until(1)
    reply = await slack.wait_for(
        lambda: r if (r := reply_in(slack, ts)()) and not r["streaming"] else None
    )
    assert reply["text"] == "**Order latency** is up since 14:03 [E1]."
    assert [(t["title"], t["status"]) for t in reply["tasks"]] == [
        ("Looked at latency", "complete")
    ]
    assert reply["blocks"][-1]["block_id"] == "plan"
    shown = await bot.app.client.conversations_replies(
        channel=INCIDENTS, ts=ts, include_all_metadata=True
    )
    assert shown["messages"][1]["metadata"]["event_payload"] == {"n": 1}
    assert "task_card" in [block["type"] for block in shown["messages"][1]["blocks"]]


async def test_an_uploaded_chart_is_shared_in_the_thread_and_usable_in_blocks(
    slack: SlackServer, bot: Bot
) -> None:
    ts = slack.post_as("alice", "#incidents", "show me")
    client = bot.app.client
    png = b"\x89PNG\r\n\x1a\n" + bytes(64)
    done = await client.files_upload_v2(
        channel=INCIDENTS, thread_ts=ts, filename="latency.png", content=png, title="p99"
    )
    file = done["file"]
    assert slack.thread("#incidents", ts)[1]["files"][0]["id"] == file["id"]
    async with aiohttp.ClientSession() as session, session.get(file["url_private"]) as answer:
        assert await answer.read() == png
    image = {"type": "image", "slack_file": {"id": file["id"]}, "alt_text": "p99 over an hour"}
    posted = await client.chat_postMessage(channel=INCIDENTS, text="chart", blocks=[image])
    assert posted["message"]["blocks"][0]["slack_file"]["url"] == file["url_private"]


async def test_the_client_waits_out_a_rate_limit(slack: SlackServer, bot: Bot) -> None:
    client = bot.app.client
    slack.rate_limit("chat.postMessage", 1, 0)
    with pytest.raises(SlackApiError) as refused:
        await client.chat_postMessage(channel=INCIDENTS, text="one")
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "0"
    slack.rate_limit("chat.postMessage", 1, 0)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=2))
    assert (await client.chat_postMessage(channel=INCIDENTS, text="two"))["ok"]


async def test_the_chat_survives_a_restart_of_the_server(tmp_path: Path) -> None:
    clock, file = ManualClock(NOON), tmp_path / "slack.db"
    slack = await start_slack(clock=clock, manifest=BUILT_IN, db_path=file, timing=PATIENT)
    client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
    ts = slack.post_as("alice", "#incidents", "before the restart")
    await client.chat_postMessage(
        channel=INCIDENTS,
        thread_ts=ts,
        text="noted",
        metadata={"event_type": "outbox", "event_payload": {"id": 7}},
    )
    await client.reactions_add(channel=INCIDENTS, timestamp=ts, name="eyes")
    await client.files_upload_v2(channel=INCIDENTS, filename="a.txt", content=b"kept")
    await client.views_publish(user_id=ALICE, view={"type": "home", "blocks": [BUTTONS[0]]})
    before = slack.messages("#incidents"), slack.thread("#incidents", ts), slack.home("alice")
    await slack.close()

    again = await start_slack(clock=clock, manifest=BUILT_IN, db_path=file)
    after = again.messages("#incidents"), again.thread("#incidents", ts), again.home("alice")
    assert _without_address(after) == _without_address(before)
    assert again.messages("#incidents")[0]["reactions"][0]["name"] == "eyes"
    url = again.messages("#incidents")[1]["files"][0]["url_private"]
    path = url.partition("/files/")[2]
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{again.url}/files/{path}") as answer,
    ):
        assert await answer.read() == b"kept"
    assert again.post_as("bob", "#incidents", "after") > ts
    await again.close()


def _without_address(value: Any) -> str:
    return re.sub(r"http://127\.0\.0\.1:\d+", "", str(value))


async def test_home_opens_and_is_published(slack: SlackServer, bot: Bot) -> None:
    @bot.app.event("app_home_opened")
    async def _(event: dict[str, Any], client: AsyncWebClient) -> None:
        view = {"type": "home", "blocks": [BUTTONS[0]]}
        await client.views_publish(user_id=event["user"], view=view)

    await connect(bot)
    slack.open_home("carol")
    home = await slack.wait_for(lambda: slack.home("carol"))
    assert home["type"] == "home"
    assert slack.pushed("carol", "home")[-1]["view"]["id"] == home["id"]


async def test_the_assistant_pane_tells_the_bot_and_takes_status_and_prompts(
    slack: SlackServer, bot: Bot
) -> None:
    @bot.app.event("assistant_thread_started")
    async def _(event: dict[str, Any], client: AsyncWebClient) -> None:
        thread = event["assistant_thread"]
        place = {"channel_id": thread["channel_id"], "thread_ts": thread["thread_ts"]}
        await client.assistant_threads_setStatus(**place, status="is looking at latency")
        prompts = [{"title": "Latency", "message": "Why is latency up?"}]
        await client.assistant_threads_setSuggestedPrompts(**place, prompts=prompts)
        await client.chat_postMessage(
            channel=place["channel_id"], thread_ts=place["thread_ts"], text="Ask me anything"
        )

    await connect(bot)
    channel, ts = slack.open_assistant("alice")
    await slack.wait_for(lambda: len(slack.thread(channel, ts)) > 1)
    texts = [event["text"] for event in slack.pushed("alice", "status")]
    assert texts == ["is looking at latency", ""]
    assert slack.pushed("alice", "suggested_prompts")[0]["prompts"][0]["title"] == "Latency"


async def test_a_lost_bot_gets_its_unacknowledged_event_after_it_returns(
    slack: SlackServer, bot: Bot
) -> None:
    opened = await bot.app.client.apps_connections_open(app_token=slack.app_token)
    async with aiohttp.ClientSession() as session, session.ws_connect(opened["url"]) as dying:
        await dying.receive_json()
        slack.parts.socket.ack_seconds = HASTY
        slack.post_as("alice", "dm", "are you there?")
        await dying.receive_json()
        slack.parts.socket.ack_seconds = PATIENCE
    hear_messages(bot)
    await connect(bot)
    assert await bot.until(1) == ["are you there?"]


async def test_auth_test_names_the_bot_user(bot: Bot) -> None:
    who = await bot.app.client.auth_test()
    assert (who["user_id"], who["team_id"]) == (BOT_USER_ID, TEAM_ID)
