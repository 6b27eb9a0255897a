from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime

import httpx
import pytest
from aiohttp import web

from tests.fixtures.loopback import serving
from tools.backends.http import HttpConfig, HttpEndpoints
from tools.backends.logql import line_filter, selector
from tools.backends.loki import LokiConfig
from tools.errors import ActionRefusedError, BackendRefusedError, OutcomeUnknownError

LOKI = LokiConfig(url="http://loki")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a.b*", r'"(?i)a\\.b\\*"'),
        ('say "hi"', r'"(?i)say \"hi\""'),
        ("} |= `x`", r'"(?i)\\} \\|= `x`"'),
    ],
)
def test_a_persons_words_never_become_logql(text: str, written: str) -> None:
    assert line_filter(text) == f" |~ {written}"


def test_a_service_name_cannot_leave_its_quotes() -> None:
    written = selector(LOKI.service_label, LOKI.level_label, service='x"} or {a="')
    assert written == '{service="x\\"} or {a=\\""}'


def answered(status: int, headers: dict[str, str] | None = None) -> httpx.Response:
    """Return an answer whose body is still to be read, as it comes from a server."""
    return httpx.Response(status, headers=headers, stream=httpx.ByteStream(b""))


def endpoints(answer: httpx.Response | Exception, seen: list[httpx.Request]) -> HttpEndpoints:
    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        if isinstance(answer, Exception):
            raise answer
        return answer

    private = ("localhost", "Ops:8443", "[::1]")
    config = HttpConfig(hosts=("127.0.0.1",), private_hosts=private, secret="key")
    wall = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
    return HttpEndpoints(config, httpx.MockTransport(reply), wall=lambda: wall)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://evil.example/x", "not allowed"),
        ("http://127.0.0.1/x", "private address"),
        ("ftp://localhost/x", "http"),
        ("http://u:p@localhost/x", "without a user"),
        ("http://localhost:10250/x", "port 10250 .* list 'localhost:10250' under http_hosts"),
        ("https://localhost:80/x", "port 80 of 'localhost' is not allowed"),
        ("http://ops/x", "port 80 of 'ops' is not allowed; if that is meant, list 'ops' under"),
        ("http://[::1]:81/x", r"list '\[::1\]:81' under"),
    ],
)
async def test_calls_that_are_not_allowed_send_nothing(url: str, why: str) -> None:
    seen: list[httpx.Request] = []
    with pytest.raises(ActionRefusedError, match=why):
        await endpoints(answered(200), seen).call("POST", url, {}, "k")
    assert seen == []


@pytest.mark.parametrize("url", ["http://localhost/f", "https://localhost:443", "http://ops:8443"])
async def test_a_host_is_called_at_the_port_that_was_named_or_the_usual_one(url: str) -> None:
    seen: list[httpx.Request] = []
    config = HttpConfig(hosts=("localhost", "Ops:8443"))

    def reply(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return answered(200)

    async def public(_host: str, _port: int) -> list[str]:
        return ["1.1.1.1"]

    caller = HttpEndpoints(config, httpx.MockTransport(reply), resolve=public)
    assert (await caller.call("GET", url, None, "")).status == 200
    assert len(seen) == 1


async def test_a_call_is_signed_and_carries_its_key() -> None:
    seen: list[httpx.Request] = []
    await endpoints(answered(200), seen).call("POST", "http://localhost/f", {"a": 1}, "k")
    headers = seen[0].headers
    assert (headers["Host"], headers["Idempotency-Key"]) == ("localhost", "k")
    assert headers["X-Signature-Timestamp"] == "1795176000"
    signed = b'POST\nhttp://localhost/f\nk\n1795176000\n{"a": 1}'
    assert headers["X-Signature-SHA256"] == hmac.new(b"key", signed, hashlib.sha256).hexdigest()


async def test_a_redirect_elsewhere_is_not_followed() -> None:
    away = answered(307, {"Location": "http://evil.example/"})
    seen: list[httpx.Request] = []
    with pytest.raises(BackendRefusedError, match="redirect"):
        await endpoints(away, seen).call("POST", "http://localhost/f", None, "k")
    assert len(seen) == 1


@pytest.mark.parametrize("answer", [httpx.ReadTimeout("slow"), answered(502)])
async def test_a_call_without_a_usable_answer_is_unknown(answer: httpx.Response) -> None:
    with pytest.raises(OutcomeUnknownError):
        await endpoints(answer, []).call("POST", "http://localhost/f", None, "k")


async def test_a_real_server_is_reached_by_the_address_that_was_checked(
    unused_tcp_port: int,
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response({"host": request.host})

    async with serving(answer, port=unused_tcp_port, host="localhost") as url:
        caller = HttpEndpoints(HttpConfig(private_hosts=(f"localhost:{unused_tcp_port}",)))
        reply = await caller.call("POST", f"{url}/f", {}, "k")
        assert reply.text == f'{{"host": "localhost:{unused_tcp_port}"}}'
        await caller.close()
