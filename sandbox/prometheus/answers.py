"""Values in Prometheus's JSON: numbers as strings, times as seconds."""

from itertools import compress
from typing import Any

import numpy as np

from sandbox.prometheus.numbers import text, texts
from sandbox.prometheus.samples import Floats, Labels, Mask, Times, is_stale
from sandbox.prometheus.values import Ranges, Scalar, Text, Value, Vector

Json = dict[str, Any]


def seconds(time_ms: int) -> float | int:
    """Write a time: whole seconds without a fraction."""
    return time_ms // 1000 if time_ms % 1000 == 0 else time_ms / 1000


def _pairs(stamps: list[float | int], values: Floats) -> list[list[Any]]:
    return [list(pair) for pair in zip(stamps, texts(values.tolist()), strict=True)]


def _stamps(times: Times) -> list[float | int]:
    return [seconds(at) for at in times.tolist()]


def _labels(labels: Labels) -> dict[str, str]:
    return dict(labels)


def of_instant(value: Value, at_ms: int) -> Json:
    """Return `data` of an instant query."""
    if isinstance(value, Scalar):
        return {"resultType": "scalar", "result": [seconds(at_ms), text(value.values[0])]}
    if isinstance(value, Text):
        return {"resultType": "string", "result": [seconds(at_ms), value.value]}
    if isinstance(value, Ranges):
        return {"resultType": "matrix", "result": _raw(value)}
    rows = zip(value.labels, value.values[:, 0], value.present[:, 0], strict=True)
    result = [
        {"metric": _labels(labels), "value": [seconds(at_ms), text(number)]}
        for labels, number, present in rows
        if present
    ]
    return {"resultType": "vector", "result": result}


def _raw(ranges: Ranges) -> list[Json]:
    end = int(ranges.ends[0])
    result = []
    for series in ranges.series:
        inside = (series.times >= end - ranges.width_ms) & (series.times <= end)
        inside &= ~is_stale(series.values)
        if inside.any():
            pairs = _pairs(_stamps(series.times[inside]), series.values[inside])
            result.append({"metric": _labels(series.labels), "values": pairs})
    return result


def of_range(value: Vector | Scalar, steps: Times) -> Json:
    """Return `data` of a range query."""
    rows: list[tuple[Labels, Floats, Mask]]
    if isinstance(value, Scalar):
        rows = [((), value.values, np.ones(len(steps), dtype=bool))]
    else:
        rows = list(zip(value.labels, value.values, value.present, strict=True))
    rows.sort(key=lambda row: row[0])
    stamps = _stamps(steps)
    result = [
        {"metric": _labels(labels), "values": _held(stamps, values, present)}
        for labels, values, present in rows
    ]
    return {"resultType": "matrix", "result": result}


def _held(stamps: list[float | int], values: Floats, present: Mask) -> list[list[Any]]:
    if present.all():
        return _pairs(stamps, values)
    return _pairs(list(compress(stamps, present.tolist())), values[present])
