"""What metric facts must hold for any series: no unit, no noise, no hour of the day decides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tools.analysis.metric_facts.own import Distress, own_troubles
from tools.analysis.metric_facts.readings import Readings
from tools.analysis.metric_facts.unusual import unusual
from tools.analysis.metric_facts.usual import usual_of
from tools.world import Direction, Floats, MetricName, MetricSpec

STEP, SAMPLES, ASKED = 60.0, 360, 60
MOST_FALSE = 0.01  # of noisy healthy series: how many may seem to have begun something now
STRONGEST = st.floats(1.0, 6.0)


def readings_of(values: Floats, direction: Direction = Direction.UP, unit: str = "x") -> Readings:
    spec = MetricSpec(MetricName("m"), "", "m", unit, "", direction)
    labels = tuple((("service", f"s{row}"),) for row in range(values.shape[0]))
    return Readings(spec, labels, STEP * np.arange(values.shape[1], dtype=np.float64), values, STEP)


def noise(seed: int, count: int) -> Floats:
    return np.random.default_rng(seed).normal(100.0, 5.0, (count, SAMPLES))


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(1e-6, 1e6), jump=st.floats(1.5, 20.0), seed=st.integers(0, 50))
def test_a_unit_changes_neither_the_ratio_nor_the_onset(
    scale: float, jump: float, seed: int
) -> None:
    values = noise(seed, 1)
    values[:, -20:] *= jump
    plain, scaled = readings_of(values), readings_of(values * scale)
    since = float(plain.times[-ASKED])
    (one,) = unusual(plain, usual_of(plain, since), since)
    (other,) = unusual(scaled, usual_of(scaled, since), since)
    assert one.log_ratio == pytest.approx(other.log_ratio, rel=1e-6)
    assert (one.since, one.until) == (other.since, other.until)


@settings(max_examples=20, deadline=None)
@given(first=st.integers(5, 25), later=st.integers(1, 20), seed=st.integers(0, 50))
def test_what_begins_earlier_is_told_earlier(first: int, later: int, seed: int) -> None:
    values = noise(seed, 2)
    values[0, -ASKED + first :] *= 3
    values[1, -ASKED + first + later :] *= 3
    readings = readings_of(values)
    since = float(readings.times[-ASKED])
    found = {each.row: each for each in unusual(readings, usual_of(readings, since), since)}
    assert found[0].since < found[1].since
    assert found[1].since - found[0].since == pytest.approx(later * STEP, abs=2 * STEP)


@settings(max_examples=20, deadline=None)
@given(first=st.integers(3, 50), seed=st.integers(0, 50))
def test_an_onset_is_told_within_its_tolerance(first: int, seed: int) -> None:
    values = noise(seed, 1)
    values[0, -ASKED + first :] *= 2
    readings = readings_of(values)
    since = float(readings.times[-ASKED])
    (found,) = unusual(readings, usual_of(readings, since), since)
    assert abs(found.since - float(readings.times[-ASKED + first])) <= found.tolerance


def _healthy(count: int) -> dict[str, Floats]:
    """Return noisy series that nothing happens in, by what they are like."""
    rng = np.random.default_rng(11)
    shape = (count, SAMPLES)
    slow = np.zeros(shape)
    for at in range(1, SAMPLES):
        slow[:, at] = 0.9 * slow[:, at - 1] + rng.normal(0, 1, count)
    return {
        "normal": rng.normal(100, 8, shape),
        "lognormal": np.exp(rng.normal(0, 0.5, shape)) / 20,
        "counts": rng.poisson(2, shape).astype(float),
        "sparse": (rng.random(shape) < 0.05) * rng.exponential(1, shape),
        "slow": 50 + 3 * slow,
        "heavy tails": 10 + np.abs(rng.standard_t(2, shape)),
        "errors": np.clip(rng.exponential(0.0008, shape), 0, 1),
        "steps of a clock": np.floor(rng.uniform(0, 3, shape)),
    }


def test_noise_begins_nothing(record_property: Callable[[str, object], None]) -> None:
    kinds = _healthy(250)
    false = total = 0
    for name, values in kinds.items():
        unit = "ratio" if name == "errors" else "x"
        for direction in (Direction.UP, Direction.DOWN, Direction.BOTH):
            readings = readings_of(values, direction, unit)
            since = float(readings.times[-ASKED])
            found = unusual(readings, usual_of(readings, since), since)
            false += sum(each.until is None for each in found)
            total += values.shape[0]
    record_property("false_now_share", false / total)
    print(f"{false} of {total} noisy healthy series seemed unusual now")  # noqa: T201
    assert total >= 2_000
    assert false / total <= MOST_FALSE


@settings(max_examples=30, deadline=None)
@given(callee=STRONGEST, caller=STRONGEST, others=st.lists(STRONGEST, max_size=4))
def test_ranking_is_the_same_in_any_order_of_what_is_told(
    callee: float, caller: float, others: list[float]
) -> None:
    told = {"a": Distress(caller), "b": Distress(callee)}
    told |= {f"c{place}": Distress(value) for place, value in enumerate(others)}
    calls = {"a": tuple(name for name in told if name != "a")}
    turned = dict(reversed(list(told.items())))
    assert own_troubles(told, calls, asked="a") == own_troubles(turned, calls, asked="a")


@settings(max_examples=30, deadline=None)
@given(callee=STRONGEST, weaker=st.floats(0.1, 1.0))
def test_a_caller_no_worse_than_its_callee_has_nothing_of_its_own(
    callee: float, weaker: float
) -> None:
    told = {"front": Distress(callee * weaker), "back": Distress(callee)}
    first, second = own_troubles(told, {"front": ("back",)}, asked="front")
    assert (first.service, second.service) == ("back", "front")
    assert second.own == 0
