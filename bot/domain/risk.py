"""Risk of a plan: four dimensions in [0, 1], weighed into one score, cut into four tiers.

    score = 0.35·severity + 0.25·urgency + 0.25·impact + 0.15·complexity
    < 0.4 AUTO · < 0.6 SEMI_AUTO · < 0.8 MANUAL · else CRITICAL (never runs)

A playbook's override replaces the score; the floor of the riskiest action and of a protected
target is applied after that, so an override cannot talk a failover down.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Tier(StrEnum):
    """What a score allows."""

    AUTO = "auto"
    SEMI_AUTO = "semi_auto"
    MANUAL = "manual"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 for AUTO … 3 for CRITICAL."""
        return list(Tier).index(self)


@dataclass(frozen=True, slots=True)
class RiskScore:
    """A score and what made it. All five numbers in [0, 1]."""

    score: float
    severity: float
    urgency: float
    impact: float
    complexity: float
    lines: tuple[str, ...]  # one per input that moved the score, for the card
    override: float | None = None  # the playbook's, when it replaced the weighted sum
    floor: float = 0.0
