"""Rules that ask for roles speak for metrics whatever they are called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.architecture.source import ROOT
from tests.unit.analysis.test_rca import rank_causes, seen
from tools.analysis.symptoms import SeenVerdict, Symptoms
from tools.rules import load_rules
from tools.world import MetricName, MetricRole, MetricSpec

RULES = load_rules(ROOT / "config" / "rca_rules.yaml")


def foreign(
    name: str, role: MetricRole, observed: float, sigma: float, resource: str = ""
) -> SeenVerdict:
    spec = MetricSpec(
        MetricName(name), "x", name, "ms", "", threshold=400.0, role=role, resource=resource
    )
    return replace(seen("shop", name, sigma, observed=observed), spec=spec)


@pytest.mark.parametrize(("load", "blamed"), [(410.0, True), (200.0, False)])
def test_the_shipped_rules_blame_what_is_full_beyond_its_own_limit(
    load: float, blamed: bool
) -> None:
    slow = foreign("dauer", MetricRole.LATENCY, 900.0, 20.0)
    full = foreign("last", MetricRole.SATURATION, load, 0.0, "cpu")
    causes = rank_causes(Symptoms([slow, full], rules=RULES))
    assert any("CPU saturation raises latency" in c.cause for c in causes) is blamed


def test_a_metric_without_a_role_fits_no_rule_of_roles() -> None:
    causes = rank_causes(
        Symptoms([replace(seen("shop", "cpu", observed=9.0), spec=None)], rules=RULES)
    )
    assert not any("rule" in reason for cause in causes for reason in cause.reasons)
