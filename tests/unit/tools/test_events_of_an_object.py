"""Where list_events takes a service it takes an object as well, and says what it understood."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.unit.doctor.worlds import NOW, SPACE
from tests.unit.tools.test_kubernetes_get import CATALOGUE, lab
from tools.contract import ToolResult
from tools.errors import BadArgumentError, NotFoundError
from tools.observe.cluster import list_events, recent_changes
from tools.world import ClusterEvent, WorkloadRef

SOME = (
    (("", "Node", "worker"), "NodeNotReady"),
    ((SPACE, "PersistentVolumeClaim", "data"), "ProvisioningFailed"),
    ((SPACE, "Pod", "back-1-a"), "OOMKilling"),
    ((SPACE, "Deployment", "back"), "ScalingReplicaSet"),
    ((SPACE, "Pod", "front-1-a"), "Unhealthy"),
    (("elsewhere", "Job", "backup"), "BackoffLimitExceeded"),
)


def told() -> FakeCluster:
    cluster = lab()
    cluster.event_list = [
        ClusterEvent(
            NOW - timedelta(minutes=3), WorkloadRef("", *about), "Warning", reason, f"{reason}!"
        )
        for about, reason in SOME
    ]
    return cluster


async def events(service: str) -> ToolResult:
    found: ToolResult = await list_events.function(
        told(), FakeClock(NOW), CATALOGUE, service=service
    )
    return found


@pytest.mark.parametrize(
    ("service", "understood", "reasons"),
    [
        ("node/worker", "about Node worker", {"NodeNotReady"}),
        ("pvc/data", f"about PersistentVolumeClaim data in namespace {SPACE}",
         {"ProvisioningFailed"}),
        ("elsewhere/job/backup", "about Job backup and what it owns in namespace elsewhere",
         {"BackoffLimitExceeded"}),
        ("po/front-1-a", "about Pod front-1-a", {"Unhealthy"}),
        (f"{SPACE}/back", f"about object back in namespace {SPACE}", {"ScalingReplicaSet"}),
    ],
)  # fmt: skip
async def test_an_object_is_asked_about_as_people_name_it(
    service: str, understood: str, reasons: set[str]
) -> None:
    result = await events(service)
    assert understood in result.summary.splitlines()[0]
    assert {row["reason"] for row in result.payload["events"]} == reasons


async def test_a_workload_brings_what_it_owns() -> None:
    world: Any = told()
    for kind, name in (("ReplicaSet", "back-1"), ("Deployment", "back")):
        world.objects[kind, SPACE, name]["metadata"]["uid"] = f"uid-{name}"
    for kind, name, owner in (
        ("ReplicaSet", "back-1", "back"), ("Pod", "back-1-a", "back-1"),
    ):  # fmt: skip
        reference = world.objects[kind, SPACE, name]["metadata"]["ownerReferences"][0]
        reference |= {"uid": f"uid-{owner}", "controller": True}
    result = await list_events.function(world, FakeClock(NOW), CATALOGUE, service="deploy/back")
    found = {row["reason"] for row in result.payload["events"]}
    assert found >= {"ScalingReplicaSet", "OOMKilling"}
    assert "Unhealthy" not in found


async def test_a_secret_is_no_object_to_ask_about_and_a_typo_is_told() -> None:
    with pytest.raises(BadArgumentError, match="Secrets are never read"):
        await events("secret/x")
    with pytest.raises(NotFoundError, match="objects are what list_events and kubernetes_get take"):
        await recent_changes.function(None, FakeClock(NOW), CATALOGUE, service="node/worker")
