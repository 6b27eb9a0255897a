"""What follows from what was read: verdicts, baselines, forecasts, causes, proposals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from tools.world.catalogue import MetricSpec
from tools.world.names import Direction, Floats, Labels, MetricName, ServiceName, Severity

UNJUDGED = "none"
SILENT = "silent"
MOST_BEYOND = 99.0  # half a limit: a value a hundred times its limit is no more than grave


@dataclass(frozen=True, slots=True)
class Vote:
    """One algorithm's opinion: `score` beyond `threshold` means anomalous."""

    algorithm: str  # "zscore", "mad", "isolation_forest"
    score: float
    threshold: float
    anomalous: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the detector says of one series at one time."""

    metric: MetricName
    labels: Labels
    service: ServiceName
    at: datetime
    observed: float
    expected: float  # of a young series that crossed its limit: the limit
    deviation_sigma: float  # signed; positive = above expected; beyond a limit: see sigma_beyond
    votes: tuple[Vote, ...]
    anomalous: bool
    started_at: datetime  # first sample of the run of abnormal samples that ends at `at`
    method: str  # "baseline" (learned) | "static" (young: its limit alone) | "silent" | "none"
    unit: str = ""
    missing_ratio: float = 0.0
    limit: float | None = None  # of the catalogue, where it alone was judged by

    @property
    def severity(self) -> Severity:
        """Severity by deviation."""
        return Severity.of_deviation(self.deviation_sigma)

    @property
    def judged(self) -> bool:
        """Whether anything can be said: a young series without a limit is only seen."""
        return self.method != UNJUDGED


def sigma_beyond(spec: MetricSpec, value: float) -> float:
    """Return how grave a value beyond its limit is, as deviations are counted; signed.

    Nothing is known of what is usual, so the limit speaks: 4 (HIGH) where it is crossed, one more
    for each half of it beyond.
    """
    share = spec.share_of_limit(value)
    if share is None or not spec.is_beyond(value):
        return 0.0
    size = min(4.0 + (share - 1.0) / 0.5, MOST_BEYOND)
    return -size if spec.bad_direction is Direction.DOWN or value < 0 else size


@dataclass(frozen=True, slots=True)
class Breach:
    """The first forecast point beyond a threshold."""

    at: datetime
    value: float
    threshold: float


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """A forecast with its interval, on the series' own step."""

    metric: MetricName
    labels: Labels
    times: Floats  # epoch seconds
    values: Floats
    lower: Floats
    upper: Floats
    interval_ratio: float  # nominal coverage of lower…upper, e.g. 0.8
    method: str
    unit: str = ""

    def will_breach(self, threshold: float, direction: Direction) -> Breach | None:
        """Return the first point beyond `threshold` in the bad direction, or None."""
        beyond = self.values < threshold if direction is Direction.DOWN else self.values > threshold
        hits = np.flatnonzero(beyond)
        if hits.size == 0:
            return None
        first = int(hits[0])
        at = datetime.fromtimestamp(float(self.times[first]), tz=UTC)
        return Breach(at=at, value=float(self.values[first]), threshold=threshold)


@dataclass(frozen=True, slots=True, eq=False)
class Baseline:
    """What is normal for one series, learned from 7–30 days.

    `profile` is the expected value per slot of the season (hour-of-week or slot-of-day),
    `spread` the robust scale (1.4826·MAD of residuals) per slot, both in the metric's unit.
    """

    metric: MetricName
    labels: Labels
    learned_at: datetime
    history: timedelta
    samples: int
    slot_seconds: float
    profile: Floats
    spread: Floats
    mean: float
    std: float
    median: float
    mad: float
    trend_per_day: float
    quality: float  # in [0, 1]: 1 − residual variance share, scaled by coverage
    unit: str = ""


@dataclass(frozen=True, slots=True)
class LearnedBatch:
    """What one save of baselines left that no later one replaced; saves are numbered."""

    revision: int
    baselines: tuple[Baseline, ...]


@dataclass(frozen=True, slots=True)
class StepTest:
    """One test of a step: `result` is passed, failed or unseen (nobody could look)."""

    name: str  # reach, order, dose, own, mechanism, still
    result: str
    sentence: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CauseStep:
    """One step from what began it to what was felt, with how it was tested."""

    sentence: str
    evidence: tuple[str, ...] = ()
    at: datetime | None = None
    tests: tuple[StepTest, ...] = ()


@dataclass(frozen=True, slots=True)
class Cause:
    """One candidate root cause; `confidence` in [0, 1]."""

    cause: str  # one sentence a person can act on
    service: ServiceName
    kind: str  # deploy, config, flag, scale, resource, dependency, traffic, data, object, unknown
    confidence: float
    evidence: tuple[str, ...] = ()  # "E1", …
    at: datetime | None = None  # when it began, if known
    remediation: tuple[str, ...] = ()  # action names that could help
    reasons: tuple[str, ...] = ()  # what speaks for it, strongest first
    proved: bool = False  # every step tested: by a state that cannot lie, or by two observers
    subject: str = ""  # the very object, host or statement, where it is not the service itself
    path: tuple[CauseStep, ...] = ()  # trigger, start, what it did … what was felt
    settle: str = ""  # of a suspect: what would settle it
    cell: str = ""  # the row of the table that its confidence stands in


@dataclass(frozen=True, slots=True)
class SimilarCase:
    """A past incident, postmortem or runbook found in the knowledge base."""

    id: str
    title: str
    kind: str  # postmortem, issue, solution, runbook
    snippet: str
    score: float  # higher is nearer; comparable within one search only
    path: str = ""
    services: tuple[str, ...] = ()  # it says it is about


@dataclass(frozen=True, slots=True)
class ProposalDraft:
    """What a tool asks the plan desk to turn into a plan; it has no power by itself."""

    playbook_id: str
    service: ServiceName
    reason: str
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProposalReceipt:
    """The plan desk's answer: a plan waiting for people, or the guard that refused."""

    plan_id: str | None
    tier: str
    summary: str  # what the model may tell the person
    refused_by: str = ""  # name of the guard, empty when a plan exists
