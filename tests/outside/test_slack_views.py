"""How people meet the app: an agent's messages, or the assistant pane of apps made earlier.

docs.slack.dev/ai/migrating-to-agent-messaging and docs.slack.dev/reference/app-manifest, read
27 November 2026: a new app has `agent_view`; `assistant_view` goes on for now and ends some day; an
app has one of them. In an agent's messages no thread is begun by Slack: `app_home_opened` with the
tab `messages` tells that somebody came, and a thread hangs on what that person writes.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.domain.ids import ChannelId, Ts, UserId
from bot.domain.place import Place
from bot.domain.run import Running
from bot.slack.ids import EventType
from bot.slack.interactions import EVENT
from bot.slack.listeners.table import LISTENERS
from bot.store.store import SqlStore
from sandbox.slack.chat.people import ALICE, INCIDENTS
from sandbox.slack.manifest import EVENT_SCOPES, read_manifest
from tests.architecture.source import ROOT
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import a_run
from tests.fixtures.shift import Shift, buttons, local_slack, our_manifest
from tests.patience import PATIENCE

PAGE = (ROOT / "docs" / "connect-slack.md").read_text(encoding="utf-8")
OF_CHANNELS = {"message.channels", "message.groups", "message.mpim"}


def for_assistants() -> dict[str, Any]:
    """Return our manifest with the parts that the page tells older apps to keep."""
    (fragment,) = [
        part
        for part in (yaml.safe_load(p) for p in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
        if "assistant_view" in str(part)
    ]
    manifest = our_manifest()
    del manifest["features"]["agent_view"]
    manifest["features"] |= fragment["features"]
    manifest["settings"]["event_subscriptions"] = fragment["settings"]["event_subscriptions"]
    return manifest


@asynccontextmanager
async def a_shift(store: SqlStore, folder: Path, manifest: dict[str, Any]) -> AsyncIterator[Shift]:
    clock = FakeClock()
    async with local_slack(clock, manifest) as slack:
        shift = Shift(store, folder, slack, clock)
        async with shift.running():
            yield shift
        await shift.idle()


@pytest.mark.parametrize("manifest", [our_manifest(), for_assistants()], ids=["agent", "assistant"])
async def test_who_opens_the_messages_is_offered_questions_and_answered_in_a_thread(
    store: SqlStore, tmp_path: Path, manifest: dict[str, Any]
) -> None:
    async with a_shift(store, tmp_path, manifest) as shift:
        channel, thread = shift.slack.open_assistant("alice")
        offered = await shift.wait_for(lambda: shift.slack.pushed("alice", "suggested_prompts"))
        assert (offered[0]["channel"], offered[0]["thread_ts"]) == (channel, thread or None)
        assert len(offered[0]["prompts"]) == 4
        asked = shift.slack.post_as("alice", "dm", "is all well?", thread or None)
        shown = await shift.answer_in(thread or asked, "dm")
        assert shown["thread_ts"] == (thread or asked)


async def test_slacks_own_stop_button_stops_the_run_of_its_thread(
    store: SqlStore, tmp_path: Path
) -> None:
    async with a_shift(store, tmp_path, our_manifest()) as shift:
        ts = shift.slack.post_as("alice", "#incidents", "why?")
        run = a_run(place=Place(ChannelId(INCIDENTS), Ts(ts)), asked_by=UserId(ALICE))
        async with store.begin() as tx:
            assert await tx.runs.start(run)
        shift.slack.stop_agent("alice", "#incidents", ts)
        asked = None
        async with asyncio.timeout(PATIENCE):
            while asked is None:
                await asyncio.sleep(0.01)
                async with store.begin() as tx:
                    now = await tx.runs.get(run.id)
                assert isinstance(now, Running)
                asked = now.stop_requested_at


@pytest.mark.parametrize("manifest", [our_manifest(), for_assistants()], ids=["agent", "assistant"])
def test_an_app_is_sent_what_we_listen_to_and_no_channels_messages(
    manifest: dict[str, Any],
) -> None:
    read = read_manifest(manifest)
    assert not read.events & OF_CHANNELS
    assert {event for event in read.events if not read.receives(event)} == set()
    assert read.events <= EVENT_SCOPES.keys()
    heard = {"message" if event.startswith("message.") else event for event in read.events}
    assert heard <= LISTENERS.names(EVENT)


def test_everything_we_listen_to_comes_with_one_of_the_two_views() -> None:
    sent = read_manifest(our_manifest()).events | read_manifest(for_assistants()).events
    assert {"message" if e.startswith("message.") else e for e in sent} == set(EventType)


def test_no_app_has_both_views() -> None:
    manifest = our_manifest()
    manifest["features"]["assistant_view"] = {"assistant_description": "Answers"}
    with pytest.raises(ValueError, match="never both"):
        read_manifest(manifest)


async def test_a_thread_goes_on_though_its_history_cannot_be_read(
    store: SqlStore, tmp_path: Path
) -> None:
    """bolt-js-assistant-template #41: one call of `conversations.replies` a minute."""
    async with a_shift(store, tmp_path, our_manifest()) as shift:
        for method in ("conversations.history", "conversations.replies"):
            shift.slack.fail(method, 1_000, error="ratelimited")
        ts = shift.slack.post_as("alice", "#incidents", "@sre is all well?")
        first = await shift.answer_in(ts)
        shift.slack.post_as("alice", "#incidents", "@sre and the hour before?", ts)
        second = await shift.wait_for(lambda: _finished_after(shift, ts, first["ts"]))
        before, after = await shift.runs()
        async with store.begin() as tx:
            seen = {str(each.id) for each in await tx.evidence.of_run(before.id)}
            new = {str(each.id) for each in await tx.evidence.of_run(after.id)}
    assert second["ts"] != first["ts"]
    assert (before.place, bool(seen), bool(new)) == (after.place, True, True)
    assert not seen & new, "the thread's evidence was numbered anew"


def _finished_after(shift: Shift, ts: str, earlier: str) -> dict[str, Any] | None:
    replies = shift.slack.thread("#incidents", ts)[1:]
    done = (m for m in replies if m["ts"] > earlier and not m["streaming"] and buttons(m))
    return next(done, None)
