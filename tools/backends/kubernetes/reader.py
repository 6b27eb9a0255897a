"""The Cluster port: reading with the reading identity."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tools.backends.condition import Condition
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.failures import Object
from tools.backends.kubernetes.kinds import rbac_rule, resource_of
from tools.backends.kubernetes.selectors import equality, selector_of
from tools.backends.kubernetes.session import KubernetesSession
from tools.backends.kubernetes.watch import Essence, Seen, Watch
from tools.errors import BackendDeniedError
from tools.ports import Health
from tools.world import ClusterEvent, PodStatus, Window, WorkloadRef

MOST_EVENTS = 5_000  # remembered of one cluster; the oldest go first


def bare_event(item: Object) -> Object:
    """Return an event without the record of who wrote which field."""
    own = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**item, "metadata": own}


class EventMemory:
    """Events by uid as a watch saw them, which the cluster has forgotten by now."""

    def __init__(self) -> None:
        self._items: dict[str, Object] = {}

    async def seen(self, kind: str, before: Object | None, after: Object | None) -> None:  # noqa: ARG002 - what a watch tells
        """Keep the newest state of an event; one that the cluster forgets stays."""
        if after is None:
            return
        uid = str(after["metadata"].get("uid", ""))
        self._items.pop(uid, None)
        self._items[uid] = after
        while len(self._items) > MOST_EVENTS:
            del self._items[next(iter(self._items))]

    def of(self, namespace: str) -> dict[str, Object]:
        """Return what is remembered of a namespace, of all when none is named."""
        return {
            uid: item
            for uid, item in self._items.items()
            if not namespace or item["metadata"].get("namespace") == namespace
        }


READ_KINDS = (
    "Event", "Pod", "ConfigMap", "Deployment", "ReplicaSet", "StatefulSet", "ControllerRevision",
    "HorizontalPodAutoscaler", "Node",
)  # fmt: skip


class KubernetesReader:
    """Reads one cluster; changes nothing."""

    def __init__(self, config: KubernetesConfig) -> None:
        self._config = config
        self._session = KubernetesSession(config, acting=False)
        self.memory = EventMemory()

    async def close(self) -> None:
        await self._session.close()

    @property
    def condition(self) -> Condition:
        """How it is, learned from every call."""
        return self._session.condition

    async def health(self) -> Health:
        return await self._session.health()

    async def get(self, ref: WorkloadRef) -> Mapping[str, Any]:
        self._where(ref.namespace)
        return await self._session.get(ref)

    async def events(
        self, window: Window, namespace: str = "", name: str = ""
    ) -> list[ClusterEvent]:
        items = self.memory.of(namespace)
        for where in self._where(namespace):
            listed = await self._session.list("Event", where, {})
            items |= {str(item["metadata"].get("uid", "")): item for item in listed}
        found = (self._event(item) for item in items.values())
        events = [
            event
            for event in found
            if event is not None
            and window.start <= event.at <= window.end
            and event.workload.name.startswith(name)
        ]
        return sorted(events, key=lambda event: event.at, reverse=True)

    def remember_events(self) -> list[Watch]:
        """Return the watches that keep events longer than the cluster does (about an hour)."""
        return self.watch("Event", bare_event, self.memory.seen)

    async def pods(self, workload: WorkloadRef) -> list[PodStatus]:
        if workload.kind == "Pod":
            return [self._pod(dict(await self.get(workload)))]
        owner = await self.get(workload)
        selector = {"labelSelector": selector_of(owner)}
        owners = {owner["metadata"]["uid"]}
        if workload.kind == "Deployment":
            sets = await self._session.list("ReplicaSet", workload.namespace, selector)
            owners = {each["metadata"]["uid"] for each in sets if owners & set(_owners(each))}
        pods = await self._session.list("Pod", workload.namespace, selector)
        return [self._pod(pod) for pod in pods if owners & set(_owners(pod))]

    def watch(self, kind: str, essence: Essence, seen: Seen) -> list[Watch]:
        """Return what follows a kind wherever we may look; whoever asks runs it."""
        return [
            Watch(self._session, kind, where, essence, seen)
            for where in self._config.namespaces or ("",)
        ]

    @property
    def name(self) -> str:
        """The cluster's name in references."""
        return self._config.name

    async def missing_rules(self) -> list[str]:
        """Return the RBAC rules that reading needs and the identity lacks, one kind each."""
        missing: list[str] = []
        for kind in READ_KINDS:
            resource = resource_of(kind)
            for where in (self._config.namespaces or ("",)) if resource.namespaced else ("",):
                try:
                    await self._session.list(kind, where, {}, first_page_of=1)
                except BackendDeniedError:
                    missing.append(rbac_rule("list", resource, where))
        return missing

    def _where(self, namespace: str) -> tuple[str, ...]:
        """Return where to look. Raises BackendDeniedError outside the allow-list."""
        allowed = self._config.namespaces
        if namespace and allowed and namespace not in allowed:
            raise BackendDeniedError(
                self._session.name,
                f"namespace {namespace!r} is not one we may look into; add it to "
                f"{self._config.setting_namespaces} ({', '.join(allowed)})",
            )
        return (namespace,) if namespace else allowed or ("",)

    def _event(self, item: Object) -> ClusterEvent | None:
        series = item.get("series") or {}
        stamp = (
            series.get("lastObservedTime")
            or item.get("lastTimestamp")
            or item.get("eventTime")
            or (item.get("metadata") or {}).get("creationTimestamp")
        )
        at = time_of(stamp)
        if at is None:
            return None
        about = item.get("involvedObject") or item.get("regarding") or {}
        return ClusterEvent(
            at=at,
            workload=WorkloadRef(
                self._config.name,
                about.get("namespace", ""),
                about.get("kind", ""),
                about.get("name", ""),
                about.get("uid", ""),
            ),
            type=item.get("type", "Normal"),
            reason=item.get("reason", ""),
            message=item.get("message") or item.get("note") or "",
            count=int(series.get("count") or item.get("count") or 1),
        )

    def _pod(self, pod: Object) -> PodStatus:
        meta, status = pod["metadata"], pod.get("status") or {}
        containers = status.get("containerStatuses") or []
        ready = any(
            each.get("type") == "Ready" and each.get("status") == "True"
            for each in status.get("conditions") or ()
        )
        spec = (pod.get("spec") or {}).get("containers") or [{}]
        return PodStatus(
            ref=WorkloadRef(
                self._config.name, meta.get("namespace", ""), "Pod", meta["name"], meta["uid"]
            ),
            phase="Terminating" if meta.get("deletionTimestamp") else status.get("phase", ""),
            ready=ready,
            restarts=sum(int(each.get("restartCount", 0)) for each in containers),
            started_at=_started(status, containers),
            image=spec[0].get("image", ""),
            reason=_reason(status, containers),
            node=(pod.get("spec") or {}).get("nodeName", ""),
        )

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Any]]:
        query = {"labelSelector": equality(selector)}
        found: list[Mapping[str, Any]] = []
        for where in self._where(namespace) if resource_of(kind).namespaced else ("",):
            found.extend(await self._session.list(kind, where, query))
        return found


def time_of(stamp: str | None) -> datetime | None:
    """Read an API timestamp, or None when there is none."""
    return datetime.fromisoformat(stamp).astimezone(UTC) if stamp else None


def _owners(item: Object) -> Iterator[str]:
    for each in item["metadata"].get("ownerReferences") or ():
        yield each["uid"]


def _started(status: Object, containers: list[Object]) -> datetime | None:
    """Return when the youngest running container started, else when the pod did."""
    running = [
        ((each.get("state") or {}).get("running") or {}).get("startedAt") for each in containers
    ]
    stamps = [stamp for stamp in running if stamp]
    return time_of(max(stamps) if stamps else status.get("startTime"))


def _reason(status: Object, containers: list[Object]) -> str:
    """Return why the pod is unwell: a waiting reason, or how its last container ended."""
    for each in containers:
        waiting = (each.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") and waiting["reason"] not in {
            "ContainerCreating",
            "PodInitializing",
        }:
            return str(waiting["reason"])
    for each in containers:
        for when in ("state", "lastState"):
            ended = (each.get(when) or {}).get("terminated") or {}
            if ended.get("reason") and ended["reason"] != "Completed":
                return str(ended["reason"])
    return str(status.get("reason", ""))
