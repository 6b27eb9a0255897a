"""How urgent an incident is."""

from __future__ import annotations

import pytest

from bot.domain.incident import Priority
from tools.world import Severity


@pytest.mark.parametrize(
    ("severity", "tier", "priority"),
    [
        (Severity.CRITICAL, 1, Priority.P1),  # that everything is down is for people to say
        (Severity.CRITICAL, 2, Priority.P1),
        (Severity.CRITICAL, 3, Priority.P2),
        (Severity.CRITICAL, 9, Priority.P3),
        (Severity.HIGH, 1, Priority.P1),
        (Severity.HIGH, 2, Priority.P2),
        (Severity.LOW, 1, Priority.P3),
    ],
)
def test_the_priority_falls_with_the_severity_and_the_tier(
    severity: Severity, tier: int, priority: Priority
) -> None:
    assert Priority.of(severity, tier) is priority
