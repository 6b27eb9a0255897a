"""What an answer comes to: a cause is proved, health is measured, else it cannot tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.core.investigation.investigator.diagnosis import Diagnosis, Observed
from bot.domain.answer import Conclusion
from tests.fixtures.profile import trading_catalogue
from tests.unit.core.test_telling import VERDICT, asked
from tools.analysis.symptoms import SeenVerdict
from tools.world import Cause, FiringAlert, ServiceName, Severity

CALM = replace(VERDICT, observed=0.1, deviation_sigma=0.2, anomalous=False)
UNJUDGED = replace(CALM, method="none")
CAUSE = Cause("a deploy", ServiceName("order-api"), "deploy", 0.9, ("E1", "E2"))
ALERT = FiringAlert("Down", ServiceName("order-api"), "", Severity.CRITICAL, datetime.now(UTC))


def diagnosis(*causes: Cause, missing: bool = False, **seen: object) -> Diagnosis:
    observed = Observed(**{"verdicts": [SeenVerdict(CALM, "E1")], "checked": 1, **seen})  # type: ignore[arg-type]
    intent = asked(trading_catalogue(), "why is order latency up?")
    return Diagnosis(intent, observed, causes, missing=missing)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (diagnosis(replace(CAUSE, proved=True)), Conclusion.CAUSE),
        (diagnosis(CAUSE), Conclusion.SUSPECTS),
        (diagnosis(), Conclusion.HEALTHY),
        (diagnosis(missing=True), Conclusion.CANNOT_TELL),
        (diagnosis(verdicts=[SeenVerdict(VERDICT, "E1")]), Conclusion.CANNOT_TELL),
        (diagnosis(verdicts=[SeenVerdict(UNJUDGED, "E1")]), Conclusion.CANNOT_TELL),
        (diagnosis(alerts=[(ALERT, "E1")]), Conclusion.CANNOT_TELL),
        (diagnosis(verdicts=[], checked=0), Conclusion.CANNOT_TELL),
    ],
)  # fmt: skip
def test_nothing_is_claimed_that_was_not_looked_at(found: Diagnosis, verdict: Conclusion) -> None:
    assert found.verdict is verdict
    assert (found.confidence >= 0.9) == (verdict is Conclusion.HEALTHY or bool(found.causes))
