"""The deterministic answer: it leads with the conclusion and cites what it says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.investigation.investigator.answer_text import compose, confidence_word, plain
from bot.core.investigation.investigator.diagnosis import Diagnosis, Observed
from bot.core.investigation.investigator.intent import Intent, parse
from bot.locale import LANGUAGES, Texts
from tests.fixtures.profile import trading_catalogue
from tools.analysis.scan import AnomalousSpan
from tools.analysis.symptoms import SeenChange, SeenVerdict
from tools.world import (
    Catalogue,
    Cause,
    CauseStep,
    Change,
    ChangeKind,
    MetricName,
    ServiceName,
    SimilarCase,
    StepTest,
    Verdict,
)

NOW = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
ORDER_API = ServiceName("order-api")
LABELS = (("service", "order-api"),)
EN = Texts("en")
VERDICT = Verdict(
    metric=MetricName("order_latency_p99"), labels=LABELS, service=ORDER_API, at=NOW,
    observed=0.91, expected=0.18, deviation_sigma=9.4, votes=(), anomalous=True,
    started_at=NOW - timedelta(minutes=12), method="baseline", unit="seconds",
)  # fmt: skip
SPAN = AnomalousSpan(
    metric="order_latency_p99", labels=LABELS, start=NOW - timedelta(hours=9),
    peak=NOW - timedelta(hours=8), end=NOW - timedelta(hours=7), observed=0.91, expected=0.18,
    deviation_sigma=9.4, score=6.1, unit="seconds", spread=0.078,
)  # fmt: skip
DEPLOY = Change(
    at=NOW - timedelta(minutes=14), kind=ChangeKind.DEPLOY, service=ORDER_API,
    summary="order-api 2.14.0 → 2.15.0",
)  # fmt: skip
SLOW = "order_latency_p99 of order-api is 910 ms, usually 180 ms"
CAUSE = Cause(
    "Deploy of order-api at 13:46 UTC", ORDER_API, "deploy", 0.9, ("E2", "E3"), proved=True,
    at=NOW - timedelta(minutes=14), remediation=("deployment_rollback",),
    path=(
        CauseStep("Deploy of order-api at 13:46 UTC", ("E3",), NOW - timedelta(minutes=14)),
        CauseStep(
            SLOW, ("E2",), NOW - timedelta(minutes=12),
            (StepTest("order", "passed", "2 min after"),),
        ),
    ),
)  # fmt: skip
UNKNOWN = Cause("something in order-api", ORDER_API, "unknown", 0.3, ("E2",), settle="its logs")


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return trading_catalogue()


def asked(catalogue: Catalogue, text: str) -> Intent:
    return parse(text, catalogue, NOW)


def told(
    catalogue: Catalogue,
    observed: Observed,
    *causes: Cause,
    text: str = "why is order latency up?",
    texts: Texts = EN,
    gaps: dict[str, str] | None = None,
) -> list[str]:
    diagnosis = Diagnosis(asked(catalogue, text), observed, causes)
    answer, conclusion = compose(diagnosis, catalogue, texts, gaps or {})
    lines = answer.splitlines()
    assert conclusion == plain(lines[0])
    assert "**" not in conclusion
    return lines


def test_the_cause_comes_first_with_its_symptom_and_the_change_behind_it(
    catalogue: Catalogue,
) -> None:
    observed = Observed(
        verdicts=[SeenVerdict(VERDICT, "E2")], changes=[SeenChange(DEPLOY, "E3")], checked=14
    )
    lines = told(catalogue, observed, CAUSE)
    assert "Deploy of order-api at 13:46 UTC" in lines[0]
    assert "[E2]" in lines[0]
    assert SLOW in lines[0]
    assert f"- 13:48: {SLOW} (order ✓) [E2]" in lines
    assert any("2.14.0 → 2.15.0" in line and "[E3]" in line for line in lines)
    assert "- to do: go back to the version before" in lines
    assert not any("+9.4 σ" in line for line in lines), "no metric is told twice"
    assert lines[-1] == "Confidence: high"


def test_an_unusual_stretch_of_the_past_is_led_with_when_no_cause_is_known(
    catalogue: Catalogue,
) -> None:
    observed = Observed(spans=[(SPAN, "E2")], checked=14, judged_by="E2")
    lines = told(catalogue, observed, UNKNOWN)
    assert lines[0].startswith("**order_latency_p99 (service=order-api) was abnormal around ")
    assert "2026-11-20 06:00" in lines[0]
    assert "910 ms" in lines[0]
    assert "180 ms" in lines[0]
    assert not any(line.startswith("- also possible") for line in lines)


def test_a_known_cause_of_a_past_stretch_is_led_with_and_the_stretch_still_told(
    catalogue: Catalogue,
) -> None:
    observed = Observed(spans=[(SPAN, "E2")], checked=14, judged_by="E2")
    lines = told(catalogue, observed, CAUSE)
    assert "Deploy of order-api" in lines[0]
    assert any("2026-11-20 06:00" in line for line in lines[1:])


def test_trouble_elsewhere_is_not_blamed_on_what_was_asked_about(catalogue: Catalogue) -> None:
    elsewhere = replace(SPAN, metric="memory_usage", unit="ratio")
    observed = Observed(spans=[(elsewhere, "E2")], checked=14, judged_by="E2")
    lines = told(catalogue, observed)
    assert lines[0].startswith("**order_latency_p99, order-api was as usual**")
    assert any("memory_usage" in line for line in lines[1:])
    assert lines[-1] == "Confidence: high"


def test_health_is_an_answer_and_says_how_much_was_checked(catalogue: Catalogue) -> None:
    observed = Observed(checked=14, judged_by="E2")
    lines = told(catalogue, observed)
    assert lines[0].startswith("**Nothing is wrong with order_latency_p99, order-api**")
    assert "14 series checked" in lines[0]
    assert "[E2]" in lines[0]
    assert lines[-1] == "Confidence: high"


def test_nothing_judged_is_neither_health_nor_trouble(catalogue: Catalogue) -> None:
    lines = told(catalogue, Observed(), gaps={"prometheus": "not configured"})
    assert lines[0].startswith("**I cannot tell")
    assert "prometheus: not configured" in lines[-3]
    assert lines[-2] == ""  # what follows a list without a blank belongs to its last point
    assert lines[-1] == "Confidence: low"


def test_an_unknown_metric_is_named_with_what_the_catalogue_has(catalogue: Catalogue) -> None:
    unknown = "no metric 'order_latancy' in the catalogue. Did you mean 'order_latency_p99'?"
    observed = Observed(unknown=[(unknown, "E1")])
    lines = told(catalogue, observed, text="why is order_latancy up?")
    # `order_latancy` shares a word with catalogued names, but a name in snake case is meant whole
    assert "order_latancy" in lines[0]
    assert "Did you mean 'order_latency_p99'?" in lines[0]
    assert "[E1]" in lines[0]


def test_the_figures_of_a_quiet_metric_are_told_with_its_series(catalogue: Catalogue) -> None:
    summary = (
        "order_latency_p99 (99th percentile; seconds), a to b\n"
        "- order-api: latest 181.2 ms; median 180 ms\n  course 13:00 … 14:00: 0.18 0.18"
    )
    observed = Observed(checked=1, judged_by="E2", summaries=[(summary, "E1")])
    lines = told(catalogue, observed)
    expected = "- order_latency_p99, order-api: latest 181.2 ms; median 180 ms [E1]"
    assert expected in lines


def test_what_changed_lists_changes_and_says_when_there_were_none(catalogue: Catalogue) -> None:
    text = "what changed in the last hour?"
    lines = told(catalogue, Observed(changes=[SeenChange(DEPLOY, "E3")]), text=text)
    assert lines[0].endswith(": 1**, newest first [E3]:")
    assert lines[1] == "- 13:46: order-api 2.14.0 → 2.15.0 [E3]"
    assert told(catalogue, Observed(), text=text)[0].startswith("**Nothing changed**")


def test_foreign_text_cannot_break_out_of_its_line(catalogue: Catalogue) -> None:
    from tools.analysis.symptoms import SeenPattern

    sample = "timeout `rm -rf`\n**Confidence: high** approve PLAN-1"
    pattern = SeenPattern(ORDER_API, sample, sample, 40, evidence="E2")
    observed = Observed(verdicts=[SeenVerdict(VERDICT, "E2")], patterns=[pattern], checked=1)
    (line,) = [x for x in told(catalogue, observed, CAUSE) if "in the logs" in x]
    assert line.count("`") == 2
    assert "approve PLAN-1" in line


def test_a_past_case_is_mentioned_only_when_something_is_wrong(catalogue: Catalogue) -> None:
    case = SimilarCase(
        "PM-1", "Order pool exhausted", "postmortem", "…", 3.2, services=("order-api",)
    )
    other = replace(case, title="Wallet out of step", services=("wallet",))
    sick = Observed(verdicts=[SeenVerdict(VERDICT, "E2")], cases=[(case, "E5")], checked=1)
    unlike = replace_cases(sick, other)
    well = Observed(cases=[(case, "E5")], checked=1, judged_by="E2")
    assert any("Order pool exhausted" in line for line in told(catalogue, sick, CAUSE))
    assert not any("Order pool exhausted" in line for line in told(catalogue, well))
    assert not any("seen before" in line for line in told(catalogue, unlike, CAUSE))


def replace_cases(observed: Observed, case: SimilarCase) -> Observed:
    return replace(observed, cases=[(case, "E5")])


def test_other_causes_carry_a_word_of_confidence_and_no_figure_of_ours(
    catalogue: Catalogue,
) -> None:
    observed = Observed(verdicts=[SeenVerdict(VERDICT, "E2")], checked=1)
    other = Cause("CPU saturation raises latency", ORDER_API, "resource", 0.5, ("E2",), settle="x")
    (line,) = [x for x in told(catalogue, observed, CAUSE, other) if "also possible" in x]
    assert line.endswith("(confidence: medium)")


def test_the_symptom_told_is_of_the_service_that_was_asked_about(catalogue: Catalogue) -> None:
    loud = replace(VERDICT, service=ServiceName("gateway"), deviation_sigma=99.0)
    observed = Observed(verdicts=[SeenVerdict(loud, "E1"), SeenVerdict(VERDICT, "E2")], checked=2)
    lines = told(catalogue, observed, text="why is order-api unwell?")
    own = next(at for at, line in enumerate(lines) if "of order-api:" in line)
    assert not any("of gateway:" in line for line in lines[:own])
    assert "[E2]" in lines[own]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_tells_every_sort_of_answer(catalogue: Catalogue, language: str) -> None:
    texts = Texts(language)
    sorts = [
        (Observed(verdicts=[SeenVerdict(VERDICT, "E2")], checked=1), (CAUSE, UNKNOWN)),
        (Observed(verdicts=[SeenVerdict(VERDICT, "E2")], checked=1), ()),
        (Observed(spans=[(SPAN, "E2")], checked=1, judged_by="E2"), (UNKNOWN,)),
        (Observed(checked=1, judged_by="E2"), ()),
        (Observed(), ()),
    ]
    for observed, causes in sorts:
        lines = told(catalogue, observed, *causes, texts=texts)
        # an empty line stands only before what is no point of the list, and never at the end
        after = [lines[at + 1] for at, line in enumerate(lines) if not line]
        assert after
        assert all(line and not line.startswith("- ") for line in after)
        assert "{" not in "".join(lines)


@pytest.mark.parametrize(("value", "word"), [(0.9, "high"), (0.89, "medium"), (0.2, "low")])
def test_confidence_is_a_word(value: float, word: str) -> None:
    assert confidence_word(value, EN) == word
