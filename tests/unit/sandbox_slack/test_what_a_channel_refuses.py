"""Channels, threads, streams and files of the local Slack say no where Slack's documentation does.

docs.slack.dev/reference/methods, each method's page, read 27 November 2026.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.slack.chat.people import ALICE, BOB, CAROL, GENERAL, GUEST, INCIDENTS, TEAM_ID
from sandbox.slack.manifest import BUILT_IN
from tests.unit.sandbox_slack.conftest import Api, Json, an_api

HERE = {"channel": INCIDENTS}
FOR_ALICE = {"recipient_team_id": TEAM_ID, "recipient_user_id": ALICE}
MANAGING = [
    *BUILT_IN["oauth_config"]["scopes"]["bot"], "channels:manage", "usergroups:write",
]  # fmt: skip
MANAGER = {**BUILT_IN, "oauth_config": {"scopes": {"bot": MANAGING}}}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with an_api(MANAGER, file_seconds=0.0) as made:
        yield made


async def a_stream(api: Api, **more: Any) -> Json:
    ts = api.server.post_as("alice", "#incidents", "why?")
    return await api("chat.startStream", **HERE, thread_ts=ts, **FOR_ALICE, **more)


def prose(text: str) -> Json:
    return {"type": "markdown_text", "text": text}


def task(**more: Any) -> Json:
    return {"type": "task_update", "id": "1", "title": "T", "status": "complete", **more}


def dividers(count: int) -> Json:
    return {"type": "blocks", "blocks": [{"type": "divider"}] * count}


async def test_nothing_is_posted_to_an_archived_channel(api: Api) -> None:
    parent = (await api("chat.postMessage", **HERE, text="p"))["ts"]
    assert (await api("conversations.archive", **HERE))["ok"]
    calls: list[tuple[str, Json]] = [
        ("chat.postMessage", {"text": "t"}),
        ("chat.postEphemeral", {"text": "t", "user": ALICE}),
        ("chat.startStream", {"thread_ts": parent, **FOR_ALICE}),
        ("chat.update", {"ts": parent, "text": "t"}),
        ("reactions.add", {"timestamp": parent, "name": "eyes"}),
        ("conversations.invite", {"users": CAROL}),
        ("conversations.archive", {}),
    ]
    errors = [(await api(method, **HERE, **args))["error"] for method, args in calls]
    assert errors == [*["is_archived"] * 3, "is_inactive", *["is_archived"] * 2, "already_archived"]
    shown = (await api("conversations.info", **HERE))["channel"]
    assert shown["is_archived"]
    listed = await api("conversations.list", exclude_archived=True)
    assert INCIDENTS not in [c["id"] for c in listed["channels"]]
    assert [m["text"] for m in (await api("conversations.history", **HERE))["messages"]] == ["p"]


@pytest.mark.parametrize(
    ("posting", "top", "reply"),
    [
        ("read_only", "restricted_action_read_only_channel", "restricted_action_read_only_channel"),
        ("thread_only", "restricted_action_thread_only_channel", None),
        ("non_threadable", None, "restricted_action_non_threadable_channel"),
    ],
)
async def test_a_channel_may_allow_some_posts_only(
    api: Api, posting: str, top: str | None, reply: str | None
) -> None:
    parent = api.server.post_as("alice", "#incidents", "p")
    api.server.restrict("#incidents", posting)
    assert (await api("chat.postMessage", **HERE, text="t")).get("error") == top
    answer = await api("chat.postMessage", **HERE, text="t", thread_ts=parent)
    assert answer.get("error") == reply


async def test_a_locked_thread_takes_no_reply_no_stream_and_no_reaction(api: Api) -> None:
    parent = api.server.post_as("alice", "#incidents", "p")
    api.server.lock_thread("#incidents", parent)
    reply = await api("chat.postMessage", **HERE, text="t", thread_ts=parent)
    stream = await api("chat.startStream", **HERE, thread_ts=parent, **FOR_ALICE)
    reaction = await api("reactions.add", **HERE, timestamp=parent, name="eyes")
    locked = "restricted_action_thread_locked"
    assert [reply["error"], stream["error"], reaction["error"]] == [locked, locked, "thread_locked"]
    assert (await api("chat.postMessage", **HERE, text="beside it"))["ok"]


async def test_without_a_messages_tab_nobody_is_written_to() -> None:
    features = {**BUILT_IN["features"], "app_home": {"home_tab_enabled": True}}
    async with an_api({**BUILT_IN, "features": features}) as api:
        answer = await api("chat.postMessage", channel=ALICE, text="t")
    assert answer["error"] == "messages_tab_disabled"


async def test_a_long_text_is_cut_and_that_is_said(api: Api) -> None:
    answer = await api("chat.postMessage", **HERE, text="t" * 40_001)
    assert len(answer["message"]["text"]) == 40_000
    assert answer["response_metadata"]["warnings"] == ["message_truncated"]


@pytest.mark.parametrize(
    ("start", "then", "error"),
    [
        ({"chunks": [prose("a")], "markdown_text": "b"}, None,
         "cannot_provide_both_markdown_text_and_chunks"),
        ({"chunks": [prose("a")]}, {"markdown_text": "b"}, "streaming_mode_mismatch"),
        ({"markdown_text": "a"}, {"chunks": [prose("b")]}, "streaming_mode_mismatch"),
        ({"chunks": [prose("a")]}, {"chunks": [prose("b")], "markdown_text": ""},
         "cannot_provide_both_markdown_text_and_chunks"),
        ({"chunks": [prose("a")]}, {}, "markdown_text_or_chunks_required"),
        ({"chunks": [prose("a")]}, {"chunks": []}, "markdown_text_or_chunks_required"),
        ({"chunks": [task(title="t" * 257)]}, None, "invalid_chunks"),
        ({"chunks": [task(details="t" * 257)]}, None, "invalid_chunks"),
        ({"chunks": [task(output="t" * 257)]}, None, "invalid_chunks"),
        ({"chunks": [task(status="done")]}, None, "invalid_chunks"),
        ({"chunks": [{"type": "poem"}]}, None, "invalid_chunks"),
        ({"chunks": [dividers(30)]}, {"chunks": [dividers(21)]}, "msg_blocks_too_many"),
        ({"markdown_text": "m" * 12_001}, None, "msg_too_long"),
        ({"task_display_mode": "list"}, None, "invalid_arguments"),
    ],
)  # fmt: skip
async def test_a_stream_is_refused(api: Api, start: Json, then: Json | None, error: str) -> None:
    answer = await a_stream(api, **start)
    if then is not None:
        assert answer["ok"], answer
        answer = await api("chat.appendStream", **HERE, ts=answer["ts"], **then)
    assert answer["error"] == error


async def test_a_stream_at_its_limits_is_accepted(api: Api) -> None:
    full = task(title="t" * 256, details="d" * 256, output="o" * 256)
    stream = await a_stream(api, chunks=[full, dividers(50)], task_display_mode="plan")
    done = await api(
        "chat.stopStream", **HERE, ts=stream["ts"], blocks=[{"type": "divider"}] * 50,
        chunks=[prose("p" * 12_000)],
    )  # fmt: skip
    assert done["ok"], done
    more = await a_stream(api, chunks=[prose("a")])
    many = await api(
        "chat.stopStream", **HERE, ts=more["ts"], blocks=[{"type": "divider"}] * 51
    )  # fmt: skip
    assert many["error"] == "msg_blocks_too_many"


async def test_an_agent_that_was_stopped_adds_nothing_more(api: Api) -> None:
    parent = api.server.post_as("alice", "#incidents", "why?")
    place = {**HERE, "thread_ts": parent}
    ts = (await api("chat.startStream", **place, **FOR_ALICE, chunks=[prose("a")]))["ts"]
    assert api.server.stop_agent("alice", "#incidents", parent) == [ts]
    more = await api("chat.appendStream", **HERE, ts=ts, chunks=[prose("b")])
    assert more["error"] == "stopped_by_user"
    assert (await api("chat.update", **HERE, ts=ts, text="stopped"))["ok"]


@pytest.mark.parametrize(
    ("method", "args", "error"),
    [
        ("conversations.create", {"name": "Big"}, "invalid_name_specials"),
        ("conversations.create", {"name": "n" * 81}, "invalid_name_maxlength"),
        ("conversations.create", {"name": "--"}, "invalid_name_punctuation"),
        ("conversations.create", {"name": "incidents"}, "name_taken"),
        ("conversations.invite", {**HERE, "users": ""}, "no_user"),
        ("conversations.invite", {**HERE, "users": "U404"}, "user_not_found"),
        ("conversations.invite", {**HERE, "users": BOB}, "already_in_channel"),
        ("conversations.archive", {"channel": GENERAL}, "cant_archive_general"),
        ("conversations.archive", {"channel": "C404"}, "channel_not_found"),
        ("usergroups.users.update", {"usergroup": "S0ONCALL1"}, "no_users_provided"),
        ("usergroups.users.update", {"usergroup": "S0ONCALL1", "users": "U404"}, "invalid_users"),
        ("usergroups.users.update", {"usergroup": "S404", "users": BOB}, "no_such_subteam"),
        ("files.getUploadURLExternal", {"filename": "a", "length": 1, "alt_txt": "a" * 1_001},
         "alt_txt_too_large"),
        ("files.completeUploadExternal", {"files": [{"id": "F1"}], "channels": "C1," * 101},
         "channels_limit_exceeded"),
        ("reactions.add", {**HERE, "timestamp": "now", "name": "eyes"}, "bad_timestamp"),
        ("assistant.threads.setStatus",
         {"channel_id": INCIDENTS, "thread_ts": "1.000000", "status": "s"}, "invalid_thread_ts"),
    ],
)  # fmt: skip
async def test_a_call_is_refused_in_the_documented_word(
    api: Api, method: str, args: Json, error: str
) -> None:
    assert (await api(method, **args))["error"] == error


async def test_a_channel_is_made_filled_and_archived(api: Api) -> None:
    made = (await api("conversations.create", name="inc-2026-0007"))["channel"]
    place = {"channel": made["id"]}
    forced = await api("conversations.invite", **place, users=f"{ALICE},U404,{GUEST}", force=True)
    assert forced["channel"]["num_members"] == 3
    assert (await api("chat.postMessage", **place, text="begun"))["ok"]
    group = await api("usergroups.users.update", usergroup="S0ONCALL1", users=CAROL)
    assert group["usergroup"]["users"] == [CAROL]
    listed = await api("usergroups.list", include_users=True)
    assert {g["handle"]: g["users"] for g in listed["usergroups"]}["oncall"] == [CAROL]


async def test_what_changes_channels_needs_its_scope() -> None:
    async with an_api() as api:
        answer = await api("conversations.create", name="inc")
    assert (answer["error"], answer["needed"]) == ("missing_scope", "channels:manage")
