"""Forecasts that will breach: every metric with a limit, every service of it, six hours ahead.

catalogue ─history (2 days)─> series ─forecast (workers)─> first breach per metric and service
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import structlog

from bot.core.ports import Clock
from bot.domain.finding import BreachForecast
from tools.analysis.forecast import find_breach, forecast
from tools.background import in_background
from tools.errors import BackendError
from tools.ports import Metrics, Workers
from tools.world import Catalogue, MetricSpec, Series, Window

log = structlog.get_logger(__name__)

HISTORY, STEP, HOURS = timedelta(days=2), timedelta(minutes=5), 6


def foresee(series: Sequence[Series], spec: MetricSpec) -> list[BreachForecast]:
    """Return the breaches of one metric's series. Runs in a worker process."""
    found = []
    for each in series:
        predicted = forecast(each, HOURS)
        if predicted is None or spec.threshold is None:
            continue
        breach = find_breach(predicted, each, spec.threshold, spec.bad_direction)
        if breach is not None:
            service = spec.service_of(each.labels)
            name = f"{spec.name} of {service}" if service else spec.name
            found.append(
                BreachForecast(
                    name, breach.at, breach.value, breach.threshold, spec.unit, predicted.method
                )
            )
    return found


class BreachForecasts:
    """Looks ahead for the digest."""

    def __init__(
        self, clock: Clock, metrics: Metrics, workers: Workers, catalogue: Callable[[], Catalogue]
    ) -> None:
        """Join what forecasting reads."""
        self._clock, self._metrics = clock, metrics
        self._workers, self._catalogue = workers, catalogue

    async def __call__(self) -> list[BreachForecast]:
        """Return what will breach, soonest first; a metric that cannot be read is left out."""
        window = Window.ending(self._clock.now(), HISTORY)
        found: list[BreachForecast] = []
        for spec in self._catalogue().metrics.values():
            if spec.threshold is None:
                continue
            try:
                with in_background():  # a person's question goes first
                    series = await self._metrics.query_range(spec.query, window, STEP)
            except BackendError as error:
                log.warning("forecast.metric_missing", metric=spec.name, why=str(error))
                continue
            found += await self._workers.run(foresee, series, spec)
        return sorted(found, key=lambda b: b.at)
