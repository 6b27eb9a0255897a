"""Slack as people met it in production, against a local Slack that is as strict.

Files (python-slack-sdk #1521, node-slack-sdk #1865 and #2040, read 26 November 2026): an upload
that is complete is looked through for a while. Until then `files.info` names no media type, and a
message whose block shows the file is refused: `invalid_blocks`, `invalid slack file`.

Enterprise Grid (api.slack.com/types/user and api.slack.com/enterprise-grid, read 27 November 2026):
a person has one home workspace in `team_id` and may work in several of the same organisation; an
`enterprise_user` lists these. Who comes through Slack Connect is in none of ours. An app of a whole
organisation names a workspace to some methods, and `auth.teams.list` tells which it was given
(api.slack.com/enterprise/apps/changes-apis, read 27 November 2026).

Refusals (docs.slack.dev/reference/methods/chat.postMessage, read 27 November 2026): the list of
error words is open, others may come, and after `internal_error` and `fatal_error` the message may
be there all the same.

Edits (bolt-js #960, slack-go #961, read 27 November 2026): a mention that its author edits comes
again as an `app_mention` with a new event id, the same `ts`, and `edited`.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from slack_sdk.errors import SlackApiError

from bot.core.ports import Person
from bot.domain.access import AccessConfig, Role
from bot.domain.ids import AnomalyId, ChannelId, Ts, UserId
from bot.domain.place import Place
from bot.slack.delivery import outbox as worker
from sandbox.slack.chat.people import (
    ALICE,
    BOB,
    BOT_USER_ID,
    CAROL,
    DIGEST,
    INCIDENTS,
    ONCALL_GROUP,
    OTHER_TEAM_ID,
    TEAM_ID,
)
from tests.fixtures.nouns import a_finding, a_verdict, an_anomaly
from tests.fixtures.shift import PLACE, Shift
from tests.patience import PATIENCE

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8ffff3f0005fe02fea735813d0000000049454e44ae426082"
)
NEVER = 1e9


async def tell(shift: Shift) -> None:
    """Keep a critical finding with a chart, and ask for its message."""
    now = shift.clock.now()
    seen = replace(a_verdict(), at=now, started_at=now)
    async with shift.store.begin() as tx:
        await tx.anomalies.save(replace(an_anomaly(), first=seen, latest=seen, worst=seen))
        finding = replace(a_finding(), chart="CHT-1", opened_at=now, place=Place(PLACE.channel))
        await tx.findings.save(replace(finding, anomalies=(AnomalyId(an_anomaly().id),)))
        await tx.charts.save("CHT-1", PNG, "Chart of p99", now)
        key = f"finding:{finding.id}"
        await tx.outbox.post(key, "finding", finding.id, Place(PLACE.channel))


def pictures(message: dict[str, Any]) -> list[str]:
    return [block["alt_text"] for block in message["blocks"] if block["type"] == "image"]


async def told(shift: Shift, words: str = "order_latency_p99", *, chart: bool) -> dict[str, Any]:
    """Wait until the one message of the channel says it, with or without its chart."""

    def look() -> dict[str, Any] | None:
        for message in shift.slack.messages("#incidents"):
            if words in str(message["blocks"]) and bool(pictures(message)) is chart:
                return message
        return None

    message = await shift.wait_for(look)
    assert len(shift.slack.messages("#incidents")) == 1
    return message


async def later(shift: Shift) -> None:
    """Let the time come at which a late chart is tried again."""
    waits = False
    async with asyncio.timeout(PATIENCE):
        while not waits:
            async with shift.store.begin() as tx:
                (row,) = await tx.outbox.of("finding", a_finding().id)
                waits = row.ts is not None and await tx.outbox.backlog() > 0
            await asyncio.sleep(0.01)
    shift.clock.advance(seconds=worker.CHART_LATER.total_seconds() + 1)
    shift.room.outbox.wake()


async def test_a_finding_is_told_at_once_and_its_late_chart_follows(shift: Shift) -> None:
    shift.slack.parts.files.late_seconds = NEVER
    await tell(shift)
    async with shift.running():
        before = await told(shift, chart=False)
        shift.slack.parts.files.look_through()
        await later(shift)
        after = await told(shift, chart=True)
    assert pictures(after) == ["Chart of p99"]
    assert after["ts"] == before["ts"]
    assert [name for name, _ in shift.slack.calls].count("files.completeUploadExternal") == 1


async def test_what_is_new_is_not_held_back_by_a_chart_that_never_comes(shift: Shift) -> None:
    shift.slack.parts.files.late_seconds = NEVER
    await tell(shift)
    async with shift.running() as room:
        await told(shift, chart=False)
        async with shift.store.begin() as tx:
            finding = await tx.findings.get(a_finding().id)
            await tx.findings.save(replace(finding, conclusion="It was the release."))
            await tx.outbox.refresh("finding", finding.id)
        await later(shift)
        await told(shift, "It was the release.", chart=False)
        shift.clock.advance(minutes=11)
        await later(shift)
        await told(shift, "could not be uploaded", chart=False)
        await room.outbox.stop()
        async with shift.store.begin() as tx:
            assert await tx.outbox.backlog() == 0  # nobody waits for it any more


@pytest.mark.parametrize("method", ["files.getUploadURLExternal", "files.info"])
async def test_a_finding_is_told_though_nothing_of_its_chart_works(
    shift: Shift, method: str
) -> None:
    shift.slack.fail(method, 1, error="internal_error")
    await tell(shift)
    async with shift.running():
        await told(shift, chart=False)
        await later(shift)
        await told(shift, chart=True)


async def test_an_installation_without_the_new_scope_tries_and_tells_all_the_same(
    shift: Shift,
) -> None:
    """node-slack-sdk #1620: without `files:read` the file arrives, and its look-up is refused."""
    shift.slack.fail("files.info", 100, error="missing_scope")
    shift.slack.parts.files.late_seconds = NEVER
    await tell(shift)
    async with shift.running():
        await told(shift, chart=False)
        shift.slack.parts.files.look_through()
        await later(shift)
        await told(shift, chart=True)


@pytest.mark.parametrize(
    ("home", "teams", "stranger", "external"),
    [
        (TEAM_ID, (), False, False),
        (OTHER_TEAM_ID, (), False, True),
        (OTHER_TEAM_ID, (OTHER_TEAM_ID, TEAM_ID), False, False),
        (OTHER_TEAM_ID, (OTHER_TEAM_ID,), False, True),
        (OTHER_TEAM_ID, (OTHER_TEAM_ID, TEAM_ID), True, True),
    ],
    ids=["ours", "a partner", "a colleague", "a partner's Grid", "a stranger whatever it lists"],
)
async def test_a_colleague_of_the_same_organisation_is_not_an_outsider(
    shift: Shift, home: str, teams: tuple[str, ...], *, stranger: bool, external: bool
) -> None:
    people = shift.slack.parts.chat.people
    people[CAROL] = replace(
        people[CAROL], team_id=home, enterprise_teams=teams, is_stranger=stranger
    )
    person = await shift.room.workspace.directory.person(UserId(CAROL))
    assert person.external is external


# --- refusals ------------------------------------------------------------------------------


class Refusing:
    """A Slack that says no to posts in some channels, in threads or with blocks; words by these."""

    def __init__(self, shift: Shift, monkeypatch: pytest.MonkeyPatch) -> None:
        self.words: dict[str, str] = {}
        self.asked = 0
        poster = shift.room.workspace.poster
        self._post = poster.chat_postMessage
        monkeypatch.setattr(poster, "chat_postMessage", self._judge)

    async def _judge(self, **given: Any) -> Any:
        self.asked += 1
        named = [given["channel"]]
        named += ["thread"] if given.get("thread_ts") else []
        named += ["blocks"] if given.get("blocks") else []
        for name in named:
            if name in self.words:
                raise SlackApiError("", {"ok": False, "error": self.words[name]})  # type: ignore[no-untyped-call]
        return await self._post(**given)


@pytest.fixture
def refusing(shift: Shift, monkeypatch: pytest.MonkeyPatch) -> Refusing:
    shift.stand.configure(
        access=AccessConfig({Role.VIEWER: ("*",), Role.ADMIN: (ALICE, BOB, CAROL)})
    )
    shift.join()
    return Refusing(shift, monkeypatch)


async def ask_for(
    shift: Shift, text: str, channel: str = DIGEST, thread: str | None = None
) -> None:
    async with shift.store.begin() as tx:
        place = Place(ChannelId(channel), Ts(thread) if thread else None)
        await tx.outbox.post(f"n:{text}", "notice", text, place, {"text": text})


async def settled(shift: Shift) -> None:
    """Work the outbox off, with all that it tries again within a few seconds."""
    for _ in range(8):
        await shift.room.outbox.drain()
        shift.clock.advance(seconds=2)


def said(shift: Shift, channel: str, user: str = "alice") -> list[str]:
    shown = shift.slack.messages(channel, user=shift.slack.user_id(user))
    return [
        str(message["blocks"] if message.get("blocks") else message["text"]) for message in shown
    ]


@pytest.mark.parametrize("word", ["is_archived", "not_in_channel", "a_word_of_tomorrow"])
async def test_what_a_channel_refuses_is_told_in_the_default_one_and_the_status_says_so(
    shift: Shift, refusing: Refusing, word: str
) -> None:
    refusing.words[DIGEST] = word
    await ask_for(shift, "the disk is full")
    await settled(shift)
    (told,) = said(shift, "#incidents")
    assert "the disk is full" in told
    assert f"meant for <#{DIGEST}>, where Slack does not let me write: {word}." in told
    status = (await shift.bot.vitals.status())["slack outbox"]
    assert f"1 told elsewhere that belong to {DIGEST}" in status
    assert word in status
    assert ("/invite" in status or "invite the bot" in status) is (word != "a_word_of_tomorrow")


async def test_a_channel_that_nobody_knows_is_named_where_its_message_goes(
    shift: Shift, refusing: Refusing
) -> None:
    await ask_for(shift, "lost?", "#incidnets")
    await settled(shift)
    (told,) = said(shift, "#incidents")
    assert "meant for #incidnets" in told
    assert "Did you mean 'incidents'?" in told
    assert refusing.asked == 1


async def test_what_a_thread_refuses_is_told_in_its_channel(
    shift: Shift, refusing: Refusing
) -> None:
    refusing.words["thread"] = "a_word_of_tomorrow"
    await ask_for(shift, "it is over", thread="1700000000.000100")
    await settled(shift)
    (told,) = said(shift, DIGEST)
    assert "it is over" in told
    assert f"belongs to a thread in <#{DIGEST}>" in told


async def test_what_every_channel_refuses_is_told_to_each_admin(
    shift: Shift, refusing: Refusing
) -> None:
    refusing.words |= {DIGEST: "is_archived", INCIDENTS: "is_archived"}
    await ask_for(shift, "the disk is full")
    await settled(shift)
    for admin in ("alice", "bob", "carol"):
        (told,) = said(shift, "dm", admin)
        assert "the disk is full" in told
        assert f"meant for <#{DIGEST}>" in told


async def test_what_no_way_is_left_for_is_in_the_status_and_goes_when_it_is_mended(
    shift: Shift, refusing: Refusing
) -> None:
    shift.slack.fail("conversations.open", 100, error="a_word_of_tomorrow")
    refusing.words |= {DIGEST: "is_archived", INCIDENTS: "is_archived"}
    await ask_for(shift, "the disk is full")
    began = shift.clock.wall()
    await settled(shift)
    status = (await shift.bot.vitals.status())["slack outbox"]
    assert f"1 held back that belong to {DIGEST}, since {began:%Y-%m-%d %H:%M} UTC" in status
    assert "is_archived" in status
    assert "unarchive the channel" in status
    (health,) = [h for h in await shift.bot.vitals.backends() if h.name == "slack outbox"]
    assert (health.word, health.since) == ("degraded", began)
    refusing.words.clear()
    shift.clock.advance(worker.HELD_AGAIN)
    await settled(shift)
    (told,) = said(shift, DIGEST)
    assert "meant for" not in told
    assert "slack outbox" not in await shift.bot.vitals.status()


async def test_a_refused_head_holds_nothing_back_behind_it(
    shift: Shift, refusing: Refusing
) -> None:
    refusing.words["thread"] = "a_word_of_tomorrow"
    await ask_for(shift, "refused", thread="1700000000.000100")
    await ask_for(shift, "behind it")
    await shift.room.outbox.drain()  # nothing is tried a second time yet
    assert ["behind it" in each for each in said(shift, DIGEST)] == [True]


async def test_what_is_meant_for_few_is_told_to_no_wider_circle(
    shift: Shift, refusing: Refusing
) -> None:
    own = {Role.ADMIN: (BOB,), Role.VIEWER: (BOB,)}
    closed = AccessConfig({Role.VIEWER: ("*",), Role.ADMIN: (ALICE,)}, channels={DIGEST: own})
    words = {DIGEST: "is_archived"}
    shift.join(access=closed)
    poster = shift.room.workspace.poster
    post = poster.chat_postMessage

    async def judge(**given: Any) -> Any:
        if given["channel"] in words:
            raise SlackApiError("", {"ok": False, "error": words[given["channel"]]})  # type: ignore[no-untyped-call]
        return await post(**given)

    object.__setattr__(poster, "chat_postMessage", judge)
    await ask_for(shift, "the wallet is empty")
    direct = shift.slack.channel_id("dm", CAROL)
    words[direct] = "a_word_of_tomorrow"
    await ask_for(shift, "between us", direct)
    await settled(shift)
    assert said(shift, "#incidents") == said(shift, "dm", "alice") == []
    (told,) = said(shift, "dm", "bob")
    assert "the wallet is empty" in told
    status = (await shift.bot.vitals.status())["slack outbox"]
    assert f"1 held back that belong to {direct}" in status


async def test_what_slack_hides_from_the_bot_is_told_to_no_wider_circle(
    shift: Shift, refusing: Refusing
) -> None:
    """A public channel is shown to every bot: who is refused its very name was put out of it."""
    hidden = ChannelId("C0PRIVATE")
    refusing.words[hidden] = "channel_not_found"
    await ask_for(shift, "the wallet is empty", hidden)
    shift.room.workspace.book._private.add("#wages")  # seen while the bot was in it
    await ask_for(shift, "nobody was paid", "#wages")
    await settled(shift)
    assert said(shift, "#incidents") == []
    told = " ".join(said(shift, "dm", "alice"))
    assert "the wallet is empty" in told
    assert "nobody was paid" in told
    status = (await shift.bot.vitals.status())["slack outbox"]
    assert "belong to a private channel" in status
    assert "wages" not in status  # every viewer reads it


async def test_a_message_told_elsewhere_is_rewritten_where_it_is_once_the_token_is_mended(
    shift: Shift, refusing: Refusing
) -> None:
    refusing.words[DIGEST] = "is_archived"
    await ask_for(shift, "half of it")
    await settled(shift)
    async with shift.store.begin() as tx:
        await tx.outbox.refresh("notice", "half of it", {"text": "all of it"})
    shift.slack.fail("chat.update", error="token_revoked")
    await settled(shift)
    shift.clock.advance(worker.HELD_AGAIN)
    await settled(shift)
    (told,) = said(shift, "#incidents")
    assert "all of it" in told


async def test_a_message_whose_answer_was_lost_on_its_way_back_is_there_once(
    shift: Shift, refusing: Refusing
) -> None:
    """slack-api-specs #10, openclaw #22780: Slack took it, nobody heard so, it was sent again."""
    shift.slack.lose("chat.postMessage")
    await ask_for(shift, "the disk is full")
    await settled(shift)
    (told,) = said(shift, DIGEST)
    assert "the disk is full" in told
    assert shift.slack.api.switches.lost.get("chat.postMessage", 0) == 0  # it did happen


@pytest.mark.parametrize("word", ["invalid_blocks", "a_word_of_tomorrow"])
async def test_what_is_refused_for_its_blocks_is_told_as_text(
    shift: Shift, refusing: Refusing, word: str
) -> None:
    refusing.words["blocks"] = word
    await tell(shift)
    await ask_for(shift, "in short", INCIDENTS)
    await settled(shift)
    messages = shift.slack.messages("#incidents")
    assert len(messages) == 2
    text = next(m["text"] for m in messages if "in short" not in m["text"])
    assert "order_latency_p99" in text
    assert word in text
    assert not any(message.get("blocks") for message in messages)


async def test_what_may_not_be_rewritten_any_more_is_told_anew(
    shift: Shift, refusing: Refusing
) -> None:
    await ask_for(shift, "it began", INCIDENTS)
    await settled(shift)
    shift.slack.fail("chat.update", 100, error="a_word_of_tomorrow")
    async with shift.store.begin() as tx:
        await tx.outbox.refresh("notice", "it began", {"text": "it is over"})
    await settled(shift)
    assert ["it is over" in each for each in said(shift, "#incidents")] == [False, True]
    assert refusing.asked == 2


@pytest.mark.parametrize("how", ["nobody kept it", "an answer without a file"])
async def test_nothing_that_is_wrong_with_a_chart_keeps_its_message(
    shift: Shift, refusing: Refusing, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nonsense(**_: Any) -> Any:
        return {"ok": True}

    await tell(shift)
    if how == "nobody kept it":
        async with shift.store.begin() as tx:
            finding = await tx.findings.get(a_finding().id)
            await tx.findings.save(replace(finding, chart="CHT-gone"))
    else:
        monkeypatch.setattr(shift.room.workspace.poster, "files_upload_v2", nonsense)
    await shift.room.outbox.drain()
    assert refusing.asked == 1
    assert "order_latency_p99" in said(shift, "#incidents")[0]


async def test_an_answer_is_given_at_once_and_its_late_chart_comes_below_it(shift: Shift) -> None:
    shift.slack.parts.files.late_seconds = NEVER
    async with shift.store.begin() as tx:
        await tx.charts.save("CHT-1", PNG, "Chart of p99", shift.clock.now())
        await tx.outbox.post("chart:RUN-1", "chart", "CHT-1", Place(ChannelId(INCIDENTS)))
    await settled(shift)
    (before,) = shift.slack.messages("#incidents")
    assert pictures(before) == []
    assert "Chart of p99" in before["text"]
    shift.slack.parts.files.look_through()
    await settled(shift)
    (after,) = shift.slack.messages("#incidents")
    assert pictures(after) == ["Chart of p99"]


# --- what people do ------------------------------------------------------------------------


def again(shift: Shift, ts: str, text: str, **more: Any) -> None:
    """Send the event that Slack sends when a mention is edited."""
    event = {
        "type": "app_mention", "user": ALICE, "channel": INCIDENTS, "ts": ts, "event_ts": ts,
        "text": f"<@{BOT_USER_ID}> {text}", "edited": {"user": ALICE, "ts": "1795183300.000000"},
    }  # fmt: skip
    body = {"type": "event_callback", "team_id": TEAM_ID, "event_time": 1_795_183_300, **more}
    shift.slack.parts.socket.send_event({**body, "event_id": f"Ev{text[:8]}{ts}", "event": event})


@pytest.mark.parametrize("ids", [("EvA", "EvB"), ("EvA", "EvA")], ids=["of its own", "the same"])
async def test_a_mention_that_slack_sends_again_is_answered_once(
    shift: Shift, ids: tuple[str, str]
) -> None:
    """node-slack-sdk #2141: one message in up to eleven events, each id new, none marked a retry.

    bolt-js #2487: the same event again within seconds.
    """
    async with shift.running() as room:
        ts = shift.slack.post_as("alice", "#incidents", "good morning")
        event = {
            "type": "app_mention", "user": ALICE, "channel": INCIDENTS, "ts": ts, "event_ts": ts,
            "text": f"<@{BOT_USER_ID}> is shop healthy?",
        }  # fmt: skip
        body = {"type": "event_callback", "team_id": TEAM_ID, "event_time": 1_795_183_300}
        for event_id in ids:
            shift.slack.parts.socket.send_event({**body, "event_id": event_id, "event": event})
        await shift.answer_in(ts)
        await shift.wait_for(lambda: len(delivered(shift, ts)) == len(ids))
        await room.inbox.idle()
    assert len(await shift.runs()) == 1
    assert len(shift.slack.thread("#incidents", ts)) == 2


def delivered(shift: Shift, ts: str) -> list[str]:
    """Return the ids of the events of this message that went out."""
    sent = (envelope["payload"] for envelope in shift.slack.parts.socket.delivered)
    return [body["event_id"] for body in sent if body.get("event", {}).get("ts") == ts]


async def test_a_mention_that_comes_first_as_a_retry_is_answered(shift: Shift) -> None:
    """vercel/chat #666: what was said while nobody was connected comes only as a retry."""
    async with shift.running():
        socket = shift.slack.parts.socket
        ts = shift.slack.post_as("alice", "#incidents", "good morning")
        event = {
            "type": "app_mention", "user": ALICE, "channel": INCIDENTS, "ts": ts, "event_ts": ts,
            "text": f"<@{BOT_USER_ID}> is shop healthy?",
        }  # fmt: skip
        body = {"type": "event_callback", "team_id": TEAM_ID, "event_id": "EvA", "event": event}
        again = {"retry_attempt": 1, "retry_reason": "timeout"}
        envelope = {"type": "events_api", "payload": {**body, "event_time": 1_795_183_300}, **again}
        assert await socket._send(envelope, accepts_response=False) is not None
        await shift.answer_in(ts)
    assert len(await shift.runs()) == 1


async def test_a_mention_that_its_author_edits_is_answered_once(shift: Shift) -> None:
    async with shift.running() as room:
        ts = shift.slack.post_as("alice", "#incidents", "@sre is shop healty?")
        await shift.answer_in(ts)
        again(shift, ts, "is shop healty?")
        again(shift, ts, "is billing healthy?")
        told = await shift.told("alice", "You changed your question")
        await room.inbox.idle()
    assert "Mention me in the thread" in told
    assert len(await shift.runs()) == 1
    assert len(shift.slack.thread("#incidents", ts)) == 2


async def test_an_event_of_another_workspace_of_the_organisation_is_answered(
    shift: Shift,
) -> None:
    granted = {
        "enterprise_id": "E0NOVAORG", "team_id": OTHER_TEAM_ID, "user_id": BOT_USER_ID,
        "is_bot": True, "is_enterprise_install": True,
    }  # fmt: skip
    async with shift.running():
        ts = shift.slack.post_as("alice", "#incidents", "good morning")
        again(shift, ts, "is shop healthy?", team_id=OTHER_TEAM_ID, authorizations=[granted],
              enterprise_id="E0NOVAORG", is_enterprise_install=True)  # fmt: skip
        await shift.answer_in(ts)


@pytest.mark.parametrize("how", [{"error": "a_word_of_tomorrow"}, {"status": 503}])
async def test_a_user_group_that_cannot_be_read_costs_no_viewer_an_answer(
    shift: Shift, how: dict[str, Any]
) -> None:
    shift.join(access=AccessConfig({Role.VIEWER: ("*",), Role.APPROVER: (ONCALL_GROUP, CAROL)}))
    shift.slack.fail("usergroups.users.list", 1000, **how)
    directory = shift.room.workspace.directory
    person = await directory.person(UserId(ALICE))
    assert (person.groups, person.unread) == ((), (ONCALL_GROUP,))
    assert isinstance(await directory.person(UserId(CAROL)), Person)
    status = (await shift.bot.vitals.status())["slack user groups"]
    assert ONCALL_GROUP in status
    assert "hold no role by it" in status
    shift.slack.fail("usergroups.users.list", 0)
    shift.clock.advance(minutes=1)
    assert (await directory.person(UserId(ALICE))).groups == (ONCALL_GROUP,)
    assert "slack user groups" not in await shift.bot.vitals.status()
