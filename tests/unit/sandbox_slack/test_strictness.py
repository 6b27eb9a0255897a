"""The local Slack refuses what Slack refuses, with Slack's words."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from sandbox.clock import ManualClock
from sandbox.slack.chat.people import ALICE, BOB, CAROL, GENERAL, INCIDENTS, STRANGER, TEAM_ID
from sandbox.slack.manifest import BUILT_IN
from sandbox.slack.server import start_slack
from tests.patience import PATIENCE
from tests.unit.sandbox_slack.conftest import Api, Json

HERE = {"channel": INCIDENTS}


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> Json:
    return {"type": "mrkdwn", "text": text}


def button(**more: Any) -> Json:
    return {"type": "button", "action_id": "a", "text": plain("Go"), **more}


def section(text: str = "x", **more: Any) -> Json:
    return {"type": "section", "text": mrkdwn(text), **more}


def actions(*elements: Json) -> Json:
    return {"type": "actions", "elements": list(elements)}


def modal(*blocks: Json, **more: Any) -> Json:
    return {"type": "modal", "title": plain("T"), "blocks": list(blocks), **more}


def field_of(element: Json, **more: Any) -> Json:
    return {"type": "input", "block_id": "i", "label": plain("L"), "element": element, **more}


TOO_MANY_OPTIONS = {
    "type": "static_select",
    "action_id": "s",
    "options": [{"text": plain(str(n)), "value": str(n)} for n in range(101)],
}


@pytest.mark.parametrize(
    ("block", "fault"),
    [
        ({"type": "chart"}, "unsupported type: chart [json-pointer:/blocks/0/type]"),
        (
            section("x" * 3001),
            "must be less than 3001 characters [json-pointer:/blocks/0/text/text]",
        ),
        (section(""), "must be more than 0 characters"),
        ({"type": "section"}, "must define either `text` or `fields`"),
        (section(fields=[mrkdwn("f")] * 11), "no more than 10 items allowed"),
        (section(fields=[mrkdwn("f" * 2001)]), "[json-pointer:/blocks/0/fields/0/text]"),
        (section(colour="red"), "invalid additional property: colour"),
        ({"type": "header", "text": plain("h" * 151)}, "must be less than 151 characters"),
        ({"type": "header", "text": mrkdwn("h")}, "unsupported type: mrkdwn"),
        (actions(*[button(action_id=str(n)) for n in range(26)]), "no more than 25 items allowed"),
        (actions(), "no fewer than 1 items allowed"),
        (actions(button(), button()), "`action_id` a already exists"),
        (actions(button(text=plain("b" * 76))), "must be less than 76 characters"),
        (actions(button(value="v" * 2001)), "must be less than 2001 characters"),
        (actions(button(action_id="a" * 256)), "must be less than 256 characters"),
        (actions(button(style="green")), "must be one of danger, primary; got 'green'"),
        (actions(TOO_MANY_OPTIONS), "no more than 100 items allowed"),
        (actions({"type": "static_select", "action_id": "s"}), "missing required field: options"),
        (
            actions(button(confirm={"text": plain("c" * 301)})),
            "[json-pointer:/blocks/0/elements/0/confirm/text/text]",
        ),
        ({"type": "context", "elements": [mrkdwn("c")] * 11}, "no more than 10 items allowed"),
        ({"type": "image", "image_url": "https://x/y.png"}, "missing required field: alt_text"),
        ({"type": "image", "alt_text": "a"}, "exactly one of `image_url` or `slack_file`"),
        (
            {"type": "image", "alt_text": "a", "slack_file": {"id": "F0NOTHERE"}},
            "invalid slack file [json-pointer:/blocks/0/slack_file]",
        ),
        ({"type": "markdown", "text": "m" * 12_001}, "must be less than 12001 characters"),
        ({"type": "table", "rows": [[{"type": "raw_text", "text": "c"}]] * 101}, "100 items"),
        ({"type": "table", "rows": [[{"type": "raw_text", "text": "c"}] * 21]}, "20 items"),
        ({"type": "alert", "text": plain("a"), "level": "loud"}, "got 'loud'"),
        ({"type": "task_card", "task_id": "t", "title": "T", "status": "done"}, "got 'done'"),
        ({"type": "card", "title": plain("c" * 151)}, "must be less than 151 characters"),
        ({"type": "carousel", "elements": [{"type": "divider"}]}, "must be a card"),
        ({"type": "rich_text", "elements": [{"type": "text"}]}, "unsupported type: text"),
        (
            {"type": "container", "title": plain("c"), "child_blocks": [{"type": "divider"}] * 11},
            "no more than 10 items allowed",
        ),
        ({"type": "context_actions", "elements": [button()]}, "unsupported type: button"),
    ],
)
async def test_a_wrong_block_is_refused_with_the_place(api: Api, block: Json, fault: str) -> None:
    answer = await api("chat.postMessage", **HERE, text="t", blocks=[block])
    assert answer["error"] == "invalid_blocks"
    (message,) = answer["response_metadata"]["messages"]
    assert message.startswith("[ERROR] ")
    assert fault in message
    assert answer["errors"] == [message.removeprefix("[ERROR] ")]
    assert api.server.messages("#incidents") == []


@pytest.mark.parametrize(
    "block",
    [
        section(fields=[mrkdwn("a")] * 10, accessory=button()),
        {"type": "divider"},
        {"type": "header", "text": plain("h" * 150)},
        actions(*[button(action_id=str(n)) for n in range(25)]),
        {"type": "markdown", "text": "m" * 12_000},
        {"type": "table", "rows": [[{"type": "raw_number", "value": 1, "text": "1"}]] * 100},
        {"type": "alert", "text": mrkdwn("*down*"), "level": "error"},
        {"type": "card", "title": mrkdwn("c"), "actions": [button()]},
        {"type": "container", "title": plain("c"), "child_blocks": [section()]},
        {"type": "carousel", "elements": [{"type": "card", "title": plain("c")}]},
        {
            "type": "plan",
            "title": "P",
            "tasks": [{"type": "task_card", "task_id": "1", "title": "T", "status": "pending"}],
        },
        {
            "type": "context_actions",
            "elements": [
                {
                    "type": "feedback_buttons",
                    "action_id": "f",
                    "positive_button": {"text": plain("+"), "value": "p"},
                    "negative_button": {"text": plain("-"), "value": "n"},
                }
            ],
        },
    ],
)
async def test_blocks_at_their_limits_are_accepted(api: Api, block: Json) -> None:
    answer = await api("chat.postMessage", **HERE, text="t", blocks=[block])
    assert answer["ok"], answer
    assert answer["message"]["blocks"][0]["block_id"]


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("chat.scheduleMessage", {}, "unknown_method"),
        ("chat.postMessage", {}, "invalid_arguments"),
        ("chat.postMessage", HERE, "no_text"),
        ("chat.postMessage", {"channel": "C404", "text": "t"}, "channel_not_found"),
        ("chat.postMessage", {**HERE, "text": "t", "blocks": [{"type": "divider"}] * 51},
         "invalid_blocks"),
        ("chat.postMessage", {**HERE, "text": "t", "blocks": "not json"}, "invalid_blocks_format"),
        ("chat.postMessage", {**HERE, "text": "t", "markdown_text": "m"}, "markdown_text_conflict"),
        ("chat.postMessage", {**HERE, "text": "t", "metadata": {"event_type": "e"}},
         "invalid_metadata_format"),
        ("chat.postMessage", {**HERE, "text": "t", "thread_ts": "1.000000"}, "thread_not_found"),
        ("chat.postMessage", {**HERE, "text": "t", "username": "boss"}, "missing_scope"),
        ("chat.update", {**HERE, "ts": "1.000000", "text": "t"}, "message_not_found"),
        ("chat.delete", {**HERE, "ts": "1.000000"}, "message_not_found"),
        ("chat.postEphemeral", {**HERE, "user": STRANGER, "text": "t"}, "user_not_in_channel"),
        ("chat.getPermalink", {**HERE, "message_ts": "1.000000"}, "message_not_found"),
        ("conversations.history", {**HERE, "cursor": "%%%"}, "invalid_cursor"),
        ("conversations.history", {**HERE, "limit": 0}, "invalid_limit"),
        ("conversations.history", {**HERE, "oldest": "yesterday"}, "invalid_ts_oldest"),
        ("conversations.replies", {**HERE, "ts": "1.000000"}, "thread_not_found"),
        ("conversations.list", {"types": "private_channel"}, "missing_scope"),
        ("conversations.list", {"types": "rooms"}, "invalid_types"),
        ("conversations.open", {}, "users_list_not_supplied"),
        ("users.info", {"user": "U404"}, "user_not_found"),
        ("users.lookupByEmail", {"email": "no@one"}, "users_not_found"),
        ("usergroups.users.list", {"usergroup": "S404"}, "no_such_subteam"),
        ("views.open", {"trigger_id": "1.2.3", "view": modal(section())}, "invalid_trigger_id"),
        ("views.update", {"view_id": "V404", "view": modal(section())}, "not_found"),
        ("reactions.add", {**HERE, "timestamp": "1.000000", "name": "eyes"}, "message_not_found"),
        ("reactions.add", {**HERE, "timestamp": "1.000000", "name": "Big Eyes"}, "invalid_name"),
        ("files.completeUploadExternal", {"files": [{"id": "F404"}]}, "file_not_found"),
        ("files.getUploadURLExternal", {"filename": "a", "length": "0"}, "missing_argument"),
        ("assistant.threads.setTitle",
         {"channel_id": INCIDENTS, "thread_ts": "1.000000", "title": "t"},
         "method_not_supported_for_channel_type"),
    ],
)  # fmt: skip
async def test_a_wrong_call_is_refused(api: Api, method: str, args: Json, error: str) -> None:
    answer = await api(method, **args)
    assert (answer["ok"], answer["error"]) == (False, error)


async def test_a_missing_argument_is_named(api: Api) -> None:
    answer = await api("chat.update", text="t")
    messages = answer["response_metadata"]["messages"]
    assert messages == [
        "[ERROR] missing required field: channel",
        "[ERROR] missing required field: ts",
    ]


@pytest.mark.parametrize(
    ("method", "token", "error"),
    [
        ("auth.test", "", "not_authed"),
        ("auth.test", "xoxb-somebody-else", "invalid_auth"),
        ("auth.test", "xapp-sandbox-app", "not_allowed_token_type"),
        ("apps.connections.open", "xoxb-sandbox-bot", "not_allowed_token_type"),
    ],
)
async def test_a_wrong_token_is_refused(api: Api, method: str, token: str, error: str) -> None:
    assert (await api(method, token))["error"] == error


async def test_a_missing_scope_is_named_with_what_the_token_has() -> None:
    manifest = json.loads(json.dumps(BUILT_IN))
    manifest["oauth_config"]["scopes"]["bot"] = ["chat:write", "users:read"]
    server = await start_slack(clock=ManualClock(1.79e9), manifest=manifest)
    async with aiohttp.ClientSession() as session:
        api = Api(server, session)
        answer = await api("reactions.add", **HERE, timestamp="1.000000", name="eyes")
        history = await api("conversations.history", **HERE)
        person = await api("users.info", user=ALICE)
    await server.close()
    assert answer["error"] == "missing_scope"
    assert (answer["needed"], answer["provided"]) == ("reactions:write", "chat:write,users:read")
    assert history["needed"] == "channels:history"
    assert "email" not in person["user"]["profile"]


@pytest.mark.parametrize(
    ("view", "fault"),
    [
        (modal(*[section()] * 101), "no more than 100 items allowed [json-pointer:/view/blocks]"),
        ({**modal(section()), "title": plain("t" * 25)}, "must be less than 25 characters"),
        (modal(section(), private_metadata="p" * 3001), "must be less than 3001 characters"),
        (modal(field_of({"type": "plain_text_input"})), "missing required field: submit"),
        (
            modal(field_of({"type": "plain_text_input", "max_length": 3001}), submit=plain("S")),
            "must be between 1 and 3000",
        ),
        (modal({"type": "markdown", "text": "m"}), "unsupported type: markdown (not in a modal)"),
        ({"type": "home", "blocks": []}, "must be a modal here"),
        ({"type": "popup", "blocks": []}, "unsupported type: popup"),
    ],
)
async def test_a_wrong_view_is_refused(api: Api, view: Json, fault: str) -> None:
    trigger = api.server.parts.triggers.mint(ALICE)
    answer = await api("views.open", trigger_id=trigger, view=view)
    assert answer["error"] == "invalid_arguments"
    assert fault in answer["response_metadata"]["messages"][0]


async def test_a_trigger_opens_one_view_and_expires(api: Api) -> None:
    triggers = api.server.parts.triggers
    trigger = triggers.mint(ALICE)
    assert (await api("views.open", trigger_id=trigger, view=modal(section())))["ok"]
    again = await api("views.open", trigger_id=trigger, view=modal(section()))
    assert again["error"] == "exchanged_trigger_id"
    late = triggers.mint(ALICE)
    triggers._seconds = -1.0
    expired = await api("views.open", trigger_id=late, view=modal(section()))
    assert expired["error"] == "expired_trigger_id"


async def test_at_most_three_modals_are_stacked(api: Api) -> None:
    triggers = api.server.parts.triggers
    opened = await api("views.open", trigger_id=triggers.mint(ALICE), view=modal(section()))
    view_id = opened["view"]["id"]
    for _ in range(2):
        trigger = triggers.mint(ALICE, view_id)
        assert (await api("views.push", trigger_id=trigger, view=modal(section())))["ok"]
    trigger = triggers.mint(ALICE, view_id)
    fourth = await api("views.push", trigger_id=trigger, view=modal(section()))
    assert fourth["error"] == "push_limit_reached"


async def test_an_update_with_an_old_hash_is_a_conflict(api: Api) -> None:
    home = {"type": "home", "blocks": [section()]}
    first = (await api("views.publish", user_id=ALICE, view=home))["view"]
    assert (await api("views.publish", user_id=ALICE, view=home, hash=first["hash"]))["ok"]
    stale = await api("views.publish", user_id=ALICE, view=home, hash=first["hash"])
    assert stale["error"] == "hash_conflict"


async def test_the_bot_changes_only_its_own_messages(api: Api) -> None:
    ts = api.server.post_as("alice", "#incidents", "mine")
    changed = await api("chat.update", **HERE, ts=ts, text="yours")
    deleted = await api("chat.delete", **HERE, ts=ts)
    assert (changed["error"], deleted["error"]) == ("cant_update_message", "cant_delete_message")


async def test_a_bot_outside_a_channel_may_not_write_there(api: Api) -> None:
    api.server.remove("sre", "#general")
    answer = await api("chat.postMessage", channel=GENERAL, text="t")
    assert answer["error"] == "not_in_channel"


async def test_an_update_keeps_what_it_does_not_mention(api: Api) -> None:
    meta = {"event_type": "outbox", "event_payload": {"id": "1"}}
    posted = await api("chat.postMessage", **HERE, text="a", blocks=[section()], metadata=meta)
    updated = await api("chat.update", **HERE, ts=posted["ts"], text="b")
    assert updated["message"]["blocks"] == posted["message"]["blocks"]
    assert updated["message"]["metadata"] == meta
    assert updated["message"]["edited"]
    cleared = await api("chat.update", **HERE, ts=posted["ts"], text="b", blocks=[], metadata={})
    assert "blocks" not in cleared["message"]
    assert "metadata" not in cleared["message"]
    long = await api("chat.update", **HERE, ts=posted["ts"], text="b" * 4_001)
    assert long["error"] == "msg_too_long"


async def test_metadata_is_shown_only_when_asked_for(api: Api) -> None:
    meta = {"event_type": "outbox", "event_payload": {"id": "1"}}
    await api("chat.postMessage", **HERE, text="a", metadata=meta)
    silent = await api("conversations.history", **HERE)
    asked = await api("conversations.history", **HERE, include_all_metadata=True)
    assert "metadata" not in silent["messages"][0]
    assert asked["messages"][0]["metadata"] == meta


async def test_history_is_paged_and_bounded(api: Api) -> None:
    stamps = [(await api("chat.postMessage", **HERE, text=str(n)))["ts"] for n in range(5)]
    first = await api("conversations.history", **HERE, limit=2)
    assert [m["text"] for m in first["messages"]] == ["4", "3"]
    cursor = first["response_metadata"]["next_cursor"]
    second = await api("conversations.history", **HERE, limit=2, cursor=cursor)
    assert [m["text"] for m in second["messages"]] == ["2", "1"]
    window = {"oldest": stamps[1], "latest": stamps[3]}
    between = await api("conversations.history", **HERE, **window)
    assert [m["text"] for m in between["messages"]] == ["2"]
    closed = await api("conversations.history", **HERE, **window, inclusive=True)
    assert [m["text"] for m in closed["messages"]] == ["3", "2", "1"]


async def test_every_ts_of_a_channel_is_unique_while_the_clock_stands_still(api: Api) -> None:
    stamps = [(await api("chat.postMessage", **HERE, text="t"))["ts"] for _ in range(4)]
    assert stamps == sorted(set(stamps))


async def test_a_deleted_parent_leaves_a_tombstone(api: Api) -> None:
    parent = (await api("chat.postMessage", **HERE, text="p"))["ts"]
    await api("chat.postMessage", **HERE, text="r", thread_ts=parent)
    assert (await api("chat.delete", **HERE, ts=parent))["ok"]
    thread = await api("conversations.replies", **HERE, ts=parent)
    assert [m.get("subtype") for m in thread["messages"]] == ["tombstone", None]


async def test_a_reply_hangs_on_the_parent_only(api: Api) -> None:
    parent = (await api("chat.postMessage", **HERE, text="p"))["ts"]
    reply = (await api("chat.postMessage", **HERE, text="r", thread_ts=parent))["ts"]
    wrong = await api("chat.postMessage", **HERE, text="rr", thread_ts=reply)
    assert wrong["error"] == "cannot_reply_to_message"
    await api("chat.postMessage", **HERE, text="b", thread_ts=parent, reply_broadcast=True)
    history = await api("conversations.history", **HERE)
    assert [m["text"] for m in history["messages"]] == ["b", "p"]


async def test_reactions_are_counted_once_per_person(api: Api) -> None:
    ts = api.server.post_as("alice", "#incidents", "look")
    place = {**HERE, "timestamp": ts, "name": "eyes"}
    assert (await api("reactions.add", **place))["ok"]
    assert (await api("reactions.add", **place))["error"] == "already_reacted"
    api.server.react("bob", "#incidents", ts, "eyes")
    shown = await api("reactions.get", **HERE, timestamp=ts)
    assert shown["message"]["reactions"][0]["count"] == 2
    assert (await api("reactions.remove", **place))["ok"]
    assert (await api("reactions.remove", **place))["error"] == "no_reaction"


async def test_a_stream_needs_its_recipient_and_its_time(api: Api) -> None:
    ts = api.server.post_as("alice", "#incidents", "why?")
    place = {**HERE, "thread_ts": ts}
    person = {"recipient_team_id": TEAM_ID, "recipient_user_id": ALICE}
    assert (await api("chat.startStream", **place))["error"] == "missing_recipient_team_id"
    meta = {"event_type": "e", "event_payload": {}}
    refused = await api("chat.startStream", **place, **person, metadata=meta)
    assert refused["error"] == "invalid_arguments"
    stream = (await api("chat.startStream", **place, **person, markdown_text="so"))["ts"]
    early = await api("chat.update", **HERE, ts=stream, text="t")
    assert early["error"] == "streaming_state_conflict"
    api.server.parts.stream_seconds = 0.0
    second = api.server.post_as("alice", "#incidents", "and now?")
    place = {**HERE, "thread_ts": second}
    stream = (await api("chat.startStream", **place, **person, markdown_text="so"))["ts"]
    await api.server.wait_for(lambda: not api.server.thread("#incidents", second)[1]["streaming"])
    late = await api("chat.appendStream", **HERE, ts=stream, markdown_text="!")
    assert late["error"] == "message_not_in_streaming_state"
    stopped = await api("chat.stopStream", **HERE, ts=stream)
    assert stopped["error"] == "message_not_in_streaming_state"
    assert (await api("chat.update", **HERE, ts=stream, text="done"))["ok"]


async def test_task_details_are_appended_and_titles_replaced(api: Api) -> None:
    ts = api.server.post_as("alice", "dm", "why?")
    place = {"channel": api.server.channel_id("dm")}
    stream = (await api("chat.startStream", **place, thread_ts=ts))["ts"]
    for title, details in (("Looking", "a"), ("Looked", "b")):
        task = {"type": "task_update", "id": "1", "title": title, "status": "complete"}
        chunk = task | {"details": details}
        assert (await api("chat.appendStream", **place, ts=stream, chunks=[chunk]))["ok"]
    (shown,) = api.server.thread("dm", ts)[1]["tasks"]
    assert (shown["title"], shown["details"]) == ("Looked", "ab")


async def test_a_response_url_works_five_times(api: Api) -> None:
    url = api.server.deeds.responses.url(INCIDENTS, ALICE)
    statuses = []
    for _ in range(6):
        async with api.session.post(url, json={"text": "note"}) as answer:
            statuses.append(answer.status)
    assert statuses == [200, 200, 200, 200, 200, 404]
    assert len(api.server.ephemerals("alice", "#incidents")) == 5
    assert api.server.messages("#incidents") == []


async def test_an_upload_of_another_length_is_refused(api: Api) -> None:
    promised = await api("files.getUploadURLExternal", filename="a.png", length=4)
    async with api.session.post(promised["upload_url"], data=b"too long") as answer:
        assert answer.status == 400
    done = await api("files.completeUploadExternal", files=[{"id": promised["file_id"]}])
    assert done["error"] == "file_not_found"


async def test_arguments_arrive_by_query_form_and_json_alike(api: Api) -> None:
    url = api.server.api_url + "chat.postMessage"
    form = {"channel": INCIDENTS, "blocks": json.dumps([section()]), "token": api.server.bot_token}
    async with api.session.post(url, params={"text": "t"}, data=form) as answer:
        assert (await answer.json())["ok"]
    async with api.session.post(
        url, data=b"{", headers={"Content-Type": "application/json"}
    ) as bad:
        assert (await bad.json())["error"] == "invalid_json"


async def test_trouble_comes_on_demand(api: Api) -> None:
    await api.page("_test/rate_limit", method="auth.test", count=1, retry_after=7)
    async with api.session.post(api.server.api_url + "auth.test") as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (429, "7")
    await api.page("_test/fail", method="auth.test", count=1, error="fatal_error")
    assert (await api("auth.test"))["error"] == "fatal_error"
    await api.page("_test/fail", method="auth.test", count=1, status=503)
    async with api.session.post(api.server.api_url + "auth.test") as answer:
        assert answer.status == 503
    assert (await api("auth.test"))["ok"]


async def test_people_show_who_is_guest_stranger_and_approver(api: Api) -> None:
    members = {m["name"]: m for m in (await api("users.list"))["members"]}
    assert members["gita"]["is_restricted"]
    assert members["sam"]["is_stranger"]
    assert members["sam"]["team_id"] != TEAM_ID
    group = await api("usergroups.users.list", usergroup="S0ONCALL1")
    assert group["users"] == [ALICE, BOB]


# ---------------------------------------------------------------------------- the page's protocol


async def test_the_page_learns_where_it_is(api: Api) -> None:
    state = await api.ask("state", user=CAROL)
    assert [c["name"] for c in state["channels"]] == [
        "incidents", "sre-digest", "general", "SRE Agent",
    ]  # fmt: skip
    assert [p["name"] for p in state["people"]] == ["alice", "bob", "carol"]
    assert state["bot"]["connected"] is False
    assert "/sre" in [c["command"] for c in state["commands"]]


async def test_typed_names_become_ids_and_markup_stays_text(api: Api) -> None:
    text = "@sre ask @Alice Chen in #incidents <img onerror=x> & mail a@bob.example"
    posted = await api.page("post", user=BOB, channel=INCIDENTS, text=text)
    (message,) = (await api.ask("messages", user=BOB, channel=INCIDENTS))["messages"]
    assert message["ts"] == posted["ts"]
    assert message["text"] == (
        f"<@U0SREBOT1> ask <@{ALICE}> in <#{INCIDENTS}> "
        "&lt;img onerror=x&gt; &amp; mail a@bob.example"
    )


async def test_unread_counts_until_the_channel_is_looked_at(api: Api) -> None:
    await api("chat.postMessage", **HERE, text="news")
    unread = {c["name"]: c["unread"] for c in (await api.ask("state", user=ALICE))["channels"]}
    assert unread["incidents"] == 1
    await api.ask("messages", user=ALICE, channel=INCIDENTS)
    unread = {c["name"]: c["unread"] for c in (await api.ask("state", user=ALICE))["channels"]}
    assert unread["incidents"] == 0


async def test_commands_do_not_run_in_threads(api: Api) -> None:
    ts = api.server.post_as("alice", "#incidents", "look")
    answer = await api.page("post", user=ALICE, channel=INCIDENTS, text="/sre hi", thread_ts=ts)
    assert "no slash commands inside threads" in answer["error"]
    unknown = await api.page("post", user=ALICE, channel=INCIDENTS, text="/deploy")
    assert "'/deploy' is not a command here; known are /ask" in unknown["error"]


@pytest.mark.parametrize(
    ("path", "body", "sentence"),
    [
        ("post", {"user": ALICE, "channel": INCIDENTS}, "missing field 'text'"),
        ("post", {"user": STRANGER, "channel": INCIDENTS, "text": "x"}, "invite them first"),
        ("post", {"user": ALICE, "channel": "C404", "text": "x"}, "channel_not_found"),
        ("action", {"user": ALICE, "channel": INCIDENTS, "message_ts": "1.000000",
                    "action": {"action_id": "a"}}, "reload the page"),
        ("view_submit", {"user": ALICE, "view_id": "V404"}, "not_found"),
        ("shortcut", {"user": ALICE, "channel": INCIDENTS, "message_ts": "1.000000",
                      "callback_id": "nope"}, "no shortcut 'nope'"),
    ],
)  # fmt: skip
async def test_a_wrong_page_call_gets_one_clear_line(
    api: Api, path: str, body: Json, sentence: str
) -> None:
    answer = await api.page(path, **body)
    assert answer["ok"] is False
    assert sentence in answer["error"]


async def test_another_site_cannot_click_for_a_person(api: Api) -> None:
    body = {"user": ALICE, "channel": INCIDENTS, "text": "x"}
    url, foreign = f"{api.server.url}/ui/post", {"Origin": "https://evil.example"}
    async with api.session.post(url, json=body, headers=foreign) as answer:
        assert answer.status == 403
    async with api.session.post(url, data=json.dumps(body).encode()) as answer:
        assert answer.status == 415
    assert api.server.messages("#incidents") == []


async def test_the_page_hears_of_messages_edits_reactions_and_deletions(api: Api) -> None:
    async with api.session.ws_connect(f"{api.server.url}/ui/ws?user={BOB}") as socket:
        assert (await socket.receive_json())["type"] == "clock"
        ts = (await api("chat.postMessage", **HERE, text="one"))["ts"]
        await api("chat.update", **HERE, ts=ts, text="two")
        await api("reactions.add", **HERE, timestamp=ts, name="eyes")
        await api("chat.delete", **HERE, ts=ts)
        heard = []
        async with asyncio.timeout(PATIENCE):
            while "message_deleted" not in heard:
                heard.append((await socket.receive_json())["type"])
    assert heard == ["message", "unread", "message_changed", "reaction", "message_deleted"]


async def test_a_port_in_use_is_an_error(api: Api) -> None:
    port = int(api.server.url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        await start_slack("127.0.0.1", port, clock=ManualClock(1.79e9), manifest=BUILT_IN)
