"""Bad days of a Prometheus: what a person reads, and that it is well again afterwards by itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from aiohttp import web

from tests.fakes.clock import FakeClock
from tests.fixtures.loopback import HOST, Answer, Server, after, free_port, says
from tests.fixtures.tls import Certificate, self_signed
from tests.patience import PATIENCE
from tools.backends import transport
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.background import in_background
from tools.errors import (
    AnswerTooLargeError,
    BackendDeniedError,
    BackendError,
    BackendRefusedError,
    BackendUnavailableError,
    QueryBudgetError,
)
from tools.ports import warnings_of
from tools.world import Window

END = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOW = Window(END - timedelta(hours=1), END)
MINUTE = timedelta(minutes=1)


def matrix(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"status": "success", "data": {"resultType": "matrix", "result": list(rows)}, **more}


def row(samples: list[list[Any]] | None = None, **labels: str) -> dict[str, Any]:
    return {"metric": {"__name__": "up", **labels}, "values": samples or [[END.timestamp(), "1"]]}


GOOD = says(matrix(row()))


@pytest.fixture
async def store() -> AsyncIterator[Server]:
    async with Server(GOOD).serving() as running:
        yield running


def adapter(url: str, **more: Any) -> Prometheus:
    calm = {"timeout_seconds": PATIENCE, "retry_wait_seconds": 0.001, "retry_attempts": 2}
    settings = {**calm, **more}
    return Prometheus(PrometheusConfig(url=url, **settings))


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an answer that has begun take as long as the machine needs for it."""
    monkeypatch.setattr(transport, "WHOLE_RATIO", 10 * PATIENCE)


def waiting(client: Prometheus, seconds: float | None) -> None:
    """Let a client wait so long for an answer, and as long as it takes for all that it needs."""
    http = client._http
    (http._client or http._connect()).timeout = httpx.Timeout(None, read=seconds)


async def complaint(client: Prometheus, kind: type[BackendError]) -> str:
    """Return the sentence a person reads."""
    with pytest.raises(BackendError) as caught:
        await client.query_range("up", WINDOW, MINUTE)
    assert type(caught.value) is kind
    text = str(caught.value)
    assert text.startswith("prometheus: ")
    assert "Traceback" not in text
    return text


async def is_well(client: Prometheus, store: Server) -> bool:
    """Return whether the same client works again once the server does."""
    store.day, store.ahead = GOOD, []
    found = await client.query_range("up", WINDOW, MINUTE)
    await client.close()
    return len(found) == 1


# ------------------------------------------------------------------------------- no answer


async def test_a_server_that_is_down_is_named_with_its_address() -> None:
    port = free_port()
    client = adapter(f"http://{HOST}:{port}")
    text = await complaint(client, BackendUnavailableError)
    assert f"http://{HOST}:{port}: cannot be reached" in text
    assert "check that it runs and that prometheus.url is right" in text
    async with Server(GOOD).serving(port=port) as store:
        assert await is_well(client, store)


@pytest.mark.usefixtures("unhurried")
async def test_a_server_that_hangs_costs_its_timeout_and_no_more(store: Server) -> None:
    released = asyncio.Event()
    store.day = after(released, GOOD)
    client = adapter(store.url, timeout_seconds=0.1, retry_attempts=1)
    waiting(client, 0.1)
    text = await complaint(client, BackendUnavailableError)
    assert "no answer within 0.1 s; ask for less, or raise prometheus.timeout_seconds" in text
    released.set()
    waiting(client, None)
    assert await is_well(client, store)


@pytest.mark.usefixtures("unhurried")
async def test_a_server_that_asks_to_slow_down_is_asked_again_when_it_said(store: Server) -> None:
    store.ahead = [says("slow down", 429, {"Retry-After": "3600"})]
    client = adapter(store.url, timeout_seconds=0.2, retry_wait_seconds=0.0001)
    waiting(client, None)
    assert len(await client.query_range("up", WINDOW, MINUTE)) == 1
    first, second = (each.at for each in store.asked)
    assert second - first >= 0.2  # it asked for an hour; our patience is the timeout
    store.day = says("slow down", 429, {"Retry-After": "0"})
    text = await complaint(client, BackendUnavailableError)
    assert "HTTP 429: it asks us to slow down (slow down); ask again later" in text
    assert "lower prometheus.queries_per_minute" in text
    assert await is_well(client, store)


async def test_a_connection_that_breaks_off_is_tried_again(store: Server) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(b'{"status":')
        assert request.transport is not None
        request.transport.close()
        return response

    store.ahead = [broken]
    client = adapter(store.url)
    assert len(await client.query_range("up", WINDOW, MINUTE)) == 1
    store.day = broken
    text = await complaint(client, BackendUnavailableError)
    assert "the connection broke off" in text
    assert await is_well(client, store)


# ------------------------------------------------------------------------------- a wrong answer

LOGIN = "<!doctype html><title>Sign in</title>"


async def test_a_login_page_is_told_apart_from_the_api(store: Server) -> None:
    store.day = says(LOGIN, 200, {"Content-Type": "text/html"})
    client = adapter(store.url)
    text = await complaint(client, BackendUnavailableError)
    assert "answered something that is not JSON ('<!doctype html>" in text
    assert "check that prometheus.url points at the API itself" in text
    assert await is_well(client, store)


async def test_a_redirect_to_a_login_is_not_followed(store: Server) -> None:
    store.day = says("", 302, {"Location": "http://sso.example/login"})
    client = adapter(store.url)
    text = await complaint(client, BackendRefusedError)
    assert "sends us on to 'http://sso.example/login'" in text
    assert "set prometheus.url to where the API answers itself" in text
    assert await is_well(client, store)


async def test_an_error_page_of_a_gateway_shows_its_status_and_text(store: Server) -> None:
    store.day = says("<h1>Bad gateway</h1>", 502)
    client = adapter(store.url)
    text = await complaint(client, BackendUnavailableError)
    assert f"{store.url}: HTTP 502: <h1>Bad gateway</h1>" in text
    assert len(store.asked) == 2
    assert await is_well(client, store)


async def test_json_that_breaks_off_is_not_half_an_answer(store: Server) -> None:
    store.day = says(json.dumps(matrix(row()))[:-30])
    client = adapter(store.url)
    text = await complaint(client, BackendUnavailableError)
    assert "breaks off after" in text
    assert "look at the proxy between us and the server" in text
    assert await is_well(client, store)


async def test_json_of_something_else_is_said_to_be_no_prometheus(store: Server) -> None:
    store.day = says({"message": "hello"})
    client = adapter(store.url)
    text = await complaint(client, BackendUnavailableError)
    assert "is no Prometheus answer ({'message': 'hello'})" in text
    assert await is_well(client, store)


# ------------------------------------------------------------------------------- identity


async def test_an_expired_token_names_the_setting_to_renew(store: Server) -> None:
    store.day = says("token is expired", 401)
    client = adapter(store.url, bearer_token="old-token", tenant="team-a")
    text = await complaint(client, BackendDeniedError)
    assert "HTTP 401: token is expired" in text
    assert "renew the token in prometheus.bearer_token" in text
    assert "check prometheus.tenant 'team-a'" in text
    assert "old-token" not in text
    assert len(store.asked) == 1
    assert await is_well(client, store)


async def test_without_any_identity_the_settings_that_give_one_are_named(store: Server) -> None:
    store.day = says("who are you?", 401)
    client = adapter(store.url, section="prometheus.instances.eu")
    text = await complaint(client, BackendDeniedError)
    assert "set prometheus.instances.eu.bearer_token or prometheus.instances.eu.basic" in text
    await client.close()


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("tls"))


async def test_a_proxy_that_breaks_tls_open_names_the_private_authority(
    certificate: Certificate,
) -> None:
    async with Server(GOOD).serving(certificate.server()) as store:
        client = adapter(store.url)
        text = await complaint(client, BackendUnavailableError)
        assert "the server's certificate is not trusted" in text
        assert "name its authority's PEM file in prometheus.tls.ca_file" in text
        assert store.asked == []
        await client.close()
        trusting = adapter(store.url, ca_file=str(certificate.cert))
        assert await is_well(trusting, store)


async def test_a_server_that_wants_a_client_certificate_gets_it(
    certificate: Certificate,
) -> None:
    async with Server(GOOD).serving(certificate.server(client_must_prove=True)) as store:
        nameless = adapter(store.url, ca_file=str(certificate.cert))
        await complaint(nameless, BackendUnavailableError)
        await nameless.close()
        known = adapter(
            store.url,
            ca_file=str(certificate.cert),
            client_cert_file=str(certificate.cert),
            client_key_file=str(certificate.key),
        )
        assert await is_well(known, store)


async def test_a_file_of_tls_that_is_not_there_is_named(tmp_path: Path) -> None:
    client = adapter("https://127.0.0.1:1", ca_file=str(tmp_path / "gone.pem"))
    text = await complaint(client, BackendUnavailableError)
    assert "gone.pem" in text
    assert "prometheus.tls" in text


# ------------------------------------------------------------------------------- strange values


async def test_series_of_nothing_but_nan_are_said_to_hold_nothing(store: Server) -> None:
    samples = [[END.timestamp() - 60 * k, "NaN"] for k in range(5, -1, -1)]
    store.day = says(matrix(row(samples, pod="a"), row(samples, pod="b")))
    client = adapter(store.url)
    found = await client.query_range("up", WINDOW, MINUTE)
    assert all(np.isnan(series.values).all() for series in found)
    assert warnings_of(found) == ("none of the 2 series has a value in the window: all are NaN",)
    assert await is_well(client, store)


async def test_infinite_values_are_missing_and_counted(store: Server) -> None:
    end = END.timestamp()
    store.day = says(matrix(row([[end - 120, "+Inf"], [end - 60, "-Inf"], [end, "2"]])))
    client = adapter(store.url)
    found = await client.query_range("up", WINDOW, MINUTE)
    (told,) = warnings_of(found)
    assert told == "2 samples were ±Inf (a division by zero?) and count as missing"
    assert np.isnan(found[0].values[-3:-1]).all()
    await client.close()


async def test_what_the_server_warns_of_stays_with_the_answer(store: Server) -> None:
    store.day = says(matrix(row(), warnings=["store eu-2 did not answer"], infos=["not a counter"]))
    client = adapter(store.url)
    assert warnings_of(await client.query_range("up", WINDOW, MINUTE)) == (
        "prometheus warns: store eu-2 did not answer",
        "prometheus warns: not a counter",
    )
    await client.close()


HOSTILE = [
    'say "hi"',
    "two\nlines",
    "back\\slash",
    "日志 – größe",
    '"values":[[1,"2"]],"metric":{',
    "\u202e right to left",
    "]}}",
]


@pytest.mark.parametrize("value", HOSTILE)
async def test_strange_label_values_and_names_come_through_unchanged(
    store: Server, value: str
) -> None:
    name = "http.запросы 総数"
    strange = {"metric": {"__name__": name, "größe": value}, "values": [[END.timestamp(), "7"]]}
    store.day = says(json.dumps(matrix(strange, row()), separators=(",", ":")))
    client = adapter(store.url, max_series=2)
    strange_series, plain = await client.query_range("up", WINDOW, MINUTE)
    if plain.metric == name:
        strange_series, plain = plain, strange_series
    assert strange_series.metric == name
    assert strange_series.labels == (("größe", value),)
    assert strange_series.values[-1] == 7
    assert plain.values[-1] == 1
    await client.close()


# ------------------------------------------------------------------------------- too much


def fifty_thousand() -> Iterator[bytes]:
    """Yield 50,000 series in parts, as a server streams them."""
    yield b'{"status":"success","data":{"resultType":"matrix","result":['
    for part in range(500):
        rows = [json.dumps(row(pod=f"pod-{part}-{k}"), separators=(",", ":")) for k in range(100)]
        yield ("," if part else "").encode() + ",".join(rows).encode()
    yield b"]}}"


async def test_fifty_thousand_series_are_given_up_while_they_come_in(store: Server) -> None:
    given_up = asyncio.Event()

    async def pour(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for number, part in enumerate(fifty_thousand()):
            if number == 50:  # whoever wants all of it waits here until it gives up
                await given_up.wait()
            await response.write(part)
        return response

    store.day = pour
    client = adapter(store.url)
    text = await complaint(client, AnswerTooLargeError)
    assert (
        "'up' gives too many series (more than the limit; prometheus.max_series is 1,000)" in text
    )
    assert "aggregate with sum by (label)(…), or take topk(20, …)" in text
    assert len(store.asked) == 1
    given_up.set()
    assert await is_well(client, store)


async def test_more_bytes_than_allowed_are_not_held(store: Server) -> None:
    store.day = says(b" " * 300_000)
    client = adapter(store.url, max_response_bytes=100_000)
    text = await complaint(client, AnswerTooLargeError)
    assert "the answer is larger than 100,000 bytes" in text
    assert "ask for fewer series, a shorter window or a longer step" in text
    assert "prometheus.max_response_megabytes" in text
    assert await is_well(client, store)


async def test_half_a_million_points_leave_the_event_loop_free(store: Server) -> None:
    points, count = 10_001, 50
    first = END.timestamp() - points + 1
    values = ",".join(f'[{first + k:.0f},"{k}.5"]' for k in range(points))
    rows = ",".join(
        f'{{"metric":{{"__name__":"up","pod":"{k}"}},"values":[{values}]}}' for k in range(count)
    )
    body = f'{{"status":"success","data":{{"resultType":"matrix","result":[{rows}]}}}}'.encode()
    store.day = says(body)
    client = adapter(store.url)
    longest, stop = 0.0, asyncio.Event()

    async def watch() -> None:
        nonlocal longest
        while not stop.is_set():
            before = time.thread_time()  # of the loop's thread: what others compute does not count
            await asyncio.sleep(0.001)
            longest = max(longest, time.thread_time() - before)

    watching = asyncio.create_task(watch())
    began = time.process_time()
    second = timedelta(seconds=1)
    found = await client.query_range("up", Window(END - (points - 1) * second, END), second)
    took = time.process_time() - began
    stop.set()
    await watching
    assert len(found) == count
    assert found[0].values.tolist() == [k + 0.5 for k in range(points)]
    assert longest < took / 3
    await client.close()


# ------------------------------------------------------------------------------- clocks


def time_says(at: datetime) -> Answer:
    scalar = {"resultType": "scalar", "result": [at.timestamp(), f"{at.timestamp()}"]}
    return says({"status": "success", "data": scalar})


async def test_a_server_whose_clock_is_behind_explains_the_empty_end(store: Server) -> None:
    client = Prometheus(PrometheusConfig(url=store.url), clock=FakeClock(END))
    store.day = time_says(END - timedelta(minutes=12))
    health = await client.health()
    assert health.up
    assert "its clock is 12 min behind ours" in health.detail
    assert "synchronise both clocks (NTP)" in health.detail
    late = [[END.timestamp() - 60 * k, "1"] for k in range(30, 11, -1)]
    store.day = says(matrix(row(late)))
    (told,) = warnings_of(await client.query_range("up", WINDOW, MINUTE))
    assert told.startswith("the newest 12 min of the window hold no sample")
    assert "(the last is from 2026-11-20T11:48:00Z)" in told
    assert "its clock is 12 min behind ours" in told
    store.day = time_says(END)
    assert "clock" not in (await client.health()).detail
    store.day = GOOD
    assert warnings_of(await client.query_range("up", WINDOW, MINUTE)) == ()
    await client.close()


async def test_a_server_whose_clock_is_ahead_is_told_by_its_health(store: Server) -> None:
    client = Prometheus(PrometheusConfig(url=store.url), clock=FakeClock(END))
    store.day = time_says(END + timedelta(minutes=5))
    assert "its clock is 5 min ahead of ours" in (await client.health()).detail
    await client.close()


async def test_an_empty_end_is_said_even_when_no_clock_explains_it(store: Server) -> None:
    late = [[END.timestamp() - 60 * k, "1"] for k in range(30, 6, -1)]
    store.day = says(matrix(row(late)))
    client = adapter(store.url)
    (told,) = warnings_of(await client.query_range("up", WINDOW, MINUTE))
    assert "the newest 7 min of the window hold no sample" in told
    assert "the series ended" in told
    assert await is_well(client, store)


# ------------------------------------------------------------------------------- names

NAMES = says({"status": "success", "data": ["b_total", "a_total"]})


async def test_names_are_asked_with_the_same_identity_and_errors(store: Server) -> None:
    seen: list[web.Request] = []

    async def keep(request: web.Request) -> web.StreamResponse:
        seen.append(request)
        return await NAMES(request)

    store.day = keep
    client = adapter(store.url, bearer_token="t", tenant="team-a")
    assert await client.metric_names() == ["a_total", "b_total"]
    assert seen[0].path == "/api/v1/label/__name__/values"
    assert seen[0].headers["Authorization"] == "Bearer t"
    assert seen[0].headers["X-Scope-OrgID"] == "team-a"
    for day, kind, part in [
        (says("expired", 401), BackendDeniedError, "renew the token in prometheus.bearer_token"),
        (says(LOGIN), BackendUnavailableError, "check that prometheus.url points at the API"),
        (says("no", 503), BackendUnavailableError, "503"),
        (says({"error": "what?"}, 400), BackendRefusedError, "400"),
    ]:
        store.day = day
        with pytest.raises(BackendError, match=part) as caught:
            await client.metric_names()
        assert type(caught.value) is kind
    store.day = NAMES
    assert await client.metric_names() == ["a_total", "b_total"]
    await client.close()


async def test_names_of_a_server_that_is_down_are_an_error_and_no_wait_of_seconds() -> None:
    port = free_port()
    client = adapter(f"http://{HOST}:{port}")
    with pytest.raises(BackendUnavailableError, match="cannot be reached"):
        await client.metric_names()
    await client.close()


async def test_names_trust_the_private_authority_too(certificate: Certificate) -> None:
    async with Server(NAMES).serving(certificate.server()) as store:
        doubting = adapter(store.url)
        with pytest.raises(BackendUnavailableError, match=r"prometheus\.tls\.ca_file"):
            await doubting.metric_names()
        await doubting.close()
        trusting = adapter(store.url, ca_file=str(certificate.cert))
        assert await trusting.metric_names() == ["a_total", "b_total"]
        await trusting.close()


async def test_targets_and_metadata_are_typed(store: Server) -> None:
    client = adapter(store.url)
    down = {"labels": {"job": "api", "instance": "a:1"}, "health": "down", "lastError": "refused"}
    store.day = says({"status": "success", "data": {"activeTargets": [down]}})
    (target,) = await client.targets()
    assert (target.job, target.instance, target.up, target.error) == (
        "api",
        "a:1",
        False,
        "refused",
    )
    about = {"a_total": [{"type": "counter", "help": "Things.", "unit": ""}]}
    store.day = says({"status": "success", "data": about})
    found = await client.about("a_total")
    assert found is not None
    assert (found.type, found.help) == ("counter", "Things.")
    assert await client.every_about() == [found]
    await client.close()


# ------------------------------------------------------------------------------- our own limits


@pytest.mark.usefixtures("unhurried")
async def test_a_spent_budget_is_told_as_ours_and_sends_nothing(store: Server) -> None:
    client = adapter(store.url, queries_per_minute=4, timeout_seconds=0.2)
    waiting(client, None)
    assert len(await client.query_range("up", WINDOW, MINUTE)) == 1
    text = await complaint(client, QueryBudgetError)
    assert "the budget of 4 queries per minute is used up" in text
    assert "raise prometheus.queries_per_minute" in text
    assert len(store.asked) == 1
    assert (await client.health()).up  # the server is well: only we are out of questions
    await client.close()


async def test_a_cycle_that_hangs_leaves_a_connection_for_a_question(store: Server) -> None:
    released, taken = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.StreamResponse:
        if "slow" in (await request.post())["query"]:  # type: ignore[operator]
            if len(store.asked) == 3:  # of four connections, those that a cycle may take
                taken.set()
            await released.wait()
        return await GOOD(request)

    store.day = hang
    client = adapter(store.url, max_concurrency=4)
    with in_background():
        cycle = [
            asyncio.create_task(client.query_range(f"slow_{k}", WINDOW, MINUTE)) for k in range(8)
        ]
    async with asyncio.timeout(PATIENCE):
        await taken.wait()
        assert len(await client.query_range("up", WINDOW, MINUTE)) == 1
    assert not any(task.done() for task in cycle)
    released.set()
    await asyncio.gather(*cycle)
    await client.close()
