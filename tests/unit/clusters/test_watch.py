"""Following a real API: what changes is told once, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.core.shared.stored_ports import StoredConfigHistory
from bot.core.upkeep.cluster_watch import WATCHED, ClusterWatch, essence_of
from bot.domain.secrets.redaction import Redactor
from bot.store.store import SqlStore
from foundation.retries import RetryPolicy
from sandbox.clock import ManualClock
from sandbox.kubernetes.access import ACTOR_TOKEN
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.resources import EVENTS
from sandbox.kubernetes.server import KubernetesServer, start_kubernetes
from sandbox.world.faults import FaultLog
from tests.fakes.clock import FakeClock
from tests.fixtures.profile import trading_catalogue
from tests.patience import PATIENCE
from tools.backends.kubernetes import KubernetesConfig, KubernetesReader, watch
from tools.backends.kubernetes.watch import Watch
from tools.world import Change, Window, WorkloadRef

Json = dict[str, Any]
HASTY = RetryPolicy(first=timedelta(seconds=0.02), longest=timedelta(seconds=0.05))
CATALOGUE = trading_catalogue()
MAP = WorkloadRef("default", "trading", "ConfigMap", "ledger-settings")
MAPS = "/api/v1/namespaces/trading/configmaps"
HPAS = "/apis/autoscaling/v2/namespaces/trading/horizontalpodautoscalers"


@dataclass
class Outside:
    """One API server that can be stopped and started again on the same port."""

    folder: Path
    cluster: Cluster
    clock: ManualClock
    server: KubernetesServer
    session: aiohttp.ClientSession
    watches: list[Watch] = field(default_factory=list)
    seen: asyncio.Event = field(default_factory=asyncio.Event)  # something was looked at

    async def write(self, method: str, path: str, body: object) -> None:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Authorization": f"Bearer {ACTOR_TOKEN}", "Content-Type": kind}
        async with self.session.request(
            method, self.server.url + path, json=body, headers=headers
        ) as reply:
            assert reply.status < 300, await reply.text()

    async def stop(self) -> None:
        await self.server.close()

    async def start(self) -> None:
        port = int(self.server.url.rpartition(":")[2])
        self.server = await start_kubernetes(
            "127.0.0.1", port, cluster=self.cluster, clock=self.clock, state_dir=self.folder
        )

    def of(self, kind: str) -> Watch:
        return next(each for each in self.watches if each.kind == kind)


@pytest.fixture
async def outside(tmp_path: Path) -> AsyncIterator[Outside]:
    clock = ManualClock(1_795_180_000.0)
    cluster = Cluster(FaultLog(), clock.now(), path=tmp_path / "cluster.json")
    server = await start_kubernetes(
        "127.0.0.1", 0, cluster=cluster, clock=clock, state_dir=tmp_path
    )
    async with aiohttp.ClientSession() as session:
        place = Outside(tmp_path, cluster, clock, server, session)
        await place.write("POST", MAPS, a_map("low"))
        yield place
        await place.server.close()


def a_map(level: str) -> dict[str, object]:
    own = {"name": MAP.name, "namespace": MAP.namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": own, "data": {"level": level}}


@asynccontextmanager
async def watching(outside: Outside, store: SqlStore) -> AsyncIterator[StoredConfigHistory]:
    """Watch as the leader does, with the reading identity."""
    config = KubernetesConfig(kubeconfig=str(outside.server.reader_kubeconfig))
    reader = KubernetesReader(config)
    history = StoredConfigHistory(store, Redactor([]))
    rows = ClusterWatch("default", store, FakeClock(), lambda: CATALOGUE, history)

    async def seen(kind: str, before: Json | None, after: Json | None) -> None:
        await rows.seen(kind, before, after)
        outside.seen.set()

    outside.watches = [w for kind in WATCHED for w in reader.watch(kind, essence_of, seen)]
    tasks = [asyncio.create_task(each.run()) for each in outside.watches]
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(each.listed.wait() for each in outside.watches))
        yield history
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await reader.close()


async def changes(store: SqlStore) -> list[Change]:
    now = FakeClock().now()
    async with store.begin() as tx:
        return await tx.changes.recent(Window(now.replace(hour=0), now))


async def told(outside: Outside, store: SqlStore, count: int) -> list[Change]:
    """Wait for that many rows; more than that is found by the caller's comparison."""
    async with asyncio.timeout(PATIENCE):
        while len(found := await changes(store)) < count:
            await outside.seen.wait()
            outside.seen.clear()
    return found


async def test_what_stands_there_at_the_start_is_no_change(
    outside: Outside, store: SqlStore
) -> None:
    async with watching(outside, store) as history:
        versions = await history.versions_of(MAP)
    assert [v.data for v in versions] == [{"level": "low"}]
    assert await changes(store) == []


async def test_a_changed_config_map_is_told_by_key_and_its_versions_are_kept(
    outside: Outside, store: SqlStore
) -> None:
    async with watching(outside, store) as history:
        await outside.write("PATCH", f"{MAPS}/{MAP.name}", {"data": {"level": "high"}})
        [row] = await told(outside, store, 1)
        versions = await history.versions_of(MAP)
    assert row.service == "ledger"
    assert row.summary == "config map ledger-settings: changed level"
    assert "high" not in row.summary
    assert [v.data for v in versions] == [{"level": "high"}, {"level": "low"}]


async def test_a_map_with_a_secret_is_told_and_its_content_is_not_kept(
    outside: Outside, store: SqlStore
) -> None:
    async with watching(outside, store) as history:
        data = {"data": {"level": "postgresql://ledger:Tr0ub4dor@db/ledger"}}
        await outside.write("PATCH", f"{MAPS}/{MAP.name}", data)
        await told(outside, store, 1)
        newest = (await history.versions_of(MAP))[0]
    assert newest.data is None
    assert newest.withheld


async def test_new_limits_of_an_autoscaler_are_told_of_the_workload_it_scales(
    outside: Outside, store: SqlStore
) -> None:
    async with watching(outside, store):
        name = next(k[2] for k in outside_hpas(outside))
        await outside.write("PATCH", f"{HPAS}/{name}", {"spec": {"maxReplicas": 19}})
        [row] = await told(outside, store, 1)
    assert row.kind.value == "scale"
    assert "maxReplicas" in row.summary
    assert row.summary.endswith("→ 19")
    assert row.workload is not None
    assert row.workload.kind == "Deployment"


def outside_hpas(outside: Outside) -> list[tuple[str, str, str]]:
    found = [k for k in outside.cluster.store._items if "horizontalpod" in str(k[0])]
    assert found, "the sandbox has autoscalers"
    return found


async def test_a_change_made_while_the_api_was_away_is_told_once_when_it_is_back(
    outside: Outside, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "AWAY", HASTY)
    async with watching(outside, store):
        await outside.write("PATCH", f"{MAPS}/{MAP.name}", {"data": {"level": "high"}})
        await told(outside, store, 1)
        await outside.stop()
        with suppress(aiohttp.ClientError):  # nobody answers now
            await outside.write("PATCH", f"{MAPS}/{MAP.name}", {"data": {"level": "lost"}})
        await outside.start()
        await outside.write("PATCH", f"{MAPS}/{MAP.name}", {"data": {"more": "yes"}})
        found = await told(outside, store, 2)
        lists = outside.of("ConfigMap").lists
        await outside.write("PATCH", f"{MAPS}/{MAP.name}", {"data": {"level": "last"}})
        found = await told(outside, store, 3)
    assert [row.summary.partition(": ")[2] for row in found] == [
        "changed level",
        "added more",
        "changed level",
    ]
    assert lists == 1, "the watch went on from its version and listed nothing again"


async def test_a_forgotten_version_is_listed_again_and_nothing_is_lost_or_doubled(
    outside: Outside, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "AWAY", HASTY)
    async with watching(outside, store):
        await outside.stop()
        outside.cluster.store.compact()
        item = next(i for k, i in outside.cluster.store._items.items() if k[2] == MAP.name)
        item["data"] = {"level": "high", "more": "yes"}
        outside.cluster.store.version += 5
        item["metadata"]["resourceVersion"] = str(outside.cluster.store.version)
        outside.cluster.store.compact()
        await outside.start()
        [row] = await told(outside, store, 1)
        assert outside.of("ConfigMap").lists == 2
    assert row.summary == "config map ledger-settings: changed level; added more"


async def test_a_second_watcher_of_the_same_change_adds_nothing(
    outside: Outside, store: SqlStore
) -> None:
    async with watching(outside, store), watching(outside, store):
        await outside.write("PATCH", f"{MAPS}/{MAP.name}", {"data": {"level": "high"}})
        await told(outside, store, 1)
        await outside.write("PATCH", f"{MAPS}/{MAP.name}", {"data": {"level": "low"}})
        await told(outside, store, 2)
        versions = {each.version for each in outside.watches if each.kind == "ConfigMap"}
        assert len(versions) == 1
    assert len(await changes(store)) == 2


async def test_an_event_the_cluster_has_forgotten_is_remembered(outside: Outside) -> None:
    config = KubernetesConfig(kubeconfig=str(outside.server.reader_kubeconfig))
    reader = KubernetesReader(config)
    [following] = reader.remember_events()
    task = asyncio.create_task(following.run())
    window = Window(datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    own = {"name": "ledger.1", "namespace": "trading"}
    about = {"kind": "Pod", "namespace": "trading", "name": "ledger-1"}
    event = {"metadata": own, "involvedObject": about, "reason": "OOMKilling", "type": "Warning"}
    event |= {"apiVersion": "v1", "kind": "Event", "lastTimestamp": "2026-11-20T13:00:00Z"}
    path = "/api/v1/namespaces/trading/events"
    await outside.write("POST", path, event)
    async with asyncio.timeout(PATIENCE):
        await following.listed.wait()
    outside.cluster.store.remove(EVENTS, "trading", "ledger.1")
    found = await reader.events(window, "trading")
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await reader.close()
    assert [e.reason for e in found if e.workload.name == "ledger-1"] == ["OOMKilling"]
