"""Actions on the imitated cluster have consequences, and only the right ones help."""

from pathlib import Path

import pytest

from sandbox.clock import ManualClock
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.kubelet import terminate
from sandbox.kubernetes.resources import DEPLOYMENTS, EVENTS, PODS, REPLICA_SETS
from sandbox.kubernetes.status import Json
from sandbox.world.faults import FaultLog
from sandbox.world.files import load_scenario
from sandbox.world.scenario import Change, Fault, Scenario, Story, Truth

KEY = "bad_deploy/slow_orders"


def pods(cluster: Cluster, app: str) -> list[Json]:
    return [p for p in cluster.store.every(PODS) if p["metadata"]["labels"].get("app") == app]


def later(cluster: Cluster, clock: ManualClock, seconds: float) -> None:
    clock.advance(seconds)
    cluster.tick(clock.now())


def roll_back(cluster: Cluster, name: str, revision: str) -> None:
    notes = "deployment.kubernetes.io/revision"
    old = next(
        item
        for item in cluster.store.every(REPLICA_SETS, "trading")
        if item["metadata"]["annotations"][notes] == revision
        and item["metadata"]["name"].startswith(name)
    )
    deployment = cluster.store.get(DEPLOYMENTS, "trading", name)
    assert deployment
    deployment["spec"]["template"] = old["spec"]["template"]
    deployment["metadata"]["generation"] += 1
    cluster.store.put(DEPLOYMENTS, deployment)
    cluster.commit()


@pytest.fixture
def broken(cluster: Cluster, clock: ManualClock, faults: FaultLog) -> Cluster:
    """A cluster in which the bad deploy has been rolled out."""
    cluster.begin(Story(load_scenario("bad_deploy"), clock.now() + 150))
    later(cluster, clock, 149)
    assert not faults.is_open(KEY)
    later(cluster, clock, 60)
    assert faults.is_open(KEY)
    return cluster


def test_a_quiet_cluster_stays_as_it_is(cluster: Cluster, clock: ManualClock) -> None:
    version = cluster.store.version
    later(cluster, clock, 86400)
    assert cluster.store.version == version


def test_a_deploy_is_a_new_revision_with_its_cause(broken: Cluster) -> None:
    change = broken.rollouts("order-api")[-1]
    assert change["images"] == ["order-api:2.14.0"]
    assert (change["revision"], change["rollback"]) == (5, False)
    assert "release 2.14.0" in change["cause"]
    running = {pod["spec"]["containers"][0]["image"] for pod in pods(broken, "order-api")}
    assert running == {"order-api:2.14.0"}


def test_a_rollback_closes_the_fault_once_the_new_pods_serve(
    broken: Cluster, clock: ManualClock, faults: FaultLog
) -> None:
    roll_back(broken, "order-api", "4")
    later(broken, clock, 5)
    assert faults.is_open(KEY)
    later(broken, clock, 45)
    assert not faults.is_open(KEY)
    interval = faults.intervals(KEY)[0]
    assert interval.closed_at is not None
    assert 10 < interval.closed_at - (clock.now() - 50) < 45
    assert len(broken.store.every(REPLICA_SETS, "trading")) == len(
        {item["metadata"]["name"] for item in broken.store.every(REPLICA_SETS, "trading")}
    )
    assert broken.rollouts("order-api")[-1]["rollback"] is True


def test_deleting_one_pod_does_not_close_the_fault(
    broken: Cluster, clock: ManualClock, faults: FaultLog
) -> None:
    victim = pods(broken, "order-api")[0]
    terminate(broken.engine, victim, 30)
    broken.commit()
    later(broken, clock, 120)
    assert faults.is_open(KEY)
    names = {pod["metadata"]["name"] for pod in pods(broken, "order-api")}
    assert len(names) == 4
    assert victim["metadata"]["name"] not in names


def test_the_story_can_be_told_twice(broken: Cluster, clock: ManualClock, faults: FaultLog) -> None:
    broken.begin(Story(load_scenario("bad_deploy"), clock.now() + 150))
    assert faults.is_open(KEY)
    later(broken, clock, 100)
    assert not faults.is_open(KEY)
    images = {pod["spec"]["containers"][0]["image"] for pod in pods(broken, "order-api")}
    assert images == {"order-api:2.13.2"}
    later(broken, clock, 120)
    assert faults.is_open(KEY)
    assert len(faults.intervals(KEY)) == 2


def test_another_story_ends_the_first_one_by_a_rollout(
    broken: Cluster, clock: ManualClock, faults: FaultLog
) -> None:
    broken.begin(Story(load_scenario("noisy_night"), clock.now() + 60))
    assert faults.is_open(KEY)
    later(broken, clock, 60)
    assert not faults.is_open(KEY)


def test_a_leaking_container_is_killed_and_starts_from_zero(
    cluster: Cluster, clock: ManualClock
) -> None:
    begins = clock.now() + 120
    cluster.begin(Story(load_scenario("memory_leak"), begins))
    ages = [begins - began for _n, began, ended in cluster.pod_started_at("risk-engine")
            if ended is None]  # fmt: skip
    assert sorted(ages) == [19800, 20700, 21480]
    later(cluster, clock, 300)
    restarted = [
        pod
        for pod in pods(cluster, "risk-engine")
        if pod["status"]["containerStatuses"][0]["restartCount"] == 1
    ]
    assert len(restarted) == 1
    last = restarted[0]["status"]["containerStatuses"][0]["lastState"]["terminated"]
    assert (last["reason"], last["exitCode"]) == ("OOMKilled", 137)
    name = restarted[0]["metadata"]["name"]
    lives = [life for life in cluster.pod_started_at("risk-engine") if life[0] == name]
    assert lives[0][2] == begins + 120
    assert lives[1][1:] == (begins + 123, None)
    reasons = {e["reason"] for e in cluster.store.every(EVENTS, "trading")}
    assert {"OOMKilling", "BackOff", "Started"} <= reasons


def test_deleting_the_leaking_pod_prevents_its_death(cluster: Cluster, clock: ManualClock) -> None:
    cluster.begin(Story(load_scenario("memory_leak"), clock.now() + 120))
    oldest = min(
        (life for life in cluster.pod_started_at("risk-engine") if life[2] is None),
        key=lambda life: life[1],
    )
    pod = cluster.store.peek(PODS, "trading", oldest[0])
    assert pod
    terminate(cluster.engine, pod, 30)
    cluster.commit()
    later(cluster, clock, 600)
    restarts = [p["status"]["containerStatuses"][0]["restartCount"]
                for p in pods(cluster, "risk-engine")]  # fmt: skip
    assert restarts == [0, 0, 0]


def test_a_fault_can_be_carried_by_a_config_map(
    cluster: Cluster, clock: ManualClock, faults: FaultLog
) -> None:
    scenario = Scenario(
        "bad_config", "t", "d", Truth(healthy=False), 0.0,
        changes=(Change(0.0, "config", "order-api", config_map="order-api-config-v43",
                        settings={"DB_POOL_SIZE": "4"}),),
        faults=(Fault("small_pool", config_map="order-api-config-v43"),),
    )  # fmt: skip
    cluster.begin(Story(scenario, clock.now()))
    later(cluster, clock, 60)
    assert faults.is_open("bad_config/small_pool")
    assert cluster.rollouts("order-api")[-1]["config_maps"] == ["order-api-config-v43"]
    roll_back(cluster, "order-api", "4")
    later(cluster, clock, 60)
    assert not faults.is_open("bad_config/small_pool")


def test_history_reaches_back_two_weeks(cluster: Cluster, clock: ManualClock) -> None:
    changes = cluster.rollouts("order-api")
    assert [c["revision"] for c in changes] == [1, 2, 3, 4]
    recent = [c for c in changes if clock.now() - c["at"] < 14 * 86400]
    assert len(recent) == 3
    assert {c["config_maps"][0] for c in changes} == {
        "order-api-config-v41", "order-api-config-v42",
    }  # fmt: skip
    assert min(life[1] for life in cluster.pod_started_at("ledger")) < clock.now() - 14 * 86400


def test_a_restarted_sandbox_continues_in_the_middle_of_a_rollout(
    broken: Cluster, clock: ManualClock, faults: FaultLog, tmp_path: Path
) -> None:
    roll_back(broken, "order-api", "4")
    later(broken, clock, 5)
    again = Cluster(faults, clock.now(), path=tmp_path / "cluster.json")
    assert again.store.version == broken.store.version
    later(again, clock, 60)
    assert not faults.is_open(KEY)
    assert again.replicas_history("order-api")[-1][1] == 4


def test_an_image_nobody_pushed_never_gets_ready(cluster: Cluster, clock: ManualClock) -> None:
    deployment = cluster.store.get(DEPLOYMENTS, "trading", "ledger")
    assert deployment
    deployment["spec"]["template"]["spec"]["containers"][0]["image"] = "ledger:nosuch"
    deployment["metadata"]["generation"] += 1
    cluster.store.put(DEPLOYMENTS, deployment)
    cluster.commit()
    later(cluster, clock, 700)
    fresh = cluster.store.peek(DEPLOYMENTS, "trading", "ledger")
    assert fresh
    reasons = {c["type"]: c["reason"] for c in fresh["status"]["conditions"]}
    assert reasons["Progressing"] == "ProgressDeadlineExceeded"
    assert fresh["status"]["availableReplicas"] >= 1
