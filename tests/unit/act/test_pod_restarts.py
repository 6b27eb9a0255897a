"""Which pod is restarted, and what is said of it. In memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.act.test_actions import SHOP, actors, cluster, observed
from tools.act.actions import ACTIONS
from tools.act.contract import Probe, bind, parse_parameters, target_of
from tools.errors import LostRaceError, NotFoundError


def pod(name: str, *, ready: bool = True, started: str = "", **meta: Any) -> dict[str, Any]:
    """Return a pod of the shop's running revision."""
    owner = {"kind": "ReplicaSet", "name": "shop-h2", "uid": "uid-ReplicaSet-shop-h2"}
    running = {"state": {"running": {"startedAt": started}}} if started else {}
    return {
        "kind": "Pod",
        "metadata": {
            "namespace": "trading",
            "name": name,
            "uid": f"uid-{name}",
            "ownerReferences": [{**owner, "controller": True}],
            **meta,
        },
        "status": {
            "phase": "Running",
            "startTime": "2026-11-20T09:00:00Z",
            "containerStatuses": [{"restartCount": 2, **running}],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


@pytest.mark.parametrize(
    ("pods", "worst"),
    [
        ((pod("a"), pod("b", ready=False)), "b"),
        (
            (
                pod("a", started="2026-11-20T11:00:00Z"),
                pod("b", started="2026-11-20T10:00:00Z"),
                pod("c", started="2026-11-20T12:00:00Z"),
            ),
            "b",
        ),
        ((pod("a", started="2026-11-20T08:30:00Z"), pod("b")), "a"),  # b tells when it began to
        ((pod("b"), pod("a")), "a"),
        ((pod("a", deletionTimestamp="2026-11-20T12:00:00Z"), pod("b")), "b"),
    ],
)
async def test_the_pod_that_is_worst_off_is_restarted(
    pods: tuple[dict[str, Any], ...], worst: str
) -> None:
    world = cluster()
    for each in pods:
        world.put(each)
    assert (await observed(world, "pod_restart")).target.name == worst


async def test_a_restart_says_who_makes_the_pod_again_and_who_serves_meanwhile() -> None:
    world, action = cluster(), ACTIONS["pod_restart"]
    world.put(pod("a", ready=False))
    told = action.preview(await observed(world, action.name)).summary
    assert told.endswith("Pod/a; ReplicaSet/shop-h2 makes it again; no other pod is ready")
    world.put(pod("b"))
    state = await observed(world, action.name)
    assert action.preview(state).summary.endswith("; 1 other ready pods keep serving")
    assert state.facts["restarts"] == 2
    assert action.preview(state).pods_total == 2
    world.put({**pod("stranger"), "metadata": {"namespace": "trading", "name": "stranger"}})
    named = replace(SHOP, kind="Pod", name="b")
    state = await action.observe(actors(world), named, parse_parameters(action, {}))
    assert action.preview(state).pods_total == 2  # of the same owner
    assert action.preview(state).summary.endswith("; no other pod is ready")


async def test_a_name_that_is_no_pods_is_looked_for_among_workloads() -> None:
    world, action = cluster(), ACTIONS["pod_restart"]
    world.put(pod("a"))
    bare = target_of(action, "shop", cluster="default", namespace="trading")
    assert bare.kind == "Pod"
    state = await action.observe(actors(world), bare, parse_parameters(action, {}))
    assert state.target.name == "a"
    set_of_pods = {"kind": "StatefulSet", "metadata": {"namespace": "trading", "name": "queue"}}
    world.put({**set_of_pods, "spec": {"replicas": 1}})
    for name, kind in (("queue", "Deployment"), ("nobody", "Pod")):
        named = replace(SHOP, kind=kind, name=name)
        with pytest.raises(NotFoundError, match=f"{kind}/{name}"):
            await action.observe(actors(world), named, parse_parameters(action, {}))


async def test_a_pod_that_goes_already_is_done_and_not_deleted_again() -> None:
    world, action = cluster(), ACTIONS["pod_restart"]
    world.put(pod("a"))
    bound = bind(action, await observed(world, action.name))
    assert await action.probe(actors(world), bound, "k") is Probe.NOT_DONE
    world.put(pod("a", deletionTimestamp="2026-11-20T12:00:00Z"))
    assert await action.probe(actors(world), bound, "k") is Probe.DONE
    with pytest.raises(LostRaceError, match="already being replaced"):
        await action.execute(actors(world), bound, "k")
    world.put(pod("a", uid="another"))
    assert await action.probe(actors(world), bound, "k") is Probe.DONE
    del world.objects["Pod", "trading", "a"]
    with pytest.raises(LostRaceError, match="already gone"):
        await action.execute(actors(world), bound, "k")
