"""The brief a model reads first: what was computed, then evidence, within its tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import cast

import pytest

from bot.core.investigation.model.computed import computed
from bot.core.investigation.model.limits import Limits
from bot.core.investigation.model.reading import BRIEF_TOKENS, ModelReading
from bot.core.investigation.model.what_there_is import (
    MOST_TOKENS,
    absences_told,
    metrics_told,
    services_told,
    without_absent,
)
from bot.core.ports import Store
from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId
from tests.fakes.decision import service
from tests.fixtures.nouns import NOW
from tests.fixtures.office import THREAD
from tests.unit.core.test_five_verdicts import CAUSE, diagnosis
from tools import tokens
from tools.catalog import ALL
from tools.world import Catalogue, MetricName, MetricSpec, ServiceName


def evidence(number: int, lines: int, at: datetime = NOW) -> Evidence:
    rows = [f"- the pod order-api-{n} of zone {n % 3} was slow for {n} s" for n in range(lines)]
    told = "\n".join([f"{lines} pods", *rows])
    return Evidence(EvidenceId(f"E{number}"), "list_events", {}, told, at)


def catalogue(services: int, metrics: int = 1) -> Catalogue:
    names = [ServiceName(f"service-{n:04}") for n in range(services)]
    specs = [
        MetricSpec(MetricName(f"metric_{n:04}"), "api", "q", "ms", "How long one call takes")
        for n in range(metrics)
    ]
    return Catalogue(
        {each.name: each for each in specs},
        {n: service(n, tier=3 if int(n[-4:]) % 2 else 1) for n in names},
    )


@pytest.mark.parametrize("pieces", [1, 4, 15])
async def test_a_brief_stays_within_its_tokens_whatever_was_seen(pieces: int) -> None:
    reading = ModelReading(Limits(catalogue(2)), cast("Store", None), THREAD)  # it is not asked
    seen = [evidence(n, lines=300) for n in range(1, pieces + 1)]
    told = await reading.brief(seen, diagnosis(CAUSE))
    assert tokens.estimate(told) <= BRIEF_TOKENS
    assert '(whole: read_evidence(evidence_id="E1", page=1))' in told
    assert told.count("</evidence>") == pieces


async def test_short_evidence_is_whole_beside_long_one() -> None:
    reading = ModelReading(Limits(catalogue(2)), cast("Store", None), THREAD)  # it is not asked
    told = await reading.brief([evidence(1, lines=5), evidence(2, lines=900)], diagnosis())
    assert evidence(1, lines=5).summary in told
    assert 'evidence_id="E2", page=1' in told


def test_the_brief_begins_with_the_verdict_and_each_cause_with_its_evidence() -> None:
    cause = replace(CAUSE, proved=True, reasons=("5 minutes before latency left its range",))
    told = computed(diagnosis(cause), {"E1", "E2"}).split("\n")
    assert told == [
        "Computed verdict: a cause is proved.",
        "1. a deploy (order-api; deploy; confidence high, proved) [E1, E2]",
        "   - 5 minutes before latency left its range",
    ]


def test_a_cause_that_rests_on_what_the_model_may_not_read_is_not_told() -> None:
    assert computed(diagnosis(CAUSE), {"E1"}) == ""


def test_a_large_platform_is_told_by_names_and_by_where_to_read_the_rest() -> None:
    few, many = services_told(catalogue(3)), services_told(catalogue(2_000))
    assert few == "service-0000 (tier 1); service-0002 (tier 1); service-0001 (tier 3)"
    assert many.startswith("service-0000; service-0002; ")
    assert many.endswith(" more, see service_map")
    assert tokens.estimate(many) <= MOST_TOKENS + 20
    assert metrics_told(catalogue(1)) == "metric_0000 (ms, How long one call takes)"
    assert metrics_told(Catalogue({}, {})) == "none"


def test_what_is_not_connected_is_told_in_peoples_words_and_names_no_tool() -> None:
    absent = {"query_traces": "Traces", "search_logs": "Logs, Clock"}
    told = absences_told({"loki": "not configured (set LOKI_URL)"}, absent)
    assert told == "loki: not configured (set LOKI_URL); traces: not connected"
    assert absences_told({}, {}) == "nothing"


def test_no_description_sends_the_model_to_a_tool_that_is_not_there() -> None:
    for gone in ALL:
        present = {each.name for each in ALL} - {gone.name}
        for each in ALL:
            told = without_absent(each.description, present)
            assert gone.name not in told or each is gone
            assert told
