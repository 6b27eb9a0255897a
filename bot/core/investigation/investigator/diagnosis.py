"""What the investigator saw, and what it makes of it.

Observed (verdicts, alerts, objects, changes …, each with its evidence id) + causes ──> Diagnosis
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.core.investigation.investigator.intent import Intent
from bot.core.investigation.investigator.objects import unwell_objects
from bot.domain.answer import Conclusion
from tools.analysis.facts import Edge, Fact, Gap, Link, Measured
from tools.analysis.rca.explain import Explained
from tools.analysis.rca.verdict import Acquitted
from tools.analysis.rca.verdict_facts import role_in
from tools.analysis.scan import AnomalousSpan
from tools.analysis.symptoms import (
    SeenChange,
    SeenEvent,
    SeenPattern,
    SeenTraces,
    SeenVerdict,
)
from tools.doctor import Found
from tools.observe.objects import Examined
from tools.world import (
    Cause,
    FiringAlert,
    Forecast,
    MetricRole,
    Series,
    Severity,
    SimilarCase,
)

FELT = frozenset({"latency", "errors", "availability", "restarts"})
SURE, HALF_SURE, UNSURE = 0.9, 0.6, 0.3  # that nothing is wrong, by what it rests on


@dataclass(slots=True)
class Observed:
    """What was seen, each with the id of its evidence."""

    verdicts: list[SeenVerdict] = field(default_factory=list)
    spans: list[tuple[AnomalousSpan, str]] = field(default_factory=list)
    changes: list[SeenChange] = field(default_factory=list)
    events: list[SeenEvent] = field(default_factory=list)
    patterns: list[SeenPattern] = field(default_factory=list)
    traces: list[SeenTraces] = field(default_factory=list)
    forecasts: list[tuple[Forecast, str]] = field(default_factory=list)
    cases: list[tuple[SimilarCase, str]] = field(default_factory=list)
    summaries: list[tuple[str, str]] = field(default_factory=list)  # metric summaries, evidence id
    series: list[Series] = field(default_factory=list)  # asked for, for the chart
    unknown: list[tuple[str, str]] = field(default_factory=list)  # why a name is none, evidence id
    peaks: list[SeenVerdict] = field(default_factory=list)  # the spans as verdicts at their peak
    alerts: list[tuple[FiringAlert, str]] = field(default_factory=list)  # that fire, gravest first
    examined: list[tuple[Examined, str]] = field(default_factory=list)  # clusters, object by object
    checked: int = 0  # series judged
    by_limit: int = 0  # of those, too young for what is usual: against their limits alone
    unjudged: int = 0  # series that are too young and have no limit
    judged_by: str = ""  # evidence id of that judgement
    facts: list[Fact] = field(default_factory=list)  # of metrics, as their tool tells them
    edges: list[Edge] = field(default_factory=list)
    measured: list[Measured] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    @property
    def abnormal(self) -> list[SeenVerdict]:
        """The abnormal verdicts, strongest first."""
        found = [v for v in self.verdicts if v.verdict.anomalous]
        return sorted(found, key=lambda v: -abs(v.verdict.deviation_sigma))


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What the investigator makes of it: causes best first, and whether anything is wrong."""

    intent: Intent
    observed: Observed
    causes: tuple[Cause, ...]
    missing: bool = False  # something that is configured could not be looked at
    explained: Explained = field(default_factory=Explained)

    @property
    def healthy(self) -> bool:
        """Whether nothing abnormal was seen, no object is unwell, and no grave alert fires."""
        seen = self.observed
        wrong = self.troubling or self.alarming or self.unwell or self.new_errors
        return not (wrong or seen.spans or self.over)

    @property
    def unwell(self) -> list[tuple[Found, str]]:
        """What is wrong now with objects of the services that were asked about, or of all."""
        return unwell_objects(self.observed.examined, self.intent.services)

    @property
    def alarming(self) -> list[tuple[FiringAlert, str]]:
        """The grave alerts of the services that were asked about, or of all."""
        asked = self.intent.services
        return [
            (alert, evidence)
            for alert, evidence in self.observed.alerts
            if alert.severity.rank >= Severity.HIGH.rank and (not asked or alert.service in asked)
        ]

    @property
    def asked_is_normal(self) -> bool:
        """Whether a past window was unusual, but not in the metrics that were asked about."""
        seen, asked = self.observed, self.intent.metrics
        return bool(
            asked
            and seen.spans
            and not self.causes
            and not any(v.verdict.metric in asked for v in seen.abnormal)
            and not any(span.metric in asked for span, _ in seen.spans)
        )

    @property
    def relevant(self) -> list[SeenVerdict]:
        """The abnormal verdicts that bear on what was asked: of it, of what it calls, or all."""
        asked = {f.subject.name for f in self.explained.facts} if self.intent.services else set()
        reach = self.explained.reach
        if not self.intent.services or not asked:
            return self.observed.abnormal
        return [v for v in self.observed.abnormal if v.verdict.service in reach]

    @property
    def troubling(self) -> list[SeenVerdict]:
        """The relevant ones but for load: more of it is no trouble while everybody is served."""
        return [v for v in self.relevant if not _is_load(v)]

    @property
    def acquitted(self) -> tuple[Acquitted, ...]:
        """Changes that did not do it; of the services that bear on what was asked first."""
        reach = self.explained.reach
        found = [each for each in self.explained.acquitted if each.fact.source == "changes"]
        return tuple(e for e in found if not reach or e.fact.subject.name in reach)

    @property
    def new_errors(self) -> list[SeenPattern]:
        """New error lines of the services asked about, or of all that were looked at."""
        asked = self.intent.services
        told = {f.evidence for f in self.explained.facts if f.source == "logs"}
        return [
            p
            for p in self.observed.patterns
            if p.evidence in told and (not asked or p.service in asked)
        ]

    @property
    def over(self) -> list[Fact]:
        """What was wrong with what was asked about, and has ended; the latest end first."""
        asked = {*self.intent.services}
        found = [
            f
            for f in self.explained.facts
            if f.until is not None
            and f.until >= self.intent.window.start
            and (not asked or f.subject.name in asked)
            and (f.role is Link.START or f.predicate.partition("-")[0] in FELT)
        ]
        return sorted(found, key=lambda f: (-(f.until or f.since).timestamp(), f.id))  # type: ignore[union-attr]

    @property
    def verdict(self) -> Conclusion:
        """What it comes to."""
        seen = self.observed
        if self.causes:
            return Conclusion.CAUSE if self.causes[0].proved else Conclusion.SUSPECTS
        wrong = self.troubling or self.alarming or self.unwell or self.new_errors
        if wrong or not seen.checked:
            return Conclusion.CANNOT_TELL
        if (seen.spans or self.over) and not self.asked_is_normal:
            return Conclusion.RECOVERED
        sure = self.asked_was_judged and not self.missing
        return Conclusion.HEALTHY if sure else Conclusion.CANNOT_TELL

    @property
    def confidence(self) -> float:
        """Confidence in the first cause, or in health when nothing was abnormal."""
        if self.causes:
            return self.causes[0].confidence
        normal = self.healthy or self.asked_is_normal
        if not normal or not self.asked_was_judged:
            return UNSURE
        seen = self.observed
        partly = 2 * seen.by_limit > seen.checked or seen.unjudged > seen.checked
        # of what was not looked at nobody can be sure either
        return HALF_SURE if partly or self.missing else SURE

    @property
    def asked_was_judged(self) -> bool:
        """Whether what was asked about could be judged: a young series without a limit cannot."""
        seen, intent = self.observed, self.intent
        if not seen.checked:
            return False
        if not seen.verdicts or not (intent.metrics or intent.services):
            return True  # a past window was scanned, or the platform was asked about
        return any(
            v.verdict.judged
            and (not intent.metrics or v.verdict.metric in intent.metrics)
            and (not intent.services or v.verdict.service in intent.services)
            for v in seen.verdicts
        )


def _is_load(seen: SeenVerdict) -> bool:
    more = seen.verdict.observed > seen.verdict.expected
    return more and role_in(seen) is MetricRole.TRAFFIC
