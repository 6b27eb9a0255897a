"""Unusual stretches, growth, what holds a total, twins, and whose trouble it is."""

from __future__ import annotations

import numpy as np
import pytest

from tools.analysis.metric_facts.composition import Driver, Waits, driver_of, holder_of, waits_of
from tools.analysis.metric_facts.growth import growing
from tools.analysis.metric_facts.onset import range_of
from tools.analysis.metric_facts.own import Distress, own_troubles
from tools.analysis.metric_facts.readings import Readings
from tools.analysis.metric_facts.trouble import distress_of
from tools.analysis.metric_facts.twins import replicas_of, with_twins
from tools.analysis.metric_facts.unusual import Stretch, crossed_for_long, unusual
from tools.analysis.metric_facts.usual import Rung, same_hours_yesterday, usual_of
from tools.world import Direction, Floats, MetricName, MetricSpec, Series, labels_of

STEP, SAMPLES, ASKED = 60.0, 300, 60
LATENCY = MetricSpec(MetricName("latency"), "", "latency", "seconds", "")


def readings_of(*values: Floats, spec: MetricSpec = LATENCY, step: float = STEP) -> Readings:
    return Readings.of(
        spec,
        [
            Series(
                spec.name,
                labels_of({"service": f"s{row}"}),
                step * np.arange(v.size, dtype=np.float64),
                v,
                step,
            )
            for row, v in enumerate(values)
        ],
    )


def steady(level: float = 1.0, *, seed: int = 1) -> Floats:
    return level * (1 + np.random.default_rng(seed).normal(0, 0.02, SAMPLES))


def since_of(readings: Readings) -> float:
    return float(readings.times[-ASKED])


def stretches(readings: Readings) -> list[Stretch]:
    since = since_of(readings)
    return unusual(readings, usual_of(readings, since), since)


# ---------------------------------------------------------------- unusual


def test_one_outlier_is_no_trouble() -> None:
    values = steady()
    values[-10] = 50
    assert stretches(readings_of(values)) == []


def test_less_than_a_fifth_of_what_is_usual_is_no_trouble_however_quiet_the_past_was() -> None:
    values = steady()
    values[-20:] *= 1.15
    assert stretches(readings_of(values)) == []


def test_a_rise_that_stays_far_from_the_limit_is_no_trouble() -> None:
    values = steady(0.01)
    values[-20:] *= 3
    with_limit = MetricSpec(MetricName("cpu"), "", "cpu", "cores", "", threshold=1.0)
    assert stretches(readings_of(values, spec=with_limit)) == []
    assert len(stretches(readings_of(values))) == 1


def test_what_ended_is_told_with_its_end() -> None:
    values = steady()
    values[-40:-20] *= 5
    readings = readings_of(values)
    (found,) = stretches(readings)
    assert found.until is not None
    assert abs(found.until - float(readings.times[-21])) <= STEP


def test_what_a_series_does_every_hour_is_no_news() -> None:
    values = steady()
    for begin in range(10, SAMPLES, 60):
        values[begin : begin + 6] *= 4
    assert stretches(readings_of(values)) == []


def test_of_a_share_that_should_be_high_what_is_missing_counts() -> None:
    ready = MetricSpec(MetricName("ok"), "", "ok", "percent", "", bad_direction=Direction.DOWN)
    values = np.full(SAMPLES, 100.0)
    values[-20:] = 97.0
    (found,) = stretches(readings_of(values, spec=ready))
    assert (found.usual, found.value) == (100.0, 97.0)
    assert found.log_ratio == pytest.approx(np.log(7.0), rel=0.01)  # half a percent stands for none


def test_a_fall_of_traffic_is_trouble_and_a_rise_is_none() -> None:
    traffic = MetricSpec(MetricName("rps"), "", "rps", "req/s", "", bad_direction=Direction.DOWN)
    fell, rose = steady(100), steady(100, seed=2)
    fell[-20:] *= 0.3
    rose[-20:] *= 3
    (found,) = stretches(readings_of(fell, rose, spec=traffic))
    assert found.row == 0
    assert found.value == pytest.approx(30, rel=0.1)


def test_a_young_series_is_judged_by_its_limit_alone() -> None:
    limited = MetricSpec(MetricName("latency"), "", "l", "seconds", "", threshold=2.0)
    values = np.full(SAMPLES, np.nan)
    values[-20:] = 5.0
    assert stretches(readings_of(values)) == []
    (found,) = stretches(readings_of(values, spec=limited))
    assert (found.rung, found.usual) == (Rung.LIMIT, 2.0)


def test_a_limit_that_was_always_crossed_is_told_apart() -> None:
    limited = MetricSpec(MetricName("disk"), "", "d", "ratio", "", threshold=0.5)
    readings = readings_of(steady(0.7), steady(0.2), spec=limited)
    usual = usual_of(readings, since_of(readings))
    assert [row for row, _ in crossed_for_long(readings, usual)] == [0]
    assert stretches(readings) == []


def test_the_same_hours_of_yesterday_are_read_from_a_coarser_past() -> None:
    times = 300.0 * np.arange(288 + 12)
    daily = 100 + 80 * np.sin(2 * np.pi * times / 86_400)
    past = readings_of(daily, step=300.0)
    found = same_hours_yesterday(past, 0, float(times[-12]), float(times[-1]))
    assert found is not None
    assert found[0] == pytest.approx(float(np.median(daily[:12])), rel=0.2)
    assert same_hours_yesterday(past, 0, 0.0, 3600.0) is None  # there is no day before


# ---------------------------------------------------------------- onset


def test_the_range_of_a_query_is_read_from_it() -> None:
    assert range_of("sum(rate(a[5m])) / sum(increase(b[30m]))") == 1800
    assert range_of("max(up)") == 0


def test_an_increase_that_stands_still_tells_of_trouble_that_is_over() -> None:
    restarts = MetricSpec(MetricName("r"), "", "sum(increase(restarts_total[30m]))", "restarts", "")
    burst, lasting = np.zeros(SAMPLES), np.zeros(SAMPLES)
    burst[-20:] = np.minimum(np.arange(20), 4)
    lasting[-20:] = np.arange(20)
    found = {each.row: each for each in stretches(readings_of(burst, lasting, spec=restarts))}
    assert found[0].until is not None
    assert found[1].until is None


# ---------------------------------------------------------------- growth


QUEUE = MetricSpec(MetricName("backlog"), "", "backlog", "messages", "")


def test_a_queue_that_grows_is_noticed_even_when_it_has_no_past() -> None:
    values = np.full(SAMPLES, np.nan)
    values[-30:] = 5.0 * np.arange(30)
    (found,) = growing(readings_of(values, spec=QUEUE), 0.0)
    assert found.last == 145
    assert found.per_hour == pytest.approx(300)


def test_noise_a_single_jump_and_what_empties_do_not_grow() -> None:
    jump = np.where(np.arange(SAMPLES) < SAMPLES - 15, 10.0, 40.0)
    falling = np.linspace(100, 10, SAMPLES)
    readings = readings_of(steady(10), jump, falling, spec=QUEUE)
    assert growing(readings, since_of(readings)) == []


# ---------------------------------------------------------------- who holds it


def test_who_holds_what_was_added_is_named_and_not_who_is_always_large() -> None:
    found = holder_of({"report": 40.0, "new": 30.0}, {"report": 40.0, "new": 2.0})
    assert found is not None
    assert (found.name, found.added) == ("new", True)
    assert found.share == pytest.approx(1.0)


def test_a_load_that_is_spread_has_no_holder() -> None:
    assert holder_of({"a": 4.0, "b": 4.0, "c": 4.0}, {}) is None
    assert holder_of({"a": 4.0}, {}) is None  # the only part is no finding


def test_more_calls_and_dearer_calls_are_told_apart() -> None:
    assert driver_of(40, 10, 400, 100) is Driver.VOLUME
    assert driver_of(40, 10, 100, 100) is Driver.COST
    assert driver_of(160, 10, 400, 100) is Driver.BOTH
    assert driver_of(10, 10, 100, 100) is Driver.UNKNOWN


def test_idle_sessions_leak_only_while_connections_rise() -> None:
    assert waits_of("idle in transaction", connections_rise=True) is Waits.LEAK
    assert waits_of("Client", connections_rise=False) is Waits.OTHER
    assert waits_of("IO", connections_rise=True) is Waits.WORK
    assert waits_of("Lock", connections_rise=True) is Waits.LOCK


# ---------------------------------------------------------------- twins


def test_a_new_pod_is_judged_by_its_twins() -> None:
    young = np.full(SAMPLES, np.nan)
    young[-20:] = 5.0
    times = STEP * np.arange(SAMPLES, dtype=np.float64)
    values = {"a": steady(), "b": steady(seed=2), "c": steady(seed=3), "d": young}
    readings = Readings.of(
        LATENCY,
        [
            Series("latency", labels_of({"service": "api", "pod": pod}), times, v, STEP)
            for pod, v in values.items()
        ],
    )
    groups = ["api"] * 4
    since = since_of(readings)
    usual = with_twins(readings, usual_of(readings, since), groups)
    (found,) = unusual(readings, usual, since)
    assert (found.rung, found.row) == (Rung.TWINS, 3)
    told = replicas_of(readings, groups, [3])[3]
    assert str(told) == "1 of 4 replicas"
    assert told.only_some


# ---------------------------------------------------------------- whose it is

CALLS = {"front": ("api",), "api": ("db", "cache")}


def own(**told: Distress) -> list[str]:
    return [each.service for each in own_troubles(told, CALLS, asked="front") if each.rank > 0]


def test_the_deepest_of_equals_comes_first() -> None:
    assert own(front=Distress(2.0), api=Distress(2.0), db=Distress(2.0))[0] == "db"


def test_whoever_waits_longest_is_not_blamed_for_it() -> None:
    front = Distress(5.4, excess=8.6)  # 30 ms became 8.6 s; of its callee 4 ms became 7 s
    assert own(front=front, api=Distress(7.4, excess=7.0))[0] == "api"


def test_what_adds_too_little_explains_nothing() -> None:
    front, cache = Distress(2.0, excess=1.0), Distress(3.0, excess=0.001)
    assert own(front=front, api=Distress(2.0, excess=1.0), cache=cache)[0] == "api"


def test_a_callee_that_is_seldom_called_explains_little() -> None:
    front = Distress(1.0, 0.1, 1000.0)
    found = own(front=front, api=Distress(1.0, 0.1, 990.0), cache=Distress(2.0, 0.1, 3.0))
    assert found[0] == "api"


def test_trouble_does_not_jump_over_a_service_that_is_well() -> None:
    assert own(front=Distress(2.0), api=Distress(0.0), db=Distress(3.0)) == ["front"]


def test_whoever_only_watches_a_call_is_no_cause_and_hides_none() -> None:
    told = {"front": Distress(2.0), "balancer": Distress(4.0), "api": Distress(3.0)}
    calls = {"front": ("balancer",), "balancer": ("api",)}
    found = own_troubles(told, calls, asked="front", watching=("balancer",))
    assert [each.service for each in found] == ["api", "front"]
    assert found[1].own == 0


def test_the_trouble_of_a_window_is_that_of_its_worse_half() -> None:
    values = steady()
    values[-20:] *= 4
    readings = readings_of(values, steady(seed=2))
    since = float(readings.times[-40])
    sick, well = distress_of(readings, usual_of(readings, since), since, float(readings.times[-1]))
    assert sick.strength == pytest.approx(np.log(4), rel=0.1)
    assert sick.excess == pytest.approx(3.0, rel=0.1)
    assert well.strength == 0


def test_trouble_that_began_before_the_window_is_told_from_where_it_began() -> None:
    values = steady()
    values[-ASKED - 45 :] *= 4
    readings = readings_of(values)
    (found,) = stretches(readings)
    assert abs(found.since - float(readings.times[-ASKED - 45])) <= STEP
    assert found.until is None


def test_what_adds_nothing_to_what_is_felt_above_is_told_so() -> None:
    told = {
        "front": Distress(6.0, excess=15.0, traffic=20.0),
        "api": Distress(3.0, excess=0.5, traffic=2.0),
        "db": Distress(3.0, excess=0.2, traffic=4.0),
    }
    felt = {each.service: each.felt for each in own_troubles(told, CALLS)}
    assert felt["front"] == 1.0
    assert felt["db"] <= felt["api"] < 0.1
    tail = {**told, "front": Distress(6.0, excess=15.0, traffic=20.0, statistic="tail")}
    assert {e.service: e.felt for e in own_troubles(tail, CALLS)}["api"] == 1.0
