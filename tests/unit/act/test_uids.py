"""An object that was deleted and made anew under its name is another object, however alike.

Each line of defence is asked by itself: what stands there has the very fields that were bound, and
even the mark of the step, as an object has that somebody applied from a copy.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from bot.core.remediation.binding import Binder
from bot.domain.plans.plan import Step
from bot.domain.secrets.redaction import Redactor
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import autoscaler, deployment
from tools.act.actions import ACTIONS
from tools.act.contract import Actors, Bound, Probe, TargetState, bind, parse_parameters
from tools.errors import LostRaceError
from tools.kubernetes_objects import STEP_ANNOTATION
from tools.world import WorkloadRef

KEY = "PLAN-1/do/0"
SPACE = {"kind": "Namespace", "metadata": {"name": "trading", "namespace": ""}}
DATABASE = {
    "kind": "Cluster",
    "metadata": {"namespace": "trading", "name": "pg", "uid": "uid-pg"},
    "spec": {"instances": 2},
    "status": {
        "currentPrimary": "pg-1",
        "targetPrimary": "pg-1",
        "instancesStatus": {"healthy": ["pg-1", "pg-2"]},
    },
}
PATCHES: dict[str, tuple[str, dict[str, Any]]] = {
    "rollout_restart": ("Deployment/shop", {}),
    "deployment_rollback": ("Deployment/shop", {}),
    "hpa_scale": ("HorizontalPodAutoscaler/shop", {"add_replicas": 1}),
    "scale": ("Deployment/cart", {"replicas": 5}),
}


@pytest.fixture
def world() -> FakeCluster:
    node = {"kind": "Node", "metadata": {"name": "node-a"}, "spec": {}}
    items = [SPACE, *deployment("shop"), *deployment("cart"), autoscaler("shop"), DATABASE, node]
    return FakeCluster(items)


def actors(world: FakeCluster) -> Actors:
    return Actors(FakeClock(), world)


async def observed(
    world: FakeCluster, name: str, target: str, raw: dict[str, Any] | None = None
) -> TargetState:
    kind, _, object_name = target.partition("/")
    ref = WorkloadRef("default", "" if kind == "Node" else "trading", kind, object_name)
    action = ACTIONS[name]
    return await action.observe(actors(world), ref, parse_parameters(action, raw or {}))


async def bound_to(world: FakeCluster, name: str, target: str, raw: dict[str, Any]) -> Bound:
    return bind(ACTIONS[name], await observed(world, name, target, raw))


def make_anew(world: FakeCluster, target: WorkloadRef, **annotations: str) -> None:
    """Delete an object and make the same one, with another uid."""
    item = json.loads(json.dumps(world.objects[target.kind, target.namespace, target.name]))
    item["metadata"]["uid"] = f"{item['metadata']['uid']}-anew"
    item["metadata"].setdefault("annotations", {}).update(annotations)
    world.put(item)


@pytest.mark.parametrize("name", PATCHES)
@pytest.mark.parametrize("mark", [{}, {STEP_ANNOTATION: KEY}], ids=["bare", "marked"])
async def test_a_patch_is_not_sent_to_another_object_nor_found_done_on_it(
    world: FakeCluster, name: str, mark: dict[str, str]
) -> None:
    bound = await bound_to(world, name, *PATCHES[name])
    make_anew(world, bound.target, **mark)
    with pytest.raises(LostRaceError, match="deleted and made anew"):
        await ACTIONS[name].execute(actors(world), bound, KEY)
    assert world.sent == []
    assert await ACTIONS[name].probe(actors(world), bound, KEY) is Probe.UNKNOWN


@pytest.mark.parametrize("name", [*PATCHES, "drain", "database_failover"])
async def test_of_an_object_that_is_gone_nobody_knows_whether_it_was_changed(
    world: FakeCluster, name: str
) -> None:
    targets = {"drain": "Node/node-a", "database_failover": "Cluster/pg"}
    target, raw = PATCHES.get(name) or (targets[name], {"accept_unknown_lag": True})
    bound = await bound_to(world, name, target, {} if name == "drain" else raw)
    del world.objects[bound.target.kind, bound.target.namespace, bound.target.name]
    assert await ACTIONS[name].probe(actors(world), bound, KEY) is Probe.UNKNOWN


async def test_a_mark_on_another_object_is_not_the_steps_own(world: FakeCluster) -> None:
    bound = await bound_to(world, "scale", *PATCHES["scale"])
    make_anew(world, bound.target, **{STEP_ANNOTATION: KEY})
    item = await world.get(bound.target)
    action: Any = ACTIONS["scale"]
    assert not action.is_marked(item, bound, KEY)
    item["metadata"]["uid"] = bound.target.uid
    assert action.is_marked(item, bound, KEY)


async def test_a_failover_of_another_database_proves_nothing(world: FakeCluster) -> None:
    row = {"applicationName": "pg-2", "state": "streaming", "replayLsn": "0/5000000"}
    world.pod_answers["pg-1"] = {"currentLsn": "0/5000000", "replicationInfo": [row]}
    bound = await bound_to(world, "database_failover", "Cluster/pg", {})
    world.objects["Cluster", "trading", "pg"]["status"]["currentPrimary"] = "pg-2"
    assert await ACTIONS["database_failover"].probe(actors(world), bound, KEY) is Probe.DONE
    make_anew(world, bound.target)
    assert await ACTIONS["database_failover"].probe(actors(world), bound, KEY) is Probe.UNKNOWN


async def test_a_pod_that_came_back_under_its_name_is_not_deleted(world: FakeCluster) -> None:
    bound = await bound_to(world, "pod_restart", "Pod/shop-h2-1", {})
    make_anew(world, bound.target)
    with pytest.raises(LostRaceError, match="is already being replaced"):
        await ACTIONS["pod_restart"].execute(actors(world), bound, KEY)
    assert world.sent == []
    assert await ACTIONS["pod_restart"].probe(actors(world), bound, KEY) is Probe.DONE


async def test_a_pod_that_comes_back_between_look_and_deletion_is_not_deleted(
    world: FakeCluster,
) -> None:
    """The server compares the uid: nobody else can look at the same moment."""
    bound = await bound_to(world, "pod_restart", "Pod/shop-h2-1", {})
    asked: list[str] = []

    async def meanwhile(ref: WorkloadRef, *, uid: str = "", **rest: Any) -> None:
        make_anew(world, ref)
        asked.append(uid)
        await FakeCluster.delete(world, ref, uid=uid, **rest)

    world.delete = meanwhile  # type: ignore[method-assign]
    with pytest.raises(LostRaceError, match="has another uid"):
        await ACTIONS["pod_restart"].execute(actors(world), bound, KEY)
    assert (asked, world.sent) == ([bound.target.uid], [])


async def test_a_way_back_is_not_bound_to_another_object(world: FakeCluster) -> None:
    state = await observed(world, "scale", *PATCHES["scale"])
    back = ACTIONS["scale"].undo_of(state)
    assert back is not None
    step = Step("Undo", back.action, back.target, back.parameters, 60, "")
    binder = Binder(actors(world), ACTIONS, Redactor())
    world.objects["Deployment", "trading", "cart"]["spec"]["replicas"] = 5
    await binder.bind_undo(step, "")
    make_anew(world, back.target)
    with pytest.raises(LostRaceError, match="deleted and made anew"):
        await binder.bind_undo(step, "")
