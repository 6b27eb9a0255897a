"""Objects as rows of a table, as `kubectl get` prints them: the most telling columns of each kind.

    Pod         ready  phase  restarts  node        Node   phase  version
    Deployment  ready  up to date                   Job    phase  completions …

A row holds plain values for the evidence; `cells` makes a person's words of it. What is bad stands
first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from tools.kubernetes_conditions import condition_of, time_of, unmet
from tools.kubernetes_objects import Json, meta
from tools.observe.asking import stamp
from tools.observe.workload_rows import workload_row
from tools.world import WorkloadRef

Row = dict[str, Any]
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_SCALED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout", "Cluster"})
_ENDED_WELL = frozenset({"Completed", "Succeeded"})


def row_of(ref: WorkloadRef, item: Json, service: str) -> Row:
    """Return one object as plain values; `bad` says how much is wrong with it, 0 for nothing."""
    about = _about(ref, item)
    born = time_of(meta(item).get("creationTimestamp"))
    row: Row = {
        "object": str(about),
        "service": service,
        "name": ref.name,
        "namespace": ref.namespace,
        "created": stamp(born) if born else "",
    }
    if not service:
        del row["service"]
    own = _ROWS.get(ref.kind)
    row |= own(item) if own is not None else {}
    if ref.kind in _SCALED:
        row |= _scaled(ref, item)
    if meta(item).get("deletionTimestamp"):
        row["phase"] = "Terminating"
    wrong = [] if ref.kind in {"Pod", "Node", "Job"} else unmet(item, ref.kind)
    if wrong:
        row["reason"] = wrong[0].reason or wrong[0].type
    row.setdefault("bad", 0)
    row["bad"] += int(row.get("phase") == "Terminating") + len(wrong)
    return row


def _about(ref: WorkloadRef, item: Json) -> WorkloadRef:
    """Return whose a row is: an event belongs to what it is about."""
    about = item.get("involvedObject") if ref.kind == "Event" else None
    if not about:
        return ref
    space = str(about.get("namespace") or "")
    return WorkloadRef(ref.cluster, space, str(about.get("kind")), str(about.get("name")))


def cells(row: Row, now: datetime) -> dict[str, str]:
    """Return a row's columns as a person reads them, by their names."""
    found = {"NAME": f"{row['namespace']}/{row['name']}" if row["namespace"] else row["name"]}
    if "wanted" in row:
        found["READY"] = f"{row['ready']}/{row['wanted']}"
    left_out = {"object", "service", "name", "namespace", "created", "ready", "wanted", "bad"}
    for key, value in row.items():
        if key not in left_out:
            said = str(value).replace("_", ",") if key == "phase" else str(value)
            found[key.replace("_", " ").upper()] = said or "-"
    born = time_of(row["created"])
    found["AGE"] = age((now - born).total_seconds()) if born else "-"
    return found


def age(seconds: float) -> str:
    """Return a length of time as kubectl writes it: 45s, 12m, 5h12m, 13d."""
    whole = max(0, int(seconds))
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    if whole < 3 * _HOUR:
        return f"{whole // _MINUTE}m"
    if whole < 8 * _HOUR:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE}m"
    return f"{whole // _HOUR}h" if whole < 2 * _DAY else f"{whole // _DAY}d"


def _pod(item: Json) -> Row:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    begun = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    apps = status.get("containerStatuses") or ()
    ready, wanted = sum(bool(c.get("ready")) for c in apps), len(spec.get("containers") or apps)
    phase = str(status.get("reason") or _why(begun) or status.get("phase") or "")
    restarts = sum(int(each.get("restartCount") or 0) for each in begun)
    ended = phase in _ENDED_WELL
    return {
        "ready": ready,
        "wanted": wanted,
        "phase": phase,
        "restarts": restarts,
        "node": str(spec.get("nodeName") or ""),
        # a pod that is not ready is worse than any that only began anew
        "bad": 0 if ended else 1000 * (ready < wanted or phase != "Running") + min(restarts, 999),
    }


def _why(containers: list[Json]) -> str:
    """Return in one word why a container does not run."""
    for each in containers:
        state = each.get("state") or {}
        reason = (state.get("waiting") or {}).get("reason")
        if reason and reason != "PodInitializing":
            return str(reason)
        ended = state.get("terminated") or {}
        if ended.get("exitCode"):
            return str(ended.get("reason") or "Error")
    for each in containers:
        if (each.get("state") or {}).get("waiting"):
            return "PodInitializing"
    return ""


def _scaled(ref: WorkloadRef, item: Json) -> Row:
    told = workload_row(ref, item, None)
    ready, wanted = told["ready"], told["replicas"]
    row: Row = {"ready": ready, "wanted": wanted, "up_to_date": told["updated"]}
    if ref.kind in {"Cluster", "ReplicaSet", "StatefulSet"}:
        del row["up_to_date"]
    if told["phase"]:
        row["phase"] = told["phase"]
    images = [each["image"] for each in told["containers"]]
    if images:
        row["image"] = images[0] if len(images) == 1 else f"{images[0]} +{len(images) - 1}"
    return row | {"bad": 10 * max(0, wanted - ready)}


def _node(item: Json) -> Row:
    status, spec = item.get("status") or {}, item.get("spec") or {}
    wrong = unmet(item, "Node")
    ready = condition_of(item, "Ready") is not None
    words = ["Ready" if ready else "NotReady"]
    words += [each.type for each in wrong if each.type != "Ready"]
    words += ["SchedulingDisabled"] if spec.get("unschedulable") else []
    return {
        "phase": "_".join(words),
        "version": str((status.get("nodeInfo") or {}).get("kubeletVersion") or ""),
        "bad": 10 * (not ready) + len(wrong) + bool(spec.get("unschedulable")),
    }


def _job(item: Json) -> Row:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    bad, good = condition_of(item, "Failed"), condition_of(item, "Complete")
    phase = "Failed" if bad else "Complete" if good else "Running"
    if spec.get("suspend"):
        phase = "Suspended"
    return {
        "phase": phase,
        "succeeded": int(status.get("succeeded") or 0),
        "completions": int(spec.get("completions") or 1),
        "failed": int(status.get("failed") or 0),
        "reason": bad.reason if bad else "",
        "bad": 10 * bool(bad) + int(status.get("failed") or 0),
    }


def _cron_job(item: Json) -> Row:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    suspended = bool(spec.get("suspend"))
    return {
        "schedule": str(spec.get("schedule") or ""),
        "suspended": suspended,
        "active": len(status.get("active") or ()),
        "last_schedule": str(status.get("lastScheduleTime") or ""),
        "last_success": str(status.get("lastSuccessfulTime") or ""),
        "bad": int(suspended),
    }


def _autoscaler(item: Json) -> Row:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    target = spec.get("scaleTargetRef") or {}
    now, most = int(status.get("currentReplicas") or 0), int(spec.get("maxReplicas") or 0)
    return {
        "target": f"{target.get('kind', '')}/{target.get('name', '')}",
        "metrics": "; ".join(_measured(item)),
        "least": int(spec.get("minReplicas") or 1),
        "most": most,
        "replicas": now,
        "bad": int(bool(most) and now >= most),
    }


def _measured(item: Json) -> list[str]:
    """Return each metric of an autoscaler as `cpu 87%/70%`: what it is, of what it should be."""
    now = {}
    for each in (item.get("status") or {}).get("currentMetrics") or ():
        name, told = _metric(each, "current")
        now[name] = told
    found = []
    for each in (item.get("spec") or {}).get("metrics") or ():
        name, goal = _metric(each, "target")
        found.append(f"{name} {now.get(name) or 'unknown'}/{goal}")
    return found


def _metric(told: Json, side: str) -> tuple[str, str]:
    kind = str(told.get("type") or "")
    inside = told.get(f"{kind[:1].lower()}{kind[1:]}") or {}
    name = inside.get("name") or (inside.get("metric") or {}).get("name") or kind
    value = inside.get(side) or {}
    share = value.get("averageUtilization")
    if share is not None:
        return str(name), f"{share}%"
    return str(name), str(value.get("averageValue") or value.get("value") or "unknown")


def _budget(item: Json) -> Row:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    allowed = int(status.get("disruptionsAllowed") or 0)
    return {
        "least_available": str(spec.get("minAvailable", "")),
        "most_unavailable": str(spec.get("maxUnavailable", "")),
        "healthy": int(status.get("currentHealthy") or 0),
        "desired": int(status.get("desiredHealthy") or 0),
        "allowed_disruptions": allowed,
        "bad": int(status.get("currentHealthy", 0) < status.get("desiredHealthy", 0)),
    }


def _service(item: Json) -> Row:
    spec = item.get("spec") or {}
    ports = (
        f"{p.get('port')}→{p.get('targetPort', p.get('port'))}" for p in spec.get("ports") or ()
    )
    chosen = ",".join(f"{k}={v}" for k, v in (spec.get("selector") or {}).items())
    return {"type": str(spec.get("type") or ""), "ports": ",".join(ports), "selector": chosen}


def _claim(item: Json) -> Row:
    spec, status = item.get("spec") or {}, item.get("status") or {}
    phase = str(status.get("phase") or "")
    size = (status.get("capacity") or {}).get("storage") or (
        (spec.get("resources") or {}).get("requests") or {}
    ).get("storage", "")
    return {
        "phase": phase,
        "volume": str(spec.get("volumeName") or ""),
        "capacity": str(size),
        "storage_class": str(spec.get("storageClassName") or ""),
        "bad": 10 * (phase not in {"Bound", ""}),
    }


def _volume(item: Json) -> Row:
    spec, phase = item.get("spec") or {}, str((item.get("status") or {}).get("phase") or "")
    claim = spec.get("claimRef") or {}
    return {
        "phase": phase,
        "capacity": str((spec.get("capacity") or {}).get("storage") or ""),
        "claim": f"{claim.get('namespace')}/{claim.get('name')}" if claim else "",
        "reclaim": str(spec.get("persistentVolumeReclaimPolicy") or ""),
        "bad": 10 * (phase in {"Failed", "Released"}),
    }


def _quota(item: Json) -> Row:
    status = item.get("status") or {}
    hard, used = status.get("hard") or {}, status.get("used") or {}
    told = (f"{name} {used.get(name, '0')}/{most}" for name, most in hard.items())
    full = sum(str(used.get(name)) == str(most) for name, most in hard.items())
    return {"used": "; ".join(told), "bad": full}


def _ingress(item: Json) -> Row:
    spec = item.get("spec") or {}
    rules = [str(each.get("host") or "*") for each in spec.get("rules") or ()]
    return {"class": str(spec.get("ingressClassName") or ""), "hosts": ",".join(rules)}


def _config_map(item: Json) -> Row:
    return {"keys": ", ".join([*(item.get("data") or {}), *(item.get("binaryData") or {})][:12])}


def _event(item: Json) -> Row:
    last = item.get("lastTimestamp") or item.get("eventTime") or ""
    return {
        "type": str(item.get("type") or ""),
        "reason": str(item.get("reason") or ""),
        "last": str(last),
        "count": int(item.get("count") or 1),
        "message": " ".join(str(item.get("message") or "").split())[:240],
        "bad": int(item.get("type") == "Warning"),
    }


def _class(item: Json) -> Row:
    return {
        "provisioner": str(item.get("provisioner") or ""),
        "binding": str(item.get("volumeBindingMode") or ""),
    }


def _namespace(item: Json) -> Row:
    phase = str((item.get("status") or {}).get("phase") or "")
    return {"phase": phase, "bad": int(phase not in {"Active", ""})}


_ROWS: Mapping[str, Callable[[Json], Row]] = MappingProxyType(
    {
        "Pod": _pod,
        "Node": _node,
        "Job": _job,
        "CronJob": _cron_job,
        "HorizontalPodAutoscaler": _autoscaler,
        "PodDisruptionBudget": _budget,
        "Service": _service,
        "PersistentVolumeClaim": _claim,
        "PersistentVolume": _volume,
        "ResourceQuota": _quota,
        "Ingress": _ingress,
        "ConfigMap": _config_map,
        "Event": _event,
        "StorageClass": _class,
        "Namespace": _namespace,
    }
)
