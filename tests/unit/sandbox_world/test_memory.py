"""What is computed once stays right: a remembered sample is the sample computed afresh."""

from collections.abc import Callable

import numpy as np
import pytest

from sandbox.prometheus.samples import NAME, Matcher, Series
from sandbox.world import signals as signals_module
from sandbox.world.memory import Memory
from sandbox.world.noise import drift
from tests.unit.sandbox_world.conftest import NOW, Production

HOUR = 3600.0
ALL = [
    Matcher(NAME, "=~", "http_requests_total|trading_order_.*|margin_utilization"),
    Matcher("service", "=~", "order-api|risk-engine"),
]


def _samples(world: Production, start: float, end: float) -> dict[object, Series]:
    found = world.world.select(ALL, round(start * 1000), round(end * 1000))
    return {series.labels: series for series in found}


def test_the_longest_unused_is_forgotten_first() -> None:
    memory = Memory(limit_bytes=24)
    for name in ("a", "b", "c"):
        memory.keep(name, np.zeros(1))
    assert memory.find("a") is not None  # used again: b is now the oldest
    memory.keep("d", np.zeros(1))
    assert memory.find("b") is None
    assert memory.find("a") is not None
    assert memory.find("d") is not None


def test_what_is_kept_is_computed_once_and_cannot_be_changed() -> None:
    memory, calls = Memory(), []

    def compute() -> np.ndarray:
        calls.append("computed")
        return np.ones(2)

    first, second = memory.recall("x", compute), memory.recall("x", compute)
    assert first is second
    assert calls == ["computed"]
    with pytest.raises(ValueError, match="read-only"):
        first[0] = 5.0


def test_drift_on_the_grid_is_drift_of_each_step_alone() -> None:
    steps = np.arange(7_900, 9_100, dtype=np.int64)
    scattered = np.flip(steps)
    assert drift(99, steps).tolist() == drift(99, scattered)[::-1].tolist()
    alone = [float(drift(99, steps[place : place + 1])[0]) for place in (0, 500, 1199)]
    assert alone == [float(drift(99, steps)[place]) for place in (0, 500, 1199)]


def test_a_world_that_remembers_answers_like_one_that_forgot(
    produce: Callable[..., Production], monkeypatch: pytest.MonkeyPatch
) -> None:
    def history(world: Production) -> list[dict[object, Series]]:
        before = _samples(world, NOW - 40 * HOUR, NOW - 30 * HOUR)
        world.tell("bad_deploy", NOW - HOUR)
        key = "bad_deploy/slow_orders"
        world.faults.open(key, NOW - HOUR)
        during = _samples(world, NOW - 26 * HOUR, NOW)
        world.faults.close(key, NOW - 0.5 * HOUR)
        return [before, during, _samples(world, NOW - 26 * HOUR, NOW)]

    warm = produce()
    _samples(warm, NOW - 40 * HOUR, NOW)
    remembered = history(warm)
    monkeypatch.setattr(signals_module, "HEALTHY", Memory(limit_bytes=1))
    cold = produce()
    cold.world.signals._memory = Memory(limit_bytes=1)
    for ours, afresh in zip(remembered, history(cold), strict=True):
        assert ours.keys() == afresh.keys()
        for labels, series in ours.items():
            assert np.array_equal(series.values, afresh[labels].values, equal_nan=True), labels


def test_series_that_live_as_long_share_one_grid(production: Production) -> None:
    found = list(_samples(production, NOW - HOUR, NOW).values())
    assert len({id(series.times) for series in found}) == 1
