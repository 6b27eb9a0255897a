"""Which chart goes with an answer: the very series that was judged, its spans and its forecast.

Diagnosis ──> worst series ──ChartDesk──> ChartSpec + spans + forecast ──> PNG, kept by id
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import replace

from bot.core.investigation.investigator.diagnosis import Diagnosis
from bot.core.shared.charts import ChartDesk
from bot.core.shared.isolation import isolated
from bot.domain.chart import ChartSpec, ForecastBand, ShadedSpan
from bot.locale import Texts
from tools.world import Series


async def draw_answer(
    desk: ChartDesk,
    diagnosis: Diagnosis,
    timezone: str,
    texts: Texts,
    gaps: MutableMapping[str, str],
) -> str:
    """Draw the chart of a diagnosis and return its id, or empty when there is none to draw.

    A chart that cannot be drawn is a gap of the answer, never its end.
    """
    series = choose(diagnosis)
    if series is None:
        return ""
    return await isolated("chart", _draw(desk, series, diagnosis, timezone, texts), gaps, "")


async def _draw(
    desk: ChartDesk, series: Series, diagnosis: Diagnosis, timezone: str, texts: Texts
) -> str:
    verdicts = [v.verdict for v in diagnosis.observed.abnormal]
    changes = [c.change for c in diagnosis.observed.changes]
    spec = await desk.spec(series, verdicts, changes, timezone, texts)
    return await desk.keep(_with_judgement(spec, series, diagnosis), series, texts)


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


def _with_judgement(spec: ChartSpec, series: Series, diagnosis: Diagnosis) -> ChartSpec:
    """Return the chart with the abnormal spans and the forecast of its own series."""
    of = (series.metric, series.labels)
    spans = tuple(
        ShadedSpan(s.start, s.end)
        for s, _ in diagnosis.observed.spans
        if (s.metric, s.labels) == of
    )
    spec = replace(spec, spans=(*spec.spans, *spans))
    for predicted, _ in diagnosis.observed.forecasts:
        if (predicted.metric, predicted.labels) == of:
            band = ForecastBand(predicted.times, predicted.values, predicted.lower, predicted.upper)
            return replace(spec, forecast=band)
    return spec
