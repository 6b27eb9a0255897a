"""Controllers of Deployments and ReplicaSets, and what they share with StatefulSets.

Deployment ─template hash─> ReplicaSet (one per revision) ─> pods
    rolling update: up to `maxSurge` more, at most `maxUnavailable` fewer than wanted
StatefulSet ─> pods name-0, name-1 …, replaced one at a time from the highest ordinal
"""

import hashlib
import json
import math

from sandbox.kubernetes import kubelet
from sandbox.kubernetes.engine import (
    SAFE_LETTERS,
    Engine,
    condition,
    is_ready,
    set_condition,
)
from sandbox.kubernetes.resources import (
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
)
from sandbox.kubernetes.status import Json
from sandbox.kubernetes.store import copied, moment, stamp

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAX_REPLICAS = "deployment.kubernetes.io/max-replicas"
CHANGE_CAUSE = "kubernetes.io/change-cause"
HASH = "pod-template-hash"
STATEFUL_HASH = "controller-revision-hash"
DEADLINE_SECONDS = 600


def template_hash(template: Json) -> str:
    """Short stable name of a pod template."""
    bare = bare_template(template)
    number = int(hashlib.sha256(json.dumps(bare, sort_keys=True).encode()).hexdigest(), 16)
    letters = ""
    for _ in range(10):
        number, digit = divmod(number, len(SAFE_LETTERS))
        letters += SAFE_LETTERS[digit]
    return letters


def bare_template(template: Json) -> Json:
    """The template without the hash label, as a Deployment holds it; its spec is not copied."""
    meta = {k: v for k, v in template.get("metadata", {}).items() if k != "creationTimestamp"}
    if meta.get("labels") is not None:
        meta["labels"] = {k: v for k, v in meta["labels"].items() if k not in {HASH, STATEFUL_HASH}}
    return {**template, "metadata": meta}


def owner_reference(item: Json) -> Json:
    """Reference that makes `item` the controller of another object."""
    return {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "name": item["metadata"]["name"],
        "uid": item["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def revision_of(item: Json) -> int:
    """Revision number of a Deployment or ReplicaSet, 0 before its first."""
    return int(item["metadata"].get("annotations", {}).get(REVISION, "0"))


def config_maps_of(template: Json) -> list[str]:
    """Config maps a pod template reads."""
    found = []
    for container in template["spec"].get("containers", ()):
        found += [
            entry["configMapRef"]["name"]
            for entry in container.get("envFrom", ())
            if "configMapRef" in entry
        ]
    found += [
        volume["configMap"]["name"]
        for volume in template["spec"].get("volumes", ())
        if "configMap" in volume
    ]
    return sorted(set(found))


def images_of(template: Json) -> list[str]:
    """Images a pod template runs."""
    return [container["image"] for container in template["spec"]["containers"]]


def reconcile_deployment(engine: Engine, deployment: Json) -> None:
    """Bring the ReplicaSets of one Deployment closer to what it wants."""
    name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
    if deployment["spec"].get("paused"):
        _scale_paused(engine, deployment)
        _deployment_status(engine, deployment)
        return
    new = _current_set(engine, deployment)
    fresh = engine.store.peek(DEPLOYMENTS, namespace, name) or deployment
    _roll(engine, fresh, new)
    _trim_history(engine, fresh)
    _deployment_status(engine, fresh)


def sets_of(engine: Engine, deployment: Json) -> list[Json]:
    """ReplicaSets of a Deployment, oldest revision first."""
    return sorted(engine.store.owned(REPLICA_SETS, deployment), key=revision_of)


def _current_set(engine: Engine, deployment: Json) -> Json:
    """The ReplicaSet of the Deployment's template: found again or created, with its revision."""
    wanted = bare_template(deployment["spec"]["template"])
    sets = sets_of(engine, deployment)
    highest = max((revision_of(item) for item in sets), default=0)
    for item in sets:
        if bare_template(item["spec"]["template"]) == wanted:
            if revision_of(item) < highest:
                _renumber(engine, item, highest + 1)
                _announce(engine, deployment, highest + 1, again=True)
            elif revision_of(deployment) != revision_of(item):
                _announce(engine, deployment, revision_of(item), again=True)
            fresh = engine.store.peek(
                REPLICA_SETS, item["metadata"]["namespace"], item["metadata"]["name"]
            )
            return fresh or item
    created = _create_set(engine, deployment, highest + 1)
    _announce(engine, deployment, highest + 1, again=False)
    return created


def _renumber(engine: Engine, item: Json, revision: int) -> None:
    def renumbered(draft: Json) -> None:
        notes = draft["metadata"]["annotations"]
        past = [part for part in notes.get(REVISION_HISTORY, "").split(",") if part]
        notes[REVISION_HISTORY] = ",".join([*past, notes[REVISION]])
        notes[REVISION] = str(revision)

    engine.store.update(REPLICA_SETS, item, renumbered)


def _announce(engine: Engine, deployment: Json, revision: int, *, again: bool) -> None:
    """Write the revision onto the Deployment and remember the change."""

    def numbered(draft: Json) -> None:
        draft["metadata"].setdefault("annotations", {})[REVISION] = str(revision)

    engine.store.update(DEPLOYMENTS, deployment, numbered)
    template = deployment["spec"]["template"]
    engine.rollouts.append({
        "at": engine.now,
        "workload": deployment["metadata"]["name"],
        "namespace": deployment["metadata"]["namespace"],
        "revision": revision,
        "images": images_of(template),
        "config_maps": config_maps_of(template),
        "cause": deployment["metadata"].get("annotations", {}).get(CHANGE_CAUSE, ""),
        "rollback": again,
    })  # fmt: skip


def _create_set(engine: Engine, deployment: Json, revision: int) -> Json:
    template = bare_template(deployment["spec"]["template"])
    digest = template_hash(template)
    template["metadata"].setdefault("labels", {})[HASH] = digest
    selector = copied(deployment["spec"]["selector"])
    selector.setdefault("matchLabels", {})[HASH] = digest
    wanted = deployment["spec"]["replicas"]
    notes = {
        REVISION: str(revision),
        DESIRED: str(wanted),
        MAX_REPLICAS: str(wanted + _surge(deployment)),
    }
    cause = deployment["metadata"].get("annotations", {}).get(CHANGE_CAUSE)
    if cause:
        notes[CHANGE_CAUSE] = cause
    meta = {
        "name": f"{deployment['metadata']['name']}-{digest}",
        "namespace": deployment["metadata"]["namespace"],
        "labels": dict(template["metadata"]["labels"]),
        "annotations": notes,
        "ownerReferences": [owner_reference(deployment)],
    }
    spec = {"replicas": 0, "selector": selector, "template": template}
    return engine.create(REPLICA_SETS, {"metadata": meta, "spec": spec, "status": {"replicas": 0}})


def _bound(value: int | str, wanted: int, *, up: bool) -> int:
    if isinstance(value, str):
        share = wanted * int(value.rstrip("%")) / 100
        return math.ceil(share) if up else math.floor(share)
    return value


def _rolling(deployment: Json) -> Json:
    found: Json = deployment["spec"].get("strategy", {}).get("rollingUpdate") or {}
    return found


def _surge(deployment: Json) -> int:
    wanted = deployment["spec"]["replicas"]
    return _bound(_rolling(deployment).get("maxSurge", "25%"), wanted, up=True)


def _unavailable(deployment: Json) -> int:
    wanted = deployment["spec"]["replicas"]
    allowed = _bound(_rolling(deployment).get("maxUnavailable", "25%"), wanted, up=False)
    return allowed if allowed or _surge(deployment) else 1


def _available(engine: Engine, owner: Json) -> int:
    return sum(is_ready(pod) for pod in engine.store.owned(PODS, owner))


def _roll(engine: Engine, deployment: Json, new: Json) -> None:
    """One step of the rolling update; also plain scaling, when no old pods are left."""
    wanted = deployment["spec"]["replicas"]
    old = [s for s in sets_of(engine, deployment) if s["metadata"]["uid"] != new["metadata"]["uid"]]
    old_total = sum(item["spec"]["replicas"] for item in old)
    new_count = new["spec"]["replicas"]
    if new_count > wanted or not old_total:
        _scale_set(engine, deployment, new, wanted)
        return
    room = wanted + _surge(deployment) - old_total - new_count
    if new_count < wanted and room > 0:
        _scale_set(engine, deployment, new, min(wanted, new_count + room))
        return
    floor = wanted - _unavailable(deployment)
    new_missing = new_count - _available(engine, new)
    spare = old_total + new_count - floor - new_missing
    for item in old:  # pods that do not serve go first: losing them costs nothing
        count = item["spec"]["replicas"]
        drop = min(spare, count - min(count, _available(engine, item)))
        if drop > 0:
            spare -= drop
            _scale_set(engine, deployment, item, count - drop)
    fresh = [engine.store.peek(REPLICA_SETS, i["metadata"]["namespace"], i["metadata"]["name"])
             for i in old]  # fmt: skip
    serving = sum(_available(engine, item) for item in (*old, new)) - floor
    for left in fresh:
        drop = min(left["spec"]["replicas"], serving) if left else 0
        if left and drop > 0:
            serving -= drop
            _scale_set(engine, deployment, left, left["spec"]["replicas"] - drop)


def _scale_paused(engine: Engine, deployment: Json) -> None:
    active = [s for s in sets_of(engine, deployment) if s["spec"]["replicas"]]
    if len(active) == 1:
        _scale_set(engine, deployment, active[0], deployment["spec"]["replicas"])


def _scale_set(engine: Engine, deployment: Json, item: Json, count: int) -> None:
    before = item["spec"]["replicas"]
    if before == count:
        return

    def scaled(draft: Json) -> None:
        draft["spec"]["replicas"] = count
        draft["metadata"]["generation"] = draft["metadata"].get("generation", 1) + 1
        wanted = deployment["spec"]["replicas"]
        draft["metadata"]["annotations"][DESIRED] = str(wanted)
        draft["metadata"]["annotations"][MAX_REPLICAS] = str(wanted + _surge(deployment))

    engine.store.update(REPLICA_SETS, item, scaled)
    way = "up" if count > before else "down"
    text = f"Scaled {way} replica set {item['metadata']['name']} from {before} to {count}"
    engine.event(deployment, "ScalingReplicaSet", text, "deployment-controller")


def _trim_history(engine: Engine, deployment: Json) -> None:
    limit = deployment["spec"].get("revisionHistoryLimit", 10)
    idle = [
        item
        for item in sets_of(engine, deployment)
        if not item["spec"]["replicas"] and revision_of(item) != revision_of(deployment)
    ]
    for item in idle[: max(0, len(idle) - limit)]:
        engine.store.remove(REPLICA_SETS, item["metadata"]["namespace"], item["metadata"]["name"])


def _deployment_status(engine: Engine, deployment: Json) -> None:
    wanted, name = deployment["spec"]["replicas"], deployment["metadata"]["name"]
    sets = sets_of(engine, deployment)
    template = bare_template(deployment["spec"]["template"])
    new = next((s for s in sets if bare_template(s["spec"]["template"]) == template), None)
    pods = {s["metadata"]["uid"]: live_pods(engine, s) for s in sets}
    total = sum(len(found) for found in pods.values())
    updated = len(pods[new["metadata"]["uid"]]) if new else 0
    available = sum(is_ready(pod) for found in pods.values() for pod in found)
    complete = updated == wanted == total == available
    label = new["metadata"]["name"] if new else name

    def counted(draft: Json) -> None:
        status = draft.setdefault("status", {})
        before = {k: v for k, v in status.items() if k != "conditions"}
        for key, value in (
            ("replicas", total), ("updatedReplicas", updated), ("readyReplicas", available),
            ("availableReplicas", available), ("unavailableReplicas", max(0, wanted - available)),
        ):  # fmt: skip
            if value:
                status[key] = value
            else:
                status.pop(key, None)
        status["observedGeneration"] = draft["metadata"]["generation"]
        moved = before != {k: v for k, v in status.items() if k != "conditions"}
        enough = available >= wanted - _unavailable(deployment)
        word = "has" if enough else "does not have"
        set_condition(status, condition(
            "Available", holds=enough, at=engine.now,
            reason="MinimumReplicasAvailable" if enough else "MinimumReplicasUnavailable",
            message=f"Deployment {word} minimum availability.",
        ), updates=True)  # fmt: skip
        _progress(engine, draft, label, moved=moved, complete=complete)

    engine.store.update_status(DEPLOYMENTS, deployment, counted)


def _progress(engine: Engine, draft: Json, label: str, *, moved: bool, complete: bool) -> None:
    status = draft["status"]
    old = next((c for c in status["conditions"] if c["type"] == "Progressing"), None)
    if complete:
        reason = "NewReplicaSetAvailable"
        text = f'ReplicaSet "{label}" has successfully progressed.'
    else:
        reason, text = "ReplicaSetUpdated", f'ReplicaSet "{label}" is progressing.'
    holds = True
    if old and not moved and not complete:
        deadline = draft["spec"].get("progressDeadlineSeconds", DEADLINE_SECONDS)
        due = moment(old.get("lastUpdateTime", old["lastTransitionTime"])) + deadline
        if old["reason"] == "ProgressDeadlineExceeded" or engine.now >= due:
            holds, reason = False, "ProgressDeadlineExceeded"
            text = f'ReplicaSet "{label}" has timed out progressing.'
        elif not engine.has_timer("wake", draft["metadata"]["uid"]):
            engine.at(due, "wake", draft["metadata"]["uid"])
    fresh = condition("Progressing", holds=holds, reason=reason, message=text, at=engine.now)
    set_condition(status, fresh, updates=True)
    if moved and not complete:
        for present in status["conditions"]:
            if present["type"] == "Progressing":
                present["lastUpdateTime"] = stamp(engine.now)


def live_pods(engine: Engine, owner: Json) -> list[Json]:
    """Pods of a controller that are not being deleted."""
    return [
        pod
        for pod in engine.store.owned(PODS, owner)
        if not pod["metadata"].get("deletionTimestamp")
    ]


def reconcile_set(engine: Engine, item: Json) -> None:
    """Create or delete pods until the ReplicaSet has as many as it wants."""
    name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
    pods = live_pods(engine, item)
    wanted = item["spec"]["replicas"]
    for _ in range(wanted - len(pods)):
        pod_name = f"{name}-{engine.suffix()}"
        kubelet.create_pod(
            engine, pod_name, namespace, item["spec"]["template"], owner_reference(item)
        )
        engine.event(item, "SuccessfulCreate", f"Created pod: {pod_name}", "replicaset-controller")
    surplus = sorted(
        pods, key=lambda pod: (is_ready(pod), -moment(pod["metadata"]["creationTimestamp"]))
    )
    for pod in surplus[: max(0, len(pods) - wanted)]:
        kubelet.terminate(engine, pod, pod["spec"]["terminationGracePeriodSeconds"])
        text = f"Deleted pod: {pod['metadata']['name']}"
        engine.event(item, "SuccessfulDelete", text, "replicaset-controller")
    fresh = engine.store.peek(REPLICA_SETS, namespace, name)
    if fresh is not None:
        _set_status(engine, fresh)


def _set_status(engine: Engine, item: Json) -> None:
    pods = live_pods(engine, item)
    ready = sum(is_ready(pod) for pod in pods)

    def counted(draft: Json) -> None:
        status: Json = {"replicas": len(pods)}
        if pods:
            status["fullyLabeledReplicas"] = len(pods)
        if ready:
            status |= {"readyReplicas": ready, "availableReplicas": ready}
        status["observedGeneration"] = draft["metadata"].get("generation", 1)
        draft["status"] = status

    engine.store.update_status(REPLICA_SETS, item, counted)
