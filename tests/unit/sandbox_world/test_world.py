"""The simulated production behaves like one: rhythm, faults with consequences, honest sums."""

from collections.abc import Callable

import numpy as np
import pytest

from sandbox.clock import Clock, ManualClock
from sandbox.prometheus.samples import NAME, Matcher
from sandbox.world.faults import FaultLog
from sandbox.world.files import load_scenario, load_world
from sandbox.world.noise import Floats
from sandbox.world.scenario import Story
from sandbox.world.timeline import Timeline
from tests.unit.sandbox_world.conftest import NOW, Production, catalogue

BY_NAME = load_world().services
P99 = catalogue()["order_latency_p99"]
DAY = 86400.0


def test_load_follows_the_hour_and_the_day_of_the_week(production: Production) -> None:
    monday = NOW - 4 * DAY - NOW % DAY
    busy = production.line(catalogue()["order_qps"], "order-api", *_hours(monday + 2 * DAY, 14))
    night = production.line(catalogue()["order_qps"], "order-api", *_hours(monday + 2 * DAY, 4))
    sunday = production.line(catalogue()["order_qps"], "order-api", *_hours(monday - DAY, 14))
    assert busy.mean() > 1.3 * night.mean()
    assert busy.mean() > 1.05 * sunday.mean()


def _hours(day: float, hour: int) -> tuple[float, float]:
    return day + hour * 3600, day + (hour + 1) * 3600


def test_every_catalogued_metric_has_values_for_fourteen_days(production: Production) -> None:
    for name, query in catalogue().items():
        vector = production.ask(query, NOW - 14 * DAY + 3600, NOW, 7200)
        assert vector.labels, name
        assert all("service" in dict(labels) for labels in vector.labels), name
        assert vector.present.all(), name
        assert np.isfinite(vector.values).all(), name


def test_usage_is_known_for_every_service_and_stays_below_its_limits(
    production: Production,
) -> None:
    for name in ("cpu_usage", "memory_usage"):
        vector = production.ask(catalogue()[name], NOW - DAY, NOW, 900)
        assert {dict(labels)["service"] for labels in vector.labels} == set(BY_NAME)
        assert 0.05 < vector.values.min() < vector.values.max() < 0.9


def test_the_bad_deploy_raises_p99_and_closing_it_recovers(production: Production) -> None:
    story = production.tell("bad_deploy", NOW - 3600)
    key = story.fault_key(story.scenario.get_fault("slow_orders"))
    production.faults.open(key, NOW - 3600)
    production.faults.close(key, NOW - 1800)
    values = production.line(P99, "order-api", NOW - 7200, NOW)
    before, during, after = values[:58], values[70:88], values[-15:]
    assert during.max() > 4.5 * before.mean()
    assert abs(after.mean() / before.mean() - 1) < 0.15
    errors = production.line(catalogue()["order_error_rate"], "order-api", NOW - 7200, NOW)
    assert errors[80] > 0.04
    assert errors[-1] < 0.01
    gateway = production.line(catalogue()["api_latency_p99"], "gateway", NOW - 7200, NOW)
    assert gateway[80] > 2 * gateway[50]
    ledger = production.line(catalogue()["api_latency_p99"], "ledger", NOW - 7200, NOW)
    assert ledger[80] < 1.3 * ledger[50]


def test_restarting_a_pod_does_not_cure_the_bad_deploy(production: Production) -> None:
    story = production.tell("bad_deploy", NOW - 3600)
    production.faults.open(story.fault_key(story.scenario.faults[0]), NOW - 3600)
    production.cluster.restart("order-api", NOW - 1800)
    assert production.line(P99, "order-api", NOW - 600, NOW).min() > 0.5


def test_the_story_can_be_told_twice(production: Production) -> None:
    for begin in (NOW - 7200, NOW - 2400):
        story = production.tell("bad_deploy", begin)
        key = story.fault_key(story.scenario.faults[0])
        production.faults.open(key, begin)
        production.faults.close(key, begin + 900)
    slow = production.line(P99, "order-api", NOW - 10800, NOW) > 0.5
    assert np.count_nonzero(np.diff(slow.astype(int)) == 1) == 2


def test_the_leak_fills_memory_until_the_container_dies_and_starts_anew(
    production: Production,
) -> None:
    production.tell("memory_leak", NOW - 900)
    memory = catalogue()["memory_usage"]
    rising = production.line(memory, "risk-engine", NOW - 10800, NOW - 900)
    assert rising[-1] > 0.97
    assert np.all(np.diff(rising) > 0)
    for slot in range(3):
        production.cluster.restart("risk-engine", NOW - 780 + slot, slot=0, same_pod=True)
    assert production.line(memory, "risk-engine", NOW - 60, NOW)[-1] < 0.45
    restarts = production.line(catalogue()["pod_restarts"], "risk-engine", NOW - 60, NOW)
    assert restarts[-1] >= 2.9
    killed = 'kube_pod_container_status_last_terminated_reason{reason="OOMKilled"} == 1'
    assert len(production.ask(killed, NOW - 60, NOW).labels) == 3


@pytest.mark.parametrize("seed", [20251, 7])
def test_the_noisy_night_stays_in_its_band(produce: Callable[..., Production], seed: int) -> None:
    night = NOW - NOW % DAY + 3 * 3600
    production = produce(night, seed)
    production.tell("noisy_night", night - 3600)
    for name, query in catalogue().items():
        if name == "pod_restarts":
            continue
        history = production.ask(query, night - 7 * DAY, night - DAY, 600)
        tonight = production.ask(query, night - 3600, night, 60)
        for row, labels in enumerate(tonight.labels):
            usual = _same_hour(history.values[history.labels.index(labels)])
            median = np.median(usual)
            spread = 1.4826 * np.median(np.abs(usual - median))
            score = np.abs(tonight.values[row] - median) / spread
            assert np.median(score) < 2.5, (name, labels)
            assert score.max() < 6.0, (name, labels)


def _same_hour(values: np.ndarray) -> np.ndarray:
    """Keep the samples of the hours around the same time of day."""
    position = np.arange(values.size) % 144
    return values[(position < 9) | (position > 135)]


def test_histograms_agree_with_themselves(production: Production) -> None:
    name = "http_request_duration_seconds"
    vector = production.ask(f'{name}_bucket{{service="ledger"}}', NOW - 3600, NOW)
    by_bound = sorted(
        zip(vector.labels, vector.values, strict=True), key=lambda row: _bound(row[0])
    )
    counts = np.stack([values for _, values in by_bound])
    assert (np.diff(counts, axis=0) >= 0).all()
    assert (np.diff(counts, axis=1) >= 0).all()
    total = production.line(f"{name}_count", "ledger", NOW - 3600, NOW)
    assert np.array_equal(counts[-1], total)
    mean = production.line(
        f"rate({name}_sum[5m]) / rate({name}_count[5m])", "ledger", NOW - 60, NOW
    )
    median = production.line(
        f"histogram_quantile(0.5, rate({name}_bucket[5m]))", "ledger", NOW - 60, NOW
    )
    assert median[-1] < mean[-1] < 1.4 * median[-1]


def _bound(labels: tuple[tuple[str, str], ...]) -> float:
    return float(dict(labels)["le"])


def test_the_quantile_read_from_buckets_is_the_one_intended(production: Production) -> None:
    times = np.arange(NOW - 300, NOW, 15.0)
    median = production.world.signals.latency("order-api", times).mean()
    intended = median * 99 ** (1 / production.world.blueprint.services["order-api"].shape)
    measured = production.line(P99, "order-api", NOW - 60, NOW)[-1]
    assert measured == pytest.approx(intended, rel=0.06)


def test_more_replicas_mean_less_processor_use_each(production: Production) -> None:
    cpu = 'avg(rate(container_cpu_usage_seconds_total{container="gateway"}[5m]))'
    before = production.ask(cpu, NOW - 1500, NOW - 1500).values[0, 0]
    production.cluster.scale("gateway", NOW - 1200, 8)
    after = production.ask(cpu, NOW, NOW).values[0, 0]
    assert after < 0.6 * before


def test_the_same_question_has_the_same_answer_in_another_process(
    produce: Callable[..., Production],
) -> None:
    first, second = produce(), produce()
    second.ask(P99, NOW - 90 * 3600, NOW - 80 * 3600)  # another order of questions
    for query in (P99, "rate(container_cpu_usage_seconds_total[5m])"):
        one, two = (made.ask(query, NOW - 3600, NOW) for made in (first, second))
        assert one.labels == two.labels
        assert np.array_equal(one.values, two.values)


def test_another_seed_is_another_history(produce: Callable[..., Production]) -> None:
    one, two = (produce(seed=seed).line(P99, "order-api", NOW - 3600, NOW) for seed in (1, 2))
    assert not np.allclose(one, two)


def test_the_past_does_not_change_when_a_fault_opens(production: Production) -> None:
    before = production.line(P99, "order-api", NOW - 7200, NOW - 60)
    story = production.tell("bad_deploy", NOW)
    production.faults.open(story.fault_key(story.scenario.faults[0]), NOW)
    production.clock.advance(600)
    assert np.array_equal(before, production.line(P99, "order-api", NOW - 7200, NOW - 60))
    assert production.line(P99, "order-api", NOW, NOW + 600)[-1] > 0.5


def test_nothing_is_known_of_the_future(production: Production) -> None:
    found = production.world.select([Matcher(NAME, "=", "up")], 0, round((NOW + 3600) * 1000))
    assert all(series.times[-1] <= NOW * 1000 for series in found)
    assert all(series.times[0] >= production.world.origin * 1000 for series in found)


def test_a_pod_that_is_gone_leaves_no_series_behind(production: Production) -> None:
    production.cluster.restart("gateway", NOW - 120)
    assert production.ask('count(up{service="gateway"})', NOW, NOW).values[0, 0] == 4


def test_two_hundred_series_over_a_day_cost_two_hundred_evaluations_of_a_day(
    production: Production, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = 'rate({__name__=~"http_request_duration_seconds_bucket|http_requests_total"}[5m])'
    asked: list[int] = []
    served = production.world.signals._chunk

    def counted(name: object, rates: Callable[[Floats], Floats], chunk: int) -> Floats:
        asked.append(chunk)
        return served(name, rates, chunk)

    monkeypatch.setattr(production.world.signals, "_chunk", counted)
    vector = production.ask(query, NOW - DAY, NOW)
    assert len(vector.labels) > 200
    first = len(asked)
    assert (
        first <= 2 * len(BY_NAME) * 64
    )  # one running sum per histogram and per outcome, 56+ chunks
    production.ask(query, NOW - DAY, NOW)
    assert len(asked) - first <= 2 * len(BY_NAME) * 6


# -- faults, stories, clock -----------------------------------------------------------------------


def test_faults_survive_a_restart_of_the_sandbox(tmp_path: object) -> None:
    path = tmp_path / "faults.json"  # type: ignore[operator]
    log = FaultLog(path)
    log.open("a/b", 10.0)
    log.open("a/b", 12.0)
    log.close("a/b", 20.0)
    log.close("a/b", 25.0)
    log.open("a/b", 30.0)
    again = FaultLog(path)
    assert again.intervals("a/b") == log.intervals("a/b")
    assert [(row.opened_at, row.closed_at) for row in again.intervals("a/b")] == [
        (10.0, 20.0),
        (30.0, None),
    ]


def test_a_fault_is_felt_with_its_time_constants(production: Production) -> None:
    story = Story(load_scenario("bad_deploy"), 0.0)
    fault = story.scenario.get_fault("slow_orders")
    log = FaultLog()
    log.open(story.fault_key(fault), 100.0)
    log.close(story.fault_key(fault), 1000.0)
    timeline = Timeline(log, production.cluster, 0.0, [story])
    times = np.array([99.0, 100.0 + fault.onset_seconds, 900.0, 1000.0 + fault.recovery_seconds])
    strength = timeline.strength(story, fault, times)
    assert strength == pytest.approx([0.0, 1 - np.exp(-1), 1.0, np.exp(-1)], abs=1e-6)


def test_an_unknown_scenario_is_named_with_the_ones_that_exist() -> None:
    with pytest.raises(ValueError, match=r"no scenario 'bad'; there are bad_deploy, memory_leak"):
        load_scenario("bad")


def test_two_processes_share_a_fast_clock() -> None:
    ours = Clock(epoch=5_000.0, speed=60.0, anchor_wall=1_000.0)
    theirs = Clock.shared(ours.env())
    coincide, speed = (float(word) for word in ours.env().split(","))
    assert coincide + (1_000.0 - coincide) * speed == pytest.approx(5_000.0)
    assert theirs.now() == pytest.approx(ours.now(), abs=60.0)


@pytest.mark.parametrize("value", ["", "12", "a,b", "1,0"])
def test_a_shared_clock_that_cannot_be_read_is_refused(value: str) -> None:
    with pytest.raises(ValueError, match="clock"):
        Clock.shared(value)


def test_a_manual_clock_moves_only_when_told() -> None:
    clock = ManualClock(100.0)
    clock.advance(5.0)
    assert clock.now() == 105.0
