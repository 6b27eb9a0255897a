"""A small healthy cluster as its API serves it, and hands that break one thing in it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

from tools.doctor import ClusterState, Object, UnitState
from tools.world import ClusterEvent, WorkloadRef

Json = dict[str, Any]
NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
SPACE = "lab"


class Lab:
    """`front` calls `back` by its Service; one worker, one control plane, a bound claim of `back`."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Json]] = {
            "Node": [node("worker"), node("boss", role="control-plane", cordoned=True)],
            "StorageClass": [{"metadata": {"name": "manual"}, "provisioner": "kubernetes.io/no-provisioner"}],
            "PersistentVolume": [volume("disk", bound_to="data")],
            "PersistentVolumeClaim": [claim("data", "Bound", "disk")],
            **{
                kind: []
                for kind in (
                    "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Pod", "Service", "Job",
                    "CronJob", "HorizontalPodAutoscaler", "PodDisruptionBudget", "ResourceQuota",
                    "Ingress", "NetworkPolicy",
                )
            },
        }  # fmt: skip
        self.events: list[ClusterEvent] = []
        self.units: list[UnitState] = []
        self.lines: dict[Object, list[str]] = {}
        self.add("front", port=8080, env={"BACK_ADDR": "back:9000"})
        self.add("back", port=9000, claims=("data",))

    def add(
        self, name: str, port: int, env: dict[str, str] | None = None, claims: tuple[str, ...] = ()
    ) -> None:
        """Add a Deployment of one ready pod, with its Service."""
        labels = {"app": name}
        template: Json = {"metadata": {"labels": labels}, "spec": {"containers": [{
            "name": "main", "image": f"registry.example/{name}:1",
            "ports": [{"containerPort": port, "name": "main"}],
            "env": [{"name": k, "value": v} for k, v in (env or {}).items()],
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        }], "volumes": [{"name": c, "persistentVolumeClaim": {"claimName": c}} for c in claims]}}  # fmt: skip
        self.objects["Deployment"].append({
            "metadata": {"name": name, "namespace": SPACE, "labels": labels},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
            "status": {"replicas": 1, "readyReplicas": 1, "updatedReplicas": 1, "conditions": []},
        })  # fmt: skip
        self.objects["ReplicaSet"].append({
            "metadata": {"name": f"{name}-1", "namespace": SPACE, "ownerReferences": [owner("Deployment", name)]},
            "spec": {"replicas": 1}, "status": {"replicas": 1, "readyReplicas": 1},
        })  # fmt: skip
        self.objects["Pod"].append({
            "metadata": {"name": f"{name}-1-a", "namespace": SPACE, "labels": labels,
                         "ownerReferences": [owner("ReplicaSet", f"{name}-1")],
                         "creationTimestamp": (NOW - timedelta(hours=5)).isoformat()},
            "spec": {**copy.deepcopy(template["spec"]), "nodeName": "worker", "restartPolicy": "Always"},
            "status": {"phase": "Running", "podIP": f"10.0.0.{port % 250}", "conditions": [
                {"type": "PodScheduled", "status": "True"}],
                "containerStatuses": [{"name": "main", "ready": True, "restartCount": 0,
                                       "state": {"running": {}}}]},
        })  # fmt: skip
        self.objects["Service"].append({
            "metadata": {"name": name, "namespace": SPACE},
            "spec": {"selector": labels, "type": "ClusterIP", "clusterIP": f"10.1.0.{port % 250}",
                     "ports": [{"port": port, "targetPort": port, "protocol": "TCP"}]},
        })  # fmt: skip

    def state(self) -> ClusterState:
        """Return what the doctor looks at."""
        return ClusterState(NOW, self.objects, self.events, self.units, self.lines)

    def get(self, kind: str, name: str) -> Json:
        """Return one object to change."""
        return next(each for each in self.objects[kind] if each["metadata"]["name"] == name)

    @property
    def pod(self) -> Json:
        """The pod of `back`."""
        return self.get("Pod", "back-1-a")

    @property
    def container(self) -> Json:
        """The container of `back` as it is written."""
        written: Json = self.pod["spec"]["containers"][0]
        return written

    def is_not_ready(self, **status: Any) -> None:
        """Let the container of `back` be in another state."""
        self.pod["status"]["containerStatuses"][0] |= {"ready": False, **status}
        for kind, name in (("Deployment", "back"), ("ReplicaSet", "back-1")):
            self.get(kind, name)["status"]["readyReplicas"] = 0

    def waits(self, reason: str, message: str = "") -> None:
        """Let the container wait."""
        self.is_not_ready(state={"waiting": {"reason": reason, "message": message}})

    def ended(self, code: int, reason: str = "Error", message: str = "", restarts: int = 3) -> None:
        """Let the container end again and again."""
        end = {"exitCode": code, "reason": reason, "message": message,
               "finishedAt": (NOW - timedelta(minutes=1)).isoformat()}  # fmt: skip
        waiting = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
        self.is_not_ready(state=waiting, lastState={"terminated": end}, restartCount=restarts)

    def lacks_pods(self) -> None:
        """Let `back` have no pod at all."""
        self.objects["Pod"] = [
            p for p in self.objects["Pod"] if p["metadata"]["name"] != "back-1-a"
        ]
        for kind, name in (("Deployment", "back"), ("ReplicaSet", "back-1")):
            self.get(kind, name)["status"] |= {"readyReplicas": 0, "replicas": 0}

    def is_unplaced(self, message: str) -> None:
        """Let no node take the pod of `back`."""
        del self.pod["spec"]["nodeName"]
        self.waits("")
        self.pod["status"]["containerStatuses"] = []
        self.pod["status"]["phase"] = "Pending"
        self.pod["status"]["conditions"] = [
            {
                "type": "PodScheduled",
                "status": "False",
                "reason": "Unschedulable",
                "message": message,
            }
        ]

    def said(self, kind: str, name: str, reason: str, message: str, minutes_ago: float = 1) -> None:
        """Let an event tell something."""
        place = "" if kind in {"Node", "PersistentVolume"} else SPACE
        about = WorkloadRef("", place, kind, name)
        at = NOW - timedelta(minutes=minutes_ago)
        self.events.append(ClusterEvent(at, about, "Warning", reason, message))


def owner(kind: str, name: str) -> Json:
    """Return an owner reference."""
    return {"kind": kind, "name": name, "controller": True}


def node(name: str, role: str = "worker", *, cordoned: bool = False) -> Json:
    """Return a ready node of 4 cores and 8 GiB."""
    return {
        "metadata": {
            "name": name,
            "labels": {f"node-role.kubernetes.io/{role}": "", "disk": "ssd"},
        },
        "spec": {"unschedulable": cordoned, "taints": []},
        "status": {
            "allocatable": {"cpu": "4", "memory": "8Gi"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        },
    }


def volume(name: str, bound_to: str = "", **spec: Any) -> Json:
    """Return a volume of 10 GiB."""
    held = {"claimRef": {"namespace": SPACE, "name": bound_to}} if bound_to else {}
    return {
        "metadata": {"name": name, "labels": {"tier": "fast"}},
        "spec": {"storageClassName": "manual", "capacity": {"storage": "10Gi"},
                 "accessModes": ["ReadWriteOnce"], **held, **spec},
        "status": {"phase": "Bound" if bound_to else "Available"},
    }  # fmt: skip


def claim(name: str, phase: str, volume_name: str = "", **spec: Any) -> Json:
    """Return a claim of 5 GiB."""
    return {
        "metadata": {"name": name, "namespace": SPACE},
        "spec": {"storageClassName": "manual", "accessModes": ["ReadWriteOnce"],
                 "resources": {"requests": {"storage": "5Gi"}}, "volumeName": volume_name, **spec},
        "status": {"phase": phase},
    }  # fmt: skip
