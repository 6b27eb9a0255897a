"""An answer says what it had to go on, and claims no health that nobody could see."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.investigation.investigator.diagnosis import Observed
from tests.fixtures.profile import trading_catalogue
from tests.unit.core.test_telling import VERDICT, told
from tools.analysis.symptoms import SeenVerdict
from tools.world import ServiceName, Verdict

CALM = replace(VERDICT, observed=0.1, deviation_sigma=0.2, anomalous=False)


def seen(*verdicts: Verdict, by_limit: int = 0, unjudged: int = 0) -> Observed:
    return Observed(
        verdicts=[SeenVerdict(each, "E2") for each in verdicts],
        checked=sum(each.judged for each in verdicts),
        by_limit=by_limit,
        unjudged=unjudged,
        judged_by="E2",
    )


def test_a_crashing_service_with_a_young_series_is_never_well() -> None:
    slow = replace(VERDICT, observed=0.981, expected=0.5, method="static", limit=0.5)
    lines = told(trading_catalogue(), seen(slow, by_limit=1))
    assert "Nothing is wrong" not in lines[0]
    (line,) = (line for line in lines if line.startswith("- order_latency_p99 of order-api"))
    assert "981 ms, beyond its limit of 500 ms" in line
    assert any("1 young ones against their limits alone [E2]" in line for line in lines)


def test_health_of_young_series_rests_on_limits_and_is_less_sure() -> None:
    lines = told(trading_catalogue(), seen(replace(CALM, method="static", limit=0.5), by_limit=1))
    assert "Nothing is wrong" in lines[0]
    assert lines[-1] == "Confidence: medium"


@pytest.mark.parametrize(
    ("verdicts", "unjudged"),
    [
        ([replace(CALM, method="none")], 1),
        ([replace(CALM, method="none"), replace(CALM, service=ServiceName("ledger"))], 1),
    ],
)
def test_a_series_that_nothing_can_be_said_of_is_not_called_well(
    verdicts: list[Verdict], unjudged: int
) -> None:
    lines = told(trading_catalogue(), seen(*verdicts, unjudged=unjudged))
    assert lines[0].startswith("**I cannot tell")
    assert "too young to show what is usual, and have no limit [E2]" in lines[0]
    assert lines[-1] == "Confidence: low"


def test_learned_series_are_what_an_answer_goes_on_as_a_rule() -> None:
    lines = told(trading_catalogue(), seen(CALM))
    assert "Went on: 1 series against what is usual for them [E2]." in lines
    assert lines[-1] == "Confidence: high"
