"""Services: who is there, where each runs, whose it is, and whom it calls.

subjects of metrics, labels of targets, workloads of the cluster, Backstage ──> ServiceDraft
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tools.onboarding.families import words_of
from tools.onboarding.label_shapes import (
    Rows,
    is_name,
    kind_of,
    pod_label,
    team_label,
    workload_of,
)
from tools.onboarding.subjects import Subject
from tools.onboarding.vocabulary import listed

SYSTEM_NAMESPACES = ("kube-system", "kube-public", "kube-node-lease")
KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_OWN_NAMES = ("app.kubernetes.io/name", "app.kubernetes.io/instance", "app", "k8s-app", "service")


@dataclass(frozen=True, slots=True)
class Workload:
    """What runs a service."""

    kind: str
    namespace: str
    name: str
    labels: Mapping[str, str] = field(default_factory=dict)  # annotations too

    @property
    def names(self) -> frozenset[str]:
        """What a service that it runs may be called."""
        said = [self.labels[key] for key in _OWN_NAMES if self.labels.get(key)]
        return frozenset([self.name, *said])

    @property
    def team(self) -> str:
        """Whose it is, as its labels and annotations say."""
        for key, value in sorted(self.labels.items()):
            if set(words_of(key.rpartition("/")[2])) & listed("label_team") and is_name(value):
                return value
        return ""


@dataclass(frozen=True, slots=True)
class Described:
    """What a catalogue of components (Backstage) says of one."""

    name: str
    team: str = ""
    system: str = ""
    calls: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()  # other names: of its Kubernetes objects
    dashboards: tuple[str, ...] = ()
    runbooks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceDraft:
    """One service that is proposed."""

    name: str
    namespace: str = ""
    team: str = ""
    workloads: tuple[tuple[str, str], ...] = ()  # kind and name
    dependencies: tuple[str, ...] = ()
    dashboards: tuple[str, ...] = ()
    runbooks: tuple[str, ...] = ()


def service_drafts(
    names: Collection[str],
    targets: Rows,
    rule: Subject | None,
    workloads: Sequence[Workload],
    calls: Iterable[tuple[str, str]],
    described: Sequence[Described],
    *,
    others: Collection[str] = (),
) -> list[ServiceDraft]:
    """Return the services, by name; `names` are those of which metrics tell.

    `others` are told of as well and are none: machines, exporters. What runs them is none either.
    """
    ours = {name for name in names if is_name(name)}
    seen = {name: _seen(name, targets, rule) for name in ours}
    runs = {name: _running(name, seen[name], workloads) for name in ours}
    taken = {id(each) for found in runs.values() for each in found}
    for each in workloads:  # what runs and of which no metric tells is there all the same
        free = id(each) not in taken and each.name not in ours and not each.names & set(others)
        if free and each.namespace not in SYSTEM_NAMESPACES:
            ours.add(each.name)
            runs[each.name] = [each]
    about = {name: _about(name, runs.get(name, []), described) for name in ours}
    callees: dict[str, set[str]] = {}
    for client, server in calls:
        if client in ours and server in ours and client != server:
            callees.setdefault(client, set()).add(server)
    return [
        _draft(name, seen.get(name, []), runs.get(name, []), about[name], callees, ours)
        for name in sorted(ours)
    ]


def _seen(name: str, targets: Rows, rule: Subject | None) -> list[Mapping[str, str]]:
    return [row for row in targets if rule is not None and rule.of(row) == name]


def _running(
    name: str, rows: Sequence[Mapping[str, str]], workloads: Sequence[Workload]
) -> list[Workload]:
    """Return the workloads of a service: of its targets' pods, else of its name."""
    pod = pod_label(list(rows))
    spaces = {_namespace(row) for row in rows} - {""}
    if pod:
        named = {(workload_of(row[pod]), _namespace(row), row[pod]) for row in rows if row.get(pod)}
        known = {(each.name, each.namespace): each for each in workloads}
        found = {
            (own, space): known.get((own, space)) or Workload(kind_of(drawn), space, own)
            for own, space, drawn in sorted(named)
        }
        return list(found.values())
    fits = [each for each in workloads if name in each.names]
    here = [each for each in fits if each.namespace in spaces] or fits
    # the same name in several namespaces is several services: nobody said which one this is
    return here if len({each.namespace for each in here}) < 2 else []


def _namespace(row: Mapping[str, str]) -> str:
    for label in ("namespace", "kubernetes_namespace", "k8s_namespace_name", "exported_namespace"):
        if row.get(label):
            return row[label]
    return next((v for k, v in sorted(row.items()) if "namespace" in words_of(k)), "")


def _about(name: str, runs: Sequence[Workload], described: Sequence[Described]) -> Described:
    known = {name, *(each.name for each in runs)}
    fits = [each for each in described if each.name in known or each.names & known]
    return fits[0] if fits else Described(name)


def _draft(
    name: str,
    rows: Sequence[Mapping[str, str]],
    runs: Sequence[Workload],
    about: Described,
    callees: Mapping[str, set[str]],
    ours: Collection[str],
) -> ServiceDraft:
    label = team_label(list(rows))
    said = Counter(row[label] for row in rows if label and row.get(label))
    teams = [about.team, *(t for t, _ in said.most_common(1)), *(each.team for each in runs)]
    spaces = [each.namespace for each in runs] or [_namespace(row) for row in rows]
    calls = {each for each in about.calls if each in ours and each != name}
    return ServiceDraft(
        name=name,
        namespace=next((each for each in spaces if each), ""),
        team=next((each for each in teams if each), ""),
        workloads=tuple(sorted({(each.kind, each.name) for each in runs})),
        dependencies=tuple(sorted(calls | callees.get(name, set()))),
        dashboards=about.dashboards,
        runbooks=about.runbooks,
    )
