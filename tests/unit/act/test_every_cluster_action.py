"""What holds of every action on a cluster, against the sandbox's Kubernetes API."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import yaml

from tests.unit.act.conftest import Json, Stage
from tools.act import rbac
from tools.act.actions import ACTIONS
from tools.act.contract import Probe, TargetState, bind, is_idempotent, parse_parameters
from tools.act.patching import PatchAction
from tools.backends.kubernetes import KubernetesActor
from tools.backends.kubernetes.kinds import resource_of
from tools.errors import BadArgumentError, LostRaceError, OutcomeUnknownError
from tools.world import WorkloadRef


def ref(kind: str, name: str, namespace: str = "trading") -> WorkloadRef:
    return WorkloadRef("default", namespace, kind, name)


LEDGER, RISK = ref("Deployment", "ledger"), ref("Deployment", "risk-engine")
NODE, CLEANUP = ref("Node", "node-b", ""), ref("CronJob", "disk-cleanup", "data")
POSTGRES = ref("Cluster", "postgres", "data")
FLAGS = ref("ConfigMap", "order-api-flags")


def nothing(stage: Stage) -> None:
    """Leave the platform as it is."""


def loose_budgets(stage: Stage) -> None:
    """Let every budget give one pod."""
    for item in stage.every("PodDisruptionBudget"):
        meta = item["metadata"]
        budget = ref("PodDisruptionBudget", meta["name"], meta["namespace"])
        stage.change(budget, lambda it: it["spec"].update(minAvailable=1, maxUnavailable=None))


def cordoned(stage: Stage) -> None:
    stage.change(NODE, lambda item: item["spec"].update(unschedulable=True))


def with_flags(stage: Stage) -> None:
    stage.create(FLAGS, {"data": {"CIRCUIT_BREAKER": "closed", "OTHER": "1"}})


def another_image(item: Json) -> None:
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "somebody:else"


def images(stage: Stage, app: str) -> set[str]:
    pods = [p for p in stage.every("Pod") if p["metadata"]["labels"].get("app") == app]
    return {pod["spec"]["containers"][0]["image"] for pod in pods}


def maps(stage: Stage, app: str) -> set[str]:
    pods = [p for p in stage.every("Pod") if p["metadata"]["labels"].get("app") == app]
    return {p["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"] for p in pods}


def pods_on(stage: Stage, node: str) -> list[str]:
    return [p["metadata"]["name"] for p in stage.every("Pod") if p["spec"].get("nodeName") == node]


def jobs(stage: Stage) -> list[str]:
    return [
        condition["type"]
        for job in stage.every("Job")
        for condition in job["status"].get("conditions", ())
    ]


@dataclass(frozen=True)
class Case:
    """One action on one object, and what it shall bring about."""

    name: str
    target: WorkloadRef
    effects: tuple[str, ...]  # changing requests, in order
    happened: Callable[[Stage, TargetState], bool]  # seen at the API when time has passed
    raw: Mapping[str, Any] = field(default_factory=dict)
    before: Callable[[Stage], None] = nothing
    meddle: Callable[[Json], None] | None = None  # somebody changes what the step is bound to
    method: str = "PATCH"
    undone: bool = True  # it has a way back of its own

    def __str__(self) -> str:
        return self.name


CASES = (
    Case(
        "pod_restart", LEDGER, ("delete pods",), method="DELETE", undone=False,
        happened=lambda s, state: s.peek(state.target) is None,
    ),
    Case(
        "rollout_restart", LEDGER, ("patch deployments",), undone=False, meddle=another_image,
        happened=lambda s, state: all(
            "kubectl.kubernetes.io/restartedAt" in pod["metadata"]["annotations"]
            for pod in s.every("Pod") if pod["metadata"]["labels"]["app"] == "ledger"
        ),
    ),
    Case(
        "hpa_scale", ref("Deployment", "order-api"), ("patch horizontalpodautoscalers",),
        raw={"min_replicas": 6}, meddle=lambda item: item["spec"].update(maxReplicas=11),
        happened=lambda s, _: s.item(ref("Deployment", "order-api"))["spec"]["replicas"] == 6,
    ),
    Case(
        "scale", LEDGER, ("patch deployments",), raw={"replicas": 4},
        meddle=lambda item: item["spec"].update(replicas=3),
        happened=lambda s, _: s.item(LEDGER)["status"]["readyReplicas"] == 4,
    ),
    Case(
        "deployment_rollback", RISK, ("patch deployments",), meddle=another_image,
        happened=lambda s, _: images(s, "risk-engine") == {"risk-engine:3.7.6"},
    ),
    Case(
        "config_rollback", RISK, ("patch deployments",), meddle=another_image,
        happened=lambda s, _: maps(s, "risk-engine") == {"risk-engine-config-v26"},
    ),
    Case(
        "circuit_breaker", FLAGS, ("patch configmaps",), before=with_flags,
        meddle=lambda item: item["data"].update(OTHER="2"),
        happened=lambda s, _: s.item(FLAGS)["data"] == {"CIRCUIT_BREAKER": "open", "OTHER": "1"},
    ),
    Case(
        "cordon", NODE, ("patch nodes",), meddle=lambda i: i["spec"].update(unschedulable=True),
        happened=lambda s, _: s.item(NODE)["spec"]["unschedulable"] is True,
    ),
    Case(
        "uncordon", NODE, ("patch nodes",), before=cordoned,
        meddle=lambda item: item["spec"].update(unschedulable=False),
        happened=lambda s, _: not s.item(NODE)["spec"].get("unschedulable"),
    ),
    Case(
        "drain", NODE, ("patch nodes", "patch nodes", *["create pods/eviction"] * 9),
        before=loose_budgets,
        meddle=lambda item: item["spec"].update(unschedulable=True),
        happened=lambda s, _: not pods_on(s, "node-b"),
    ),
    Case(
        "run_job", CLEANUP, ("create jobs",), method="POST", undone=False,
        meddle=lambda item: item["spec"]["jobTemplate"]["spec"].update(backoffLimit=3),
        happened=lambda s, _: jobs(s) == ["Complete"],
    ),
    Case(
        "database_failover", POSTGRES, ("patch clusters/status",),
        meddle=lambda item: item["status"].update(targetPrimary="postgres-1"),
        happened=lambda s, _: s.item(POSTGRES)["status"]["currentPrimary"] == "postgres-1",
    ),
)  # fmt: skip
ALL = pytest.mark.parametrize("case", CASES, ids=str)
PATCHES = pytest.mark.parametrize(
    "case", [case for case in CASES if isinstance(ACTIONS[case.name], PatchAction)], ids=str
)


def test_every_action_on_a_cluster_stands_in_this_table() -> None:
    assert {case.name for case in CASES} == ACTIONS.keys() - {"http_call"}


@ALL
def test_the_role_that_is_printed_lets_every_change_of_an_action_through(case: Case) -> None:
    rules = yaml.safe_load(rbac.render([case.name]))["rules"]
    allowed = {f"{verb} {name}" for r in rules for name in r["resources"] for verb in r["verbs"]}
    assert set(case.effects) <= allowed


PLACES = {  # kinds of target that are written to as they are named
    "rollout_restart": ACTIONS["rollout_restart"].kinds,
    "scale": ACTIONS["scale"].kinds,
    "hpa_scale": ("HorizontalPodAutoscaler",),  # a workload is only asked for it
    "deployment_rollback": ACTIONS["deployment_rollback"].kinds,
    "config_rollback": ACTIONS["config_rollback"].kinds,
    "cordon": ACTIONS["cordon"].kinds,
    "uncordon": ACTIONS["uncordon"].kinds,
    "drain": ACTIONS["drain"].kinds,
}


@pytest.mark.parametrize("name", PLACES)
def test_the_role_that_is_printed_lets_an_action_write_to_every_kind_it_accepts(name: str) -> None:
    rules = yaml.safe_load(rbac.render([name]))["rules"]
    may = {resource for r in rules for resource in r["resources"] if "patch" in r["verbs"]}
    assert {resource_of(kind).plural for kind in PLACES[name]} <= may


def test_the_role_says_which_action_needs_each_rule_and_asks_for_no_more() -> None:
    assert yaml.safe_load(rbac.render([]))["rules"] == []
    nodes = {"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "patch"]}
    assert yaml.safe_load(rbac.render(["uncordon", "cordon"]))["rules"] == [nodes]
    text = rbac.render(["uncordon", "cordon", "drain"])
    assert '  # cordon, drain, uncordon\n  - apiGroups: [""]\n    resources: [nodes]\n' in text
    assert '  # drain\n  - apiGroups: [""]\n    resources: [namespaces]\n' in text


@ALL
async def test_a_dry_run_changes_nothing(case: Case, stage: Stage) -> None:
    case.before(stage)
    bound = await stage.bound(case.name, case.target, **case.raw)
    version = stage.cluster.store.version
    await ACTIONS[case.name].dry_run(stage.actors, bound)
    assert stage.effects == []
    assert stage.cluster.store.version == version
    assert await ACTIONS[case.name].probe(stage.actors, bound, "k") is Probe.NOT_DONE


MILD = {"pod_restart", "rollout_restart", "hpa_scale", "scale"}


@ALL
async def test_it_says_how_risky_it_is_and_that_it_may_be_sent_twice(
    case: Case, stage: Stage
) -> None:
    case.before(stage)
    await stage.observe(case.name, case.target, **case.raw)
    least = 0.0 if case.name in MILD else 0.6 if case.name == "database_failover" else 0.4
    assert ACTIONS[case.name].floor == least
    assert is_idempotent(ACTIONS[case.name])


@ALL
async def test_it_says_everything_that_it_will_touch(case: Case, stage: Stage) -> None:
    case.before(stage)
    state = await stage.observe(case.name, case.target, **case.raw)
    assert state.effects is not None
    assert state.target in {each.ref for each in state.effects.objects}
    assert state.effects.unknown() == state.effects.foreign() == ()
    again = await stage.observe(case.name, case.target, **case.raw)
    assert again.effects == state.effects
    shown = ACTIONS[case.name].preview(state)
    assert shown.pods_affected <= sum(each.maximum for each in state.effects.pods)
    if case.name not in {"cordon", "uncordon", "circuit_breaker", "run_job"}:
        assert state.effects.services  # every workload of this platform stands behind a Service


@ALL
async def test_it_takes_effect_once_for_one_step(case: Case, stage: Stage) -> None:
    case.before(stage)
    state = await stage.observe(case.name, case.target, **case.raw)
    bound = bind(ACTIONS[case.name], state)
    await stage.run(bound, "PLAN-1/do/0")
    assert tuple(stage.effects) == case.effects
    stage.pass_time(120)
    assert case.happened(stage, state)
    assert await ACTIONS[case.name].probe(stage.actors, bound, "PLAN-1/do/0") is Probe.DONE
    try:
        await stage.run(bound, "PLAN-1/do/0")
    except LostRaceError:
        assert case.name == "pod_restart"  # its own mark is gone with the pod
    assert tuple(stage.effects) == case.effects


@ALL
async def test_the_way_back_restores_what_was_there(case: Case, stage: Stage) -> None:
    case.before(stage)
    state = await stage.observe(case.name, case.target, **case.raw)
    if not case.undone:
        assert ACTIONS[case.name].undo_of(state) is None
        return
    await stage.run(bind(ACTIONS[case.name], state))
    stage.pass_time(60)
    await stage.undo(case.name, state)
    stage.pass_time(60)
    again = await stage.observe(case.name, case.target, **case.raw)
    assert (again.fields, again.target) == (state.fields, state.target)


@ALL
async def test_an_object_made_anew_is_not_the_one_that_was_approved(
    case: Case, stage: Stage
) -> None:
    case.before(stage)
    bound = await stage.bound(case.name, case.target, **case.raw)
    stage.replace_object(bound.target)
    with pytest.raises(LostRaceError):
        await stage.run(bound)
    assert stage.effects == []


@ALL
async def test_a_field_the_step_rests_on_that_changed_meanwhile_stops_it(
    case: Case, stage: Stage
) -> None:
    case.before(stage)
    bound = await stage.bound(case.name, case.target, **case.raw)
    if case.meddle is None:
        assert case.name == "pod_restart"  # bound to the uid alone
        return
    stage.change(bound.target, case.meddle)
    if case.name != "database_failover":  # a target primary that is set already is the effect
        with pytest.raises(LostRaceError, match="propose the plan again"):
            await stage.run(bound)
    assert stage.effects == []


@ALL
async def test_an_answer_that_is_lost_is_unknown_until_the_world_is_asked(
    case: Case, stage: Stage
) -> None:
    case.before(stage)
    bound = await stage.bound(case.name, case.target, **case.raw)
    action = ACTIONS[case.name]
    stage.wire.cut = case.method
    with pytest.raises(OutcomeUnknownError, match="was sent and not answered"):
        await stage.run(bound, "PLAN-1/do/0")
    sent = [line for line in stage.wire.requests if line.startswith(case.method)]
    assert len(sent) == 1  # nothing is sent twice, not even what HTTP calls idempotent
    assert tuple(stage.effects) == case.effects[:1]
    at_once = await action.probe(stage.actors, bound, "PLAN-1/do/0")
    if case.name in {"drain", "run_job"}:  # begun: the same step goes on where it was
        assert at_once is Probe.NOT_DONE
        await stage.run(bound, "PLAN-1/do/0")
    elif case.name == "database_failover":  # asked for: nobody has been promoted yet
        assert at_once is Probe.UNKNOWN
    else:
        assert at_once is Probe.DONE
    stage.pass_time(60)
    assert await action.probe(stage.actors, bound, "PLAN-1/do/0") is Probe.DONE
    assert tuple(stage.effects) == case.effects


class Moving(KubernetesActor):
    """Somebody writes the object's status after each of the next reads."""

    stage: Stage
    moves: int

    async def get(self, wanted: WorkloadRef) -> Mapping[str, Any]:
        found = await super().get(wanted)
        if self.moves and wanted.kind not in {"Namespace", "ReplicaSet", "Pod"}:
            self.moves -= 1
            self.stage.change(wanted, lambda item: item["metadata"].update(labels={"n": "1"}))
        return found


@PATCHES
async def test_a_version_that_moved_without_the_fields_costs_one_more_look(
    case: Case, stage: Stage
) -> None:
    case.before(stage)
    bound = await stage.bound(case.name, case.target, **case.raw)
    racing = Moving(stage.actor._config)
    racing.stage, racing.moves = stage, 1
    action = ACTIONS[case.name]
    await action.execute(replace(stage.actors, cluster=racing), bound, "PLAN-1/do/0")
    assert tuple(stage.effects) == case.effects
    await racing.close()


@PATCHES
async def test_a_version_that_keeps_moving_is_a_lost_race(case: Case, stage: Stage) -> None:
    case.before(stage)
    bound = await stage.bound(case.name, case.target, **case.raw)
    racing = Moving(stage.actor._config)
    racing.stage, racing.moves = stage, 99  # more than any action reads
    with pytest.raises(LostRaceError, match="changed meanwhile"):
        await ACTIONS[case.name].execute(replace(stage.actors, cluster=racing), bound, "k")
    assert stage.effects == []
    await racing.close()


@ALL
def test_an_unknown_parameter_is_named_with_the_nearest_one(case: Case) -> None:
    action = ACTIONS[case.name]
    known = next(iter(action.parameters.model_fields), "")
    with pytest.raises(BadArgumentError, match=f"{case.name}: {known}x: .*{known}"):
        parse_parameters(action, {f"{known}x": 1})


@ALL
async def test_a_target_of_another_kind_is_refused(case: Case, stage: Stage) -> None:
    action = ACTIONS[case.name]
    wrong = ref("ReplicaSet", "x")
    with pytest.raises(BadArgumentError, match="acts on"):
        await action.observe(stage.actors, wrong, parse_parameters(action, case.raw))
