"""The smaller controllers: autoscalers, disruption budgets, jobs, nodes and the Postgres operator.

autoscaler   below min or above max: within 15 s; back down to what the load needs: after 300 s
Postgres     status.targetPrimary != currentPrimary ──12 s──> the roles have changed
"""

import math
from collections.abc import Callable

from sandbox.kubernetes import kubelet
from sandbox.kubernetes.engine import Engine, condition, is_ready, set_condition
from sandbox.kubernetes.resources import (
    BUDGETS,
    DEPLOYMENTS,
    HPAS,
    JOBS,
    NODES,
    PG_CLUSTERS,
    PODS,
)
from sandbox.kubernetes.selectors import selector_matches
from sandbox.kubernetes.status import Json
from sandbox.kubernetes.store import stamp
from sandbox.kubernetes.workloads import owner_reference

SYNC_SECONDS = 15.0
SETTLE_SECONDS = 300.0  # downscale stabilisation window, Kubernetes' default
TOLERANCE_RATIO = 0.1
SWITCHOVER_SECONDS = 12.0
HEALTHY_PHASE = "Cluster in healthy state"
CORDON_TAINT = "node.kubernetes.io/unschedulable"
CpuProbe = Callable[[str, float], float | None]  # (workload, at) -> share of the request used


def _scaled(engine: Engine, autoscaler: Json) -> Json | None:
    target = autoscaler["spec"]["scaleTargetRef"]["name"]
    return engine.store.peek(DEPLOYMENTS, autoscaler["metadata"]["namespace"], target)


def _wanted(engine: Engine, autoscaler: Json, current: int, probe: CpuProbe | None) -> int:
    spec = autoscaler["spec"]
    base = engine.usual_replicas.get(spec["scaleTargetRef"]["name"], current)
    used = probe(spec["scaleTargetRef"]["name"], engine.now) if probe else None
    if used is not None and current:
        goal = spec["metrics"][0]["resource"]["target"]["averageUtilization"] / 100
        ratio = used / goal
        base = current if abs(ratio - 1) <= TOLERANCE_RATIO else math.ceil(current * ratio)
    return int(min(max(base, spec.get("minReplicas", 1)), spec["maxReplicas"]))


def watch_autoscaler(engine: Engine, autoscaler: Json, probe: CpuProbe | None) -> None:
    """Set a timer when the number of replicas is not the one the autoscaler wants."""
    deployment = _scaled(engine, autoscaler)
    if deployment is None:
        return
    current = deployment["spec"]["replicas"]
    wanted = _wanted(engine, autoscaler, current, probe)
    _autoscaler_status(engine, autoscaler, deployment, wanted)
    meta = autoscaler["metadata"]
    out_of_range = current > autoscaler["spec"]["maxReplicas"] or current < wanted
    args = (meta["namespace"], meta["name"])
    if current != 0 and out_of_range and not engine.has_timer("hpa.sync", *args):
        engine.later(SYNC_SECONDS, "hpa.sync", *args)
    if current > wanted and not engine.has_timer("hpa.settle", *args):
        engine.later(SETTLE_SECONDS, "hpa.settle", *args)


def sync_autoscaler(
    engine: Engine, namespace: str, name: str, probe: CpuProbe | None, *, settled: bool
) -> None:
    """Scale the target to what is wanted; downwards within the range only once `settled`."""
    autoscaler = engine.store.peek(HPAS, namespace, name)
    deployment = _scaled(engine, autoscaler) if autoscaler else None
    if autoscaler is None or deployment is None:
        return
    current = deployment["spec"]["replicas"]
    if current == 0:
        return  # scaled to zero on purpose: Kubernetes disables the autoscaler
    wanted = _wanted(engine, autoscaler, current, probe)
    if wanted < current and not settled:
        wanted = min(current, autoscaler["spec"]["maxReplicas"])
    if wanted == current:
        return

    def scaled(draft: Json) -> None:
        draft["spec"]["replicas"] = wanted
        draft["metadata"]["generation"] += 1

    engine.store.update(DEPLOYMENTS, deployment, scaled)

    def noted(draft: Json) -> None:
        draft["status"]["lastScaleTime"] = stamp(engine.now)

    engine.store.update(HPAS, autoscaler, noted)
    spec = autoscaler["spec"]
    if current < spec.get("minReplicas", 1):
        why = "Current number of replicas below Spec.MinReplicas"
    elif current > spec["maxReplicas"]:
        why = "Current number of replicas above Spec.MaxReplicas"
    elif wanted > current:
        why = "cpu resource utilization (percentage of request) above target"
    else:
        why = "All metrics below target"
    text = f"New size: {wanted}; reason: {why}"
    engine.event(autoscaler, "SuccessfulRescale", text, "horizontal-pod-autoscaler")


def _autoscaler_status(engine: Engine, autoscaler: Json, deployment: Json, wanted: int) -> None:
    replicas = deployment.get("status", {}).get("replicas", 0)

    def counted(draft: Json) -> None:
        status = draft.setdefault("status", {})
        status["currentReplicas"] = replicas
        status["desiredReplicas"] = wanted
        status["observedGeneration"] = draft["metadata"].get("generation", 1)
        text = "the HPA controller was able to get the target's current scale"
        fresh = condition(
            "AbleToScale", holds=True, reason="SucceededGetScale", message=text, at=engine.now
        )
        set_condition(status, fresh)

    engine.store.update(HPAS, autoscaler, counted)


def budget_numbers(engine: Engine, budget: Json) -> tuple[int, int, int]:
    """(healthy, needed, expected) pods of a disruption budget."""
    selector, namespace = budget["spec"]["selector"], budget["metadata"]["namespace"]
    pods = [
        pod
        for pod in engine.store.every(PODS, namespace)
        if selector_matches(selector, pod["metadata"].get("labels", {}))
        and not pod["metadata"].get("deletionTimestamp")
    ]
    expected = sum(
        item["spec"]["replicas"]
        for item in engine.store.every(DEPLOYMENTS, namespace)
        if selector_matches(selector, item["spec"]["template"]["metadata"]["labels"])
    ) or len(pods)
    if "minAvailable" in budget["spec"]:
        needed = _count(budget["spec"]["minAvailable"], expected)
    else:
        needed = max(0, expected - _count(budget["spec"].get("maxUnavailable", 1), expected))
    return sum(is_ready(pod) for pod in pods), needed, expected


def _count(value: int | str, expected: int) -> int:
    return math.ceil(expected * int(value[:-1]) / 100) if isinstance(value, str) else value


def reconcile_budget(engine: Engine, budget: Json) -> None:
    """Count the pods a budget protects."""
    healthy, needed, expected = budget_numbers(engine, budget)
    allowed = max(0, healthy - needed)

    def counted(draft: Json) -> None:
        status = draft.setdefault("status", {})
        status |= {
            "currentHealthy": healthy,
            "desiredHealthy": needed,
            "expectedPods": expected,
            "disruptionsAllowed": allowed,
            "observedGeneration": draft["metadata"].get("generation", 1),
        }
        reason = "SufficientPods" if allowed else "InsufficientPods"
        fresh = condition(
            "DisruptionAllowed", holds=bool(allowed), reason=reason, message="", at=engine.now
        )
        set_condition(status, fresh)

    engine.store.update(BUDGETS, budget, counted)


def reconcile_node(engine: Engine, node: Json) -> None:
    """Taint a cordoned node as the node controller does."""

    def tainted(draft: Json) -> None:
        taints = [t for t in draft["spec"].get("taints", ()) if t["key"] != CORDON_TAINT]
        if draft["spec"].get("unschedulable"):
            taints.append({"key": CORDON_TAINT, "effect": "NoSchedule"})
        if taints:
            draft["spec"]["taints"] = taints
        else:
            draft["spec"].pop("taints", None)

    if engine.store.update(NODES, node, tainted):
        word = "NodeNotSchedulable" if node["spec"].get("unschedulable") else "NodeSchedulable"
        name = node["metadata"]["name"]
        engine.event(node, word, f"Node {name} status is now: {word}", "kubelet")


def retry_pending(engine: Engine) -> None:
    """Try to place pods that no node took before."""
    for pod in engine.store.every(PODS):
        if not pod["spec"].get("nodeName") and not pod["metadata"].get("deletionTimestamp"):
            kubelet.schedule(engine, pod)


def reconcile_job(engine: Engine, job: Json) -> None:
    """Run a job's pod; try again up to backoffLimit; say how it ended."""
    status = job.get("status", {})
    if any(c["type"] in {"Complete", "Failed"} for c in status.get("conditions", ())):
        return
    pods = engine.store.owned(PODS, job)
    ended = {phase: sum(p["status"]["phase"] == phase for p in pods)
             for phase in ("Succeeded", "Failed")}  # fmt: skip
    active = len(pods) - ended["Succeeded"] - ended["Failed"]
    wanted, retries = job["spec"].get("completions", 1), job["spec"].get("backoffLimit", 6)
    done, lost = ended["Succeeded"] >= wanted, ended["Failed"] > retries
    if not active and not done and not lost:
        name = f"{job['metadata']['name']}-{engine.suffix()}"
        template = {"metadata": {}} | job["spec"]["template"]
        template["metadata"].setdefault("labels", {})
        kubelet.create_pod(
            engine, name, job["metadata"]["namespace"], template, owner_reference(job)
        )
        engine.event(job, "SuccessfulCreate", f"Created pod: {name}", "job-controller")
        active = 1

    def counted(draft: Json) -> None:
        fresh = draft.setdefault("status", {})
        fresh.setdefault("startTime", stamp(engine.now))
        fresh |= {"active": active, "succeeded": ended["Succeeded"], "failed": ended["Failed"]}
        if done:
            fresh["completionTime"] = stamp(engine.now)
            word = condition("Complete", holds=True, reason="", message="", at=engine.now)
            set_condition(fresh, word)
        elif lost:
            text = "Job has reached the specified backoff limit"
            word = condition(
                "Failed", holds=True, reason="BackoffLimitExceeded", message=text, at=engine.now
            )
            set_condition(fresh, word)

    engine.store.update(JOBS, job, counted)
    if done:
        engine.event(job, "Completed", "Job completed", "job-controller")
    elif lost:
        text = "Job has reached the specified backoff limit"
        engine.event(job, "BackoffLimitExceeded", text, "job-controller", "Warning")


def reconcile_postgres(engine: Engine, cluster: Json) -> None:
    """Start a switchover when the target primary is another instance; count instances."""
    namespace, name = cluster["metadata"]["namespace"], cluster["metadata"]["name"]
    instances = [
        pod
        for pod in engine.store.every(PODS, namespace)
        if pod["metadata"].get("labels", {}).get("cnpg.io/cluster") == name
    ]
    names = [pod["metadata"]["name"] for pod in instances]

    def counted(draft: Json) -> None:
        status = draft.setdefault("status", {})
        status["instances"] = len(instances)
        status["readyInstances"] = sum(is_ready(pod) for pod in instances)
        status["instanceNames"] = names
        status["instancesStatus"] = {
            "healthy": [pod["metadata"]["name"] for pod in instances if is_ready(pod)]
        }

    engine.store.update(PG_CLUSTERS, cluster, counted)
    status = cluster.get("status", {})
    target = status.get("targetPrimary")
    moving = target in names and target != status.get("currentPrimary")
    if moving and not engine.has_timer("pg.promote", namespace, name):
        text = f"Switching over from {status.get('currentPrimary')} to {target}"
        engine.event(cluster, "SwitchingOver", text, "cloudnative-pg")
        engine.later(SWITCHOVER_SECONDS, "pg.promote", namespace, name)
    for pod in instances:
        is_primary = pod["metadata"]["name"] == status.get("currentPrimary")
        role = "primary" if is_primary else "replica"

        def labelled(draft: Json, role: str = role) -> None:
            draft["metadata"]["labels"]["cnpg.io/instanceRole"] = role

        engine.store.update(PODS, pod, labelled)


def promote(engine: Engine, namespace: str, name: str) -> None:
    """Finish a switchover if its target is ready."""
    cluster = engine.store.peek(PG_CLUSTERS, namespace, name)
    if cluster is None:
        return
    target = cluster["status"].get("targetPrimary", "")
    pod = engine.store.peek(PODS, namespace, target)
    if pod is None or not is_ready(pod):
        return

    def promoted(draft: Json) -> None:
        draft["status"] |= {
            "currentPrimary": target,
            "currentPrimaryTimestamp": stamp(engine.now),
            "phase": HEALTHY_PHASE,
        }
        draft["status"].pop("phaseReason", None)

    engine.store.update(PG_CLUSTERS, cluster, promoted)
    engine.event(cluster, "PrimaryPromoted", f"{target} is the primary now", "cloudnative-pg")
