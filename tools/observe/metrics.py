"""Tools that read metrics."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

from tools.contract import Risk, ToolResult, tool
from tools.errors import BackendRefusedError, BadArgumentError, NotFoundError
from tools.fleet import default_of, pick, silence
from tools.observe import promql
from tools.observe.asking import metric_of, place_of, span, window_of
from tools.observe.emptiness import reasons
from tools.observe.extremes import extremes
from tools.observe.figures import Figures, change, cut, number, points, show, sketch, thinned
from tools.observe.figures import sketch_line as line_of
from tools.observe.telling_labels import Apart, apart
from tools.ports import Baselines, Clock, Metrics, warnings_of
from tools.world import Baseline, Catalogue, MetricSpec, Series, Window

HOUR = timedelta(hours=1)
SHOWN_SERIES = 10  # described in a summary; all are in the payload
SKETCHED_SERIES = 2


def of_service(series: list[Series], spec: MetricSpec, service: str) -> list[Series]:
    """Return the series of one service (all when it is empty), with the catalogue's names."""
    return [
        Series(spec.name, each.labels, each.times, each.values, each.step_seconds, spec.unit)
        for each in series
        if not service or spec.service_of(each.labels) == service
    ]


@tool(risk=Risk.READ)
async def query_metric(  # noqa: PLR0913, PLR0917 - the arguments are the model's schema
    metrics: Metrics,
    clock: Clock,
    catalogue: Catalogue,
    baselines: Baselines,
    /,
    metric: str,
    service: str = "",
    window: str = "1h",
    until: str = "",
    instance: str = "",
) -> ToolResult:
    """Summarise one catalogued metric: statistics, change against the hour before, what is usual.

    Use it before stating anything about load, latency, errors or resources. It draws the chart of
    the answer. For metrics outside the catalogue use query_promql.

    Args:
        metric: Name from the catalogue; list_metrics shows all.
        service: Service name or alias; empty for every service that has the metric.
        window: Length of the window: 15m, 1h, 6h, 24h, 7d.
        until: End of the window as ISO time in UTC; empty means now.
        instance: Metrics store by name; empty for the one of the service's cluster, or all.
    """
    spec = metric_of(catalogue, metric)
    name, metrics = place_of(metrics, catalogue, service, instance)
    asked = window_of(clock, window, until)
    wider = Window(asked.start - HOUR, asked.end)
    everything = await metrics.query_range(spec.query, wider)
    found = of_service(everything, spec, name)
    if name and not found:
        raise await _none_of(metrics, spec, name, everything, asked)
    rows, lines = [], []
    told = apart(found, (spec.group_by, "service"))
    start, end = asked.start.timestamp(), asked.end.timestamp()
    shown = [cut(each, start, end) for each in found]
    every, thin = thinned(shown)
    true = await extremes(metrics, spec.query, asked, shown)
    figures = [true.of(Figures.of(each), each) for each in shown]
    order = sorted(range(len(found)), key=lambda i: _worst_first(figures[i], spec))
    for rank, index in enumerate(order):
        inside = shown[index]
        before = Figures.of(cut(found[index], start - 3600, start - 1))
        usual = _usual(await baselines.find(spec.name, inside.labels), inside)
        row, text = _described(inside, figures[index], spec, before, usual, told)
        row["points"] = points(inside, every)
        if rank < SKETCHED_SERIES:
            row["sketch"] = sketch(inside)
            if figures[index].moves:
                text += f"\n  course in {spec.unit}, {line_of(row['sketch'])}"
        rows.append(row)
        if rank < SHOWN_SERIES:
            lines.append(text)
    if len(rows) > SHOWN_SERIES:
        lines.append(f"… {len(rows) - SHOWN_SERIES} more series, less bad than these")
    notes = [*warnings_of(everything), *filter(None, [thin, true.note])]
    head = f"{spec.name} ({spec.description}; {spec.unit}), {span(asked)}{_grid(shown)}{told.head}"
    lines = [*(f"NOTE: {note}" for note in notes), *lines]
    if not rows:
        why = await reasons(metrics, spec.query, asked)
        lines += ["no series at all: the metric has no data in this window", *why]
        notes += why
    return ToolResult(
        summary="\n".join([head, *lines, *silence(metrics)]),
        payload={
            "metric": spec.name,
            "unit": spec.unit,
            "threshold": spec.threshold,
            "bad_direction": spec.bad_direction.value,
            "from": asked.start.isoformat(),
            "until": asked.end.isoformat(),
            "notes": notes,
            "series": rows,
        },
        value=shown,
        window=asked,
        query=spec.query,
        link=metrics.link(spec.query, asked),
        series=tuple(shown[index] for index in order[:SHOWN_SERIES]),
    )


async def _none_of(
    metrics: Metrics, spec: MetricSpec, service: str, found: list[Series], asked: Window
) -> NotFoundError:
    """Return the error of a service that has no series of a metric, with what is known of why."""
    have = sorted({spec.service_of(each.labels) for each in found} - {""})
    why = [] if found else await reasons(metrics, spec.query, asked)
    return NotFoundError(
        f"{spec.name} has no series for {service!r} between {span(asked)}; "
        f"services with it: {', '.join(have) or 'none'}{''.join(f'; {each}' for each in why)}"
    )


def _worst_first(figures: Figures, spec: MetricSpec) -> float:
    latest = figures.latest if figures.samples else 0.0
    return latest if spec.bad_direction == "down" else -latest


def _usual(baseline: Baseline | None, series: Series) -> tuple[float, float] | None:
    """Return what the baseline expects of the newest sample: centre and σ."""
    if baseline is None or series.times.size == 0:
        return None
    from tools.analysis.baseline import expected

    center, scale = expected(baseline, series.times[-1:])
    return float(center[0]), float(scale[0])


def _described(
    series: Series,
    figures: Figures,
    spec: MetricSpec,
    before: Figures,
    usual: tuple[float, float] | None,
    told: Apart,
) -> tuple[dict[str, Any], str]:
    versus = change(figures.latest, before.median)
    row: dict[str, Any] = {
        "labels": dict(series.labels),
        **figures.payload(spec.unit),
        "hour_before_median": number(before.median),
        "hour_before_shown": show(before.median, spec.unit),
        "change": versus,
    }
    service = spec.service_of(series.labels)
    own = told.of(series) if not service or (told.several and told.telling) else ""
    who = ", ".join(filter(None, [service, own]))
    text = f"- {who}: {figures.sentence(spec.unit)}"
    if before.samples and figures.samples and figures.latest != before.median:
        if before.median:
            text += f"; latest is {versus} against the median of the hour before the window "
            text += f"({row['hour_before_shown']})"
        else:
            text += "; the median of the hour before the window was "
            text += f"{row['hour_before_shown']}"
    if usual is not None and figures.samples:
        center, scale = usual
        sigma = (figures.latest - center) / scale if scale else 0.0
        row |= {"expected": center, "expected_shown": show(center, spec.unit)}
        row |= {"deviation_sigma": round(sigma, 1)}
        text += f"; usual now {row['expected_shown']}, latest is {row['deviation_sigma']:+} σ"
    if spec.threshold is not None:
        row["threshold_shown"] = show(spec.threshold, spec.unit)
        text += f"; limit {row['threshold_shown']}"
        if figures.samples and spec.is_beyond(figures.latest):
            text += ", CROSSED now"
    return row, text


@tool(risk=Risk.READ)
async def query_promql(
    metrics: Metrics,
    clock: Clock,
    /,
    expression: str,
    window: str = "1h",
    until: str = "",
    instance: str = "",
) -> ToolResult:
    """Evaluate a PromQL expression over a window. Use it only when no catalogued metric answers.

    Always name a metric in each selector and aggregate with sum/avg by (label). Ranges up to 7d.

    Args:
        expression: PromQL, e.g. sum by (service) (rate(http_requests_total[5m])).
        window: Length of the window: 15m, 1h, 6h, 24h, 7d.
        until: End of the window as ISO time in UTC; empty means now.
        instance: Metrics store by name; empty for the default one.
    """
    metrics = pick(metrics, instance) if instance else default_of(metrics)
    asked = window_of(clock, window, until)
    step = max(timedelta(seconds=15), asked.duration / 1440)
    try:
        await promql.afford(metrics, expression, asked, step)
        found = await metrics.query_range(expression, asked)
    except BackendRefusedError as error:
        raise BadArgumentError(f"{error}; mend the expression {expression!r}") from error
    rows, lines = [], []
    every, thin = thinned(found)
    true = await extremes(metrics, expression, asked, found)
    judged = [(series, true.of(Figures.of(series), series)) for series in found]
    told = apart(found)
    judged.sort(key=lambda pair: -pair[1].high if pair[1].samples else math.inf)
    for rank, (series, figures) in enumerate(judged):
        row = {"labels": dict(series.labels), **figures.payload("")}
        row["points"] = points(series, every)
        text = f"- {told.of(series)}: {figures.sentence('')}"
        if rank < SKETCHED_SERIES:
            row["sketch"] = sketch(series)
            if figures.moves:
                text += f"\n  course {line_of(row['sketch'])}"
        rows.append(row)
        if rank < SHOWN_SERIES:
            lines.append(text)
    if len(rows) > SHOWN_SERIES:
        lines.append(f"… {len(rows) - SHOWN_SERIES} more series, with smaller peaks")
    notes = [*warnings_of(found), *([thin] if thin else [])]
    notes += [true.note] if true.note else []
    notes += await promql.raw_counters(metrics, found)
    if not found:
        unknown = await promql.unknown_names(metrics, expression, asked, step)
        notes += [unknown] if unknown else await reasons(metrics, expression, asked)
    head = f"{len(rows)} series for {expression}, {span(asked)}{_grid(found)}{told.head}"
    return ToolResult(
        summary="\n".join([head, *(f"NOTE: {note}" for note in notes), *lines]),
        payload={"expression": expression, "count": len(rows), "series": rows, "notes": notes},
        value=found,
        window=asked,
        query=expression,
        link=metrics.link(expression, asked),
        series=tuple(series for series, _ in judged[:SHOWN_SERIES]),
    )


def _grid(found: list[Series]) -> str:
    """Return how far apart the samples are."""
    if not found:
        return ""
    return f", one sample per {found[0].step_seconds:g} s"


@tool(risk=Risk.READ)
async def list_metrics(catalogue: Catalogue, /, category: str = "") -> ToolResult:
    """List the catalogued metrics with role, unit, bad direction and limit.

    Args:
        category: Only this category, as the list names them; empty for all.
    """
    known = sorted({spec.category for spec in catalogue.metrics.values()})
    if category and category not in known:
        raise NotFoundError(f"no category {category!r}; there are {', '.join(known)}")
    chosen = [m for m in catalogue.metrics.values() if not category or m.category == category]
    rows = [
        {
            "name": spec.name,
            "category": spec.category,
            "unit": spec.unit,
            "role": spec.role.value if spec.role is not None else "",
            "bad_direction": spec.bad_direction.value,
            "threshold": spec.threshold,
            "limit": show(spec.threshold, spec.unit) if spec.threshold is not None else "none",
            "description": spec.description,
        }
        for spec in chosen
    ]
    lines = [
        f"- {row['name']} [{row['category']}; {row['role'] or 'no role'}; {row['unit']}; "
        f"bad: {row['bad_direction']}; limit {row['limit']}] {row['description']}"
        for row in rows
    ]
    summary = "\n".join([f"{len(rows)} metrics", *lines])
    return ToolResult(summary, {"count": len(rows), "metrics": rows}, value=tuple(chosen))
