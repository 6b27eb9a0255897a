"""How often the local Slack answers, and what an app of another kind of team is told."""

import aiohttp

from sandbox.clock import ManualClock
from sandbox.slack.chat.people import (
    CAROL,
    COLLEAGUE,
    ENTERPRISE_ID,
    INCIDENTS,
    SISTER_TEAM_ID,
    STRANGER,
    TEAM_ID,
)
from sandbox.slack.limits import DISTRIBUTED_PAGE, RateLimits
from sandbox.slack.manifest import BUILT_IN
from sandbox.slack.methods.table import METHODS
from sandbox.slack.server import LIKE_SLACK, start_slack
from sandbox.slack.tenant import Tenant
from tests.fixtures.slack_timing import PATIENT
from tests.unit.sandbox_slack.conftest import Api


def test_calls_are_limited_unless_somebody_says_otherwise() -> None:
    assert LIKE_SLACK.real_limits


def test_a_channel_takes_one_post_a_second() -> None:
    limits, post = RateLimits(), "chat.postMessage"
    here, there = {"channel": "C1"}, {"channel": "C2"}
    waits = [limits.seconds_to_wait(post, 0, given, 5.0) for given in (here, there, here)]
    assert waits == [0, 0, 1]
    assert limits.seconds_to_wait(post, 0, here, 6.0) == 0


def test_a_tier_is_a_burst_and_then_a_pace() -> None:
    limits = RateLimits()
    tier = METHODS["chat.startStream"].tier
    waits = [limits.seconds_to_wait("chat.startStream", tier, {}, 0.0) for _ in range(21)]
    assert waits == [*[0] * 20, 3]
    assert limits.seconds_to_wait("chat.startStream", tier, {}, 3.0) == 0


def test_a_distributed_app_reads_history_once_a_minute() -> None:
    limits = RateLimits(is_distributed=True)
    for method in ("conversations.history", "conversations.replies"):
        waits = [limits.seconds_to_wait(method, 3, {}, at) for at in (0.0, 1.0, 61.0)]
        assert waits == [0, 59, 0]
    assert limits.seconds_to_wait("conversations.info", 3, {}, 61.0) == 0


async def test_a_distributed_app_reads_fifteen_messages_at_once() -> None:
    server = await start_slack(
        clock=ManualClock(1.79e9), manifest=BUILT_IN, timing=PATIENT,
        tenant=Tenant(distributed=True),
    )  # fmt: skip
    for n in range(20):
        server.post_as("alice", "#incidents", str(n))
    async with aiohttp.ClientSession() as session:
        read = await Api(server, session)("conversations.history", channel=INCIDENTS, limit=200)
    await server.close()
    assert (len(read["messages"]), read["has_more"]) == (DISTRIBUTED_PAGE, True)


async def test_one_call_too_many_is_told_how_long_to_wait() -> None:
    server = await start_slack(clock=ManualClock(1.79e9), manifest=BUILT_IN)
    url = f"{server.api_url}chat.postMessage"
    headers = {"Authorization": f"Bearer {server.bot_token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for status in (200, 429):
            async with session.post(url, json={"channel": INCIDENTS, "text": "t"}) as answer:
                assert answer.status == status
        assert answer.headers["Retry-After"] == "1"
    await server.close()


async def test_a_grid_names_its_organisation_and_its_workspaces() -> None:
    server = await start_slack(
        clock=ManualClock(1.79e9), manifest=BUILT_IN, timing=PATIENT, tenant=Tenant(grid=True)
    )
    async with aiohttp.ClientSession() as session:
        api = Api(server, session)
        me = await api("auth.test")
        known = {m["id"]: m for m in (await api("users.list"))["members"]}
    await server.close()
    assert (me["enterprise_id"], me["team_id"]) == (ENTERPRISE_ID, TEAM_ID)
    assert known[CAROL]["enterprise_user"]["teams"] == [TEAM_ID]
    assert known[COLLEAGUE]["team_id"] == SISTER_TEAM_ID
    assert known[COLLEAGUE]["enterprise_user"]["teams"] == [SISTER_TEAM_ID, TEAM_ID]
    assert "enterprise_user" not in known[STRANGER]
