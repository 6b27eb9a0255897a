from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tools.act.actions import ACTIONS
from tools.act.contract import Actors, Probe, TargetState, bind, parse_parameters, target_of
from tools.errors import (
    ActionRefusedError,
    BadArgumentError,
    LostRaceError,
    OutcomeUnknownError,
)
from tools.world import WorkloadRef

SHOP = WorkloadRef("default", "trading", "Deployment", "shop")
HPA = {
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"namespace": "trading", "name": "shop"},
    "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "shop"},
        "minReplicas": 2,
        "maxReplicas": 4,
    },
    "status": {"currentReplicas": 3},
}


def template(image: str, config: str = "shop-v2", extra: str = "") -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "shop",
        "image": image,
        "envFrom": [{"configMapRef": {"name": config}}],
    }
    if extra:
        container["env"] = [{"name": extra, "value": "1"}]
    return {"metadata": {"labels": {"app": "shop"}}, "spec": {"containers": [container]}}


def replica_set(revision: int, body: dict[str, Any]) -> dict[str, Any]:
    stamped = {**body, "metadata": {"labels": {"app": "shop", "pod-template-hash": f"h{revision}"}}}
    return {
        "kind": "ReplicaSet",
        "metadata": {
            "namespace": "trading",
            "name": f"shop-h{revision}",
            "annotations": {"deployment.kubernetes.io/revision": str(revision)},
            "ownerReferences": [{"kind": "Deployment", "name": "shop", "uid": "uid-shop"}],
        },
        "spec": {"template": stamped},
    }


def cluster(**labels: str) -> FakeCluster:
    now = template("shop:2", extra="FLAG")
    deployment = {
        "kind": "Deployment",
        "metadata": {"namespace": "trading", "name": "shop", "uid": "uid-shop", "labels": labels},
        "spec": {"replicas": 3, "template": now},
    }
    maps = [
        {"kind": "ConfigMap", "metadata": {"namespace": "trading", "name": f"shop-v{v}"}, "data": d}
        for v, d in ((1, {"limit": "5"}), (2, {"limit": "50"}))
    ]
    old = replica_set(1, template("shop:1", "shop-v1"))
    return FakeCluster([deployment, replica_set(2, now), old, *maps])


def actors(world: FakeCluster) -> Actors:
    return Actors(FakeClock(), world)


async def observed(world: FakeCluster, name: str, raw: dict[str, Any] | None = None) -> TargetState:
    action = ACTIONS[name]
    return await action.observe(actors(world), SHOP, parse_parameters(action, raw or {}))


async def test_a_rollback_puts_the_old_template_back_exactly() -> None:
    world, action = cluster(), ACTIONS["deployment_rollback"]
    state = await observed(world, action.name)
    assert "shop:2 → shop:1" in str(action.preview(state).diff[0])
    outcome = await action.execute(actors(world), bind(action, state), "PLAN-1/0")
    item = await world.get(SHOP)
    version = item["metadata"]["resourceVersion"]
    assert outcome.response == {"resourceVersion": version, "generation": 0}
    assert item["spec"]["template"] == template("shop:1", "shop-v1")
    assert item["metadata"]["annotations"]["sre-agent/step"] == "PLAN-1/0"
    again = await observed(world, action.name, {"replica_set": "shop-h2"})
    assert again.fingerprint == outcome.fingerprint


async def test_the_undo_of_a_rollback_brings_the_newer_revision_back() -> None:
    world, action = cluster(), ACTIONS["deployment_rollback"]
    state = await observed(world, action.name)
    await action.execute(actors(world), bind(action, state), "k")
    undo = action.undo_of(state)
    assert undo is not None
    back = await observed(world, undo.action, dict(undo.parameters))
    await action.execute(actors(world), bind(action, back), "k-undo")
    assert (await world.get(SHOP))["spec"]["template"] == template("shop:2", extra="FLAG")


async def test_a_dry_run_sends_nothing() -> None:
    world, action = cluster(), ACTIONS["deployment_rollback"]
    await action.dry_run(actors(world), bind(action, await observed(world, action.name)))
    assert world.sent == []


async def test_a_target_that_changed_since_approval_is_left_alone() -> None:
    world, action = cluster(), ACTIONS["deployment_rollback"]
    bound = bind(action, await observed(world, action.name))
    moved = dict(await world.get(SHOP))
    moved["spec"]["template"] = template("shop:3")
    world.put(moved)
    with pytest.raises(LostRaceError, match="propose the plan again"):
        await action.execute(actors(world), bound, "k")
    assert world.sent == []


async def test_a_status_update_between_reading_and_writing_is_survived_once() -> None:
    world, action = cluster(), ACTIONS["scale"]
    bound = bind(action, await observed(world, "scale", {"replicas": 5}))
    world.fail_next = [LostRaceError("moved")]
    await action.execute(actors(world), bound, "k")
    assert (await world.get(SHOP))["spec"]["replicas"] == 5
    world.fail_next = [LostRaceError("moved"), LostRaceError("moved again")]
    bound = bind(action, await observed(world, "scale", {"replicas": 6}))
    with pytest.raises(LostRaceError):
        await action.execute(actors(world), bound, "k2")


async def test_a_lost_answer_is_unknown_and_the_probe_finds_the_effect() -> None:
    world, action = cluster(), ACTIONS["scale"]
    bound = bind(action, await observed(world, "scale", {"replicas": 5}))
    assert await action.probe(actors(world), bound, "k") is Probe.NOT_DONE
    world.lose_answer = OutcomeUnknownError("no answer")
    with pytest.raises(OutcomeUnknownError):
        await action.execute(actors(world), bound, "k")
    assert len(world.sent) == 1
    assert await action.probe(actors(world), bound, "k") is Probe.DONE
    assert await action.probe(actors(world), bound, "another step") is Probe.UNKNOWN


async def test_replicas_an_autoscaler_owns_are_scaled_through_it() -> None:
    world, action = cluster(), ACTIONS["scale"]
    world.put(HPA)
    state = await observed(world, "scale", {"replicas": 6})
    assert state.target.kind == "HorizontalPodAutoscaler"
    await action.execute(actors(world), bind(action, state), "k")
    hpa = await world.get(state.target)
    assert (hpa["spec"]["minReplicas"], hpa["spec"]["maxReplicas"]) == (6, 6)
    undo = action.undo_of(state)
    assert undo is not None
    assert (undo.action, dict(undo.parameters)) == (
        "hpa_scale",
        {"min_replicas": 2, "max_replicas": 4},
    )


async def test_a_workload_from_git_is_refused_with_the_git_change() -> None:
    for labels in (
        {"argocd.argoproj.io/instance": "shop"},
        {"kustomize.toolkit.fluxcd.io/name": "shop"},
        {"helm.toolkit.fluxcd.io/name": "shop"},
    ):
        with pytest.raises(ActionRefusedError, match="revert the commit"):
            await observed(cluster(**labels), "deployment_rollback")


async def test_a_config_rollback_changes_the_reference_and_keeps_the_image() -> None:
    world, action = cluster(), ACTIONS["config_rollback"]
    state = await observed(world, action.name)
    assert [str(line) for line in action.preview(state).diff] == [
        "config map: shop-v2 → shop-v1",
        "limit: 50 → 5",
    ]
    await action.execute(actors(world), bind(action, state), "k")
    container = (await world.get(SHOP))["spec"]["template"]["spec"]["containers"][0]
    assert container["envFrom"][0]["configMapRef"]["name"] == "shop-v1"
    assert container["image"] == "shop:2"


async def test_a_config_map_that_changed_after_approval_is_a_lost_race() -> None:
    world, action = cluster(), ACTIONS["config_rollback"]
    bound = bind(action, await observed(world, action.name))
    key = ("ConfigMap", "trading", "shop-v1")
    world.put({**world.objects[key], "data": {"limit": "9999"}})
    with pytest.raises(LostRaceError, match="other data"):
        await action.execute(actors(world), bound, "k")


async def test_a_pod_restart_deletes_the_pod_that_was_shown_and_no_namesake() -> None:
    world, action = cluster(), ACTIONS["pod_restart"]
    owner = {"kind": "ReplicaSet", "name": "shop-h2", "uid": "uid-ReplicaSet-shop-h2"}
    pod: dict[str, Any] = {
        "kind": "Pod",
        "metadata": {
            "namespace": "trading",
            "name": "shop-h2-a",
            "uid": "p1",
            "ownerReferences": [{**owner, "controller": True}],
        },
    }  # fmt: skip
    world.put(pod)
    state = await observed(world, action.name)
    bound = bind(action, state)
    assert state.target.name == "shop-h2-a"
    world.put({**pod, "metadata": {**pod["metadata"], "uid": "p2"}})
    with pytest.raises(LostRaceError):
        await action.execute(actors(world), bound, "k")
    world.put(pod)
    await action.execute(actors(world), bound, "k")
    assert await action.probe(actors(world), bound, "k") is Probe.DONE


class Meanwhile:
    """Patience during which something happens."""

    def __init__(self, happens: Callable[[], None]) -> None:
        self.happens = happens

    async def pause(self, seconds: float) -> bool:
        self.happens()
        return True


async def test_a_job_is_created_once_for_one_key() -> None:
    world, action = cluster(), ACTIONS["run_job"]
    cron = WorkloadRef("default", "trading", "CronJob", "report")
    world.put(
        {
            "kind": "CronJob",
            "metadata": {"namespace": "trading", "name": "report"},
            "spec": {"jobTemplate": {"spec": {"template": {}}}},
        }
    )
    state = await action.observe(actors(world), cron, parse_parameters(action, {}))
    bound = bind(action, state)
    assert await action.probe(actors(world), bound, "k") is Probe.NOT_DONE
    with pytest.raises(OutcomeUnknownError, match="still runs"):
        await action.execute(actors(world), bound, "k")

    def finish() -> None:
        job = next(item for (kind, *_), item in world.objects.items() if kind == "Job")
        job["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}

    await action.execute(replace(actors(world), waiting=Meanwhile(finish)), bound, "k")
    assert await action.probe(actors(world), bound, "k") is Probe.DONE
    assert [verb for verb, *_ in world.sent] == ["create"]
    job = next(item for (kind, *_), item in world.objects.items() if kind == "Job")
    job["metadata"]["annotations"]["sre-agent/step"] = "another"
    with pytest.raises(LostRaceError):
        await action.execute(actors(world), bound, "k")


async def test_a_job_carries_what_its_cron_job_writes_onto_its_jobs() -> None:
    world, action = cluster(), ACTIONS["run_job"]
    cron = WorkloadRef("default", "trading", "CronJob", "report")
    marks = {"labels": {"team": "data"}, "annotations": {"why": "weekly"}}
    template = {"metadata": marks, "spec": {"activeDeadlineSeconds": 60, "template": {}}}
    metadata = {"namespace": "trading", "name": "report"}
    world.put({"kind": "CronJob", "metadata": metadata, "spec": {"jobTemplate": template}})
    state = await action.observe(actors(world), cron, parse_parameters(action, {}))
    with pytest.raises(OutcomeUnknownError, match="still runs"):
        await action.execute(actors(world), bind(action, state), "k")
    ((_, ref, body),) = world.sent
    assert (ref.kind, ref.namespace, body["metadata"]["name"]) == ("Job", "trading", ref.name)
    assert body["metadata"]["labels"] == {"team": "data"}
    assert body["metadata"]["annotations"] == {
        "why": "weekly",
        "cronjob.kubernetes.io/instantiate": "manual",
        "sre-agent/step": "k",
    }
    assert body["spec"]["activeDeadlineSeconds"] == 60  # its own, not the plan's
    assert body["spec"]["ttlSecondsAfterFinished"] == 86_400
    assert state.fields["jobTemplate"] == template  # what was approved is not written to


async def test_a_failover_patches_the_status_of_the_database_cluster() -> None:
    world, action = cluster(), ACTIONS["database_failover"]
    ref = WorkloadRef("default", "data", "Cluster", "pg")
    status = {
        "currentPrimary": "pg-1",
        "targetPrimary": "pg-1",
        "instancesStatus": {"healthy": ["pg-1", "pg-2"]},
    }
    world.put(
        {"kind": "Cluster", "metadata": {"namespace": "data", "name": "pg"}, "status": status}
    )
    row = {"applicationName": "pg-2", "state": "streaming", "replayLsn": "0/5000000"}
    world.pod_answers["pg-1"] = {"currentLsn": "0/5000100", "replicationInfo": [row]}
    state = await action.observe(actors(world), ref, parse_parameters(action, {}))
    bound = bind(action, state)
    with pytest.raises(OutcomeUnknownError, match="'pg-1' is still the primary"):
        await action.execute(actors(world), bound, "k")
    assert (await world.get(ref))["status"]["targetPrimary"] == "pg-2"
    assert await action.probe(actors(world), bound, "k") is Probe.UNKNOWN

    def promote() -> None:
        world.objects["Cluster", "data", "pg"]["status"]["currentPrimary"] = "pg-2"

    await action.execute(replace(actors(world), waiting=Meanwhile(promote)), bound, "k")
    assert [verb for verb, *_ in world.sent] == ["patch"]
    assert await action.probe(actors(world), bound, "k") is Probe.DONE


async def test_without_an_acting_identity_every_cluster_action_is_refused() -> None:
    action = ACTIONS["scale"]
    with pytest.raises(ActionRefusedError, match="KUBECONFIG_ACT"):
        await action.observe(Actors(FakeClock()), SHOP, parse_parameters(action, {"replicas": 1}))


def test_parameters_and_targets_name_the_nearest_valid_word() -> None:
    with pytest.raises(BadArgumentError, match="Did you mean 'replicas'"):
        parse_parameters(ACTIONS["scale"], {"replica": 2})
    with pytest.raises(BadArgumentError, match="cannot act on a 'Deploymnt'"):
        target_of(ACTIONS["scale"], "Deploymnt/shop", cluster="c", namespace="n")
    ref = target_of(ACTIONS["scale"], "a/deployment/shop", cluster="c", namespace="n")
    assert ref == WorkloadRef("c", "a", "Deployment", "shop")


def test_floors_are_those_of_the_design() -> None:
    floors = {name: action.floor for name, action in ACTIONS.items()}
    assert {n for n, f in floors.items() if f == 0} == {
        "pod_restart", "rollout_restart", "hpa_scale", "scale",
    }  # fmt: skip
    assert {n for n, f in floors.items() if f == 0.6} == {"database_failover"}
    assert len(floors) == 13
