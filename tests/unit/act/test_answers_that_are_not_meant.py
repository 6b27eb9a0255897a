"""Answers to an acting call: from the host that was asked, about the object that was meant, small.

The server here stands where the API server does, or between it and us, and lies.
"""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.fixtures.kubeconfig import write_kubeconfig
from tests.fixtures.loopback import says, serving
from tools.backends.http import HttpConfig, HttpEndpoints
from tools.backends.kubernetes import KubernetesActor, KubernetesConfig
from tools.errors import (
    AnswerTooLargeError,
    BackendRefusedError,
    BackendUnavailableError,
    OutcomeUnknownError,
)
from tools.world import WorkloadRef

SHOP = WorkloadRef("default", "trading", "Deployment", "shop")
POD = WorkloadRef("default", "trading", "Pod", "shop-1", "uid-1")
JOB = WorkloadRef("default", "trading", "Job", "clean-1")
MEGABYTE = 1024 * 1024
Json = dict[str, Any]


@dataclass
class Liar:
    """Answers what a test tells it to, and remembers what was asked."""

    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    asked: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        self.tokens.append(request.headers.get("Authorization", ""))
        assert self.answer is not None
        return await self.answer(request)


@dataclass
class Place:
    """A liar, where he lives, and the acting identity that asks him."""

    liar: Liar
    url: str
    actor: KubernetesActor


def goes_to(url: str, status: int) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": f"{url}{request.path_qs}"})

    return answer


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    liar = Liar()
    async with serving(liar.handle) as url:
        file = write_kubeconfig(tmp_path / "config", url)
        actor = KubernetesActor(
            KubernetesConfig(kubeconfig_act=file, timeout_seconds=10, max_response_bytes=MEGABYTE)
        )
        yield Place(liar, url, actor)
        await actor.close()


@pytest.fixture
async def elsewhere() -> AsyncIterator[tuple[Liar, str]]:
    liar = Liar()
    async with serving(liar.handle) as url:
        yield liar, url


def deployment(**changes: Any) -> Json:
    metadata = {"namespace": "trading", "name": "shop", "uid": "uid-shop", **changes}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": {}}


OPERATIONS = [{"op": "add", "path": "/spec/replicas", "value": 3}]
Call = Callable[[KubernetesActor], Awaitable[object]]
CHANGES: dict[str, Call] = {
    "patch": lambda actor: actor.patch(SHOP, OPERATIONS, dry_run=False),
    "delete": lambda actor: actor.delete(POD, dry_run=False, uid="uid-1"),
    "create": lambda actor: actor.create(JOB, {"kind": "Job"}, dry_run=False),
    "evict": lambda actor: actor.create(
        POD, {"kind": "Eviction"}, dry_run=False, subresource="eviction"
    ),
}
READS: dict[str, Call] = {
    "get": lambda actor: actor.get(SHOP),
    "list": lambda actor: actor.list("Pod", "trading"),
    "dry run": lambda actor: actor.patch(SHOP, OPERATIONS, dry_run=True),
    "logs": lambda actor: actor.logs(POD, 5),
}


# --- another host -------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("name", [*CHANGES, *READS])
async def test_an_acting_call_is_sent_to_no_other_host(
    place: Place, elsewhere: tuple[Liar, str], name: str, status: int
) -> None:
    other, url = elsewhere
    other.answer = says(deployment())
    place.liar.answer = goes_to(url, status)
    with pytest.raises(BackendRefusedError, match="sends us on to"):
        await {**CHANGES, **READS}[name](place.actor)
    assert other.asked == []
    assert len(place.liar.asked) == 1


async def test_nor_to_another_path_of_the_same_host(place: Place) -> None:
    place.liar.answer = goes_to(f"{place.url}/else", 307)
    with pytest.raises(BackendRefusedError, match="sends us on to"):
        await CHANGES["patch"](place.actor)
    assert len(place.liar.asked) == 1


# --- another object -----------------------------------------------------------------------------

OTHERS: tuple[Json, ...] = (
    {**deployment(), "kind": "StatefulSet"},
    deployment(name="vault"),
    deployment(namespace="safe"),
    {"apiVersion": "v1", "kind": "Status", "status": "Success"},
)


@pytest.mark.parametrize("other", OTHERS, ids=["kind", "name", "namespace", "status"])
async def test_an_object_that_was_not_meant_is_not_read(place: Place, other: Json) -> None:
    place.liar.answer = says(other)
    with pytest.raises(BackendUnavailableError, match="instead of"):
        await place.actor.get(SHOP)


@pytest.mark.parametrize("other", OTHERS, ids=["kind", "name", "namespace", "status"])
async def test_a_change_that_answers_another_object_is_not_proved(
    place: Place, other: Json
) -> None:
    place.liar.answer = says(other)
    with pytest.raises(OutcomeUnknownError, match="instead of"):
        await place.actor.patch(SHOP, OPERATIONS, dry_run=False)


async def test_a_change_of_an_object_with_another_uid_is_not_proved(place: Place) -> None:
    bound = WorkloadRef("default", "trading", "Deployment", "shop", "uid-shop")
    place.liar.answer = says(deployment(uid="made-anew"))
    with pytest.raises(OutcomeUnknownError, match="made-anew"):
        await place.actor.patch(bound, OPERATIONS, dry_run=False)
    place.liar.answer = says(deployment())
    assert await place.actor.patch(bound, OPERATIONS, dry_run=False)


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "Status", "status": "Success", "details": {"name": "vault-1", "kind": "pods"}},
        {"kind": "Status", "status": "Success", "details": {"name": "shop-1", "uid": "other"}},
        {"kind": "Pod", "metadata": {"namespace": "trading", "name": "vault-1", "uid": "uid-1"}},
        {"kind": "Pod", "metadata": {"namespace": "trading", "name": "shop-1", "uid": "other"}},
    ],
)
async def test_a_deletion_that_names_another_object_is_not_proved(
    place: Place, answer: Json
) -> None:
    place.liar.answer = says(answer)
    with pytest.raises(OutcomeUnknownError, match="instead of"):
        await place.actor.delete(POD, dry_run=False, uid="uid-1")


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "Status", "status": "Success"},
        {"kind": "Status", "status": "Success", "details": {"name": "shop-1", "uid": "uid-1"}},
        {"kind": "Pod", "metadata": {"namespace": "trading", "name": "shop-1", "uid": "uid-1"}},
    ],
)
async def test_what_an_api_server_says_of_a_deletion_is_accepted(
    place: Place, answer: Json
) -> None:
    place.liar.answer = says(answer)
    await place.actor.delete(POD, dry_run=False, uid="uid-1")


async def test_a_created_object_is_the_one_that_was_sent(place: Place) -> None:
    meta = {"namespace": "trading", "name": "clean-1", "uid": "u"}
    made = {"kind": "Job", "metadata": meta}
    place.liar.answer = says(made)
    assert await CHANGES["create"](place.actor)
    place.liar.answer = says({**made, "metadata": {**meta, "name": "clean-2"}})
    with pytest.raises(OutcomeUnknownError, match="instead of"):
        await CHANGES["create"](place.actor)


@pytest.mark.parametrize(
    "answer",
    [
        {"kind": "SecretList", "items": []},
        {"kind": "PodList", "items": [{"metadata": {"namespace": "safe", "name": "vault-1"}}]},
        {"kind": "PodList", "items": [{"kind": "Secret", "metadata": {"namespace": "trading"}}]},
    ],
)
async def test_a_list_of_something_else_is_not_read(place: Place, answer: Json) -> None:
    place.liar.answer = says(answer)
    with pytest.raises(BackendUnavailableError, match="instead of"):
        await place.actor.list("Pod", "trading")


async def test_a_list_without_an_end_is_not_read_for_ever(place: Place) -> None:
    place.liar.answer = says({"kind": "PodList", "items": [], "metadata": {"continue": "more"}})
    with pytest.raises(AnswerTooLargeError, match="pages"):
        await place.actor.list("Pod", "trading")
    assert len(place.liar.asked) <= 1000


# --- a large body -------------------------------------------------------------------------------


def large(item: Json) -> bytes:
    return json.dumps({**item, "filler": "x" * (4 * MEGABYTE)}).encode()


def packed(body: bytes, encoding: str) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    packers: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "": bytes,
    }
    pack = packers[encoding]

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": "application/json"}
        if encoding:
            headers["Content-Encoding"] = encoding
        return web.Response(body=pack(body), headers=headers)

    return answer


ENCODINGS = pytest.mark.parametrize("encoding", ["", "gzip", "deflate"])


@ENCODINGS
@pytest.mark.parametrize("name", ["get", "list", "dry run", "logs"])
async def test_an_answer_beyond_the_limit_is_not_read_whole(
    place: Place, name: str, encoding: str
) -> None:
    place.liar.answer = packed(large(deployment()), encoding)
    with pytest.raises(AnswerTooLargeError, match="larger than"):
        await READS[name](place.actor)


@ENCODINGS
async def test_a_change_whose_answer_is_beyond_the_limit_is_not_proved(
    place: Place, encoding: str
) -> None:
    place.liar.answer = packed(large(deployment()), encoding)
    with pytest.raises(OutcomeUnknownError, match="larger than"):
        await CHANGES["patch"](place.actor)


async def test_a_packed_answer_within_the_limit_is_read(place: Place) -> None:
    place.liar.answer = packed(json.dumps(deployment()).encode(), "gzip")
    assert await place.actor.get(SHOP)


@asynccontextmanager
async def endpoints_of(liar: Liar) -> AsyncIterator[tuple[HttpEndpoints, str]]:
    async with serving(liar.handle) as url:
        endpoints = HttpEndpoints(HttpConfig(private_hosts=(url.removeprefix("http://"),)))
        try:
            yield endpoints, f"{url}/x"
        finally:
            await endpoints.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_http_call_reads_the_beginning_of_a_body_and_no_more(method: str) -> None:
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        await response.prepare(request)
        while sent < 600 * MEGABYTE:
            sent += MEGABYTE
            try:
                await response.write(b"ok " * (MEGABYTE // 3))
            except ConnectionError:
                break
        return response

    async with endpoints_of(Liar(endless)) as (endpoints, url):
        reply = await endpoints.call(method, url, None, "key")
    assert reply.status == 200
    assert reply.text.startswith("ok ok ")
    assert len(reply.text) == 4000
    assert sent < 200 * MEGABYTE  # the server was cut off long before its end


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_http_call_unpacks_the_beginning_of_a_bomb_and_no_more(
    encoding: str, method: str
) -> None:
    bomb = packed(b"ok " * (100 * MEGABYTE // 3), encoding)
    async with endpoints_of(Liar(bomb)) as (endpoints, url):
        tracemalloc.start()
        try:
            reply = await endpoints.call(method, url, None, "key")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert reply.text.startswith("ok ok ")
    assert len(reply.text) == 4000
    assert peak < 16 * MEGABYTE


@pytest.mark.parametrize("charset", ["no-such", "zlib", "idna"])
async def test_http_call_reads_a_charset_that_is_none_as_text(charset: str) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Type": f"text/plain; charset={charset}"}
        return web.Response(body="grün".encode(), headers=headers)

    async with endpoints_of(Liar(answer)) as (endpoints, url):
        assert (await endpoints.call("GET", url, None, "")).text == "grün"


async def test_http_call_does_not_unpack_what_it_does_not_know() -> None:
    async def strange(request: web.Request) -> web.StreamResponse:
        return web.Response(body=b"\x28\xb5\x2f\xfd", headers={"Content-Encoding": "zstd"})

    async with endpoints_of(Liar(strange)) as (endpoints, url):
        with pytest.raises(BackendUnavailableError, match="zstd"):
            await endpoints.call("GET", url, None, "")
        with pytest.raises(OutcomeUnknownError, match="zstd"):
            await endpoints.call("POST", url, None, "")
