"""The REST API: tokens belong to people, errors say what to do, answering obeys the core."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from bot.api.app import build_api
from bot.api.config import ApiConfig
from bot.api.deps import Pulse
from bot.api.server import ApiServer, PortInUseError
from bot.core.remediation.answers.approvals import Said
from bot.domain.access import Scope
from bot.domain.anomaly import Acknowledged, Resolved
from bot.domain.ids import AnomalyId
from bot.domain.plans.plan import PlanStatus
from tests.fixtures.nouns import NOW, PLACE, a_baseline, a_finding, a_record, a_state, an_anomaly
from tests.patience import PATIENCE
from tests.unit.api.conftest import ALICE, DAVE, GUEST, World
from tools.ports import Health
from tools.world import ServiceName, Window

OPEN_PATHS = {"/live", "/ready", "/health", "/metrics"}


APPROVE, INGEST = Scope.APPROVE, Scope.INGEST


async def test_nothing_but_health_and_metrics_is_served_without_a_token(api: World) -> None:
    for path, operations in build_api(api.deps).openapi()["paths"].items():
        for method in operations:
            answer = await api.client.request(method, path, json={})
            if path in OPEN_PATHS:
                assert answer.status_code == 200, path
            else:
                assert answer.status_code == 401, path
                assert "token create" in answer.json()["detail"]
                assert answer.headers["www-authenticate"] == "Bearer"


async def test_an_unknown_or_revoked_token_is_refused_and_says_what_to_do(api: World) -> None:
    wrong = {"Authorization": "Bearer sre_wrong"}
    assert "token create" in (await api.client.get("/api/v1/status", headers=wrong)).text
    async with api.store.begin() as tx:
        await tx.tokens.revoke(f"TOK-{ALICE}-read", NOW)
    answer = await api.client.get("/api/v1/status", headers=api.as_(ALICE))
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")


async def test_a_guest_and_somebody_slack_does_not_know_get_nothing(api: World) -> None:
    guest = await api.client.get("/api/v1/anomalies", headers=api.as_(GUEST))
    gone = await api.client.get("/api/v1/anomalies", headers=api.as_("U0GONE001"))
    assert (guest.status_code, gone.status_code) == (403, 403)
    assert "guests hold no role" in guest.json()["detail"]
    assert "'U0GONE001'" in gone.json()["detail"]
    async with api.store.begin() as tx:
        (row,) = await tx.audit.tail()
    assert (row.event.kind, row.event.actor) == ("access.denied", GUEST)


async def test_health_names_what_is_down_and_readiness_follows_the_process(api: World) -> None:
    assert (await api.client.get("/live")).json() == {"status": "ok"}
    since = datetime(2026, 11, 20, 14, 2, tzinfo=UTC)
    dead = Health("loki", up=False, detail="refused", since=since)
    api.healths[:] = [Health("prometheus", up=True), dead]
    health = (await api.client.get("/health")).json()
    assert health["status"] == "degraded"
    told = {"name": "loki", "up": False, "configured": True, "detail": ""}
    told |= {"state": "down", "since": "2026-11-20T14:02:00Z"}
    assert told in health["dependencies"]
    known = (await api.client.get("/health", headers=api.as_(DAVE))).json()
    assert told | {"detail": "refused"} in known["dependencies"]
    api.pulse[0] = Pulse(ready=False)
    assert (await api.client.get("/ready")).status_code == 503


async def test_metrics_are_prometheus_text(api: World) -> None:
    api.healths[:] = [Health("prometheus", up=True)]
    text = (await api.client.get("/metrics")).text
    for name in ("detection_duration_seconds", "anomalies_active", "remediation_total"):
        assert f"sre_agent_{name}" in text
    assert 'sre_agent_backend_up{name="prometheus"} 1.0' in text


async def test_status_tells_how_the_bot_is_doing(api: World) -> None:
    api.healths[:] = [Health("prometheus", up=True)]
    async with api.store.begin() as tx:
        await tx.anomalies.save(an_anomaly())
        await tx.baselines.save([a_baseline()])
        await tx.plans.add(a_record())
    status = (await api.client.get("/api/v1/status", headers=api.as_(DAVE))).json()
    expected = {
        "running": True, "active_anomalies": 1, "baselines_loaded": 1, "plans_waiting": 1,
        "metrics_collector_connected": True, "logs_collector_connected": False,
    }  # fmt: skip
    assert {k: status[k] for k in expected} == expected
    assert status["last_baseline_update"].startswith("2026-11-20T14:00")


async def test_anomalies_are_filtered_and_a_wrong_filter_names_the_nearest(api: World) -> None:
    first = an_anomaly()
    closed = replace(an_anomaly("ANO-000002", "order_qps"), state=Resolved(NOW))
    async with api.store.begin() as tx:
        await tx.anomalies.save(first)
        await tx.anomalies.save(closed)

    async def ids(query: str) -> list[str]:
        found = await api.client.get(f"/api/v1/anomalies{query}", headers=api.as_(DAVE))
        return sorted(a["id"] for a in found.json())

    assert await ids("") == ["ANO-000001"]
    assert await ids("?active_only=false") == ["ANO-000001", "ANO-000002"]
    assert await ids("?category=trading&severity=critical") == ["ANO-000001"]
    assert await ids("?severity=low") == []
    wrong = await api.client.get("/api/v1/anomalies?category=tradin", headers=api.as_(DAVE))
    assert wrong.json()["detail"] == (
        "category: unknown category 'tradin'. Did you mean 'trading'?"
    )
    worse = await api.client.get("/api/v1/anomalies?severity=bad", headers=api.as_(DAVE))
    assert worse.status_code == 422
    assert worse.json()["errors"][0]["field"] == "severity"
    assert "'bad'" in worse.json()["detail"]
    missing = await api.client.get("/api/v1/anomalies/ANO-9", headers=api.as_(DAVE))
    assert (missing.status_code, "ANO-9" in missing.json()["detail"]) == (404, True)


async def test_figures_of_a_service_are_read_only_by_those_who_may(api: World) -> None:
    wallet = replace(an_anomaly(), service=ServiceName("wallet"))
    async with api.store.begin() as tx:
        await tx.anomalies.save(wallet)
    assert (await api.client.get("/api/v1/anomalies", headers=api.as_(ALICE))).json() == []
    one = await api.client.get("/api/v1/anomalies/ANO-000001", headers=api.as_(ALICE))
    none = await api.client.get("/api/v1/anomalies/ANO-000009", headers=api.as_(ALICE))
    assert (one.status_code, none.status_code) == (404, 404)
    assert one.json()["detail"].replace("0001", "0009") == none.json()["detail"]


async def test_acknowledging_twice_is_once_and_updates_the_finding(api: World) -> None:
    finding = a_finding()
    async with api.store.begin() as tx:
        await tx.anomalies.save(an_anomaly())
        await tx.findings.save(finding)
        await tx.outbox.post("f", "finding", finding.id, PLACE)
    path = "/api/v1/anomalies/ANO-000001/acknowledge"
    assert (await api.client.post(path, headers=api.as_(DAVE, APPROVE))).status_code == 403
    for _ in range(2):
        answer = await api.client.post(path, headers=api.as_(ALICE, APPROVE))
        assert (answer.json()["state"], answer.json()["state_by"]) == ("acknowledged", ALICE)
    async with api.store.begin() as tx:
        rows = [r for r in await tx.audit.tail() if r.event.kind == "anomaly.acknowledged"]
        state = (await tx.anomalies.get(AnomalyId("ANO-000001"))).state
    assert isinstance(state, Acknowledged)
    assert state.by == ALICE
    assert len(rows) == 1


async def test_baselines_exported_can_be_imported_by_an_admin(api: World) -> None:
    async with api.store.begin() as tx:
        await tx.baselines.save([a_baseline()])
    exported = (await api.client.get("/api/v1/baselines/export", headers=api.as_(DAVE))).json()
    assert exported[0]["profile"] == [0.1, None, 0.3]
    path = "/api/v1/baselines/import"
    assert (
        await api.client.post(path, headers=api.as_(DAVE, Scope.ADMIN), json=exported)
    ).status_code == 403
    done = await api.client.post(path, headers=api.as_(ALICE, Scope.ADMIN), json=exported)
    assert done.json() == {"imported": 1}
    again = await api.client.get("/api/v1/baselines/export", headers=api.as_(ALICE))
    assert again.json() == exported
    exported[0]["metric"] = "order_latency"
    wrong = await api.client.post(path, headers=api.as_(ALICE, Scope.ADMIN), json=exported)
    assert "Did you mean 'order_latency_p99'?" in wrong.json()["detail"]


async def test_a_yes_over_http_goes_to_the_core_as_the_tokens_owner(api: World) -> None:
    async with api.store.begin() as tx:
        await tx.plans.add(a_record())
    for name in (ALICE, "Alice@example.com"):
        answer = await api.client.post(
            "/api/v1/approvals/PLAN-000001/approve",
            headers=api.as_(ALICE, APPROVE),
            json={"approver": name},
        )
        assert answer.json() == {"accepted": True, "status": "approved", "detail": "approved"}
    assert api.desk.asked == [("approve", "PLAN-000001", ALICE, "C1", "")] * 2


async def test_nobody_answers_in_somebody_elses_name(api: World) -> None:
    async with api.store.begin() as tx:
        await tx.plans.add(a_record())
    for verb, body in (
        ("approve", {"approver": DAVE}),
        ("reject", {"rejector": "dave@example.com", "reason": "no"}),
    ):
        path = f"/api/v1/approvals/PLAN-000001/{verb}"
        answer = await api.client.post(path, headers=api.as_(ALICE, APPROVE), json=body)
        assert answer.status_code == 403
        assert "answer with your own token" in answer.json()["detail"]
    assert api.desk.asked == []
    async with api.store.begin() as tx:
        assert [r.event.kind for r in await tx.audit.tail()] == ["access.denied"] * 2


@pytest.mark.parametrize(("guard", "status"), [("access", 403), ("expiry", 409)])
async def test_a_refusal_of_the_core_is_told_as_it_is(api: World, guard: str, status: int) -> None:
    async with api.store.begin() as tx:
        await tx.plans.add(a_record())
    api.desk.says = Said(False, PlanStatus.WAITING, "not so", guard)
    answer = await api.client.post(
        "/api/v1/approvals/PLAN-000001/reject",
        headers=api.as_(ALICE, APPROVE),
        json={"rejector": ALICE, "reason": "wrong pod"},
    )
    assert (answer.status_code, answer.json()["detail"]) == (status, "not so")
    assert api.desk.asked == [("reject", "PLAN-000001", ALICE, "wrong pod", "C1")]


async def test_plans_are_listed_with_what_they_would_do(api: World) -> None:
    async with api.store.begin() as tx:
        await tx.plans.add(a_record())
        ended = a_record("PLAN-000002")
        await tx.plans.add(ended.to(a_state(ended.plan, PlanStatus.SUCCEEDED)))
    waiting = (await api.client.get("/api/v1/approvals", headers=api.as_(DAVE))).json()
    every = (await api.client.get("/api/v1/plans", headers=api.as_(DAVE))).json()
    one = (await api.client.get("/api/v1/approvals/PLAN-000001", headers=api.as_(DAVE))).json()
    assert ([p["id"] for p in waiting], len(every)) == (["PLAN-000001"], 2)
    assert one["steps"][0]["action"] == "deployment_rollback"
    assert one["risk"]["score"] == 0.5
    assert one["answers"] == [{"by": "UALICE", "at": "2026-11-20T14:00:00.123456Z"}]


async def test_alertmanagers_webhook_opens_once_and_resolves(api: World) -> None:
    alert = {
        "status": "firing", "labels": {"alertname": "PodDown", "service": "order-api"},
        "annotations": {}, "startsAt": "2026-11-20T13:59:00Z", "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph", "fingerprint": "f1",
    }  # fmt: skip
    body = {"version": "4", "groupKey": "{}", "status": "firing", "alerts": [alert]}

    async def send(**change: object) -> httpx.Response:
        return await api.client.post(
            "/api/v1/alerts", headers=api.as_(ALICE, Scope.INGEST), json={**body, **change}
        )

    first = (await send()).json()
    assert (len(first["opened"]), (await send()).json()["unchanged"]) == (1, 1)
    resolved = (await send(alerts=[{**alert, "status": "resolved"}])).json()
    assert resolved["resolved"] == first["opened"]
    assert "'alertname' is missing" in (await send(alerts=[{**alert, "labels": {}}])).text
    assert (await send(version="3")).json()["unchanged"] == 1  # its form is read, not its number
    (known,) = (
        await api.client.get("/api/v1/alerts?active_only=false", headers=api.as_(ALICE))
    ).json()
    assert (known["alert"], known["state"], known["ended_how"]) == ("PodDown", "over", "told")
    assert (await api.client.get("/api/v1/alerts", headers=api.as_(ALICE))).json() == []


async def test_a_deployment_is_stored_without_the_secret_a_pipeline_told(api: World) -> None:
    secret = "hunter22x"
    body = {"service": "order-api", "version": "2.15.0", "summary": f"set password={secret}"}
    answer = await api.client.post(
        "/api/v1/deployments", headers=api.as_(ALICE, Scope.INGEST), json=body
    )
    assert answer.status_code == 201
    hours = timedelta(hours=1)
    async with api.store.begin() as tx:
        (change,) = await tx.changes.recent(Window.ending(NOW + hours, 2 * hours))
        rows = await tx.audit.tail(100)
    assert change.summary == "set password=[redacted: secret]"
    assert secret not in repr(rows)


async def test_a_deployment_is_stored_once(api: World) -> None:
    body = {"service": "order-api", "version": "2.15.0", "previous_version": "2.14.0", "id": "42"}
    answers = [
        await api.client.post(
            "/api/v1/deployments", headers=api.as_(ALICE, Scope.INGEST), json=body
        )
        for _ in range(2)
    ]
    assert [(a.status_code, a.json()["stored"]) for a in answers] == [(201, True), (200, False)]

    async with api.store.begin() as tx:
        (change,) = await tx.changes.recent(
            Window.ending(NOW + timedelta(hours=1), timedelta(hours=2))
        )
    assert (change.summary, change.source) == ("order-api 2.14.0 → 2.15.0", "webhook")
    for wrong, hint in (
        ({"service": "order-ap"}, "'order-api'"),
        ({"at": "2099-01-01T00:00:00Z"}, "future"),
    ):
        answer = await api.client.post(
            "/api/v1/deployments", headers=api.as_(ALICE, Scope.INGEST), json=body | wrong
        )
        assert (answer.status_code, hint in answer.json()["detail"]) == (422, True)


async def test_a_body_that_is_too_large_is_refused_also_without_a_length(api: World) -> None:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(60):
            yield b"x" * 1000

    for content in (b"x" * 60_000, parts()):
        answer = await api.client.post(
            "/api/v1/alerts", headers=api.as_(ALICE, Scope.INGEST), content=content
        )
        assert (answer.status_code, "50000 bytes" in answer.json()["detail"]) == (413, True)


async def test_an_unknown_path_says_where_the_paths_are(api: World) -> None:
    answer = await api.client.get("/api/v1/anomaly")
    assert answer.json()["detail"].startswith("there is nothing at '/api/v1/anomaly'")
    assert (await api.client.delete("/live")).status_code == 405


async def test_the_server_serves_and_a_port_in_use_is_one_clear_line(api: World) -> None:
    app = build_api(api.deps)
    server = ApiServer(ApiConfig(port=0), app)
    await server.start()
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        answer = await client.get(f"http://127.0.0.1:{server.port}/live")
    assert answer.json() == {"status": "ok"}
    with pytest.raises(PortInUseError, match=f"127.0.0.1:{server.port}.*API_PORT"):
        await ApiServer(ApiConfig(port=server.port), app).start()
    await asyncio.wait_for(server.stop(), timeout=PATIENCE)
    again = ApiServer(ApiConfig(port=server.port), app)
    await again.start()
    await again.stop()
