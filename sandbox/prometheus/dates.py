"""Functions of unix time: the parts of a date in UTC."""

from collections.abc import Callable

import numpy as np

from sandbox.prometheus.samples import Floats, Times

_DAY = 86_400


def _seconds(values: Floats) -> Times:
    """Whole seconds, cut towards zero as Go does."""
    return np.trunc(values).astype(np.int64)


def _year(values: Floats) -> Times:
    return _dates(values, "Y") + 1970


def _dates(values: Floats, unit: str) -> Times:
    """Whole years (Y), months (M) or days (D) since 1970."""
    moments = _seconds(values).astype("datetime64[s]")
    return moments.astype(f"datetime64[{unit}]").astype(np.int64)


def _day_of_month(values: Floats) -> Times:
    months = _dates(values, "M").astype("datetime64[M]")
    return _dates(values, "D") - months.astype("datetime64[D]").astype(np.int64) + 1


def _day_of_year(values: Floats) -> Times:
    years = _dates(values, "Y").astype("datetime64[Y]")
    return _dates(values, "D") - years.astype("datetime64[D]").astype(np.int64) + 1


def _days_in_month(values: Floats) -> Times:
    months = _dates(values, "M").astype("datetime64[M]")
    days: Times = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(
        np.int64
    )
    return days


_PARTS: dict[str, Callable[[Floats], Times]] = {
    "minute": lambda values: _seconds(values) % 3600 // 60,
    "hour": lambda values: _seconds(values) % _DAY // 3600,
    "day_of_week": lambda values: (_seconds(values) // _DAY + 4) % 7,
    "day_of_month": _day_of_month,
    "day_of_year": _day_of_year,
    "days_in_month": _days_in_month,
    "month": lambda values: _dates(values, "M") % 12 + 1,
    "year": _year,
}


def _part(name: str) -> Callable[[Floats], Floats]:
    return lambda values: _PARTS[name](values).astype(np.float64)


DATES: dict[str, Callable[[Floats], Floats]] = {name: _part(name) for name in _PARTS}
