"""Metrics are read as facts: whose trouble it is, since when, what carries it, what is unknown."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tests.fakes.baselines import FakeBaselines
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tools.analysis.facts import Edge, Fact, FactSubject, Link, StartClass, service
from tools.analysis.metric_facts.facts import metric_facts
from tools.analysis.metric_facts.judged import measure
from tools.contract import ToolResult
from tools.errors import BackendRefusedError, BackendUnavailableError
from tools.observe.metric_facts import MetricsExamined, examine_metrics
from tools.world import (
    Catalogue,
    Direction,
    Floats,
    MetricName,
    MetricRole,
    MetricSpec,
    ServiceName,
    ServiceSpec,
    Window,
)

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
STEP = 60.0
DAY = 1440
BEGAN = 20  # minutes ago


def spec(name: str, role: MetricRole | None, unit: str, **told: object) -> MetricSpec:
    direction = role.bad_direction if role is not None else Direction.UP
    whole = {"bad_direction": direction, "role": role, **told}
    return MetricSpec(MetricName(name), "", name, unit, name, **whole)  # type: ignore[arg-type]


SPECS = (
    spec("latency_ms", MetricRole.LATENCY, "ms"),
    spec("latency", MetricRole.LATENCY, "seconds"),
    spec("error_share", MetricRole.ERRORS, "ratio"),
    spec("requests", MetricRole.TRAFFIC, "requests/s"),
    spec("cpu_throttled", MetricRole.SATURATION, "ratio", resource="cpu"),
    spec("pool", MetricRole.SATURATION, "ratio", resource="connections", threshold=0.95),
    spec("backlog", MetricRole.LAG, "messages"),
    spec("db_time", MetricRole.SATURATION, "s/s"),
    spec("oddity", None, "things"),
)


def catalogue(*, calls: bool = True) -> Catalogue:
    reach = {"front": ("api",), "api": ("db",), "db": (), "aside": ()}
    services = {
        ServiceName(name): ServiceSpec(
            ServiceName(name), "shop", (),
            dependencies=tuple(ServiceName(each) for each in callees) if calls else (),
        )
        for name, callees in reach.items()
    }  # fmt: skip
    return Catalogue({each.name: each for each in SPECS}, services)


class Store(FakeMetrics):
    """Two days of quiet minutes; what is not told of a metric has no series."""

    def __init__(self) -> None:
        super().__init__({each.query: () for each in SPECS})
        self.times = NOW.timestamp() - STEP * np.arange(2 * DAY, -1, -1)
        self.noise = np.random.default_rng(5)

    def tell(
        self,
        metric: str,
        level: float,
        change: Callable[[Floats], None] | None = None,
        **labels: str,
    ) -> Store:
        values = level * (1 + self.noise.normal(0, 0.02, self.times.size))
        if change is not None:
            change(values)
        self.put(metric, labels, self.times.tolist(), values.tolist())
        return self


def times(factor: float, minutes: int = BEGAN) -> Callable[[Floats], None]:
    def change(values: Floats) -> None:
        values[-minutes:] *= factor

    return change


async def looked(store: Store, about: str = "front", *, calls: bool = True) -> MetricsExamined:
    result = await told(store, about, calls=calls)
    examined: MetricsExamined = result.value
    return examined


async def told(store: Store, about: str = "front", *, calls: bool = True) -> ToolResult:
    result: ToolResult = await examine_metrics.function(
        store, FakeClock(NOW), catalogue(calls=calls), FakeBaselines(), service=about
    )
    return result


def the(examined: MetricsExamined, who: str, predicate: str) -> Fact:
    (found,) = [
        each for each in examined.facts
        if (each.subject.name, each.predicate) == (who, predicate)
    ]  # fmt: skip
    return found


def predicates(examined: MetricsExamined) -> set[tuple[str, str]]:
    return {(each.subject.name, each.predicate) for each in examined.facts}


async def test_of_three_slow_services_the_deepest_starts_and_its_callers_show() -> None:
    store = Store().tell("latency", 0.3, times(4), service="front")
    store.tell("latency", 0.1, times(8), service="api").tell(
        "latency", 0.01, times(20), service="db"
    )
    found = await looked(store)
    start = the(found, "db", "latency-unexplained")
    assert (start.role, start.start_class) == (Link.START, StartClass.UNEXPLAINED)
    assert start.unexplained == 1.0
    shown = the(found, "front", "latency-high")
    assert (shown.role, shown.explained_by) == (Link.SHOW, "api")
    assert shown.sentence.startswith("front takes 1.2")
    assert shown.sentence.endswith("; api explains it")
    assert start.since is not None
    assert abs(start.since - (NOW - timedelta(minutes=BEGAN - 1))) <= start.tolerance
    assert start.present
    assert start.writer == "application db"


async def test_what_is_over_is_past_and_what_is_as_usual_is_measured() -> None:
    def burst(values: Floats) -> None:
        values[-40:-20] *= 10

    store = Store().tell("latency", 0.3, burst, service="front")
    store.tell("error_share", 0.001, service="front")
    found = await looked(store)
    fact = the(found, "front", "latency-unexplained")
    assert fact.until is not None
    assert abs(fact.until - (NOW - timedelta(minutes=20))) <= timedelta(minutes=2)
    assert [(each.subject, each.metric, each.role) for each in found.measured] == [
        (service("front"), "error_share", "errors")
    ]


async def test_who_is_held_back_by_a_limit_is_slow_because_of_it() -> None:
    store = Store().tell("latency", 0.3, times(4, 15), service="front")
    store.tell("cpu_throttled", 0.02, times(30, 18), service="front")
    found = await looked(store)
    start = the(found, "front", "cpu-throttled")
    assert (start.role, start.start_class) == (Link.START, StartClass.EXHAUSTED)
    assert the(found, "front", "latency-high").role is Link.SHOW


async def test_a_full_pool_starts_and_a_filling_one_is_carried() -> None:
    full = the(
        await looked(Store().tell("pool", 0.2, times(4.9), service="api")), "api",
        "connections-exhausted",
    )  # fmt: skip
    assert full.role is Link.START
    filling = the(
        await looked(Store().tell("pool", 0.2, times(3), service="api")), "api",
        "connections-filling",
    )  # fmt: skip
    assert filling.role is Link.CARRY


async def test_a_queue_that_only_grows_is_noticed() -> None:
    def grow(values: Floats) -> None:
        values[:] = 3.0
        values[-30:] = 3 + 8 * np.arange(30)

    found = await looked(Store().tell("backlog", 3, grow, service="db"))
    fact = the(found, "db", "queue-growing")
    assert (fact.role, fact.value) == (Link.CARRY, 235.0)
    assert "only grows: 3 messages → 235 messages" in fact.sentence


async def test_a_surge_starts_where_no_caller_surged() -> None:
    store = Store().tell("requests", 50, times(5), service="front")
    store.tell("requests", 100, times(5), service="api")
    found = await looked(store)
    assert the(found, "front", "traffic-surge").role is Link.START
    passed_on = the(found, "api", "traffic-surge")
    assert (passed_on.role, passed_on.start_class) == (Link.CARRY, StartClass.DRIVER)


async def test_a_statement_that_holds_what_was_added_is_named() -> None:
    store = Store().tell("db_time", 0.4, service="db", queryid="11")
    store.tell("db_time", 0.1, times(30), service="db", queryid="22")
    store.tell("db_time", 0.3, service="db", queryid="33")
    found = await looked(store)
    statement = FactSubject("statement", "22", "db")
    fact = the(found, "22", "statement-dominates")
    assert (fact.subject, fact.start_class) == (statement, StartClass.DRIVER)
    assert Edge(statement, service("db"), "part_of", "metrics") in found.edges


async def test_one_sick_replica_of_several_is_told_apart() -> None:
    store = Store()
    for pod in "abc":
        change = times(6) if pod == "b" else None
        store.tell("latency", 0.1, change, service="api", pod=f"api-{pod}")
    found = await looked(store)
    fact = the(found, "api-b", "latency-unexplained")
    assert fact.subject == FactSubject("pod", "api-b", "api")
    assert "1 of 3 replicas" in fact.sentence
    assert Edge(fact.subject, service("api"), "part_of", "metrics") in found.edges


async def test_an_unknown_role_starts_nothing() -> None:
    found = await looked(Store().tell("oddity", 5, times(9), service="api"))
    assert the(found, "api", "metric-unusual").role is Link.SHOW


async def test_what_happened_at_the_same_hours_of_yesterday_is_no_news() -> None:
    def nightly(values: Floats) -> None:
        values[-BEGAN:] *= 5
        values[-DAY - BEGAN : -DAY + BEGAN] *= 5

    store = Store().tell("latency", 0.3, nightly, service="front")
    store.tell("latency", 0.1, times(5), service="api")
    found = await looked(store)
    assert predicates(found) == {("api", "latency-unexplained")}


async def test_one_question_per_metric_and_one_more_where_yesterday_has_a_say() -> None:
    store = Store().tell("latency", 0.3, times(4), service="front")
    for name in ("front", "api", "db"):
        store.tell("requests", 50, service=name)
    await looked(store)
    asked = {query: store.asked.count(query) for query in set(store.asked)}
    assert asked == {each.query: 2 if each.name == "latency" else 1 for each in SPECS}


async def test_only_what_the_asked_service_calls_is_told() -> None:
    store = Store().tell("latency", 0.3, times(4), service="aside")
    store.tell("latency", 0.3, times(4), service="db")
    assert predicates(await looked(store, "api")) == {("db", "latency-unexplained")}
    assert {who for who, _ in predicates(await looked(store, ""))} == {"aside", "db"}


async def test_a_store_that_refuses_one_metric_leaves_a_gap_and_one_that_is_down_fails() -> None:
    store = Store().tell("latency", 0.3, service="front")
    del store.series["pool"]
    result = await told(store)
    assert "NOT LOOKED AT: pool could not be read" in result.summary
    store.broken = BackendUnavailableError("prometheus", "it is down")
    with pytest.raises(BackendUnavailableError):
        await looked(store)


async def test_what_is_too_young_or_silent_is_a_gap_and_is_not_called_usual() -> None:
    def young(values: Floats) -> None:
        values[:-8] = np.nan

    def silent(values: Floats) -> None:
        values[-12:] = np.nan

    store = Store().tell("latency", 0.3, young, service="front")
    store.tell("latency", 0.3, silent, service="api")
    result = await told(store)
    assert result.value.measured == ()
    assert "front: latency is too young to show what is usual" in result.summary
    assert "api: latency has no recent sample" in result.summary


async def test_without_a_call_graph_a_caller_cannot_be_told_from_its_callee() -> None:
    store = Store().tell("latency", 0.3, times(4), service="front")
    store.tell("latency", 0.1, times(4), service="api")
    blind = await looked(store, "", calls=False)
    assert [gap.reason for gap in blind.gaps] == ["who calls whom is not known of them"]
    store.tell("latency", 0.01, service="db")
    assert (await looked(store, "front")).gaps == ()


async def test_what_may_hold_it_up_and_was_not_measured_is_a_gap() -> None:
    store = Store().tell("latency", 0.1, times(4), service="api")
    (gap,) = (await looked(store, "api")).gaps
    assert (gap.subject, gap.reason) == ("db", "its latency is not measured")
    assert gap.would_show == "whether it slows api"


async def test_the_same_store_gives_the_same_answer_whatever_order_it_answers_in() -> None:
    store = Store().tell("latency", 0.3, times(4), service="front")
    store.tell("latency", 0.1, times(8), service="api").tell("requests", 9, times(4), service="db")
    first = await told(store, "")
    for found in store.series.values():
        found.reverse()
    again = await told(store, "")
    assert again.value.facts == first.value.facts
    assert (again.summary, again.payload) == (first.summary, first.payload)


async def test_nothing_measured_is_neither_health_nor_trouble() -> None:
    with_nothing = await told(Store())
    assert "neither healthy nor unusual" in with_nothing.summary
    assert with_nothing.value.facts == ()


async def test_a_refusal_of_yesterday_changes_nothing() -> None:
    class Young(Store):
        async def query_range(self, promql, window, step=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
            if window.end < NOW - timedelta(hours=20):
                raise BackendRefusedError("prometheus", "nothing is kept so long")
            return await super().query_range(promql, window, step)

    found = await looked(Young().tell("latency", 0.3, times(4), service="front"))
    assert predicates(found) == {("front", "latency-unexplained")}


async def test_what_leaks_until_nothing_is_left_starts_however_slowly() -> None:
    def leak(values: Floats) -> None:
        values[-240:] = np.linspace(0.4, 0.97, 240)

    found = await looked(Store().tell("pool", 0.4, leak, service="api"))
    fact = the(found, "api", "connections-exhausted")
    assert (fact.role, fact.start_class) == (Link.START, StartClass.EXHAUSTED)
    assert fact.since is not None
    assert NOW - fact.since > timedelta(hours=3)


async def test_what_fills_and_is_freed_every_hour_does_not_grow() -> None:
    def saw(values: Floats) -> None:
        values[:] = 0.3 + 0.4 * (np.arange(values.size) % 45) / 45

    found = await looked(Store().tell("pool", 0.4, saw, service="api"))
    assert found.facts == ()


async def test_the_work_on_a_thousand_series_is_a_bounded_number_of_steps_each() -> None:
    store = Store()
    rows = 60
    for place in range(rows):
        store.tell("latency", 0.3, times(3) if place % 10 == 0 else None, service=f"s{place}")
    answer = await store.query_range("latency", Window(NOW - timedelta(hours=6), NOW))
    names = [f"s{place}" for place in range(rows)]

    def judge() -> None:
        metric_facts([measure(SPECS[1], answer, names, NOW.timestamp() - 3600)], {})

    judge()
    steps = 0

    def count(_frame: object, event: str, _what: object) -> None:
        nonlocal steps
        steps += event == "call"

    sys.setprofile(count)
    try:
        judge()
    finally:
        sys.setprofile(None)
    assert steps / rows < 120


async def test_services_that_measure_in_other_units_are_compared_all_the_same() -> None:
    store = Store().tell("latency", 0.3, times(4), service="front")
    store.tell("latency_ms", 100, times(9), service="api")
    found = await looked(store)
    assert the(found, "api", "latency-unexplained").unexplained == 1.0
    assert the(found, "front", "latency-high").explained_by == "api"
    store = Store().tell("latency", 0.3, times(4), service="front")
    store.tell("latency_ms", 0.1, times(9), service="api")  # 0.8 ms more explain no second
    found = await looked(store)
    assert the(found, "front", "latency-unexplained").role is Link.START
    assert "too little for what its callers feel" in the(found, "api", "latency-high").sentence


async def test_a_callee_that_has_no_entry_of_its_own_is_looked_at_all_the_same() -> None:
    known = catalogue()
    front = replace(known.services[ServiceName("front")], dependencies=(ServiceName("outside"),))
    alone = Catalogue(known.metrics, {front.name: front})
    store = Store().tell("latency", 0.3, times(4), service="front")
    store.tell("latency", 0.1, times(8), service="outside")
    for about in ("front", ""):
        result: ToolResult = await examine_metrics.function(
            store, FakeClock(NOW), alone, FakeBaselines(), service=about
        )
        assert the(result.value, "front", "latency-high").explained_by == "outside"
        assert the(result.value, "outside", "latency-unexplained").role is Link.START


async def test_more_requests_say_why_no_processor_time_is_left() -> None:
    store = Store().tell("requests", 50, times(5), service="front")
    store.tell("cpu_throttled", 0.02, times(30, 18), service="front")
    found = await looked(store)
    assert the(found, "front", "traffic-surge").role is Link.START
    assert the(found, "front", "cpu-throttled").role is Link.CARRY


async def test_a_caller_that_is_asked_for_no_more_and_asks_more_began_it() -> None:
    store = Store().tell("requests", 50, service="front")
    store.tell("requests", 100, times(5), service="api")
    found = await looked(store)
    surge = the(found, "api", "traffic-surge")
    assert surge.role is Link.CARRY
    assert surge.sentence.endswith("front is asked for no more itself")
