"""What an object is to the bot itself: its workload, its namespace, a Service that it stands on."""

from __future__ import annotations

from typing import Any

import pytest

from bot.core.remediation.guarding.own_ground import OwnGroundReader
from bot.domain.plans.policy import OwnGround, OwnProtection, OwnService
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import deployment
from tools.act.contract import Actors
from tools.errors import BackendUnavailableError
from tools.world import WorkloadRef

WORKLOAD, NAMESPACE, OFF = OwnProtection.WORKLOAD, OwnProtection.NAMESPACE, OwnProtection.OFF
POD = "bot-h2-0"
DATABASE = OwnService("data", "postgres", "the database")


def ground(protection: OwnProtection, **changes: Any) -> OwnGround:
    told: dict[str, Any] = {
        "protection": protection, "namespace": "sre", "pod": POD, "services": (DATABASE,),
    }  # fmt: skip
    return OwnGround(**{**told, **changes})


def ref(text: str, cluster: str = "default") -> WorkloadRef:
    namespace, kind, name = text.split("/")
    return WorkloadRef(cluster, namespace, kind, name)


async def asked(own: OwnGround, world: FakeCluster | None = None) -> OwnGroundReader:
    cluster = world or FakeCluster(deployment("bot", namespace="sre"))
    reader = OwnGroundReader(Actors(FakeClock(), cluster), lambda: own)
    await reader.learn()
    return reader


@pytest.mark.parametrize(
    ("protection", "text", "is_to_it"),
    [
        (WORKLOAD, "sre/Deployment/bot", "the workload"),
        (WORKLOAD, "sre/StatefulSet/bot", ""),
        (WORKLOAD, "sre/Deployment/other", ""),
        (WORKLOAD, "trading/Deployment/bot", ""),
        (WORKLOAD, "/Namespace/sre", ""),
        (NAMESPACE, "sre/Deployment/other", "in the namespace"),
        (NAMESPACE, "/Namespace/sre", "in the namespace"),
        (NAMESPACE, "/Namespace/trading", ""),
        (NAMESPACE, "trading/Deployment/sre", ""),
        (WORKLOAD, "data/Service/postgres", "the database"),
        (NAMESPACE, "data/Service/postgres", "the database"),
        (NAMESPACE, "data/Service/other", ""),
        (NAMESPACE, "trading/Service/postgres", ""),
        (NAMESPACE, "data/Deployment/postgres", ""),
        (OFF, "sre/Deployment/bot", ""),
        (OFF, "data/Service/postgres", ""),
    ],
)
async def test_what_an_object_is_to_the_bot(
    protection: OwnProtection, text: str, is_to_it: str
) -> None:
    assert (await asked(ground(protection))).of(ref(text)) == is_to_it


@pytest.mark.parametrize(("own", "elsewhere"), [("", "in the namespace"), ("default", "")])
async def test_a_namesake_in_another_cluster_is_nothing_to_it_where_its_own_is_known(
    own: str, elsewhere: str
) -> None:
    reader = await asked(ground(NAMESPACE, cluster=own))
    assert reader.of(ref("sre/Deployment/bot")) == "in the namespace"
    assert reader.of(ref("sre/Deployment/bot", "us-1")) == elsewhere


async def test_until_its_workload_can_be_read_all_of_its_namespace_is_protected() -> None:
    world = FakeCluster(deployment("bot", namespace="sre"))
    world.unreadable[POD] = BackendUnavailableError("kubernetes", "no answer")
    reader = await asked(ground(WORKLOAD), world)
    assert reader.of(ref("sre/Deployment/other")) == "in the namespace"
    world.unreadable.clear()
    await reader.learn()
    assert reader.of(ref("sre/Deployment/other")) == ""
    world.objects.clear()
    await reader.learn()  # once is enough
    assert reader.of(ref("sre/Deployment/bot")) == "the workload"


@pytest.mark.parametrize("missing", [{"pod": ""}, {"namespace": ""}])
async def test_without_a_name_of_its_pod_nothing_is_looked_for(missing: dict[str, str]) -> None:
    world = FakeCluster()
    world.unreadable = {POD: AssertionError("asked"), "": AssertionError("asked")}
    reader = await asked(ground(WORKLOAD, **missing), world)
    told = "in the namespace" if "pod" in missing else ""
    assert reader.of(ref("sre/Deployment/bot")) == told


async def test_a_pod_that_nobody_owns_is_protected_itself() -> None:
    world = FakeCluster()
    world.put({"kind": "Pod", "metadata": {"namespace": "sre", "name": POD}})
    reader = await asked(ground(WORKLOAD), world)
    assert reader.of(ref(f"sre/Pod/{POD}")) == "the workload"
    assert reader.of(ref("sre/Deployment/bot")) == ""
