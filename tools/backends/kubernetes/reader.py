"""The Cluster port: reading with the reading identity."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from tools.backends.condition import Condition
from tools.backends.kubernetes.calls import KubernetesCall
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.kubernetes.events import EventMemory, bare_event, told_once
from tools.backends.kubernetes.failures import Object
from tools.backends.kubernetes.kinds import KINDS, NEWER_EVENT, rbac_rule, resource_of
from tools.backends.kubernetes.pod_status import pod_status
from tools.backends.kubernetes.selectors import equality, selector_of
from tools.backends.kubernetes.session import KubernetesSession
from tools.backends.kubernetes.watch import Essence, Seen, Watch
from tools.errors import (
    BackendDeniedError,
    BackendError,
    BackendRefusedError,
    BackendUnavailableError,
    GoneError,
    NotFoundError,
)
from tools.ownership import Reference
from tools.ownership_reader import BETWEEN, OwnershipReader
from tools.ports import MOST_LOG_BYTES, Health
from tools.world import ClusterEvent, PodStatus, Window, WorkloadRef

MEASURED = ("PodMetrics", "NodeMetrics")  # served by metrics-server, where there is one
READ_KINDS = (
    "Event", "Pod", "ConfigMap", "Deployment", "ReplicaSet", "StatefulSet", "ControllerRevision",
    "DaemonSet", "Job", "CronJob", "HorizontalPodAutoscaler", "Node", "Service",
    "PersistentVolumeClaim", "PersistentVolume", "StorageClass", "ResourceQuota", "Ingress",
    "NetworkPolicy", "PodDisruptionBudget", *MEASURED,
)  # fmt: skip

# how a kubelet says that there is nothing to read: of a container that ended, of one that waits
NO_LOG = (
    "previous terminated container",
    "is waiting to start",
    "unable to retrieve container logs",
)


class KubernetesReader:
    """Reads one cluster; changes nothing."""

    def __init__(self, config: KubernetesConfig) -> None:
        self._config = config
        self._session = KubernetesSession(config, acting=False)
        self.memory = EventMemory()
        self._has_newer_events = True  # until it is refused

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

    async def events(self, window: Window, namespace: str = "") -> list[ClusterEvent]:
        items = self.memory.of(namespace)
        for where in self._where(namespace):
            items += await self._stored_events(where)
        told = told_once(items, self._config.name)
        return [each for each in told if window.overlaps(each.began, each.at)]

    async def _stored_events(self, where: str) -> list[Object]:
        """List the events of a namespace by both APIs, which serve the same stored ones.

        One is enough: who may not read the newer API, or has none, is not asked for it again.
        """
        denied: BackendDeniedError | None = None
        try:
            found = await self._session.list("Event", where, {})
        except BackendDeniedError as error:
            found, denied = [], error
        if self._has_newer_events:
            try:
                return found + await self._session.list(NEWER_EVENT, where, {})
            except (BackendDeniedError, NotFoundError):
                self._has_newer_events = denied is not None
            except BackendError:
                if denied is not None:
                    raise
        if denied is not None:
            raise denied
        return found

    def remember_events(self) -> list[Watch]:
        """Return the watches that keep events longer than the cluster does (about an hour)."""
        return self.watch("Event", bare_event, self.memory.seen)

    async def pods(self, workload: WorkloadRef) -> list[PodStatus]:
        name = self._config.name
        if workload.kind == "Pod":
            return [pod_status(dict(await self.get(workload)), name)]
        try:
            owner = await self.get(workload) if workload.kind in KINDS else None
        except BackendDeniedError:
            owner = None
        if owner is None:  # its pods, or what stands between, name it as their owner
            self._where(workload.namespace)
            named = Reference(workload, None)
            _, found = await OwnershipReader(self, name).pods_of_named(named)
            return [pod_status(dict(pod), name) for pod in found]
        selector = {"labelSelector": selector_of(owner)}
        owners = {owner["metadata"]["uid"]}
        if between := BETWEEN.get(workload.kind):
            own = selector if between == "ReplicaSet" else {}
            items = await self._session.list(between, workload.namespace, own)
            owners |= {each["metadata"]["uid"] for each in items if owners & set(_owners(each))}
        pods = await self._session.list("Pod", workload.namespace, selector)
        return [pod_status(pod, name) for pod in pods if owners & set(_owners(pod))]

    async def log_of(
        self, pod: WorkloadRef, container: str = "", *, previous: bool = False, lines: int = 100
    ) -> str:
        self._where(pod.namespace)
        query = {
            "tailLines": str(lines),
            "timestamps": "true",
            "limitBytes": str(MOST_LOG_BYTES),
            **({"container": container} if container else {}),
            **({"previous": "true"} if previous else {}),
        }
        call = KubernetesCall("get", resource_of("Pod"), pod, "log")
        try:
            return await self._session.text(call, query)
        except BackendRefusedError as error:
            if any(words in str(error) for words in NO_LOG):
                raise GoneError(str(error)) from error
            raise

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

    async def missing_rules(self, kinds: Collection[str] = ()) -> list[str]:
        """Return the RBAC rules that reading needs and the identity lacks, one kind each."""
        missing: list[str] = []
        for kind in dict.fromkeys((*READ_KINDS, *sorted(KINDS.keys() & set(kinds)))):
            resource = resource_of(kind)
            for where in (self._config.namespaces or ("",)) if resource.namespaced else ("",):
                try:
                    await self._session.list(kind, where, {}, first_page_of=1)
                except BackendDeniedError:
                    missing.append(rbac_rule("list", resource, where))
                except NotFoundError:
                    continue  # the cluster serves no such kind: there is nothing to read
                except BackendUnavailableError:
                    if kind not in MEASURED:  # a metrics-server that is down says nothing of rights
                        raise
        return [*missing, *await self._missing_log_rule()]

    async def _missing_log_rule(self) -> list[str]:
        """Return the rule that reading logs needs; asked of the first pod there is."""
        pods: list[Object] = []
        for where in self._config.namespaces or ("",):
            try:
                pods = await self._session.list("Pod", where, {}, first_page_of=1)
                for pod in pods:
                    own = pod["metadata"]
                    ref = WorkloadRef(self.name, own.get("namespace", ""), "Pod", own["name"])
                    await self.log_of(ref, lines=1)
            except BackendDeniedError:
                return [rbac_rule("get", resource_of("Pod"), where, "log")] if pods else []
            except (BackendError, NotFoundError):
                continue  # that pod has none, which says nothing of our rights
        return []

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

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Any]]:
        query = {"labelSelector": equality(selector)}
        found: list[Mapping[str, Any]] = []
        for where in self._where(namespace) if resource_of(kind).namespaced else ("",):
            found.extend(await self._session.list(kind, where, query))
        return found


def _owners(item: Object) -> Iterator[str]:
    for each in item["metadata"].get("ownerReferences") or ():
        yield each["uid"]
