"""Bad days of a Loki: what a person reads, and that it is well again afterwards by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.fixtures.loopback import HOST, Answer, Server, after, free_port, says
from tests.fixtures.tls import self_signed
from tests.patience import PATIENCE
from tools.backends import transport
from tools.backends.loki import Loki, LokiConfig, nanoseconds
from tools.errors import (
    BackendDeniedError,
    BackendError,
    BackendRefusedError,
    BackendUnavailableError,
    QueryBudgetError,
)
from tools.world import Window

END = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOW = Window(END - timedelta(hours=1), END)
GIB = 1024**3


def streams(*lines: tuple[datetime, str], **labels: str) -> dict[str, Any]:
    values = [[str(nanoseconds(at)), text] for at, text in lines]
    return {
        "status": "success",
        "data": {"resultType": "streams", "result": [{"stream": labels, "values": values}]},
    }


GOOD = says(streams((END - timedelta(minutes=1), "order accepted"), service="order-api"))


STATS, VOLUME = "/index/stats", "/index/volume"  # the index is asked at its own doors


def a_store() -> Server:
    return Server(GOOD, doors={STATS: says({"bytes": 10}), VOLUME: says(streams())})


@pytest.fixture
async def store() -> AsyncIterator[Server]:
    async with a_store().serving() as running:
        yield running


def adapter(url: str, **more: Any) -> Loki:
    calm = {"timeout_seconds": PATIENCE, "retry_wait_seconds": 0.001, "retry_attempts": 2}
    settings = {**calm, **more}
    return Loki(LokiConfig(url=url, **settings))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an answer that has begun take as long as the machine needs for it."""
    monkeypatch.setattr(transport, "WHOLE_RATIO", 10 * PATIENCE)


def waiting(client: Loki, seconds: float | None) -> None:
    """Let a client wait so long for an answer, and as long as it takes for all that it needs."""
    http = client._http
    (http._client or http._connect()).timeout = httpx.Timeout(None, read=seconds)


async def complaint(client: Loki, kind: type[BackendError], **asked: Any) -> str:
    """Return the sentence a person reads."""
    with pytest.raises(BackendError) as caught:
        await client.search(WINDOW, **asked)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text.startswith("loki: ")
    return text


async def is_well(client: Loki, store: Server) -> bool:
    """Return whether the same client works again once the server does."""
    store.day = GOOD
    page = await client.search(WINDOW)
    await client.close()
    return [line.text for line in page.lines] == ["order accepted"]


# ------------------------------------------------------------------------------- no answer


async def test_a_loki_that_is_down_is_named_with_its_address() -> None:
    port = free_port()
    client = adapter(f"http://{HOST}:{port}")
    text = await complaint(client, BackendUnavailableError)
    assert f"http://{HOST}:{port}: cannot be reached" in text
    assert "check that it runs and that loki.url is right" in text
    async with a_store().serving(port=port) as store:
        assert await is_well(client, store)


@pytest.mark.usefixtures("unhurried")
async def test_a_loki_that_hangs_costs_its_timeout_and_no_more(store: Server) -> None:
    released = asyncio.Event()
    store.day = after(released, GOOD)
    client = adapter(store.url, timeout_seconds=0.1, retry_attempts=1)
    waiting(client, 0.1)
    text = await complaint(client, BackendUnavailableError)
    assert "no answer within 0.1 s; ask for less, or raise loki.timeout_seconds" in text
    released.set()
    waiting(client, None)
    assert await is_well(client, store)


async def test_a_loki_that_asks_to_slow_down_is_asked_again_and_then_named(store: Server) -> None:
    store.day = says("Maximum active stream limit exceeded", 429)
    client = adapter(store.url)
    text = await complaint(client, BackendUnavailableError)
    assert "HTTP 429: it asks us to slow down" in text
    assert len(store.asked) == 2
    assert await is_well(client, store)


# ------------------------------------------------------------------------------- wrong answers


async def test_a_login_page_is_no_log(store: Server) -> None:
    store.day = says("<html>Sign in</html>", 200, {"Content-Type": "text/html"})
    client = adapter(store.url)
    text = await complaint(client, BackendUnavailableError)
    assert "not JSON ('<html>Sign in" in text
    assert "loki.url" in text
    assert await is_well(client, store)


async def test_json_that_breaks_off_is_not_half_an_answer(store: Server) -> None:
    store.day = says(json.dumps(streams((END, "x"), service="a"))[:-20])
    client = adapter(store.url)
    assert "breaks off" in await complaint(client, BackendUnavailableError)
    assert await is_well(client, store)


@pytest.mark.parametrize(
    "body",
    [
        {"message": "hello"},
        [],
        {"data": {"result": [{"stream": {}, "values": [["soon", "x"]]}]}},
        {"data": {"result": [{"metric": {}, "value": [1, "2"]}]}},
    ],
)
async def test_json_of_something_else_is_said_to_hold_no_lines(store: Server, body: Any) -> None:
    store.day = says(body)
    client = adapter(store.url)
    text = await complaint(client, BackendUnavailableError)
    assert "answered JSON that holds no log lines" in text
    assert "check that loki.url points at Loki itself" in text
    assert await is_well(client, store)


async def test_what_loki_refuses_is_told_in_its_own_words(store: Server) -> None:
    store.day = says("the query time range exceeds the limit (limit: 30d1h)", 400)
    client = adapter(store.url)
    assert "exceeds the limit (limit: 30d1h)" in await complaint(client, BackendRefusedError)
    assert len(store.asked) == 1  # asking again would not help
    assert await is_well(client, store)


# ------------------------------------------------------------------------------- identity


async def test_an_expired_token_names_the_setting_to_renew(store: Server) -> None:
    store.day = says("token is expired", 401)
    client = adapter(store.url, bearer_token="old-token", tenant="team-a")
    text = await complaint(client, BackendDeniedError)
    assert "renew the token in loki.bearer_token" in text
    assert "loki.tenant 'team-a'" in text
    assert "old-token" not in text
    assert await is_well(client, store)
    assert store.asked[-1].headers["X-Scope-OrgID"] == "team-a"
    assert store.asked[-1].headers["Authorization"] == "Bearer old-token"


async def test_a_proxy_that_breaks_tls_open_names_the_private_authority(tmp_path: Any) -> None:
    certificate = self_signed(tmp_path)
    async with a_store().serving(certificate.server()) as store:
        client = adapter(store.url)
        text = await complaint(client, BackendUnavailableError)
        assert "the server's certificate is not trusted" in text
        assert "loki.tls.ca_file" in text
        await client.close()
        assert await is_well(adapter(store.url, ca_file=str(certificate.cert)), store)


# ------------------------------------------------------------------------------- strange lines


async def test_quotes_newlines_and_other_alphabets_arrive_as_they_were_written(
    store: Server,
) -> None:
    text = 'first\nsecond "quoted" `ticked` \\ {brace} 订单超时 🧨\u0000'
    labels = {"service": 'or"der\n-апи', "trace_id": "4bf9"}
    store.day = says(streams((END - timedelta(minutes=1), text), **labels))
    client = adapter(store.url)
    (line,) = (await client.search(WINDOW)).lines
    assert line.text == text
    assert line.service == labels["service"]
    assert dict(line.labels)["trace_id"] == "4bf9"
    await client.close()


async def test_structured_metadata_is_kept_however_loki_sends_it(store: Server) -> None:
    at = str(nanoseconds(END - timedelta(minutes=1)))
    sorted_by_kind = {"structuredMetadata": {"trace_id": "aa"}, "parsed": {"status": "504"}}
    values = [[at, "x", sorted_by_kind], [at, "y", {"trace_id": "bb"}], [at, "z"]]
    body = {"data": {"result": [{"stream": {"service": "a"}, "values": values}]}}
    store.day = says(body)
    client = adapter(store.url)
    found = {line.text: dict(line.labels) for line in (await client.search(WINDOW)).lines}
    assert found["x"] == {"service": "a", "trace_id": "aa", "status": "504"}
    assert found["y"] == {"service": "a", "trace_id": "bb"}
    assert found["z"] == {"service": "a"}
    await client.close()


async def test_lines_of_another_clock_are_left_out_and_said_to_be(store: Server) -> None:
    store.day = says(
        streams(
            (END + timedelta(hours=2), "from tomorrow's machine"),
            (END - timedelta(minutes=1), "in time"),
            service="a",
        )
    )
    client = adapter(store.url)
    page = await client.search(WINDOW, limit=5)
    assert [line.text for line in page.lines] == ["in time"]
    assert "1 lines carry a time outside of the window" in page.note
    assert not page.truncated
    await client.close()


async def test_a_loki_that_gives_the_same_page_for_ever_does_not_hold_the_search(
    store: Server,
) -> None:
    same = [(END - timedelta(minutes=5), f"line {k}") for k in range(60)]
    store.day = says(streams(*same, service="a"))
    client = adapter(store.url, page_size=50)
    page = await asyncio.wait_for(client.search(WINDOW, limit=500), PATIENCE)
    assert len(page.lines) == 60
    await client.close()


# ------------------------------------------------------------------------------- too much


async def test_a_search_that_would_read_too_much_is_narrowed_and_says_so(store: Server) -> None:
    store.doors[STATS] = says({"bytes": 20 * GIB})
    client = adapter(store.url, max_scan_bytes=5 * GIB)
    page = await client.search(WINDOW, service="order-api", text="timeout")
    assert page.truncated
    assert "only searched since 2026-11-20T11:45:00Z" in page.note
    assert "20 GiB" in page.note
    start = END - timedelta(minutes=15)
    assert {each.query["start"] for each in store.asked} == {str(nanoseconds(start))}
    await client.close()


async def test_a_search_over_far_too_much_is_refused_with_the_largest_services(
    store: Server,
) -> None:
    store.doors[STATS] = says({"bytes": 900 * GIB})
    store.doors[VOLUME] = says(
        {"data": {"result": [
            {"metric": {"service": "ledger"}, "value": [1, str(100 * GIB)]},
            {"metric": {"service": "gateway"}, "value": [1, str(700 * GIB)]},
        ]}}
    )  # fmt: skip
    client = adapter(store.url, max_scan_bytes=5 * GIB)
    text = await complaint(client, BackendRefusedError, text="timeout")
    assert "would read 900 GiB, more than loki.max_scan_bytes (5 GiB) allows" in text
    assert "name a service (the largest: gateway 700 GiB, ledger 100 GiB)" in text
    assert "ask for at most 20 s" in text
    assert store.asked == []
    await client.close()


async def test_without_a_filter_the_index_is_not_asked(store: Server) -> None:
    store.doors[STATS] = says({"bytes": 900 * GIB})
    client = adapter(store.url)
    assert len((await client.search(WINDOW)).lines) == 1
    await client.close()


@pytest.mark.parametrize("answer", [says("404 page not found", 404), says({"streams": 3})])
async def test_a_loki_without_index_statistics_is_searched_all_the_same(
    store: Server, answer: Answer
) -> None:
    store.doors[STATS] = answer
    client = adapter(store.url)
    assert len((await client.search(WINDOW, text="order")).lines) == 1
    await client.close()


# ------------------------------------------------------------------------------- our own limits


@pytest.mark.usefixtures("unhurried")
async def test_a_spent_budget_does_not_make_a_loki_look_dead(store: Server) -> None:
    client = adapter(store.url, queries_per_minute=1, timeout_seconds=0.1)
    waiting(client, None)
    assert len((await client.search(WINDOW)).lines) == 1
    await complaint(client, QueryBudgetError)
    assert len(store.asked) == 1
    assert (await client.health()).up
    await client.close()
