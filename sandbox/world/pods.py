"""The pods of a workload over the whole history, for series that belong to a pod.

The cluster knows the pods of its own lifetime. Before them each slot of a Deployment had one
predecessor, made up here, so that sums over pods reach back as far as the history does.
"""

import math
from dataclasses import dataclass

from sandbox.world.blueprint import Blueprint, Service
from sandbox.world.files import load_world
from sandbox.world.noise import key_of
from sandbox.world.scenario import Story
from sandbox.world.view import ClusterView, Span


@dataclass(frozen=True)
class Pod:
    """One pod and the lives of its container."""

    name: str
    service: Service
    lives: tuple[tuple[float, float], ...]  # (started_at, ended_at), ended_at inf while running

    @property
    def begins(self) -> float:
        """When its first container started."""
        return self.lives[0][0]

    @property
    def ends(self) -> float:
        """When its last container ended; infinity while it runs."""
        return self.lives[-1][1]


def pod_name(service: Service, *salt: object) -> str:
    """Return a stable pod name in the style of the workload's kind."""
    if service.kind == "StatefulSet":
        return f"{service.name}-{salt[-1]}"
    letters = "bcdfghjklmnpqrstvwxz2456789"
    key = key_of(service.name, *salt)
    word = ""
    for _ in range(14):
        key, digit = divmod(key, len(letters))
        word += letters[digit]
    return f"{service.name}-{word[:9]}-{word[9:14]}"


def pods_of(view: ClusterView, service: Service, origin: float) -> list[Pod]:
    """Return the pods of a service since `origin`, oldest first."""
    lives: dict[str, list[tuple[float, float]]] = {}
    for name, started, ended in view.pod_started_at(service.workload):
        lives.setdefault(name, []).append((started, math.inf if ended is None else ended))
    known = sorted(
        (Pod(name, service, tuple(sorted(spans))) for name, spans in lives.items()),
        key=lambda pod: pod.begins,
    )
    if service.kind == "StatefulSet":
        return known
    earlier = [
        Pod(pod_name(service, "before", slot), service, ((origin, first.begins),))
        for slot, first in enumerate(known[: service.replicas])
        if first.begins > origin
    ]
    return earlier + known


class StaticCluster:
    """A cluster without an API: pods run since `origin` and nothing happens unless told."""

    def __init__(self, origin: float, blueprint: Blueprint | None = None) -> None:
        """Start every pod at `origin`."""
        services = (blueprint or load_world()).workloads
        self._spans: dict[str, list[Span]] = {
            service.workload: [
                (pod_name(service, "static", slot), origin, None)
                for slot in range(service.replicas)
            ]
            for service in services
        }
        self._replicas: dict[str, list[tuple[float, int]]] = {
            service.workload: [(origin, service.replicas)] for service in services
        }

    def pod_started_at(self, workload: str) -> list[Span]:
        """Every container life of the workload."""
        return list(self._spans[workload])

    def replicas_history(self, workload: str) -> list[tuple[float, int]]:
        """When the number of replicas changed."""
        return list(self._replicas[workload])

    def begin(self, story: Story) -> None:
        """Age the pods of a leaking workload as the story says."""
        for fault in story.scenario.faults:
            if fault.leak is None:
                continue
            spans = self._spans[fault.leak.workload]
            ages = fault.leak.started_before_seconds
            self._spans[fault.leak.workload] = [
                (name, story.begins_at - age, None)
                for (name, _, _), age in zip(spans, ages, strict=True)
            ]

    def restart(self, workload: str, at: float, slot: int = 0, *, same_pod: bool = False) -> None:
        """End the slot's container at `at`; a new pod, or a new container in the same one."""
        spans = self._spans[workload]
        running = [index for index, span in enumerate(spans) if span[2] is None]
        name, started, _ = spans[running[slot]]
        spans[running[slot]] = (name, started, at)
        spans.append((name if same_pod else f"{name[:-5]}{at % 100000:05.0f}", at, None))

    def scale(self, workload: str, at: float, replicas: int) -> None:
        """Serve with another number of replicas from `at` on."""
        self._replicas[workload].append((at, replicas))
