"""A series without history: its limit counts from the first sample, and nothing more is claimed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tools.analysis.detect import score_service
from tools.analysis.scan import scan
from tools.world import Direction, MetricName, MetricSpec, Series, Severity, labels_of, sigma_beyond

LIMITED = MetricSpec(MetricName("p99"), "http", "q", "seconds", "", threshold=0.5)
BEGIN = 1_700_000_000.0


def young(*values: float, step: float = 60.0) -> Series:
    times = np.array([BEGIN + step * i for i in range(len(values))])
    return Series("p99", labels_of({"service": "shop"}), times, np.array(values), step, "seconds")


@pytest.mark.parametrize("values", [(0.981,), (0.97, 0.981), (0.98, 0.97, 0.981) * 10])
def test_a_service_that_never_was_well_is_beyond_its_limit(values: tuple[float, ...]) -> None:
    (verdict,) = score_service([(young(*values), None, LIMITED)])
    assert (verdict.anomalous, verdict.method, verdict.limit) == (True, "static", 0.5)
    assert verdict.severity.rank >= Severity.HIGH.rank  # so that it is told
    assert verdict.expected == 0.5  # its own past was trouble, and no measure
    assert verdict.deviation_sigma > 0


def test_a_young_series_that_was_well_before_tells_what_it_was() -> None:
    (verdict,) = score_service([(young(*[0.1] * 60, 0.9, 0.9, 0.9), None, LIMITED)])
    assert verdict.anomalous
    assert verdict.expected == pytest.approx(0.1)


def test_a_young_series_within_its_limit_is_judged_and_normal() -> None:
    (verdict,) = score_service([(young(0.1), None, LIMITED)])
    assert (verdict.anomalous, verdict.judged, verdict.deviation_sigma) == (False, True, 0.0)


def test_without_a_limit_nothing_can_be_said_of_it() -> None:
    (verdict,) = score_service([(young(9.0), None, replace(LIMITED, threshold=None))])
    assert (verdict.anomalous, verdict.judged) == (False, False)


@pytest.mark.parametrize(
    ("direction", "limit", "value", "sigma"),
    [
        (Direction.UP, 0.5, 0.5, 0.0),
        (Direction.UP, 0.5, 0.75, 5.0),
        (Direction.DOWN, 0.99, 0.66, -5.0),
        (Direction.BOTH, 1.0, -1.5, -5.0),
        (Direction.UP, 0.0, 3.0, 99.0),
    ],
)
def test_how_far_beyond_its_limit_says_how_grave_it_is(
    direction: Direction, limit: float, value: float, sigma: float
) -> None:
    spec = replace(LIMITED, bad_direction=direction, threshold=limit)
    assert sigma_beyond(spec, value) == pytest.approx(sigma)


@pytest.mark.parametrize("count", [3, 40, 80])
def test_a_past_window_of_a_young_series_is_judged_by_its_limit(count: int) -> None:
    bad = young(*[0.9, 0.981, 0.95][:3] * (count // 3))
    (span,) = scan(bad, LIMITED, since=BEGIN)
    assert (span.calibrated_on, span.expected, span.observed) == ("limit", 0.5, 0.981)
    assert span.severity.rank >= Severity.HIGH.rank
    assert scan(young(*[0.1] * count), LIMITED, since=BEGIN) == []
