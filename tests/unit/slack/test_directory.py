"""Who people are and what channels are called, asked of the local Slack."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.ids import ChannelId, UserId
from bot.domain.place import Place
from bot.slack.directory import FRESH, ChannelBook, SlackDirectory, SlackHistory
from sandbox.slack.chat.people import (
    ALICE,
    COLLEAGUE,
    GUEST,
    INCIDENTS,
    ONCALL_GROUP,
    STRANGER,
)
from sandbox.slack.server import SlackServer, start_slack
from sandbox.slack.tenant import Tenant
from tests.fakes.clock import FakeClock
from tools.errors import BackendUnavailableError, NotFoundError


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    manifest = yaml.safe_load(Path("slack-manifest.yaml").read_text(encoding="utf-8"))
    server = await start_slack(manifest=manifest)
    yield server
    await server.close()


@pytest.fixture
def client(slack: SlackServer) -> AsyncWebClient:
    return AsyncWebClient(token=slack.bot_token, base_url=slack.api_url)


def asked(slack: SlackServer, method: str) -> int:
    return sum(name == method for name, _ in slack.calls)


async def test_people_are_known_with_their_groups_and_flags(client: AsyncWebClient) -> None:
    directory = SlackDirectory(client, FakeClock(), lambda: {ONCALL_GROUP})
    alice = await directory.person(UserId(ALICE))
    assert (alice.name, alice.groups, alice.email) == (
        "alice",
        (ONCALL_GROUP,),
        "alice@nova.example",
    )
    assert (alice.guest, alice.external, alice.deleted, alice.bot) == (False,) * 4
    assert (await directory.person(UserId(GUEST))).guest
    assert (await directory.person(UserId(STRANGER))).external


async def test_in_an_organisation_a_colleague_of_another_workspace_is_ours() -> None:
    server = await start_slack(tenant=Tenant(grid=True))
    client = AsyncWebClient(token=server.bot_token, base_url=server.api_url)
    directory = SlackDirectory(client, FakeClock(), lambda: {ONCALL_GROUP})
    outside = [
        (await directory.person(UserId(each))).external for each in (ALICE, COLLEAGUE, STRANGER)
    ]
    await server.close()
    assert outside == [False, False, True]


async def test_a_person_is_asked_for_again_after_five_minutes(
    slack: SlackServer, client: AsyncWebClient
) -> None:
    clock = FakeClock()
    directory = SlackDirectory(client, clock, lambda: {ONCALL_GROUP})
    for _ in range(3):
        await directory.person(UserId(ALICE))
    assert asked(slack, "users.info") == asked(slack, "usergroups.users.list") == 1
    clock.advance(FRESH + timedelta(seconds=1))
    await directory.person(UserId(ALICE))
    assert asked(slack, "users.info") == asked(slack, "usergroups.users.list") == 2


async def test_an_unknown_person_and_a_dead_slack_are_told_apart(
    slack: SlackServer, client: AsyncWebClient
) -> None:
    directory = SlackDirectory(client, FakeClock(), lambda: {"S0NOBODY0"})
    with pytest.raises(NotFoundError, match="U0NOBODY0"):
        await directory.person(UserId("U0NOBODY0"))
    assert (await directory.person(UserId(ALICE))).groups == ()
    slack.fail("users.info", 1, error="fatal_error")
    with pytest.raises(BackendUnavailableError, match="fatal_error"):
        await directory.person(UserId(GUEST))


class ChangingSlack:
    """What the directory asks of Slack, and what changes there meanwhile."""

    def __init__(self) -> None:
        self.account: dict[str, Any] = {
            "id": ALICE,
            "team_id": "T1",
            "profile": {"display_name": "alice"},
        }
        self.members = {ONCALL_GROUP: [ALICE], "S0OTHER": [ALICE]}
        self.answers = True

    async def auth_test(self) -> dict[str, Any]:
        return {"team_id": "T1"}

    async def users_info(self, *, user: str) -> dict[str, Any]:
        if not self.answers:
            await asyncio.sleep(3600)
        if user != self.account["id"]:
            raise SlackApiError("", {"error": "user_not_found"})  # type: ignore[no-untyped-call]
        return {"user": self.account}

    async def usergroups_users_list(self, *, usergroup: str) -> dict[str, Any]:
        return {"users": self.members[usergroup]}


def changing(clock: FakeClock) -> tuple[ChangingSlack, SlackDirectory]:
    slack = ChangingSlack()
    return slack, SlackDirectory(cast("AsyncWebClient", slack), clock, lambda: set(slack.members))


async def test_who_is_confirmed_is_who_they_are_now_and_not_five_minutes_ago() -> None:
    slack, directory = changing(FakeClock())
    alice = await directory.person(UserId(ALICE))
    assert set(alice.groups) == {ONCALL_GROUP, "S0OTHER"}
    slack.account["deleted"] = slack.account["is_restricted"] = True
    slack.members[ONCALL_GROUP] = []
    remembered = await directory.person(UserId(ALICE))
    assert (remembered.deleted, remembered.groups) == (False, alice.groups)
    confirmed = (await directory.confirm([UserId(ALICE)]))[UserId(ALICE)]
    assert (confirmed.deleted, confirmed.guest) == (True, True)
    assert confirmed.groups == ("S0OTHER",)
    assert await directory.person(UserId(ALICE)) == confirmed


async def test_who_is_gone_is_missing_and_forgotten() -> None:
    slack, directory = changing(FakeClock())
    await directory.person(UserId(ALICE))
    slack.account["id"] = "U0ANOTHER"
    assert await directory.confirm([UserId(ALICE)]) == {}
    with pytest.raises(NotFoundError):
        await directory.person(UserId(ALICE))


@pytest.mark.parametrize("method", ["users.info", "usergroups.users.list"])
@pytest.mark.parametrize("how", [{"error": "fatal_error"}, {"status": 503}])
async def test_nobody_is_confirmed_where_one_call_failed(
    slack: SlackServer, client: AsyncWebClient, method: str, how: dict[str, Any]
) -> None:
    directory = SlackDirectory(client, FakeClock(), lambda: {ONCALL_GROUP})
    before = await directory.person(UserId(ALICE))
    slack.fail(method, 1, **how)
    with pytest.raises(BackendUnavailableError):
        await directory.confirm([UserId(ALICE)])
    assert await directory.confirm([UserId(ALICE)]) == {UserId(ALICE): before}


async def test_a_user_group_that_answers_nonsense_confirms_nobody() -> None:
    slack, directory = changing(FakeClock())
    slack.members["S0OTHER"] = None  # type: ignore[assignment]
    with pytest.raises(BackendUnavailableError, match="without what it must say"):
        await directory.confirm([UserId(ALICE)])


async def test_a_slack_that_does_not_answer_confirms_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bot.slack.directory.CONFIRM_SECONDS", 0.05)
    slack, directory = changing(FakeClock())
    slack.answers = False
    with pytest.raises(BackendUnavailableError, match="within"):
        await directory.confirm([UserId(ALICE)])


class OrgWideSlack(ChangingSlack):
    """The same, with a token of a whole organisation that was given two workspaces."""

    async def auth_test(self) -> dict[str, Any]:
        return {"team_id": "E1", "enterprise_id": "E1", "is_enterprise_install": True}

    async def auth_teams_list(self, *, limit: int, cursor: str | None) -> dict[str, Any]:
        assert limit
        teams = [{"id": "T2"}] if cursor else [{"id": "T1"}]
        return {"teams": teams, "response_metadata": {"next_cursor": "" if cursor else "more"}}

    async def usergroups_users_list(self, *, usergroup: str, team_id: str = "") -> dict[str, Any]:
        if team_id != "T2":
            raise SlackApiError("", {"error": "no_such_subteam"})  # type: ignore[no-untyped-call]
        return await super().usergroups_users_list(usergroup=usergroup)


@pytest.mark.parametrize(
    ("account", "team"),
    [
        ({"team_id": "T1"}, "T1"),
        ({"team_id": "T2"}, "T2"),
        ({"team_id": "T9", "enterprise_user": {"teams": ["T9", "T2"]}}, "T2"),
        ({"team_id": "T9", "enterprise_user": {"teams": ["T9"]}}, ""),
        ({"team_id": "E1", "enterprise_user": {"enterprise_id": "E1", "teams": []}}, ""),
        ({"team_id": "T1", "is_stranger": True}, ""),
        ({"team_id": None}, ""),
    ],
)
async def test_who_is_in_a_workspace_that_an_organisation_granted_is_ours(
    account: dict[str, Any], team: str
) -> None:
    slack = OrgWideSlack()
    slack.account |= account
    directory = SlackDirectory(cast("AsyncWebClient", slack), FakeClock(), lambda: {ONCALL_GROUP})
    person = await directory.person(UserId(ALICE))
    assert (person.team, person.external) == (team, not team)
    assert person.groups == (ONCALL_GROUP,)
    confirmed = await directory.confirm([UserId(ALICE)])
    assert confirmed[UserId(ALICE)].groups == (ONCALL_GROUP,)


@pytest.mark.parametrize("members", [None, KeyError("users"), TimeoutError()])
async def test_a_group_that_fails_in_any_way_has_no_members_and_confirms_nobody(
    members: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    slack, directory = changing(FakeClock())

    async def failing(*, usergroup: str) -> dict[str, Any]:
        if usergroup == "S0OTHER":
            if isinstance(members, Exception):
                raise members
            return {"users": members}
        return {"users": [ALICE]}

    monkeypatch.setattr(slack, "usergroups_users_list", failing)
    person = await directory.person(UserId(ALICE))
    assert (person.groups, person.unread) == ((ONCALL_GROUP,), ("S0OTHER",))
    with pytest.raises(BackendUnavailableError):
        await directory.confirm([UserId(ALICE)])


async def test_channels_are_found_by_name(client: AsyncWebClient) -> None:
    book = ChannelBook(client, FakeClock())
    assert book.known("#incidents") == "#incidents"
    assert await book.id_of("#incidents") == INCIDENTS
    assert book.known("#incidents") == INCIDENTS
    assert await book.id_of("C0ANYTHING") == "C0ANYTHING"
    with pytest.raises(NotFoundError, match="Did you mean 'incidents'"):
        await book.id_of("#incident")
    assert await book.is_member(ChannelId(INCIDENTS))
    assert not await book.is_member(ChannelId("C0NOWHERE"))


async def test_history_holds_what_people_wrote_and_nothing_else(
    slack: SlackServer, client: AsyncWebClient
) -> None:
    book = ChannelBook(client, FakeClock())
    first = slack.post_as("alice", "#incidents", "latency is up")
    slack.post_as("bob", "#incidents", "looking", first)
    await client.chat_postMessage(channel=INCIDENTS, thread_ts=first, text="I am the bot")
    history = SlackHistory(client, book)
    since, until = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    channel = ChannelId("#incidents")
    said = await history.messages(Place(channel, first), since, until)  # type: ignore[arg-type]
    assert [m.text for m in said] == ["latency is up", "looking"]
    assert [m.text for m in await history.messages(Place(channel), since, until)] == [
        "latency is up"
    ]
