"""The page of the local Slack in a real browser, against the real server and a real Bolt app."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Locator, Page, async_playwright, expect
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from sandbox.slack.chat import people
from sandbox.slack.server import SlackServer, Timing, start_slack
from tests.patience import PATIENCE

pytestmark = [pytest.mark.browser, pytest.mark.slow]

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
INCIDENTS = people.INCIDENTS
INJECTION = "<img src=x onerror=\"document.title='owned'\"> <b>bold</b> & <script>1</script>"
LONG_ENOUGH = 10
expect.set_options(timeout=PATIENCE * 1000)
script_errors: list[str] = []  # what the page's own scripts threw during the running test


def plain(text: str) -> dict[str, str]:
    return {"type": "plain_text", "text": text}


def button(text: str, action_id: str, **more: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain(text), "action_id": action_id, **more}


CARD: list[dict[str, Any]] = [
    {"type": "header", "text": plain("Roll back order-api")},
    {"type": "section", "text": {"type": "mrkdwn", "text": "Revision 42 is *slow*."}},
    {"type": "section", "fields": [
        {"type": "mrkdwn", "text": "*Risk*\n0.46"}, {"type": "mrkdwn", "text": "*Needs*\n1"},
    ]},
    {"type": "actions", "elements": [
        button("Approve", "plan.approve", value="PLAN-1", style="primary"),
        button("Reject", "plan.reject", value="PLAN-1", style="danger"),
        button("Details", "plan.details", value="PLAN-1"),
    ]},
]  # fmt: skip
REASON = {
    "type": "modal", "callback_id": "reject", "title": plain("Reject the plan"),
    "submit": plain("Reject"), "close": plain("Cancel"),
    "blocks": [
        {"type": "input", "block_id": "reason", "label": plain("Reason"),
         "element": {"type": "plain_text_input", "action_id": "text", "multiline": True}},
        {"type": "input", "block_id": "again", "label": plain("Ask again"), "optional": True,
         "element": {"type": "static_select", "action_id": "when", "options": [
             {"text": plain("Tomorrow"), "value": "1d"}, {"text": plain("Never"), "value": "no"},
         ]}},
    ],
}  # fmt: skip


class Bot:
    """A small real app: approves by editing, rejects by modal, sleeps on details."""

    def __init__(self, slack: SlackServer) -> None:
        self.client = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)
        self.app = AsyncApp(client=self.client, signing_secret="unused")
        self.submitted: list[dict[str, Any]] = []
        self.never = asyncio.Event()
        self.app.action("plan.approve")(self.approve)
        self.app.action("plan.reject")(self.reject)
        self.app.action("plan.details")(self.sleep)
        self.app.view("reject")(self.rejected)
        self.app.event("app_home_opened")(self.home)
        self.app.event(re.compile("message|app_mention|reaction_added"))(self.ignore)

    async def card(self, **more: Any) -> str:
        answer = await self.client.chat_postMessage(
            channel=INCIDENTS, text="plan", blocks=CARD, **more
        )
        return str(answer["ts"])

    async def approve(self, ack: Any, body: dict[str, Any]) -> None:
        await ack()
        done = [{"type": "section", "text": {"type": "mrkdwn", "text": "Approved :tada:"}}]
        await self.client.chat_update(
            channel=INCIDENTS, ts=body["message"]["ts"], text="Approved", blocks=done
        )

    async def reject(self, ack: Any, body: dict[str, Any]) -> None:
        await ack()
        await self.client.views_open(trigger_id=body["trigger_id"], view=REASON)

    async def rejected(self, ack: Any, view: dict[str, Any]) -> None:
        values = view["state"]["values"]
        if len(values["reason"]["text"]["value"]) < LONG_ENOUGH:
            await ack({"response_action": "errors", "errors": {"reason": "Say a little more."}})
            return
        await ack()
        self.submitted.append(values)

    async def sleep(self) -> None:
        await self.never.wait()

    async def home(self, event: dict[str, Any]) -> None:
        view = {"type": "home", "blocks": [{"type": "header", "text": plain("On call today")}]}
        await self.client.views_publish(user_id=event["user"], view=view)

    async def ignore(self) -> None:
        return


@pytest.fixture
async def slack(tmp_path: Path) -> AsyncIterator[SlackServer]:
    timing = Timing(ack_seconds=PATIENCE, real_limits=False, file_seconds=0.0)
    server = await start_slack(db_path=tmp_path / "slack.db", timing=timing)
    yield server
    await server.close()


@pytest.fixture
async def bot(slack: SlackServer) -> AsyncIterator[Bot]:
    bot = Bot(slack)
    handler = AsyncSocketModeHandler(bot.app, slack.app_token)
    await handler.connect_async()  # type: ignore[no-untyped-call] # Bolt leaves it untyped
    await slack.wait_for_bot()
    yield bot
    bot.never.set()
    await handler.close_async()  # type: ignore[no-untyped-call] # Bolt leaves it untyped


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    script_errors.clear()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()
    assert script_errors == []


async def visit(
    browser: Browser, slack: SlackServer, address: str = "#incidents", **more: Any
) -> Page:
    """Open the page; an error in its scripts fails the test when the browser closes."""
    more.setdefault("viewport", {"width": 1280, "height": 800})
    page = await browser.new_page(**more)
    page.set_default_timeout(PATIENCE * 1000)
    page.on("pageerror", lambda error: script_errors.append(str(error)))
    await page.goto(f"{slack.url}/{address}")
    await page.locator(".app.ready").wait_for()
    return page


def by(page: Page | Locator, test_id: str) -> Locator:
    return page.get_by_test_id(test_id)


async def write(page: Page, text: str, composer: str = "composer") -> None:
    await by(page, f"{composer}-input").fill(text)
    await by(page, f"{composer}-input").press("Enter")


async def test_what_is_written_is_sent_and_survives_a_reload(
    slack: SlackServer, browser: Browser
) -> None:
    page = await visit(browser, slack)
    await write(page, "is anybody looking at #general?")
    message = by(by(page, "messages"), "message")
    await expect(message).to_contain_text("is anybody looking at #general?")
    await expect(message.locator(".author")).to_have_text("Alice Chen")
    assert slack.messages("#incidents")[-1]["text"] == f"is anybody looking at <#{people.GENERAL}>?"
    await page.reload()
    await expect(message).to_contain_text("is anybody looking at #general?")


async def test_markup_in_a_message_is_shown_as_text(
    slack: SlackServer, bot: Bot, browser: Browser
) -> None:
    escaped = INJECTION.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    slack.post_as("carol", "#incidents", INJECTION)
    await bot.client.chat_postMessage(channel=INCIDENTS, text=escaped)
    markdown = [{"type": "markdown", "text": INJECTION + " [go](javascript:alert(1))"}]
    await bot.client.chat_postMessage(channel=INCIDENTS, text="x", blocks=markdown)
    page = await visit(browser, slack)
    bodies = by(page, "message-body")
    await expect(bodies).to_have_count(3)
    for index in range(3):
        await expect(bodies.nth(index)).to_contain_text("<img src=x onerror=")
    await expect(bodies.locator("img, script, b, a[href^=javascript]")).to_have_count(0)
    assert await page.title() == "#incidents · nova"


async def test_a_reply_is_written_in_the_thread_and_counted_in_the_channel(
    slack: SlackServer, browser: Browser
) -> None:
    ts = slack.post_as("bob", "#incidents", "latency is up")
    page = await visit(browser, slack)
    parent = by(by(page, "messages"), "message")
    await parent.hover()
    await by(parent, "reply").click()
    await write(page, "looking", "thread-composer")
    await expect(by(by(page, "thread"), "message")).to_have_count(2)
    await expect(by(parent, "replies")).to_contain_text("1 reply")
    assert page.url.endswith(f"#incidents/{ts}")
    await page.keyboard.press("Escape")
    await expect(by(page, "thread")).to_be_hidden()
    await page.goto(f"{slack.url}/#incidents/{ts}")
    await expect(by(by(page, "thread"), "message").last).to_contain_text("looking")


async def test_a_click_reaches_the_app_and_its_edit_is_drawn(
    slack: SlackServer, bot: Bot, browser: Browser
) -> None:
    await bot.card()
    page = await visit(browser, slack)
    await by(page, "button-plan.approve").click()
    await expect(by(page, "message-body")).to_contain_text("Approved 🎉")
    await expect(by(page, "button-plan.approve")).to_have_count(0)


async def test_a_click_nobody_acknowledges_shows_a_triangle_beside_the_button(
    slack: SlackServer, bot: Bot, browser: Browser
) -> None:
    await bot.card()
    page = await visit(browser, slack)
    slack.parts.socket.ack_seconds = 0.5
    await by(page, "button-plan.details").click()
    await expect(page.locator("[data-action-id='plan.details'] + .ack-failed")).to_be_visible()


async def test_a_form_shows_the_apps_error_keeps_what_was_typed_and_closes_when_accepted(
    slack: SlackServer, bot: Bot, browser: Browser
) -> None:
    await bot.card()
    page = await visit(browser, slack)
    await by(page, "button-plan.reject").click()
    await by(page, "modal-submit").click()
    await expect(by(page, "error-reason")).to_contain_text("required")
    await by(page, "input-text").fill("no")
    await by(page, "input-when").select_option("1d")
    await by(page, "modal-submit").click()
    await expect(by(page, "error-reason")).to_contain_text("Say a little more.")
    await expect(by(page, "input-text")).to_have_value("no")
    await by(page, "input-text").fill("the cause is another one")
    await by(page, "modal-submit").click()
    await expect(by(page, "modal")).to_have_count(0)
    assert bot.submitted[0]["reason"]["text"]["value"] == "the cause is another one"
    assert bot.submitted[0]["again"]["when"]["selected_option"]["value"] == "1d"


async def test_a_stream_shows_its_tasks_and_a_cursor_until_it_ends(
    slack: SlackServer, bot: Bot, browser: Browser
) -> None:
    ts = slack.post_as("alice", "#incidents", "why?")
    page = await visit(browser, slack, f"#incidents/{ts}")
    where: dict[str, Any] = {"channel": INCIDENTS, "thread_ts": ts}
    stream = await bot.client.chat_startStream(
        **where, recipient_team_id=people.TEAM_ID, recipient_user_id=people.ALICE
    )
    task = {"type": "task_update", "id": "t1", "title": "Read latency"}
    place: dict[str, Any] = {"channel": INCIDENTS, "ts": str(stream["ts"])}
    await bot.client.chat_appendStream(**place, chunks=[{**task, "status": "in_progress"}])
    drawn = by(by(page, "thread"), "task-t1")
    await expect(drawn).to_have_attribute("data-status", "in_progress")
    text = {"type": "markdown_text", "text": "It was **revision 42**"}
    await bot.client.chat_appendStream(**place, chunks=[{**task, "status": "complete"}, text])
    await expect(drawn).to_have_attribute("data-status", "complete")
    await expect(by(page, "caret")).to_have_count(1)
    await bot.client.chat_stopStream(**place)
    await expect(by(page, "caret")).to_have_count(0)
    await expect(by(page, "thread").locator("strong", has_text="revision 42")).to_be_visible()


async def test_only_the_person_meant_sees_an_ephemeral_message(
    slack: SlackServer, bot: Bot, browser: Browser
) -> None:
    page = await visit(browser, slack)
    await bot.client.chat_postEphemeral(channel=INCIDENTS, user=people.ALICE, text="for you")
    await expect(by(page, "message")).to_contain_text("Only visible to you")
    await by(page, "person-switcher").click()
    await by(page, f"act-as-{people.CAROL}").click()
    await expect(by(page, "person-switcher")).to_contain_text("Carol Diaz")
    await write(page, "hello from Carol")
    await expect(by(page, "message")).to_have_count(1)
    await expect(by(page, "message").locator(".author")).to_have_text("Carol Diaz")


async def test_a_command_in_a_thread_is_refused_with_the_way_to_do_it(
    slack: SlackServer, browser: Browser
) -> None:
    ts = slack.post_as("bob", "#incidents", "latency is up")
    page = await visit(browser, slack, f"#incidents/{ts}")
    await write(page, "/postmortem", "thread-composer")
    await expect(by(page, "thread-composer-note")).to_contain_text("use the message menu")
    await expect(by(page, "thread-composer-input")).to_have_value("/postmortem")


async def test_names_and_commands_are_completed(slack: SlackServer, browser: Browser) -> None:
    page = await visit(browser, slack)
    box = by(page, "composer-input")
    await box.press_sequentially("hi @bo")
    await expect(by(page, "offer")).to_contain_text("Bob Müller")
    await box.press("Enter")
    await expect(box).to_have_value("hi @bob ")
    await box.fill("")
    await box.press_sequentially("/")
    await expect(by(page, "offer").first).to_contain_text("/")
    await box.press("Escape")
    await expect(by(page, "offer")).to_have_count(0)


async def test_a_block_the_page_cannot_draw_is_named(slack: SlackServer, browser: Browser) -> None:
    body = {"user": people.BOT_USER_ID, "text": "new", "blocks": [{"type": "hologram"}]}
    slack.parts.chat.post(INCIDENTS, body)
    page = await visit(browser, slack)
    await expect(by(page, "unknown-block")).to_contain_text("hologram")


async def test_the_bots_home_opens_in_its_direct_message(
    slack: SlackServer, bot: Bot, browser: Browser
) -> None:
    page = await visit(browser, slack)
    await expect(by(page, "presence")).to_have_attribute("title", "connected")
    await by(page, "channel-SRE Agent").click()
    await by(page, "tab-home").click()
    await expect(by(page, "home-view")).to_contain_text("On call today")


async def test_a_phone_shows_all_without_scrolling_sideways(
    slack: SlackServer, bot: Bot, browser: Browser
) -> None:
    parent = slack.post_as("bob", "#incidents", "x" * 300)
    await bot.card(thread_ts=parent)
    page = await visit(browser, slack, viewport={"width": 390, "height": 844})
    overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(overflow) == 0
    await expect(by(page, "sidebar")).to_be_hidden()
    await by(page, "drawer-button").click()
    await expect(by(page, "sidebar")).to_be_visible()
    await by(page, "channel-incidents").click()
    await expect(by(page, "sidebar")).to_be_hidden()
    await by(page, "replies").click()
    approve = by(page, "button-plan.approve")
    await expect(approve).to_be_visible()
    box = await approve.bounding_box()
    assert box is not None
    assert box["height"] >= 40
    thread = await by(page, "thread").bounding_box()
    assert thread is not None
    assert (thread["x"], thread["width"]) == (0, 390)
    assert await page.evaluate(overflow) == 0
