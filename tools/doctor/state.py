"""A cluster's objects at one time, as its API serves them, and the ways from one to another.

    Pod ──ownerReferences──> ReplicaSet ──> Deployment      `owner_of`
    Service ──selector──> pods                              `selected`
    object <── events about it                              `events_of`

What was not listed is *unread*: an analyser that needs it says nothing, and the caller tells the
gap. Nothing here asks a cluster.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from tools.doctor.named import Object
from tools.kubernetes_objects import Json, meta
from tools.ownership import is_over
from tools.world import ClusterEvent

TALLEST = 6  # owners above each other that are followed
FRESH = timedelta(minutes=10)  # an event about an object that looks well is over after it
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicaSet")


@dataclass(frozen=True, slots=True)
class UnitState:
    """A service of a node's operating system, as `node_systemd_unit_state` tells it."""

    node: str
    unit: str  # "kubelet", "containerd", "kube-proxy"
    active: bool


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a pod: what was asked for and how it is."""

    pod: Json
    name: str
    of: str  # "containers", "initContainers", "ephemeralContainers"
    spec: Json
    status: Json

    @property
    def state(self) -> Json:
        """The state it is in."""
        return self.status.get("state") or {}

    @property
    def waiting(self) -> Json:
        """Why it waits, empty when it does not."""
        return self.state.get("waiting") or {}

    @property
    def terminated(self) -> Json:
        """Its end: of now, else the last one; empty when it never ended."""
        last = (self.status.get("lastState") or {}).get("terminated")
        return self.state.get("terminated") or last or {}

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        return int(self.status.get("restartCount") or 0)

    @property
    def runs(self) -> bool:
        """Whether it runs now."""
        return "running" in self.state

    @property
    def ready(self) -> bool:
        """Whether it is ready."""
        return bool(self.status.get("ready"))


class ClusterState:
    """What analysers look at."""

    def __init__(
        self,
        at: datetime,
        objects: Mapping[str, Sequence[Json]],
        events: Sequence[ClusterEvent] = (),
        units: Sequence[UnitState] = (),
        lines: Mapping[Object, Sequence[str]] = MappingProxyType({}),
    ) -> None:
        """Index the objects by kind, namespace and name; `objects` has a key per kind read."""
        self.at = at
        self.units = tuple(units)
        self.lines = lines  # newest lines per workload, oldest first
        self._objects = {kind: tuple(items) for kind, items in objects.items()}
        self._by_name: dict[Object, Json] = {}
        for kind, items in self._objects.items():
            for item in items:
                self._by_name[object_of(item, kind)] = item
        self._events: dict[Object, list[ClusterEvent]] = defaultdict(list)
        for event in sorted(events, key=lambda e: (e.at, e.reason, e.message)):
            ref = event.workload
            self._events[Object(ref.kind, ref.namespace, ref.name)].append(event)
        self._alive = tuple(p for p in self._objects.get("Pod", ()) if not is_over(p))
        self._owners: dict[Object, Object] = {}  # of pods: asked for again and again
        self._pods: dict[Object, list[Json]] = defaultdict(list)
        for pod in self._alive:
            self._pods[self.workload_of(pod)].append(pod)
        self._containers = tuple(each for pod in self._alive for each in containers_of(pod))
        services = self._objects.get("Service", ())
        self._selected = {object_of(each, "Service"): self._select(each) for each in services}
        fronts: dict[Object, dict[str, None]] = defaultdict(dict)
        for service, pods in self._selected.items():
            for pod in pods:
                fronts[self.workload_of(pod)][service.name] = None
        self._fronts = {workload: tuple(names) for workload, names in fronts.items()}

    def reads(self, *kinds: str) -> bool:
        """Say whether all these kinds were listed."""
        return all(kind in self._objects for kind in kinds)

    def of(self, kind: str) -> tuple[Json, ...]:
        """Return the objects of a kind, none when it was not listed."""
        return self._objects.get(kind, ())

    def find(self, kind: str, namespace: str, name: str) -> Json | None:
        """Return one object, None when it is not among those listed."""
        return self._by_name.get(Object(kind, namespace, name))

    @property
    def pods(self) -> tuple[Json, ...]:
        """Pods that are not over."""
        return self._alive

    def containers(self) -> Iterator[Container]:
        """Every container of every pod that is not over, of all classes."""
        yield from self._containers

    def owner_of(self, item: Json, kind: str) -> Object:
        """Return the top of an object's owners, itself when it has none."""
        here = object_of(item, kind)
        for _ in range(TALLEST):
            above = _controller(item)
            if above is None:
                break
            here = Object(above.get("kind", ""), here.namespace, above.get("name", ""))
            following = self._by_name.get(here)
            if following is None:
                break
            item = following
        return here

    def workload_of(self, pod: Json) -> Object:
        """Return the workload a pod belongs to, the pod itself when it has none."""
        own = object_of(pod, "Pod")
        if own not in self._owners:
            self._owners[own] = self.owner_of(pod, "Pod")
        return self._owners[own]

    def pods_of(self, workload: Object) -> list[Json]:
        """Return the pods of a workload that are not over."""
        return self._pods.get(workload, [])

    def selected(self, service: Json) -> list[Json]:
        """Return the pods that a Service's selector takes; none without a selector."""
        return self._selected.get(object_of(service, "Service"), [])

    def fronts(self, workload: Object) -> tuple[str, ...]:
        """Return the names of the Services that select pods of a workload."""
        return self._fronts.get(workload, ())

    def _select(self, service: Json) -> list[Json]:
        wanted = (service.get("spec") or {}).get("selector") or {}
        space = meta(service).get("namespace", "")
        return [
            pod
            for pod in self._alive
            if wanted
            and meta(pod).get("namespace", "") == space
            and wanted.items() <= (meta(pod).get("labels") or {}).items()
        ]

    def events_of(self, subject: Object, *reasons: str) -> list[ClusterEvent]:
        """Return the events about one object, oldest first; all reasons when none is given."""
        found = self._events.get(subject, [])
        return [each for each in found if not reasons or each.reason in reasons]

    def events_with(self, *reasons: str) -> Iterator[tuple[Object, ClusterEvent]]:
        """Return every event with one of these reasons, with the object it is about."""
        for subject in sorted(self._events):
            for each in self._events[subject]:
                if each.reason in reasons:
                    yield subject, each

    def is_fresh(self, event: ClusterEvent) -> bool:
        """Say whether an event is young enough to speak of now."""
        return self.at - event.at <= FRESH


def containers_of(pod: Json) -> Iterator[Container]:
    """Return a pod's containers of all classes, in the order they are written."""
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    for group, statuses in (
        ("initContainers", "initContainerStatuses"),
        ("containers", "containerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        told = {each.get("name"): each for each in status.get(statuses) or ()}
        for each in spec.get(group) or ():
            yield Container(pod, each.get("name", ""), group, each, told.get(each.get("name"), {}))


def object_of(item: Json, kind: str) -> Object:
    """Return how an object is named."""
    own = meta(item)
    return Object(kind, own.get("namespace", "") or "", own.get("name", ""))


def _controller(item: Json) -> Json | None:
    owners = meta(item).get("ownerReferences") or ()
    managing = [each for each in owners if each.get("controller", True)]
    return managing[0] if managing else None
