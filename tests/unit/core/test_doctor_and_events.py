"""The doctor's rows, alerts taken in, events announced, and what the bot tells of itself."""

import asyncio
import io
import json
import logging
from pathlib import Path

import pytest
import structlog
from prometheus_client import generate_latest

from bot.composition.parts import open_live_files
from bot.core.shared.announcing import AnnouncingStore
from bot.core.upkeep.doctor import CheckFailedError, DependencyState, all_well, examine, of_health
from bot.domain.audit import BOT, Event
from bot.domain.secrets.redaction import Redactor
from bot.main import _model_data_detail
from bot.settings import load_settings
from bot.store.store import SqlStore
from bot.telemetry import LogConfig, SelfMetrics, configure_logging
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import NOW, an_anomaly
from tests.fixtures.profile import CONFIG
from tools.act.actions import ACTIONS
from tools.ports import Health
from tools.world import Catalogue, ServiceName, ServiceSpec

CATALOGUE = Catalogue(
    {}, {ServiceName("order-api"): ServiceSpec(ServiceName("order-api"), "t", ())}
)


async def test_the_doctor_names_the_services_that_claude_may_not_read_whole(
    tmp_path: Path,
) -> None:
    services = tmp_path / "services.yaml"
    services.write_text("shop: {namespace: n}\nvault: {namespace: n, model_data: nothing}\n")
    environment = {"SRE_AGENT_CONFIG": str(CONFIG), "SRE_AGENT_PATHS__SERVICES": str(services)}
    told = "not everything goes to Claude: vault: nothing, what belongs to no service: nothing"
    assert await _model_data_detail(load_settings(environment)) == told
    environment["SRE_AGENT_LLM__MODEL_DATA"] = "figures"
    told = told.replace("vault", "shop: figures, vault")
    assert await _model_data_detail(load_settings(environment)) == told
    assert open_live_files(load_settings(environment), ACTIONS).catalogue().model_data == "figures"
    services.write_text("shop: {namespace: n, model_data: all}\n")
    environment["SRE_AGENT_LLM__MODEL_DATA"] = "all"
    told = "everything but secrets may go to Claude"
    assert await _model_data_detail(load_settings(environment)) == told


async def test_the_doctor_tells_ok_off_and_failed_with_what_to_do() -> None:
    class Loki:
        async def health(self) -> Health:
            return Health("loki", up=False, detail="connection refused")

    async def fine() -> str:
        return "12 documents"

    async def strange() -> str:
        raise KeyError("url")

    async def refused() -> str:
        raise CheckFailedError("invalid_auth", "make a new token")

    async def silent() -> str:
        await asyncio.Event().wait()
        return "never"

    checks = {
        "knowledge": fine, "loki": of_health(Loki()), "odd": strange, "slack": refused,
        "database": silent,
    }  # fmt: skip
    rows = await examine(checks, {"claude": "set ANTHROPIC_API_KEY"}, timeout_seconds=0.05)
    told = {r.name: (r.state, r.detail, r.todo) for r in rows}
    assert told["knowledge"][:2] == (DependencyState.OK, "12 documents")
    assert told["loki"][:2] == (DependencyState.FAILED, "connection refused")
    assert told["odd"][1] == "KeyError: 'url'"
    assert told["slack"] == (DependencyState.FAILED, "invalid_auth", "make a new token")
    assert told["database"][1] == "no answer within 0.05 s"
    assert told["claude"] == (DependencyState.OFF, "not configured", "set ANTHROPIC_API_KEY")
    assert not all_well(rows)
    assert all_well([r for r in rows if r.state is not DependencyState.FAILED])


async def test_an_event_is_announced_after_its_commit_and_only_then(store: SqlStore) -> None:
    heard: list[str] = []

    def broken(_: Event) -> None:
        raise ValueError("a view is broken")

    announcing = AnnouncingStore(store, [broken, lambda e: heard.append(e.kind)])
    async with announcing.begin() as tx:
        await tx.audit.append(Event("plan.approved", NOW, "U1", "PLAN-1"))
        assert heard == []
    assert heard == ["plan.approved"]

    async def rolled_back() -> None:
        async with announcing.begin() as tx:
            await tx.audit.append(Event("plan.rejected", NOW, "U1", "PLAN-1"))
            raise RuntimeError("rolled back")

    with pytest.raises(RuntimeError):
        await rolled_back()
    assert heard == ["plan.approved"]
    assert await announcing.healthy()


async def test_self_metrics_count_what_happened_and_what_waits(store: SqlStore) -> None:
    metrics = SelfMetrics("0.1.0")
    metrics.on_event(Event("step.succeeded", NOW, BOT, "PLAN-1", facts={"action": "pod_restart"}))
    metrics.on_event(Event("plan.approved", NOW, "U1", "PLAN-1"))
    back = {"action": "scale", "undo": True}
    metrics.on_event(Event("step.failed", NOW, BOT, "PLAN-1", facts=back))
    metrics.cycle_finished(0.4)
    metrics.job_failed("digest", ValueError())
    async with store.begin() as tx:
        await tx.anomalies.save(an_anomaly())
        await tx.inbox.add("Ev1", "event", {}, NOW)
    backends = [Health("prometheus", up=True), Health("loki", up=False)]
    backends.append(Health("kubernetes", up=False, configured=False))
    mended = Health("slack outbox", up=True, degraded=True)
    await metrics.collect(store, FakeClock(NOW), [*backends, mended])
    await metrics.collect(store, FakeClock(NOW), backends)
    text = generate_latest(metrics.registry).decode()
    for line in (
        'sre_agent_remediation_total{action="pod_restart",outcome="succeeded"} 1.0',
        'sre_agent_remediation_total{action="scale",outcome="undo_failed"} 1.0',
        "sre_agent_detection_duration_seconds_count 1.0",
        'sre_agent_anomalies_active{severity="critical"} 1.0',
        'sre_agent_anomalies_active{severity="low"} 0.0',
        "sre_agent_inbox_backlog 1.0",
        'sre_agent_backend_up{name="prometheus"} 1.0',
        'sre_agent_backend_up{name="loki"} 0.0',
        'sre_agent_job_failures_total{job="digest"} 1.0',
    ):
        assert line in text
    assert 'name="kubernetes"' not in text
    assert 'name="slack outbox"' not in text


def test_logs_are_json_lines_without_secrets_even_in_a_stack_trace() -> None:
    before, handlers = structlog.get_config(), list(logging.getLogger().handlers)
    stream = io.StringIO()
    try:
        configure_logging(LogConfig("INFO", json=True), Redactor(["hunter2-known"]), stream)
        log = structlog.get_logger("test")
        log.info("slack.called", token="xoxb-made-up-abcdef", ids=["A", "hunter2-known"])
        log.debug("nobody.reads_this")
        try:
            raise ValueError("password=hunter2-known")
        except ValueError as error:
            log.warning("job.failed", exc_info=error)
        logging.getLogger("library").warning("Bearer abcdefghijklmnop was refused")
    finally:
        structlog.configure(**before)
        logging.getLogger().handlers[:] = handlers
    text = stream.getvalue()
    lines = [json.loads(line) for line in text.splitlines()]
    assert [e["event"] for e in lines[:2]] == ["slack.called", "job.failed"]
    assert len(lines) == 3
    assert lines[0]["level"] == "info"
    assert not any(s in text for s in ("xoxb-made", "hunter2", "abcdefghijklmnop"))
    assert "Traceback" in lines[1]["exception"]
