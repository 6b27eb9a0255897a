"""What the controllers of the imitated cluster share: objects, time, timers, names and records.

Time moves from timer to timer: a *timer* is (due, kind, arguments), plain JSON so that a restarted
sandbox continues where it stopped. A *life* is one run of one container of a workload.
"""

import hashlib
import heapq
import json
from dataclasses import dataclass, field
from typing import Any

from sandbox.kubernetes.resources import EVENTS, Resource
from sandbox.kubernetes.status import Json
from sandbox.kubernetes.store import Store, copied, moment, stamp

SAFE_LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # what Kubernetes makes random names of
EVENT_TTL_SECONDS = 24 * 3600.0
Life = list[Any]  # [pod name, started_at, ended_at or None]


@dataclass
class Engine:
    """Mutable heart of the cluster; only the controllers and `Cluster` touch it."""

    now: float  # world seconds since 1970 UTC of the step being worked out
    store: Store = field(default_factory=Store)
    timers: list[list[Any]] = field(default_factory=list)  # heap of [due, number, kind, args]
    drawn: int = 0  # pseudo-random values drawn so far
    seed: int = 20
    lives: dict[str, list[Life]] = field(default_factory=dict)  # workload -> container lives
    serving: dict[str, list[list[float]]] = field(default_factory=dict)  # workload -> [at, count]
    rollouts: list[Json] = field(default_factory=list)  # template changes, oldest first
    images: list[str] = field(default_factory=list)  # images that can be pulled
    leaks: dict[str, float] = field(default_factory=dict)  # workload -> seconds from start to OOM
    usual_replicas: dict[str, int] = field(default_factory=dict)  # workload -> what its load needs

    def draw(self) -> float:
        """Next pseudo-random number in [0, 1): the same story has the same names."""
        self.drawn += 1
        digest = hashlib.sha256(f"{self.seed}:{self.drawn}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48

    def suffix(self, length: int = 5) -> str:
        """Random end of a generated name."""
        return "".join(SAFE_LETTERS[int(self.draw() * len(SAFE_LETTERS))] for _ in range(length))

    def uid(self) -> str:
        """A fresh object uid."""
        self.drawn += 1
        text = hashlib.sha256(f"uid:{self.seed}:{self.drawn}".encode()).hexdigest()
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"

    def later(self, seconds: float, kind: str, *args: str) -> None:
        """Set a timer `seconds` from now."""
        self.at(self.now + seconds, kind, *args)

    def at(self, due: float, kind: str, *args: str) -> None:
        """Set a timer for the world time `due`."""
        self.drawn += 1
        heapq.heappush(self.timers, [due, self.drawn, kind, list(args)])

    def has_timer(self, kind: str, *args: str) -> bool:
        """Is such a timer pending?"""
        return any(timer[2] == kind and timer[3] == list(args) for timer in self.timers)

    def drop_timers(self, *kinds: str) -> None:
        """Forget the pending timers of these kinds."""
        self.timers = [timer for timer in self.timers if timer[2] not in kinds]
        heapq.heapify(self.timers)

    def next_due(self) -> float | None:
        """When the next timer fires."""
        return self.timers[0][0] if self.timers else None

    def pop_timer(self) -> tuple[str, list[str]]:
        """Take the next timer and move time to it."""
        due, _number, kind, args = heapq.heappop(self.timers)
        self.now = max(self.now, due)
        return kind, args

    def create(self, resource: Resource, item: Json) -> Json:
        """Store a new object with uid, creation time and generation."""
        fresh = copied(item)
        meta = fresh["metadata"]
        meta.setdefault("uid", self.uid())
        meta.setdefault("creationTimestamp", stamp(self.now))
        fresh.setdefault("apiVersion", resource.api_version)
        fresh.setdefault("kind", resource.kind)
        if resource.has_status and resource.namespaced and "spec" in fresh:
            meta.setdefault("generation", 1)
        return self.store.put(resource, fresh)

    def event(self, item: Json, reason: str, message: str, source: str, kind: str = "Normal",
              at: float | None = None) -> None:  # fmt: skip
        """Record an Event about an object; the same thing again raises its count."""
        when = self.now if at is None else at
        meta = item["metadata"]
        namespace = meta.get("namespace", "default")
        about: Json = {
            "kind": item["kind"],
            "namespace": meta.get("namespace", ""),
            "name": meta["name"],
            "uid": meta["uid"],
            "apiVersion": item["apiVersion"],
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        if item["kind"] == "Pod" and source == "kubelet" and reason != "Killing":
            about["fieldPath"] = f"spec.containers{{{item['spec']['containers'][0]['name']}}}"
        print_of = json.dumps([meta["uid"], reason, message, source])
        name = f"{meta['name']}.{hashlib.sha256(print_of.encode()).hexdigest()[:16]}"
        present = self.store.peek(EVENTS, namespace, name)
        if present is not None:

            def again(draft: Json) -> None:
                draft["count"] += 1
                draft["lastTimestamp"] = stamp(when)

            self.store.update(EVENTS, present, again)
            return
        component: Json = {"component": source}
        if source == "kubelet" and "nodeName" in item.get("spec", {}):
            component["host"] = item["spec"]["nodeName"]
        self.create(EVENTS, {
            "metadata": {"name": name, "namespace": namespace, "creationTimestamp": stamp(when)},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "type": kind,
            "source": component,
            "firstTimestamp": stamp(when),
            "lastTimestamp": stamp(when),
            "count": 1,
            "eventTime": None,
            "reportingComponent": source,
            "reportingInstance": component.get("host", ""),
        })  # fmt: skip

    def forget_old_events(self) -> None:
        """Drop events past their time to live."""
        oldest = self.now - EVENT_TTL_SECONDS
        for item in self.store.every(EVENTS):
            last = item.get("lastTimestamp") or item["metadata"]["creationTimestamp"]
            if moment(last) < oldest:
                self.store.remove(EVENTS, item["metadata"]["namespace"], item["metadata"]["name"])

    def begin_life(self, workload: str, pod: str, at: float) -> None:
        """A container of the workload started."""
        self.lives.setdefault(workload, []).append([pod, at, None])

    def end_life(self, workload: str, pod: str, at: float) -> None:
        """The running container of this pod stopped."""
        for life in reversed(self.lives.get(workload, [])):
            if life[0] == pod and life[2] is None:
                life[2] = max(at, life[1])
                return

    def dump(self) -> Json:
        """Everything a restart needs, as JSON."""
        return {
            "now": self.now, "drawn": self.drawn, "seed": self.seed, "timers": self.timers,
            "lives": self.lives, "serving": self.serving, "rollouts": self.rollouts,
            "images": self.images, "leaks": self.leaks, "usual_replicas": self.usual_replicas,
            "store": self.store.dump(),
        }  # fmt: skip

    @classmethod
    def load(cls, stored: Json) -> "Engine":
        """Take over what `dump` wrote."""
        rest = dict(stored)
        store = Store()
        store.load(rest.pop("store"))
        engine = cls(store=store, **rest)
        heapq.heapify(engine.timers)
        return engine


def workload_of(item: Json) -> str:
    """Name of the workload a pod or template belongs to (its `app` label)."""
    labels = item["metadata"].get("labels") or {}
    return str(labels.get("app", item["metadata"].get("name", "")))


def condition(kind: str, *, holds: bool, reason: str, message: str, at: float) -> Json:
    """One entry of `status.conditions`."""
    return {
        "type": kind,
        "status": "True" if holds else "False",
        "reason": reason,
        "message": message,
        "lastTransitionTime": stamp(at),
    }


def set_condition(status: Json, fresh: Json, *, updates: bool = False) -> None:
    """Put a condition in place; its transition time stays while its status stays."""
    conditions = status.setdefault("conditions", [])
    for i, old in enumerate(conditions):
        if old["type"] == fresh["type"]:
            kept = dict(fresh)
            if old["status"] == fresh["status"]:
                kept["lastTransitionTime"] = old["lastTransitionTime"]
            if updates:
                same = all(old.get(k) == kept.get(k) for k in ("status", "reason", "message"))
                kept["lastUpdateTime"] = (
                    old["lastUpdateTime"] if same else fresh["lastTransitionTime"]
                )
            conditions[i] = kept
            return
    if updates:
        fresh = fresh | {"lastUpdateTime": fresh["lastTransitionTime"]}
    conditions.append(fresh)


def is_ready(pod: Json) -> bool:
    """Does the pod serve traffic?"""
    if pod["metadata"].get("deletionTimestamp"):
        return False
    conditions = pod.get("status", {}).get("conditions", ())
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
