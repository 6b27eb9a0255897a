"""Charts of the very series that was judged, with what was expected of it.

series + baseline + verdicts + changes ──spec──> ChartSpec ──keep (worker)──> PNG, stored by id
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from bot.core.ports import Clock, Store
from bot.core.shared.wording import window_text
from bot.domain.chart import Band, ChartSpec, Line, Marker, ShadedSpan, Threshold
from bot.domain.ids import mint
from bot.locale import Texts
from tools.analysis.baseline import expected
from tools.ports import Baselines, Workers
from tools.units import format_value
from tools.world import Baseline, Catalogue, Change, MetricSpec, Series, Verdict, Window

BAND_SIGMA = 3.0  # half width of the expected band, as the detector judges


class ChartDesk:
    """Describes, draws and keeps charts."""

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
        named = self._catalogue().whose(series.metric, series.labels)
        service = named or ", ".join(v for _, v in series.labels) or "–"
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
            spans=tuple(ShadedSpan(v.started_at, v.at) for v in own),
            markers=tuple(markers[:3]),
            timezone=timezone,
            extra=(("metric", series.metric), ("query", metric.query if metric else "")),
        )

    async def keep(self, spec: ChartSpec, series: Series, texts: Texts) -> str:
        """Draw in a worker, store the PNG, return its id."""
        # A chart found alone explains itself: what it draws stands in the PNG's text.
        told = "; ".join(f"{s.start.isoformat()}/{s.end.isoformat()}" for s in spec.spans)
        spec = replace(spec, extra=(*spec.extra, ("spans", told)))
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


def window_text_of(series: Series) -> str:
    """Return the span a series covers, as people read it."""
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
