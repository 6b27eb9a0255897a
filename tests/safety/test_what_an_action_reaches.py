"""Everything an action will touch is judged, not the name in the request.

Each test is an attack that worked once: on the node that is drained, above the pod that is
restarted, behind the autoscaler that is named, before the workload that is rolled back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.domain.ids import PlanId
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.policy import OwnGround, OwnProtection, OwnService, PolicyConfig
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import (
    ANN,
    BOB,
    INCIDENTS,
    Production,
    deployment,
    library,
    service,
)
from tests.fixtures.database import sqlite_store
from tests.safety import reach
from tests.seed import seed
from tools.errors import BackendUnavailableError
from tools.world import ProposalReceipt

Json = dict[str, Any]
NODE = "node-b"
LABEL = {"do-not-remediate": "true"}
HEAD = """
id: {id}
name: {id}
description: One step
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.5
steps:
  - {{name: Step, action: {action}, target: "{target}", parameters: {{{parameters}}}}}
verify: [{{expression: order_error_rate < 2%, window_seconds: 600}}]
"""
PLAYBOOKS = [
    HEAD.format(id=name, action=action, target=target, parameters=parameters)
    for name, action, target, parameters in (
        ("drain", "drain", f"Node/{NODE}", ""),
        ("restart-pod", "pod_restart", "Pod/shop-h2-1", ""),
        ("restart-worst", "pod_restart", "Deployment/shop", ""),
        ("restart-all", "rollout_restart", "Deployment/shop", ""),
        ("roll-back", "deployment_rollback", "Deployment/shop", ""),
        ("more-pods", "scale", "Deployment/cart", "replicas: 4"),
        ("named-hpa", "hpa_scale", "HorizontalPodAutoscaler/shop", "add_replicas: 2"),
        ("hpa-of-shop", "hpa_scale", "Deployment/shop", "add_replicas: 2"),
        ("breaker", "circuit_breaker", "ConfigMap/flags", ""),
    )
]
Attack = Callable[[Production], None]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Production]:
    async with sqlite_store(tmp_path / "bot.db") as store:
        production = Production(store, playbooks=library(*PLAYBOOKS))
        production.cluster.put({"kind": "Node", "metadata": {"name": NODE}, "spec": {}})
        for pod in pods(production, "shop"):
            pod["spec"]["nodeName"] = NODE
        yield production
        await production.bot.execution.idle()


# --- words --------------------------------------------------------------------------------------


def pods(world: Production, name: str) -> list[Json]:
    found = [item for (kind, _, _), item in world.cluster.objects.items() if kind == "Pod"]
    return [pod for pod in found if pod["metadata"]["name"].startswith(f"{name}-")]


def item(world: Production, kind: str, name: str, namespace: str = "trading") -> Json:
    return world.cluster.objects[kind, namespace, name]


def place(world: Production, name: str, *, namespace: str = "trading", count: int = 1) -> None:
    """Let some pods of a deployment run on the node that is drained."""
    for each in deployment(name, namespace=namespace):
        if each["kind"] != "Pod":
            world.cluster.put(each)
        elif count:
            count -= 1
            each["spec"]["nodeName"] = NODE
            world.cluster.put(each)
    space = {"kind": "Namespace", "metadata": {"name": namespace}}
    if ("Namespace", "", namespace) not in world.cluster.objects:
        world.cluster.put(space)


def kubernetes_service(world: Production, name: str, selector: Mapping[str, str]) -> None:
    metadata = {"namespace": "trading", "name": name}
    spec = {"selector": dict(selector)}
    world.cluster.put({"kind": "Service", "metadata": metadata, "spec": spec})


def evictions(cluster: FakeCluster) -> list[str]:
    return [ref.name for verb, ref, _ in cluster.sent if verb == "delete"]


async def refused(world: Production, playbook: str, *guards: str) -> ProposalReceipt:
    """Propose; no plan comes of it, and nothing happens."""
    receipt = await world.propose(playbook)
    assert receipt.plan_id is None, receipt
    assert receipt.refused_by in guards
    await world.run()
    assert world.cluster.sent == []
    return receipt


async def stopped_before_it_began(
    world: Production, playbook: str, attack: Attack, *guards: str
) -> PlanId:
    """Approve, change the world, run: nothing happens, and a guard is named."""
    plan = await world.approved(playbook)
    attack(world)
    await world.run()
    record = await world.record(plan)
    assert world.cluster.sent == []
    assert record.status is PlanStatus.WITHDRAWN, record.outcome
    async with world.store.begin() as tx:
        rows = await tx.audit.tail(100, plan)
    told = [row.event.facts["guard"] for row in rows if row.event.kind == "plan.refused"]
    assert len(told) == 1
    assert told[0] in guards
    return plan


# --- drain --------------------------------------------------------------------------------------


def a_pod_of_a_protected_namespace(world: Production) -> None:
    place(world, "coredns", namespace="kube-system")


def a_pod_of_a_protected_service(world: Production) -> None:
    place(world, "vault")


def a_labelled_pod(world: Production) -> None:
    pods(world, "shop")[0]["metadata"]["labels"].update(LABEL)


def a_labelled_deployment_above(world: Production) -> None:
    item(world, "Deployment", "shop")["metadata"]["labels"] = dict(LABEL)


def a_labelled_replica_set_above(world: Production) -> None:
    item(world, "ReplicaSet", "shop-h2")["metadata"]["labels"] = dict(LABEL)


def a_labelled_node(world: Production) -> None:
    item(world, "Node", NODE, "")["metadata"]["labels"] = dict(LABEL)


def a_labelled_namespace(world: Production) -> None:
    place(world, "quiet", namespace="quiet")
    item(world, "Namespace", "quiet", "")["metadata"]["labels"] = dict(LABEL)


def a_label_that_another_one_seems_to_take_back(world: Production) -> None:
    item(world, "Namespace", "trading", "")["metadata"]["labels"] = dict(LABEL)
    for pod in pods(world, "shop"):
        pod["metadata"]["labels"]["do-not-remediate"] = "false"


PROTECTED: Sequence[tuple[Attack, str]] = (
    (a_pod_of_a_protected_namespace, "protected_namespace"),
    (a_pod_of_a_protected_service, "protected_service"),
    (a_labelled_pod, "protected_label"),
    (a_labelled_deployment_above, "protected_label"),
    (a_labelled_replica_set_above, "protected_label"),
    (a_labelled_namespace, "protected_label"),
    (a_label_that_another_one_seems_to_take_back, "protected_label"),
)
EACH = pytest.mark.parametrize(
    ("attack", "guard"), PROTECTED, ids=[attack.__name__ for attack, _ in PROTECTED]
)


async def test_a_drain_evicts_what_was_shown(world: Production) -> None:
    plan = await world.approved("drain")
    await world.run()
    assert sorted(evictions(world.cluster)) == ["shop-h2-0", "shop-h2-1", "shop-h2-2"]
    assert item(world, "Node", NODE, "")["spec"]["unschedulable"] is True
    assert (await world.record(plan)).status is PlanStatus.VERIFYING


@EACH
async def test_a_node_with_something_protected_is_not_drained(
    world: Production, attack: Attack, guard: str
) -> None:
    attack(world)
    await refused(world, "drain", guard)


@EACH
async def test_what_becomes_protected_after_the_yes_is_not_evicted(
    world: Production, attack: Attack, guard: str
) -> None:
    await stopped_before_it_began(world, "drain", attack, guard, "effect_set")


async def test_a_pod_of_another_owner_that_came_after_the_yes_is_not_evicted(
    world: Production,
) -> None:
    def another_comes(world: Production) -> None:
        pods(world, "cart")[0]["spec"]["nodeName"] = NODE

    await stopped_before_it_began(world, "drain", another_comes, "effect_set")


def one_more(world: Production) -> None:
    pod = pods(world, "shop")[0]
    meta = {**pod["metadata"], "name": "shop-h2-9", "uid": "uid-shop-9"}
    world.cluster.put({**pod, "metadata": meta})


async def test_one_pod_more_of_the_same_owner_is_not_evicted(world: Production) -> None:
    await stopped_before_it_began(world, "drain", one_more, "effect_set")


async def test_a_replacement_of_the_same_owner_is_inside(world: Production) -> None:
    plan = await world.approved("drain")
    pod = pods(world, "shop")[0]
    meta = {**pod["metadata"], "name": "shop-h2-new", "uid": "uid-shop-new"}
    del world.cluster.objects["Pod", "trading", pod["metadata"]["name"]]
    world.cluster.put({**pod, "metadata": meta})
    await world.run()
    assert sorted(evictions(world.cluster)) == ["shop-h2-1", "shop-h2-2", "shop-h2-new"]
    assert (await world.record(plan)).status is PlanStatus.VERIFYING


class Meddled(FakeCluster):
    """Somebody changes the world right after the first changes of a step."""

    after: dict[int, Callable[[], None]]

    async def patch(self, *args: Any, **kwargs: Any) -> Any:
        answer = await super().patch(*args, **kwargs)
        self._meddle()
        return answer

    async def create(self, *args: Any, **kwargs: Any) -> Any:
        answer = await super().create(*args, **kwargs)
        self._meddle()
        return answer

    def _meddle(self) -> None:
        change = self.after.pop(len(self.sent), None)
        if change is not None:
            change()


def meddled(world: Production, change: Attack, *, after: int) -> None:
    """Let somebody change the world once `after` changes of the step are done."""
    world.cluster.__class__ = Meddled
    assert isinstance(world.cluster, Meddled)
    world.cluster.after = {after: lambda: change(world)}


def another_owners_pod(world: Production) -> None:
    pods(world, "cart")[0]["spec"]["nodeName"] = NODE


@pytest.mark.parametrize(
    ("change", "after", "stays"),
    [
        (another_owners_pod, 1, "cart-h2-0"),
        (a_labelled_deployment_above, 2, "shop-h2-2"),
        (a_pod_of_a_protected_service, 3, "vault-h2-0"),
        (one_more, 3, "shop-h2-9"),
    ],
    ids=[
        "another owner's pod",
        "a label on the deployment",
        "a protected service's pod",
        "a replacement of what was evicted",
    ],
)
async def test_a_drain_stops_in_the_middle_before_what_it_must_not_evict_and_offers_its_undo(
    world: Production, change: Attack, after: int, stays: str
) -> None:
    plan = await world.approved("drain")
    meddled(world, change, after=after)
    await world.run()
    assert stays not in evictions(world.cluster)
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED, record.outcome
    assert record.plan.body.undo
    kinds = await world.audit(plan)
    assert "step.stopped" in kinds
    assert "step.succeeded" not in kinds
    assert item(world, "Node", NODE, "")["spec"]["unschedulable"] is True
    assert (await world.bot.approvals.undo(plan, ANN, INCIDENTS)).accepted
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK
    assert item(world, "Node", NODE, "")["spec"]["unschedulable"] is False


@pytest.mark.parametrize("done", [1, 2, 3], ids=["cordoned", "noted", "one evicted"])
async def test_a_drain_stops_where_it_is_when_somebody_labels_the_node(
    world: Production, done: int
) -> None:
    plan = await world.approved("drain")
    meddled(world, a_labelled_node, after=done)
    await world.run()
    assert len(world.cluster.sent) == done
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED, record.outcome
    assert f"Node/{NODE} carries the protected label" in record.outcome


async def test_a_drain_that_loses_its_cluster_in_the_middle_is_stopped_and_not_failed(
    world: Production,
) -> None:
    """What it evicted is evicted: the way back is offered, not forgotten."""
    plan = await world.approved("drain")

    def down(world: Production) -> None:
        world.cluster.fail_next.append(BackendUnavailableError("kubernetes", "does not answer"))

    meddled(world, down, after=3)  # cordoned, noted, one evicted
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED, record.outcome
    assert "does not answer" in record.outcome
    assert len(evictions(world.cluster)) == 1


async def test_a_drain_that_stopped_stays_stopped_after_a_kill_right_there(
    world: Production,
) -> None:
    plan = await world.approved("drain")
    meddled(world, another_owners_pod, after=1)
    steps = world.bot.execution._steps
    real = steps.done

    async def killed(*args: Any, **kwargs: Any) -> None:
        await real(*args, **kwargs)
        raise RuntimeError("killed")

    steps.done = killed  # type: ignore[method-assign]
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.RUNNING
    world.clock.advance(seconds=31)
    await world.run(world.replica("two"))
    assert (await world.record(plan)).status is PlanStatus.HALTED
    assert "cart-h2-0" not in evictions(world.cluster)


@pytest.mark.parametrize("evicted", [1, 2])
async def test_a_drain_that_was_killed_evicts_no_more_than_was_shown_when_it_is_sent_again(
    world: Production, evicted: int
) -> None:
    """It counted from zero: each life evicted as many pods of one owner as were approved."""
    plan = await world.approved("drain")
    shown = len(pods(world, "shop"))
    template = pods(world, "shop")[0]

    def killed(world: Production) -> None:
        for number in range(evicted):  # their owner makes them anew, on this node
            name = f"shop-again-{number}"
            meta = {**template["metadata"], "name": name, "uid": f"uid-{name}"}
            world.cluster.put({**template, "metadata": meta})
        raise RuntimeError("killed")

    meddled(world, killed, after=2 + evicted)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.RUNNING
    assert len(evictions(world.cluster)) == evicted
    world.clock.advance(seconds=31)
    await world.run(world.replica("two"))
    assert len(evictions(world.cluster)) <= shown
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED, record.outcome
    assert "were shown" in record.outcome


async def test_a_drain_that_was_killed_goes_on_where_nothing_came(world: Production) -> None:
    plan = await world.approved("drain")
    shown = [pod["metadata"]["name"] for pod in pods(world, "shop")]

    def killed(_world: Production) -> None:
        raise RuntimeError("killed")

    meddled(world, killed, after=3)
    await world.run()
    world.clock.advance(seconds=31)
    await world.run(world.replica("two"))
    assert sorted(evictions(world.cluster)) == sorted(shown)
    assert (await world.record(plan)).status is PlanStatus.VERIFYING


async def test_a_drain_does_not_uncordon_a_node_that_took_no_pods_before(
    world: Production,
) -> None:
    item(world, "Node", NODE, "")["spec"]["unschedulable"] = True
    plan = await world.approved("drain")
    assert (await world.record(plan)).plan.body.undo == ()


# --- above a pod --------------------------------------------------------------------------------

ABOVE = pytest.mark.parametrize(
    "attack", [a_labelled_deployment_above, a_labelled_replica_set_above], ids=lambda a: a.__name__
)


@ABOVE
@pytest.mark.parametrize("playbook", ["restart-pod", "restart-worst"])
async def test_a_pod_is_not_restarted_when_what_stands_above_it_is_labelled(
    world: Production, playbook: str, attack: Attack
) -> None:
    attack(world)
    await refused(world, playbook, "protected_label")


@ABOVE
@pytest.mark.parametrize("playbook", ["restart-pod", "restart-worst"])
async def test_a_label_that_is_put_above_a_pod_after_the_yes_holds(
    world: Production, playbook: str, attack: Attack
) -> None:
    await stopped_before_it_began(world, playbook, attack, "protected_label")


async def test_a_pod_belongs_to_who_owns_it_and_not_to_whose_name_it_bears(
    world: Production,
) -> None:
    above = item(world, "ReplicaSet", "shop-h2")["metadata"]["ownerReferences"][0]
    above.update(name="vault", uid="uid-vault")
    await refused(world, "restart-pod", "protected_service")


@pytest.mark.parametrize("gone", ["ReplicaSet/shop-h2", "Deployment/shop"])
async def test_an_owner_that_is_gone_is_not_no_owner(world: Production, gone: str) -> None:
    kind, _, name = gone.partition("/")
    del world.cluster.objects[kind, "trading", name]
    receipt = await refused(world, "restart-pod", "effect_set")
    assert f"trading/{gone}" in receipt.summary


async def test_an_owner_that_was_made_anew_under_its_name_is_not_the_owner(
    world: Production,
) -> None:
    item(world, "Deployment", "shop")["metadata"]["uid"] = "another"
    await refused(world, "restart-pod", "effect_set")


async def test_an_owner_of_a_kind_nobody_reads_takes_two_people(world: Production) -> None:
    """It stands at the top by name and uid: what is written on it is not known."""
    owner = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "name": "shop",
        "uid": "uid-rollout",
        "controller": True,
    }
    item(world, "ReplicaSet", "shop-h2")["metadata"]["ownerReferences"] = [owner]
    plan = await world.planned("restart-pod")
    record = await world.record(plan)
    assert record.plan.approvers_needed == 2
    effects = record.plan.body.effects()
    assert effects is not None
    assert [str(each.owner) for each in effects.pods] == ["trading/Rollout/shop"]
    await world.approve(plan, ANN, BOB)
    await world.run()
    assert evictions(world.cluster) == ["shop-h2-1"]


# --- behind an autoscaler -----------------------------------------------------------------------


def the_autoscaler_scales_the_vault(world: Production) -> None:
    aim = item(world, "HorizontalPodAutoscaler", "shop")["spec"]["scaleTargetRef"]
    aim["name"] = "vault"


def limits(world: Production) -> tuple[int, int]:
    spec = item(world, "HorizontalPodAutoscaler", "shop")["spec"]
    return spec["minReplicas"], spec["maxReplicas"]


async def test_an_autoscaler_that_is_named_does_not_scale_a_protected_service(
    world: Production,
) -> None:
    the_autoscaler_scales_the_vault(world)
    await refused(world, "named-hpa", "protected_service")


@pytest.mark.parametrize("playbook", ["named-hpa", "hpa-of-shop"])
@pytest.mark.parametrize("aim", ["vault", "cart", "nothing-there"])
async def test_an_autoscaler_that_was_moved_after_the_yes_is_not_touched(
    world: Production, playbook: str, aim: str
) -> None:
    def moved(world: Production) -> None:
        spec = item(world, "HorizontalPodAutoscaler", "shop")["spec"]
        spec["scaleTargetRef"]["name"] = aim

    await stopped_before_it_began(
        world, playbook, moved, "effect_set", "target_changed", "protected_service"
    )
    assert limits(world) == (2, 4)


async def test_an_autoscaler_that_is_moved_while_it_is_written_is_not_written(
    world: Production,
) -> None:
    plan = await world.approved("named-hpa")
    real = world.bot.execution._steps.sent

    async def moved(*args: Any, **kwargs: Any) -> Any:
        the_autoscaler_scales_the_vault(world)
        return await real(*args, **kwargs)

    world.bot.execution._steps.sent = moved  # type: ignore[method-assign]
    await world.run()
    assert limits(world) == (2, 4)
    assert (await world.record(plan)).status is PlanStatus.FAILED


async def test_a_label_on_what_an_autoscaler_scales_holds(world: Production) -> None:
    a_labelled_deployment_above(world)
    await refused(world, "named-hpa", "protected_label")


async def test_what_git_owns_is_not_scaled_through_an_autoscaler_that_git_does_not_own(
    world: Production,
) -> None:
    marks = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:trading/shop"}
    item(world, "Deployment", "shop")["metadata"]["annotations"] = marks
    await refused(world, "named-hpa", "gitops_owned")


# --- before a workload --------------------------------------------------------------------------

BEHIND = ("restart-all", "roll-back", "restart-pod", "named-hpa")


def one_service_for_shop_and_vault(world: Production) -> None:
    for name in ("shop", "vault"):
        for pod in pods(world, name):
            pod["metadata"]["labels"]["tier"] = "front"
        template = item(world, "Deployment", name)["spec"]["template"]
        template["metadata"]["labels"]["tier"] = "front"
    kubernetes_service(world, "front", {"tier": "front"})


def the_vaults_own_service_sends_traffic_to_shop(world: Production) -> None:
    kubernetes_service(world, "vault", {"app": "shop"})


def a_labelled_service(world: Production) -> None:
    kubernetes_service(world, "front", {"app": "shop"})
    item(world, "Service", "front")["metadata"]["labels"] = dict(LABEL)


@pytest.mark.parametrize("playbook", BEHIND)
@pytest.mark.parametrize(
    ("attack", "guard"),
    [
        (one_service_for_shop_and_vault, "protected_service"),
        (the_vaults_own_service_sends_traffic_to_shop, "protected_service"),
        (a_labelled_service, "protected_label"),
    ],
    ids=["shared", "by name", "labelled"],
)
async def test_a_workload_behind_a_protected_service_is_left_alone(
    world: Production, playbook: str, attack: Attack, guard: str
) -> None:
    attack(world)
    await refused(world, playbook, guard)


async def test_a_workload_is_not_scaled_behind_a_protected_service(world: Production) -> None:
    kubernetes_service(world, "vault", {"app": "cart"})
    await refused(world, "more-pods", "protected_service")


@pytest.mark.parametrize("playbook", BEHIND)
async def test_a_service_that_was_put_before_a_workload_after_the_yes_stops_the_plan(
    world: Production, playbook: str
) -> None:
    def put(world: Production) -> None:
        kubernetes_service(world, "another", {"app": "shop"})

    await stopped_before_it_began(world, playbook, put, "effect_set")


async def test_a_rollback_does_not_bring_pods_behind_a_protected_service(
    world: Production,
) -> None:
    """The revision that would come back carries a label that the vault's Service selects."""
    older = item(world, "ReplicaSet", "shop-h1")["spec"]["template"]
    older["metadata"]["labels"]["app"] = "vault"
    kubernetes_service(world, "vault", {"app": "vault"})
    await refused(world, "roll-back", "protected_service")
    await world.approved("restart-pod")  # what stays as it is has nothing to do with it


async def test_a_plan_being_undone_keeps_its_written_way_back_to_itself(world: Production) -> None:
    """A way back that the playbook writes may work on something else than its step."""
    back = "undo: {action: scale, target: Deployment/cart, parameters: {replicas: 4}}"
    both = PLAYBOOKS[4].replace("parameters: {}}", f"parameters: {{}}, {back}}}")
    world.playbooks = library(both, *PLAYBOOKS[:4], *PLAYBOOKS[5:])
    await world.approved("roll-back")
    await world.run()
    refusal = await world.propose("more-pods", "cart")
    assert refusal.refused_by in {"exclusion", "cooldown"}


async def test_a_service_without_a_selector_stands_before_nothing(world: Production) -> None:
    kubernetes_service(world, "vault", {})
    await world.approved("restart-pod")
    await world.run()
    assert evictions(world.cluster) == ["shop-h2-1"]


async def test_a_config_map_that_a_protected_workload_reads_is_not_switched(
    world: Production,
) -> None:
    metadata = {"namespace": "trading", "name": "flags"}
    world.cluster.put(
        {"kind": "ConfigMap", "metadata": metadata, "data": {"CIRCUIT_BREAKER": "closed"}}
    )
    source = {"configMapRef": {"name": "flags"}}
    pods(world, "vault")[0]["spec"]["containers"] = [{"name": "vault", "envFrom": [source]}]
    await refused(world, "breaker", "protected_service")


# --- what the bot stands on ---------------------------------------------------------------------

DATABASE = OwnService("data", "postgres-rw", "the database")


def the_bot_on_the_node(world: Production) -> None:
    place(world, "sre-agent", namespace="ops")
    place(world, "neighbour", namespace="ops", count=0)


def its_database_on_the_node(world: Production) -> None:
    place(world, "pg", namespace="data")
    metadata = {"namespace": "data", "name": "postgres-rw"}
    selects = {"selector": {"app": "pg"}}
    world.cluster.put({"kind": "Service", "metadata": metadata, "spec": selects})


def standing_on(protection: OwnProtection) -> PolicyConfig:
    ground = OwnGround(protection, "", "ops", "sre-agent-h2-0", (DATABASE,))
    return PolicyConfig(own=ground)


@pytest.mark.parametrize("attack", [the_bot_on_the_node, its_database_on_the_node])
@pytest.mark.parametrize("protection", [OwnProtection.NAMESPACE, OwnProtection.WORKLOAD])
async def test_no_plan_takes_the_ground_from_under_the_bot(
    world: Production, attack: Attack, protection: OwnProtection
) -> None:
    world.policy = standing_on(protection)
    attack(world)
    await refused(world, "drain", "protected_own")


@pytest.mark.parametrize("attack", [the_bot_on_the_node, its_database_on_the_node])
async def test_a_team_may_give_up_that_protection(world: Production, attack: Attack) -> None:
    world.policy = standing_on(OwnProtection.OFF)
    attack(world)
    assert (await world.propose("drain")).refused_by == ""


@pytest.mark.parametrize(
    ("protection", "readable", "guard"),
    [
        (OwnProtection.NAMESPACE, True, "protected_own"),
        (OwnProtection.WORKLOAD, True, ""),
        (OwnProtection.WORKLOAD, False, "protected_own"),
    ],
)
async def test_who_shares_the_bots_namespace_is_protected_unless_its_own_workload_is_known(
    world: Production, protection: OwnProtection, readable: bool, guard: str
) -> None:
    world.policy = standing_on(protection)
    the_bot_on_the_node(world)
    for pod in pods(world, "sre-agent"):
        pod["spec"]["nodeName"] = "node-a"
    if not readable:
        del world.cluster.objects["Pod", "ops", "sre-agent-h2-0"]
    place(world, "neighbour", namespace="ops")
    assert (await world.propose("drain")).refused_by == guard


async def test_a_process_that_proposed_nothing_knows_its_own_workload_too(
    world: Production,
) -> None:
    world.policy = standing_on(OwnProtection.WORKLOAD)
    the_bot_on_the_node(world)
    for pod in pods(world, "sre-agent"):
        pod["spec"]["nodeName"] = "node-a"
    place(world, "neighbour", namespace="ops")
    plan = await world.approved("drain")
    await world.run(world.replica("two"))
    assert (await world.record(plan)).status is PlanStatus.VERIFYING


# --- who belongs to whom ------------------------------------------------------------------------


async def test_a_service_whose_name_begins_like_another_ones_is_not_mistaken_for_it(
    world: Production,
) -> None:
    for each in deployment("shop-vault"):
        world.cluster.put(each)
    world.services["shop-vault"] = service("shop-vault", protected=True)
    world.playbooks = library(PLAYBOOKS[4].replace("Deployment/shop", "Deployment/shop-vault"))
    await refused(world, "roll-back", "protected_service")


async def test_a_workload_that_two_services_name_is_as_protected_as_the_stricter(
    world: Production,
) -> None:
    world.services["money"] = replace(world.services["shop"], name="money", protected=True)  # type: ignore[arg-type]
    await refused(world, "roll-back", "protected_service")


# --- one workload, one plan at a time -----------------------------------------------------------


async def test_three_plans_for_one_workload_do_not_run_in_one_tick(world: Production) -> None:
    """An HPA scale, a rollback and a pod restart name three objects and one workload."""
    plans = [await world.approved(each) for each in ("named-hpa", "roll-back", "restart-pod")]
    await world.run()
    begun = [(await world.record(plan)).status is not PlanStatus.APPROVED for plan in plans]
    assert sum(begun) == 1
    assert len({ref.kind for _, ref, _ in world.cluster.sent}) == 1
    await world.run()
    assert len({ref.kind for _, ref, _ in world.cluster.sent}) == 1


async def test_a_workload_cools_down_whatever_name_it_was_touched_by(world: Production) -> None:
    world.policy = PolicyConfig()
    plan = await world.approved("restart-pod")
    await world.run()
    world.metrics["order_error_rate", "shop"] = 0.0
    world.clock.advance(seconds=70)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    world.cluster.sent.clear()
    await refused(world, "named-hpa", "cooldown")
    await refused(world, "roll-back", "cooldown")
    assert (await world.propose("more-pods", "cart")).refused_by == ""
    world.clock.advance(seconds=300)
    assert (await world.propose("named-hpa")).refused_by == ""


async def test_a_drain_and_a_restart_of_what_runs_on_the_node_exclude_each_other(
    world: Production,
) -> None:
    drained = await world.approved("drain")
    restarted = await world.approved("restart-all")
    await world.run()
    states = {(await world.record(plan)).status for plan in (drained, restarted)}
    assert PlanStatus.APPROVED in states
    assert len(states) == 2


# --- what was shown is what is bound ------------------------------------------------------------


async def test_the_digest_covers_what_will_be_touched(world: Production) -> None:
    record = await world.record(await world.planned("drain"))
    body = record.plan.body
    (step,) = body.steps
    assert step.effects is not None
    wider = replace(step.effects.pods[0], maximum=99)
    bent = replace(step, effects=replace(step.effects, pods=(wider,)))
    assert replace(body, steps=(bent,)).digest() != body.digest()
    assert b'"maximum":3' in body.canonical()


async def test_the_card_names_who_is_hit(world: Production) -> None:
    kubernetes_service(world, "front", {"app": "shop"})
    record = await world.record(await world.planned("drain"))
    told = "\n".join(record.plan.blast_radius)
    assert "trading/Deployment/shop" in told
    assert "trading/Service/front" in told
    assert f"Node/{NODE}" in told


async def test_more_pods_of_a_daemon_set_than_may_be_hit_are_counted_by_its_status(
    world: Production,
) -> None:
    template = {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": []}}
    world.cluster.put(
        {
            "kind": "DaemonSet",
            "metadata": {"namespace": "trading", "name": "agent", "uid": "uid-agent"},
            "spec": {"template": template},
            "status": {"desiredNumberScheduled": 40},
        }
    )
    text = PLAYBOOKS[3].replace("Deployment/shop", "DaemonSet/agent")
    world.playbooks = library(text)
    await refused(world, "restart-all", "blast_radius")


# --- any cluster, any meddling ------------------------------------------------------------------


@pytest.mark.slow
async def test_nothing_protected_is_changed_in_any_cluster_whoever_meddles(tmp_path: Path) -> None:
    found = await reach.measure(tmp_path, seed())
    assert found.violations == ()
    assert found.changes > 10, found
    assert found.refused > 5, found
