"""Each kind of trouble is recognised in a cluster where everything else is well."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.doctor.worlds import NOW, SPACE, Lab, claim, volume
from tools.analysis.blame import Blame, How
from tools.doctor import ANALYSERS, Found, Link, Object, UnitState, examine
from tools.doctor.causes import Felt, causes

BACK = Object("Deployment", SPACE, "back")
FRONT = Object("Deployment", SPACE, "front")
SPACE_ITSELF = Object("Namespace", "", SPACE)
WORKER = Object("Node", "", "worker")
FORBIDDEN = 'Error creating: pods "back-1-" is forbidden: '
Hand = Callable[[Lab], None]


def starts(lab: Lab) -> list[Found]:
    return [each for each in examine(lab.state()) if each.starts]


def test_a_healthy_cluster_has_nothing_that_could_be_a_cause() -> None:
    assert starts(Lab()) == []
    shown = [each.by.name for each in examine(Lab().state())]
    assert shown == ["node-cordoned"]  # the control plane, which is so for good


def test_every_analyser_has_a_name_of_its_own_and_says_what_would_settle_it() -> None:
    names = [each.name for each in ANALYSERS]
    assert len(names) == len(set(names)) >= 60
    assert all(each.settle for each in ANALYSERS)


def _probe(**probe: object) -> dict[str, object]:
    return {"initialDelaySeconds": 5, "periodSeconds": 10, "failureThreshold": 3, **probe}


def _failing_probe(kind: str, probe: dict[str, object], message: str) -> Hand:
    def hand(lab: Lab) -> None:
        lab.container[f"{kind.lower()}Probe"] = probe
        lab.is_not_ready(restartCount=2 if kind != "Readiness" else 0)
        lab.said("Pod", "back-1-a", "Unhealthy", f"{kind} probe failed: {message}")

    return hand


def _unplaced(message: str, **spec: object) -> Hand:
    def hand(lab: Lab) -> None:
        lab.pod["spec"] |= spec
        lab.is_unplaced(message)

    return hand


def _asking(cpu: str, memory: str) -> Hand:
    def hand(lab: Lab) -> None:
        lab.container["resources"]["requests"] = {"cpu": cpu, "memory": memory}
        what = "cpu" if cpu != "1" else "memory"
        lab.is_unplaced(
            f"0/2 nodes are available: 1 Insufficient {what}, 1 node(s) were unschedulable."
        )

    return hand


def _tainted(lab: Lab) -> None:
    lab.get("Node", "worker")["spec"]["taints"] = [
        {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
    ]
    lab.is_unplaced(
        "0/2 nodes are available: 1 node(s) had untolerated taint {gpu: yes}, 1 node(s) were unschedulable."
    )


def _cordoned(lab: Lab) -> None:
    lab.get("Node", "worker")["spec"]["unschedulable"] = True
    lab.is_unplaced("0/2 nodes are available: 2 node(s) were unschedulable.")


def _refused(message: str) -> Hand:
    def hand(lab: Lab) -> None:
        lab.lacks_pods()
        lab.said("ReplicaSet", "back-1", "FailedCreate", FORBIDDEN + message)

    return hand


def _claims(**spec: Any) -> Hand:
    def hand(lab: Lab) -> None:
        lab.objects["PersistentVolume"] = [volume("disk")]
        lab.objects["PersistentVolumeClaim"] = [claim("data", "Pending", **spec)]
        lab.is_unplaced(
            "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."
        )

    return hand


def _taken(lab: Lab) -> None:
    _claims()(lab)
    lab.objects["PersistentVolume"] = [volume("disk", bound_to="other")]


def _service(**port: object) -> Hand:
    def hand(lab: Lab) -> None:
        lab.get("Service", "back")["spec"]["ports"][0] |= port

    return hand


def _selecting(lab: Lab) -> None:
    lab.get("Service", "back")["spec"]["selector"] = {"app": "bakc"}


def _without_service(lab: Lab) -> None:
    lab.objects["Service"] = [s for s in lab.objects["Service"] if s["metadata"]["name"] != "back"]


def _calling(address: str) -> Hand:
    def hand(lab: Lab) -> None:
        lab.get("Pod", "front-1-a")["spec"]["containers"][0]["env"] = [
            {"name": "BACK", "value": address}
        ]

    return hand


def _condition(kind: str, status: str, message: str) -> Hand:
    def hand(lab: Lab) -> None:
        told = lab.get("Node", "worker")["status"]["conditions"]
        told[:] = [c for c in told if c["type"] != kind]
        told.append({"type": kind, "status": status, "reason": "x", "message": message})

    return hand


def _quota_full(lab: Lab) -> None:
    _without_service(lab)
    lab.objects["ResourceQuota"] = [{
        "metadata": {"name": "few", "namespace": SPACE},
        "status": {"hard": {"services": "1"}, "used": {"services": "1"}},
    }]  # fmt: skip


def _scaled_to_nothing(lab: Lab) -> None:
    lab.lacks_pods()
    lab.get("Deployment", "back")["spec"]["replicas"] = 0


def _policy(lab: Lab) -> None:
    lab.objects["NetworkPolicy"] = [{
        "metadata": {"name": "closed", "namespace": SPACE},
        "spec": {"podSelector": {"matchLabels": {"app": "back"}}, "policyTypes": ["Ingress"]},
    }]  # fmt: skip


def _evicted(lab: Lab) -> None:
    gone = dict(lab.pod, metadata=dict(lab.pod["metadata"], name="back-1-b"))
    gone["status"] = {
        "phase": "Failed", "reason": "Evicted", "startTime": (NOW - timedelta(minutes=5)).isoformat(),
        "message": "The node was low on resource: ephemeral-storage.",
    }  # fmt: skip
    lab.objects["Pod"].append(gone)


def _init_fails(lab: Lab) -> None:
    lab.pod["spec"]["initContainers"] = [{"name": "migrate", "image": "m:1"}]
    end = {
        "exitCode": 2,
        "reason": "Error",
        "message": "no such table",
        "finishedAt": NOW.isoformat(),
    }
    lab.pod["status"]["initContainerStatuses"] = [
        {"name": "migrate", "ready": False, "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
         "lastState": {"terminated": end}}
    ]  # fmt: skip
    lab.is_not_ready(state={"waiting": {"reason": "PodInitializing"}})


def _last_line(code: int, line: str) -> Hand:
    def hand(lab: Lab) -> None:
        lab.ended(code)
        lab.lines[BACK] = ["starting", line, "bye"]

    return hand


def _dns_down(lab: Lab) -> None:
    lab.add("coredns", port=53)
    for kind in ("Deployment", "ReplicaSet", "Pod"):
        for each in lab.objects[kind]:
            if each["metadata"]["name"].startswith("coredns"):
                each["metadata"]["namespace"] = "kube-system"
    lab.get("Pod", "coredns-1-a")["status"]["containerStatuses"][0]["ready"] = False


def _job_failed(lab: Lab) -> None:
    lab.objects["Job"] = [{
        "metadata": {"name": "nightly", "namespace": SPACE},
        "status": {"conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded",
                                   "message": "Job has reached the specified backoff limit"}]},
    }]  # fmt: skip


def _no_scheduler(lab: Lab) -> None:
    lab.is_unplaced("")
    lab.pod["status"]["conditions"] = []


def _pull(message: str) -> Hand:
    return lambda lab: lab.waits(
        "ErrImagePull", f'failed to pull image "r.example/back:1": {message}'
    )


def _mount(message: str) -> Hand:
    def hand(lab: Lab) -> None:
        lab.waits("ContainerCreating")
        lab.said("Pod", "back-1-a", "FailedMount", message)

    return hand


def _sandbox(message: str) -> Hand:
    def hand(lab: Lab) -> None:
        lab.waits("ContainerCreating")
        lab.said(
            "Pod", "back-1-a", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {message}"
        )

    return hand


HTTP = {"httpGet": {"port": 9000, "path": "/"}}
GRPC_AT_9001 = {"grpc": {"port": 9001}}
MALFORMED = 'Get "http://10.0.0.9:9000/": net/http: malformed HTTP response "\\x00"'
TIMED_OUT = 'timeout: failed to connect service "10.0.0.9:9001" within 1s'
UNMATCHED = "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector."
WISH = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
    {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["nvme"]}]}]}}}  # fmt: skip
CASES: list[tuple[str, Hand, Object]] = [
    ("oom-killed", lambda lab: lab.ended(137, "OOMKilled"), BACK),
    ("command-not-found", lambda lab: lab.ended(127, message="exec: back: not found"), BACK),
    ("command-not-executable", lambda lab: lab.ended(126), BACK),
    ("wrong-machine", lambda lab: lab.ended(1, message="exec format error"), BACK),
    ("crashed", lambda lab: lab.ended(139), BACK),
    ("ended-though-asked-to-run", lambda lab: lab.ended(0, "Completed"), BACK),
    ("exits-with-error", lambda lab: lab.ended(3, message="boom"), BACK),
    ("exits-with-error", _init_fails, BACK),
    ("file-not-permitted", _last_line(1, "Can't open or create append-only dir /data: Permission denied"), BACK),
    ("disk-full", _last_line(1, "write /data/wal: no space left on device"), BACK),
    ("port-in-use", _last_line(1, "listen tcp :9000: bind: address already in use"), BACK),
    ("credential-refused", _last_line(1, 'FATAL: password authentication failed for user "back"'), BACK),
    ("setting-missing", _last_line(1, "environment variable BACK_URL is not set"), BACK),
    ("schema-behind", _last_line(1, 'ERROR: relation "orders" does not exist'), BACK),
    ("module-missing", _last_line(1, "ModuleNotFoundError: No module named 'orders'"), BACK),
    ("secret-missing", lambda lab: lab.waits("CreateContainerConfigError", 'secret "keys" not found'), BACK),
    ("config-map-missing", lambda lab: lab.waits("CreateContainerConfigError", 'configmap "conf" not found'), BACK),
    ("key-missing", lambda lab: lab.waits("CreateContainerConfigError",
                                          "couldn't find key url in ConfigMap lab/conf"), BACK),
    ("may-not-run-as-root", lambda lab: lab.waits(
        "CreateContainerConfigError", "container has runAsNonRoot and image will run as root"), BACK),
    ("registry-name-unknown", _pull("dial tcp: lookup r.example: no such host"), BACK),
    ("image-not-found", _pull("r.example/back:1: not found"), BACK),
    ("image-pull-denied", _pull("authorization failed: no basic auth credentials: 401 Unauthorized"), BACK),
    ("registry-certificate", _pull("tls: failed to verify certificate: x509: unknown authority"), BACK),
    ("registry-rate-limit", _pull("toomanyrequests: You have reached your pull rate limit"), BACK),
    ("registry-unreachable", _pull("dial tcp 10.9.9.9:443: i/o timeout"), BACK),
    ("image-for-other-platform", _pull("no match for platform in manifest"), BACK),
    ("image-name-invalid", lambda lab: lab.waits("InvalidImageName", "couldn't parse image name"), BACK),
    ("mounted-secret-missing", _mount('MountVolume.SetUp failed for volume "v": secret "keys" not found'), BACK),
    ("mounted-config-map-missing", _mount('MountVolume.SetUp failed: configmap "conf" not found'), BACK),
    ("volume-held-elsewhere", _mount('Multi-Attach error for volume "disk"'), BACK),
    ("service-account-missing", _refused('serviceaccount "backs" not found'), BACK),
    ("quota-pods-exceeded", _refused("exceeded quota: q, requested: pods=1, used: pods=9, limited: pods=9"), SPACE_ITSELF),
    ("quota-cpu-exceeded", _refused(
        "exceeded quota: q, requested: requests.cpu=1, used: requests.cpu=9, limited: requests.cpu=9"), SPACE_ITSELF),
    ("quota-wants-resources", _refused("failed quota: q: must specify limits.cpu for: main"), BACK),
    ("above-limit-range", _refused("maximum memory usage per Container is 1Gi, but limit is 2Gi"), BACK),
    ("pod-security", _refused('violates PodSecurity "restricted:latest": privileged'), BACK),
    ("webhook-down", _refused('Internal error occurred: failed calling webhook "w.example": timeout'), BACK),
    ("webhook-denied", _refused('admission webhook "w.example" denied the request: no owner label'), BACK),
    ("quota-services-full", _quota_full, SPACE_ITSELF),
    ("node-cpu-too-small", _asking("9", "1Gi"), BACK),
    ("node-memory-too-small", _asking("1", "90Gi"), BACK),
    ("node-selector-unmet", _unplaced(UNMATCHED, nodeSelector={"disk": "nvme"}), BACK),
    ("node-affinity-unmet", _unplaced(UNMATCHED, affinity=WISH), BACK),
    ("taint-not-tolerated", _tainted, BACK),
    ("nodes-cordoned", _cordoned, BACK),
    ("anti-affinity", _unplaced("0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules."), BACK),
    ("host-port-taken", _unplaced("0/2 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."), BACK),
    ("claim-missing", _unplaced('0/2 nodes are available: persistentvolumeclaim "data2" not found.'), BACK),
    ("no-scheduler", _no_scheduler, Object("Component", "kube-system", "kube-scheduler")),
    ("storage-class-missing", _claims(storageClassName="fast"), BACK),
    ("volume-of-other-class", _claims(storageClassName=""), BACK),
    ("volume-access-mode", _claims(accessModes=["ReadWriteMany"]), BACK),
    ("volume-too-small", _claims(resources={"requests": {"storage": "50Gi"}}), BACK),
    ("volume-not-selected", _claims(selector={"matchLabels": {"tier": "slow"}}), BACK),
    ("volume-taken", _taken, BACK),
    ("liveness-probe-port", _failing_probe("Liveness", _probe(**GRPC_AT_9001), TIMED_OUT), BACK),
    ("readiness-probe-port", _failing_probe("Readiness", _probe(**GRPC_AT_9001), TIMED_OUT), BACK),
    ("liveness-probe-protocol", _failing_probe("Liveness", _probe(**HTTP), MALFORMED), BACK),
    ("readiness-probe-protocol", _failing_probe("Readiness", _probe(**HTTP), MALFORMED), BACK),
    ("liveness-probe-time", _failing_probe(
        "Liveness", _probe(**HTTP, initialDelaySeconds=1, periodSeconds=1, failureThreshold=1),
        "dial tcp 10.0.0.9:9000: connect: connection refused"), BACK),
    ("service-selects-nothing", _selecting, BACK),
    ("service-port-number", _service(targetPort=9009), BACK),
    ("service-port-name", _service(targetPort="grpc"), BACK),
    ("service-protocol", _service(protocol="UDP"), BACK),
    ("service-missing", _without_service, Object("Service", SPACE, "back")),
    ("address-of-nobody", _calling("http://bakc:9000/"), FRONT),
    ("address-with-other-port", _calling("back.lab.svc.cluster.local:9001"), FRONT),
    ("policy-lets-nobody-in", _policy, BACK),
    ("scaled-to-nothing", _scaled_to_nothing, BACK),
    ("evicted", _evicted, BACK),
    ("job-failed", _job_failed, Object("Job", SPACE, "nightly")),
    ("node-silent", _condition("Ready", "Unknown", "Kubelet stopped posting node status."), WORKER),
    ("node-runtime-down", _condition("Ready", "False", "container runtime is down"), WORKER),
    ("node-network-down", _condition("Ready", "False", "cni plugin not initialized"), WORKER),
    ("node-disk-pressure", _condition("DiskPressure", "True", "kubelet has disk pressure"), WORKER),
    ("unit-proxy-down", lambda lab: lab.units.append(UnitState("worker", "kube-proxy", active=False)), WORKER),
    ("runtime-silent", _sandbox("dial unix /run/containerd/containerd.sock: no such file"), WORKER),
    ("memory-limit-too-low", _sandbox("container init was OOM-killed (memory limit too low?)"), BACK),
    ("no-address-left", _sandbox("failed to allocate for range 0: no IP addresses available"), BACK),
    ("cluster-without-dns", _dns_down, Object("Deployment", "kube-system", "coredns")),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "hand", "subject"), CASES, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(CASES)]
)
def test_it_is_the_first_of_what_may_be_the_cause(name: str, hand: Hand, subject: Object) -> None:
    lab = Lab()
    hand(lab)
    state = lab.state()
    first = causes(state, examine(state), {})[0]
    assert (first.found.by.name, first.found.sign.subject) == (name, subject)
    assert first.found.by.role is Link.START


def test_what_an_event_said_of_a_pod_that_is_well_now_is_past() -> None:
    lab = Lab()
    lab.said("ReplicaSet", "back-1", "FailedCreate", FORBIDDEN + 'serviceaccount "backs" not found')
    lab.said("Pod", "back-1-a", "FailedMount", 'secret "keys" not found')
    found = {each.by.name: each for each in examine(lab.state()) if each.by.name != "node-cordoned"}
    assert found.keys() == {"service-account-missing", "pods-not-made", "mounted-secret-missing"}
    assert not any(each.present for each in found.values())
    assert causes(lab.state(), found.values(), {}) == ()


def test_an_old_event_of_a_pod_that_is_ill_is_past_too() -> None:
    lab = Lab()
    lab.waits("ContainerCreating")
    lab.said("Pod", "back-1-a", "FailedMount", 'secret "keys" not found', minutes_ago=11)
    assert [each.by.name for each in examine(lab.state()) if each.starts] == []


def test_a_way_that_leads_to_nobody_is_a_suspect_until_lines_blame_it() -> None:
    lab = Lab()
    _calling("attic:80")(lab)
    state = lab.state()
    (only,) = causes(state, examine(state), {})
    assert (only.felt, only.is_cause) == (Felt.NOWHERE, False)
    (only,) = causes(state, examine(state), {Blame("attic", None, How.UNKNOWN_NAME): 7})
    assert (only.felt, only.blamed) == (Felt.IN_LINES, 7)


def test_a_node_explains_what_its_pods_show() -> None:
    lab = Lab()
    _condition("Ready", "False", "container runtime is down")(lab)
    lab.ended(3)
    state = lab.state()
    (first,) = causes(state, examine(state), {})
    assert first.found.sign.subject == WORKER
    assert BACK in first.found.sign.victims


def test_what_only_a_callers_lines_can_show_is_not_felt_by_a_pod_that_is_ill() -> None:
    lab = Lab()
    _calling("attic:80")(lab)
    ill = lab.get("Pod", "front-1-a")["status"]["containerStatuses"][0]
    end = {"terminated": {"exitCode": 3, "finishedAt": NOW.isoformat()}}
    ill |= {"ready": False, "restartCount": 2, "state": {"waiting": {}}, "lastState": end}
    state = lab.state()
    (only,) = causes(state, examine(state), {})
    assert (only.found.by.name, only.felt) == ("exits-with-error", Felt.IN_OBJECTS)


def test_a_full_quota_is_felt_where_somebody_lacks_a_service_that_nobody_calls() -> None:
    lab = Lab()
    _quota_full(lab)
    lab.objects["Service"] = []
    lab.get("Pod", "front-1-a")["spec"]["containers"][0]["env"] = []
    state = lab.state()
    (first, *_) = causes(state, examine(state), {})
    assert (first.found.by.name, first.felt) == ("quota-services-full", Felt.WANTED)
    assert set(first.found.sign.victims) == {BACK, FRONT}


def test_a_service_that_several_call_is_missing_and_not_each_callers_address_wrong() -> None:
    lab = Lab()
    for name in ("front", "back"):
        env = lab.get("Pod", f"{name}-1-a")["spec"]["containers"][0]["env"]
        env[:] = [{"name": "ATTIC", "value": "attic:80"}]
    named = [(each.by.name, each.sign.subject.name) for each in starts(lab)]
    assert named == [("service-missing", "attic")]


def test_a_probe_that_failed_once_on_a_container_that_is_well_is_no_trouble() -> None:
    lab = Lab()
    lab.container["livenessProbe"] = lab.container["readinessProbe"] = _probe(**HTTP)
    for kind in ("Liveness", "Readiness"):
        lab.said("Pod", "back-1-a", "Unhealthy", f"{kind} probe failed: {MALFORMED}")
    assert starts(lab) == []


def test_the_same_state_gives_the_same_answer_whatever_the_order_of_objects() -> None:
    one, other = Lab(), Lab()
    for lab in (one, other):
        _selecting(lab)
        lab.ended(137, "OOMKilled")
    for items in other.objects.values():
        items.reverse()
    answers = [[(c.found.by.name, c.found.sign) for c in causes(s, examine(s), {})]
               for s in (one.state(), other.state())]  # fmt: skip
    assert answers[0] == answers[1]


def test_kinds_that_were_not_read_are_not_missed() -> None:
    lab = Lab()
    del lab.objects["Service"], lab.objects["Node"]
    assert starts(lab) == []
