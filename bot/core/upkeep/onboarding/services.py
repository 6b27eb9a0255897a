"""Who is there: what metrics, the cluster, the service graph and Backstage tell together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.upkeep.discovery import COUNTERS, calls_of
from bot.core.upkeep.onboarding.learning import Learned
from bot.core.upkeep.onboarding.survey import Tell
from tools.errors import BackendError, ToolError
from tools.onboarding.label_shapes import is_name, mappings
from tools.onboarding.service_drafts import (
    KINDS,
    Described,
    ServiceDraft,
    Workload,
    service_drafts,
)
from tools.ports import Clock, Cluster, Metrics
from tools.world import Catalogue

_KUBE_STATE = {  # kube-state-metrics' series of each kind, and the label that names it
    "Deployment": ("kube_deployment_labels", "kube_deployment_spec_replicas", "deployment"),
    "StatefulSet": ("kube_statefulset_labels", "kube_statefulset_replicas", "statefulset"),
    "DaemonSet": (
        "kube_daemonset_labels",
        "kube_daemonset_status_desired_number_scheduled",
        "daemonset",
    ),
}


@dataclass(slots=True)
class Platform:
    """Where to look for services; None is not configured."""

    metrics: Metrics
    clock: Clock
    cluster: Cluster | None = None
    described: Sequence[Described] = ()
    gaps: list[str] = field(default_factory=list)

    async def services(self, learned: Learned, tell: Tell) -> list[ServiceDraft]:
        """Return the services that are there."""
        workloads = await self._workloads(learned)
        names = {name for name in learned.services() if is_name(name)}
        calls = await self._calls(names)
        if calls:
            tell(f"{len(calls)} calls between services, seen in the service graph")
        found = service_drafts(
            names,
            learned.survey.targets,
            learned.survey.rule,
            workloads,
            calls,
            self.described,
            others=learned.roles().keys() - learned.services(),
        )
        tell(f"{len(found)} services")
        self._say_gaps(found)
        return found

    def _say_gaps(self, found: Sequence[ServiceDraft]) -> None:
        if self.cluster is None:
            self.gaps.append(
                "Kubernetes is not configured: workloads are read from metrics, where they say so"
            )
        nobody = [each.name for each in found if not each.team]
        if nobody:
            self.gaps.append(
                f"no label, annotation or catalog-info.yaml says who owns: {', '.join(nobody)}"
            )
        known = {each.name for each in found} | {n for d in found for _, n in d.workloads}
        unseen = [d.name for d in self.described if d.name not in known and not d.names & known]
        if unseen:
            self.gaps.append(f"Backstage describes what no metric tells of: {', '.join(unseen)}")

    async def _workloads(self, learned: Learned) -> list[Workload]:
        found = await self._listed(self.cluster) if self.cluster is not None else []
        if found:
            return found
        for kind, (labelled, plain, label) in _KUBE_STATE.items():
            name = next((n for n in (labelled, plain) if n in learned.survey.families), "")
            if name:
                rows = await self.metrics.query(name, self.clock.now())
                found += [_of_row(kind, label, row) for row in mappings(r for r, _ in rows)]
        return [each for each in found if each.name]

    async def _listed(self, cluster: Cluster) -> list[Workload]:
        """Return the workloads of the cluster; a kind that cannot be read hides no other."""
        found: list[Workload] = []
        for kind in KINDS:
            try:
                found += [workload_of_object(kind, each) for each in await cluster.list(kind, "")]
            except ToolError as error:
                self.gaps.append(f"the cluster's {kind}s were not read: {error}")
        return found

    async def _calls(self, names: set[str]) -> list[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        catalogue = Catalogue({}, {})
        for counter in COUNTERS:
            try:
                total = await self.metrics.query(counter.total, self.clock.now())
            except BackendError as error:
                self.gaps.append(f"the service graph ({counter.source}) was not read: {error}")
                continue
            for call in calls_of(counter, total, (), catalogue):
                found.add((str(call.client), str(call.server)))
        return sorted(pair for pair in found if set(pair) <= names)


def workload_of_object(kind: str, item: Mapping[str, Any]) -> Workload:
    """Return a workload from an object as Kubernetes' API serves it."""
    about = item.get("metadata") or {}
    said = {**(about.get("annotations") or {}), **(about.get("labels") or {})}
    labels = {str(key): str(value) for key, value in said.items()}
    return Workload(kind, str(about.get("namespace", "")), str(about.get("name", "")), labels)


def _of_row(kind: str, label: str, row: Mapping[str, str]) -> Workload:
    """Return a workload from kube-state-metrics; `exported_` is what it said before a rewrite."""
    name = row.get(f"exported_{label}") or row.get(label, "")
    space = row.get("exported_namespace") or row.get("namespace", "")
    labels = {k.removeprefix("label_"): v for k, v in row.items() if k.startswith("label_")}
    return Workload(kind, space, name, labels)
