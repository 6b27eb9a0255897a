"""Who owns what alerts are about is asked for a whole delivery at once, and never for long."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bot.composition import alerting
from bot.composition.alerting import AT_ONCE, ClusterOwners
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fixtures.alerting import a_delivery, an_alert_desk, told
from tests.patience import PATIENCE
from tools.world import Catalogue, ServiceName, ServiceSpec, WorkloadRef

SHOP = WorkloadRef("", "shop", "Deployment", "shop-web")
CATALOGUE = Catalogue({}, {ServiceName("shop"): ServiceSpec(ServiceName("shop"), "shop", (SHOP,))})


class HungCluster(FakeCluster):
    """Takes a question and never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def get(self, ref: WorkloadRef) -> Mapping[str, Any]:
        self.asked += 1
        await asyncio.Event().wait()
        raise AssertionError(ref)


async def test_the_objects_of_one_delivery_are_asked_about_together_and_each_once(
    store: SqlStore,
) -> None:
    everybody = asyncio.Barrier(3)  # who asks one after the other never gets past it
    asked: list[str] = []

    async def owners_of(ref: WorkloadRef) -> Sequence[WorkloadRef]:
        asked.append(ref.name)
        await everybody.wait()
        return (SHOP,)

    desk = an_alert_desk(store, FakeClock(), lambda: CATALOGUE, owners_of=owners_of)
    pods = ("a", "b", "c")
    named = [
        told(name, service="", namespace="shop", pod=pod)
        for pod in pods
        for name in ("Restarts", "NotReady")
    ]
    async with asyncio.timeout(PATIENCE):
        receipt = await desk.receive(a_delivery(*named))
    assert sorted(asked) == sorted(pods)
    assert len(receipt.opened) == len(named)
    async with store.begin() as tx:
        assert {alert.service for alert in await tx.alerts.active()} == {"shop"}


async def test_a_cluster_that_never_answers_costs_a_delivery_its_limit_once(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerting, "OWNERS_SECONDS", 0.05)
    cluster = HungCluster()
    desk = an_alert_desk(store, FakeClock(), lambda: CATALOGUE, owners_of=ClusterOwners(cluster).of)
    many = [told("NotReady", service="", namespace="shop", pod=f"p-{n}") for n in range(40)]
    async with asyncio.timeout(PATIENCE):
        receipt = await desk.receive(a_delivery(*many))
    assert len(receipt.opened) == len(many), "what its labels say must do"
    assert cluster.asked == AT_ONCE, "who waits for its turn does so within the same limit"
