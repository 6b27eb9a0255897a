"""What becomes of parameters when a step is shown: numbers, limits, revisions, replicas."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.fakes.cluster import FakeCluster
from tests.unit.act.test_actions import HPA, SHOP, actors, cluster, observed, replica_set, template
from tools.act.actions import ACTIONS
from tools.act.contract import TargetState, bind, parse_parameters
from tools.act.database import lags_of
from tools.errors import (
    ActionRefusedError,
    BackendDeniedError,
    BadArgumentError,
    LostRaceError,
    NotFoundError,
    ToolError,
)
from tools.kubernetes_objects import config_hash
from tools.ports import ConfigVersion
from tools.world import WorkloadRef


@pytest.mark.parametrize(
    ("asked", "limits"),
    [
        ({"add_replicas": 2}, (4, 6)),
        ({"add_replicas": -1}, (1, 3)),
        ({"add_replicas": -3}, (1, 1)),
        ({"add_replicas": -5}, (1, 1)),
        ({"min_replicas": 3}, (3, 4)),
        ({"min_replicas": 5}, (5, 5)),
        ({"max_replicas": 9}, (2, 9)),
        ({"min_replicas": 4, "max_replicas": 4}, (4, 4)),
    ],
)
async def test_limits_are_moved_as_asked_and_never_below_one_pod(
    asked: dict[str, int], limits: tuple[int, int]
) -> None:
    world = cluster()
    world.put(HPA)
    found = (await observed(world, "hpa_scale", asked)).parameters
    assert (found["min_replicas"], found["max_replicas"]) == limits


async def test_limits_that_contradict_or_stand_already_are_refused() -> None:
    with pytest.raises(ActionRefusedError, match=r"no autoscaler owns .*; use the action 'scale'"):
        await observed(cluster(), "hpa_scale", {"add_replicas": 1})
    world = cluster()
    world.put(HPA)
    with pytest.raises(ActionRefusedError, match="min_replicas 2 would exceed max_replicas 1"):
        await observed(world, "hpa_scale", {"max_replicas": 1})
    with pytest.raises(ActionRefusedError, match=r"shop already has these limits"):
        await observed(world, "hpa_scale", {"min_replicas": 2, "max_replicas": 4})


@pytest.mark.parametrize(
    ("name", "field", "least", "most", "default"),
    [
        ("run_job", "deadline_seconds", 1, 86_400, 3600),
        ("pod_restart", "grace_period", 0, 600, 30),
        ("hpa_scale", "min_replicas", 1, 500, None),
        ("hpa_scale", "max_replicas", 1, 500, None),
        ("hpa_scale", "add_replicas", -500, 500, None),
        ("scale", "replicas", 0, 500, None),
        ("scale", "add_replicas", -500, 500, None),
        ("database_failover", "max_lag_bytes", 0, None, 16 * 1024 * 1024),
        ("deployment_rollback", "to_revision", 0, None, 0),
    ],
)
async def test_a_number_has_its_limits_and_what_it_is_unsaid(
    name: str, field: str, least: int, most: int | None, default: int | None
) -> None:
    action = ACTIONS[name]
    assert action.parameters.model_fields[field].default == default
    for good in {least, least if most is None else most}:
        asked = parse_parameters(action, {field: good})
        assert getattr(asked, field) == good
        with suppress(ToolError):  # as a value it is taken; whether it can be done is another thing
            await action.observe(actors(cluster()), replace(SHOP, kind=action.kinds[0]), asked)
    for bad in {least - 1, least - 1 if most is None else most + 1}:
        with pytest.raises(BadArgumentError, match=field):
            parse_parameters(action, {field: bad})


async def test_one_pod_alone_needs_no_word_more() -> None:
    assert (await observed(cluster(), "scale", {"replicas": 1})).parameters == {"replicas": 1}


async def test_an_autoscaler_is_let_keep_one_pod_and_none_at_all_is_refused() -> None:
    world = cluster()
    world.put(HPA)
    state = await observed(world, "scale", {"replicas": 1})
    assert state.parameters == {"replicas": 1}
    assert [str(line) for line in ACTIONS["scale"].preview(state).diff] == ["minReplicas: 2 → 1"]
    most = ACTIONS["scale"].preview(await observed(world, "scale", {"replicas": 4}))
    assert [str(line) for line in most.diff] == ["minReplicas: 2 → 4"]
    state = await observed(world, "scale", {"replicas": 3})
    await ACTIONS["scale"].execute(actors(world), bind(ACTIONS["scale"], state), "k")
    spec = (await world.get(state.target))["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 4)
    world.put(HPA)
    more = ACTIONS["scale"].preview(await observed(world, "scale", {"replicas": 5}))
    assert [str(line) for line in more.diff] == ["minReplicas: 2 → 5", "maxReplicas: 4 → 5"]
    with pytest.raises(ActionRefusedError, match="keeps at least one pod"):
        await observed(world, "scale", {"replicas": 0, "allow_zero": True})


async def test_a_restart_is_stamped_with_the_time_it_was_planned_at() -> None:
    world, action = cluster(), ACTIONS["rollout_restart"]
    state = await observed(world, action.name)
    at = actors(world).clock.now().isoformat(timespec="seconds")
    assert state.parameters == {"restarted_at": at}
    assert [str(line) for line in action.preview(state).diff] == [f"restartedAt: (never) → {at}"]
    again = await observed(world, action.name, {"restarted_at": "2026-11-20T12:00:00+00:00"})
    assert again.parameters["restarted_at"] == "2026-11-20T12:00:00+00:00"
    await action.execute(actors(world), bind(action, state), "k")
    later = await observed(world, action.name, {"restarted_at": "later"})
    assert [str(line) for line in action.preview(later).diff] == [f"restartedAt: {at} → later"]


@pytest.mark.parametrize("replicas", [0, 1])
async def test_the_way_back_of_a_scale_leads_to_the_number_before_also_to_none(
    replicas: int,
) -> None:
    world, action = cluster(), ACTIONS["scale"]
    world.objects["Deployment", "trading", "shop"]["spec"]["replicas"] = replicas
    state = await observed(world, action.name, {"replicas": 4})
    await action.execute(actors(world), bind(action, state), "k")
    back = action.undo_of(state)
    assert back is not None
    again = await observed(world, back.action, dict(back.parameters))
    await action.execute(actors(world), bind(action, again), "k-undo")
    assert (await world.get(SHOP))["spec"]["replicas"] == replicas


async def test_a_rollback_goes_to_the_newest_older_revision_that_is_another_one() -> None:
    world = cluster()

    async def chosen(**raw: Any) -> object:
        state = await observed(world, "deployment_rollback", raw)
        return state.parameters["replica_set"]

    world.put(replica_set(3, template("shop:3")))  # newer than what runs: somebody went back
    assert await chosen() == "shop-h1"
    assert await chosen(to_revision=3) == "shop-h3"
    assert await chosen(replica_set="shop-h3") == "shop-h3"
    with pytest.raises(NotFoundError, match="no ReplicaSet 'shop-h9'"):
        await chosen(replica_set="shop-h9")
    with pytest.raises(ActionRefusedError, match="already runs revision 2"):
        await chosen(to_revision=2)
    same = replica_set(1, template("shop:2", extra="FLAG"))
    world.put({**same, "metadata": {**same["metadata"], "name": "shop-h1"}})
    with pytest.raises(ActionRefusedError, match=r"no older revision.*revisions: 3, 2, 1"):
        await chosen()


async def test_what_is_to_be_changed_in_git_is_told_in_five_lines_at_most() -> None:
    world, action = cluster(), ACTIONS["deployment_rollback"]
    changed = template("shop:2")
    changed["spec"]["containers"][0]["env"] = [{"name": f"N{n}", "value": "1"} for n in range(8)]
    world.objects["Deployment", "trading", "shop"]["spec"]["template"] = changed
    world.objects["ReplicaSet", "trading", "shop-h2"]["spec"]["template"] = changed
    state = await observed(world, action.name)
    assert len(action.preview(state).diff) > 5
    assert action.git_change(state).count("spec.template.") == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "cordoned", "takes"),
    [("cordon", False, "no new pods"), ("uncordon", True, "new pods again")],
)
async def test_a_cordon_says_what_the_node_takes_and_is_not_made_twice(
    name: str, cordoned: bool, takes: str
) -> None:
    world, action = cluster(), ACTIONS[name]
    spec = {"unschedulable": cordoned}
    world.put({"kind": "Node", "metadata": {"name": "node-a"}, "spec": spec})
    ref = WorkloadRef("default", "", "Node", "node-a")
    state = await action.observe(actors(world), ref, parse_parameters(action, {}))
    shown = action.preview(state)
    assert shown.summary == f"Node node-a takes {takes}; running pods stay"
    before, after = str(cordoned).lower(), str(not cordoned).lower()
    assert [str(line) for line in shown.diff] == [f"unschedulable: {before} → {after}"]
    assert (shown.pods_affected, shown.pods_total) == (0, 0)
    await action.execute(actors(world), bind(action, state), "k")
    with pytest.raises(ActionRefusedError, match=f"is already {name}ed"):
        await action.observe(actors(world), ref, parse_parameters(action, {}))


async def test_a_breaker_in_a_config_map_is_one_key_of_it() -> None:
    world, action = cluster(), ACTIONS["circuit_breaker"]
    ref = WorkloadRef("default", "trading", "ConfigMap", "flags")
    metadata = {"namespace": "trading", "name": "flags"}
    world.put({"kind": "ConfigMap", "metadata": metadata, "data": {"RISK": "closed", "A": "1"}})

    async def seen(**raw: str) -> TargetState:
        return await action.observe(actors(world), ref, parse_parameters(action, raw))

    with pytest.raises(BadArgumentError, match="url belongs to a target of kind Endpoint"):
        await seen(key="RISK", url="https://ops.example")
    with pytest.raises(ActionRefusedError, match="is already 'closed'"):
        await seen(key="RISK", state="closed")
    state = await seen(key="RISK")
    shown = action.preview(state)
    assert [str(line) for line in shown.diff] == ["RISK: closed → open"]
    assert shown.summary.startswith("Set RISK of trading/ConfigMap/flags to open; ")
    back = action.undo_of(state)
    assert back is not None
    assert back.parameters == {"key": "RISK", "state": "closed"}
    assert action.undo_of(await seen(key="A")) is None  # some other word than ours


@pytest.mark.parametrize("name", ["rollout_restart", "deployment_rollback"])
async def test_a_deployment_whose_rollout_is_paused_is_left_as_it_is(name: str) -> None:
    world = cluster()
    world.objects["Deployment", "trading", "shop"]["spec"]["paused"] = True
    with pytest.raises(ActionRefusedError, match="is paused; resume its rollout first"):
        await observed(world, name)


async def test_where_nothing_says_which_revision_runs_the_newest_is_taken_for_it() -> None:
    world = cluster()
    world.put(replica_set(3, template("shop:3")))
    world.objects["Deployment", "trading", "shop"]["spec"]["template"] = template("shop:9")
    state = await observed(world, "deployment_rollback")
    assert state.parameters["replica_set"] == "shop-h2"
    assert state.facts["running_set"] == "shop-h3"


@pytest.mark.parametrize("name", ["scale", "hpa_scale"])
async def test_an_autoscaler_that_scales_something_else_by_now_is_not_written(name: str) -> None:
    world, action = cluster(), ACTIONS[name]
    world.put(HPA)
    raw = {"replicas": 3} if name == "scale" else {"min_replicas": 3}
    bound = bind(action, await observed(world, name, raw))
    autoscaler = world.objects["HorizontalPodAutoscaler", "trading", "shop"]
    autoscaler["spec"]["scaleTargetRef"]["name"] = "another"
    with pytest.raises(LostRaceError, match="scales trading/Deployment/another now"):
        await action.execute(actors(world), bound, "k")
    assert world.sent == []


async def test_of_several_config_maps_that_changed_one_must_be_named() -> None:
    world, action = cluster(), ACTIONS["config_rollback"]
    for name in ("other-v1", "other-v2"):
        metadata = {"namespace": "trading", "name": name}
        world.put({"kind": "ConfigMap", "metadata": metadata, "data": {"a": name}})
    places = [("Deployment", "shop", 2), ("ReplicaSet", "shop-h2", 2), ("ReplicaSet", "shop-h1", 1)]
    for kind, name, version in places:
        spec = world.objects[kind, "trading", name]["spec"]["template"]["spec"]
        other = {"configMapRef": {"name": f"other-v{version}"}}
        spec["containers"][0]["envFrom"].append(other)
    with pytest.raises(ActionRefusedError, match=r"changed \(other-v2, shop-v2\); name one"):
        await observed(world, action.name)
    state = await observed(world, action.name, {"config_map": "other-v2"})
    assert state.parameters["to_config_map"] == "other-v1"
    assert action.preview(state).summary == (
        "Let trading/Deployment/shop use config map other-v1 again instead of other-v2"
    )


@pytest.mark.parametrize("why", ["denied", "gone", "garbled"])
async def test_a_primary_that_does_not_tell_stops_a_failover_until_somebody_takes_the_risk(
    why: str,
) -> None:
    class Untold(FakeCluster):
        async def ask_pod(self, pod: WorkloadRef, port: int, path: str) -> dict[str, str]:
            assert (port, path) == (8000, "/pg/status")
            if why == "garbled":
                return {"currentLsn": "no position"}
            raise {"denied": BackendDeniedError("kubernetes", "no"), "gone": NotFoundError("x")}[
                why
            ]

    world, action = Untold(), ACTIONS["database_failover"]
    status = {
        "currentPrimary": "a", "targetPrimary": "a", "instancesStatus": {"healthy": ["a", "b"]},
    }  # fmt: skip
    world.put(
        {"kind": "Cluster", "metadata": {"namespace": "data", "name": "pg"}, "status": status}
    )
    ref = WorkloadRef("default", "data", "Cluster", "pg")
    with pytest.raises(ActionRefusedError, match="set accept_unknown_lag: true"):
        await action.observe(actors(world), ref, parse_parameters(action, {}))
    asked = parse_parameters(action, {"accept_unknown_lag": True})
    assert (await action.observe(actors(world), ref, asked)).parameters["to_instance"] == "b"


async def test_a_restored_config_map_has_a_name_that_kubernetes_takes() -> None:
    world, action = cluster(), ACTIONS["config_rollback"]
    long = "c" * 60
    world.put({"kind": "ConfigMap", "metadata": {"namespace": "trading", "name": long}, "data": {}})
    own = WorkloadRef("default", "trading", "ConfigMap", long)
    spec = world.objects["Deployment", "trading", "shop"]["spec"]["template"]["spec"]
    spec["containers"][0]["envFrom"] = [{"configMapRef": {"name": long}}]

    class Kept:
        async def save(self, ref: WorkloadRef, item: object, at: object) -> bool:
            raise NotImplementedError

        async def versions_of(self, ref: WorkloadRef, limit: int = 20) -> list[ConfigVersion]:
            at, now = actors(world).clock.now(), world.objects["ConfigMap", "trading", long]
            present = ConfigVersion(own, at, config_hash(now), {})
            return [present, ConfigVersion(own, at, "f" * 64, {"limit": "1"})]

    kept = replace(actors(world), config_history=Kept())
    state = await action.observe(kept, SHOP, parse_parameters(action, {}))
    assert state.parameters["to_config_map"] == f"{'c' * 52}-{'f' * 10}"
    assert len(state.parameters["to_config_map"]) == 63


async def test_a_replica_at_the_limit_goes_before_one_that_does_not_stream() -> None:
    world, action = cluster(), ACTIONS["database_failover"]
    status = {
        "currentPrimary": "pg-3",
        "targetPrimary": "pg-3",
        "instancesStatus": {"healthy": ["pg-3", "pg-2", "pg-1"]},
    }
    world.put(
        {"kind": "Cluster", "metadata": {"namespace": "data", "name": "pg"}, "status": status}
    )
    row = {"applicationName": "pg-2", "state": "streaming", "replayLsn": "0/4000000"}
    world.pod_answers["pg-3"] = {"currentLsn": "0/5000000", "replicationInfo": [row]}
    ref = WorkloadRef("default", "data", "Cluster", "pg")
    state = await action.observe(actors(world), ref, parse_parameters(action, {}))
    assert state.parameters["to_instance"] == "pg-2"  # 16 MiB behind, and no byte more may be
    row["replayLsn"] = "0/3FFFFFF"
    with pytest.raises(ActionRefusedError, match="not streaming"):
        await action.observe(actors(world), ref, parse_parameters(action, {}))
    asked = parse_parameters(action, {"to_instance": "pg-2"})
    with pytest.raises(ActionRefusedError, match="16777217 bytes behind"):
        await action.observe(actors(world), ref, asked)


async def test_what_git_has_above_a_workload_is_refused_as_its_own() -> None:
    world, action = cluster(), ACTIONS["scale"]
    above = {"kind": "Cluster", "name": "pg", "uid": "uid-pg", "controller": True}
    marks = {"labels": {"argocd.argoproj.io/instance": "db"}, "uid": "uid-pg"}
    world.put({"kind": "Cluster", "metadata": {"namespace": "trading", "name": "pg", **marks}})
    own = {"namespace": "trading", "name": "pg", "ownerReferences": [above]}
    world.put({"kind": "StatefulSet", "metadata": own, "spec": {"replicas": 1}})
    ref = WorkloadRef("default", "trading", "StatefulSet", "pg")
    with pytest.raises(ActionRefusedError, match=r"Cluster/pg belongs to Argo CD application 'db'"):
        await action.observe(actors(world), ref, parse_parameters(action, {"replicas": 2}))


def test_how_far_a_replica_is_behind_is_counted_in_bytes_of_the_log() -> None:
    def lag(end: str, replayed: str, state: str = "streaming") -> dict[str, int]:
        row = {"applicationName": "pg-2", "state": state, "replayLsn": replayed}
        return lags_of({"currentLsn": end, "replicationInfo": [row]})

    assert lag("2/10", "1/FFFFFFF0") == {"pg-2": 0x20}
    assert lag("1/10", "1/20") == {"pg-2": 0}  # it told of the end before
    assert lag("1/10", "1/0", "catchup") == lag("", "1/0") == lag("1/10", "") == lags_of({}) == {}


async def test_what_is_approved_is_a_number_and_no_difference() -> None:
    bound = bind(ACTIONS["scale"], await observed(cluster(), "scale", {"add_replicas": 2}))
    assert bound.parameters == {"replicas": 5}


async def test_more_than_an_autoscaler_has_is_counted_from_the_pods_that_run() -> None:
    world, action = cluster(), ACTIONS["scale"]
    world.put(HPA)
    hpa: dict[str, Any] = dict(HPA)
    ref = WorkloadRef("default", "trading", "HorizontalPodAutoscaler", hpa["metadata"]["name"])
    state = await action.observe(actors(world), ref, parse_parameters(action, {"add_replicas": 1}))
    assert state.parameters == {"replicas": hpa["status"]["currentReplicas"] + 1}
