"""The sandbox's four backends on free ports; their world follows the clock of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sandbox.clock import ManualClock
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.server import KubernetesServer, start_kubernetes
from sandbox.loki.lines import Logs
from sandbox.loki.server import LokiServer
from sandbox.prometheus.server import Metadata, PrometheusServer
from sandbox.tempo.server import TempoServer
from sandbox.tempo.traces import Traces
from sandbox.world.faults import FaultLog
from sandbox.world.files import DEFAULT_WORLD, load_world
from sandbox.world.scenario import Story
from sandbox.world.usage import used
from sandbox.world.world import SEED, World
from tests.fakes.clock import FakeClock

HOST = "127.0.0.1"
START = datetime(2026, 11, 18, 10, 0, tzinfo=UTC)


@dataclass
class Platform:
    """The running backends; `clock` is the bot's, and the sandbox's own follows it."""

    clock: FakeClock
    world: World
    cluster: Cluster
    prometheus_url: str
    loki_url: str
    tempo_url: str
    kubernetes: KubernetesServer

    def advance(self, seconds: float, step: float = 5.0) -> None:
        """Let world time pass; the cluster moves in small steps as it would."""
        left = seconds
        while left > 0:
            self.clock.advance_world(seconds=min(step, left))
            self._tick()
            left -= step

    def tell(self, scenario: str) -> None:
        """Begin a story now."""
        self._tick()
        told = self.world.blueprint.get_scenario(scenario)
        self.world.tell(Story(told, self.clock.now().timestamp()))

    def _tick(self) -> None:
        self.cluster.tick(self.clock.now().timestamp())


@asynccontextmanager
async def platform(folder: Path, name: str = DEFAULT_WORLD) -> AsyncIterator[Platform]:
    """Start Prometheus, Loki and Kubernetes; stop them at the end."""
    ours, clock = FakeClock(START), ManualClock(START.timestamp())
    ours.followers.append(clock.advance)
    faults = FaultLog(folder / "faults.json")
    blueprint = load_world(name)
    cluster = Cluster(faults, clock.now(), blueprint=blueprint)
    world = World(clock, faults, cluster, blueprint=blueprint)
    cluster.drive_autoscalers(world.cpu_of_request)
    cluster.usage_provider = partial(used, world)

    def tick() -> None:
        cluster.tick(clock.now())

    known = {name: Metadata(family.kind, family.help) for name, family in world.families.items()}
    prometheus: Any = PrometheusServer(world, clock, known, before=tick)
    logs = Logs(world.timeline, SEED)
    loki: Any = LokiServer(logs, clock, tick)
    tempo: Any = TempoServer(Traces(logs, world.signals), clock, tick)
    await prometheus.start(HOST, 0)
    await loki.start(HOST, 0)
    await tempo.start(HOST, 0)
    kubernetes = await start_kubernetes(HOST, 0, cluster=cluster, clock=clock, state_dir=folder)
    try:
        yield Platform(ours, world, cluster, prometheus.url, loki.url, tempo.url, kubernetes)
    finally:
        await kubernetes.close()
        await tempo.close()
        await loki.close()
        await prometheus.close()
