"""A cluster in memory: both ports, JSON patch, resourceVersion, dry run, and failures on demand."""

from __future__ import annotations

import builtins
import copy
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from tools.errors import BackendRefusedError, GoneError, LostRaceError, NotFoundError
from tools.ports import Health
from tools.world import ClusterEvent, PodStatus, Window, WorkloadRef

Key = tuple[str, str, str]
CLUSTER_SCOPED = frozenset({"Node", "Namespace", "NodeMetrics"})
MEASURED = frozenset({"PodMetrics", "NodeMetrics"})  # served where somebody measures


class FakeCluster:
    """Implements `tools.ports.Cluster` and `ClusterActor` over a dictionary of objects."""

    def __init__(self, objects: Sequence[Mapping[str, Any]] = ()) -> None:
        self._versions = itertools.count(1)
        self.objects: dict[Key, dict[str, Any]] = {}
        self.sent: list[tuple[str, WorkloadRef, Any]] = []  # changes that took effect
        self.event_list: list[ClusterEvent] = []
        self.pod_list: list[PodStatus] = []
        self.fail_next: list[Exception] = []  # raised before a change takes effect
        self.unreadable: dict[str, Exception] = {}  # raised where an object of a name is read
        self.lose_answer: Exception | None = None  # raised after a change took effect
        self.after_change: dict[int, Callable[[], Awaitable[object]]] = {}  # by number, from 1
        self.pod_answers: dict[str, Mapping[str, Any]] = {}  # what a pod's endpoint tells, by name
        self.pod_logs: dict[str, str] = {}
        self.previous_logs: dict[str, str] = {}  # of containers that ended, by their pod
        for each in objects:
            self.put(each)

    def put(self, item: Mapping[str, Any]) -> None:
        """Create or replace an object as somebody else would: its version moves."""
        body = copy.deepcopy(dict(item))
        meta = body.setdefault("metadata", {})
        meta.setdefault("uid", f"uid-{body['kind']}-{meta['name']}")
        meta["resourceVersion"] = str(next(self._versions))
        self.objects[body["kind"], meta.get("namespace", ""), meta["name"]] = body

    async def get(self, ref: WorkloadRef) -> Mapping[str, Any]:
        if ref.name in self.unreadable:
            raise self.unreadable[ref.name]
        return copy.deepcopy(self._find(ref))

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Any]]:
        if kind in MEASURED and not any(k == kind for k, _, _ in self.objects):
            raise GoneError(f"the cluster serves no {kind}")
        return [
            copy.deepcopy(item)
            for (k, ns, _), item in sorted(self.objects.items())
            if k == kind
            and (not namespace or ns == namespace)
            and (selector or {}).items() <= (item["metadata"].get("labels") or {}).items()
        ]

    async def logs(self, pod: WorkloadRef, lines: int) -> str:
        self._find(pod)
        return "\n".join(self.pod_logs.get(pod.name, "").splitlines()[-lines:])

    async def log_of(
        self, pod: WorkloadRef, container: str = "", *, previous: bool = False, lines: int = 100
    ) -> str:
        self._find(pod)
        kept = self.previous_logs if previous else self.pod_logs
        if previous and pod.name not in kept:
            raise GoneError(f"previous terminated container {container!r} in {pod} not found")
        return "\n".join(kept.get(pod.name, "").splitlines()[-lines:])

    async def ask_pod(self, pod: WorkloadRef, port: int, path: str) -> Mapping[str, Any]:
        try:
            return self.pod_answers[pod.name]
        except KeyError:
            raise NotFoundError(f"{pod} answers nothing at {port}/{path}") from None

    async def patch(
        self,
        ref: WorkloadRef,
        operations: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool,
        subresource: str = "",
    ) -> Mapping[str, Any]:
        after = copy.deepcopy(self._find(ref))
        self._maybe_fail()
        for operation in operations:
            apply(after, operation)
        if not dry_run:
            self.put(after)
            self.sent.append(("patch", ref, list(operations)))
            await self._changed()
        return copy.deepcopy(self._find(ref) if not dry_run else after)

    async def delete(
        self, ref: WorkloadRef, *, dry_run: bool, grace_seconds: int = 30, uid: str = ""
    ) -> None:
        item = self._find(ref)
        self._maybe_fail()
        if uid and item["metadata"]["uid"] != uid:
            raise LostRaceError(f"{ref} has another uid")
        if not dry_run:
            del self.objects[ref.kind, ref.namespace, ref.name]
            self.sent.append(("delete", ref, grace_seconds))
            await self._changed()

    async def create(
        self, ref: WorkloadRef, body: Mapping[str, Any], *, dry_run: bool, subresource: str = ""
    ) -> Mapping[str, Any]:
        self._maybe_fail()
        if subresource == "eviction":
            asked = (body.get("deleteOptions") or {}).get("preconditions") or {}
            await self.delete(ref, dry_run=dry_run, uid=asked.get("uid", ""))
            return body
        if (ref.kind, ref.namespace, ref.name) in self.objects:
            raise LostRaceError(f"{ref} exists already")
        if not dry_run:
            self.put(body)
            self.sent.append(("create", ref, body))
            await self._changed()
        return copy.deepcopy(dict(body))

    async def events(self, window: Window, namespace: str = "") -> builtins.list[ClusterEvent]:
        found = [
            event
            for event in self.event_list
            if window.overlaps(event.began, event.at)
            and (not namespace or (event.workload.namespace or "default") == namespace)
        ]
        return sorted(found, key=lambda event: event.at, reverse=True)

    async def pods(self, workload: WorkloadRef) -> builtins.list[PodStatus]:
        self._find(workload)
        if workload.kind == "Pod":
            return [p for p in self.pod_list if p.ref.name == workload.name]
        return [p for p in self.pod_list if p.ref.name.startswith(f"{workload.name}-")]

    async def health(self) -> Health:
        return Health("kubernetes", up=True)

    def _find(self, ref: WorkloadRef) -> dict[str, Any]:
        space = "" if ref.kind in CLUSTER_SCOPED else ref.namespace
        try:
            return self.objects[ref.kind, space, ref.name]
        except KeyError:
            raise NotFoundError(f"{ref} does not exist") from None

    def _maybe_fail(self) -> None:
        if self.fail_next:
            raise self.fail_next.pop(0)

    async def _changed(self) -> None:
        meanwhile = self.after_change.pop(len(self.sent), None)
        if meanwhile is not None:
            await meanwhile()
        if self.lose_answer is not None:
            error, self.lose_answer = self.lose_answer, None
            raise error


def apply(document: dict[str, Any], operation: Mapping[str, Any]) -> None:
    """Apply one RFC 6902 operation; a failed `test` is a lost race, as on the server."""
    *parents, last = [
        part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
    ]
    place: Any = document
    try:
        for part in parents:
            place = place[int(part)] if isinstance(place, list) else place[part]
        key: Any = int(last) if isinstance(place, list) and last != "-" else last
        present = key in place if isinstance(place, dict) else key != "-" and key < len(place)
    except (KeyError, IndexError) as error:
        raise BackendRefusedError("kubernetes", f"no path {operation['path']!r}") from error
    if operation["op"] == "test":
        if not present or place[key] != operation["value"]:
            raise LostRaceError(f"test of {operation['path']} failed")
    elif operation["op"] == "add" and isinstance(place, list):
        place.append(operation["value"]) if key == "-" else place.insert(key, operation["value"])
    elif operation["op"] == "add":
        place[key] = operation["value"]
    elif not present:
        raise BackendRefusedError("kubernetes", f"no path {operation['path']!r}")
    elif operation["op"] == "replace":
        place[key] = operation["value"]
    else:
        del place[key]
