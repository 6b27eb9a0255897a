"""What single actions on a cluster promise beyond the table of all of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.unit.act.conftest import START, Json, Patience, Stage
from tests.unit.act.test_every_cluster_action import CLEANUP, LEDGER, NODE, POSTGRES, RISK, ref
from tools.act.actions import ACTIONS
from tools.act.contract import Probe, bind
from tools.errors import (
    ActionRefusedError,
    BackendDeniedError,
    BackendRefusedError,
    BackendUnavailableError,
    LostRaceError,
    NotFoundError,
    OutcomeUnknownError,
)
from tools.kubernetes_objects import config_hash
from tools.ports import ConfigVersion
from tools.world import WorkloadRef


def pod_on_the_node(stage: Stage, name: str, **meta: Any) -> WorkloadRef:
    pod = ref("Pod", name)
    spec = {"nodeName": "node-b", "containers": [{"name": "c", "image": "c:1"}]}
    body = {"metadata": {"labels": {"app": name}, **meta}, "spec": spec}
    stage.create(pod, {**body, "status": {"phase": "Running"}})
    return pod


def owned(kind: str, owner: Json | None = None) -> dict[str, Any]:
    meta = owner["metadata"] if owner is not None else {"name": "o", "uid": "o"}
    named = {"name": meta["name"], "uid": meta["uid"]}
    return {"ownerReferences": [{"kind": kind, **named, "controller": True}]}


def without_other_pods(stage: Stage) -> None:
    """Take every pod off the node but those a test puts there."""
    for item in stage.every("Pod"):
        if item["spec"].get("nodeName") == "node-b":
            meta = item["metadata"]
            pod = WorkloadRef("default", meta["namespace"], "Pod", meta["name"])
            stage.change(pod, lambda it: it["spec"].update(nodeName="node-a"))


# --- drain --------------------------------------------------------------------------------------


async def test_a_budget_that_holds_for_a_while_delays_a_drain_and_does_not_end_it(
    stage: Stage,
) -> None:
    loose = ref("PodDisruptionBudget", "ledger")
    bound = await stage.bound("drain", NODE)
    waited: list[float] = []

    def pass_time(seconds: float) -> None:
        waited.append(seconds)
        stage.pass_time(seconds)
        if len(waited) == 3:
            stage.change(loose, lambda item: item["spec"].update(minAvailable=1))

    stage.extra = {"waiting": Patience(pass_time)}
    outcome = await stage.run(bound)
    assert len(waited) >= 3
    assert any(name.startswith("trading/ledger-") for name in outcome.response["evicted"])
    assert await ACTIONS["drain"].probe(stage.actors, bound, "PLAN-1/do/0") is Probe.DONE


async def test_a_drain_that_a_budget_holds_names_it_and_takes_its_way_back(stage: Stage) -> None:
    bound = await stage.bound("drain", NODE)
    stage.extra = {"waiting": Patience(stage.pass_time, left=30)}
    with pytest.raises(BackendRefusedError) as told:
        await stage.run(bound)
    assert "trading/ledger-" in str(told.value)
    assert "The disruption budget ledger needs 2 healthy pods" in str(told.value)
    assert "the node takes pods again" in str(told.value)
    assert not stage.item(NODE)["spec"].get("unschedulable")
    assert stage.effects[0] == stage.effects[-1] == "patch nodes"


async def test_a_node_that_was_cordoned_before_stays_so_when_its_drain_is_held(
    stage: Stage,
) -> None:
    stage.change(NODE, lambda item: item["spec"].update(unschedulable=True))
    bound = await stage.bound("drain", NODE)
    stage.extra = {"waiting": Patience(stage.pass_time, left=0)}
    with pytest.raises(BackendRefusedError, match="stays cordoned as it was"):
        await stage.run(bound)
    assert stage.item(NODE)["spec"]["unschedulable"] is True


async def test_a_node_that_is_protected_while_its_drain_is_held_stays_cordoned(
    stage: Stage,
) -> None:
    class OverWhenAsked(Patience):
        async def pause(self, seconds: float) -> bool:
            asked.append(seconds)
            return False

    asked: list[float] = []
    bound = await stage.bound("drain", NODE)
    stage.extra = {
        "waiting": OverWhenAsked(stage.pass_time),
        "objection": lambda effects: "it is protected now" if asked else "",
    }
    with pytest.raises(BackendRefusedError, match="stays cordoned: it is protected now"):
        await stage.run(bound)
    assert stage.item(NODE)["spec"]["unschedulable"] is True


async def test_a_drain_whose_pods_are_not_those_of_the_yes_does_not_even_cordon(
    stage: Stage,
) -> None:
    bound = await stage.bound("drain", NODE)
    assert bound.effects is not None
    fewer = replace(bound, effects=replace(bound.effects, pods=bound.effects.pods[:1]))
    with pytest.raises(LostRaceError, match="propose the plan again"):
        await stage.run(fewer)
    assert stage.effects == []
    assert not stage.item(NODE)["spec"].get("unschedulable")


async def test_a_drain_that_was_cut_short_and_taken_back_by_somebody_is_not_called_done(
    stage: Stage,
) -> None:
    bound = await stage.bound("drain", NODE)
    stage.wire.cut = "PATCH"
    with pytest.raises(OutcomeUnknownError):
        await stage.run(bound)  # cordoned, and nothing evicted yet
    assert await ACTIONS["drain"].probe(stage.actors, bound, "PLAN-1/do/0") is Probe.NOT_DONE
    assert await ACTIONS["drain"].probe(stage.actors, bound, "PLAN-2/do/0") is Probe.UNKNOWN
    stage.change(NODE, lambda item: item["spec"].update(unschedulable=False))
    assert await ACTIONS["drain"].probe(stage.actors, bound, "PLAN-1/do/0") is Probe.UNKNOWN


async def test_a_drain_leaves_pods_of_daemon_sets_and_mirror_pods(stage: Stage) -> None:
    without_other_pods(stage)
    agent = pod_on_the_node(stage, "agent", **owned("DaemonSet"))
    mirror = pod_on_the_node(stage, "proxy", annotations={"kubernetes.io/config.mirror": "x"})
    above = stage.item(ref("CronJob", "disk-cleanup"))
    worker = pod_on_the_node(stage, "worker", **owned("CronJob", above))
    state = await stage.observe("drain", NODE)
    assert [str(each) for each in ACTIONS["drain"].preview(state).affected[1:]] == [str(worker)]
    await stage.run(bind(ACTIONS["drain"], state))
    stage.pass_time(60)
    assert stage.peek(worker) is None
    assert stage.item(agent)
    assert stage.item(mirror)


async def test_a_pod_without_an_owner_is_evicted_only_when_that_is_asked_for(
    stage: Stage,
) -> None:
    without_other_pods(stage)
    alone = pod_on_the_node(stage, "alone")
    with pytest.raises(ActionRefusedError, match=r"'trading/alone'.*evict_bare_pods: true"):
        await stage.observe("drain", NODE)
    await stage.run(await stage.bound("drain", NODE, evict_bare_pods=True))
    stage.pass_time(60)
    assert stage.peek(alone) is None


async def test_data_on_the_node_is_given_up_only_when_that_is_asked_for(stage: Stage) -> None:
    without_other_pods(stage)
    worker = pod_on_the_node(stage, "worker", **owned("ReplicaSet"))
    stage.change(worker, lambda item: item["spec"].update(volumes=[{"emptyDir": {}}]))
    with pytest.raises(ActionRefusedError, match="delete_emptydir_data: true"):
        await stage.observe("drain", NODE)
    await stage.bound("drain", NODE, delete_emptydir_data=True)


# --- jobs ---------------------------------------------------------------------------------------


def command(stage: Stage, *words: str) -> None:
    def changed(item: Json) -> None:
        template = item["spec"]["jobTemplate"]["spec"]
        template["backoffLimit"] = 0
        template["template"]["spec"]["containers"][0]["command"] = list(words)

    stage.change(CLEANUP, changed)


async def test_a_job_ends_with_its_status_and_the_tail_of_its_log(stage: Stage) -> None:
    stage.cluster.log_provider = lambda *_: (
        [(0.0, f"line {n}") for n in range(50)] + [(1.0, "freed 12 GB")]
    )
    outcome = await stage.run(await stage.bound("run_job", CLEANUP))
    assert outcome.response["status"] == "Complete"
    log = outcome.response["log"].splitlines()
    assert len(log) == 20
    assert log[-1] == "freed 12 GB"


async def test_a_job_that_fails_fails_the_step_with_its_last_words(stage: Stage) -> None:
    command(stage, "sh", "-c", "exit 1")
    stage.cluster.log_provider = lambda *_: [(0.0, "cannot find /data/tmp")]
    with pytest.raises(BackendRefusedError, match=r"BackoffLimitExceeded.*cannot find /data/tmp"):
        await stage.run(await stage.bound("run_job", CLEANUP))


async def test_a_job_that_outlasts_its_step_is_found_again_and_not_repeated(stage: Stage) -> None:
    bound = await stage.bound("run_job", CLEANUP, deadline_seconds=900)
    stage.extra = {"waiting": Patience(stage.pass_time, left=4)}
    with pytest.raises(OutcomeUnknownError, match="still runs"):
        await stage.run(bound)
    (job,) = stage.every("Job", "data")
    assert job["spec"]["activeDeadlineSeconds"] == 900
    stage.extra = {}
    assert await ACTIONS["run_job"].probe(stage.actors, bound, "PLAN-1/do/0") is Probe.NOT_DONE
    assert (await stage.run(bound)).response["job"] == job["metadata"]["name"]
    assert len(stage.every("Job", "data")) == 1


async def test_what_runs_is_what_the_cron_job_says_and_nothing_else(stage: Stage) -> None:
    assert set(ACTIONS["run_job"].parameters.model_fields) == {"deadline_seconds"}
    state = await stage.observe("run_job", CLEANUP)
    (shown,) = ACTIONS["run_job"].preview(state).operations
    assert shown["template"] == stage.item(CLEANUP)["spec"]["jobTemplate"]


# --- failover -----------------------------------------------------------------------------------


async def test_a_replica_that_lags_or_does_not_stream_is_not_promoted(stage: Stage) -> None:
    stage.cluster.replicas_behind["postgres-1"] = 20_000_000
    with pytest.raises(ActionRefusedError, match=r"20000000 bytes behind.*max_lag_bytes 16777216"):
        await stage.observe("database_failover", POSTGRES)
    state = await stage.observe("database_failover", POSTGRES, max_lag_bytes=30_000_000)
    assert "20000000 bytes behind" in ACTIONS["database_failover"].preview(state).summary
    stage.cluster.replicas_behind["postgres-1"] = None
    with pytest.raises(ActionRefusedError, match="'postgres-1' is not streaming"):
        await stage.observe("database_failover", POSTGRES)
    with pytest.raises(ActionRefusedError, match="healthy replicas: postgres-1"):
        await stage.observe("database_failover", POSTGRES, to_instance="postgres-7")


async def test_a_replica_that_fell_behind_after_the_yes_is_not_promoted(stage: Stage) -> None:
    bound = await stage.bound("database_failover", POSTGRES)
    stage.cluster.replicas_behind["postgres-1"] = 20_000_000
    with pytest.raises(ActionRefusedError, match="behind the primary"):
        await stage.run(bound)
    assert stage.effects == []


async def test_a_primary_that_cannot_be_asked_needs_a_word_more(stage: Stage) -> None:
    primary = ref("Pod", "postgres-0", "data")
    stage.change(primary, lambda item: item["status"].update(conditions=[]))
    wanted = {"accept_unknown_lag": True, "to_instance": "postgres-1"}
    with pytest.raises(ActionRefusedError, match="accept_unknown_lag: true"):
        await stage.observe("database_failover", POSTGRES)
    state = await stage.observe("database_failover", POSTGRES, **wanted)
    assert "not known" in ACTIONS["database_failover"].preview(state).summary


async def test_a_switch_that_nobody_carries_out_is_unknown_not_done(stage: Stage) -> None:
    bound = await stage.bound("database_failover", POSTGRES)
    stage.extra = {"waiting": Patience(stage.pass_time, left=4)}
    with pytest.raises(OutcomeUnknownError, match="'postgres-0' is still the primary"):
        await stage.run(bound)


# --- scale --------------------------------------------------------------------------------------


async def test_nothing_is_scaled_away_unless_that_is_asked_for(stage: Stage) -> None:
    with pytest.raises(ActionRefusedError, match="allow_zero: true"):
        await stage.observe("scale", LEDGER, replicas=0)
    state = await stage.observe("scale", LEDGER, replicas=0, allow_zero=True)
    shown = ACTIONS["scale"].preview(state)
    assert (shown.pods_affected, shown.pods_total) == (2, 2)
    with pytest.raises(ActionRefusedError, match="allow_zero"):
        await stage.observe("scale", LEDGER, add_replicas=-5)
    await stage.run(bind(ACTIONS["scale"], state))
    await stage.undo("scale", state)
    assert stage.item(LEDGER)["spec"]["replicas"] == 2


async def test_pods_an_autoscaler_owns_are_scaled_through_it(stage: Stage) -> None:
    api = ref("Deployment", "order-api")
    state = await stage.observe("scale", api, replicas=6)
    assert state.target.kind == "HorizontalPodAutoscaler"
    await stage.run(bind(ACTIONS["scale"], state))
    assert stage.effects == ["patch horizontalpodautoscalers"]
    stage.pass_time(60)
    assert stage.item(api)["spec"]["replicas"] == 6
    await stage.undo("scale", state)
    spec = stage.item(state.target)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (4, 10)
    with pytest.raises(ActionRefusedError, match="keeps at least one pod"):
        await stage.observe("scale", api, replicas=0, allow_zero=True)


# --- Git ----------------------------------------------------------------------------------------

ORIGIN = {"config.kubernetes.io/origin": "path: apps/ledger/deployment.yaml\nref: main\n"}
ARGO = {"argocd.argoproj.io/tracking-id": "ledger:apps/Deployment:trading/ledger"}
FLUX, HELM = "kustomize.toolkit.fluxcd.io", "helm.toolkit.fluxcd.io"


@pytest.mark.parametrize(
    ("marks", "labels", "owner"),
    [
        (ARGO, {}, "Argo CD application 'ledger'"),
        ({}, {"argocd.argoproj.io/instance": "shop"}, "Argo CD application 'shop'"),
        (
            {},
            {f"{FLUX}/name": "apps", f"{FLUX}/namespace": "flux-system"},
            "Flux kustomization 'flux-system/apps'",
        ),
        ({f"{FLUX}/name": "apps"}, {}, "Flux kustomization 'apps'"),
        ({}, {f"{HELM}/name": "ledger"}, "Flux Helm release 'ledger'"),
    ],
)
async def test_what_git_owns_is_refused_with_file_field_and_value(
    stage: Stage, marks: dict[str, str], labels: dict[str, str], owner: str
) -> None:
    def owned_by_git(item: Json) -> None:
        item["metadata"]["annotations"] |= {**marks, **ORIGIN}
        item["metadata"]["labels"] |= labels

    stage.change(LEDGER, owned_by_git)
    with pytest.raises(ActionRefusedError) as told:
        await stage.observe("scale", LEDGER, replicas=4)
    assert f"belongs to {owner}" in str(told.value)
    assert "in apps/ledger/deployment.yaml, set spec.replicas to 4" in str(told.value)
    with pytest.raises(ActionRefusedError) as told:
        await stage.observe("deployment_rollback", LEDGER)
    assert "spec.template.spec.containers[ledger].image back to 'ledger:4.0.5'" in str(told.value)


async def test_the_autoscaler_that_git_owns_is_refused_too(stage: Stage) -> None:
    hpa = ref("HorizontalPodAutoscaler", "order-api")
    stage.change(hpa, lambda item: item["metadata"]["labels"].update({f"{FLUX}/name": "apps"}))
    with pytest.raises(ActionRefusedError, match=r"set spec\.minReplicas to 6"):
        await stage.observe("scale", ref("Deployment", "order-api"), replicas=6)


async def test_a_failover_of_a_database_from_git_goes_on_because_git_has_no_status(
    stage: Stage,
) -> None:
    stage.change(POSTGRES, lambda item: item["metadata"]["labels"].update({f"{HELM}/name": "pg"}))
    await stage.run(await stage.bound("database_failover", POSTGRES))
    assert stage.item(POSTGRES)["status"]["currentPrimary"] == "postgres-1"


# --- config maps --------------------------------------------------------------------------------


class Kept:
    """A ConfigHistory of versions a test writes down."""

    def __init__(self) -> None:
        self.versions: list[ConfigVersion] = []

    async def save(self, ref: WorkloadRef, item: Any, at: datetime) -> bool:
        self.versions.insert(0, ConfigVersion(ref, at, config_hash(item), dict(item["data"])))
        return True

    async def versions_of(self, ref: WorkloadRef, limit: int = 20) -> list[ConfigVersion]:
        return [each for each in self.versions if each.ref.name == ref.name][:limit]


EDITED = ref("ConfigMap", "risk-engine-config-v27")


async def edited(stage: Stage) -> Kept:
    """Somebody edits the risk engine's config map in place; the watch saw both versions."""
    kept = Kept()
    await kept.save(EDITED, stage.item(EDITED), START - timedelta(hours=5))

    def change(item: Json) -> None:
        item["data"]["DB_POOL_SIZE"] = "2"

    stage.change(EDITED, change)
    await kept.save(EDITED, stage.item(EDITED), START)
    stage.extra = {"config_history": kept}
    return kept


async def test_an_edit_in_place_goes_back_to_the_kept_version_without_touching_the_map(
    stage: Stage,
) -> None:
    await edited(stage)
    state = await stage.observe("config_rollback", RISK)
    bound = bind(ACTIONS["config_rollback"], state)
    assert state.effects is not None
    written = ref("ConfigMap", str(state.parameters["to_config_map"]))
    assert {each.ref.kind for each in state.effects.objects} == {"Deployment", "ConfigMap"}
    assert written in {each.ref for each in state.effects.objects}
    assert await stage.observe("config_rollback", RISK, **state.parameters) == state  # at a claim
    assert ACTIONS["config_rollback"].preview(state).summary == (
        f"Let {state.target} use what config map {EDITED.name} held before, as {written.name}"
    )
    assert "DB_POOL_SIZE: 2 → 40" in [
        str(line) for line in ACTIONS["config_rollback"].preview(state).diff
    ]
    version = stage.cluster.store.version
    await ACTIONS["config_rollback"].dry_run(stage.actors, bound)
    assert (stage.effects, stage.cluster.store.version) == ([], version)
    await stage.run(bound)
    await stage.run(bound)
    assert stage.effects == ["create configmaps", "patch deployments"]
    stage.pass_time(120)
    new = str(bound.parameters["to_config_map"])
    pods = [p for p in stage.every("Pod") if p["metadata"]["labels"]["app"] == "risk-engine"]
    used = {p["spec"]["containers"][0]["envFrom"][0]["configMapRef"]["name"] for p in pods}
    assert used == {new}
    assert stage.item(ref("ConfigMap", new))["data"]["DB_POOL_SIZE"] == "40"
    assert stage.item(EDITED)["data"]["DB_POOL_SIZE"] == "2"
    await stage.undo("config_rollback", state)
    template = stage.item(RISK)["spec"]["template"]
    assert template == state.fields["template"]


async def test_the_newer_of_two_changes_of_configuration_is_taken_back(stage: Stage) -> None:
    kept = await edited(stage)
    state = await stage.observe("config_rollback", RISK)
    assert state.parameters["restored"] is True
    long_ago = START - timedelta(days=60)  # before the deployment began to use its newest map
    kept.versions[0] = replace(kept.versions[0], at=long_ago)
    state = await stage.observe("config_rollback", RISK)
    assert state.parameters["to_config_map"] == "risk-engine-config-v26"
    del kept.versions[1:]  # the watch saw no other version
    state = await stage.observe("config_rollback", RISK)
    assert state.parameters["to_config_map"] == "risk-engine-config-v26"


async def test_a_map_that_stands_under_the_name_of_a_kept_version_is_left_alone(
    stage: Stage,
) -> None:
    await edited(stage)
    bound = await stage.bound("config_rollback", RISK)
    namesake = ref("ConfigMap", str(bound.parameters["to_config_map"]))
    stage.create(namesake, {"data": {"DB_POOL_SIZE": "1"}})
    with pytest.raises(LostRaceError, match="exists with other data"):
        await stage.run(bound)
    assert stage.effects == []


async def test_a_version_that_is_no_longer_kept_is_not_guessed(stage: Stage) -> None:
    kept = await edited(stage)
    bound = await stage.bound("config_rollback", RISK)
    kept.versions.pop()
    with pytest.raises(ActionRefusedError, match="no longer kept; propose the plan again"):
        await stage.run(bound)
    assert stage.effects == []


async def test_a_version_that_held_secrets_is_not_there_to_go_back_to(stage: Stage) -> None:
    kept = await edited(stage)
    old = kept.versions[1]
    kept.versions[1] = ConfigVersion(old.ref, old.at, old.sha256, None, "it holds secrets")
    named = "risk-engine-config-v27"
    with pytest.raises(ActionRefusedError, match="was not stored: it holds secrets"):
        await stage.observe("config_rollback", ref("Deployment", "risk-engine"), config_map=named)


async def test_a_config_map_that_is_gone_says_where_it_must_come_from(stage: Stage) -> None:
    old = ref("ConfigMap", "risk-engine-config-v26")
    named = {"config_map": "risk-engine-config-v27", "to_config_map": old.name}
    await stage.bound("config_rollback", RISK, **named)
    stage.cluster.store.remove(_config_maps(), old.namespace, old.name)
    with pytest.raises(ActionRefusedError, match="restored from Git"):
        await stage.observe("config_rollback", RISK, **named)
    with pytest.raises(NotFoundError, match="references no config map 'x'"):
        await stage.observe("config_rollback", RISK, config_map="x", to_config_map="y")


def _config_maps() -> Any:
    from sandbox.kubernetes.resources import CONFIG_MAPS

    return CONFIG_MAPS


# --- the rest -----------------------------------------------------------------------------------


async def test_an_immutable_config_map_is_no_place_for_a_breaker(stage: Stage) -> None:
    with pytest.raises(ActionRefusedError, match="is immutable"):
        await stage.observe("circuit_breaker", EDITED)
    with pytest.raises(NotFoundError, match="Did you mean 'CIRCUIT_BREAKER'"):
        await stage.observe("circuit_breaker", EDITED, key="CIRCUIT_BRAKER")


async def test_a_revision_that_is_not_kept_is_named_with_those_that_are(stage: Stage) -> None:
    with pytest.raises(NotFoundError, match=r"no revision 99; it keeps revisions: 3, 2, 1"):
        await stage.observe("deployment_rollback", RISK, to_revision=99)


async def test_a_server_that_is_gone_was_sent_nothing(stage: Stage) -> None:
    bound = await stage.bound("scale", LEDGER, replicas=4)
    await stage.server.close()
    with pytest.raises(BackendUnavailableError):
        await stage.run(bound)
    assert stage.effects == []


async def test_a_denied_action_names_the_rule_that_is_missing(stage: Stage) -> None:
    bound = await stage.bound("scale", LEDGER, replicas=4)
    text = stage.server.reader_kubeconfig.read_text(encoding="utf-8")
    stage.server.actor_kubeconfig.write_text(text, encoding="utf-8")
    from tools.backends.kubernetes import KubernetesActor, KubernetesConfig

    reader = KubernetesActor(KubernetesConfig(kubeconfig_act=str(stage.server.actor_kubeconfig)))
    stage.extra = {"cluster": reader}
    with pytest.raises(
        BackendDeniedError, match=r'resources: \["deployments"\], verbs: \["patch"\]'
    ):
        await stage.run(bound)
    assert stage.effects == []
    await reader.close()


async def test_a_step_bound_to_one_cluster_is_never_run_on_another(stage: Stage) -> None:
    elsewhere = WorkloadRef("us-1", "trading", "Deployment", "ledger")
    stage.extra = {"clusters": {"default": stage.actor}}
    with pytest.raises(ActionRefusedError, match="cluster 'us-1'"):
        await stage.observe("scale", elsewhere, replicas=4)
    await stage.bound("scale", LEDGER, replicas=4)


async def test_a_pod_that_stops_already_is_not_deleted_once_more(stage: Stage) -> None:
    bound = await stage.bound("pod_restart", LEDGER)
    await stage.run(bound)
    with pytest.raises(LostRaceError, match="being replaced"):
        await stage.run(bound)
    assert stage.effects == ["delete pods"]
