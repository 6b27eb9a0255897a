"""Kubernetes as clusters really are: every kind of workload, container and event, by ownership.

Sources, read in November 2026: the Kubernetes documentation (pod lifecycle, init and sidecar
containers, readiness gates, Jobs, CronJobs, DaemonSets, finalizers, events of both APIs), its API
reference, Argo Rollouts' specification; public issues of dashboards and bots that called a pod
*Pending, 0 restarts* while its init container crashed, counted a DaemonSet as one pod of one, or
took `order-vault`'s events for `order`'s because the name begins alike.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.composition.config_doubts import kinds_doubted
from tests.fakes.clock import FakeClock
from tests.fixtures.kubeconfig import write_kubeconfig
from tests.fixtures.loopback import serving
from tools.backends.kubernetes import KubernetesConfig, KubernetesReader
from tools.backends.kubernetes.pod_status import pod_status
from tools.contract import ToolResult
from tools.observe.cluster import list_events
from tools.observe.workload import describe_workload
from tools.world import Catalogue, ServiceName, ServiceSpec, WorkloadRef

Json = dict[str, Any]
NOW = FakeClock().now()
PLURALS = {
    "Deployment": "apps/v1/deployments", "ReplicaSet": "apps/v1/replicasets",
    "StatefulSet": "apps/v1/statefulsets", "DaemonSet": "apps/v1/daemonsets",
    "Job": "batch/v1/jobs", "CronJob": "batch/v1/cronjobs", "Pod": "v1/pods", "Node": "v1/nodes",
    "HorizontalPodAutoscaler": "autoscaling/v2/horizontalpodautoscalers",
    "Event": "v1/events", "NewerEvent": "events.k8s.io/v1/events",
    "Rollout": "argoproj.io/v1alpha1/rollouts", "ConfigMap": "v1/configmaps",
    "ControllerRevision": "apps/v1/controllerrevisions", "Service": "v1/services",
}  # fmt: skip
ALWAYS = frozenset(PLURALS) - {"Rollout", "NewerEvent"}


def ago(**time: float) -> str:
    at: datetime = NOW - timedelta(**time)
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Api:
    """An API server over some objects: what it does not serve is 404, what is denied 403."""

    objects: list[Json]
    denied: frozenset[str] = frozenset()
    serves: frozenset[str] = ALWAYS
    asked: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/apis/").removeprefix("/api/")
        group, _, rest = path.partition("/namespaces/")
        space, _, tail = rest.partition("/")
        whole = f"{group}/{tail}" if rest else group
        self.asked.append(whole)
        for kind, plural in PLURALS.items():
            if whole == plural or whole.startswith(f"{plural}/"):
                if kind in self.denied:
                    return refusal(403, "Forbidden", f"cannot read {plural}")
                if kind not in self.serves:
                    break
                name = whole.removeprefix(plural).removeprefix("/")
                return self._found(kind, space, name, request.query.get("labelSelector", ""))
        return refusal(404, "NotFound", "the server could not find the requested resource")

    def _found(self, kind: str, space: str, name: str, selector: str) -> web.StreamResponse:
        labels = dict(each.split("=") for each in selector.split(",") if each)
        items = [
            {key: value for key, value in item.items() if key != "kind"}
            for item in self.objects
            if item["kind"] == kind
            and item["metadata"].get("namespace", "") in ({space} if space else ANY)
            and name in {"", item["metadata"]["name"]}
            and labels.items() <= item["metadata"].get("labels", {}).items()
        ]
        if not name:
            return web.json_response({"kind": f"{kind}List", "metadata": {}, "items": items})
        if not items:
            return refusal(404, "NotFound", f'"{name}" not found')
        return web.json_response(items[0] | {"kind": kind})


class _Any(set[str]):
    def __contains__(self, _: object) -> bool:
        return True


ANY = _Any()


def refusal(code: int, reason: str, message: str) -> web.StreamResponse:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message}
    return web.json_response(body | {"code": code}, status=code)


def thing(kind: str, name: str, owner: Json | None = None, **parts: Any) -> Json:
    """Make an object; `owner` controls it."""
    meta: Json = {"name": name, "namespace": "web", "uid": f"uid-{kind}-{name}"}
    meta |= {"labels": {"app": "shop"}, "creationTimestamp": ago(minutes=30)}
    if owner is not None:
        named = {"kind": owner["kind"], "name": owner["metadata"]["name"], "controller": True}
        group = PLURALS.get(owner["kind"], "example.com/v1/x").rpartition("/")[0]
        named |= {"uid": owner["metadata"]["uid"], "apiVersion": group}
        meta["ownerReferences"] = [named]
    return {"kind": kind, "metadata": meta | parts.pop("metadata", {}), **parts}


def pod(name: str, owner: Json, *, spec: Json | None = None, **status: Any) -> Json:
    whole = {"nodeName": "node-a", "containers": [{"name": "app", "image": "shop:2"}]}
    return thing(
        "Pod", name, owner, spec=whole | (spec or {}), status={"phase": "Running"} | status
    )


def container(name: str, state: Json, *, last: Json | None = None, restarts: int = 0) -> Json:
    told = {"name": name, "image": "shop:2", "ready": "running" in state, "restartCount": restarts}
    return told | {"state": state, "lastState": {"terminated": last} if last else {}}


def ended(code: int, reason: str, minutes: float, **more: Any) -> Json:
    begun = {"startedAt": ago(minutes=minutes, seconds=2), "finishedAt": ago(minutes=minutes)}
    return {"exitCode": code, "reason": reason, **begun, **more}


def says(kind: str, status: str, reason: str = "", message: str = "") -> Json:
    told = {"type": kind, "status": status, "reason": reason, "message": message}
    return told | {"lastTransitionTime": ago(minutes=9)}


def happened(about: Json, reason: str, message: str, **more: Any) -> Json:
    """Make an event of core/v1 that happened once, five minutes ago."""
    own = about["metadata"]
    aim = {"kind": about["kind"], "name": own["name"], "uid": own["uid"]}
    space = own.get("namespace", "")
    aim |= {"namespace": space} if space else {}
    name = f"{own['name']}.{reason}"
    meta = {"name": name, "namespace": space or "default", "uid": f"event-{name}"}
    told = {"type": "Warning", "reason": reason, "message": message, "count": 1}
    stamps = {"firstTimestamp": ago(minutes=5), "lastTimestamp": ago(minutes=5)}
    whole = {"kind": "Event", "metadata": meta, "involvedObject": aim, **told, **stamps}
    return whole | more


def newer(event: Json, **more: Any) -> Json:
    """Tell the same event as events.k8s.io/v1 does."""
    renamed = {
        "involvedObject": "regarding", "message": "note", "count": "deprecatedCount",
        "firstTimestamp": "deprecatedFirstTimestamp", "lastTimestamp": "deprecatedLastTimestamp",
    }  # fmt: skip
    told = {renamed.get(key, key): value for key, value in event.items()}
    return told | {"kind": "NewerEvent"} | more


def deployment(**status: Any) -> list[Json]:
    """Make a Deployment of three replicas with its ReplicaSet."""
    status = {"readyReplicas": 2, "updatedReplicas": 3} | status
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "shop"}}}
    own = thing("Deployment", "shop", spec=spec, status=status)
    return [own, thing("ReplicaSet", "shop-6c9d", own)]


APP = deployment()
SET = APP[1]
WELL = [says("Ready", "True")]
RUNNING = {"running": {"startedAt": ago(minutes=20)}}


@asynccontextmanager
async def reading(api: Api, folder: Path) -> AsyncIterator[KubernetesReader]:
    async with serving(api.answer) as url:
        reader = KubernetesReader(
            KubernetesConfig(kubeconfig=write_kubeconfig(folder / "reading.yaml", url))
        )
        yield reader
        await reader.close()


def catalogue(*refs: tuple[str, str]) -> Catalogue:
    """Return services of one workload each, called like it."""
    found = {}
    for kind, name in refs or (("Deployment", "shop"),):
        ref = WorkloadRef("default", "web", kind, name)
        found[ServiceName(name)] = ServiceSpec(ServiceName(name), "web", (ref,), cluster="default")
    return Catalogue({}, found)


Ask = Callable[..., Any]


@pytest.fixture
def describe(tmp_path: Path) -> Ask:
    async def asked(
        *objects: Json, kind: str = "Deployment", name: str = "shop", **api: Any
    ) -> Any:
        async with reading(Api(list(objects), **api), tmp_path) as reader:
            known = catalogue((kind, name))
            return await describe_workload.function(reader, FakeClock(), known, service=name)

    return asked


@pytest.fixture
def events(tmp_path: Path) -> Ask:
    async def asked(*objects: Json, known: Catalogue | None = None, **more: Any) -> ToolResult:
        tool = {name: more.pop(name) for name in ("service", "window", "until") if name in more}
        async with reading(Api(list(objects), **more), tmp_path) as reader:
            found: ToolResult = await list_events.function(
                reader, FakeClock(), known or catalogue(), **{"service": "shop"} | tool
            )
            return found

    return asked


# ---------------------------------------------------------------- containers of every class

BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting"}}
SIDECAR = {"initContainers": [{"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}]}
PODS: dict[str, tuple[Json, list[str]]] = {
    "an init container that crashes": (
        pod("shop-6c9d-aaaaa", SET, phase="Pending", initContainerStatuses=[
            container("migrate", BACK_OFF, last=ended(1, "Error", 3), restarts=11)],
            containerStatuses=[container("app", {"waiting": {"reason": "PodInitializing"}})]),
        ["Pending", "11 restarts", "init container migrate: waiting CrashLoopBackOff: back-off",
         "exit code 1 Error 3 min ago after 2 s"],
    ),
    "a sidecar that is killed for its memory": (
        pod("shop-6c9d-aaaaa", SET, spec=SIDECAR, conditions=WELL, initContainerStatuses=[
            container("proxy", RUNNING, last=ended(137, "OOMKilled", 90), restarts=23)],
            containerStatuses=[container("app", RUNNING)]),
        ["23 restarts", "sidecar container proxy: running",
         "exit code 137 (SIGKILL) OOMKilled 2 h ago"],
    ),
    "a debugging container that failed": (
        pod("shop-6c9d-aaaaa", SET, conditions=WELL, ephemeralContainerStatuses=[
            container("debugger", {"terminated": ended(2, "Error", 1)})]),
        ["ephemeral container debugger: terminated", "ended with exit code 2 Error"],
    ),
    "an image that cannot be pulled": (
        pod("shop-6c9d-aaaaa", SET, phase="Pending", containerStatuses=[
            container("app", {"waiting": {"reason": "ImagePullBackOff", "message":
                      'Back-off pulling image "shop:nope": not found'}})]),
        ["container app: waiting ImagePullBackOff", "shop:nope", "not found"],
    ),
    "a container that cannot be made for want of a config map": (
        pod("shop-6c9d-aaaaa", SET, phase="Pending", containerStatuses=[
            container("app", {"waiting": {"reason": "CreateContainerConfigError", "message":
                      'configmap "shop-settings" not found'}})]),
        ["CreateContainerConfigError", 'configmap "shop-settings" not found'],
    ),
    "a container's last words": (
        pod("shop-6c9d-aaaaa", SET, containerStatuses=[
            container("app", BACK_OFF, restarts=4,
                      last=ended(139, "Error", 6, message="no license file"))]),
        ["exit code 139 (SIGSEGV)", "no license file"],
    ),
    "a pod that no node can take": (
        pod("shop-6c9d-aaaaa", SET, spec={"nodeName": ""}, phase="Pending", conditions=[
            says("PodScheduled", "False", "Unschedulable", "0/6 nodes: 6 Insufficient cpu")]),
        ["on no node", "PodScheduled=False Unschedulable: 0/6 nodes: 6 Insufficient cpu"],
    ),
    "a pod that waits for its volume claim": (
        pod("shop-6c9d-aaaaa", SET, spec={"nodeName": ""}, phase="Pending", conditions=[
            says("PodScheduled", "False", "Unschedulable",
                 "pod has unbound immediate PersistentVolumeClaims")]),
        ["pod has unbound immediate PersistentVolumeClaims"],
    ),
    "a readiness gate that is false": (
        pod("shop-6c9d-aaaaa", SET,
            spec={"readinessGates": [{"conditionType": "lb.example.com/attached"}]},
            conditions=[says("lb.example.com/attached", "False", "Draining", "target draining"),
                        says("Ready", "False", "ReadinessGatesNotReady", "a gate is not met")]),
        ["lb.example.com/attached=False Draining: target draining", "NOT READY"],
    ),
    "a readiness gate that nobody set": (
        pod("shop-6c9d-aaaaa", SET,
            spec={"readinessGates": [{"conditionType": "lb.example.com/attached"}]},
            conditions=[says("Ready", "False", "ReadinessGatesNotReady", "a gate is not met")]),
        ["lb.example.com/attached=Unknown: a readiness gate that nobody has set"],
    ),
    "an evicted pod": (
        pod("shop-6c9d-aaaaa", SET, phase="Failed", reason="Evicted",
            message="The node was low on resource: ephemeral-storage."),
        ["Failed", "Evicted", "low on resource: ephemeral-storage"],
    ),
    "a pod that its finalizer holds": (
        pod("shop-6c9d-aaaaa", SET) | {"metadata": pod("shop-6c9d-aaaaa", SET)["metadata"]
            | {"deletionTimestamp": ago(minutes=14), "finalizers": ["example.com/drain"]}},
        ["Terminating", "14 min ago", "held by its finalizers example.com/drain"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PODS)
async def test_a_pod_says_what_is_wrong_with_it_and_why(describe: Ask, case: str) -> None:
    item, said = PODS[case]
    found = await describe(*APP, item)
    assert [text for text in said if text not in found.summary] == []


async def test_a_container_that_ended_as_it_should_is_no_trouble(describe: Ask) -> None:
    done = container("migrate", {"terminated": ended(0, "Completed", 20)})
    whole = pod("shop-6c9d-aaaaa", SET, conditions=WELL, initContainerStatuses=[done],
                containerStatuses=[container("app", RUNNING)])  # fmt: skip
    found = await describe(*APP, whole)
    assert "migrate" not in found.summary
    [kept] = found.payload["workloads"][0]["pods"]
    assert [each["unwell"] for each in kept["containers"]] == [False, False]


@pytest.mark.parametrize(("minutes", "told"), [(2, {"OOMKilled"}), (4000, set[str]())])
def test_a_crash_of_long_ago_is_no_reason_of_today(minutes: float, told: set[str]) -> None:
    survivor = container("app", RUNNING, last=ended(137, "OOMKilled", minutes), restarts=1)
    read = pod_status(pod("shop-6c9d-aaaaa", SET, containerStatuses=[survivor]), "default")
    assert set(read.reasons_since(NOW - timedelta(minutes=30))) == told


async def test_unwell_pods_are_told_before_a_crowd_of_well_ones(describe: Ask) -> None:
    well = [pod(f"shop-6c9d-{n:05}", SET, conditions=WELL) for n in range(40)]
    found = await describe(*APP, *well, PODS["an evicted pod"][0])
    assert "Evicted" in found.summary


async def test_a_mount_that_fails_is_told_beside_the_container_that_is_never_made(
    describe: Ask,
) -> None:
    waits = {"waiting": {"reason": "ContainerCreating"}}
    stuck = pod("shop-6c9d-aaaaa", SET, phase="Pending",
                containerStatuses=[container("app", waits)])  # fmt: skip
    why = happened(stuck, "FailedMount", 'secret "shop-tls" not found')
    found = await describe(*APP, stuck, why)
    assert "ContainerCreating" in found.summary
    assert "made 30 min ago" in found.summary
    assert 'FailedMount web/Pod/shop-6c9d-aaaaa x1: secret "shop-tls" not found' in found.summary


# ---------------------------------------------------------------- every kind as what it is

QUOTA = 'pods "shop-x" is forbidden: exceeded quota: compute, requested: cpu=2, limited: cpu=8'


async def test_a_quota_that_keeps_pods_from_being_made_is_told_in_its_own_words(
    describe: Ask,
) -> None:
    short = deployment(conditions=[
        says("ReplicaFailure", "True", "FailedCreate", QUOTA),
        says("Progressing", "False", "ProgressDeadlineExceeded", "has timed out progressing"),
        says("Available", "True", "MinimumReplicasAvailable"),
    ])  # fmt: skip
    found = await describe(*short)
    assert f"ReplicaFailure=True FailedCreate: {QUOTA}" in found.summary
    assert "Progressing=False ProgressDeadlineExceeded: has timed out" in found.summary
    assert "Available" not in found.summary


async def test_a_daemon_set_is_counted_by_its_nodes(describe: Ask) -> None:
    status = {"desiredNumberScheduled": 6, "numberReady": 6, "updatedNumberScheduled": 6}
    own = thing("DaemonSet", "agent", spec={}, status=status)
    pods = [pod(f"agent-{n:05}", own, conditions=WELL) for n in range(6)]
    found = await describe(own, *pods, kind="DaemonSet", name="agent")
    assert "web/DaemonSet/agent: 6 of 6 pods ready" in found.summary
    assert len(found.payload["workloads"][0]["pods"]) == 6


async def test_a_job_that_gave_up_says_how_often_it_tried(describe: Ask) -> None:
    words = "Job has reached the specified backoff limit"
    conditions = [says("Failed", "True", "BackoffLimitExceeded", words)]
    own = thing("Job", "import", spec={"backoffLimit": 3, "completions": 1},
                status={"failed": 4, "conditions": conditions})  # fmt: skip
    state = container("app", {"terminated": ended(3, "Error", 8)})
    dead = pod("import-aaaaa", own, phase="Failed", containerStatuses=[state])
    found = await describe(own, dead, kind="Job", name="import")
    assert "0 of 1 runs succeeded, 4 pods failed (at most 3 retries)" in found.summary
    assert f"Failed=True BackoffLimitExceeded: {words}" in found.summary
    assert "ended with exit code 3" in found.summary


def cron(**status: Any) -> Json:
    spec = {"schedule": "*/5 * * * *", "timeZone": "Europe/Berlin", **status.pop("spec", {})}
    return thing("CronJob", "bill", spec=spec, status=status)


async def test_a_cron_job_says_how_its_last_run_ended(describe: Ask) -> None:
    own = cron(lastScheduleTime=ago(minutes=4), lastSuccessfulTime=ago(hours=26))
    failed = [says("Failed", "True", "DeadlineExceeded", "Job was active longer than specified")]
    older = thing("Job", "bill-1", own, metadata={"creationTimestamp": ago(minutes=9)},
                  status={"conditions": [says("Complete", "True")]})  # fmt: skip
    status = {"startTime": ago(minutes=4), "failed": 2, "conditions": failed}
    created = {"creationTimestamp": ago(minutes=4)}
    last = thing("Job", "bill-2", own, metadata=created, status=status)
    foreign = thing("Job", "bill-print-9", metadata={"creationTimestamp": ago(minutes=1)})
    found = await describe(own, older, last, foreign, kind="CronJob", name="bill")
    assert "runs at '*/5 * * * *' Europe/Berlin, last scheduled" in found.summary
    assert "last succeeded" in found.summary
    assert "(1 d ago)" in found.summary
    assert "last run bill-2 began" in found.summary
    assert "FAILED" in found.summary
    assert "2 pods failed DeadlineExceeded: Job was active longer" in found.summary


async def test_a_suspended_cron_job_and_a_missed_start_are_told(describe: Ask) -> None:
    own = cron(spec={"suspend": True})
    missed = happened(own, "TooManyMissedTimes", "too many missed start times: 101")
    found = await describe(own, missed, kind="CronJob", name="bill")
    assert "SUSPENDED" in found.summary
    assert "never scheduled" in found.summary
    late = await describe(cron(), missed, kind="CronJob", name="bill")
    assert "too many missed start times" in late.summary + found.summary


ROLLOUT = thing(
    "Rollout", "shop", spec={"replicas": 4}, status={
        "readyReplicas": 2, "phase": "Degraded", "message": "RolloutAborted: metric failed",
        "conditions": [says("Healthy", "False", "RolloutHealthy", "Rollout is not healthy")]},
)  # fmt: skip
CANARY = thing("ReplicaSet", "shop-77fd", ROLLOUT)
CANARIES = [CANARY, *(pod(f"shop-77fd-{n:05}", CANARY, conditions=WELL) for n in range(2))]


async def test_an_argo_rollout_is_read_where_its_kind_is_served(describe: Ask) -> None:
    found = await describe(ROLLOUT, *CANARIES, kind="Rollout", serves=ALWAYS | {"Rollout"})
    assert "2 of 4 pods ready" in found.summary
    assert "phase Degraded" in found.summary
    assert "RolloutAborted: metric failed" in found.summary
    assert len(found.payload["workloads"][0]["pods"]) == 2


@pytest.mark.parametrize("kind", ["Rollout", "StrimziPodSet"])
async def test_of_a_kind_we_may_not_or_cannot_read_the_kind_is_told_and_its_pods(
    describe: Ask, kind: str
) -> None:
    own = thing(kind, "shop")
    between = thing("ReplicaSet", "shop-77fd", own)
    pods = [pod(f"shop-77fd-{n:05}", between, conditions=WELL) for n in range(2)]
    found = await describe(between, *pods, kind=kind, denied=frozenset({"Rollout"}))
    assert "2 of 2 pods ready" in found.summary
    assert kind in found.summary
    assert "only the pods it owns are told" in found.summary
    if kind == "Rollout":
        assert 'apiGroups: ["argoproj.io"]' in found.summary


async def test_pods_of_a_stateful_set_on_a_node_that_is_gone_quiet(describe: Ask) -> None:
    own = thing("StatefulSet", "db", spec={"replicas": 1}, status={"readyReplicas": 0})
    lost = pod("db-0", own, conditions=[says("Ready", "False", "NodeNotReady")])
    quiet = "Kubelet stopped posting node status."
    node = thing("Node", "node-a", metadata={"namespace": ""}, status={
        "conditions": [says("Ready", "Unknown", "NodeStatusUnknown", quiet),
                       says("KernelDeadlock", "False")]})  # fmt: skip
    other = happened(thing("Node", "node-b", metadata={"namespace": ""}), "NodeNotReady", "other")
    event = happened(node, "NodeNotReady", "Node node-a status is now: NodeNotReady")
    found = await describe(own, lost, node, event, other, kind="StatefulSet", name="db")
    assert f"node node-a: Ready=Unknown NodeStatusUnknown: {quiet}" in found.summary
    assert "KernelDeadlock" not in found.summary
    assert "status is now: NodeNotReady" in found.summary
    assert "node-b" not in found.summary


# ---------------------------------------------------------------- events: by ownership, intervals


def reasons(found: ToolResult) -> list[str]:
    return [row["reason"] for row in found.payload["events"]]


VAULT = thing("Deployment", "shop-vault", spec={"replicas": 1})
VAULT_SET = thing("ReplicaSet", "shop-vault-5b8f", VAULT)
VAULT_POD = pod("shop-vault-5b8f-bbbbb", VAULT_SET)
POD = pod("shop-6c9d-aaaaa", SET, conditions=WELL)


async def test_events_belong_to_who_owns_the_object_whatever_names_begin_with(events: Ask) -> None:
    stranger = pod("elsewhere-named", SET)  # adopted: it bears another name and is ours
    found = await events(
        *APP, VAULT, VAULT_SET, VAULT_POD, POD, stranger,
        happened(POD, "Unhealthy", "ours"), happened(stranger, "BackOff", "ours too"),
        happened(VAULT_POD, "OOMKilling", "not ours"), happened(VAULT_SET, "FailedCreate", "no"),
    )  # fmt: skip
    assert sorted(reasons(found)) == ["BackOff", "Unhealthy"]


@pytest.mark.parametrize(
    ("name", "maker_says", "ours"),
    [
        ("shop-6c9d-x2x7p", "", True),  # the name a ReplicaSet gives
        ("shop-7d4b9-x2x7p", "", True),  # its ReplicaSet is gone as well
        ("other-x", "Created pod: other-x", True),
        ("shop-vault-x2x7p", "", False),
        ("shop-canary", "", False),
    ],
)
async def test_a_pod_that_is_gone_belongs_to_who_made_it(
    events: Ask, name: str, maker_says: str, *, ours: bool
) -> None:
    gone = happened(thing("Pod", name), "Evicted", "The node was low on memory")
    made = [happened(SET, "SuccessfulCreate", maker_says)] if maker_says else []
    found = await events(*APP, POD, gone, *made)
    assert ("Evicted" in reasons(found)) is ours


async def test_events_of_a_cron_jobs_runs_and_of_a_claim_reach_their_service(events: Ask) -> None:
    own = cron()
    run = thing("Job", "bill-29344230", own)
    claim = {"volumes": [{"name": "d", "persistentVolumeClaim": {"claimName": "ledger"}}]}
    runner = pod("bill-29344230-ccccc", run, spec=claim)
    lost = thing("PersistentVolumeClaim", "ledger")
    found = await events(
        own, run, runner,
        happened(run, "BackoffLimitExceeded", "gave up"), happened(runner, "BackOff", "again"),
        happened(lost, "ProvisioningFailed", 'storageclass "fast" not found'),
        happened(thing("PersistentVolumeClaim", "other"), "ProvisioningFailed", "not ours"),
        known=catalogue(("CronJob", "bill")), service="bill",
    )  # fmt: skip
    assert sorted(reasons(found)) == ["BackOff", "BackoffLimitExceeded", "ProvisioningFailed"]
    assert 'storageclass "fast" not found' in found.summary


async def test_events_of_a_node_and_of_the_cluster_reach_the_services_there(events: Ask) -> None:
    def wide(kind: str, name: str, reason: str) -> Json:
        return happened(thing(kind, name, metadata={"namespace": ""}), reason, f"of {name}")

    found = await events(
        *APP, POD, wide("Node", "node-a", "NodeHasDiskPressure"),
        wide("Node", "node-b", "Rebooted"), wide("Namespace", "web", "Quota"),
        wide("Namespace", "ops", "Stuck"), wide("PersistentVolume", "pv-1", "VolumeFailedDelete"),
    )  # fmt: skip
    assert sorted(reasons(found)) == ["NodeHasDiskPressure", "Quota", "VolumeFailedDelete"]


async def test_events_of_what_scales_and_fronts_a_workload_reach_it(events: Ask) -> None:
    aim = {"scaleTargetRef": {"kind": "Rollout", "name": "shop", "apiVersion": "argoproj.io/x"}}
    scaler = thing("HorizontalPodAutoscaler", "pages", spec=aim)
    front = thing("Service", "pages", spec={"selector": {"app": "shop"}})
    found = await events(
        ROLLOUT, *CANARIES, scaler, front,
        happened(scaler, "FailedGetResourceMetric", "no metrics returned"),
        happened(front, "FailedToUpdateEndpoint", "conflict"),
        happened(thing("Service", "shop-vault"), "SyncLoadBalancerFailed", "not ours"),
        known=catalogue(("Rollout", "shop")), serves=ALWAYS | {"Rollout", "Service"},
    )  # fmt: skip
    assert sorted(reasons(found)) == ["FailedGetResourceMetric", "FailedToUpdateEndpoint"]


async def test_one_event_with_a_broken_time_does_not_cost_the_others(events: Ask) -> None:
    broken = happened(POD, "BackOff", "?", firstTimestamp="soon", lastTimestamp="0000-00-00")
    found = await events(*APP, POD, broken, happened(POD, "Unhealthy", "probe failed"))
    assert "Unhealthy" in reasons(found)


async def test_an_event_that_lasts_is_found_in_the_middle_of_its_life(events: Ask) -> None:
    long = {"firstTimestamp": ago(hours=6), "lastTimestamp": ago(minutes=1), "count": 212}
    lasting = happened(POD, "BackOff", "back-off", **long)
    before = happened(POD, "Killing", "long ago", firstTimestamp=ago(hours=9),
                      lastTimestamp=ago(hours=8))  # fmt: skip
    found = await events(*APP, POD, lasting, before, window="1h", until=ago(hours=3))
    [row] = found.payload["events"]
    assert (row["since"], row["at"], row["count"]) == (ago(hours=6), ago(minutes=1), 212)
    assert f"x212 since {ago(hours=6)}" in found.summary


async def test_a_series_of_the_newer_api_is_an_interval_and_told_once(events: Ask) -> None:
    series = {"count": 41, "lastObservedTime": ago(minutes=2)}
    stamps = {"firstTimestamp": None, "lastTimestamp": None, "count": None}
    told = happened(POD, "FailedScheduling", "no node", eventTime=ago(minutes=50),
                    series=series, **stamps)  # fmt: skip
    alone = newer(told, metadata=told["metadata"] | {"uid": "other", "name": "other"},
                  note="another")  # fmt: skip
    served = ALWAYS | {"NewerEvent"}
    found = await events(*APP, POD, told, newer(told), alone, serves=served)
    rows = {row["message"]: row for row in found.payload["events"]}
    assert sorted(rows) == ["another", "no node"]
    assert found.payload["count"] == 2
    for row in rows.values():
        assert (row["count"], row["since"]) == (41, ago(minutes=50))
        assert row["at"] == ago(minutes=2)


async def test_who_may_read_only_the_newer_api_is_told_all_the_same(events: Ask) -> None:
    told = newer(happened(POD, "Unhealthy", "probe failed"))
    served, denied = ALWAYS | {"NewerEvent"}, frozenset({"Event"})
    found = await events(*APP, POD, told, serves=served, denied=denied)
    assert reasons(found) == ["Unhealthy"]


async def test_an_api_that_is_refused_once_is_not_asked_again(tmp_path: Path) -> None:
    api = Api([*APP, POD], denied=frozenset({"NewerEvent"}))
    async with reading(api, tmp_path) as reader:
        for _ in range(3):
            await list_events.function(reader, FakeClock(), catalogue(), service="shop")
        assert reader.condition.word == "up"
    assert api.asked.count(PLURALS["NewerEvent"]) == 1


async def test_what_may_not_be_read_is_a_gap_and_costs_only_its_part(events: Ask) -> None:
    own = happened(APP[0], "DeploymentRollbackTemplateUnchanged", "unchanged")
    found = await events(*APP, POD, own, denied=frozenset({"Pod"}))
    assert reasons(found) == ["DeploymentRollbackTemplateUnchanged"]
    assert "NOT LOOKED AT: what web/Deployment/shop owns" in found.summary


async def test_the_doctor_names_the_rules_for_every_kind_that_is_read(tmp_path: Path) -> None:
    denied = frozenset({"DaemonSet", "Job", "CronJob", "Rollout"})
    async with reading(Api([], denied=denied), tmp_path) as reader:
        usual = "\n".join(await reader.missing_rules())
        with_rollouts = "\n".join(await reader.missing_rules({"Rollout", "StrimziPodSet"}))
    for plural in ("daemonsets", "jobs", "cronjobs"):
        assert f'resources: ["{plural}"]' in usual
    assert "rollouts" not in usual
    assert 'apiGroups: ["argoproj.io"], resources: ["rollouts"]' in with_rollouts


def test_a_kind_that_nobody_reads_is_named_when_the_catalogue_is_checked() -> None:
    known = catalogue(("Deployment", "shop"), ("Rollout", "cart"), ("Deploymnt", "pay"))
    [doubt] = kinds_doubted(known.services)
    assert "service pay has the workload Deploymnt/pay, a kind that is not read" in doubt
    assert "Did you mean 'Deployment'?" in doubt
