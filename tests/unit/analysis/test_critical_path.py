"""Where the time of a trace went."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.fakes.traces import span
from tests.unit.analysis.test_rca import rank_causes
from tools.analysis.critical_path import critical_path, hot_spots
from tools.analysis.symptoms import SeenChange, SeenTraces, SeenVerdict, Symptoms
from tools.tracing import Span, Trace, TraceStudy
from tools.world import Change, ChangeKind, MetricName, ServiceName, Verdict

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def one(name: str, parent: str, service: str, begin: float, end: float, failed: str = "") -> Span:
    return span(NOON, name, parent, service, begin, end, failed=failed)


def trace(*spans: Span) -> Trace:
    return Trace("4bf92f", spans)


def own(found: Trace) -> dict[str, float]:
    """Return the milliseconds of each span on the path."""
    return {s.span.id: s.self_time / timedelta(milliseconds=1) for s in critical_path(found).steps}


def test_the_picture_in_the_module_is_true() -> None:
    drawn = trace(
        one("root", "", "gateway", 0, 25),
        one("a", "root", "x", 3, 8),
        one("b", "root", "x", 5, 12),
        one("c", "root", "x", 14, 23),
    )
    assert own(drawn) == {"root": 7, "a": 2, "b": 7, "c": 9}


def test_a_caller_is_not_blamed_for_what_its_callee_takes() -> None:
    slow = trace(
        one("in", "", "gateway", 0, 1000),
        one("order", "in", "order-api", 5, 995),
        one("query", "order", "postgres", 10, 980),
    )
    path = critical_path(slow)
    assert path.hot.span.service == "postgres"
    assert path.hot.share == 0.97
    (gateway,) = [step.share for step in path.steps if step.span.service == "gateway"]
    assert round(gateway, 3) == 0.01


def test_work_beside_the_slowest_call_costs_nothing() -> None:
    side = trace(
        one("in", "", "gateway", 0, 100),
        one("slow", "in", "ledger", 0, 100),
        one("beside", "in", "redis", 10, 90),
    )
    assert own(side) == {"slow": 100}


def test_a_child_that_outlives_its_parent_is_cut_off_at_the_parents_end() -> None:
    late = trace(one("in", "", "gateway", 0, 50), one("async", "in", "kafka", 40, 900))
    assert own(late) == {"in": 40, "async": 10}


def test_spans_whose_parent_was_lost_still_count() -> None:
    torn = trace(one("in", "", "gateway", 0, 100), one("deep", "lost", "postgres", 20, 90))
    assert own(torn) == {"deep": 70, "in": 30}


def test_parents_that_name_each_other_do_not_hang_the_walk() -> None:
    circle = trace(
        one("in", "", "gateway", 0, 100),
        one("a", "b", "x", 10, 30),
        one("b", "a", "x", 40, 60),
    )
    assert sum(own(circle).values()) == 100


def test_a_chain_of_ten_thousand_spans_is_walked() -> None:
    deep = [one("0", "", "s0", 0, 10_000)]
    deep += [one(str(k), str(k - 1), f"s{k % 7}", k * 0.5, 10_000) for k in range(1, 10_000)]
    assert round(sum(own(Trace("aa", tuple(deep))).values())) == 10_000


def test_a_failure_begins_where_no_callee_failed() -> None:
    broken = trace(
        one("in", "", "gateway", 0, 100, "order-api failed"),
        one("order", "in", "order-api", 10, 90, "ledger failed"),
        one("commit", "order", "ledger", 20, 80, "deadlock detected"),
    )
    assert [each.message for each in broken.failures] == ["deadlock detected"]


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.integers(0, 200), st.integers(0, 200)),
        min_size=1,
        max_size=12,
    )
)
def test_every_moment_of_the_root_belongs_to_exactly_one_span(
    rows: list[tuple[int, int, int]],
) -> None:
    spans = [one("r", "", "root", 0, 150)]
    spans += [
        one(f"s{k}", f"s{parent}" if parent < k else "r", f"x{k % 3}", min(b, e), max(b, e))
        for k, (parent, b, e) in enumerate(rows)
    ]
    # the longest top is the root: nothing here is longer than it and without a parent
    found = critical_path(Trace("ff", tuple(spans)))
    whole = sum((step.self_time for step in found.steps), timedelta(0))
    assert whole == timedelta(milliseconds=150)
    assert abs(sum(step.share for step in found.steps) - 1) < 1e-9


# ------------------------------------------------------------------------ what follows from it


def study(asked: str, hot: str) -> SeenTraces:
    slow = critical_path(
        trace(one("in", "", asked, 0, 1000), one("work", "in" if hot != asked else "", hot, 0, 960))
    )
    return SeenTraces(TraceStudy(ServiceName(asked), (), (slow,), tuple(hot_spots([slow]))), "E9")


def abnormal(service: str) -> SeenVerdict:
    return SeenVerdict(
        Verdict(
            MetricName("api_latency_p99"), (), ServiceName(service), NOON, 0.9, 0.1, 12.0, (), True,
            NOON - timedelta(minutes=5), "baseline", "s",
        ),
        "E1",
    )  # fmt: skip


def test_a_callee_that_holds_the_time_becomes_a_cause_nobody_else_named() -> None:
    causes = rank_causes(Symptoms([abnormal("gateway")], traces=[study("gateway", "ledger")]))
    blamed = next(c for c in causes if c.service == "ledger")
    assert blamed.kind == "dependency"
    assert "E9" in blamed.evidence
    assert "96 % of the time of the slowest traces of gateway" in blamed.cause


def test_traces_strengthen_the_change_of_the_service_that_holds_the_time() -> None:
    change = Change(NOON - timedelta(minutes=6), ChangeKind.DEPLOY, "ledger", "ledger 4.1.0")
    symptoms = Symptoms(
        [abnormal("ledger"), abnormal("gateway")],
        [SeenChange(change, "E2")],
        dependencies={ServiceName("gateway"): [ServiceName("ledger")]},
    )
    without = rank_causes(symptoms)[0]
    traced = Symptoms(
        symptoms.verdicts,
        symptoms.changes,
        dependencies=symptoms.dependencies,
        traces=[study("gateway", "ledger")],
    )
    with_traces = rank_causes(traced)[0]
    assert (without.kind, with_traces.kind) == ("deploy", "deploy")
    assert "E9" not in without.evidence
    assert "E9" in with_traces.evidence


def test_slow_traces_of_a_healthy_service_accuse_nobody() -> None:
    assert rank_causes(Symptoms([], traces=[study("gateway", "ledger")])) == []
    causes = rank_causes(Symptoms([abnormal("redis")], traces=[study("gateway", "ledger")]))
    assert all(cause.service != "ledger" for cause in causes)
