"""Slack as people met it in production, against a local Slack that is as strict.

Files (python-slack-sdk #1521, node-slack-sdk #1865 and #2040, read 26 November 2026): an upload
that is complete is looked through for a while. Until then `files.info` names no media type, and a
message whose block shows the file is refused: `invalid_blocks`, `invalid slack file`.

Enterprise Grid (api.slack.com/types/user and api.slack.com/enterprise-grid, read 27 November 2026):
a person has one home workspace in `team_id` and may work in several of the same organisation; an
`enterprise_user` lists these. Who comes through Slack Connect is in none of ours.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from bot.domain.ids import AnomalyId, UserId
from bot.domain.place import Place
from bot.slack import outbox as worker
from sandbox.slack.people import CAROL, OTHER_TEAM_ID, TEAM_ID
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
