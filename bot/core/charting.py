"""Which chart goes with an answer: the very series that was judged, with what was expected.

Diagnosis ──> worst series + baseline + changes + spans ──> ChartSpec ──worker──> PNG, kept
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import structlog

from bot.core.investigator import Diagnosis, window_text
from bot.core.ports import Clock, Store
from bot.domain.chart import Band, ChartSpec, ForecastBand, Line, Marker, Span, Threshold
from bot.domain.ids import mint
from bot.locale import Texts
from tools.analysis.baseline import expected
from tools.errors import ToolError
from tools.ports import Baselines, Workers
from tools.units import format_value
from tools.world import Baseline, Catalogue, Change, MetricSpec, Series, Verdict

log = structlog.get_logger(__name__)

BAND_SIGMA = 3.0  # half width of the expected band, as the detector judges


class ChartDesk:
    """Chooses, draws and keeps charts."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        workers: Workers,
        baselines: Baselines,
        catalogue: Callable[[], Catalogue],
        render: Callable[[ChartSpec], bytes],
    ) -> None:
        """`render` is a module-level function, run in a worker process."""
        self._store, self._clock, self._workers = store, clock, workers
        self._baselines, self._catalogue, self._render = baselines, catalogue, render

    async def draw(self, diagnosis: Diagnosis, timezone: str, texts: Texts) -> str:
        """Draw the chart of a diagnosis and return its id, or empty when there is none to draw."""
        series = choose(diagnosis)
        if series is None:
            return ""
        verdicts = [v.verdict for v in diagnosis.observed.abnormal]
        changes = [c.change for c in diagnosis.observed.changes]
        spec = await self.spec(series, verdicts, changes, timezone, texts)
        spans = tuple(
            Span(s.start, s.end)
            for s, _ in diagnosis.observed.spans
            if s.metric == series.metric and s.labels == series.labels
        )
        predicted = next(
            (
                f
                for f, _ in diagnosis.observed.forecasts
                if (f.metric, f.labels) == (series.metric, series.labels)
            ),
            None,
        )
        if predicted is not None:
            band = ForecastBand(predicted.times, predicted.values, predicted.lower, predicted.upper)
            spec = _with(spec, forecast=band)
        try:
            return await self.keep(_with(spec, spans=(*spec.spans, *spans)), series, texts)
        except ToolError as error:  # a dead worker must not cost the answer
            log.warning("chart.failed", metric=series.metric, why=str(error))
            return ""

    async def spec(
        self,
        series: Series,
        verdicts: list[Verdict],
        changes: list[Change],
        timezone: str,
        texts: Texts,
    ) -> ChartSpec:
        """Describe the chart of one series with its baseline, abnormal run and changes."""
        metric = next(
            (m for m in self._catalogue().metrics.values() if m.name == series.metric), None
        )
        baseline = await self._baselines.find(metric.name, series.labels) if metric else None
        service = series.label("service") or ", ".join(v for _, v in series.labels) or "–"
        own = [v for v in verdicts if v.metric == series.metric and v.labels == series.labels]
        start, end = float(series.times[0]), float(series.times[-1])
        markers = [
            Marker(c.at, _short(c))
            for c in changes
            if start <= c.at.timestamp() <= end and c.service == service
        ]
        span = window_text_of(series)
        return ChartSpec(
            title=texts.say("chart.answer", metric=series.metric, service=service),
            subtitle=span,
            unit=metric.unit if metric else series.unit,
            lines=(Line(service, series.times, series.values),),
            expected=_band(baseline, series, texts) if baseline else None,
            threshold=_threshold(metric, texts),
            spans=tuple(Span(v.started_at, v.at) for v in own),
            markers=tuple(markers[:3]),
            timezone=timezone,
            extra=(("metric", series.metric), ("query", metric.query if metric else "")),
        )

    async def keep(self, spec: ChartSpec, series: Series, texts: Texts) -> str:
        """Draw in a worker, store the PNG, return its id."""
        # A chart found alone explains itself: what it draws stands in the PNG's text.
        told = "; ".join(f"{s.start.isoformat()}/{s.end.isoformat()}" for s in spec.spans)
        spec = _with(spec, extra=(*spec.extra, ("spans", told)))
        png = await self._workers.run(self._render, spec)
        known = series.values[~np.isnan(series.values)]
        last = format_value(float(known[-1]), spec.unit) if known.size else "–"
        alt = texts.say(
            "chart.alt",
            metric=series.metric,
            service=spec.lines[0].label,
            window=spec.subtitle,
            value=last,
        )
        chart_id = mint("CHART")
        async with self._store.begin() as tx:
            await tx.charts.save(chart_id, png, alt, self._clock.now())
        return chart_id


def choose(diagnosis: Diagnosis) -> Series | None:
    """Return the series to draw: the worst abnormal one that was asked about, else the first."""
    series = [s for s in diagnosis.observed.series if s.values.size]
    asked = [s for s in series if s.metric in diagnosis.intent.metrics]
    for verdict in (v.verdict for v in diagnosis.observed.abnormal):
        for each in asked or series:
            if each.metric == verdict.metric and each.labels == verdict.labels:
                return each
    for span, _ in sorted(diagnosis.observed.spans, key=lambda s: -s[0].score):
        for each in reversed(asked or series):  # the detector's own samples come last
            if each.metric == span.metric and each.labels == span.labels:
                return each
    drawable = asked or series
    return drawable[0] if drawable else None


def window_text_of(series: Series) -> str:
    """Return the span a series covers, as people read it."""
    from tools.world import Window

    start = datetime.fromtimestamp(float(series.times[0]), tz=UTC)
    end = datetime.fromtimestamp(float(series.times[-1]), tz=UTC)
    return window_text(Window(start, end)) if start < end else f"{start:%Y-%m-%d %H:%M} UTC"


def _band(baseline: Baseline, series: Series, texts: Texts) -> Band:
    center, scale = expected(baseline, series.times)
    low = center - BAND_SIGMA * scale
    if np.nanmin(series.values) >= 0:
        low = np.maximum(low, 0.0)
    return Band(series.times, low, center + BAND_SIGMA * scale, center, texts.say("chart.expected"))


def _threshold(metric: MetricSpec | None, texts: Texts) -> Threshold | None:
    if metric is None or metric.threshold is None:
        return None
    return Threshold(metric.threshold, texts.say("chart.threshold"))


def _short(change: Change) -> str:
    text = change.after or change.summary
    return text if len(text) <= 32 else f"{text[:31]}…"


def _with(spec: ChartSpec, **changes: object) -> ChartSpec:
    from dataclasses import replace

    return replace(spec, **changes)  # type: ignore[arg-type]
