"""Plans answered and stopped over HTTP: the real API over the real approvals."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from prometheus_client import CollectorRegistry

from bot.api.app import build_api
from bot.api.deps import ApiDeps, Pulse
from bot.core.detection.baseline_import import BaselineImport
from bot.core.detection.deployments import Deployments
from bot.core.detection.triage import Triage
from bot.core.ports import ApiToken
from bot.core.upkeep.api_tokens import sha256_of
from bot.domain.access import Scope
from bot.domain.ids import UserId
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.policy import PolicyConfig
from bot.domain.secrets.redaction import Redactor
from tests.fakes.decision import ADA, ANN, BOB, RAY, START, Production
from tests.fixtures.alerting import an_alert_desk
from tests.fixtures.incidents import an_incident_desk
from tools.world import Catalogue


def as_(user: UserId, scope: Scope = Scope.APPROVE) -> dict[str, str]:
    return {"Authorization": f"Bearer sre_{user}_{scope}"}


@pytest.fixture
async def http(world: Production) -> AsyncIterator[httpx.AsyncClient]:
    deps = ApiDeps(
        store=world.store,
        clock=world.clock,
        catalogue=lambda: Catalogue({}, {}),
        access=lambda: world.access,
        registry=CollectorRegistry(),
        pulse=lambda: Pulse(ready=True),
        directory=world.directory,
        plans=world.bot.approvals,
        switches=world.bot.switches,
        alerts=an_alert_desk(world.store, world.clock, lambda: Catalogue({}, {})),
        triage=Triage(world.store, world.clock),
        incidents=an_incident_desk(world.store, world.clock, lambda: Catalogue({}, {})),
        baselines=BaselineImport(world.store, world.clock, lambda: Catalogue({}, {})),
        deployments=Deployments(world.store, world.clock, lambda: Catalogue({}, {}), Redactor()),
    )
    async with world.store.begin() as tx:
        for user, scope in itertools.product((ADA, ANN, BOB, RAY), Scope):
            until = START + timedelta(days=90)
            token = ApiToken(f"TOK-{user}-{scope}", user, "", scope, START, until)
            await tx.tokens.add(token, sha256_of(f"sre_{user}_{scope}"))
    transport = httpx.ASGITransport(build_api(deps))
    async with httpx.AsyncClient(transport=transport, base_url="http://bot") as client:
        yield client


async def test_a_yes_to_a_digest_that_was_never_shown_is_refused(
    world: Production, http: httpx.AsyncClient
) -> None:
    plan = await world.planned("rollback")
    path, body = f"/api/v1/approvals/{plan}/approve", {"approver": ANN, "digest": "0" * 64}
    answer = await http.post(path, headers=as_(ANN), json=body)
    assert answer.status_code == 409
    assert "plan_digest" in answer.json()["detail"]
    assert (await world.record(plan)).status is PlanStatus.WAITING
    assert "plan.refused" in await world.audit(plan)


async def test_a_replayed_request_is_one_yes(world: Production, http: httpx.AsyncClient) -> None:
    plan = await world.planned("manual")
    path, body = f"/api/v1/approvals/{plan}/approve", {"approver": ANN}
    answers = [await http.post(path, headers=as_(ANN), json=body) for _ in range(3)]
    assert [a.json()["status"] for a in answers] == ["waiting"] * 3
    assert len((await world.record(plan)).approval.answers) == 1  # type: ignore[union-attr]
    assert (await world.audit(plan)).count("plan.approved") == 1


async def test_one_approver_breaks_the_glass_over_http_where_policy_allows_it(
    world: Production, http: httpx.AsyncClient
) -> None:
    plan = await world.planned("manual")
    path = f"/api/v1/approvals/{plan}/break-glass"
    body = {"approver": ANN, "reason": "nobody else answers the phone"}
    off = await http.post(path, headers=as_(ANN), json=body)
    assert off.status_code == 409
    assert "auto_remediation.break_glass is false" in off.json()["detail"]
    world.policy = PolicyConfig(break_glass=True)
    silent = await http.post(path, headers=as_(ANN), json={**body, "reason": ""})
    assert silent.status_code == 422
    low = await http.post(path, headers=as_(RAY), json={**body, "approver": RAY})
    assert low.status_code == 403
    said = await http.post(path, headers=as_(ANN), json=body)
    assert said.json()["status"] == "approved"
    await world.run()
    assert len(world.cluster.sent) == 1


async def test_the_brake_over_http_takes_an_admin_both_ways_and_says_since_when(
    world: Production, http: httpx.AsyncClient
) -> None:
    plan = await world.approved("rollback")
    body = {"reason": "the network is being rebuilt"}
    for path in ("/api/v1/halt", "/api/v1/resume"):
        for user, scope in ((RAY, Scope.ADMIN), (ADA, Scope.APPROVE)):
            answer = await http.post(path, headers=as_(user, scope), json=body)
            assert answer.status_code == 403
        answer = await http.post(path, headers=as_(ADA, Scope.ADMIN), json={})
        assert answer.status_code == 422
    halted = (await http.post("/api/v1/halt", headers=as_(ADA, Scope.ADMIN), json=body)).json()
    assert (halted["halted"], halted["halted_by"]) == (body["reason"], ADA)
    await world.run()
    assert world.cluster.sent == []
    assert (await world.record(plan)).status is PlanStatus.HALTED
    world.clock.advance(seconds=60)
    status = (await http.get("/api/v1/status", headers=as_(ADA, Scope.READ))).json()
    assert status["halted_by"] == ADA
    assert status["halted_since"] == START.isoformat().replace("+00:00", "Z")
    done = (await http.post("/api/v1/resume", headers=as_(ADA, Scope.ADMIN), json=body)).json()
    assert done == {"halted": "", "halted_by": "", "halted_since": None}
    assert (await world.audit("halt")).count("setting.changed") == 2


async def test_a_halt_file_is_told_in_the_status_and_outlives_resume(
    world: Production, http: httpx.AsyncClient
) -> None:
    world.halt_file = "the file var/halt exists"
    done = await http.post("/api/v1/resume", headers=as_(ADA, Scope.ADMIN), json={"reason": "try"})
    assert done.json()["halted"] == "the file var/halt exists"
    status = (await http.get("/api/v1/status", headers=as_(ADA, Scope.READ))).json()
    assert (status["halted"], status["halted_by"]) == ("the file var/halt exists", "")
