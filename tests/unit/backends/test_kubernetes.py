from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.fixtures.kubeconfig import write_kubeconfig
from tests.fixtures.loopback import serving
from tools.backends.kubernetes import KubernetesActor, KubernetesConfig
from tools.errors import (
    BackendDeniedError,
    BackendRefusedError,
    BackendUnavailableError,
    LostRaceError,
    OutcomeUnknownError,
)
from tools.world import WorkloadRef

SHOP = WorkloadRef("default", "trading", "Deployment", "shop")
OPERATIONS = [{"op": "replace", "path": "/spec/replicas", "value": 3}]


@dataclass
class Server:
    status: int = 200
    body: dict[str, object] = field(default_factory=dict)
    silent: bool = False
    requests: list[str] = field(default_factory=list)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append(f"{request.method} {request.path_qs}")
        if self.silent:
            await self.released.wait()
        return web.json_response(self.body, status=self.status)


@pytest.fixture
async def server() -> AsyncIterator[tuple[Server, str]]:
    state = Server()
    async with serving(state.answer) as url:
        yield state, url
        state.released.set()


@pytest.fixture
async def actor(server: tuple[Server, str], tmp_path: Path) -> AsyncIterator[KubernetesActor]:
    config = KubernetesConfig(
        kubeconfig_act=write_kubeconfig(tmp_path / "config", server[1]), timeout_seconds=0.3
    )
    adapter = KubernetesActor(config)
    yield adapter
    await adapter.close()


async def test_a_change_that_is_not_answered_is_unknown_and_sent_once(
    server: tuple[Server, str], actor: KubernetesActor
) -> None:
    server[0].silent = True
    with pytest.raises(OutcomeUnknownError):
        await actor.patch(SHOP, OPERATIONS, dry_run=False)
    assert len(server[0].requests) == 1


async def test_a_dry_run_that_is_not_answered_is_only_unavailable(
    server: tuple[Server, str], actor: KubernetesActor
) -> None:
    server[0].silent = True
    with pytest.raises(BackendUnavailableError):
        await actor.patch(SHOP, OPERATIONS, dry_run=True)
    assert "dryRun=All" in server[0].requests[0]


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (403, "no", BackendDeniedError),
        (409, "conflict", LostRaceError),
        (422, "the server rejected our request due to an error in our request", LostRaceError),
        (422, 'Deployment.apps "test" is invalid: spec.replicas', BackendRefusedError),
        (429, "disruption budget", BackendRefusedError),
        (500, "etcd", OutcomeUnknownError),
    ],
)
async def test_each_status_means_one_error(
    server: tuple[Server, str],
    actor: KubernetesActor,
    status: int,
    message: str,
    error: type[Exception],
) -> None:
    server[0].status, server[0].body = status, {"message": message, "reason": "R"}
    with pytest.raises(error):
        await actor.patch(SHOP, OPERATIONS, dry_run=False)


async def test_a_server_that_is_not_there_received_nothing(
    tmp_path: Path, unused_tcp_port: int
) -> None:
    url = f"http://127.0.0.1:{unused_tcp_port}"
    actor = KubernetesActor(
        KubernetesConfig(kubeconfig_act=write_kubeconfig(tmp_path / "config", url))
    )
    with pytest.raises(BackendUnavailableError):
        await actor.patch(SHOP, OPERATIONS, dry_run=False)
    await actor.close()


async def test_without_an_acting_identity_the_variable_is_named() -> None:
    actor = KubernetesActor(KubernetesConfig())
    with pytest.raises(BackendDeniedError, match="KUBECONFIG_ACT"):
        await actor.get(SHOP)
    assert not (await actor.health()).configured
