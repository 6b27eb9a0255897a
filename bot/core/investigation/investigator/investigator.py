"""The deterministic investigator: same question, same tools, same shape of answer, no model.

    Intent --look--> Observed (verdicts, metric facts, objects, changes, log bursts, …; each
                               with its evidence id) --reason--> causes --compose--> Answer text

It is the triage brief that Claude reads first, and the whole answer when there is no Claude.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.core.investigation.investigator.diagnosis import Diagnosis, Observed
from bot.core.investigation.investigator.intent import Intent, Kind
from bot.core.investigation.investigator.objects import addresses_of
from bot.core.investigation.investigator.reasoning import reason
from bot.core.investigation.recorder import Called, Recorder
from tools.analysis.blame import blamed
from tools.analysis.facts import Link
from tools.analysis.patterns import Burst
from tools.analysis.scan import AnomalousSpan
from tools.analysis.symptoms import (
    Rule,
    SeenChange,
    SeenEvent,
    SeenPattern,
    SeenTraces,
    SeenVerdict,
)
from tools.observe.metric_facts import MetricsExamined
from tools.observe.objects import Examined
from tools.tracing import TraceStudy
from tools.world import (
    Catalogue,
    Change,
    ClusterEvent,
    FiringAlert,
    Forecast,
    MetricName,
    MetricRole,
    ServiceName,
    SimilarCase,
    Verdict,
)

CHANGE_LOOKBACK = timedelta(hours=3)  # a change this long before the window may be behind it
MOST_SERVICES = 3  # looked at closely
TRACED = (MetricRole.LATENCY, MetricRole.ERRORS)  # what single requests explain
FILLS_UP = (MetricRole.SATURATION, MetricRole.LAG)  # what a forecast says most about
Asked = tuple[str, dict[str, Any]]  # a tool's name and its arguments


class Investigator:
    """Looks around with the tools and reasons about what it saw."""

    def __init__(
        self, catalogue: Callable[[], Catalogue], rules: Callable[[], Sequence[Rule]] = tuple
    ) -> None:
        """Know the catalogue and the root-cause rules; both may be reloaded."""
        self._catalogue_now, self._rules = catalogue, rules

    @property
    def _catalogue(self) -> Catalogue:
        return self._catalogue_now()

    async def investigate(self, intent: Intent, question: str, recorder: Recorder) -> Diagnosis:
        """Look around and conclude. Failed tools become gaps of the recorder, never an error."""
        observed = Observed()
        window = _arguments(intent)
        if intent.strangers:
            return Diagnosis(intent, observed, ())  # nobody here is called so
        await self._measure(intent, window, observed, recorder)
        if intent.unknown and not intent.metrics:
            return Diagnosis(intent, observed, ())  # what was asked about does not exist
        await self._look_around(intent, question, window, observed, recorder)
        await self._look_closer(intent, window, observed, recorder)
        explained = reason(intent, observed, self._catalogue, self._rules(), recorder.gaps)
        return Diagnosis(intent, observed, explained.causes, explained=explained)

    async def _measure(
        self, intent: Intent, window: Mapping[str, str], observed: Observed, recorder: Recorder
    ) -> None:
        """First round: the metrics that were asked about, and what is abnormal anywhere."""
        one = intent.services[0] if len(intent.services) == 1 else ""
        asked: list[Asked] = [
            ("query_metric", {"metric": m, "service": one, **window}) for m in intent.metrics
        ]
        asked += [("query_metric", {"metric": m, **window}) for m in intent.unknown]
        if intent.metrics or not intent.unknown:
            asked.append(("detect_anomalies", {"service": "", **window}))
            asked.append(("examine_metrics", {"service": one, **window}))
        if not intent.explicit_window and not intent.unknown:
            asked.append(("list_alerts", {"service": one}))  # what fires now says nothing of before
        for called in await _all(recorder, asked):
            if called.evidence.tool == "list_alerts":
                observed.alerts += [
                    (each, called.evidence.id)
                    for each in _members(called)
                    if isinstance(each, FiringAlert)
                ]
            elif called.evidence.tool == "examine_metrics":
                _take_facts(called, observed)
            elif called.result is None:
                if called.evidence.arguments.get("metric") in intent.unknown:
                    observed.unknown.append((called.evidence.summary, called.evidence.id))
                    recorder.gaps.pop("query_metric", None)  # the answer leads with it
            elif called.evidence.tool == "query_metric":
                observed.summaries.append((called.evidence.summary, called.evidence.id))
                observed.series.extend(called.result.series)
            else:
                self._take_verdicts(called, observed)

    def _take_verdicts(self, called: Called, observed: Observed) -> None:
        for each in _members(called):
            if isinstance(each, Verdict):
                observed.verdicts.append(self._seen(each, called.evidence.id))
            elif isinstance(each, AnomalousSpan):
                observed.spans.append((each, called.evidence.id))
                peak = self._peak(each)
                if peak.service:
                    observed.peaks.append(self._seen(peak, called.evidence.id))
        if called.result is not None:
            observed.series.extend(called.result.series)
            told = called.result.payload
            observed.checked += int(told.get("judged", 0)) + int(told.get("scanned", 0))
            observed.by_limit += int(told.get("by_limit", 0))
            observed.unjudged += int(told.get("unjudged", 0))
            observed.judged_by = called.evidence.id

    def _seen(self, verdict: Verdict, evidence: str) -> SeenVerdict:
        return SeenVerdict(verdict, evidence, self._catalogue.metrics.get(verdict.metric))

    def _peak(self, span: AnomalousSpan) -> Verdict:
        """Return a stretch of a past window as the verdict it was at its peak."""
        return Verdict(
            metric=MetricName(span.metric),
            labels=span.labels,
            service=self._catalogue.whose(span.metric, span.labels),
            at=span.peak,
            observed=span.observed,
            expected=span.expected,
            deviation_sigma=span.deviation_sigma,
            votes=(),
            anomalous=True,
            started_at=span.start,
            method="scan",
            unit=span.unit,
        )

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
        calls: list[Asked] = [("recent_changes", {"service": "", **wide})]
        if not intent.explicit_window:  # objects tell of now
            one = intent.services[0] if len(intent.services) == 1 else ""
            calls.append(("examine_objects", {"service": one}))
        for service in focus:
            calls.append(("list_events", {"service": service, **window}))
            calls.append(("log_patterns", {"service": service, **window}))
        if observed.abnormal or observed.spans or intent.kind is Kind.SIMILAR:
            abnormal = [*observed.abnormal, *observed.peaks]
            found = [w for v in abnormal[:2] for w in (v.verdict.metric, v.verdict.service)]
            # What was found finds better cases than the small words of a question do.
            words = [] if found and intent.kind is not Kind.SIMILAR else [question]
            text = " ".join(dict.fromkeys([*words, *found]))
            calls.append(("search_incidents", {"text": text[:300]}))
        calls += [
            ("forecast_metric", {"metric": m, "service": s, "hours": 6})
            for m, s in self._to_forecast(intent, observed)
        ]
        if slow := self._slow(observed):
            calls.append(("query_traces", {"service": slow, "limit": 10, **window}))
        for called in await _all(recorder, calls):
            self._take(called, observed)

    async def _look_closer(
        self, intent: Intent, window: Mapping[str, str], observed: Observed, recorder: Recorder
    ) -> None:
        """Third round: the lines of who is unwell or blamed by others, if nobody read them yet."""
        read = set(self._focus(intent, observed))
        aliases = addresses_of(observed.examined, self._catalogue)
        suspected = [one.service(f.sign.subject) for one, _ in observed.examined
                     for f in one.found if f.present and f.by.role is not Link.CARRY]  # fmt: skip
        for pattern in observed.patterns:
            if (blame := blamed(pattern.sample)) is not None:
                host = blame.host if blame.host in aliases else blame.host.partition(".")[0]
                suspected.insert(0, aliases.get(host, ServiceName(host)))
        more = [s for s in dict.fromkeys(suspected) if s in self._catalogue.services]
        calls: list[Asked] = [
            ("log_patterns", {"service": each, **window}) for each in more if each not in read
        ]
        for called in await _all(recorder, calls[:MOST_SERVICES]):
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
                case TraceStudy():
                    observed.traces.append(SeenTraces(each, evidence))
                case Burst():
                    observed.patterns.append(_pattern(each, service, evidence))
                case Examined():
                    observed.examined.append((each, evidence))
                case Forecast():
                    observed.forecasts.append((each, evidence))
                case SimilarCase():
                    observed.cases.append((each, evidence))

    def _slow(self, observed: Observed) -> ServiceName | None:
        """Return the service with the worst latency or error metric: its traces say where."""
        for seen in [*observed.abnormal, *observed.peaks]:
            metric, service = seen.verdict.metric, seen.verdict.service
            spec = self._catalogue.metrics.get(metric)
            if service in self._catalogue.services and spec is not None and spec.role in TRACED:
                return service
        return None

    def _focus(self, intent: Intent, observed: Observed) -> list[ServiceName]:
        """Return the services to look at closely: asked ones first, then the most abnormal."""
        ranked = [*intent.services, *(v.verdict.service for v in observed.abnormal)]
        ranked += [peak.verdict.service for peak in observed.peaks]
        if not intent.services:
            ranked += [self._catalogue.whose(s.metric, s.labels) for s in observed.series]
        known = [s for s in dict.fromkeys(ranked) if s in self._catalogue.services]
        return known[:MOST_SERVICES]

    def _to_forecast(self, intent: Intent, observed: Observed) -> Iterable[tuple[str, ServiceName]]:
        """Return what to forecast: what was asked, else abnormal metrics that have a limit."""
        if intent.kind is Kind.FORECAST and intent.metrics:
            services = intent.services or tuple(
                dict.fromkeys(self._catalogue.whose(s.metric, s.labels) for s in observed.series)
            )
            return [(m, s) for m in intent.metrics for s in services[:MOST_SERVICES]]
        limited = [
            (spec.role not in FILLS_UP, spec.name, v.verdict.service)
            for v in observed.abnormal
            if (spec := self._catalogue.metrics.get(v.verdict.metric))
            and spec.threshold is not None
        ]
        first = sorted(limited, key=lambda each: each[0])[:1]
        return [(name, service) for _, name, service in first]


async def _all(recorder: Recorder, calls: Sequence[Asked]) -> list[Called]:
    """Run calls side by side; a tool that is off is not called: its backend is a gap already."""
    usable = [(name, arguments) for name, arguments in calls if name in recorder.toolbox]
    return await asyncio.gather(*(recorder.call(name, arguments) for name, arguments in usable))


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


def _take_facts(called: Called, observed: Observed) -> None:
    for each in _members(called):
        if isinstance(each, MetricsExamined):
            evidence = called.evidence.id
            observed.facts += [replace(fact, evidence=evidence) for fact in each.facts]
            observed.measured += [replace(told, evidence=evidence) for told in each.measured]
            observed.edges += each.edges
            observed.gaps += each.gaps


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
        since=pattern.first_seen,
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
