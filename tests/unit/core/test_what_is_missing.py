"""A conclusion from a window with holes says how much of it was there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bot.core.detection.findings import FindingConfig, FindingDesk
from bot.core.investigation.investigator.answer_text import _seen
from bot.core.shared.wording import gap_text
from bot.locale import Texts
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import a_verdict, an_anomaly
from tools.analysis.detect import DetectorSettings, score_service
from tools.analysis.normalise import TELL_MISSING_RATIO
from tools.analysis.symptoms import SeenVerdict
from tools.world import MetricName, MetricSpec, Series


@pytest.mark.parametrize(
    ("language", "told"),
    [("en", "; 12 % of the window is missing"), ("zh", "；该时段缺失 12 % 的数据")],
)
def test_a_finding_says_what_share_of_its_window_is_missing(language: str, told: str) -> None:
    verdict = replace(a_verdict(), missing_ratio=0.12)
    assert gap_text(Texts(language), verdict) == told


def test_a_window_that_is_nearly_whole_is_not_worth_a_word() -> None:
    texts = Texts("en")
    assert gap_text(texts, replace(a_verdict(), missing_ratio=TELL_MISSING_RATIO / 2)) == ""
    assert gap_text(texts, replace(a_verdict(), missing_ratio=TELL_MISSING_RATIO)) != ""


def test_the_line_of_a_finding_ends_with_it() -> None:
    nowhere: Any = None
    desk = FindingDesk(nowhere, FakeClock(), nowhere, FindingConfig(Texts("en")))
    gappy = replace(an_anomaly(), worst=replace(a_verdict(), missing_ratio=0.12))
    assert desk.line(gappy).endswith("; 12 % of the window is missing")
    assert not desk.line(an_anomaly()).endswith("missing")


def test_an_answer_says_it_before_its_evidence() -> None:
    verdict = replace(a_verdict(), missing_ratio=0.12)
    line = _seen(SeenVerdict(verdict, "E2"), Texts("en"), verdict.at)
    assert line.endswith("; 12 % of the window is missing [E2]")


def test_the_detector_counts_the_holes_of_what_it_judges() -> None:
    values: Any = 0.1 + 0.001 * np.sin(np.arange(240.0))
    values[20:44] = np.nan
    values[-5:] = 0.9
    times = 1.7e9 + 60.0 * np.arange(240, dtype=np.float64)
    series = Series("m", (("service", "a"),), times, values, 60.0)
    spec = MetricSpec(MetricName("m"), "api", "m", "seconds", "…", threshold=0.5)
    (verdict,) = score_service([(series, None, spec)], DetectorSettings())
    assert verdict.missing_ratio == pytest.approx(0.1)
    assert "10 % of the window" in gap_text(Texts("en"), verdict)
