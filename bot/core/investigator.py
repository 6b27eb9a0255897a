"""The deterministic investigator: same question, same tools, same shape of answer, no model.

    Intent --look--> Observed (verdicts, changes, events, log bursts, forecasts, cases; each with
                               its evidence id) --rank--> causes --tell--> Answer text

It is the triage brief that Claude reads first, and the whole answer when there is no Claude.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from bot.core.intent import Intent, Kind
from bot.core.recorder import Called, Recorder
from tools.analysis.patterns import Burst
from tools.analysis.rca import (
    Rule,
    SeenChange,
    SeenEvent,
    SeenPattern,
    SeenVerdict,
    Symptoms,
    rank_causes,
)
from tools.analysis.scan import AnomalousSpan
from tools.world import (
    Catalogue,
    Cause,
    Change,
    ClusterEvent,
    Forecast,
    Series,
    ServiceName,
    SimilarCase,
    Verdict,
    Window,
)

CHANGE_LOOKBACK = timedelta(hours=3)  # a change this long before the window may be behind it
MOST_SERVICES = 3  # looked at closely


@dataclass(slots=True)
class Observed:
    """What was seen, each with the id of its evidence."""

    verdicts: list[SeenVerdict] = field(default_factory=list)
    spans: list[tuple[AnomalousSpan, str]] = field(default_factory=list)
    changes: list[SeenChange] = field(default_factory=list)
    events: list[SeenEvent] = field(default_factory=list)
    patterns: list[SeenPattern] = field(default_factory=list)
    forecasts: list[tuple[Forecast, str]] = field(default_factory=list)
    cases: list[tuple[SimilarCase, str]] = field(default_factory=list)
    summaries: list[tuple[str, str]] = field(default_factory=list)  # metric summaries, evidence id
    series: list[Series] = field(default_factory=list)  # asked for, for the chart
    checked: int = 0  # series judged

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

    @property
    def healthy(self) -> bool:
        """Whether nothing abnormal was seen."""
        return not self.observed.abnormal and not self.observed.spans

    @property
    def confidence(self) -> float:
        """Confidence in the first cause, or in health when nothing was abnormal."""
        if self.causes:
            return self.causes[0].confidence
        return 0.9 if self.healthy and self.observed.checked else 0.3


class Investigator:
    """Looks around with the tools and ranks causes."""

    def __init__(self, catalogue: Catalogue, rules: Sequence[Rule] = ()) -> None:
        """Know the catalogue and the root-cause rules."""
        self._catalogue = catalogue
        self._rules = tuple(rules)

    async def investigate(self, intent: Intent, question: str, recorder: Recorder) -> Diagnosis:
        """Look around and conclude. Failed tools become gaps of the recorder, never an error."""
        observed = Observed()
        window = _arguments(intent)
        await self._measure(intent, window, observed, recorder)
        await self._look_around(intent, question, window, observed, recorder)
        causes = rank_causes(
            Symptoms(
                verdicts=observed.verdicts,
                changes=observed.changes,
                events=observed.events,
                patterns=observed.patterns,
                dependencies={s.name: s.dependencies for s in self._catalogue.services.values()},
                rules=self._rules,
            )
        )
        return Diagnosis(intent, observed, tuple(causes))

    async def _measure(
        self, intent: Intent, window: Mapping[str, str], observed: Observed, recorder: Recorder
    ) -> None:
        """First round: the metrics that were asked about, and what is abnormal anywhere."""
        one = intent.services[0] if len(intent.services) == 1 else ""
        calls = [
            recorder.call("query_metric", {"metric": m, "service": one, **window})
            for m in intent.metrics
        ]
        calls.append(recorder.call("detect_anomalies", {"service": "", **window}))
        for called in await asyncio.gather(*calls):
            if called.result is None:
                continue
            if called.evidence.tool == "query_metric":
                observed.summaries.append((called.evidence.summary, called.evidence.id))
                observed.series.extend(called.result.series)
            else:
                self._take_verdicts(called, observed)

    def _take_verdicts(self, called: Called, observed: Observed) -> None:
        for each in _members(called):
            if isinstance(each, Verdict):
                spec = self._catalogue.metrics.get(each.metric)
                extra = {"bad_direction": spec.bad_direction} if spec else {}
                observed.verdicts.append(SeenVerdict(each, called.evidence.id, **extra))
                observed.checked += 1
            elif isinstance(each, AnomalousSpan):
                observed.spans.append((each, called.evidence.id))
        if called.result is not None:
            observed.series.extend(called.result.series)

    async def _look_around(
        self,
        intent: Intent,
        question: str,
        window: Mapping[str, str],
        observed: Observed,
        recorder: Recorder,
    ) -> None:
        """Second round: changes, events, logs of the services in question; cases; forecasts."""
        focus = self._focus(intent, observed)
        wide = {**window, "window": _text(intent.window.duration + CHANGE_LOOKBACK)}
        calls = [recorder.call("recent_changes", {"service": "", **wide})]
        for service in focus:
            calls.append(recorder.call("list_events", {"service": service, **window}))
            calls.append(recorder.call("log_patterns", {"service": service, **window}))
        if observed.abnormal or observed.spans or intent.kind is Kind.SIMILAR:
            text = " ".join([question, *(v.verdict.metric for v in observed.abnormal[:2])])
            calls.append(recorder.call("search_incidents", {"text": text[:300]}))
        calls += [
            recorder.call("forecast_metric", {"metric": m, "service": s, "hours": 6})
            for m, s in self._to_forecast(intent, observed)
        ]
        for called in await asyncio.gather(*calls):
            self._take(called, observed)

    def _take(self, called: Called, observed: Observed) -> None:
        evidence = called.evidence.id
        service = ServiceName(str(called.evidence.arguments.get("service", "")))
        for each in _members(called):
            match each:
                case Change():
                    observed.changes.append(SeenChange(each, evidence))
                case ClusterEvent():
                    observed.events.append(SeenEvent(each, service, evidence))
                case Burst():
                    observed.patterns.append(_pattern(each, service, evidence))
                case Forecast():
                    observed.forecasts.append((each, evidence))
                case SimilarCase():
                    observed.cases.append((each, evidence))

    def _focus(self, intent: Intent, observed: Observed) -> list[ServiceName]:
        """Return the services to look at closely: asked ones first, then the most abnormal."""
        ranked = [*intent.services, *(v.verdict.service for v in observed.abnormal)]
        ranked += [ServiceName(s.label("service")) for s in observed.series if not intent.services]
        known = [s for s in dict.fromkeys(ranked) if s in self._catalogue.services]
        return known[:MOST_SERVICES]

    def _to_forecast(self, intent: Intent, observed: Observed) -> Iterable[tuple[str, ServiceName]]:
        """Return what to forecast: what was asked, else abnormal metrics that have a limit."""
        if intent.kind is Kind.FORECAST and intent.metrics:
            services = intent.services or tuple(
                dict.fromkeys(ServiceName(s.label("service")) for s in observed.series)
            )
            return [(m, s) for m in intent.metrics for s in services[:MOST_SERVICES]]
        limited = [
            (v.verdict.metric, v.verdict.service)
            for v in observed.abnormal
            if (spec := self._catalogue.metrics.get(v.verdict.metric))
            and spec.threshold is not None
        ]
        return limited[:1]


def _members(called: Called) -> list[Any]:
    """Return the typed members of a tool's result, however it wraps them."""
    value = called.result.value if called.result is not None else None
    return list(_flat(value))


def _flat(value: object) -> Iterator[object]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _flat(each)
    elif value is not None:
        yield value


def _pattern(burst: Burst, service: ServiceName, evidence: str) -> SeenPattern:
    pattern = burst.pattern
    return SeenPattern(
        service=service,
        template=pattern.template,
        sample=pattern.sample,
        count=pattern.count,
        level=pattern.level,
        is_burst=True,
        evidence=evidence,
    )


def _arguments(intent: Intent) -> dict[str, str]:
    """Return window arguments for the tools; an open window needs no end."""
    arguments = {"window": _text(intent.window.duration)}
    if intent.explicit_window:
        arguments["until"] = intent.window.end.isoformat()
    return arguments


def _text(span: timedelta) -> str:
    minutes = max(5, round(span.total_seconds() / 60))
    return f"{minutes}m"


def window_text(window: Window) -> str:
    """Return a window as a person reads it: `14:10–15:10 UTC`, with dates when not one day."""
    start, end = window.start, window.end
    if start.date() == end.date():
        return f"{start:%Y-%m-%d %H:%M}–{end:%H:%M} UTC"
    return f"{start:%Y-%m-%d %H:%M}–{end:%Y-%m-%d %H:%M} UTC"
