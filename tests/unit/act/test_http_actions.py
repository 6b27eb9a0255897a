"""http_call, circuit_breaker and Patroni against real servers on loopback."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from aiohttp import web

from playbooks.templates import TemplateError, fill
from tests.fakes.clock import FakeClock
from tests.fixtures import loopback
from tests.unit.act.wire import Wire
from tools.act.actions import ACTIONS
from tools.act.contract import (
    ActionResult,
    Actors,
    Bound,
    Probe,
    TargetState,
    bind,
    parse_parameters,
)
from tools.backends.http import HttpConfig, HttpEndpoints, is_public
from tools.errors import (
    ActionRefusedError,
    BackendDeniedError,
    BackendRefusedError,
    BackendUnavailableError,
    BadArgumentError,
    LostRaceError,
    OutcomeUnknownError,
)
from tools.world import WorkloadRef

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TARGET = WorkloadRef("default", "trading", "Endpoint", "ops")


@dataclass
class Service:
    """A service of the company: it keeps a state, counts effects and knows idempotency keys."""

    flags: dict[str, str] = field(default_factory=lambda: {"fast-path": "on"})
    effects: list[str] = field(default_factory=list)
    seen: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    members: list[dict[str, Any]] = field(default_factory=list)
    scope: str = "pg"  # what Patroni calls its cluster
    deaf: bool = False  # accepts and does nothing
    garbled: str = ""  # after a request by this method it answers no state any more

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        self.bodies.append(await request.read())
        path = request.path
        if path.startswith("/status/"):
            return web.Response(status=int(path.removeprefix("/status/")), text="why not")
        if path == "/away":
            raise web.HTTPTemporaryRedirect("http://127.0.0.1:9/elsewhere")
        if path == "/near":
            raise web.HTTPFound("/flags/fast-path")
        if path == "/cluster":
            return web.json_response({"scope": self.scope, "members": self.members})
        if path == "/switchover":
            return self._switch(request)
        return self._flag(request)

    def _flag(self, request: web.Request) -> web.Response:
        name = request.path.rpartition("/")[2]
        if request.method != "GET" and self._first_time(request):
            self.flags[name] = json.loads(self.bodies[-1] or b"{}").get("state", "off")
        if request.method == self.garbled:
            self.flags.clear()
        return web.json_response({"state": self.flags[name]} if name in self.flags else {})

    def _switch(self, request: web.Request) -> web.Response:
        asked = json.loads(self.bodies[-1])
        if self._first_time(request):
            for each in self.members:
                each["role"] = "leader" if each["name"] == asked["candidate"] else "replica"
                each["state"] = "running" if each["role"] == "leader" else "streaming"
        return web.Response(text=f'Successfully switched over to "{asked["candidate"]}"')

    def _first_time(self, request: web.Request) -> bool:
        key = request.headers.get("Idempotency-Key", "")
        if self.deaf or key in self.keys:
            return False
        self.keys.add(key)
        self.effects.append(f"{request.method} {request.path}")
        return True


@dataclass
class Office:
    """The service, a wire to it, and the actions' caller."""

    service: Service
    wire: Wire
    http: HttpEndpoints
    waiting: Any = None

    @property
    def url(self) -> str:
        return self.wire.url.replace("127.0.0.1", "localhost")

    @property
    def actors(self) -> Actors:
        ours = Actors(FakeClock(NOW), http=self.http)
        return replace(ours, waiting=self.waiting) if self.waiting else ours

    async def observe(self, name: str, **raw: Any) -> TargetState:
        action = ACTIONS[name]
        return await action.observe(self.actors, TARGET, parse_parameters(action, raw))

    async def bound(self, name: str, **raw: Any) -> Bound:
        return bind(ACTIONS[name], await self.observe(name, **raw))

    async def run(self, bound: Bound, key: str = "PLAN-1/do/0") -> ActionResult:
        return await ACTIONS[bound.action].execute(self.actors, bound, key)

    async def undo(self, name: str, state: TargetState) -> ActionResult:
        spec = ACTIONS[name].undo_of(state)
        assert spec is not None
        return await self.run(await self.bound(name, **spec.parameters), "PLAN-1/undo/0")


@pytest.fixture
async def office(unused_tcp_port: int) -> AsyncIterator[Office]:
    service = Service()
    async with loopback.serving(service.answer) as url, Wire.to(url) as wire:
        ports = ("80", wire.url.rpartition(":")[2], str(unused_tcp_port))  # nobody hears the last
        hosts = [f"localhost:{port}" for port in ports]
        config = HttpConfig(private_hosts=tuple(hosts), secret="shared")
        http = HttpEndpoints(config, wall=lambda: NOW)
        yield Office(service, wire, http)
        await http.close()


def flag_off(office: Office) -> dict[str, str]:
    return {
        "url": f"{office.url}/flags/fast-path",
        "body": '{"state": "off"}',
        "undo_url": f"{office.url}/flags/fast-path",
        "undo_body": '{"state": "on"}',
        "probe_url": f"{office.url}/flags/fast-path",
        "probe_text": '"off"',
    }


# --- http_call ----------------------------------------------------------------------------------


async def test_a_call_takes_effect_once_and_its_way_back_restores(office: Office) -> None:
    state = await office.observe("http_call", **flag_off(office))
    bound = bind(ACTIONS["http_call"], state)
    shown = ACTIONS["http_call"].preview(state)
    assert [str(line) for line in shown.diff] == ['"off": not done → done']
    await ACTIONS["http_call"].dry_run(office.actors, bound)
    assert office.service.effects == []
    done = await office.run(bound)
    assert done.response == {"status": 200, "text": '{"state": "off"}'}
    assert done.detail == f"{office.url}/flags/fast-path answered 200"
    assert office.service.flags["fast-path"] == "off"
    with pytest.raises(LostRaceError, match="made meanwhile"):
        await office.run(bound)
    assert office.service.effects == ["POST /flags/fast-path"]
    await office.undo("http_call", state)
    assert office.service.flags["fast-path"] == "on"


async def test_the_same_step_sent_twice_is_one_effect_where_keys_are_known(
    office: Office,
) -> None:
    bound = await office.bound("http_call", url=f"{office.url}/flags/fast-path")
    await office.run(bound)
    await office.run(bound)
    assert office.service.effects == ["POST /flags/fast-path"]
    assert [r.headers["Idempotency-Key"] for r in office.service.seen] == ["PLAN-1/do/0"] * 2
    await office.run(bound, "PLAN-2/do/0")
    assert len(office.service.effects) == 2


async def test_a_call_is_signed_so_that_its_receiver_can_check_all_of_it(office: Office) -> None:
    url = f"{office.url}/flags/fast-path"
    await office.run(await office.bound("http_call", url=url, body='{"state": "off"}'))
    (request,) = office.service.seen
    at = request.headers["X-Signature-Timestamp"]
    assert at == str(int(NOW.timestamp()))
    signed = f"POST\n{url}\nPLAN-1/do/0\n{at}\n".encode() + office.service.bodies[0]
    wanted = hmac.new(b"shared", signed, hashlib.sha256).hexdigest()
    assert request.headers["X-Signature-SHA256"] == wanted


async def test_a_lost_answer_is_unknown_and_the_probe_tells(office: Office) -> None:
    bound = await office.bound("http_call", **flag_off(office))
    action = ACTIONS["http_call"]
    assert await action.probe(office.actors, bound, "PLAN-1/do/0") is Probe.NOT_DONE
    office.wire.cut = "POST"
    with pytest.raises(OutcomeUnknownError, match="was sent and not answered"):
        await office.run(bound)
    assert office.service.effects == ["POST /flags/fast-path"]
    assert await action.probe(office.actors, bound, "PLAN-1/do/0") is Probe.DONE
    blind = await office.bound("http_call", url=f"{office.url}/flags/other")
    assert await action.probe(office.actors, blind, "PLAN-1/do/0") is Probe.UNKNOWN


async def test_what_is_done_already_is_not_proposed(office: Office) -> None:
    office.service.flags["fast-path"] = "off"
    with pytest.raises(ActionRefusedError, match="already; nothing to do"):
        await office.observe("http_call", **flag_off(office))


async def test_a_service_that_says_yes_and_does_nothing_is_not_believed(office: Office) -> None:
    office.service.deaf = True
    bound = await office.bound("http_call", **flag_off(office))
    with pytest.raises(OutcomeUnknownError, match="does not say"):
        await office.run(bound)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, BackendRefusedError),
        (403, BackendDeniedError),
        (409, BackendRefusedError),
        (500, OutcomeUnknownError),
        (503, OutcomeUnknownError),
    ],
)
async def test_what_a_status_means(office: Office, status: int, error: type[Exception]) -> None:
    bound = await office.bound("http_call", url=f"{office.url}/status/{status}")
    with pytest.raises(error, match="why not"):
        await office.run(bound)


async def test_a_host_that_is_gone_was_sent_nothing(office: Office, unused_tcp_port: int) -> None:
    bound = await office.bound("http_call", url=f"http://localhost:{unused_tcp_port}/f")
    with pytest.raises(BackendUnavailableError, match="cannot be reached"):
        await office.run(bound)


async def test_a_call_that_hangs_ends_with_its_timeout() -> None:
    over = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(silent, "127.0.0.1", 0) as hanging:
        port = hanging.sockets[0].getsockname()[1]
        http = HttpEndpoints(HttpConfig(private_hosts=(f"localhost:{port}",), timeout_seconds=0.2))
        http._connect().timeout = httpx.Timeout(None, read=0.2)  # the answer alone never comes
        with pytest.raises(OutcomeUnknownError, match="ReadTimeout"):
            await http.call("POST", f"http://localhost:{port}/f", None, "k")
        await http.close()
        over.set()


async def test_redirects_of_a_change_are_refused_and_of_a_look_stay_on_the_host(
    office: Office,
) -> None:
    bound = await office.bound("http_call", url=f"{office.url}/away")
    with pytest.raises(BackendRefusedError, match=r"redirect to 'http://127\.0\.0\.1:9/elsew"):
        await office.run(bound)
    bound = await office.bound("http_call", url=f"{office.url}/near")
    with pytest.raises(BackendRefusedError, match="name the final address"):
        await office.run(bound)
    looked = await office.http.call("GET", f"{office.url}/near", None, "")
    assert looked.text == '{"state": "on"}'
    with pytest.raises(BackendRefusedError, match="elsewhere"):
        await office.http.call("GET", f"{office.url}/away", None, "")
    assert office.service.effects == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://other.example/f", "'other.example' is not allowed"),
        ("http://localhost.evil.example/f", "is not allowed"),
        ("http://localhost@evil.example/f", "without a user"),
        ("http://127.0.0.1/f", "'127.0.0.1' is not allowed"),
        ("http://[::1]/f", "is not allowed"),
        ("file:///etc/passwd", "write http"),
        ("http://loc\nalhost/f", "is no address"),
    ],
)
async def test_an_address_that_is_not_on_the_list_is_refused_before_anything_is_sent(
    office: Office, url: str, why: str
) -> None:
    with pytest.raises(ActionRefusedError, match=why):
        await office.observe("http_call", url=url)
    assert office.service.seen == []


class Dns:
    """Answers each question with the next of its answers, and counts them."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "fe80::1%eth0",
        "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "0.0.0.0", "100.64.0.1", "224.0.0.1",
    ],
)  # fmt: skip
async def test_a_public_name_that_resolves_into_the_house_is_refused(address: str) -> None:
    http = HttpEndpoints(HttpConfig(hosts=("ops.example",)), resolve=Dns(["1.1.1.1", address]))
    with pytest.raises(ActionRefusedError, match="private address"):
        await http.check("POST", "http://ops.example/f")
    assert is_public("1.1.1.1")
    assert is_public("2606:4700:4700::1111")


async def test_a_name_that_changes_its_answer_is_called_at_the_address_that_was_checked(
    office: Office,
) -> None:
    dns = Dns(["127.0.0.1"], ["127.0.0.7"])
    port = office.wire.url.rpartition(":")[2]
    config = HttpConfig(private_hosts=(f"ops.internal:{port}",))
    http = HttpEndpoints(config, resolve=dns)
    reply = await http.call("POST", f"http://ops.internal:{port}/flags/x", None, "k")
    assert (reply.status, dns.asked) == (200, 1)
    assert office.service.seen[0].headers["Host"] == f"ops.internal:{port}"
    await http.close()


async def test_a_second_address_is_tried_only_when_the_first_was_never_reached(
    office: Office,
) -> None:
    port = office.wire.url.rpartition(":")[2]
    config = HttpConfig(private_hosts=(f"ops.internal:{port}",))
    http = HttpEndpoints(config, resolve=Dns(["127.0.0.9", "127.0.0.1"]))
    await http.call("POST", f"http://ops.internal:{port}/flags/x", None, "k")
    both = HttpEndpoints(config, resolve=Dns(["127.0.0.1", "127.0.0.1"]))
    office.wire.cut = "POST"
    with pytest.raises(OutcomeUnknownError):
        await both.call("POST", f"http://ops.internal:{port}/flags/y", None, "k2")
    assert office.service.effects == ["POST /flags/x", "POST /flags/y"]
    await http.close()
    await both.close()


def test_a_template_cannot_change_the_host() -> None:
    values = {"host": "evil.example", "name": "../../admin"}
    for url in (
        "http://{{ host }}/f",
        "http://ops.{{ host }}/f",
        "{{ host }}",
        "http://{{ host }}@x/",
    ):
        with pytest.raises(TemplateError, match="scheme and host must be written out"):
            fill({"probe_url": url}, values)
    filled = fill({"url": "http://ops.internal/{{ name }}"}, values)
    assert filled == {"url": "http://ops.internal/..%2F..%2Fadmin"}


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ({"url": "http://localhost/f", "body": "[1]"}, "must be a JSON object"),
        ({"url": "http://localhost/f", "method": "GET"}, "method"),
        ({"url": "http://localhost/f", "probe_url": "http://localhost/f"}, "together"),
        ({"ulr": "http://localhost/f"}, "Did you mean 'url'"),
    ],
)
def test_wrong_parameters_are_told_with_field_and_value(raw: dict[str, str], why: str) -> None:
    with pytest.raises(BadArgumentError, match=why):
        parse_parameters(ACTIONS["http_call"], raw)


# --- circuit_breaker ----------------------------------------------------------------------------


async def test_a_breaker_is_set_seen_and_set_back(office: Office) -> None:
    office.service.flags["risk"] = "closed"
    raw = {"url": f"{office.url}/breakers/risk", "state": "open"}
    state = await office.observe("circuit_breaker", **raw)
    bound, action = bind(ACTIONS["circuit_breaker"], state), ACTIONS["circuit_breaker"]
    shown = action.preview(state)
    assert [str(line) for line in shown.diff] == ["state: closed → open"]
    assert shown.operations == ({"method": "PUT", **raw},)
    assert (shown.affected, shown.pods_affected, shown.pods_total) == ((TARGET,), 0, 0)
    await action.dry_run(office.actors, bound)
    assert office.service.effects == []
    assert await action.probe(office.actors, bound, "k") is Probe.NOT_DONE
    await office.run(bound)
    assert office.service.flags["risk"] == "open"
    assert await action.probe(office.actors, bound, "k") is Probe.DONE
    with pytest.raises(LostRaceError, match="has become 'open'"):
        await office.run(bound)
    assert office.service.effects == ["PUT /breakers/risk"]
    await office.undo("circuit_breaker", state)
    assert office.service.flags["risk"] == "closed"
    with pytest.raises(ActionRefusedError, match="already 'closed'"):
        await office.observe("circuit_breaker", **{**raw, "state": "closed"})


async def test_a_breaker_whose_answer_is_lost_is_looked_at(office: Office) -> None:
    office.service.flags["risk"] = "closed"
    bound = await office.bound("circuit_breaker", url=f"{office.url}/breakers/risk")
    office.wire.cut = "PUT"
    with pytest.raises(OutcomeUnknownError):
        await office.run(bound)
    probed = await ACTIONS["circuit_breaker"].probe(office.actors, bound, "PLAN-1/do/0")
    assert probed is Probe.DONE
    assert office.service.effects == ["PUT /breakers/risk"]


async def test_a_breaker_that_does_not_move_is_not_called_done(office: Office) -> None:
    office.service.flags["risk"] = "closed"
    office.service.deaf = True
    bound = await office.bound("circuit_breaker", url=f"{office.url}/breakers/risk")
    with pytest.raises(OutcomeUnknownError, match="it says 'closed'"):
        await office.run(bound)


async def test_a_breaker_that_cannot_be_read_after_it_was_set_is_not_called_done(
    office: Office,
) -> None:
    url = f"{office.url}/breakers/risk"
    office.service.flags["risk"] = "closed"
    bound = await office.bound("circuit_breaker", url=url)
    office.service.garbled = "PUT"
    with pytest.raises(OutcomeUnknownError, match="accepted the change but cannot be read"):
        await office.run(bound)
    assert office.service.effects == ["PUT /breakers/risk"]
    with pytest.raises(ActionRefusedError, match="does not answer a breaker's state"):
        await office.observe("circuit_breaker", url=url)


async def test_a_breaker_that_moved_since_it_was_shown_is_not_tried(office: Office) -> None:
    office.service.flags["risk"] = "closed"
    bound = await office.bound("circuit_breaker", url=f"{office.url}/breakers/risk")
    office.service.flags["risk"] = "half_open"
    with pytest.raises(LostRaceError, match="has become 'half_open'"):
        await ACTIONS["circuit_breaker"].dry_run(office.actors, bound)
    probed = await ACTIONS["circuit_breaker"].probe(office.actors, bound, "PLAN-1/do/0")
    assert probed is Probe.UNKNOWN


# --- database_failover with Patroni -------------------------------------------------------------


def patroni(office: Office, **second: Any) -> dict[str, str]:
    office.service.members = [
        {"name": "pg-1", "role": "leader", "state": "running", "timeline": 4},
        {"name": "pg-2", "role": "replica", "state": "streaming", "lag": 512, **second},
        {"name": "pg-3", "role": "sync_standby", "state": "streaming", "lag": 4096},
    ]
    return {"patroni_url": office.url}


def leader(office: Office) -> str:
    return next(str(m["name"]) for m in office.service.members if m["role"] == "leader")


async def test_patroni_switches_to_the_nearest_replica_and_back(office: Office) -> None:
    state = await office.observe("database_failover", **patroni(office))
    action, bound = ACTIONS["database_failover"], bind(ACTIONS["database_failover"], state)
    assert [str(line) for line in action.preview(state).diff] == ["leader: pg-1 → pg-2"]
    assert "512 bytes behind" in action.preview(state).summary
    await action.dry_run(office.actors, bound)
    assert office.service.effects == []
    assert await action.probe(office.actors, bound, "k") is Probe.NOT_DONE
    await office.run(bound)
    assert leader(office) == "pg-2"
    sent = next(b for r, b in zip(office.service.seen, office.service.bodies, strict=True) if b)
    assert json.loads(sent) == {"leader": "pg-1", "candidate": "pg-2"}
    assert await action.probe(office.actors, bound, "k") is Probe.DONE
    with pytest.raises(LostRaceError, match="'pg-2' leads"):
        await office.run(bound)
    assert office.service.effects == ["POST /switchover"]
    office.service.members[0]["lag"] = 0
    await office.undo("database_failover", state)
    assert leader(office) == "pg-1"


@pytest.mark.parametrize(
    ("second", "why"),
    [
        ({"lag": 99_000_000}, "99000000 bytes behind the leader, more than max_lag_bytes 16777216"),
        ({"lag": "unknown"}, "accept_unknown_lag: true"),
        ({"state": "in archive recovery"}, "'in archive recovery', not streaming"),
        ({"name": "pg-9"}, "'pg-2' is no replica that can be promoted; replicas: pg-9, pg-3"),
    ],
)
async def test_patroni_is_not_asked_for_a_replica_that_would_lose_data(
    office: Office, second: dict[str, Any], why: str
) -> None:
    raw = {**patroni(office, **second), "to_instance": "pg-2"}
    with pytest.raises(ActionRefusedError, match=why):
        await office.observe("database_failover", **raw)
    patroni(office)
    bound = await office.bound("database_failover", **raw)
    patroni(office, **second)
    with pytest.raises(ActionRefusedError, match=why):
        await office.run(bound)
    assert office.service.effects == []


async def test_patroni_without_a_leader_or_another_server_in_its_place_is_refused(
    office: Office,
) -> None:
    raw = patroni(office)
    office.service.members[0]["role"] = "replica"
    with pytest.raises(ActionRefusedError, match="names no leader"):
        await office.observe("database_failover", **raw)
    with pytest.raises(ActionRefusedError, match="does not answer as Patroni does"):
        await office.observe("database_failover", patroni_url=f"{office.url}/flags")
    with pytest.raises(BadArgumentError, match="needs patroni_url"):
        await office.observe("database_failover")


async def test_another_cluster_at_patronis_address_is_not_switched_though_its_members_are_called_so(
    office: Office,
) -> None:
    bound = await office.bound("database_failover", **patroni(office))
    office.service.scope = "payments"
    with pytest.raises(LostRaceError, match="leads 'payments'"):
        await office.run(bound)
    assert office.service.effects == []
    office.service.members[0]["role"], office.service.members[1]["role"] = "replica", "leader"
    probed = await ACTIONS["database_failover"].probe(office.actors, bound, "k")
    assert probed is Probe.UNKNOWN


async def test_a_switchover_nobody_carries_out_is_unknown_and_a_lost_answer_is_looked_up(
    office: Office,
) -> None:
    office.waiting = Twice()
    office.service.deaf = True
    bound = await office.bound("database_failover", **patroni(office))
    with pytest.raises(OutcomeUnknownError, match="'pg-1' leads after"):
        await office.run(bound)
    assert office.waiting.left == 0
    office.service.deaf = False
    office.wire.cut = "POST"
    with pytest.raises(OutcomeUnknownError, match="not answered"):
        await office.run(bound, "PLAN-2/do/0")
    probed = await ACTIONS["database_failover"].probe(office.actors, bound, "PLAN-2/do/0")
    assert probed is Probe.DONE


class Twice:
    """Patience for two looks."""

    left = 2

    async def pause(self, seconds: float) -> bool:
        self.left -= 1
        return self.left > 0
