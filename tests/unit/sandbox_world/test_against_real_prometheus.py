"""The evaluator gives what a real Prometheus gives for the same samples, or refuses alike."""

import pytest

from sandbox.prometheus.errors import QueryError
from tests.unit.sandbox_world.comparison import INSTANTS, Pair, unlike
from tests.unit.sandbox_world.conformance_queries import REFUSED, SAME

pytestmark = pytest.mark.needs_prometheus

ENOUGH = 140  # questions that must be answered alike, whatever else is refused


@pytest.mark.parametrize("query", SAME)
def test_every_step_agrees_with_a_real_prometheus(pair: Pair, query: str) -> None:
    assert pair.difference(query) == ""


@pytest.mark.parametrize(("query", "culprit"), REFUSED)
def test_what_prometheus_refuses_the_sandbox_refuses_by_name(
    pair: Pair, query: str, culprit: str
) -> None:
    status, body = pair.real(query, INSTANTS[0])
    with pytest.raises(QueryError) as refusal:
        pair.sandbox(query, INSTANTS[0])
    assert (refusal.value.http_status, refusal.value.error_type) == (status, body["errorType"])
    assert culprit in body["error"]
    assert culprit in str(refusal.value)


def test_nearly_all_questions_are_answered_alike_and_none_wrongly(
    pair: Pair, capsys: pytest.CaptureFixture[str]
) -> None:
    differences = {query: pair.difference(query) for query in SAME}
    equal = sum(not found for found in differences.values())
    refused = {query: found for query, found in differences.items() if found}
    with capsys.disabled():
        print(f"\nPromQL: {equal} of {len(SAME)} answered as Prometheus 2.42 does")  # noqa: T201
        for query, reason in refused.items():
            print(f"  {query:60} {reason}")  # noqa: T201
    assert equal >= ENOUGH
    assert all(found.startswith("refused: ") for found in refused.values())


def test_an_answer_that_differs_is_noticed() -> None:
    row = {"metric": {"job": "a"}, "values": [[1, "2"], [2, "NaN"]]}
    ours = {"resultType": "matrix", "result": [row]}
    later = {"resultType": "matrix", "result": [{**row, "values": [[1, "2"], [3, "NaN"]]}]}
    other = {"resultType": "matrix", "result": [{**row, "values": [[1, "2.00001"], [2, "NaN"]]}]}
    fewer = {"resultType": "matrix", "result": [{**row, "metric": {}}]}
    assert unlike(ours, ours) == ""
    assert all(unlike(ours, theirs) for theirs in (later, other, fewer))
