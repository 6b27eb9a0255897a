"""The life of a pod in the imitated cluster: what scheduler and kubelet do.

Pending ─scheduled─> pulling ─started─> Running, not ready ─probe─> Ready
                        '── unknown image: ErrImagePull, ImagePullBackOff
Ready ─memory limit─> OOMKilled ─restarted in place─> Running, not ready ─> Ready
any ─delete─> Terminating ─grace period─> gone        job pod ─> Succeeded | Failed
"""

import hashlib
from typing import Any

from sandbox.kubernetes.engine import Engine, condition, is_ready, set_condition, workload_of
from sandbox.kubernetes.resources import NODES, PODS
from sandbox.kubernetes.status import Json
from sandbox.kubernetes.store import moment, stamp

PULL_SECONDS = (2.0, 4.0)
READY_SECONDS = (7.0, 10.0)  # from container start to the first good readiness probe
STOP_SECONDS = (1.0, 4.0)  # how long a container takes to stop on SIGTERM
JOB_SECONDS = 15.0
OOM_EXIT = 137
MILLI = 1000.0


def between(engine: Engine, bounds: tuple[float, float]) -> float:
    """A duration drawn from a range."""
    low, high = bounds
    return low + (high - low) * engine.draw()


def cores(quantity: str) -> float:
    """CPU quantity as cores (`500m`, `2`)."""
    return float(quantity[:-1]) / MILLI if quantity.endswith("m") else float(quantity)


def cpu_request(pod: Json) -> float:
    """Cores the pod's containers ask for."""
    found = [c.get("resources", {}).get("requests", {}) for c in pod["spec"]["containers"]]
    return sum(cores(request.get("cpu", "0")) for request in found)


def create_pod(engine: Engine, name: str, namespace: str, template: Json, owner: Json) -> Json:
    """Create a pod from a template, to be scheduled in the same step."""
    meta: Json = {
        "name": name,
        "namespace": namespace,
        "labels": dict(template["metadata"].get("labels", {})),
        "annotations": dict(template["metadata"].get("annotations", {})),
        "ownerReferences": [owner],
    }
    if name.rsplit("-", 1)[0] != name:
        meta["generateName"] = name.rsplit("-", 1)[0] + "-"
    spec = {
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": 30,
        "serviceAccountName": "default",
        "schedulerName": "default-scheduler",
        "dnsPolicy": "ClusterFirst",
    } | template["spec"]
    status = {"phase": "Pending", "qosClass": "Burstable"}
    item = {"metadata": meta, "spec": spec, "status": status}
    pod = engine.create(PODS, item)
    schedule(engine, pod)
    return pod


def schedule(engine: Engine, pod: Json) -> bool:
    """Bind the pod to the emptiest node that takes it; otherwise say why not."""
    cordoned, full, best = 0, 0, None
    need = cpu_request(pod)
    for node in engine.store.every(NODES):
        name = node["metadata"]["name"]
        if node["spec"].get("unschedulable"):
            cordoned += 1
            continue
        placed = [p for p in engine.store.every(PODS) if p["spec"].get("nodeName") == name]
        used = sum(cpu_request(p) for p in placed)
        if used + need > cores(node["status"]["allocatable"]["cpu"]):
            full += 1
        elif best is None or used < best[0]:
            best = (used, name)
    if best is None:
        reasons = []
        if cordoned:
            reasons.append(f"{cordoned} node(s) were unschedulable")
        if full:
            reasons.append(f"{full} Insufficient cpu")
        message = f"0/{cordoned + full} nodes are available: {', '.join(reasons)}."
        _unschedulable(engine, pod, message)
        return False
    _bind(engine, pod, best[1])
    return True


def _unschedulable(engine: Engine, pod: Json, message: str) -> None:
    fresh = condition(
        "PodScheduled", holds=False, reason="Unschedulable", message=message, at=engine.now
    )
    if engine.store.update(PODS, pod, lambda draft: set_condition(draft["status"], fresh)):
        engine.event(pod, "FailedScheduling", message, "default-scheduler", "Warning")


def _bind(engine: Engine, pod: Json, node: str) -> None:
    def bound(draft: Json) -> None:
        draft["spec"]["nodeName"] = node
        status = draft["status"]
        status["hostIP"] = node_ip(node)
        status["startTime"] = stamp(engine.now)
        set_condition(
            status,
            condition("PodScheduled", holds=True, reason="", message="", at=engine.now),
        )
        status["containerStatuses"] = [
            _waiting(c, "ContainerCreating", "") for c in draft["spec"]["containers"]
        ]
        _not_ready(draft, engine.now)

    engine.store.update(PODS, pod, bound)
    fresh = engine.store.peek(PODS, pod["metadata"]["namespace"], pod["metadata"]["name"]) or pod
    where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']} to {node}"
    engine.event(fresh, "Scheduled", f"Successfully assigned {where}", "default-scheduler")
    engine.later(between(engine, PULL_SECONDS), "pod.start", *pod_args(pod))


def pod_args(pod: Json) -> tuple[str, str, str]:
    """What a timer remembers of a pod; the uid guards against a namesake."""
    meta = pod["metadata"]
    return meta["namespace"], meta["name"], meta["uid"]


def node_ip(node: str) -> str:
    """Stable address of a node."""
    return f"10.20.0.{10 + ord(node[-1]) % 64}"


def _waiting(container: Json, reason: str, message: str) -> Json:
    waiting = {"reason": reason} | ({"message": message} if message else {})
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "state": {"waiting": waiting},
        "lastState": {},
    }


def _not_ready(draft: Json, at: float) -> None:
    names = ", ".join(c["name"] for c in draft["spec"]["containers"])
    message = f"containers with unready status: [{names}]"
    for kind in ("Ready", "ContainersReady"):
        fresh = condition(kind, holds=False, reason="ContainersNotReady", message=message, at=at)
        set_condition(draft["status"], fresh)


def find_pod(engine: Engine, namespace: str, name: str, uid: str) -> Json | None:
    """The very pod a timer was set for."""
    pod = engine.store.peek(PODS, namespace, name)
    return pod if pod is not None and pod["metadata"]["uid"] == uid else None


def start(engine: Engine, pod: Json) -> None:
    """The image is there and the containers start, or it is not."""
    if pod["metadata"].get("deletionTimestamp"):
        return
    missing = [c for c in pod["spec"]["containers"] if c["image"] not in engine.images]
    if missing:
        _fail_pull(engine, pod, missing[0])
        return
    digest = hashlib.sha256(pod["metadata"]["uid"].encode()).digest()

    def started(draft: Json) -> None:
        draft["status"]["phase"] = "Running"
        draft["status"]["podIP"] = f"10.244.{digest[0] % 8}.{digest[1]}"
        for status in draft["status"]["containerStatuses"]:
            status["state"] = {"running": {"startedAt": stamp(engine.now)}}
            status["started"] = True
            image_digest = hashlib.sha256(status["image"].encode()).hexdigest()
            status["imageID"] = f"{status['image'].split(':')[0]}@sha256:{image_digest}"

    engine.store.update(PODS, pod, started)
    for container in pod["spec"]["containers"]:
        image, name = container["image"], container["name"]
        text = f'Container image "{image}" already present on machine'
        engine.event(pod, "Pulled", text, "kubelet")
        engine.event(pod, "Created", f"Created container: {name}", "kubelet")
        engine.event(pod, "Started", f"Started container {name}", "kubelet")
    if pod["spec"].get("restartPolicy", "Always") != "Always":
        engine.later(JOB_SECONDS, "pod.finish", *pod_args(pod))
        return
    workload = workload_of(pod)
    engine.begin_life(workload, pod["metadata"]["name"], engine.now)
    if engine.draw() < 1 / 4:
        engine.later(5.0, "pod.probe", *pod_args(pod))
    engine.later(between(engine, READY_SECONDS), "pod.ready", *pod_args(pod))
    arm_leak(engine, pod, engine.now)


def arm_leak(engine: Engine, pod: Json, started_at: float) -> None:
    """Set the moment this container reaches its memory limit, if its workload leaks."""
    seconds = engine.leaks.get(workload_of(pod))
    if seconds is not None:
        engine.at(max(started_at + seconds, engine.now), "pod.oom", *pod_args(pod))


def _fail_pull(engine: Engine, pod: Json, container: Json) -> None:
    image = container["image"]
    message = f'Back-off pulling image "{image}"'

    def failed(draft: Json) -> None:
        for status in draft["status"]["containerStatuses"]:
            if status["name"] == container["name"]:
                status["state"] = {"waiting": {"reason": "ImagePullBackOff", "message": message}}

    engine.store.update(PODS, pod, failed)
    engine.event(pod, "Failed", f'Failed to pull image "{image}": not found', "kubelet", "Warning")
    engine.event(pod, "Failed", "Error: ErrImagePull", "kubelet", "Warning")
    engine.event(pod, "BackOff", message, "kubelet")
    engine.later(60.0, "pod.start", *pod_args(pod))


def probe(engine: Engine, pod: Json) -> None:
    """A readiness probe that comes too early."""
    if is_ready(pod) or pod["metadata"].get("deletionTimestamp"):
        return
    port = (pod["spec"]["containers"][0].get("ports") or [{"containerPort": 80}])[0]
    where = f"http://{pod['status'].get('podIP', '')}:{port['containerPort']}/ready"
    text = f'Readiness probe failed: Get "{where}": connect: connection refused'
    engine.event(pod, "Unhealthy", text, "kubelet", "Warning")


def make_ready(engine: Engine, pod: Json) -> None:
    """The readiness probe succeeds."""
    statuses = pod["status"].get("containerStatuses", ())
    running = bool(statuses) and all("running" in status["state"] for status in statuses)
    if not running or pod["metadata"].get("deletionTimestamp"):
        return

    def ready(draft: Json) -> None:
        for status in draft["status"]["containerStatuses"]:
            status["ready"] = True
        for kind in ("Initialized", "Ready", "ContainersReady"):
            fresh = condition(kind, holds=True, reason="", message="", at=engine.now)
            set_condition(draft["status"], fresh)

    engine.store.update(PODS, pod, ready)


def out_of_memory(engine: Engine, pod: Json) -> None:
    """The kernel kills the container at its memory limit; the kubelet restarts it in place."""
    seconds = engine.leaks.get(workload_of(pod))
    statuses = pod["status"].get("containerStatuses", ())
    if seconds is None or not statuses or "running" not in statuses[0]["state"]:
        return
    started_at = statuses[0]["state"]["running"]["startedAt"]
    if engine.now - moment(started_at) < seconds - 1:
        return  # an older life of this container set the timer
    name = pod["spec"]["containers"][0]["name"]
    ended: dict[str, Any] = {
        "terminated": {
            "reason": "OOMKilled",
            "exitCode": OOM_EXIT,
            "startedAt": started_at,
            "finishedAt": stamp(engine.now),
        }
    }

    def killed(draft: Json) -> None:
        status = draft["status"]["containerStatuses"][0]
        status["lastState"] = ended
        status["state"] = ended
        status["ready"] = False
        status["started"] = False
        status["restartCount"] += 1
        _not_ready(draft, engine.now)

    engine.store.update(PODS, pod, killed)
    engine.end_life(workload_of(pod), pod["metadata"]["name"], engine.now)
    limit = pod["spec"]["containers"][0].get("resources", {}).get("limits", {}).get("memory", "")
    text = f"Memory limit {limit} reached: container {name} was OOMKilled (exit code {OOM_EXIT})"
    engine.event(pod, "OOMKilling", text, "kubelet", "Warning")
    node = engine.store.peek(NODES, "", pod["spec"]["nodeName"])
    if node is not None:
        where = f"pod {pod['metadata']['namespace']}/{pod['metadata']['name']}"
        text = f"Memory cgroup out of memory: Killed process ({name}) of {where}"
        engine.event(node, "OOMKilling", text, "kernel-monitor", "Warning")
    text = f"Back-off restarting failed container {name} in pod {pod['metadata']['name']}"
    engine.event(pod, "BackOff", text, "kubelet", "Warning")
    engine.later(3.0, "pod.start", *pod_args(pod))


def terminate(engine: Engine, pod: Json, grace_seconds: int) -> Json:
    """Begin to delete a pod; with no grace it is gone at once."""
    namespace, name, uid = pod_args(pod)
    if grace_seconds == 0 or not pod["spec"].get("nodeName"):
        remove(engine, pod)
        return pod

    def stopping(draft: Json) -> None:
        draft["metadata"]["deletionTimestamp"] = stamp(engine.now + grace_seconds)
        draft["metadata"]["deletionGracePeriodSeconds"] = grace_seconds
        _not_ready(draft, engine.now)

    if not pod["metadata"].get("deletionTimestamp"):
        engine.store.update(PODS, pod, stopping)
        if pod["status"]["phase"] == "Running":
            container = pod["spec"]["containers"][0]["name"]
            engine.event(pod, "Killing", f"Stopping container {container}", "kubelet")
        stop_after = min(float(grace_seconds), between(engine, STOP_SECONDS))
        engine.later(stop_after, "pod.gone", namespace, name, uid)
    return find_pod(engine, namespace, name, uid) or pod


def remove(engine: Engine, pod: Json) -> None:
    """The pod's containers have stopped and its object goes."""
    meta = pod["metadata"]
    engine.end_life(workload_of(pod), meta["name"], engine.now)
    engine.store.remove(PODS, meta["namespace"], meta["name"])


def finish(engine: Engine, pod: Json) -> None:
    """A job's pod ends; its command says how."""
    command = " ".join(
        part
        for container in pod["spec"]["containers"]
        for part in (*container.get("command", ()), *container.get("args", ()))
    )
    failed = command == "false" or "exit 1" in command

    def ended(draft: Json) -> None:
        draft["status"]["phase"] = "Failed" if failed else "Succeeded"
        for status in draft["status"]["containerStatuses"]:
            began = status["state"].get("running", {}).get("startedAt", stamp(engine.now))
            status["state"] = {
                "terminated": {
                    "reason": "Error" if failed else "Completed",
                    "exitCode": 1 if failed else 0,
                    "startedAt": began,
                    "finishedAt": stamp(engine.now),
                }
            }
        _not_ready(draft, engine.now)

    engine.store.update(PODS, pod, ended)
