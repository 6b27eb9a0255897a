"""What the cluster ports promise, of the fake and of the adapters over the sandbox."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
import yaml

from sandbox.kubernetes import access
from tests.architecture.source import ROOT
from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fixtures.profile import trading_catalogue
from tests.sandboxed import START, Platform
from tools.backends.kubernetes import KubernetesActor, KubernetesConfig, KubernetesReader
from tools.backends.kubernetes.kinds import KINDS
from tools.errors import (
    BackendDeniedError,
    BackendUnavailableError,
    BadArgumentError,
    LostRaceError,
    NotFoundError,
    TryLaterError,
)
from tools.observe.container_logs import container_logs
from tools.observe.get_objects import kubernetes_get
from tools.observe.object_names import SPELLINGS, WITHOUT_NAMESPACE
from tools.observe.usage import resource_usage
from tools.world import Window, WorkloadRef

ROLE = "deploy/kustomize/base/rbac-reader.yaml"
NO_OBJECTS = {  # read, and no objects of their own
    ("", "pods/log"), ("metrics.k8s.io", "pods"), ("metrics.k8s.io", "nodes"),
}  # fmt: skip
LEDGER = WorkloadRef("default", "trading", "Deployment", "ledger")


@dataclass
class Pair:
    reader: Any
    actor: Any


def config(outside: Platform, **more: Any) -> KubernetesConfig:
    servers = outside.kubernetes
    files = {
        "kubeconfig": str(servers.reader_kubeconfig),
        "kubeconfig_act": str(servers.actor_kubeconfig),
    }
    return KubernetesConfig(**{**files, **more})


@pytest.fixture(params=["fake", "kubernetes"])
async def pair(request: pytest.FixtureRequest, outside: Platform) -> AsyncIterator[Pair]:
    real = Pair(KubernetesReader(config(outside)), KubernetesActor(config(outside)))
    if request.param == "kubernetes":
        yield real
    else:
        copied = [
            *await real.reader.list("Deployment", "trading"),
            *await real.reader.list("ReplicaSet", "trading"),
            *await real.reader.list("Pod", "trading"),
        ]
        fake = FakeCluster(copied)
        fake.pod_list = await real.reader.pods(LEDGER)
        yield Pair(fake, fake)
    await real.reader.close()
    await real.actor.close()


async def test_a_missing_object_is_not_found(pair: Pair) -> None:
    with pytest.raises(NotFoundError):
        await pair.reader.get(replace(LEDGER, name="nobody"))


async def test_lists_select_by_label(pair: Pair) -> None:
    found = await pair.reader.list("Pod", "trading", {"app": "ledger"})
    assert len(found) == 2
    assert all(item["kind"] == "Pod" for item in found)


async def test_a_deployment_is_got_as_people_name_it(pair: Pair) -> None:
    catalogue = trading_catalogue()
    got = kubernetes_get.function
    whole = await got(pair.reader, FakeClock(), catalogue, kind="deploy", name="trading/ledger")
    assert "# trading/Deployment/ledger  READY 2/2" in whole.summary
    assert "managedFields" not in whole.summary
    table = await got(pair.reader, FakeClock(), catalogue, kind="PODS", service="ledger")
    assert {row["service"] for row in table.payload["objects"]} == {"ledger"}


async def test_no_secret_is_got_and_the_identity_could_not_read_one(outside: Platform) -> None:
    reader = KubernetesReader(config(outside))
    for kind in ("secrets", "Secret"):
        with pytest.raises(BadArgumentError):
            await kubernetes_get.function(reader, FakeClock(), trading_catalogue(), kind=kind)
        with pytest.raises(BadArgumentError):
            await reader.list(kind, "trading")
    await reader.close()


def test_the_kinds_people_may_name_are_those_of_the_reading_role() -> None:
    documents = yaml.safe_load_all((ROOT / ROLE).read_text("utf-8"))
    rules = next(each["rules"] for each in documents if each["kind"] == "ClusterRole")
    named = {
        (group, resource)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        if "list" in rule["verbs"]
    }
    assert not any("secret" in resource for _, resource in named)
    spoken = {(KINDS[kind].group, SPELLINGS[kind][0]) for kind in SPELLINGS}
    assert spoken == named - NO_OBJECTS
    assert {kind for kind in SPELLINGS if not KINDS[kind].namespaced} == WITHOUT_NAMESPACE


async def test_pods_are_those_the_workload_owns(pair: Pair) -> None:
    pods = await pair.reader.pods(LEDGER)
    assert len(pods) == 2
    assert all(pod.ready and pod.ref.name.startswith("ledger-") for pod in pods)


async def test_a_dry_run_changes_nothing(pair: Pair) -> None:
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 7}]
    shown = await pair.actor.patch(LEDGER, operations, dry_run=True)
    assert shown["spec"]["replicas"] == 7
    assert (await pair.actor.get(LEDGER))["spec"]["replicas"] == 2


async def test_a_patch_takes_effect_and_moves_the_version(pair: Pair) -> None:
    before = await pair.actor.get(LEDGER)
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    after = await pair.actor.patch(LEDGER, operations, dry_run=False)
    assert after["spec"]["replicas"] == 3
    assert after["metadata"]["resourceVersion"] != before["metadata"]["resourceVersion"]


async def test_a_failed_test_is_a_lost_race(pair: Pair) -> None:
    operations = [
        {"op": "test", "path": "/metadata/resourceVersion", "value": "0"},
        {"op": "replace", "path": "/spec/replicas", "value": 3},
    ]
    with pytest.raises(LostRaceError):
        await pair.actor.patch(LEDGER, operations, dry_run=False)
    assert (await pair.actor.get(LEDGER))["spec"]["replicas"] == 2


async def test_a_delete_with_another_uid_is_a_lost_race(pair: Pair) -> None:
    name = (await pair.reader.pods(LEDGER))[0].ref
    with pytest.raises(LostRaceError):
        await pair.actor.delete(name, dry_run=False, uid="somebody-else")
    await pair.actor.get(name)


async def test_the_reading_identity_cannot_change_anything(outside: Platform) -> None:
    kubeconfig = str(outside.kubernetes.reader_kubeconfig)
    actor = KubernetesActor(config(outside, kubeconfig_act=kubeconfig))
    operations = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    with pytest.raises(
        BackendDeniedError, match=r'resources: \["deployments"\], verbs: \["patch"\]'
    ):
        await actor.patch(LEDGER, operations, dry_run=False)
    await actor.close()


async def test_events_of_the_window_come_newest_first(outside: Platform) -> None:
    outside.tell("bad_deploy")
    outside.advance(120)
    reader = KubernetesReader(config(outside))
    events = await reader.events(Window(START, START + timedelta(minutes=2)), "trading")
    assert {"ScalingReplicaSet", "Killing"} <= {event.reason for event in events}
    assert [e.at for e in events] == sorted((e.at for e in events), reverse=True)
    await reader.close()


async def test_the_log_and_the_endpoint_of_a_pod_are_read(pair: Pair, outside: Platform) -> None:
    name = (await pair.reader.pods(LEDGER))[0].ref
    if isinstance(pair.actor, FakeCluster):
        pair.actor.pod_logs[name.name] = "one\ntwo\nthree"
    else:
        outside.cluster.log_provider = lambda *_: [(0.0, "one"), (1.0, "two"), (2.0, "three")]
    assert (await pair.actor.logs(name, 2)).split() == ["two", "three"]
    with pytest.raises(NotFoundError):
        await pair.actor.logs(replace(name, name="nobody"), 2)


async def test_the_log_of_a_container_is_read_with_times_and_that_of_a_life_before_is_not_made_up(
    pair: Pair, outside: Platform
) -> None:
    pod = (await pair.reader.pods(LEDGER))[0].ref
    if isinstance(pair.reader, FakeCluster):
        pair.reader.pod_logs[pod.name] = "2026-11-18T09:00:00Z one\n2026-11-18T09:00:01Z two"
    else:
        at = START.timestamp() - 3600
        outside.cluster.log_provider = lambda *_: [(at, "one"), (at + 1, "two")]
    told = (await pair.reader.log_of(pod, lines=1)).strip()
    assert told.startswith("2026-11-18T09:")
    assert told.endswith("Z two")
    with pytest.raises(NotFoundError, match="previous terminated container"):
        await pair.reader.log_of(pod, previous=True)
    with pytest.raises(NotFoundError):
        await pair.reader.log_of(replace(pod, name="nobody"))


async def test_the_log_of_a_container_that_was_killed_is_read(outside: Platform) -> None:
    outside.tell("memory_leak")
    outside.advance(3600, step=60)
    outside.cluster.log_provider = lambda *life: [(life[-1], "the last words")]
    reader = KubernetesReader(config(outside))
    found = await container_logs.function(
        reader, FakeClock(), trading_catalogue(), service="risk-engine", previous=True
    )
    assert "OOMKilled" in found.summary
    assert found.payload["logs"][0]["restarts"] >= 1
    assert "the last words" in found.summary
    await reader.close()


async def test_what_is_used_is_told_where_it_is_measured_and_else_is_a_gap(
    outside: Platform,
) -> None:
    outside.advance(120)
    reader, ask = KubernetesReader(config(outside)), resource_usage.function
    pods = await ask(reader, FakeClock(), trading_catalogue(), service="ledger")
    assert [row["service"] for row in pods.payload["used"]] == ["ledger", "ledger"]
    for row in pods.payload["used"]:
        assert 0 < row["cpu_of_limit_percent"] < 100
        assert 0 < row["memory_of_limit_percent"] < 100
    nodes = await ask(reader, FakeClock(), trading_catalogue(), what="nodes")
    assert all(row["cpu_of_allocatable_percent"] > 0 for row in nodes.payload["used"])
    outside.cluster.usage_provider = None
    with pytest.raises(NotFoundError, match=r"serves no metrics\.k8s\.io"):
        await ask(reader, FakeClock(), trading_catalogue())
    assert not [rule for rule in await reader.missing_rules() if "metrics" in rule]
    await reader.close()


async def test_doctor_names_the_right_to_read_what_is_used(
    outside: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = KubernetesReader(config(outside))
    assert await reader.missing_rules() == []
    monkeypatch.setattr(access, "MEASURED", {})
    told = "\n".join(await reader.missing_rules())
    for plural in ("pods", "nodes"):
        assert f'apiGroups: ["metrics.k8s.io"], resources: ["{plural}"], verbs: ["list"]' in told
    await reader.close()


async def test_doctor_names_the_right_to_read_logs_where_it_is_missing(
    outside: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = KubernetesReader(config(outside))
    assert not [rule for rule in await reader.missing_rules() if "log" in rule]
    parts = tuple(each for each in access.READ_PARTS if each != "pods/log")
    monkeypatch.setattr(access, "READ_PARTS", parts)
    [rule] = [rule for rule in await reader.missing_rules() if "log" in rule]
    assert 'resources: ["pods/log"], verbs: ["get"]' in rule
    await reader.close()


async def test_an_endpoint_nobody_serves_is_no_answer(outside: Platform) -> None:
    actor = KubernetesActor(config(outside))
    primary = WorkloadRef("default", "data", "Pod", "postgres-0")
    told = await actor.ask_pod(primary, 8000, "/pg/status")
    assert told["replicationInfo"][0]["applicationName"] == "postgres-1"
    with pytest.raises(BackendUnavailableError):
        await actor.ask_pod(primary, 8000, "/pg/other")
    await actor.close()


async def test_an_eviction_a_budget_holds_is_refused_for_now_and_names_the_budget(
    outside: Platform,
) -> None:
    actor = KubernetesActor(config(outside))
    (pod, *_) = await actor.list("Pod", "trading", {"app": "ledger"})
    ref = WorkloadRef("default", "trading", "Pod", pod["metadata"]["name"])
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": ref.name}}
    with pytest.raises(TryLaterError, match="The disruption budget ledger needs 2 healthy pods"):
        await actor.create(ref, body, dry_run=False, subresource="eviction")
    assert outside.kubernetes.effects == []
    await actor.close()
