"""Tools that judge: is a service's metric abnormal, and where is it going."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np

from foundation.together import all_or_none
from tools.analysis.detect import DetectorSettings, score_service
from tools.analysis.normalise import TELL_MISSING_RATIO
from tools.analysis.scan import AnomalousSpan, is_young, scan
from tools.contract import Risk, ToolResult, tool
from tools.errors import NotFoundError
from tools.fleet import silence
from tools.observe.asking import metric_of, place_of, service_of, span, stamp, window_of
from tools.observe.figures import cut, number, points, show
from tools.observe.metrics import of_service
from tools.ports import Baselines, Clock, Metrics, Workers
from tools.world import Baseline, Catalogue, MetricSpec, Series, Verdict, Window
from tools.world.conclusions import UNJUDGED

Observed = tuple[Series, Baseline | None, MetricSpec]
PAST = timedelta(minutes=10)  # a window that ended earlier than this is history
LIVE = timedelta(hours=6)  # history a live verdict is given; longer windows are scanned
CALIBRATION = timedelta(days=3)  # a scan's own past
MINUTE = timedelta(minutes=1)
SHOWN = 15


@dataclass(frozen=True, slots=True)
class Basis:
    """What a judgement had to go on, in series."""

    seen: int
    by_limit: int  # too young for what is usual: judged against their limits alone
    unjudged: int  # too young, and without a limit

    @property
    def judged(self) -> int:
        """How many could be judged at all."""
        return self.seen - self.unjudged

    def lines(self) -> list[str]:
        """Return what must be known beside the judgement."""
        told = []
        if self.by_limit:
            told.append(
                f"{self.by_limit} series have too little history for a baseline: "
                "they were judged against their static limits alone"
            )
        if self.unjudged:
            told.append(
                f"{self.unjudged} series have too little history and no limit: nothing can be "
                "said of them"
            )
        return told

    def payload(self) -> dict[str, int]:
        """Return the counts."""
        return {"by_limit": self.by_limit, "unjudged": self.unjudged}


@tool(risk=Risk.READ)
async def detect_anomalies(  # noqa: PLR0913, PLR0917 - six ports and three words
    metrics: Metrics,
    clock: Clock,
    catalogue: Catalogue,
    baselines: Baselines,
    workers: Workers,
    settings: DetectorSettings,
    /,
    service: str = "",
    window: str = "1h",
    until: str = "",
    instance: str = "",
) -> ToolResult:
    """Judge every catalogued metric of a service: abnormal or not, since when, by how many σ.

    A window that ends now is judged against learned baselines. A window that ended in the past, or
    is longer than 6h, is scanned for anomalous stretches, each with its peak. "Nothing abnormal" is
    an answer.

    Args:
        service: Service name or alias; empty for all services.
        window: Length of the window: 15m, 1h, 6h, 24h, 7d.
        until: End of the window as ISO time in UTC; empty means now.
        instance: Metrics store by name; empty for the one of the service's cluster, or all.
    """
    name, metrics = place_of(metrics, catalogue, service, instance)
    asked = window_of(clock, window, until)
    past = clock.now() - asked.end > PAST or asked.duration > LIVE
    reach = Window(asked.start - CALIBRATION, asked.end) if past else _live(asked)
    step = None if past else MINUTE
    specs = list(catalogue.metrics.values())
    answers = await all_or_none(*(metrics.query_range(m.query, reach, step) for m in specs))
    observed: list[Observed] = []
    for spec, found in zip(specs, answers, strict=True):
        observed += [
            (series, await baselines.find(spec.name, series.labels), spec)
            for series in of_service(found, spec, name)
        ]
    if past:
        return await _scanned(workers, metrics, observed, asked, name)
    return await _judged(workers, metrics, observed, settings, asked, name)


def _live(asked: Window) -> Window:
    return Window.ending(asked.end, max(LIVE, asked.duration))


def _by_service(observed: Sequence[Observed]) -> list[list[Observed]]:
    groups: dict[str, list[Observed]] = {}
    for each in observed:
        groups.setdefault(each[2].service_of(each[0].labels), []).append(each)
    return list(groups.values())


async def _judged(
    workers: Workers,
    metrics: Metrics,
    observed: list[Observed],
    settings: DetectorSettings,
    asked: Window,
    name: str,
) -> ToolResult:
    verdicts: list[Verdict] = []
    for group in _by_service(observed):
        verdicts += await workers.run(score_service, group, settings)
    verdicts = [v for v in verdicts if v.at >= asked.start]
    verdicts.sort(key=lambda v: (not v.anomalous, -abs(v.deviation_sigma)))
    bad = [v for v in verdicts if v.anomalous]
    basis = Basis(len(verdicts), _count(verdicts, "static"), _count(verdicts, UNJUDGED))
    rows = [_verdict_row(v) for v in verdicts if v.judged]
    who = name or "all services"
    head = f"{len(bad)} of {len(rows)} series abnormal for {who} at {stamp(asked.end)}"
    if not bad:
        head = f"nothing abnormal: {len(rows)} series of {who} are as usual at {stamp(asked.end)}"
    if not rows:
        none = f"nothing can be judged of {who}" if verdicts else f"no data for {who}"
        head = f"{none} in {span(asked)}: neither healthy nor abnormal"
    lines = [head]
    lines += [
        f"- {row['severity'].upper()} {row['metric']} of {row['service']}: "
        f"{row['observed_shown']}, expected {row['expected_shown']} ({row['sigma']} σ), "
        f"since {row['started_at']}, votes {row['votes_for']} of {row['votes_of']}, "
        f"{row['method']}{row['gap']}"
        for row in rows[: len(bad)][:SHOWN]
    ]
    lines += [*silence(metrics), *basis.lines()]
    series = [each for v in bad[:SHOWN] for each in _series_of(observed, v.metric, v.labels)]
    return ToolResult(
        summary="\n".join(lines),
        payload={
            "service": name,
            "abnormal": len(bad),
            "judged": len(rows),
            **basis.payload(),
            "verdicts": rows,
        },
        value=tuple(verdicts),
        window=asked,
        query="; ".join(_queries(observed, {v.metric for v in bad})),
        link=metrics.link(_queries(observed, {bad[0].metric})[0], asked) if bad else "",
        series=tuple(cut(each, asked.start.timestamp(), asked.end.timestamp()) for each in series),
    )


def _count(verdicts: Sequence[Verdict], method: str) -> int:
    return sum(verdict.method == method for verdict in verdicts)


def _verdict_row(verdict: Verdict) -> dict[str, Any]:
    percent = f"{verdict.missing_ratio * 100:.0f}"
    told = verdict.missing_ratio >= TELL_MISSING_RATIO
    return {
        "metric": verdict.metric,
        "service": verdict.service,
        "labels": dict(verdict.labels),
        "at": stamp(verdict.at),
        "anomalous": verdict.anomalous,
        "severity": verdict.severity.value,
        "observed": number(verdict.observed),
        "expected": number(verdict.expected),
        "observed_shown": show(verdict.observed, verdict.unit),
        "expected_shown": show(verdict.expected, verdict.unit),
        "sigma": f"{verdict.deviation_sigma:+.1f}",
        "started_at": stamp(verdict.started_at),
        "method": verdict.method,
        "missing_percent": percent,
        "gap": f", {percent} % of the window is missing" if told else "",
        "votes_for": sum(vote.anomalous for vote in verdict.votes),
        "votes_of": len(verdict.votes),
        "votes": [
            {"algorithm": v.algorithm, "score": number(v.score), "threshold": v.threshold}
            for v in verdict.votes
        ],
    }


async def _scanned(
    workers: Workers, metrics: Metrics, observed: list[Observed], asked: Window, name: str
) -> ToolResult:
    since = asked.start.timestamp()
    pairs = [(s, spec) for s, _, spec in observed]
    found = await workers.run(_scan_all, pairs, since)
    young = [spec.threshold is not None for s, spec in pairs if is_young(s, since)]
    basis = Basis(len(pairs), sum(young), len(young) - sum(young))
    spans = [(each, spec) for each, spec in found if each.start <= asked.end]
    spans.sort(key=lambda pair: -pair[0].score)
    rows = [_span_row(each, spec) for each, spec in spans]
    who = name or "all services"
    head = f"{len(rows)} anomalous stretches for {who}, {span(asked)}; the strongest first"
    if not rows:
        head = f"nothing abnormal in {basis.judged} series of {who}, {span(asked)}"
    if not basis.judged:
        none = f"nothing can be judged of {who}" if observed else f"no data for {who}"
        head = f"{none} in {span(asked)}: neither healthy nor abnormal"
    lines = [head]
    lines += [
        f"- {row['metric']} ({row['who']}): peak {row['observed_shown']} at {row['peak']}, usual "
        f"{row['expected_shown']} ({row['sigma']} σ), from {row['start']} to {row['end']}"
        for row in rows[:SHOWN]
    ]
    lines += [*silence(metrics), *basis.lines()]
    kept = list({(s.metric, s.labels): None for s, _ in spans})[:5]
    series = [each for key in kept for each in _series_of(observed, *key)]
    names = {each.metric for each, _ in spans}
    return ToolResult(
        summary="\n".join(lines),
        payload={"service": name, "scanned": basis.judged, **basis.payload(), "spans": rows},
        value=tuple(each for each, _ in spans),
        window=asked,
        query="; ".join(_queries(observed, names)),
        link=metrics.link(_queries(observed, {spans[0][0].metric})[0], asked) if spans else "",
        series=tuple(cut(each, since, asked.end.timestamp()) for each in series),
    )


def _scan_all(  # runs in a worker process
    pairs: Sequence[tuple[Series, MetricSpec]], since: float
) -> list[tuple[AnomalousSpan, MetricSpec]]:
    return [(each, spec) for series, spec in pairs for each in scan(series, spec, since=since)]


def _span_row(each: AnomalousSpan, spec: MetricSpec) -> dict[str, Any]:
    labels = dict(each.labels)
    return {
        "metric": each.metric,
        "who": spec.service_of(each.labels) or ", ".join(f"{k}={v}" for k, v in each.labels),
        "labels": labels,
        "start": stamp(each.start),
        "peak": stamp(each.peak),
        "end": stamp(each.end),
        "severity": each.severity.value,
        "observed": number(each.observed),
        "expected": number(each.expected),
        "observed_shown": show(each.observed, spec.unit),
        "expected_shown": show(each.expected, spec.unit),
        "sigma": f"{each.deviation_sigma:+.1f}",
        "spread": number(each.spread),
        "calibrated_on": each.calibrated_on,
        "score": round(each.score, 2),
    }


def _series_of(observed: list[Observed], metric: str, labels: object) -> list[Series]:
    return [s for s, _, _ in observed if s.metric == metric and s.labels == labels]


def _queries(observed: list[Observed], names: set[Any]) -> list[str]:
    return sorted({spec.query for _, _, spec in observed if spec.name in names})


@tool(risk=Risk.READ)
async def forecast_metric(
    metrics: Metrics,
    clock: Clock,
    catalogue: Catalogue,
    workers: Workers,
    /,
    metric: str,
    service: str,
    hours: Literal[1, 3, 6] = 3,
    instance: str = "",
) -> ToolResult:
    """Forecast a catalogued metric of one service and say when it will cross its limit.

    Args:
        metric: Name from the catalogue.
        service: Service name or alias.
        hours: How far ahead: 1, 3 or 6.
        instance: Metrics store by name; empty for the one of the service's cluster, or all.
    """
    from tools.analysis.forecast import find_breach, forecast

    spec = metric_of(catalogue, metric)
    name, metrics = place_of(metrics, catalogue, service_of(catalogue, service).name, instance)
    asked = Window.ending(clock.now(), timedelta(days=7))
    answer = await metrics.query_range(spec.query, asked, timedelta(minutes=5))
    found = of_service(answer, spec, name)
    if not found:
        raise NotFoundError(f"{spec.name} has no series for {name!r} in the last 7 days")
    rows, lines, values = [], [], []
    for series in found[:5]:
        predicted = await workers.run(forecast, series, hours)
        if predicted is None:
            rows.append({"labels": dict(series.labels), "forecast": None})
            lines.append(f"- {name}: too little history for a forecast")
            continue
        values.append(predicted)
        breach = None
        if spec.threshold is not None:
            breach = await workers.run(
                find_breach, predicted, series, spec.threshold, spec.bad_direction
            )
        last = float(predicted.values[-1])
        ends = datetime.fromtimestamp(float(predicted.times[-1]), tz=UTC)
        row: dict[str, Any] = {
            "labels": dict(series.labels),
            "method": predicted.method,
            "latest": show(float(series.values[~np.isnan(series.values)][-1]), spec.unit),
            "at": stamp(ends),
            "expected": show(last, spec.unit),
            "lower": show(float(predicted.lower[-1]), spec.unit),
            "upper": show(float(predicted.upper[-1]), spec.unit),
            "interval_percent": f"{predicted.interval_ratio * 100:g}",
            "limit": show(spec.threshold, spec.unit) if spec.threshold is not None else "",
            "points": points(Series(spec.name, series.labels, predicted.times, predicted.values,
                                    series.step_seconds, spec.unit)),
        }  # fmt: skip
        text = f"- {name}: {row['latest']} now, {row['expected']} at {row['at']} "
        text += f"({row['interval_percent']} % between {row['lower']} and {row['upper']}; "
        text += f"{row['method']}); "
        if breach is not None:
            row |= {"breach_at": stamp(breach.at), "breach_value": show(breach.value, spec.unit)}
            text += (
                f"CROSSES its limit {row['limit']} at {row['breach_at']} ({row['breach_value']})"
            )
        elif spec.threshold is not None:
            text += f"stays within its limit {row['limit']}"
        else:
            text += "has no limit to cross"
        rows.append(row)
        lines.append(text)
    lines.insert(0, f"forecast of {spec.name} for {name}, {hours} h ahead of {stamp(asked.end)}")
    return ToolResult(
        summary="\n".join(lines),
        payload={"metric": spec.name, "service": name, "hours": hours, "forecasts": rows},
        value=tuple(values),
        window=asked,
        query=spec.query,
        link=metrics.link(spec.query, asked),
        series=tuple(found[:5]),
    )
