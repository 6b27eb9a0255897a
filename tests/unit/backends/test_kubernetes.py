from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fixtures.kubeconfig import write_kubeconfig
from tests.fixtures.loopback import Server, after, says
from tests.patience import PATIENCE
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


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server(says({})).serving() as running:
        yield running


@asynccontextmanager
async def acting(folder: Path, url: str, timeout_seconds: float) -> AsyncIterator[KubernetesActor]:
    kubeconfig = write_kubeconfig(folder / "config", url)
    config = KubernetesConfig(kubeconfig_act=kubeconfig, timeout_seconds=timeout_seconds)
    adapter = KubernetesActor(config)
    yield adapter
    await adapter.close()


@pytest.fixture
async def actor(server: Server, tmp_path: Path) -> AsyncIterator[KubernetesActor]:
    async with acting(tmp_path, server.url, PATIENCE) as patient:
        yield patient


@pytest.fixture
async def hasty(server: Server, tmp_path: Path) -> AsyncIterator[KubernetesActor]:
    """It waits for no answer, so that none need come late."""
    async with acting(tmp_path, server.url, 1.0) as impatient:
        yield impatient


async def test_a_change_that_is_not_answered_is_unknown_and_sent_once(
    server: Server, hasty: KubernetesActor
) -> None:
    server.day = after(asyncio.Event(), says({}))
    with pytest.raises(OutcomeUnknownError):
        await hasty.patch(SHOP, OPERATIONS, dry_run=False)
    assert len(server.asked) == 1


async def test_a_dry_run_that_is_not_answered_is_only_unavailable(
    server: Server, hasty: KubernetesActor
) -> None:
    server.day = after(asyncio.Event(), says({}))
    with pytest.raises(BackendUnavailableError):
        await hasty.patch(SHOP, OPERATIONS, dry_run=True)
    assert "dryRun=All" in server.asked[0].path


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
    server: Server,
    actor: KubernetesActor,
    status: int,
    message: str,
    error: type[Exception],
) -> None:
    body = {"message": message, "reason": "R"}
    server.day = says(body, status, {"Content-Type": "application/json"})
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
