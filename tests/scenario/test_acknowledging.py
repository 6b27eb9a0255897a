"""An anomaly is acknowledged by button or over HTTP: two doors, the same rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from slack_bolt.async_app import AsyncBoltRequest

from bot.composition.process import Bot
from bot.core.ports import ApiToken
from bot.core.upkeep.api_tokens import sha256_of
from bot.domain.access import AccessConfig, Role, Scope
from bot.domain.ids import AnomalyId, ChannelId, IncidentId, Ts, UserId
from bot.domain.place import Place
from sandbox.slack.chat.people import ALICE, INCIDENTS
from sandbox.slack.server import SlackServer
from tests.fakes.clock import FakeClock
from tests.fixtures.bot import BotStand, calling, room_of
from tests.fixtures.database import sqlite_store
from tests.fixtures.nouns import a_finding, an_anomaly, an_incident
from tests.patience import PATIENCE

LEASE = timedelta(seconds=30)
Rows = dict[str, list[tuple[Any, ...]]]


@asynccontextmanager
async def one_finding(folder: Path, slack: SlackServer, clock: FakeClock) -> AsyncIterator[Bot]:
    """A bot over a database with a told finding of one anomaly, which is an incident."""
    folder.mkdir()
    async with sqlite_store(folder / "bot.db") as store:
        incident = an_incident()
        finding = replace(a_finding(), incident=incident.id)
        async with store.begin() as tx:
            await tx.anomalies.save(an_anomaly())
            await tx.incidents.save(incident)
            await tx.findings.save(finding)
            place = Place(ChannelId(INCIDENTS))
            await tx.outbox.post(f"finding:{finding.id}", "finding", finding.id, place)
            row = await tx.outbox.claim("test", clock.wall(), LEASE)
            assert row is not None
            await tx.outbox.posted(row.id, Ts("1732099200.000100"), clock.wall())
            until = clock.wall() + timedelta(days=90)
            token = ApiToken("TOK-1", UserId(ALICE), "", Scope.APPROVE, clock.wall(), until)
            await tx.tokens.add(token, sha256_of("sre_alice"))
        stand = BotStand(store, folder, clock=clock, slack=slack)
        yield stand.join(access=AccessConfig({Role.ADMIN: (ALICE,)}))


async def rows_of(bot: Bot) -> Rows:
    """Return what an acknowledgement leaves behind."""
    async with bot.parts.store.begin() as tx:
        anomaly = await tx.anomalies.get(AnomalyId("ANO-000001"))
        timeline = await tx.incidents.timeline(IncidentId(an_incident().id))
        redrawn = await tx.outbox.claim("test", bot.parts.clock.wall(), LEASE)
        audit = [row.event for row in await tx.audit.tail()]
    return {
        "anomaly": [(anomaly.id, anomaly.state)],
        "timeline": [(e.at, e.text, e.source, e.by, e.ref) for e in timeline],
        "redrawn": [(redrawn.view, redrawn.ref, redrawn.ts)] if redrawn else [],
        "audit": [
            (e.kind, e.at, e.actor, e.subject, e.facts, e.private)
            for e in audit
            # Of the envelope, which the other door has not, and of the finding's own message.
            if e.kind not in {"inbox.done", "outbox.posted"}
        ],
    }


async def by_button(bot: Bot, slack: SlackServer) -> None:
    room = room_of(bot)
    click = {
        "type": "block_actions",
        "trigger_id": "1.1",
        "user": {"id": ALICE},
        "channel": {"id": INCIDENTS},
        "container": {"channel_id": INCIDENTS, "message_ts": "1732099200.000100"},
        "actions": [{"action_id": "anomaly.acknowledge", "value": a_finding().id}],
    }
    room.inbox.start()  # and not the outbox: what it is asked to redraw is looked at
    await room.app.async_dispatch(AsyncBoltRequest(body=click, mode="socket_mode"))
    await slack.wait_for(lambda: slack.ephemerals("alice", "#incidents"), PATIENCE)
    await room.inbox.stop()


async def over_http(bot: Bot) -> None:
    async with calling(bot) as client:
        path = "/api/v1/anomalies/ANO-000001/acknowledge"
        answer = await client.post(path, headers={"Authorization": "Bearer sre_alice"})
        assert (answer.status_code, answer.json()["state_by"]) == (200, ALICE)


async def test_a_click_and_a_request_leave_the_same_rows(
    slack: SlackServer, clock: FakeClock, tmp_path: Path
) -> None:
    left: list[Rows] = []
    async with one_finding(tmp_path / "button", slack, clock) as bot:
        await by_button(bot, slack)
        left.append(await rows_of(bot))
    async with one_finding(tmp_path / "http", slack, clock) as bot:
        await over_http(bot)
        left.append(await rows_of(bot))
    button, http = left
    assert http == button
    assert button["redrawn"] == [("finding", a_finding().id, "1732099200.000100")]
    ((_, text, _, by, about),) = button["timeline"]
    assert (text, by, about) == ("acknowledged", ALICE, a_finding().id)
    assert [row[0] for row in button["audit"]] == ["anomaly.acknowledged"]
