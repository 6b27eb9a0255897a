"""The API keeps what its OpenAPI description promises, whatever it is sent."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from prometheus_client import CollectorRegistry
from schemathesis import Case
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok

from bot.api.app import build_api
from bot.api.deps import ApiDeps, Pulse
from bot.core.detection.baseline_import import BaselineImport
from bot.core.detection.deployments import Deployments
from bot.core.detection.triage import Triage
from bot.core.ports import ApiToken, Transaction
from bot.core.upkeep.api_tokens import sha256_of
from bot.domain.access import AccessConfig, Role, Scope
from bot.domain.ids import UserId
from bot.domain.secrets.redaction import Redactor
from bot.store.store import open_store
from tests.fakes.clock import FakeClock
from tests.fakes.decision import FakeDirectory
from tests.fixtures.alerting import an_alert_desk
from tests.fixtures.database import sqlite_store, sqlite_url
from tests.fixtures.incidents import an_incident_desk
from tests.fixtures.keys import KEYRING
from tests.fixtures.nouns import NOW, a_record, an_anomaly
from tests.unit.api.conftest import ALICE, CATALOGUE, PEOPLE, Brake, Desk

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance,
    response_schema_conformance,
]  # fmt: skip


def an_app(path: Path) -> FastAPI:
    """An application over a small database; the event loop of each request opens its own store."""

    async def fill() -> None:
        async with sqlite_store(file) as store, store.begin() as tx:
            for scope in Scope:
                until = NOW + timedelta(days=90)
                token = ApiToken(f"TOK-{scope}", UserId(ALICE), "", scope, NOW, until)
                await tx.tokens.add(token, sha256_of(f"sre_{scope}"))
            await tx.anomalies.save(an_anomaly())
            await tx.plans.add(a_record())

    file = path / "sre-agent.db"
    asyncio.run(fill())
    store, clock = LoopStore(sqlite_url(file)), FakeClock(NOW)
    return build_api(
        ApiDeps(
            store=store, clock=clock, catalogue=lambda: CATALOGUE,
            access=lambda: AccessConfig({Role.ADMIN: ("*",)}), registry=CollectorRegistry(),
            pulse=lambda: Pulse(ready=True), directory=FakeDirectory(*PEOPLE), plans=Desk(),
            switches=Brake(),
            alerts=an_alert_desk(store, clock, lambda: CATALOGUE),
            triage=Triage(store, clock),
            incidents=an_incident_desk(store, clock, lambda: CATALOGUE),
            baselines=BaselineImport(store, clock, lambda: CATALOGUE),
            deployments=Deployments(store, clock, lambda: CATALOGUE, Redactor()),
        )
    )  # fmt: skip


class LoopStore:
    """A store that is opened anew for each transaction: schemathesis has a loop per request."""

    def __init__(self, url: str) -> None:
        self._url = url

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Transaction]:
        store = await open_store(self._url, KEYRING)
        try:
            async with store.begin() as tx:
                yield tx
        finally:
            await store.close()

    async def healthy(self) -> bool:
        return True

    async def writable(self) -> bool:
        return True


def test_every_operation_answers_as_described(tmp_path: Path) -> None:
    schema = schemathesis.openapi.from_asgi("/openapi.json", an_app(tmp_path))
    asked, answered = set(), set()
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        asked.add(operation.path)

        @settings(
            max_examples=4, deadline=None, derandomize=True, database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy())
        def ask(case: Case) -> None:
            for scope in Scope:  # one of them is for this operation
                token = {"Authorization": f"Bearer sre_{scope}"}
                answered.add(case.call_and_validate(headers=token, checks=CHECKS).status_code)

        ask()
    assert len(asked) >= 15
    assert {200, 403, 404, 422} <= answered
    assert 401 not in answered
