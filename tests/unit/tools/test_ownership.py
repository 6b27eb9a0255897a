"""Who owns, scales and serves what: by uid and selector, never by a name's beginning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.fakes.cluster import FakeCluster
from tools.backends.kubernetes.kinds import KINDS
from tools.errors import BackendDeniedError, BackendUnavailableError
from tools.ownership import (
    GROUPS,
    TALLEST,
    Objects,
    Reference,
    Standing,
    autoscalers_of,
    is_over,
    label_texts,
    labels_within,
    owner_references,
    pod_labels,
    pods_on,
    scale_target,
    services_selecting,
    wanted_pods,
)
from tools.ownership_reader import OwnershipReader
from tools.world import WorkloadRef

Json = dict[str, Any]
API = {"ReplicaSet": "apps/v1", "Deployment": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1"}


def thing(kind: str, name: str, *owners: Json, **more: Any) -> Json:
    metadata = {"namespace": "shop", "name": name, "uid": f"uid-{kind}-{name}", **more}
    if owners:
        metadata["ownerReferences"] = list(owners)
    return {"kind": kind, "metadata": metadata}


def owned_by(item: Json, *, controller: bool = True, version: str = "") -> Json:
    kind = item["kind"]
    api = version or API.get(kind, "")
    named = {"kind": kind, "name": item["metadata"]["name"], "uid": item["metadata"]["uid"]}
    return {**named, "controller": controller, **({"apiVersion": api} if api else {})}


def line_of(objects: Objects, item: Json) -> list[str]:
    return [f"{each.ref.kind}/{each.ref.name}" for each in objects.ancestry(item).owners]


DEPLOYMENT = thing("Deployment", "web")
SET = thing("ReplicaSet", "web-1", owned_by(DEPLOYMENT))
POD = thing("Pod", "web-1-a", owned_by(SET))
CRON = thing("CronJob", "nightly")
JOB = thing("Job", "nightly-1", owned_by(CRON))
JOB_POD = thing("Pod", "nightly-1-x", owned_by(JOB))


def known(*items: Json) -> Objects:
    objects = Objects("default")
    for item in items:
        objects.add(item["kind"], [item])
    return objects


# --- up -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pod", "above"),
    [
        (POD, ["ReplicaSet/web-1", "Deployment/web"]),
        (JOB_POD, ["Job/nightly-1", "CronJob/nightly"]),
        (DEPLOYMENT, []),
    ],
)
def test_owners_are_followed_to_the_top(pod: Json, above: list[str]) -> None:
    objects = known(DEPLOYMENT, SET, CRON, JOB)
    assert line_of(objects, pod) == above
    ancestry = objects.ancestry(pod)
    assert [each.top for each in ancestry.owners] == [False] * (len(above) - 1) + [True] * bool(
        above
    )
    assert (ancestry.top is None) is (not above)
    assert ancestry.wanted == ()


def test_what_was_not_listed_is_wanted_and_until_then_unknown() -> None:
    objects = known(SET)
    ancestry = objects.ancestry(POD)
    assert [str(each) for each in ancestry.wanted] == ["shop/Deployment/web"]
    assert ancestry.top is not None
    assert ancestry.top.standing is Standing.UNKNOWN
    objects.lack(ancestry.wanted[0], "it was deleted")
    again = objects.ancestry(POD)
    assert again.wanted == ()
    assert again.top is not None
    assert (again.top.standing, again.top.why) == (Standing.UNKNOWN, "it was deleted")


def test_an_owner_is_its_uid_and_not_its_name() -> None:
    another = thing("Deployment", "web", uid="made-anew")
    ancestry = known(SET, another).ancestry(POD)
    assert [str(each) for each in ancestry.wanted] == ["shop/Deployment/web"]


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        ("Rollout", "argoproj.io/v1alpha1"),
        ("Kafka", "kafka.strimzi.io/v1beta2"),
        ("StatefulSet", "apps.kruise.io/v1beta1"),
        ("Cluster", "cluster.x-k8s.io/v1beta1"),
        ("Deployment", "v1"),
    ],
)
def test_an_owner_of_a_kind_we_do_not_read_stands_at_the_top_by_name_and_uid(
    kind: str, version: str
) -> None:
    custom = thing(kind, "mine")
    replica_set = thing("ReplicaSet", "mine-1", owned_by(custom, version=version))
    pod = thing("Pod", "mine-1-a", owned_by(replica_set))
    ancestry = known(replica_set).ancestry(pod)
    assert ancestry.wanted == ()
    assert ancestry.top is not None
    assert ancestry.top.standing is Standing.FOREIGN
    assert (ancestry.top.ref.kind, ancestry.top.ref.uid) == (kind, f"uid-{kind}-mine")


def test_every_line_of_owners_is_followed_and_the_controllers_is_the_first() -> None:
    other = thing("ConfigMap", "lock")
    pod = thing("Pod", "both", owned_by(other, controller=False, version="v1"), owned_by(SET))
    ancestry = known(DEPLOYMENT, SET, other).ancestry(pod)
    assert line_of(known(DEPLOYMENT, SET, other), pod) == [
        "ReplicaSet/web-1", "Deployment/web", "ConfigMap/lock",
    ]  # fmt: skip
    assert ancestry.top is not None
    assert ancestry.top.ref.name == "web"
    assert [each.ref.name for each in ancestry.tops] == ["web", "lock"]


def test_owners_in_a_circle_end_at_an_owner_nobody_knows() -> None:
    one, two = thing("Deployment", "one"), thing("Deployment", "two")
    one["metadata"]["ownerReferences"] = [owned_by(two)]
    two["metadata"]["ownerReferences"] = [owned_by(one)]
    ancestry = known(one, two).ancestry(one)
    assert ancestry.top is not None
    assert ancestry.top.standing is Standing.UNKNOWN
    assert f"more than {TALLEST}" in ancestry.top.why


def test_a_nodes_own_pod_is_owned_in_no_namespace() -> None:
    node = {"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "u", "controller": True}
    (named,) = owner_references(thing("Pod", "mirror", node), "default")
    assert named.ref == WorkloadRef("default", "", "Node", "n1", "u")


def test_every_kind_that_is_read_is_served_under_the_group_we_say() -> None:
    assert {kind: KINDS[kind].group for kind in GROUPS} == dict(GROUPS)


# --- sideways -----------------------------------------------------------------------------------


def autoscaler(own: str, **aim: str) -> Json:
    return {**thing("HorizontalPodAutoscaler", own), "spec": {"scaleTargetRef": aim}}


def test_autoscaler_and_workload_find_each_other() -> None:
    web = WorkloadRef("default", "shop", "Deployment", "web")
    right = autoscaler("a", kind="Deployment", name="web", apiVersion="apps/v1")
    wrong = [
        autoscaler("b", kind="Deployment", name="web-2", apiVersion="apps/v1"),
        autoscaler("c", kind="StatefulSet", name="web", apiVersion="apps/v1"),
        autoscaler("d", kind="Deployment", name="web", apiVersion="other.io/v1"),
        {
            **autoscaler("e", kind="Deployment", name="web"),
            "metadata": {"namespace": "else", "name": "e"},
        },
    ]
    assert autoscalers_of([*wrong, right], web) == [right]
    assert scale_target(right, "default").ref == web
    assert scale_target(right, "default").readable
    assert not scale_target(wrong[2], "default").readable


def test_a_service_selects_by_labels_and_without_a_selector_nothing() -> None:
    def service(name: str, selector: Mapping[str, str] | None) -> Json:
        return {**thing("Service", name), "spec": {"selector": selector}}

    services = [
        service("all", {"app": "web"}),
        service("exact", {"app": "web", "tier": "front"}),
        service("other", {"app": "web", "tier": "back"}),
        service("none", {}),
        service("external", None),
    ]
    found = services_selecting(services, {"app": "web", "tier": "front", "x": "1"})
    assert [each["metadata"]["name"] for each in found] == ["all", "exact"]


def test_labels_of_an_object_do_not_hide_those_of_its_pods() -> None:
    template = {"metadata": {"labels": {"a": "1"}}}
    item = {"metadata": {"labels": {"a": "2"}}, "spec": {"template": template}}
    assert labels_within(item) == ("a=1", "a=2")
    cron = {"metadata": {}, "spec": {"jobTemplate": {"spec": {"template": template}}}}
    assert pod_labels(cron) == {"a": "1"}
    assert label_texts({"b": ""}, {"a": "1"}) == ("a=1", "b=")


@pytest.mark.parametrize(
    ("kind", "item", "count"),
    [
        ("Deployment", {"spec": {"replicas": 7}}, 7),
        ("Deployment", {"spec": {}}, 1),
        ("StatefulSet", {"spec": {"replicas": 0}}, 0),
        ("DaemonSet", {"spec": {}, "status": {"desiredNumberScheduled": 40}}, 40),
        ("DaemonSet", {"spec": {}}, None),
        ("CronJob", {"spec": {"jobTemplate": {"spec": {"parallelism": 5}}}}, 5),
        ("CronJob", {"spec": {}}, 1),
        ("Cluster", {"spec": {"instances": 3}}, 3),
    ],
)
def test_a_workload_says_how_many_pods_it_shall_have(
    kind: str, item: Json, count: int | None
) -> None:
    assert wanted_pods(item, kind) == count


def test_pods_of_a_node_and_pods_that_are_over() -> None:
    here = {**thing("Pod", "a"), "spec": {"nodeName": "n1"}}
    there = {**thing("Pod", "b"), "spec": {"nodeName": "n10"}}
    assert pods_on([here, there], "n1") == [here]
    assert is_over({**here, "status": {"phase": "Succeeded"}})
    assert is_over(thing("Pod", "c", deletionTimestamp="2026-11-20T12:00:00Z"))
    assert not is_over({**here, "status": {"phase": "Pending"}})


# --- read from a cluster ------------------------------------------------------------------------


def reader(*items: Json) -> tuple[FakeCluster, OwnershipReader]:
    cluster = FakeCluster(items)
    return cluster, OwnershipReader(cluster, "default")


async def test_what_is_wanted_is_read_each_once() -> None:
    cluster, ours = reader(DEPLOYMENT, SET)
    asked: list[str] = []
    real = cluster.get

    async def counting(ref: WorkloadRef) -> Mapping[str, Any]:
        asked.append(ref.kind)
        return await real(ref)

    cluster.get = counting  # type: ignore[method-assign]
    for _ in range(2):
        ancestry = await ours.ancestry(POD)
        assert ancestry.top is not None
        assert ancestry.top.ref.name == "web"
    assert asked == ["ReplicaSet", "Deployment"]


class Refusing(FakeCluster):
    """Answers everything about one kind with an error."""

    error: Exception
    kind = "Deployment"

    async def get(self, ref: WorkloadRef) -> Mapping[str, Any]:
        if ref.kind == self.kind:
            raise self.error
        return await super().get(ref)


async def test_an_owner_that_may_not_be_read_is_unknown_with_the_missing_rule() -> None:
    cluster = Refusing([DEPLOYMENT, SET])
    cluster.error = BackendDeniedError("kubernetes", "it needs the rule get deployments")
    ancestry = await OwnershipReader(cluster, "default").ancestry(POD)
    assert ancestry.top is not None
    assert ancestry.top.standing is Standing.UNKNOWN
    assert "get deployments" in ancestry.top.why


async def test_a_cluster_that_does_not_answer_is_no_missing_owner() -> None:
    cluster = Refusing([DEPLOYMENT, SET])
    cluster.error = BackendUnavailableError("kubernetes", "down")
    with pytest.raises(BackendUnavailableError):
        await OwnershipReader(cluster, "default").ancestry(POD)


async def test_pods_of_a_workload_are_those_it_owns_whatever_they_are_called() -> None:
    stranger = thing("Pod", "web-1-zzz")
    renamed = thing("Pod", "something-else", owned_by(SET))
    _, ours = reader(DEPLOYMENT, SET, POD, stranger, renamed, CRON, JOB, JOB_POD)
    assert [p["metadata"]["name"] for p in await ours.pods_of(DEPLOYMENT, "Deployment")] == [
        "something-else", "web-1-a",
    ]  # fmt: skip
    assert [p["metadata"]["name"] for p in await ours.pods_of(CRON, "CronJob")] == ["nightly-1-x"]


async def test_pods_of_a_workload_nobody_reads_are_those_whose_sets_name_it() -> None:
    rollout = thing("Rollout", "mine")
    version = "argoproj.io/v1alpha1"
    replica_set = thing("ReplicaSet", "mine-1", owned_by(rollout, version=version))
    pod = thing("Pod", "mine-1-a", owned_by(replica_set))
    _, ours = reader(replica_set, pod, SET, POD)
    named = Reference(WorkloadRef("default", "shop", "Rollout", "mine"), "argoproj.io")
    ref, pods = await ours.pods_of_named(named)
    assert ref.uid == "uid-Rollout-mine"
    assert [each["metadata"]["name"] for each in pods] == ["mine-1-a"]


async def test_a_namespace_that_is_not_there_is_unknown() -> None:
    _, ours = reader()
    standing, labels, why = await ours.namespace("shop")
    assert (standing, labels, why) == (Standing.UNKNOWN, {}, "it does not exist")
