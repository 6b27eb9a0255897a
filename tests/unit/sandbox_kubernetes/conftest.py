"""An imitated cluster with a clock that only the test moves."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from sandbox.clock import ManualClock
from sandbox.kubernetes.access import ACTOR_TOKEN
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.server import KubernetesServer, start_kubernetes
from sandbox.world.faults import FaultLog
from tests.patience import PATIENCE

NOW = 1_795_180_000.0
Json = dict[str, Any]


@dataclass
class Api:
    """A client that speaks plain HTTP to the server."""

    session: aiohttp.ClientSession
    server: KubernetesServer
    clock: ManualClock
    faults: FaultLog

    async def call(
        self, method: str, path: str, body: Any = None, *, kind: str = "application/json",
        token: str = ACTOR_TOKEN, accept: str = "application/json",
    ) -> tuple[int, Any]:  # fmt: skip
        """Send one request; the answer is (status, decoded body)."""
        headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, "Accept": accept}
        async with self.session.request(
            method, self.server.url + path, json=body, headers=headers
        ) as reply:
            if reply.content_type == "application/json":
                return reply.status, await reply.json()
            return reply.status, await reply.text()

    async def get(self, path: str) -> Any:
        """Read one thing that must be there."""
        status, found = await self.call("GET", path)
        assert status == 200, found
        return found

    def pass_time(self, seconds: float) -> None:
        """Let world time pass, second by second."""
        for _ in range(int(seconds)):
            self.clock.advance(1.0)
            self.server.settle()

    async def lines(self, path: str, count: int) -> list[Json]:
        """The first events of a watch."""
        headers = {"Authorization": f"Bearer {ACTOR_TOKEN}"}
        found: list[Json] = []
        async with (
            asyncio.timeout(PATIENCE),
            self.session.get(self.server.url + path, headers=headers) as reply,
        ):
            while len(found) < count:
                line = await reply.content.readline()
                if not line:
                    break
                found.append(json.loads(line))
        return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
def faults() -> FaultLog:
    return FaultLog()


@pytest.fixture
def cluster(faults: FaultLog, clock: ManualClock, tmp_path: Path) -> Cluster:
    return Cluster(faults, clock.now(), path=tmp_path / "cluster.json")


@pytest.fixture
async def api(
    cluster: Cluster, clock: ManualClock, faults: FaultLog, tmp_path: Path
) -> AsyncIterator[Api]:
    server = await start_kubernetes(
        "127.0.0.1", 0, cluster=cluster, clock=clock, state_dir=tmp_path
    )
    async with aiohttp.ClientSession() as session:
        yield Api(session, server, clock, faults)
    await server.close()
