"""Limits are proposed at once: from history where there is some, else from what is usual."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tools.onboarding.drafts import Draft
from tools.onboarding.limits import limit_of
from tools.world import MetricRole

MINUTES, WEEK = timedelta(minutes=12), timedelta(days=7)


def draft(role: MetricRole, unit: str, limit: float | None = None) -> Draft:
    return Draft("m", "c", role, "x", unit, "d", "job", "", limit=limit)


def seen(*values: float) -> list[np.ndarray]:
    return [np.array(values)]


@pytest.mark.parametrize(
    ("role", "unit", "span", "values", "limit"),
    [
        (MetricRole.LATENCY, "seconds", MINUTES, [0.1, 0.2], 1.0),  # usual
        (MetricRole.LATENCY, "milliseconds", MINUTES, [100.0], 1000.0),
        (MetricRole.LATENCY, "seconds", MINUTES, [20.0] * 50, 60.0),  # slow by nature
        (MetricRole.LATENCY, "seconds", WEEK, [0.2] * 50, 0.3),  # 1.5 times
        (MetricRole.ERRORS, "ratio", MINUTES, [0.0], 0.05),
        (MetricRole.ERRORS, "ratio", MINUTES, [0.4], 0.05),  # trouble now raises no limit
        (MetricRole.SATURATION, "ratio", WEEK, [0.94] * 50, 0.97),  # always that full
        (MetricRole.AVAILABILITY, "ratio", MINUTES, [1.0], 0.75),
        (MetricRole.TRAFFIC, "requests/s", MINUTES, [50.0, 40.0, 60.0], 5.0),
        (MetricRole.TRAFFIC, "requests/s", MINUTES, [0.0], None),
        (MetricRole.LAG, "messages", MINUTES, [9.0] * 50, 27.0),
        (MetricRole.LAG, "messages", MINUTES, [0.0], None),
    ],
)
def test_a_limit_fits_what_is_known(
    role: MetricRole, unit: str, span: timedelta, values: list[float], limit: float | None
) -> None:
    proposed = limit_of(draft(role, unit), seen(*values), span)
    assert proposed.value == limit
    assert proposed.why


def test_the_worst_service_sets_the_limit_of_all() -> None:
    both = [np.full(50, 0.2), np.full(50, 4.0)]
    assert limit_of(draft(MetricRole.LATENCY, "seconds"), both, WEEK).value == 6.0


def test_minutes_of_one_service_in_trouble_raise_no_limit_of_the_others() -> None:
    three = [np.full(50, 0.1), np.full(50, 0.12), np.full(50, 4.9)]
    latency = draft(MetricRole.LATENCY, "seconds")
    assert limit_of(latency, three, MINUTES).value == 1.0
    assert limit_of(latency, three, WEEK).value == 7.4  # a week of it is its nature
    assert limit_of(latency, three[1:], MINUTES).value == 15.0  # of two, nobody knows which is odd


def test_a_conventions_own_limit_serves_first() -> None:
    proposed = limit_of(draft(MetricRole.SATURATION, "ratio", 0.85), seen(0.2), MINUTES)
    assert proposed.value == 0.85
    assert "12 minutes" in proposed.why
