"""A small world for tests: a manual clock, a static cluster, a fault log in memory."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from sandbox.clock import ManualClock
from sandbox.prometheus import evaluate
from sandbox.prometheus.samples import RecordedSource
from sandbox.prometheus.values import Vector
from sandbox.world.faults import FaultLog
from sandbox.world.files import load_scenario
from sandbox.world.pods import StaticCluster
from sandbox.world.scenario import Story
from sandbox.world.world import World, origin_before
from tests.unit.sandbox_world.comparison import Pair
from tests.unit.sandbox_world.real_prometheus import real_prometheus
from tests.unit.sandbox_world.recorded import recorded

NOW = 1_795_186_800.0  # a Friday afternoon
REPOSITORY = Path(__file__).resolve().parents[3]


def catalogue() -> dict[str, str]:
    """Return the bot's metrics: name -> query."""
    profile = REPOSITORY / "config" / "profiles" / "trading"
    raw = yaml.safe_load((profile / "metrics.yaml").read_text(encoding="utf-8"))
    return {name: spec["query"] for group in raw.values() for name, spec in group.items()}


@dataclass
class Production:
    """A world and what tests do with it."""

    clock: ManualClock
    world: World
    cluster: StaticCluster
    faults: FaultLog

    def tell(self, name: str, begins_at: float) -> Story:
        """Begin a story at a moment of choice."""
        story = Story(load_scenario(name), begins_at)
        self.world.tell(story)
        return story

    def ask(self, query: str, start: float, end: float, step: float = 60.0) -> Vector:
        """Evaluate a range query."""
        value = evaluate.over(
            self.world, query, round(start * 1000), round(end * 1000), round(step * 1000)
        )
        assert isinstance(value, Vector)
        return value

    def line(self, query: str, service: str, start: float, end: float) -> NDArray[np.float64]:
        """Evaluate a range query and return the values of one service."""
        vector = self.ask(query, start, end)
        row = [dict(labels).get("service") for labels in vector.labels].index(service)
        values: NDArray[np.float64] = vector.values[row][vector.present[row]]
        return values


@pytest.fixture
def produce() -> Callable[..., Production]:
    """Return a maker of worlds."""

    def make(now: float = NOW, seed: int = 20251) -> Production:
        clock, faults = ManualClock(now), FaultLog()
        origin = origin_before(now)
        cluster = StaticCluster(origin)
        world = World(clock, faults, cluster, origin=origin, seed=seed)
        return Production(clock, world, cluster, faults)

    return make


@pytest.fixture
def production(produce: Callable[..., Production]) -> Production:
    """Return a healthy world."""
    return produce()


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Return the sandbox's samples and a real Prometheus that holds them: one start per session."""
    rows = recorded()
    with real_prometheus(tmp_path_factory.mktemp("prometheus"), rows) as url:
        yield Pair(url, RecordedSource(rows))
