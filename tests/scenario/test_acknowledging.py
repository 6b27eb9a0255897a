"""An anomaly is acknowledged by button or over HTTP: two doors, the same rows."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from slack_bolt.async_app import AsyncBoltRequest

from bot.api.app import build_api
from bot.api.deps import ApiDeps, Pulse
from bot.core.detection.alerts import AlertDesk
from bot.core.detection.baseline_import import BaselineImport
from bot.core.detection.deployments import Deployments
from bot.core.ports import ApiToken, Person
from bot.core.upkeep.api_tokens import sha256_of
from bot.domain.access import AccessConfig, Role
from bot.domain.ids import AnomalyId, ChannelId, IncidentId, Ts, UserId
from bot.domain.place import Place
from bot.domain.redaction import Redactor
from bot.slack.config import SlackConfig
from bot.slack.deps import SlackDeps
from bot.store.store import open_store
from sandbox.slack.people import ALICE, INCIDENTS
from sandbox.slack.server import SlackServer, start_slack
from tests.fakes.decision import Production
from tests.fixtures.nouns import a_finding, an_anomaly, an_incident
from tests.fixtures.rooms import deps_over, room_over

ACCESS = AccessConfig({Role.ADMIN: (ALICE,)})
LEASE = timedelta(seconds=30)
Rows = dict[str, list[tuple[Any, ...]]]


@asynccontextmanager
async def one_finding(path: Path) -> AsyncIterator[tuple[Production, SlackDeps]]:
    """Core over a database with a told finding of one anomaly, which is an incident."""
    store = await open_store(f"sqlite+aiosqlite:///{path}")
    await store.upgrade()
    world = Production(store)
    world.directory.people[UserId(ALICE)] = Person(UserId(ALICE), "alice")
    incident = an_incident()
    finding = replace(a_finding(), incident=incident.id)
    async with store.begin() as tx:
        await tx.anomalies.save(an_anomaly())
        await tx.incidents.save(incident)
        await tx.findings.save(finding)
        place = Place(ChannelId(INCIDENTS))
        await tx.outbox.post(f"finding:{finding.id}", "finding", finding.id, place)
        row = await tx.outbox.claim("test", world.clock.wall(), LEASE)
        assert row is not None
        await tx.outbox.posted(row.id, Ts("1732099200.000100"), world.clock.wall())
        await tx.tokens.add(
            ApiToken("TOK-1", UserId(ALICE), "", world.clock.now()), sha256_of("sre_alice")
        )
    yield world, deps_over(store, world.clock, world.bot, lambda: ACCESS)
    await store.close()


async def rows_of(world: Production) -> Rows:
    """Return what an acknowledgement leaves behind."""
    async with world.store.begin() as tx:
        anomaly = await tx.anomalies.get(AnomalyId("ANO-000001"))
        timeline = await tx.incidents.timeline(IncidentId(an_incident().id))
        redrawn = await tx.outbox.claim("test", world.clock.wall(), LEASE)
        audit = [row.event for row in await tx.audit.tail()]
    return {
        "anomaly": [(anomaly.id, anomaly.state)],
        "timeline": [(e.at, e.text, e.source, e.by, e.ref) for e in timeline],
        "redrawn": [(redrawn.view, redrawn.ref, redrawn.ts)] if redrawn else [],
        "audit": [(e.kind, e.at, e.actor, e.subject, e.facts, e.private) for e in audit],
    }


async def by_button(deps: SlackDeps, world: Production, slack: SlackServer) -> None:
    config = SlackConfig(bot_token=slack.bot_token, owner="test:1", api_url=slack.api_url)
    room = room_over(config, deps, world.directory)
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
    await slack.wait_for(lambda: slack.ephemerals("alice", "#incidents"), 15.0)
    await room.inbox.stop()


async def over_http(deps: SlackDeps, world: Production) -> None:
    catalogue = deps.catalogue
    api = ApiDeps(
        store=deps.store,
        clock=deps.clock,
        catalogue=catalogue,
        access=deps.access,
        directory=world.directory,
        registry=CollectorRegistry(),
        pulse=lambda: Pulse(ready=True),
        plans=deps.plans,
        switches=deps.switches,
        alerts=AlertDesk(deps.store, deps.clock, catalogue, deps.redactor),
        triage=deps.triage,
        baselines=BaselineImport(deps.store, deps.clock, catalogue),
        deployments=Deployments(deps.store, deps.clock, catalogue, Redactor()),
    )
    transport = httpx.ASGITransport(build_api(api))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        path = "/api/v1/anomalies/ANO-000001/acknowledge"
        answer = await client.post(path, headers={"Authorization": "Bearer sre_alice"})
        assert (answer.status_code, answer.json()["state_by"]) == (200, ALICE)


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    server = await start_slack()
    yield server
    await server.close()


async def test_a_click_and_a_request_leave_the_same_rows(
    slack: SlackServer, tmp_path: Path
) -> None:
    left: list[Rows] = []
    async with one_finding(tmp_path / "button.db") as (world, deps):
        await by_button(deps, world, slack)
        left.append(await rows_of(world))
    async with one_finding(tmp_path / "http.db") as (world, deps):
        await over_http(deps, world)
        left.append(await rows_of(world))
    button, http = left
    assert http == button
    assert button["redrawn"] == [("finding", a_finding().id, "1732099200.000100")]
    ((_, text, _, by, about),) = button["timeline"]
    assert (text, by, about) == ("acknowledged", ALICE, a_finding().id)
    assert [row[0] for row in button["audit"]] == ["anomaly.acknowledged"]
