"""Reading a range answer: samples straight into arrays, everything else as JSON.

    {…"metric":{…},"values":[[1,"2.5"],[2,"NaN"]]}…      400,000 samples
               cut out ──> "values":[0]                  a small JSON text: labels, warnings, errors
               numbers ──> array of (time, value) rows   no Python object for each sample

An unescaped `"values":[[` is never inside a JSON string, where a quote would be escaped. However an
answer is spaced, its series are counted while they come: 50,000 of them in Python's own spacing
once took 3.5 GB.
"""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from foundation.json_text import read_json
from tools.world import Floats

_SERIES = re.compile(rb'"metric"[ \t\r\n]{0,8}:[ \t\r\n]{0,8}\{')  # opens each series
_LONGEST_OPENING = len('"metric":{') + 2 * 8
_SAMPLES = re.compile(rb'"values"\s*:\s*\[\s*(\[[^\[\]]*\](?:\s*,\s*\[[^\[\]]*\])*)\s*\]')
_USUAL = b'0123456789eE+-.,"[]aNInf'  # digits, NaN, Inf; anything else is left to the JSON reader
_PUNCTUATION = b'[]" \t\r\n'


class SeriesLimit:
    """Counts series while an answer still comes in, so that too large a one is never held whole.

    Call it with each part.
    """

    def __init__(self, most: int, refuse: Callable[[], Exception]) -> None:
        """`refuse` builds what is raised as soon as there are more than `most`."""
        self._most, self._refuse = most, refuse
        self._seen, self._tail = 0, b""

    def __call__(self, part: bytes) -> None:
        text, end = self._tail + part, 0
        for found in _SERIES.finditer(text):
            self._seen, end = self._seen + 1, found.end()
        self._tail = text[max(end, len(text) - _LONGEST_OPENING) :]  # what was counted is not in it
        if self._seen > self._most:
            raise self._refuse()


def read(body: bytes) -> Any:
    """Return the answer with each row's `values` as an array of (time, value) rows.

    Raises ValueError for what is not JSON.
    """
    tables: list[Floats] = []

    def cut(match: re.Match[bytes]) -> bytes:
        table = _table(match[1])
        if table is None:
            return match[0]
        tables.append(table)
        return b'"values":[%d]' % (len(tables) - 1)

    answer = read_json(_SAMPLES.sub(cut, body))
    for row in _rows(answer):
        values = row.get("values", [])
        cut_out = len(values) == 1 and isinstance(values[0], int)
        table = tables[values[0]] if cut_out else _spelled(values)
        infinite = np.isinf(table)
        table[infinite] = np.nan  # says nothing a chart or a verdict could use
        row["values"], row["infinite"] = table, int(infinite.sum())
    return answer


def _table(samples: bytes) -> Floats | None:
    if samples.translate(None, _USUAL + b" \t\r\n"):
        return None
    return np.fromstring(samples.translate(None, _PUNCTUATION), sep=",").reshape(-1, 2)


def _spelled(values: list[Any]) -> Floats:
    return np.array([(float(at), float(value)) for at, value in values]).reshape(-1, 2)


def _rows(answer: Any) -> list[dict[str, Any]]:
    data = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(data, dict) or data.get("resultType") != "matrix":
        return []
    rows: list[dict[str, Any]] = data["result"]
    return rows
