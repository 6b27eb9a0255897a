"""Too many series are seen while the answer still comes in, however it is spaced and cut."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tools.backends.prometheus.matrix import SeriesLimit, read


class TooManyError(Exception):
    """What the limit raises here."""


def an_answer(series: int, indent: int | None, separators: tuple[str, str] | None) -> bytes:
    rows = [
        {"metric": {"quoted": '"metric":{', "n": str(n)}, "values": [[1, "0.5"], [2, "NaN"]]}
        for n in range(series)
    ]
    data = {"resultType": "matrix", "result": rows}
    return json.dumps(
        {"status": "success", "data": data}, indent=indent, separators=separators
    ).encode()


def feed(limit: SeriesLimit, body: bytes, part: int) -> None:
    for start in range(0, len(body), part):
        limit(body[start : start + part])


SPACED = {"as Prometheus": (None, (",", ":")), "as Python": (None, None), "for people": (1, None)}


@pytest.mark.parametrize("part", [1, 7, 64, 10_000])
@pytest.mark.parametrize(("indent", "separators"), SPACED.values(), ids=SPACED.keys())
def test_reading_stops_at_the_first_series_above_the_limit(
    indent: int | None, separators: tuple[str, str] | None, part: int
) -> None:
    body, limit = an_answer(20, indent, separators), SeriesLimit(10, TooManyError)
    with pytest.raises(TooManyError):
        feed(limit, body, part)
    assert limit._seen >= 11
    exact = SeriesLimit(20, TooManyError)
    feed(exact, body, part)
    assert exact._seen == 20


@pytest.mark.parametrize(("indent", "separators"), SPACED.values(), ids=SPACED.keys())
def test_samples_become_arrays_however_they_are_spaced(
    indent: int | None, separators: tuple[str, str] | None
) -> None:
    for row in read(an_answer(2, indent, separators))["data"]["result"]:
        np.testing.assert_array_equal(row["values"], [[1.0, 0.5], [2.0, np.nan]])
