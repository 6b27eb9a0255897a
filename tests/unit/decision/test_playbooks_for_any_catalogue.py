"""Playbooks that speak of roles fit catalogues whose names they never heard of."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.composition.lacking import lacking_of
from bot.core.remediation.measuring import Measuring
from bot.core.remediation.planning.verify_rules import VerifyRules
from playbooks.loader import read_library
from playbooks.roles import OwnLimit, spelled_out, without
from playbooks.triggers import TriggerError, TriggerFacts, parse
from tests.architecture.source import ROOT
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tools.act.actions import ACTIONS
from tools.rules import RulesRead, read_rules
from tools.world import Catalogue, Direction, MetricName, MetricRole, MetricSpec

SHELF = ROOT / "playbooks" / "library"


def spec(
    name: str,
    role: MetricRole | None,
    limit: float | None,
    *,
    resource: str = "",
    way: Direction = Direction.UP,
    group_by: str = "app",
) -> MetricSpec:
    return MetricSpec(
        MetricName(name), "x", name, "seconds", "", way, limit, group_by, role, resource
    )


FOREIGN = Catalogue(
    {
        each.name: each
        for each in (
            spec("p95", MetricRole.LATENCY, 2.0),
            spec("slow_jobs", MetricRole.LATENCY, 60.0),
            spec("up_share", MetricRole.AVAILABILITY, 0.99, way=Direction.DOWN),
            spec("heap", MetricRole.SATURATION, 0.8, resource="memory"),
            spec("oddity", None, 1.0),
            spec("volume", MetricRole.TRAFFIC, None, way=Direction.DOWN),
        )
    },
    {},
)


@pytest.mark.parametrize(
    ("metric", "value", "share"),
    [("p95", 3.0, 1.5), ("up_share", 0.495, 2.0), ("volume", 3.0, None)],
)
def test_metrics_of_different_units_are_compared_by_the_share_of_their_limits(
    metric: str, value: float, share: float | None
) -> None:
    assert FOREIGN.metrics[MetricName(metric)].share_of_limit(value) == share


def test_a_limit_of_nothing_is_crossed_or_not() -> None:
    none = spec("failures", MetricRole.ERRORS, 0.0)
    assert (none.share_of_limit(0.0), none.share_of_limit(1.0)) == (0.0, float("inf"))


def measuring(**values: float) -> Measuring:
    clock, metrics = FakeClock(), FakeMetrics(dict.fromkeys(FOREIGN.metrics, ()))
    for name, value in values.items():
        metrics.put(name, {"app": "shop"}, [clock.now().timestamp()], [value])
    return Measuring(clock, lambda: FOREIGN, metrics)


async def test_a_role_is_as_bad_as_the_worst_of_its_metrics() -> None:
    here = measuring(p95=1.0, slow_jobs=90.0)
    assert await here.measure("role:latency", "shop") == 1.5
    assert await here.measure("role:saturation:memory", "shop") is None
    assert await here.measure("role:traffic", "shop") is None  # nothing to compare it with


async def test_success_is_judged_by_the_metrics_that_were_there_before() -> None:
    shelf = read_library([SHELF], ACTIONS, FOREIGN.measurable).library
    here = measuring(p95=3.0, up_share=0.5)
    rules = VerifyRules(lambda: FOREIGN, here.measure)
    (rule,) = await rules.of(shelf["service-rollback"].playbook, "shop", TriggerFacts())
    assert rule.expression == "not (p95 > 2 or up_share < 0.99)"
    judged = parse(rule.expression)
    assert judged.evaluate(TriggerFacts({"p95": 1.0, "up_share": 1.0})) is True
    assert judged.evaluate(TriggerFacts({"p95": 1.0})) is None  # gone since: no data, no success


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("role:latency > 100%", "p95 > 2 or slow_jobs > 60"),
        ("role:latency < 50%", "p95 < 1 and slow_jobs < 30"),
        ("not (role:latency > 1 or BackOff)", 'not (p95 > 2 or slow_jobs > 60 or "BackOff")'),
        ("role:up > 200%", "up_share < 0.5"),
        ("role:gone > 100% or other > 3", "other > 3"),
    ],
)  # fmt: skip
def test_a_role_is_spelled_out_in_the_metrics_that_play_it(text: str, said: str) -> None:
    limits = {
        "role:latency": [OwnLimit("p95", 2.0), OwnLimit("slow_jobs", 60.0)],
        "role:up": [OwnLimit("up_share", 1.0, falls=True)],
        "role:gone": [],
    }
    found = spelled_out(parse(text), limits)
    expected = parse(said)
    assert found is not None
    for p95, slow, up, other in ((1, 20, 1, 0), (3, 20, 0.4, 4), (0.5, 70, 0.6, 3)):
        facts = TriggerFacts(
            {"p95": p95, "slow_jobs": slow, "up_share": up, "other": other}, frozenset(), ()
        )
        assert found.evaluate(facts) is expected.evaluate(facts)
        assert parse(str(found)).evaluate(facts) is expected.evaluate(facts)


def test_a_role_equals_nothing() -> None:
    with pytest.raises(TriggerError, match="compared with < or >"):
        parse("role:errors == 100%")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a > 1 or gone > 1", "a > 1"),
        ("Deployed and (a > 1 or gone > 1)", '"Deployed" and a > 1'),
        ("Deployed and gone > 1", None),
        ("not (a > 1 or gone > 1)", "not a > 1"),
        ("not gone > 1", None),
        ("a > 1 and OOMKilled", "a > 1 and OOMKilled"),
    ],
)
def test_what_the_catalogue_lacks_is_left_out_where_the_rest_still_means_something(
    text: str, left: str | None
) -> None:
    assert without(text, {"gone"}) == left


def test_the_shipped_shelf_serves_a_catalogue_it_never_heard_of() -> None:
    read = read_library([SHELF], ACTIONS, FOREIGN.measurable)
    assert read.refused == {}
    assert read.library["service-rollback"].playbook.trigger_conditions == (
        '"Deployed" and role:latency > 100%',
        "Deployed and (role:availability > 100% or CrashLoopBackOff)",
    )
    assert "hpa-scale-up" not in read.library  # nothing of it says how full a processor is
    assert (
        "role:saturation:memory > 100%" in read.library["pod-restart"].playbook.trigger_conditions
    )


def test_one_telling_lists_all_that_is_left_out() -> None:
    rules = read_rules(ROOT / "config" / "rca_rules.yaml", FOREIGN.named)
    told = lacking_of(FOREIGN, rules, read_library([SHELF], ACTIONS, FOREIGN.measurable))
    assert "rule 'latency_from_cpu' is left out, it asks for role:saturation:cpu" in told
    assert "playbook 'hpa-scale-up' is left out, it asks for role:saturation:cpu" in told
    assert "playbook 'service-rollback' serves without role:errors" in told
    assert "no role is said of oddity: what speaks of roles passes them by" in told
    assert {"memory_near_limit", "memory_leak_oom"} <= {rule.id for rule in rules.rules}


def test_an_empty_catalogue_is_one_line_and_says_what_fills_it() -> None:
    nothing = Catalogue({}, {})
    shelf = read_library([SHELF], ACTIONS, nothing.measurable)
    (line,) = lacking_of(nothing, RulesRead((), {"a": "role:latency"}), shelf)
    assert "python -m bot init" in line


def test_a_playbook_that_needs_a_metric_to_start_is_left_out_without_it(tmp_path: Path) -> None:
    (tmp_path / "careful.yaml").write_text(
        "id: careful\nname: C\ndescription: C\ntrigger_conditions: [OOMKilled]\n"
        "preconditions: [replicas > 1]\n"
        'steps: [{name: R, action: pod_restart, target: "{{ target_pod }}"}]\n',
        encoding="utf-8",
    )
    read = read_library([tmp_path], ACTIONS, FOREIGN.measurable)
    assert (read.library, read.lacking) == ({}, {"careful": "replicas"})
