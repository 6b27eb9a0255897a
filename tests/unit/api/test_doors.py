"""The doors of the API: who keeps it waiting, who asks too often, and what is out of range."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bot.api.config import ApiConfig
from bot.api.server import ApiServer
from bot.domain.access import Scope
from foundation.rates import RateLimit
from tests.fixtures.full_disk import full_disk
from tests.patience import PATIENCE
from tests.unit.api.conftest import ALICE, World

LIVE = b"GET / HTTP/1.1\r\nHost: bot\r\nConnection: close\r\n\r\n"
HALF = {
    "nothing": b"",
    "half a header": b"GET / HTTP/1.1\r\nHost: bo",
    "half a body": b"POST / HTTP/1.1\r\nHost: bot\r\nContent-Length: 9\r\n\r\nabc",
}


def app() -> Starlette:
    async def answer(request: Request) -> Response:
        await request.body()
        return PlainTextResponse("here")

    return Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])


async def said(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(PATIENCE):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF.keys())
async def test_a_request_that_never_becomes_whole_is_cut_off(sent: bytes) -> None:
    server = ApiServer(ApiConfig(port=0, request_seconds=0.05), app())
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(sent)
        assert await said(reader) == b""
        writer.close()
    finally:
        await server.stop()


@pytest.mark.parametrize("sent", HALF.values(), ids=HALF.keys())
async def test_a_crowd_of_half_open_requests_takes_no_place_from_who_asks(sent: bytes) -> None:
    server = ApiServer(ApiConfig(port=0, request_seconds=PATIENCE, most_connections=8), app())
    await server.start()
    try:
        crowd = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(30)]
        for _, writer in crowd:
            writer.write(sent)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(LIVE)
        assert b"here" in await said(reader)
        assert len(server._server.server_state.connections) <= 8
        for _, each in [*crowd, (reader, writer)]:
            each.close()
    finally:
        await server.stop()


async def test_nobody_waits_for_the_body_of_who_was_pushed_out() -> None:
    begun, ended = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def answer(request: Request) -> Response:
        begun.release()
        try:
            await request.body()
        finally:
            ended.release()
        return PlainTextResponse("here")

    slow = Starlette(routes=[Route("/", answer, methods=["POST"])])
    server = ApiServer(ApiConfig(port=0, request_seconds=PATIENCE, most_connections=2), slow)
    await server.start()
    try:
        crowd = []
        for _ in range(5):
            crowd.append(await asyncio.open_connection("127.0.0.1", server.port))
            crowd[-1][1].write(HALF["half a body"])
            async with asyncio.timeout(PATIENCE):
                await begun.acquire()
        async with asyncio.timeout(PATIENCE):
            for _ in range(3):
                await ended.acquire()
        for _, each in crowd:
            each.close()
    finally:
        await server.stop()


async def test_one_connection_asks_again_and_again() -> None:
    server = ApiServer(ApiConfig(port=0, request_seconds=PATIENCE), app())
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for _ in range(3):
            writer.write(LIVE.replace(b"Connection: close\r\n", b""))
            assert b"200 OK" in await reader.readuntil(b"here")
        writer.close()
    finally:
        await server.stop()


async def test_a_token_that_asks_too_often_is_told_when_and_still_halts(api: World) -> None:
    api.deps.rates.per_token = RateLimit(2)
    codes = [
        (await api.client.get("/api/v1/status", headers=api.as_(ALICE))).status_code
        for _ in range(3)
    ]
    assert codes == [200, 200, 429]
    told = await api.client.get("/api/v1/status", headers=api.as_(ALICE))
    assert told.headers["Retry-After"] == "60"
    admin = api.as_(ALICE, Scope.ADMIN)
    for _ in range(4):
        answer = await api.client.post("/api/v1/halt", json={"reason": "it burns"}, headers=admin)
        assert answer.status_code == 200, answer.text


async def test_two_tokens_of_one_person_are_one_person(api: World) -> None:
    api.deps.rates.per_person = RateLimit(2)
    scopes = (Scope.READ, Scope.READ, Scope.APPROVE)
    answers = [
        await api.client.get("/api/v1/status", headers=api.as_(ALICE, scope)) for scope in scopes
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 429]


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-12:00",
        "1970-01-01T00:00:00Z",
        1e300,
        -1e12,
    ],
)
async def test_a_time_out_of_range_is_the_senders_mistake(api: World, at: object) -> None:
    ingest = api.as_(ALICE, Scope.INGEST)
    deployed = {"service": "order-api", "version": "2", "at": at}
    alert = {"status": "firing", "labels": {"alertname": "A"}, "startsAt": at}
    # Senders of alerts write the zero of their language where they know no beginning.
    unsaid = str(at).startswith(("0001-01-01", "1970-01-01"))
    for path, body, code in (
        ("deployments", deployed, 422), ("alerts", {"alerts": [alert]}, 200 if unsaid else 422)
    ):  # fmt: skip
        answer = await api.client.post(f"/api/v1/{path}", json=body, headers=ingest)
        assert answer.status_code == code, (path, answer.text)


@pytest.mark.parametrize("reason", ["\u200b\u200c", " \u2060 ", "\u3164", "\u202e\ufeff", "\x07"])
async def test_a_reason_that_nobody_sees_is_none(api: World, reason: str) -> None:
    admin, approve = api.as_(ALICE, Scope.ADMIN), api.as_(ALICE, Scope.APPROVE)
    halted = await api.client.post("/api/v1/halt", json={"reason": reason}, headers=admin)
    no = {"rejector": ALICE, "reason": reason}
    rejected = await api.client.post("/api/v1/approvals/PLAN-1/reject", json=no, headers=approve)
    assert (halted.status_code, rejected.status_code) == (422, 422)


async def test_ready_says_no_when_nothing_can_be_committed(api: World) -> None:
    assert (await api.client.get("/ready")).status_code == 200
    api.store._probed = None  # as if its second had passed
    with full_disk(Path(str(api.store.url.database))):
        answer = await api.client.get("/ready")
    assert answer.status_code == 503
    assert "disk" in answer.json()["detail"]
