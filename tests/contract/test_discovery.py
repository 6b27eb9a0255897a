"""The map of services, discovered from the imitated production's own metrics."""

from __future__ import annotations

from bot.core.upkeep.discovery import COUNTERS, Discovery, calls_of
from sandbox.world.files import load_world
from tests.fixtures.profile import trading_catalogue
from tests.sandboxed import Platform
from tools.backends.prometheus.adapter import Prometheus
from tools.backends.prometheus.config import PrometheusConfig
from tools.world import Call

SERVICES = load_world().workloads
DRAWN = {(s.name, call.to) for s in SERVICES for call in s.calls}
IN_THE_MESH = {s.name for s in SERVICES if s.kind == "Deployment"}


async def test_traffic_shows_the_platform_as_it_is_drawn(outside: Platform) -> None:
    known = trading_catalogue()
    prometheus = Prometheus(PrometheusConfig(url=outside.prometheus_url))
    told: list[tuple[Call, ...]] = []
    await Discovery(prometheus, outside.clock, lambda: known, told.append).refresh()
    assert {(c.client, c.server) for c in told[0]} == DRAWN
    gateway = next(c for c in told[0] if (c.client, c.server) == ("gateway", "order-api"))
    assert 100 < gateway.per_second < 300  # the signal's 185 requests per second, by the hour
    assert 0 < gateway.failed_ratio < 0.02

    mesh, now = COUNTERS[1], outside.clock.now()
    total = await prometheus.query(mesh.total, now)
    failed = await prometheus.query(mesh.failed, now)
    calls = calls_of(mesh, total, failed, known)
    assert {(c.client, c.server) for c in calls} == {p for p in DRAWN if p[1] in IN_THE_MESH}
    assert any(c.failed_ratio > 0 for c in calls)
    await prometheus.close()
