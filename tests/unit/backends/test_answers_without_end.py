"""What answers drips, never ends, is a bomb or lies too deep: told in time, and not held."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from foundation.shortened import shortened_line
from tests.fixtures.kubeconfig import write_kubeconfig
from tests.fixtures.nouns import NOW
from tests.patience import PATIENCE
from tools.backends.kubernetes import session
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.session import KubernetesSession
from tools.backends.loki import LONGEST_LINE, Loki, LokiConfig
from tools.backends.prometheus.adapter import Prometheus
from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.prometheus.names import Names
from tools.backends.transport import Connection, JsonBackend
from tools.backends.unpacking import PIECE
from tools.backends.webhook import Webhook, WebhookConfig
from tools.errors import AnswerTooLargeError, BackendError, BackendUnavailableError
from tools.observe.logs import SHOWN_CHARACTERS
from tools.world import Window

MEGABYTE = 1_000_000
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Write = Callable[[asyncio.StreamWriter], Awaitable[None]]


def body(content: bytes, *headers: bytes) -> Write:
    async def answer(writer: asyncio.StreamWriter) -> None:
        length = b"Content-Length: %d" % len(content)
        writer.write(HEAD + b"\r\n".join([*headers, length, b"", b""]) + content)

    return answer


def without_end(begin: bytes, part: bytes, pause: float = 0.0) -> Write:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(begin)
        while True:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return answer


def packed(content: bytes, times: int) -> bytes:
    for _ in range(times):
        content = gzip.compress(content)
    return content


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
LONG = HEAD + b"Content-Length: 999999\r\n\r\n"
ZEROS = bytes(40 * MEGABYTE)
DRIPS = without_end(LONG, b"[", 0.01)
DRIPS_HEADERS = without_end(HEAD, b"X-A: b\r\n", 0.01)
POURS = without_end(CHUNKED, b"10000\r\n" + b"[" * 65_536 + b"\r\n")
ANSWERS = {
    "drips": DRIPS,
    "drips headers": DRIPS_HEADERS,
    "pours": POURS,
    "bomb": body(packed(ZEROS, 1), b"Content-Encoding: gzip"),
    "bomb in a bomb": body(packed(ZEROS, 2), b"Content-Encoding: gzip, gzip"),
    "not packed": body(b"hello", b"Content-Encoding: gzip"),
    "too deep": body(b"[" * 100_000),
    "closed and too deep": body(b"[" * 100_000 + b"]" * 100_000),
    "too many digits": body(b'{"data": ' + b"9" * 100_000 + b"}"),
}


@asynccontextmanager
async def serving(write: Write) -> AsyncIterator[str]:
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await reader.readuntil(b"\r\n\r\n")
                await write(writer)
                await writer.drain()
                await reader.read()
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


LIMITS: dict[str, Any] = {
    "timeout_seconds": 0.1,
    "retry_attempts": 1,
    "max_response_bytes": MEGABYTE,
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_an_answer_that_is_none_is_told_as_a_backends_failure(name: str) -> None:
    async with serving(ANSWERS[name]) as url, asyncio.timeout(PATIENCE):
        backend = JsonBackend("it", Connection(url=url, **LIMITS), explain=lambda *_: None)
        with pytest.raises(BackendError):
            await backend.ask("GET", "/", {})
        await backend.close()


@pytest.mark.parametrize("name", ["bomb", "pours"])
async def test_of_a_bomb_no_more_is_unpacked_than_the_limit(name: str) -> None:
    parts: list[int] = []
    async with serving(ANSWERS[name]) as url, asyncio.timeout(PATIENCE):
        backend = JsonBackend("it", Connection(url=url, **LIMITS), explain=lambda *_: None)
        with pytest.raises(AnswerTooLargeError):
            await backend.ask_bytes("GET", "/", {}, watch=lambda part: parts.append(len(part)))
        await backend.close()
    assert sum(parts) <= MEGABYTE
    if name == "bomb":
        assert max(parts) <= PIECE


async def test_what_is_packed_honestly_is_unpacked() -> None:
    for coding, content in {
        b"gzip": gzip.compress(b'{"a": 1}' + b" " * 300_000),
        b"deflate": zlib.compress(b'{"a": 1}' + b" " * 300_000),
    }.items():
        write = body(content, b"Content-Encoding: " + coding)
        async with serving(write) as url, asyncio.timeout(PATIENCE):
            backend = JsonBackend("it", Connection(url=url, **LIMITS), explain=lambda *_: None)
            assert await backend.ask("GET", "/", {}) == {"a": 1}
            await backend.close()


async def test_a_search_in_logs_that_lie_too_deep_fails_as_a_backend() -> None:
    async with serving(ANSWERS["closed and too deep"]) as url, asyncio.timeout(PATIENCE):
        loki = Loki(LokiConfig(url=url, max_scan_bytes=0, **LIMITS))
        with pytest.raises(BackendUnavailableError):
            await loki.search(Window.ending(NOW, timedelta(hours=1)))
        await loki.close()


@pytest.mark.parametrize("name", [n for n in ANSWERS if n != "drips headers"])
async def test_names_are_asked_with_the_same_limits(name: str) -> None:
    async with serving(ANSWERS[name]) as url, asyncio.timeout(PATIENCE):
        names = Names(PrometheusConfig(url=url, **LIMITS))
        with pytest.raises(BackendError):
            await names.label_values("job")
        names.close()


async def test_a_names_answer_that_never_comes_takes_no_thread_from_other_work() -> None:
    async with serving(DRIPS_HEADERS) as url, asyncio.timeout(PATIENCE):
        names = Names(PrometheusConfig(url=url, **LIMITS))
        asked = [names.label_values("job") for _ in range(40)]
        failed = await asyncio.gather(*asked, return_exceptions=True)
        assert all(isinstance(each, BackendUnavailableError) for each in failed)
        assert await asyncio.to_thread(lambda: "free") == "free"
        names.close()


@pytest.mark.parametrize("name", ["drips", "pours", "bomb", "bomb in a bomb", "not packed"])
async def test_what_a_webhook_answers_beside_its_status_is_not_read(name: str) -> None:
    never = 2 * PATIENCE  # who reads such an answer is still at it when the test loses patience
    async with serving(ANSWERS[name]) as url, asyncio.timeout(PATIENCE):
        await Webhook(WebhookConfig(url=url, setting="x", timeout_seconds=never)).post({}, "k")


async def test_a_webhook_whose_answer_never_begins_does_not_hold_the_sender() -> None:
    async with serving(DRIPS_HEADERS) as url, asyncio.timeout(PATIENCE):
        with pytest.raises(BackendUnavailableError):
            await Webhook(WebhookConfig(url=url, setting="x", timeout_seconds=0.1)).post({}, "k")


SHAPES: dict[str, object] = {
    "no data": None,
    "a number": 5,
    "no result": {},
    "a number as result": {"resultType": "matrix", "result": 5},
    "a number as series": {"resultType": "matrix", "result": [5]},
    "half a sample": {"resultType": "vector", "result": [{"metric": {}, "value": [1]}]},
    "a word as value": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "x"]}]},
    "a number as labels": {"resultType": "vector", "result": [{"metric": 5, "value": [1, "2"]}]},
}


@pytest.mark.parametrize("name", SHAPES)
async def test_an_answer_of_another_shape_is_no_bug_of_ours(name: str) -> None:
    answer = {"status": "success", "data": SHAPES[name]}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    prometheus = Prometheus(PrometheusConfig(url="http://it", **LIMITS), transport=transport)
    hour = Window.ending(NOW, timedelta(hours=1))
    with pytest.raises(BackendUnavailableError, match="prometheus"):
        await prometheus.query("up", NOW)
    if "value" not in str(answer):
        with pytest.raises(BackendUnavailableError, match="prometheus"):
            await prometheus.query_range("up", hour, timedelta(minutes=1))
    await prometheus.close()


async def test_a_watch_that_drips_and_never_says_anything_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "WATCH_SECONDS", 0.1)
    async with serving(without_end(CHUNKED, b"1\r\n\n\r\n", 0.01)) as url:
        file = write_kubeconfig(tmp_path / "config", url)
        config = KubernetesConfig(kubeconfig=file, timeout_seconds=0.1)
        api = KubernetesSession(config, acting=False)
        with pytest.raises(BackendUnavailableError):
            await asyncio.wait_for(anext(api.watch("Pod", "trading", "1")), PATIENCE)
        await api.close()


async def parts_of(*parts: bytes) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64])
async def test_a_line_is_one_however_its_parts_come(size: int) -> None:
    lines = [b"a", b"bcd", b"", b"efghi" * 3, b"j"]
    text = b"\n".join(lines) + b"\n"
    cut = [text[at : at + size] for at in range(0, len(text), size)]
    assert [line async for line in session._lines(parts_of(*cut), 100)] == list(filter(None, lines))


async def test_a_line_beyond_the_limit_is_not_held() -> None:
    reading = session._lines(parts_of(b"a\n" + b"b" * 60, b"b" * 60), 100)
    assert await anext(reading) == b"a"
    with pytest.raises(aiohttp.ClientPayloadError, match="larger than 100 bytes"):
        await anext(reading)


async def test_of_a_line_as_long_as_a_book_the_beginning_is_kept() -> None:
    at = str(int(NOW.timestamp()) * 10**9 - 1)
    text = "password=hunter22x " + "a " * MEGABYTE
    rows = [{"stream": {"service": "shop"}, "values": [[at, text]]}]
    answer = {"status": "success", "data": {"resultType": "streams", "result": rows}}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=answer))
    loki = Loki(LokiConfig(url="http://it"), transport=transport)
    (line,) = (await loki.search(Window.ending(NOW, timedelta(hours=1)))).lines
    assert len(line.text) == LONGEST_LINE
    assert line.text.endswith("…")
    assert len(shortened_line(text, SHOWN_CHARACTERS)) == SHOWN_CHARACTERS
    assert shortened_line(" " * MEGABYTE + "b", SHOWN_CHARACTERS) == "…"
    await loki.close()
