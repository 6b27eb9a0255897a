"""The HTTP doors answer in the shapes of Prometheus and Loki, success and error alike."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from sandbox.loki.lines import Logs
from sandbox.loki.server import LokiServer
from sandbox.prometheus.server import Metadata, PrometheusServer
from sandbox.world.files import load_world
from sandbox.world.world import SEED
from tests.unit.sandbox_world.conftest import NOW, Production

HOST = "127.0.0.1"


class Door:
    """A small client that keeps status and body."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def get(self, path: str, **asked: object) -> tuple[int, Any]:
        params = {key.replace("match", "match[]"): str(value) for key, value in asked.items()}
        async with self.session.get(f"{self.url}{path}", params=params) as reply:
            if reply.content_type == "application/json":
                return reply.status, await reply.json()
            return reply.status, await reply.text()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


@pytest.fixture
async def prometheus(production: Production, session: aiohttp.ClientSession) -> AsyncIterator[Door]:
    families = production.world.families.items()
    known = {name: Metadata(family.kind, family.help) for name, family in families}

    async def told(name: str) -> dict[str, Any]:
        return {"scenario": name}

    server = PrometheusServer(production.world, production.clock, known, start_story=told)
    await server.start(HOST, 0)
    yield Door(session, server.url)
    await server.close()


@pytest.fixture
async def loki(production: Production, session: aiohttp.ClientSession) -> AsyncIterator[Door]:
    logs = Logs(production.world.timeline, SEED)
    server = LokiServer(logs, production.clock, lambda: None)
    await server.start(HOST, 0)
    yield Door(session, f"{server.url}/loki/api/v1/")
    await server.close()


async def test_an_instant_question_is_answered_at_the_worlds_now(prometheus: Door) -> None:
    status, body = await prometheus.get("/api/v1/query", query='up{service="redis"}')
    assert status == 200
    assert body["status"] == "success"
    assert body["data"]["resultType"] == "vector"
    assert body["data"]["result"][0]["value"] == [int(NOW), "1"]


async def test_a_range_question_keeps_its_timestamps_and_writes_values_as_text(
    prometheus: Door,
) -> None:
    asked = {"query": "sum(up)", "start": NOW - 60.5, "end": NOW, "step": "15s"}
    _, body = await prometheus.get("/api/v1/query_range", **asked)
    values = body["data"]["result"][0]["values"]
    assert values[0] == [NOW - 60.5, "26"]
    assert len(values) == 5
    async with prometheus.session.post(
        f"{prometheus.url}/api/v1/query_range", data={k: str(v) for k, v in asked.items()}
    ) as reply:
        assert await reply.json() == body


async def test_times_may_be_rfc3339_and_scalars_are_scalars(prometheus: Door) -> None:
    _, body = await prometheus.get("/api/v1/query", query="1/0", time="2026-11-20T15:00:00Z")
    assert body["data"] == {"resultType": "scalar", "result": [1795186800, "+Inf"]}


@pytest.mark.parametrize(
    ("path", "asked", "status", "kind", "words"),
    [
        ("query", {"query": "up{"}, 400, "bad_data", 'invalid parameter "query": parse error'),
        ("query", {"query": ""}, 400, "bad_data", "no expression found"),
        ("query", {"query": "up", "time": "noon"}, 400, "bad_data", 'cannot parse "noon"'),
        ("query", {"query": "mad_over_time(up[5m])"}, 400, "bad_data", "mad_over_time"),
        ("query", {"query": "holt_winters(up[5m], 2, 1)"}, 422, "execution", "smoothing factor"),
        ("query", {"query": "up", "timeout": "0.000001"}, 503, "timeout", "timed out"),
        ("query_range", {"query": "up", "start": 5, "end": 4, "step": 1}, 400, "bad_data",
         "end timestamp must not be before start time"),
        ("query_range", {"query": "up", "start": 4, "end": 5, "step": 0}, 400, "bad_data",
         "zero or negative query resolution"),
        ("query_range", {"query": "up", "start": 4, "end": 5, "step": "x"}, 400, "bad_data",
         'invalid parameter "step"'),
        ("query_range", {"query": "up", "start": 0, "end": 11_001, "step": 1}, 400, "bad_data",
         "exceeded maximum resolution of 11,000 points"),
        ("query_range", {"query": "up[5m]", "start": 4, "end": 5, "step": 1}, 400, "bad_data",
         "must be Scalar or instant Vector"),
        ("series", {}, 400, "bad_data", "no match[] parameter provided"),
        ("series", {"match": "rate(up[5m])"}, 400, "bad_data", "series selector"),
        ("label/not-a-name/values", {}, 400, "bad_data", "invalid label name"),
    ],
)  # fmt: skip
async def test_an_error_has_prometheus_shape(
    prometheus: Door, path: str, asked: dict[str, object], status: int, kind: str, words: str
) -> None:
    got, body = await prometheus.get(f"/api/v1/{path}", **asked)
    assert got == status
    assert (body["status"], body["errorType"]) == ("error", kind)
    assert words in body["error"]


async def test_labels_series_and_metadata_describe_what_exists(prometheus: Door) -> None:
    _, names = await prometheus.get("/api/v1/label/__name__/values")
    assert "trading_order_latency_seconds_bucket" in names["data"]
    _, services = await prometheus.get("/api/v1/label/service/values", match="up")
    assert "order-api" in services["data"]
    _, labels = await prometheus.get("/api/v1/labels")
    assert {"service", "le", "pod"} <= set(labels["data"])
    _, series = await prometheus.get("/api/v1/series", match='up{service="kafka"}')
    assert len(series["data"]) == 3
    _, known = await prometheus.get("/api/v1/metadata", metric="up")
    assert known["data"]["up"][0]["type"] == "gauge"
    _, built = await prometheus.get("/api/v1/status/buildinfo")
    assert built["data"]["version"]
    assert (await prometheus.get("/-/ready"))[0] == 200
    assert (await prometheus.get("/-/healthy"))[0] == 200


async def test_a_story_is_begun_through_the_admin_path(prometheus: Door) -> None:
    url = f"{prometheus.url}/-/sandbox/scenario"
    async with prometheus.session.post(url, json={"scenario": "bad_deploy"}) as reply:
        assert (await reply.json())["data"] == {"scenario": "bad_deploy"}
    async with prometheus.session.post(url, data="[]") as reply:
        assert reply.status == 400


# -- Loki -----------------------------------------------------------------------------------------


def _lines(body: Any) -> list[str]:
    return [line for stream in body["data"]["result"] for _, line in stream["values"]]


async def test_lines_come_newest_first_and_limited(loki: Door) -> None:
    _, body = await loki.get("query_range", query='{app="order-api"}', limit=7)
    assert body["data"]["resultType"] == "streams"
    assert len(_lines(body)) == 7
    stream = body["data"]["result"][0]
    assert set(stream["stream"]) == {"app", "level", "namespace", "pod", "service"}
    assert all(int(at) <= NOW * 1e9 for at, _ in stream["values"])
    _, forward = await loki.get(
        "query_range", query='{app="order-api",level="info"}', direction="forward", limit=3,
        start=round((NOW - 600) * 1e9), end=round(NOW * 1e9),
    )  # fmt: skip
    times = [int(at) for stream in forward["data"]["result"] for at, _ in stream["values"]]
    assert min(times) < (NOW - 590) * 1e9


async def test_the_bad_deploy_speaks_while_it_is_open(loki: Door, production: Production) -> None:
    story = production.tell("bad_deploy", NOW - 1200)
    key = story.fault_key(story.scenario.faults[0])
    query = '{app="order-api", level="error"} |= "deadline exceeded" |~ "ledger.*v2[.]14[.]0"'
    _, before = await loki.get("query_range", query=query)
    production.faults.open(key, NOW - 1200)
    production.faults.close(key, NOW - 600)
    _, during = await loki.get("query_range", query=query, limit=5000)
    assert not _lines(before)
    assert len(_lines(during)) > 200
    times = [int(at) / 1e9 for row in during["data"]["result"] for at, _ in row["values"]]
    assert NOW - 1200 <= min(times) < max(times) < NOW - 300


async def test_counts_agree_with_the_lines(loki: Door) -> None:
    _, lines = await loki.get(
        "query_range", query='{app="gateway"} != "ticker"', limit=5000, start=NOW - 300, end=NOW
    )
    _, count = await loki.get(
        "query", query='sum by (service) (count_over_time({app="gateway"} != "ticker" [5m]))'
    )
    assert count["data"]["result"][0]["value"][1] == str(len(_lines(lines)))
    _, rates = await loki.get(
        "query_range",
        query='rate({app="gateway"} != "ticker" [5m])',
        step=60,
        start=NOW - 300,
        end=NOW,
    )
    assert rates["data"]["resultType"] == "matrix"
    last = [dict(row["values"]).get(int(NOW), "0") for row in rates["data"]["result"]]
    total = sum(float(value) for value in last)
    assert total == pytest.approx(len(_lines(lines)) / 300)


async def test_the_same_lines_are_told_twice(loki: Door) -> None:
    asked = {"query": '{namespace="trading"}', "limit": 200}
    assert await loki.get("query_range", **asked) == await loki.get("query_range", **asked)


async def test_a_customers_note_tries_to_give_orders(loki: Door) -> None:
    _, body = await loki.get(
        "query_range", query='{app="order-api",level="warn"} |= "ignore previous instructions"',
        start=NOW - 14_000, end=NOW,
    )  # fmt: skip
    planted = load_world().planted
    assert planted is not None
    assert _lines(body) == [planted.text]


async def test_logfmt_makes_labels_to_filter_by(loki: Door) -> None:
    _, body = await loki.get(
        "query_range", query='{app="order-api"} | logfmt | symbol="BTC-USDT"', limit=5
    )
    assert all("symbol=BTC-USDT" in line for line in _lines(body))
    assert _lines(body)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"query": '{app="a"'}, "syntax error: expecting ,"),
        ({"query": ""}, "syntax error"),
        ({"query": "{}"}, "at least one regexp or equality matcher"),
        ({"query": '{app=~"["}'}, "invalid regular expression"),
        ({"query": 'topk(3, rate({app="a"}[5m]))'}, "the sandbox evaluates"),
        ({"query": '{app="a"} | line_format "x"'}, "the sandbox reads no further"),
        ({"query": '{app="a"}', "limit": "many"}, "limit must be a positive number, got 'many'"),
        ({"query": '{app="a"}', "limit": 9000}, "max entries limit"),
        ({"query": '{app="a"}', "direction": "up"}, "invalid direction 'up'"),
        ({"query": '{app="a"}', "start": NOW, "end": NOW - 5}, "end timestamp must not be before"),
        ({"query": '{app="a"}', "start": NOW - 90 * 86400}, "time range exceeds the limit"),
        ({"query": '{app="a"}', "start": "noon"}, 'cannot parse "noon"'),
    ],
)
async def test_a_loki_error_is_plain_text(loki: Door, asked: dict[str, object], words: str) -> None:
    status, body = await loki.get("query_range", **asked)
    assert status == 400
    assert isinstance(body, str)
    assert words in body


async def test_labels_name_every_service(loki: Door) -> None:
    _, names = await loki.get("labels")
    assert names["data"] == ["app", "level", "namespace", "pod", "service"]
    _, apps = await loki.get("label/app/values")
    assert "wallet-service" in apps["data"]
    _, series = await loki.get("series", match='{app="redis"}')
    assert len(series["data"]) == 3
