"""One token, one purpose: what leaks from an Alertmanager's configuration decides nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.ports import ApiToken
from bot.core.remediation.guarding.steady_wall import SteadyWall
from bot.core.upkeep.api_tokens import sha256_of
from bot.domain.access import RIGHTS, SCOPES, Scope
from bot.domain.ids import UserId
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import NOW, a_record, an_anomaly
from tests.unit.api.conftest import ALICE, DAVE, World
from tools.ports import Health
from tools.world import ServiceName

ALERTS = {"version": "4", "alerts": []}
CALLS = {  # one of each scope
    Scope.READ: ("GET", "/api/v1/plans", None),
    Scope.INGEST: ("POST", "/api/v1/alerts", ALERTS),
    Scope.APPROVE: ("POST", "/api/v1/approvals/PLAN-000001/approve", {"approver": ALICE}),
    Scope.ADMIN: ("POST", "/api/v1/halt", {"reason": "test"}),
}


def test_every_right_of_the_api_belongs_to_exactly_one_scope() -> None:
    rights = [right for scope in Scope for right in sorted(SCOPES[scope])]
    assert len(rights) == len(set(rights))
    assert set(rights) == {right for right in RIGHTS if right.startswith("api.")}


@pytest.mark.parametrize("scope", Scope)
async def test_a_token_opens_the_doors_of_its_own_scope_alone(api: World, scope: Scope) -> None:
    async with api.store.begin() as tx:
        await tx.plans.add(a_record())
    for needed, (method, path, body) in CALLS.items():
        answer = await api.client.request(method, path, json=body, headers=api.as_(ALICE, scope))
        if needed is scope:
            assert answer.status_code < 300, answer.text
        else:
            assert answer.status_code == 403
            assert f"this takes one for {needed.value}" in answer.json()["detail"]
    asked = 1 if scope is Scope.APPROVE else 0
    assert len(api.desk.asked) == asked
    async with api.store.begin() as tx:
        denied = [r.event for r in await tx.audit.tail() if r.event.kind == "access.denied"]
    assert [each.facts["token"] for each in denied] == [f"TOK-{ALICE}-{scope}"] * 3


async def test_a_token_for_everything_does_not_make_its_owner_more_than_they_are(
    api: World,
) -> None:
    """Dave may read; a token of his with another scope gives him no role."""
    for scope in (Scope.INGEST, Scope.APPROVE, Scope.ADMIN):
        method, path, body = CALLS[scope]
        answer = await api.client.request(method, path, json=body, headers=api.as_(DAVE, scope))
        assert answer.status_code == 403
        assert "needs the role" in answer.json()["detail"]


async def test_a_token_ends_on_its_day(api: World) -> None:
    until = api.deps.clock.wall()
    token = ApiToken("TOK-old", UserId(ALICE), "", Scope.READ, NOW - timedelta(days=90), until)
    async with api.store.begin() as tx:
        await tx.tokens.add(token, sha256_of("sre_old"))
    headers = {"Authorization": "Bearer sre_old"}
    answer = await api.client.get("/api/v1/status", headers=headers)
    assert answer.status_code == 401
    assert f"this token expired on {until:%Y-%m-%d}" in answer.json()["detail"]


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_clock_that_is_set_back_revives_no_token(api: World, *, restarted: bool) -> None:
    clock = api.deps.clock
    assert isinstance(clock, FakeClock)
    until = clock.wall() + timedelta(minutes=5)
    token = ApiToken("TOK-old", UserId(ALICE), "", Scope.READ, NOW - timedelta(days=90), until)
    async with api.store.begin() as tx:
        await tx.tokens.add(token, sha256_of("sre_old"))
    headers = {"Authorization": "Bearer sre_old"}
    assert (await api.client.get("/api/v1/status", headers=headers)).status_code == 200
    clock.advance(minutes=6)
    if restarted:  # another process kept how late it was, as the leader's ticks do
        async with api.store.begin() as tx:
            await SteadyWall(clock).keep(tx)
    else:
        assert (await api.client.get("/api/v1/status", headers=headers)).status_code == 401
    clock.set_wall(minutes=-6)
    assert (await api.client.get("/api/v1/status", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    ("path", "noun"),
    [
        ("/api/v1/anomalies/{id}", "ANO"),
        ("/api/v1/approvals/{id}", "PLAN"),
    ],
)
async def test_what_somebody_may_not_see_is_answered_as_what_is_not_there(
    api: World, path: str, noun: str
) -> None:
    record = a_record()
    hidden = replace(record, plan=replace(record.plan, service=ServiceName("wallet")))
    async with api.store.begin() as tx:
        await tx.anomalies.save(replace(an_anomaly(), service=ServiceName("wallet")))
        await tx.plans.add(hidden)
    told = []
    for number in ("000001", "000009"):
        answer = await api.client.get(path.format(id=f"{noun}-{number}"), headers=api.as_(ALICE))
        told.append((answer.status_code, answer.text.replace(number, "…")))
    assert told[0] == told[1]
    assert told[0][0] == 404
    assert "Did you mean" not in told[0][1]


@pytest.mark.parametrize(
    ("verb", "who"),
    [("approve", "approver"), ("reject", "rejector"), ("break-glass", "approver")],
)
async def test_nor_is_it_found_out_by_answering_it(api: World, verb: str, who: str) -> None:
    record = a_record()
    hidden = replace(record, plan=replace(record.plan, service=ServiceName("wallet")))
    async with api.store.begin() as tx:
        await tx.plans.add(hidden)
    told = []
    for number in ("000001", "000009"):
        answer = await api.client.post(
            f"/api/v1/approvals/PLAN-{number}/{verb}",
            json={who: ALICE, "reason": "so"} if verb != "approve" else {who: ALICE},
            headers=api.as_(ALICE, Scope.APPROVE),
        )
        told.append((answer.status_code, answer.text.replace(number, "…")))
    assert told[0] == told[1]
    assert told[0][0] == 404
    assert api.desk.asked == []


async def test_health_names_no_address_to_a_stranger(api: World) -> None:
    why = "http://prometheus.monitoring.svc:9090 refused the connection"
    api.healths[:] = [Health("prometheus", up=False, detail=why)]
    for headers in ({}, {"Authorization": "Bearer sre_wrong"}, api.as_(ALICE, Scope.INGEST)):
        answer = await api.client.get("/health", headers=headers)
        assert answer.status_code == 200
        assert "monitoring.svc" not in answer.text
        assert answer.json()["status"] == "degraded"
    known = await api.client.get("/health", headers=api.as_(DAVE))
    assert why in known.text
