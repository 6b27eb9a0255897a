"""Controller of StatefulSets: pods name-0, name-1 …, each with its own identity.

missing ordinal ─> created once all lower ones are ready
older template  ─> replaced one at a time, from the highest ordinal down
"""

from sandbox.kubernetes import kubelet
from sandbox.kubernetes.engine import Engine, is_ready
from sandbox.kubernetes.resources import PODS, REVISIONS, STATEFUL_SETS
from sandbox.kubernetes.status import Json
from sandbox.kubernetes.store import copied
from sandbox.kubernetes.workloads import (
    CHANGE_CAUSE,
    STATEFUL_HASH,
    bare_template,
    config_maps_of,
    images_of,
    live_pods,
    owner_reference,
    template_hash,
)


def reconcile_stateful(engine: Engine, item: Json) -> None:
    """Keep one pod per ordinal; replace those of an older template one at a time."""
    name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
    digest = _stateful_revision(engine, item)
    wanted = item["spec"]["replicas"]
    pods = {pod["metadata"]["name"]: pod for pod in engine.store.owned(PODS, item)}
    healthy = True
    for ordinal in range(wanted):
        pod_name = f"{name}-{ordinal}"
        pod = pods.get(pod_name)
        if pod is None and healthy:
            labels = {STATEFUL_HASH: f"{name}-{digest}",
                      "statefulset.kubernetes.io/pod-name": pod_name,
                      "apps.kubernetes.io/pod-index": str(ordinal)}  # fmt: skip
            named = copied(item["spec"]["template"])
            named["metadata"].setdefault("labels", {}).update(labels)
            kubelet.create_pod(engine, pod_name, namespace, named, owner_reference(item))
            text = f"create Pod {pod_name} in StatefulSet {name} successful"
            engine.event(item, "SuccessfulCreate", text, "statefulset-controller")
        healthy = healthy and pod is not None and is_ready(pod)
    for pod_name, pod in pods.items():
        if int(pod_name.rsplit("-", 1)[1]) >= wanted:
            kubelet.terminate(engine, pod, 30)
    if healthy:
        for ordinal in reversed(range(wanted)):
            pod = pods[f"{name}-{ordinal}"]
            if pod["metadata"]["labels"].get(STATEFUL_HASH) != f"{name}-{digest}":
                kubelet.terminate(engine, pod, 30)
                text = f"delete Pod {name}-{ordinal} in StatefulSet {name} successful"
                engine.event(item, "SuccessfulDelete", text, "statefulset-controller")
                break
    _stateful_status(engine, item, f"{name}-{digest}")


def _stateful_revision(engine: Engine, item: Json) -> str:
    name, namespace = item["metadata"]["name"], item["metadata"]["namespace"]
    template = bare_template(item["spec"]["template"])
    digest = template_hash(template)
    known = engine.store.owned(REVISIONS, item)
    newest = max((entry["revision"] for entry in known), default=0)
    present = next((e for e in known if e["metadata"]["name"] == f"{name}-{digest}"), None)
    if present is None:
        meta = {
            "name": f"{name}-{digest}",
            "namespace": namespace,
            "labels": dict(template["metadata"].get("labels", {})),
            "ownerReferences": [owner_reference(item)],
        }
        kept = {"spec": {"template": template | {"$patch": "replace"}}}
        engine.create(REVISIONS, {"metadata": meta, "data": kept, "revision": newest + 1})
    elif present["revision"] < newest:

        def renumbered(draft: Json) -> None:
            draft["revision"] = newest + 1

        engine.store.update(REVISIONS, present, renumbered)
    else:
        return digest
    engine.rollouts.append({
        "at": engine.now, "workload": name, "namespace": namespace, "revision": newest + 1,
        "images": images_of(template), "config_maps": config_maps_of(template),
        "cause": item["metadata"].get("annotations", {}).get(CHANGE_CAUSE, ""),
        "rollback": present is not None,
    })  # fmt: skip
    return digest


def _stateful_status(engine: Engine, item: Json, revision: str) -> None:
    pods = live_pods(engine, item)
    ready = sum(is_ready(pod) for pod in pods)
    updated = sum(pod["metadata"]["labels"].get(STATEFUL_HASH) == revision for pod in pods)

    def counted(draft: Json) -> None:
        old = draft.get("status", {})
        settled = updated == len(pods) == ready == draft["spec"]["replicas"]
        draft["status"] = {
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "updatedReplicas": updated,
            "currentReplicas": len(pods) if settled else len(pods) - updated,
            "currentRevision": revision if settled else old.get("currentRevision", revision),
            "updateRevision": revision,
            "observedGeneration": draft["metadata"].get("generation", 1),
            "collisionCount": 0,
        }

    engine.store.update_status(STATEFUL_SETS, item, counted)
