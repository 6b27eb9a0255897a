"""The cluster as its API serves it: objects by kind, what stands around workloads, and events.

Events expire after an hour; what nobody asks for is not made.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np

from bench.incidents.graph import What
from bench.incidents.pods import End, Phase
from bench.incidents.telling.exposure import Exposure, Pod, replica_set
from bench.incidents.telling.workloads import Json, Workloads, stamp
from tools.world import ClusterEvent, WorkloadRef

EVENTS_LAST = 3600.0  # seconds that the API keeps events


class Objects(Workloads):
    """Objects by kind, made when first asked for."""

    def __init__(self, x: Exposure) -> None:
        """Take what is exposed."""
        super().__init__(x)
        self._made: dict[tuple[str, str], list[Json]] = {}

    def of(self, cluster: str, kind: str) -> list[Json]:
        """Return the objects of a kind in a cluster."""
        key = cluster, kind
        if key not in self._made:
            make = MAKERS.get(kind)
            self._made[key] = list(make(self, cluster)) if make is not None else []
        return self._made[key]

    # ---------------------------------------------------------------------- what is around

    def services(self, cluster: str) -> Iterator[Json]:
        for part in self.parts(cluster):
            selector = {"app": self.details(part).get("selector", part.name)}
            yield {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": self.meta(part, "Service", part.name, self.born()),
                "spec": {
                    "selector": selector,
                    "clusterIP": f"10.{96 + part.number % 8}.{part.number}.{17 + part.number}",
                    "ports": [{"port": 8080, "targetPort": 8080, "name": "http"}],
                },
            }

    def nodes(self, cluster: str) -> Iterator[Json]:
        for m, name in enumerate(self.stage.machine_names):
            if self.stage.machines[m] != cluster:
                continue
            up = self.track.machine_up[: self.k + 1, m] > 0
            since = self.born()
            if not up[-1]:
                fine = np.flatnonzero(up)
                since = self.incident.at(self.track.times[fine[-1]] if fine.size else 0.0)
            ready: Json = {
                "type": "Ready",
                "status": "True" if up[-1] else "Unknown",
                "reason": "KubeletReady" if up[-1] else "NodeStatusUnknown",
                "message": "kubelet is posting ready status"
                if up[-1]
                else "Kubelet stopped posting node status.",
                "lastTransitionTime": stamp(since),
                "lastHeartbeatTime": stamp(since),
            }
            cores = self.stage.machine_cores
            spec: Json = {"podCIDR": "10.0.0.0/24"}
            if not up[-1]:
                spec["taints"] = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]
            yield {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {
                    "name": name,
                    "uid": self.uid("Node", name),
                    "labels": {"kubernetes.io/hostname": name},
                    "creationTimestamp": stamp(self.born()),
                },
                "spec": spec,
                "status": {
                    "conditions": [ready],
                    "allocatable": {"cpu": f"{cores * 0.95:.0f}", "memory": "62Gi", "pods": "110"},
                    "capacity": {"cpu": f"{cores:.0f}", "memory": "64Gi", "pods": "110"},
                },
            }

    def claims(self, cluster: str) -> Iterator[Json]:
        for part in self.parts(cluster, What.DATABASE, What.BROKER, What.REPLICA):
            yield {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": self.meta(
                    part, "PersistentVolumeClaim", f"data-{part.name}-0", self.born()
                ),
                "spec": {
                    "storageClassName": "standard",
                    "resources": {"requests": {"storage": "100Gi"}},
                    "volumeName": f"pv-{part.name}",
                    "accessModes": ["ReadWriteOnce"],
                },
                "status": {"phase": "Bound", "capacity": {"storage": "100Gi"}},
            }

    def classes(self, _: str) -> Iterator[Json]:
        yield {
            "apiVersion": "storage.k8s.io/v1",
            "kind": "StorageClass",
            "metadata": {"name": "standard", "uid": "s"},
            "provisioner": "ebs.csi.aws.com",
        }

    def volumes(self, cluster: str) -> Iterator[Json]:
        for each in self.of(cluster, "PersistentVolumeClaim"):
            meta = each["metadata"]
            yield {
                "apiVersion": "v1",
                "kind": "PersistentVolume",
                "metadata": {"name": each["spec"]["volumeName"], "uid": "v" + meta["uid"]},
                "spec": {
                    "storageClassName": "standard",
                    "capacity": {"storage": "100Gi"},
                    "claimRef": {
                        "name": meta["name"],
                        "namespace": meta["namespace"],
                        "uid": meta["uid"],
                    },
                },
                "status": {"phase": "Bound"},
            }

    def scalers(self, cluster: str) -> Iterator[Json]:
        for part in self.parts(cluster, What.SERVICE):
            most = int(self.stage.parameters.scale_most[0, part.number])
            if most:
                now = int(self.track.wanted[self.k, part.number])
                yield {
                    "apiVersion": "autoscaling/v2",
                    "kind": "HorizontalPodAutoscaler",
                    "metadata": self.meta(part, "HorizontalPodAutoscaler", part.name, self.born()),
                    "spec": {
                        "scaleTargetRef": {"kind": "Deployment", "name": part.name},
                        "minReplicas": 2,
                        "maxReplicas": most,
                    },
                    "status": {"currentReplicas": now, "desiredReplicas": now},
                }

    def quotas(self, cluster: str) -> Iterator[Json]:
        for part in self.parts(cluster):
            if (self.track.phase[self.k, part.number] == Phase.NO_QUOTA).any():
                yield {
                    "apiVersion": "v1",
                    "kind": "ResourceQuota",
                    "metadata": self.meta(part, "ResourceQuota", "compute", self.born()),
                    "status": {"hard": {"requests.cpu": "20"}, "used": {"requests.cpu": "20"}},
                }
                return

    def policies(self, cluster: str) -> Iterator[Json]:
        for part in self.parts(cluster):
            name = self.details(part).get("policy")
            if name:
                at = max(f.began for f in self.incident.faults if f.strike.part == part.number)
                yield {
                    "apiVersion": "networking.k8s.io/v1",
                    "kind": "NetworkPolicy",
                    "metadata": self.meta(part, "NetworkPolicy", name, self.incident.at(at)),
                    "spec": {
                        "podSelector": {"matchLabels": {"app": part.name}},
                        "policyTypes": ["Ingress"],
                        "ingress": [
                            {"from": [{"podSelector": {"matchLabels": {"role": "allowed"}}}]}
                        ],
                    },
                }

    # ---------------------------------------------------------------------------- events

    def events(self, cluster: str) -> list[ClusterEvent]:
        """Return the events of a cluster that have not expired."""
        found = list(self._events(cluster))
        return [e for e in found if e.at >= self.incident.now - timedelta(seconds=EVENTS_LAST)]

    def _events(self, cluster: str) -> Iterator[ClusterEvent]:
        for part in self.parts(cluster):
            for pod in self.x.pods(part.number):
                ref = WorkloadRef(
                    cluster, part.namespace, "Pod", pod.name, self.uid("Pod", pod.name)
                )
                yield from self._pod_events(pod, ref)
            quota = (self.track.phase[:, part.number] == Phase.NO_QUOTA).any(axis=1)
            if quota.any():
                set_ = replica_set(self.incident.seed, part, 0)
                ref = WorkloadRef(cluster, part.namespace, "ReplicaSet", set_)
                yield self._event(
                    ref, "FailedCreate", f"Error creating: {self.quota_words(part)}", quota
                )
            for each in self.rollouts(part):
                ref = WorkloadRef(cluster, part.namespace, self.owner(part), part.name)
                yield ClusterEvent(
                    self.incident.at(each.when),
                    ref,
                    "Normal",
                    "ScalingReplicaSet",
                    f"Scaled up replica set {part.name} to 1",
                )
        for m, name in enumerate(self.stage.machine_names):
            down = self.track.machine_up[:, m] < 1
            if self.stage.machines[m] == cluster and down.any():
                yield self._event(
                    WorkloadRef(cluster, "", "Node", name),
                    "NodeNotReady",
                    f"Node {name} status is now: NodeNotReady",
                    down,
                )

    def _event(self, ref: WorkloadRef, reason: str, message: str, when: np.ndarray) -> ClusterEvent:
        steps = np.flatnonzero(when)
        first, last = (self.incident.at(self.track.times[steps[i]]) for i in (0, -1))
        return ClusterEvent(last, ref, "Warning", reason, message, len(steps), first)

    def _pod_events(self, pod: Pod, ref: WorkloadRef) -> Iterator[ClusterEvent]:
        n, r = pod.part.number, pod.place
        phase = np.where(pod.alive, self.track.phase[:, n, r], -1)
        steps = np.flatnonzero(phase > 0)
        if not steps.size:
            return
        details = {
            "tag": "latest",
            "missing": 'secret "settings"',
            **self.details(pod.part, at=float(self.track.times[steps[-1]])),
        }
        told = {
            Phase.CRASHING: (
                "BackOff",
                f"Back-off restarting failed container {pod.part.name} in pod {pod.name}",
            ),
            Phase.NO_IMAGE: (
                "Failed",
                f'Failed to pull image "registry.internal/{pod.part.name}:{details["tag"]}": rpc error: code = NotFound desc = failed to pull and unpack image: not found',
            ),
            Phase.NO_CONFIG: ("Failed", f"Error: {details['missing']} not found"),
            Phase.NO_VOLUME: (
                "FailedMount",
                details.get(
                    "volume",
                    "Unable to attach or mount volumes: timed out waiting for the condition",
                ),
            ),
            Phase.NO_ROOM: ("FailedScheduling", self.room_words(pod.part, details)),
            Phase.UNREADY: (
                "Unhealthy",
                details.get(
                    "probe", "Readiness probe failed: HTTP probe failed with statuscode: 404"
                ),
            ),
        }
        for each, (reason, message) in told.items():
            when = phase == each
            if when.any():
                yield self._event(ref, reason, message, when)
        ends = np.diff(self.track.ended[:, n, r], prepend=0) != 0
        killed = pod.alive & ends & (self.track.ended[:, n, r] == End.PROBE)
        if killed.any():
            yield self._event(
                ref,
                "Unhealthy",
                'Liveness probe failed: Get "http://10.0.0.1:8080/healthz": context deadline '
                "exceeded (Client.Timeout exceeded while awaiting headers)",
                killed,
            )


MAKERS = {
    "Deployment": lambda o, c: o.workloads(c, deployments=True),
    "StatefulSet": lambda o, c: o.workloads(c, deployments=False),
    "ReplicaSet": Objects.replica_sets,
    "Pod": Objects.pods,
    "Service": Objects.services,
    "Node": Objects.nodes,
    "PersistentVolumeClaim": Objects.claims,
    "PersistentVolume": Objects.volumes,
    "StorageClass": Objects.classes,
    "HorizontalPodAutoscaler": Objects.scalers,
    "ResourceQuota": Objects.quotas,
    "NetworkPolicy": Objects.policies,
}
