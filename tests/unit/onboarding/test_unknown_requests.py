"""What nobody described: which families tell of a service's requests, and by which queries."""

from __future__ import annotations

from collections.abc import Mapping

import promql_parser
import pytest

from tools.onboarding.drafts import Counted, counted_of, errors_over, red_drafts, unknown_requests
from tools.onboarding.families import families_of, unit_of_bounds
from tools.onboarding.subjects import Subject, subject_of
from tools.onboarding.unknown import choose, counts_good, worth_asking
from tools.ports import MetricAbout
from tools.world import MetricRole

RATE, ERRORS, TIME = MetricRole.TRAFFIC, MetricRole.ERRORS, MetricRole.LATENCY
JOB = Subject(("job",))


def family(name: str, kind: str, *rows: str) -> Counted:
    """Return a family with rows written as `job=a code=200`."""
    names = {"histogram": [f"{name}_{part}" for part in ("bucket", "sum", "count")]}
    about = {name: MetricAbout(name, kind)}
    found = families_of(names.get(kind, [name]), about)[name]
    said = [dict(each.split("=", 1) for each in text.split()) for text in rows]
    return counted_of(found, said, JOB, unknown_requests(found), "")


def chosen(*candidates: Counted) -> Mapping[str, frozenset[MetricRole]]:
    return {each.family.name: roles for each, roles in choose(candidates, {}).families}


def test_one_family_tells_it_all_and_the_others_stand_back() -> None:
    found = chosen(
        family("settle_seconds", "histogram", "job=a ending=ok"),
        family("cache_lookup_seconds", "histogram", "job=a"),
        family("gc_pause_seconds", "histogram", "job=a"),
        family("bytes_total", "counter", "job=a"),
    )
    assert found == {"settle_seconds": {RATE, ERRORS, TIME}}


def test_what_a_family_lacks_comes_from_the_next() -> None:
    found = chosen(
        family("task_seconds", "histogram", "job=a"),
        family("tasks_done_total", "counter", "job=a state=succeeded"),
    )
    assert found == {"task_seconds": {RATE, TIME}, "tasks_done_total": {ERRORS}}


def test_who_never_says_what_failed_is_not_called_free_of_failures() -> None:
    both = family("http_requests_total", "counter", "job=a code=200", "job=mute method=GET")
    assert both.roles_of("a") == {RATE, ERRORS}
    assert both.roles_of("mute") == {RATE}
    ((errors,),) = red_drafts(both, [ERRORS], "http", "5m").values()
    assert 'rate(http_requests_total{code!=""}[5m])' in errors.query
    assert "rate(http_requests_total[5m])" not in errors.query
    promql_parser.parse(errors.query)


def test_two_ways_to_say_what_failed_are_one_query() -> None:
    both = family("http_requests_total", "counter", "job=a code=500", "job=b status=200")
    ((errors,),) = red_drafts(both, [ERRORS], "http", "5m").values()
    assert 'code=~"5.."' in errors.query
    assert 'status=~"5.."' in errors.query
    promql_parser.parse(errors.query)


@pytest.mark.parametrize(("whole", "apart"), [("calls_total", False), ("call_ok_total", True)])
def test_a_counter_of_failures_is_a_share_of_its_calls(whole: str, *, apart: bool) -> None:
    errors = family("call_errors_total", "counter", "job=a")
    calls = family(whole, "counter", "job=a")
    ((above, below),) = choose([errors, calls], {}).errors
    assert (above, below) == (errors, calls)
    assert counts_good(below.family) is apart
    query = errors_over(above, below, "5m", apart=apart)
    assert ("+" in query) is apart
    promql_parser.parse(query)


@pytest.mark.parametrize(
    ("name", "role", "unit"),
    [
        ("render_latency_ms", TIME, "milliseconds"),
        ("api_requests_per_second", RATE, "requests/s"),
        ("request_error_ratio", ERRORS, "ratio"),
    ],
)
def test_a_gauge_may_tell_it_ready_made(name: str, role: MetricRole, unit: str) -> None:
    gauge = family(name, "gauge", "job=a")
    assert worth_asking([gauge.family], 9) == [gauge.family]
    ((draft,),) = red_drafts(gauge, gauge.roles_of("a"), "c", "5m").values()
    assert (draft.name, draft.role, draft.unit) == (name, role, unit)


def test_most_gauges_are_not_asked_for() -> None:
    names = ["temperature_celsius", "build_info", "last_run_time_seconds", "threads"]
    found = families_of(names, {name: MetricAbout(name, "gauge") for name in names})
    assert worth_asking(found.values(), 9) == []


def test_the_bounds_of_a_histogram_say_its_unit() -> None:
    assert unit_of_bounds(["5", "500", "5000", "+Inf"]) == "milliseconds"
    assert unit_of_bounds(["0.005", "10", "+Inf"]) == "seconds"


def test_one_target_that_tells_of_two_services_names_them() -> None:
    rows = [{"job": "n-05", "instance": "h:1", "svc_name": name} for name in ("alpha", "beta")]
    assert subject_of(rows, JOB) == Subject(("svc_name",))
