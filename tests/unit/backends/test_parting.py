"""A question that is too large is asked in parts, which are the whole or are refused."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.backends.prometheus.parting import (
    NameStart,
    can_part,
    of_others,
    of_values,
    plan_parts,
)
from tools.errors import AnswerTooLargeError, BadArgumentError
from tools.world import Window

END = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOW = Window(END - 2 * MINUTE, END)


@pytest.mark.parametrize(
    "promql",
    [
        "errors",
        'rate(errors{job="x"}[5m])',
        "sum by (le, app) (rate(h_bucket[5m]))",
        "sum without (pod) (errors) > 3",
        "errors / on (app) group_left requests",
        "errors / ignoring (pod) requests",
        "(sum by (app) (a) or 0 * sum by (app) (b)) / sum by (app) (b)",
        "max_over_time(rate(errors[5m])[1h:1m])",
        "time() - max by (app) (errors)",
        'label_replace(errors, "service", "$1", "job", "(.*)")',
    ],
)
def test_what_keeps_the_label_can_be_parted(promql: str) -> None:
    assert can_part(promql, "app")


@pytest.mark.parametrize(
    "promql",
    [
        "sum(errors)",
        "sum by (pod) (errors)",
        "sum without (app) (errors)",
        "errors / on (job) group_left (app) requests",
        "errors / ignoring (app) requests",
        "absent(errors)",
        "errors * scalar(sum(requests))",
        'label_replace(errors, "app", "$1", "job", "(.*)")',
        "errors keep_metric_names if",
    ],
)
def test_what_mixes_values_of_the_label_is_refused(promql: str) -> None:
    assert not can_part(promql, "app")


OURS = r'app=~"(?:a|b\\.c)"'


@pytest.mark.parametrize(
    ("promql", "written"),
    [
        ("errors", "errors{OURS}"),
        ("errors{}", "errors{OURS}"),
        (
            'sum by (app) (rate(e{x="}{"}[5m] offset 1h)) # per app\n',
            'sum by (app) (rate(e{OURS,x="}{"}[5m] offset 1h)) \n',
        ),
        (
            "a / on (app) group_left (t) sum(b) by (app, t)",
            "a{OURS} / on (app) group_left (t) sum(b{OURS}) by (app, t)",
        ),
        (
            'topk by (app) (3, a) or {__name__="b"}',
            'topk by (app) (3, a{OURS}) or {OURS,__name__="b"}',
        ),
    ],
)
def test_every_selector_gets_the_matcher(promql: str, written: str) -> None:
    part = (NameStart("a", whole=True), NameStart("b.c", whole=True))
    assert of_values(promql, "app", part) == written.replace("OURS", OURS)


def test_what_selects_otherwise_than_it_seems_is_refused() -> None:
    with pytest.raises(BadArgumentError, match="cannot be asked in parts"):
        of_others('{app="x" or app="y"}', "app", [(NameStart("a"),)])


def patterns(counts: dict[str, float], most: int) -> list[str]:
    found = (of_values("x", "app", part) for part in plan_parts(counts, most))
    return [str(json.loads(each.removeprefix("x{app=~").removesuffix("}"))) for each in found]


def test_parts_are_filled_up_to_four_fifths_by_how_names_begin() -> None:
    counts = {"api": 700.0, "ledger": 500.0, "web": 300.0, "zoo": 9_000.0}
    assert patterns(counts, 1_000) == ["a.*", "(?:l.*|w.*)", "zoo"]


def test_a_name_that_another_begins_with_has_a_part_of_its_own() -> None:
    counts = {"api": 6.0, "api.v2": 6.0, "apix": 1.0}
    assert patterns(counts, 8) == ["api", r"api\..*", "apix.*"]


def test_thousands_of_names_are_a_short_question() -> None:
    counts = {f"service-{n}": 10.0 for n in range(10_000)}
    assert len(of_others("errors", "app", plan_parts(counts, 1_000))) < 8_000
    found = patterns(counts, 1_000)
    seen = [[n for n in counts if re.fullmatch(pattern, n)] for pattern in found]
    assert sorted(n for names in seen for n in names) == sorted(counts)  # each in one part
    assert max(map(len, seen)) <= 80


class ThreeApps:
    """A server whose answers are as large as the matcher lets them be."""

    def __init__(self, **apps: int) -> None:
        self.apps, self.asked = apps, list[str]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        fields = parse_qs(request.content.decode())
        query = fields["query"][0]
        self.asked.append(query)
        if query.startswith("count by"):
            rows = [
                {"metric": {"app": app}, "value": [END.timestamp(), str(count)]}
                for app, count in self.apps.items()
            ]
            return self._answer("vector", rows)
        times = [END.timestamp() - 60.0 * k for k in (2, 1, 0)]
        matrix = [
            {"metric": {"app": app, "pod": str(n)}, "values": [[t, "1"] for t in times]}
            for app in self._apps_of(query)
            for n in range(self.apps[app])
        ]
        return self._answer("matrix", matrix)

    def _apps_of(self, query: str) -> Iterator[str]:
        found = re.search(r'app(=~|!~)"([^"]*)"', query)
        for app in self.apps:
            like = found is not None and re.fullmatch(found[2], app) is not None
            if found is None or like == (found[1] == "=~"):
                yield app

    def _answer(self, kind: str, rows: list[dict[str, Any]]) -> httpx.Response:
        body = {"status": "success", "data": {"resultType": kind, "result": rows}}
        return httpx.Response(200, content=json.dumps(body))


def client(server: ThreeApps) -> Prometheus:
    config = PrometheusConfig(url="http://metrics", max_series=10, retry_attempts=1)
    return Prometheus(config, httpx.MockTransport(server))


async def test_a_large_answer_comes_in_parts_that_are_the_whole() -> None:
    server = ThreeApps(red=7, green=6, blue=2)
    metrics = client(server)
    with pytest.raises(AnswerTooLargeError):
        await metrics.query_range("errors", WINDOW, MINUTE)
    whole = await metrics.query_range_in_parts("errors", "app", WINDOW, MINUTE)
    assert len(whole) == 15
    assert len({each.labels for each in whole}) == 15
    assert whole.queries == 4  # the count, two parts, the others
    server.apps["zinc"] = 3  # comes later: it is among the others
    again = await metrics.query_range_in_parts("errors", "app", WINDOW, MINUTE)
    assert len(again) == 18
    assert again.queries == 3  # the plan serves half an hour
    await metrics.close()


async def test_a_part_that_grew_too_large_is_planned_anew_the_next_time() -> None:
    server = ThreeApps(red=5, green=3)
    metrics = client(server)
    await metrics.query_range_in_parts("errors", "app", WINDOW, MINUTE)
    server.apps["green"] = 8
    with pytest.raises(AnswerTooLargeError):
        await metrics.query_range_in_parts("errors", "app", WINDOW, MINUTE)
    assert len(await metrics.query_range_in_parts("errors", "app", WINDOW, MINUTE)) == 13
    await metrics.close()


async def test_one_value_that_is_too_large_alone_is_told() -> None:
    metrics = client(ThreeApps(red=11))
    with pytest.raises(AnswerTooLargeError, match="too many series"):
        await metrics.query_range_in_parts("errors", "app", WINDOW, MINUTE)
    with pytest.raises(AnswerTooLargeError, match="'app' does not part them"):
        await metrics.query_range_in_parts("sum(errors)", "app", WINDOW, MINUTE)
    await metrics.close()
