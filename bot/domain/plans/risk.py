"""Risk of a plan: four dimensions in [0, 1], weighed into one score, cut into four tiers.

    score = 0.35·severity + 0.25·urgency + 0.25·impact + 0.15·complexity
    < 0.4 AUTO · < 0.6 SEMI_AUTO · < 0.8 MANUAL · else CRITICAL (never runs)

A playbook's override replaces the score; the floor of the riskiest action and of a protected
target is applied after that, so an override cannot talk a failover down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType

from tools.world import Severity


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


class Trend(StrEnum):
    """Where the worst metric is going."""

    WORSE = "worse"
    STEADY = "steady"
    BETTER = "better"
    UNKNOWN = "unknown"


PROTECTED_FLOOR = 0.8  # a protected target is CRITICAL whatever a playbook says
SEVERITY: Mapping[Severity, float] = MappingProxyType(
    {Severity.LOW: 0.25, Severity.MEDIUM: 0.5, Severity.HIGH: 0.75, Severity.CRITICAL: 1.0}
)
TREND: Mapping[Trend, float] = MappingProxyType(
    {Trend.WORSE: 0.4, Trend.UNKNOWN: 0.2, Trend.STEADY: 0.2, Trend.BETTER: 0.0}
)
USUAL_CATEGORY = 0.5  # of a category of metrics that no weight names
KIND: Mapping[str, float] = MappingProxyType(  # what the object is; others count 0.5
    {
        "Pod": 0.1,
        "HorizontalPodAutoscaler": 0.2,
        "Deployment": 0.4,
        "CronJob": 0.4,
        "Endpoint": 0.5,
        "DaemonSet": 0.6,
        "StatefulSet": 0.7,
        "Node": 0.8,
        "Cluster": 1.0,
    }
)
LONG = timedelta(hours=1)  # a trouble this old is as urgent as age alone makes it


@dataclass(frozen=True, slots=True)
class RiskConfig:
    """Weights (sum 1) and cuts, as in `risk_assessment` of the configuration."""

    severity_weight: float = 0.35
    urgency_weight: float = 0.25
    impact_weight: float = 0.25
    complexity_weight: float = 0.15
    auto_below: float = 0.4
    semi_auto_below: float = 0.6
    manual_below: float = 0.8
    categories: Mapping[str, float] = field(default_factory=dict)  # what rides on it, in [0, 1]

    def __post_init__(self) -> None:
        """Refuse weights that are no weights and cuts that do not rise."""
        weights = (
            self.severity_weight,
            self.urgency_weight,
            self.impact_weight,
            self.complexity_weight,
        )
        if min(weights) < 0 or abs(sum(weights) - 1) > 1e-6:
            raise ValueError(f"risk weights must be ≥ 0 and sum to 1, got {weights!r}")
        cuts = (self.auto_below, self.semi_auto_below, self.manual_below)
        if not 0 <= cuts[0] <= cuts[1] <= cuts[2] <= 1:
            raise ValueError(f"risk thresholds must rise within [0, 1], got {cuts!r}")

    def tier(self, score: float) -> Tier:
        """Return the tier a score falls into."""
        if score < self.auto_below:
            return Tier.AUTO
        if score < self.semi_auto_below:
            return Tier.SEMI_AUTO
        return Tier.MANUAL if score < self.manual_below else Tier.CRITICAL


@dataclass(frozen=True, slots=True)
class RiskInputs:
    """Everything the score is made of; frozen when the plan is proposed."""

    severity: Severity
    lasted: timedelta  # since the trouble began, world time
    trend: Trend
    category: str  # of the worst metric, as the catalogue has it
    namespace: str
    kinds: tuple[str, ...]  # kinds of the objects touched
    service_tier: int  # 1 is the most critical
    dependants: int  # services that call this one
    pods_affected: int  # pods that restart or disappear
    pods_total: int
    steps: int
    undoable: bool  # every step has a way back, or needs none
    floors: Mapping[str, float]  # action name → its floor
    protected: bool
    override: float | None = None
    doubt: str = ""  # why the trouble counts as the worst there is; empty when it is proved


def assess(inputs: RiskInputs, config: RiskConfig | None = None) -> RiskScore:
    """Score a plan; `lines` explains every number in the order it was added."""
    config = config or RiskConfig()
    severity = SEVERITY[inputs.severity]
    urgency, urgency_line = _urgency(inputs)
    impact, impact_line = _impact(inputs, config)
    complexity, complexity_line = _complexity(inputs)
    weighed = (
        config.severity_weight * severity
        + config.urgency_weight * urgency
        + config.impact_weight * impact
        + config.complexity_weight * complexity
    )
    lines = [
        _line("severity", config.severity_weight, severity, f"anomaly {inputs.severity.value}"),
        _line("urgency", config.urgency_weight, urgency, urgency_line),
        _line("impact", config.impact_weight, impact, impact_line),
        _line("complexity", config.complexity_weight, complexity, complexity_line),
    ]
    if inputs.doubt:
        lines.append(inputs.doubt)
    score = weighed
    if inputs.override is not None:
        score = min(1.0, max(0.0, inputs.override))
        lines.append(f"playbook override {score:.2f} replaces the weighted {weighed:.2f}")
    floor = 0.0
    for name, each in sorted(inputs.floors.items()):
        if each > score:
            lines.append(f"floor {each:.2f} of {name}")
        floor = max(floor, each)
    if inputs.protected:
        lines.append(f"floor {PROTECTED_FLOOR:.2f}: the target is protected")
        floor = max(floor, PROTECTED_FLOOR)
    return RiskScore(
        score=round(min(1.0, max(score, floor)), 4),
        severity=severity,
        urgency=urgency,
        impact=impact,
        complexity=complexity,
        lines=tuple(lines),
        override=inputs.override,
        floor=floor,
    )


def _line(name: str, weight: float, value: float, why: str) -> str:
    return f"{name} {weight:.2f} × {value:.2f} = {weight * value:.3f} ({why})"


def _urgency(inputs: RiskInputs) -> tuple[float, str]:
    age = 0.6 * min(1.0, max(0.0, inputs.lasted / LONG))
    minutes = max(0, round(inputs.lasted.total_seconds() / 60))
    return round(age + TREND[inputs.trend], 4), f"{minutes} min, trend {inputs.trend.value}"


def _impact(inputs: RiskInputs, config: RiskConfig) -> tuple[float, str]:
    kind = max((KIND.get(each, 0.5) for each in inputs.kinds), default=0.0)
    category = config.categories.get(inputs.category, USUAL_CATEGORY)
    importance = {1: 1.0, 2: 0.6, 3: 0.3}.get(inputs.service_tier, 0.1)
    callers = min(1.0, inputs.dependants / 3)
    pods = inputs.pods_affected / inputs.pods_total if inputs.pods_total else 0.0
    value = 0.3 * kind + 0.2 * category + 0.2 * importance + 0.15 * callers + 0.15 * min(1.0, pods)
    kinds = ", ".join(sorted(set(inputs.kinds))) or "nothing"
    why = (
        f"{kinds} in {inputs.namespace or 'the cluster'}"
        f", category {inputs.category or 'unknown'}, tier {inputs.service_tier}, "
        f"{_counted(inputs.dependants, 'dependant')}, "
        f"{inputs.pods_affected} of {inputs.pods_total} pods"
    )
    return round(value, 4), why


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _complexity(inputs: RiskInputs) -> tuple[float, str]:
    inherent = max(inputs.floors.values(), default=0.0)
    steps = min(1.0, 0.2 * max(0, inputs.steps - 1))
    back = 0.0 if inputs.undoable else 0.2
    value = min(1.0, inherent + steps + back)
    way = "with a way back" if inputs.undoable else "without a way back"
    steps_told = _counted(inputs.steps, "step")
    return round(value, 4), f"{steps_told}, {way}, hardest action {inherent:.2f}"
