"""Workloads as the API serves them at the moment of the question: from Deployments to pods.

States come from the track: a replica's phase is its pod's status, its places machines, its past a
few ReplicaSets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from bench.incidents.graph import Part, What
from bench.incidents.pods import End, Phase
from bench.incidents.stage import Deploy
from bench.incidents.telling.exposure import Exposure, Pod, replica_set

Json = dict[str, Any]
WAITS = {
    Phase.CRASHING: (
        "CrashLoopBackOff",
        "back-off 5m0s restarting failed container={name} pod={pod}",
    ),
    Phase.NO_IMAGE: ("ImagePullBackOff", 'Back-off pulling image "registry.internal/{name}:{tag}"'),
    Phase.NO_CONFIG: ("CreateContainerConfigError", "{missing} not found"),
    Phase.NO_VOLUME: ("ContainerCreating", ""),
    Phase.STARTING: ("", ""),
}


def stamp(at: datetime) -> str:
    """Return a time as the API writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


class Workloads:
    """What runs, and what the rest is made with."""

    def __init__(self, x: Exposure) -> None:
        """Take what is exposed."""
        self.x, self.incident = x, x.incident
        self.stage = x.incident.stage
        self.graph, self.track = self.stage.graph, x.incident.track
        self.k = x.last

    def parts(self, cluster: str, *whats: What) -> Iterator[Part]:
        for part in self.graph.parts:
            if part.cluster == cluster and part.runs_here and (not whats or part.what in whats):
                yield part

    def details(self, part: Part, *, at: float | None = None) -> Mapping[str, str]:
        """Return the names that go with the faults of a part that last."""
        found: dict[str, str] = {}
        when = self.stage.now if at is None else at
        for each in (*self.incident.faults, *self.incident.past):
            if each.strike.part == part.number and each.began <= when <= each.ended:
                found |= each.strike.details
        return found

    def alive(self, part: Part) -> list[Pod]:
        return [pod for pod in self.x.pods(part.number) if pod.alive[self.k]]

    def uid(self, *words: str) -> str:
        number = np.random.default_rng([self.incident.seed, *map(ord, "/".join(words))])
        return "-".join(
            "".join(number.choice(list("0123456789abcdef"), n)) for n in (8, 4, 4, 4, 12)
        )

    def meta(self, part: Part, kind: str, name: str, at: datetime, **more: Any) -> Json:
        return {
            "name": name,
            "namespace": part.namespace,
            "uid": self.uid(kind, name),
            "resourceVersion": "1",
            "generation": 1,
            "labels": {"app": part.name, "app.kubernetes.io/name": part.name},
            "creationTimestamp": stamp(at),
            **more,
        }

    # ------------------------------------------------------------------------- templates

    def rollouts(self, part: Part) -> list[Deploy]:
        """Return what changed a part's pod template, oldest first."""
        return [
            d for d in self.incident.deploys if d.part == part.number and d.when <= self.stage.now
        ]

    def template(self, part: Part, upto: int) -> Json:
        """Return the pod template after so many of its changes."""
        p, n = self.stage.parameters, part.number
        deploys = self.rollouts(part)
        tag, cpu = "1.0.0", f"{float(p.cores[0, n]) * 1000:.0f}m"
        memory = f"{float(p.memory[0, n]) / 2**20:.0f}Mi"
        env = {"LOG_LEVEL": "info", "PORT": "8080"}
        for link in self.graph.links:
            if link.caller == n:
                callee = self.graph.parts[link.callee]
                env[f"{callee.name.upper().replace('-', '_').replace('.', '_')}_ADDR"] = callee.name
        probe: Json = {
            "httpGet": {"path": "/healthz", "port": 8080},
            "periodSeconds": 10,
            "timeoutSeconds": 1,
        }
        for place, each in enumerate(deploys):
            value = each.after if place < upto else each.before
            if place >= upto and (place > upto or not each.before):
                continue
            if each.field == "image":
                tag = value or tag
            elif each.field == "limits.cpu":
                cpu = value
            elif each.field == "limits.memory":
                memory = value
            elif each.field.startswith("env."):
                env[each.field.removeprefix("env.")] = value
            elif each.field.startswith("probe."):
                probe = {**probe, each.field.removeprefix("probe."): value}
        container = {
            "name": part.name,
            "image": f"registry.internal/{part.name}:{tag}",
            "env": [{"name": k, "value": v} for k, v in env.items()],
            "ports": [{"containerPort": 8080, "name": "http"}],
            "readinessProbe": probe,
            "resources": {
                "limits": {"cpu": cpu, "memory": memory},
                "requests": {"cpu": f"{float(p.cores[0, n]) * 500:.0f}m", "memory": memory},
            },
        }
        spec: Json = {"containers": [container]}
        if part.what is not What.SERVICE:
            spec["volumes"] = [
                {"name": "data", "persistentVolumeClaim": {"claimName": f"data-{part.name}-0"}}
            ]
        return {"metadata": {"labels": {"app": part.name}}, "spec": spec}

    def owner(self, part: Part) -> str:
        return "Deployment" if part.what is What.SERVICE else "StatefulSet"

    def born(self) -> datetime:
        return self.incident.start - timedelta(days=40)

    # ------------------------------------------------------------------------- workloads

    def workloads(self, cluster: str, *, deployments: bool) -> Iterator[Json]:
        for part in self.parts(cluster):
            if (part.what is What.SERVICE) is not deployments:
                continue
            wanted = int(self.track.wanted[self.k, part.number])
            ready = int(self.x.serving[self.k, part.number])
            deploys = self.rollouts(part)
            alive = len(self.alive(part))
            status: Json = {
                "replicas": alive,
                "readyReplicas": ready,
                "availableReplicas": ready,
                "updatedReplicas": alive,
                "unavailableReplicas": max(wanted - ready, 0),
                "observedGeneration": 1,
                "currentReplicas": alive,
            }
            if deployments:
                fine = ready >= wanted
                changed = stamp(self.incident.at(deploys[-1].when) if deploys else self.born())
                status["conditions"] = [
                    {
                        "type": "Available",
                        "status": "True" if fine else "False",
                        "reason": "MinimumReplicasAvailable"
                        if fine
                        else "MinimumReplicasUnavailable",
                        "lastTransitionTime": changed if fine else self.since(part),
                        "lastUpdateTime": changed,
                    },
                    {
                        "type": "Progressing",
                        "status": "True",
                        "reason": "NewReplicaSetAvailable",
                        "lastTransitionTime": changed,
                        "lastUpdateTime": changed,
                    },
                ]
                if (self.track.phase[self.k, part.number] == Phase.NO_QUOTA).any():
                    status["conditions"].append(
                        {
                            "type": "ReplicaFailure",
                            "status": "True",
                            "reason": "FailedCreate",
                            "message": self.quota_words(part),
                            "lastTransitionTime": self.since(part),
                        }
                    )
            kind = self.owner(part)
            yield {
                "apiVersion": "apps/v1",
                "kind": kind,
                "metadata": self.meta(
                    part,
                    kind,
                    part.name,
                    self.born(),
                    annotations={"deployment.kubernetes.io/revision": str(len(deploys) + 1)},
                ),
                "spec": {
                    "replicas": wanted,
                    "selector": {"matchLabels": {"app": part.name}},
                    "template": self.template(part, len(deploys)),
                    "serviceName": part.name,
                },
                "status": status,
            }

    def quota_words(self, part: Part) -> str:
        return (
            f'pods "{part.name}-x" is forbidden: exceeded quota: compute, requested: requests.cpu=500m, '
            "used: requests.cpu=20, limited: requests.cpu=20"
        )

    def since(self, part: Part) -> str:
        ready = self.x.serving[: self.k + 1, part.number]
        wanted = self.track.wanted[: self.k + 1, part.number]
        fine = np.flatnonzero(ready >= wanted)
        return stamp(self.incident.at(self.track.times[fine[-1]] if fine.size else 0.0))

    def replica_sets(self, cluster: str) -> Iterator[Json]:
        for part in self.parts(cluster, What.SERVICE):
            deploys = self.rollouts(part)
            alive = self.alive(part)
            for revision in range(len(deploys) + 1):
                newest = revision == len(deploys)
                own = [pod for pod in alive if pod.revision == revision]
                name = replica_set(self.incident.seed, part, revision)
                at = self.born() if not revision else self.incident.at(deploys[revision - 1].when)
                count = max(len(own), int(self.track.wanted[self.k, part.number]) if newest else 0)
                ready = sum(bool(pod.running[self.k]) for pod in own)
                status: Json = {
                    "replicas": count,
                    "readyReplicas": ready,
                    "availableReplicas": ready,
                }
                if newest and (self.track.phase[self.k, part.number] == Phase.NO_QUOTA).any():
                    status["conditions"] = [
                        {
                            "type": "ReplicaFailure",
                            "status": "True",
                            "reason": "FailedCreate",
                            "message": self.quota_words(part),
                            "lastTransitionTime": self.since(part),
                        }
                    ]
                yield {
                    "apiVersion": "apps/v1",
                    "kind": "ReplicaSet",
                    "metadata": self.meta(
                        part,
                        "ReplicaSet",
                        name,
                        at,
                        annotations={"deployment.kubernetes.io/revision": str(revision + 1)},
                        ownerReferences=[
                            {
                                "kind": "Deployment",
                                "name": part.name,
                                "controller": True,
                                "uid": self.uid("Deployment", part.name),
                            }
                        ],
                    ),
                    "spec": {
                        "replicas": count,
                        "selector": {"matchLabels": {"app": part.name}},
                        "template": self.template(part, revision),
                    },
                    "status": status,
                }

    # ------------------------------------------------------------------------------ pods

    def pods(self, cluster: str) -> Iterator[Json]:
        for part in self.parts(cluster):
            for pod in self.alive(part):
                yield self.pod(pod)

    def pod(self, pod: Pod) -> Json:
        part, k = pod.part, self.k
        phase = Phase(int(self.track.phase[k, part.number, pod.place]))
        details = {"tag": "latest", "missing": 'secret "settings"', **self.details(part)}
        begun = np.flatnonzero(pod.alive)[0]
        created = self.born() if begun == 0 else self.incident.at(self.track.times[begun])
        since = self.phase_since(pod, phase)
        status, waiting = self._container(pod, phase, details, since)
        runs = phase is Phase.RUNNING
        ready: Json = {
            "type": "Ready",
            "status": "True" if runs else "False",
            "lastTransitionTime": stamp(since),
        }
        conditions: list[Json] = [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": stamp(created)},
            ready,
            {**ready, "type": "ContainersReady"},
        ]
        if phase is Phase.NO_ROOM:
            conditions = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": self.room_words(part, details),
                    "lastTransitionTime": stamp(since),
                }
            ]
        if phase is Phase.LOST:
            ready["reason"], ready["status"] = "NodeNotReady", "False"
        if not runs and phase is not Phase.NO_ROOM:
            ready.update(
                {
                    "reason": "ContainersNotReady",
                    "message": f"containers with unready status: [{part.name}]",
                }
            )
        owner = self.owner(part)
        by = (
            {"kind": "ReplicaSet", "name": pod.name.rpartition("-")[0]}
            if owner == "Deployment"
            else {"kind": "StatefulSet", "name": part.name}
        )
        spec = dict(self.template(part, pod.revision)["spec"])
        if phase is not Phase.NO_ROOM:
            spec["nodeName"] = pod.machine
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": self.meta(
                part,
                "Pod",
                pod.name,
                created,
                ownerReferences=[
                    {**by, "controller": True, "uid": self.uid(by["kind"], by["name"])}
                ],
            ),
            "spec": spec,
            "status": {
                "phase": "Pending" if waiting or phase is Phase.NO_ROOM else "Running",
                "podIP": pod.address,
                "startTime": stamp(created),
                "conditions": conditions,
                **({"containerStatuses": [status]} if phase is not Phase.NO_ROOM else {}),
            },
        }

    def room_words(self, part: Part, details: Mapping[str, str]) -> str:
        machines = [c for c in self.stage.machines if c == part.cluster]
        why = details.get("unplaced", "Insufficient cpu")
        return f"0/{len(machines)} nodes are available: {len(machines)} {why}. preemption: 0/{len(machines)} nodes are available."

    def phase_since(self, pod: Pod, phase: Phase) -> datetime:
        column = self.track.phase[: self.k + 1, pod.part.number, pod.place]
        other = np.flatnonzero((column != phase) | ~pod.alive[: self.k + 1])
        if not other.size:
            return self.born()
        return self.incident.at(self.track.times[min(other[-1] + 1, self.k)])

    def _container(
        self, pod: Pod, phase: Phase, details: Mapping[str, str], since: datetime
    ) -> tuple[Json, bool]:
        n, r, k = pod.part.number, pod.place, self.k
        restarts = int(self.track.restarts[k, n, r])
        state: Json = {"running": {"startedAt": stamp(since)}}
        waiting = False
        if phase in WAITS and WAITS[phase][0]:
            reason, words = WAITS[phase]
            words = words.format(name=pod.part.name, pod=pod.name, **details)
            state = {"waiting": {"reason": reason, "message": words}}
            waiting = phase is not Phase.CRASHING
        last: Json = {}
        why = End(int(self.track.ended[k, n, r]))
        if restarts and why is not End.NONE:
            column = self.track.restarts[: k + 1, n, r]
            changed = np.flatnonzero(np.diff(column, prepend=column[0]) > 0)
            at = self.incident.at(self.track.times[changed[-1]]) if changed.size else since
            code, reason = {End.MEMORY: (137, "OOMKilled"), End.PROBE: (143, "Error")}.get(
                why, (1, "Error")
            )
            last = {
                "terminated": {
                    "exitCode": code,
                    "reason": reason,
                    "finishedAt": stamp(at),
                    "startedAt": stamp(at - timedelta(minutes=5)),
                    "message": details.get("last_line", "") if why is End.ITSELF else "",
                }
            }
        return {
            "name": pod.part.name,
            "image": f"registry.internal/{pod.part.name}",
            "restartCount": restarts,
            "ready": phase is Phase.RUNNING,
            "started": phase in {Phase.RUNNING, Phase.UNREADY},
            "state": state,
            "lastState": last,
        }, waiting
