"""A range answer is read the same, however it is spelled."""

import json
from typing import Any

import numpy as np
import pytest

from tools.backends.prometheus.matrix import read

HOSTILE = 'x"values":[[1,"2"]],"'


def answer(rows: list[dict[str, Any]]) -> dict[str, Any]:
    data = {"resultType": "matrix", "result": rows}
    return {"status": "success", "data": data, "warnings": ["half of it"]}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
def test_samples_become_arrays_and_the_rest_stays(separators: tuple[str, str]) -> None:
    values = [[1.5, "0.1"], [2, "NaN"], [3, "+Inf"], [4, "-1e-07"]]
    rows: list[dict[str, Any]] = [
        {"metric": {"a": HOSTILE}, "values": values},
        {"metric": {}, "values": []},
    ]
    found = read(json.dumps(answer(rows), separators=separators).encode())
    first, second = found["data"]["result"]
    assert first["metric"] == {"a": HOSTILE}
    assert found["warnings"] == ["half of it"]
    np.testing.assert_array_equal(
        first["values"], [[1.5, 0.1], [2, np.nan], [3, np.nan], [4, -1e-07]]
    )
    assert second["values"].shape == (0, 2)


def test_what_is_no_matrix_is_plain_json() -> None:
    assert read(b'{"status":"error","error":"no"}') == {"status": "error", "error": "no"}
    assert read(b"[1]") == [1]


@pytest.mark.parametrize("body", [b"<html>", b'{"data":{"resultType":"matrix","result":[{"val'])
def test_what_is_not_json_is_an_error(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        read(body)


def test_a_number_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        read(json.dumps(answer([{"metric": {}, "values": [[1, "x"]]}])).encode())
