"""The tool that reads any object of a cluster, as `kubectl get` does: one whole, or a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from foundation.nearest import nearest
from foundation.shortened import shortened_line
from tools.contract import Risk, ToolResult, tool
from tools.errors import (
    BackendDeniedError,
    BackendError,
    BackendUnavailableError,
    GoneError,
    NotFoundError,
)
from tools.fleet import members_of, pick, silence
from tools.kubernetes_objects import Json, meta
from tools.observe.asking import service_of, stamp
from tools.observe.manifest import cleaned, yaml_lines
from tools.observe.object_names import WITHOUT_NAMESPACE, ObjectName, object_named
from tools.observe.object_rows import Row, cells, row_of
from tools.ports import Clock, Cluster
from tools.world import DEFAULT_CLUSTER, Catalogue, ServiceSpec, WorkloadRef

SHOWN = 30  # rows of a table in the summary
MOST_OBJECTS = 3  # of one name in several namespaces, shown whole
LONGEST_CELL = 120
Object = tuple[WorkloadRef, Json]
_UNREAD = (BackendDeniedError, BackendUnavailableError)
EVERYWHERE = frozenset({"*", "all", "-a", "all namespaces"})


@dataclass
class Search:
    """Where objects are looked for, and what came of it."""

    kind: str
    members: dict[str, Cluster]
    spaces: Sequence[str]  # ("",) means everywhere
    gaps: list[str] = field(default_factory=list)

    async def every(self) -> list[Object]:
        """Return the objects of the kind; what may not be read is a gap.

        Raises BackendError when nothing could be read.
        """
        found: list[Object] = []
        refused: list[BackendError] = []
        for name, member, space in self._places():
            try:
                items = await member.list(self.kind, space)
            except NotFoundError:
                self.gaps.append(f"{name or 'the cluster'} serves no {self.kind}")
            except _UNREAD as error:
                refused.append(error)
                self.gaps.append(str(error))
            else:
                found += [(_ref(name, self.kind, item), item) for item in items]
        if len(refused) == len(self._places()):
            raise refused[0]
        return found

    async def bearing(self, called: str) -> list[Object]:
        """Return the objects of exactly this name, read one by one where the namespaces are few."""
        if self.spaces == ("",) and self.kind not in WITHOUT_NAMESPACE:
            return [each for each in await self.every() if each[0].name == called]
        found: list[Object] = []
        for name, member, space in self._places():
            ref = WorkloadRef(name or DEFAULT_CLUSTER, space, self.kind, called)
            with suppress(NotFoundError, *_UNREAD):  # listing says the same, and tells it
                found.append((ref, await member.get(ref)))
        return found

    def _places(self) -> list[tuple[str, Cluster, str]]:
        return [(name, each, space) for name, each in self.members.items() for space in self.spaces]


def _ref(cluster: str, kind: str, item: Json) -> WorkloadRef:
    own = meta(item)
    space = "" if kind in WITHOUT_NAMESPACE else str(own.get("namespace") or "")
    return WorkloadRef(cluster or DEFAULT_CLUSTER, space, kind, str(own.get("name") or ""))


@tool(risk=Risk.READ)
async def kubernetes_get(
    clusters: Cluster,
    clock: Clock,
    catalogue: Catalogue,
    /,
    kind: str,
    name: str = "",
    namespace: str = "",
    service: str = "",
    cluster: str = "",
) -> ToolResult:
    """Read Kubernetes objects as kubectl get does: one by name as YAML, else a table, worst first.

    Use it for what describe_workload and examine_objects do not tell: a spec, probes, limits,
    environment, a ConfigMap's text, an HPA, a node, what runs beside. Secrets are never read.

    Args:
        kind: Pod, Deployment, Node, ConfigMap, HPA, PVC, Service, Job …; short names as in kubectl.
        name: Name as people write it: my-api, team-a/my-api, node/n1. Empty for a table.
        namespace: Namespace; empty for those of catalogued services, "all" for every one.
        service: Only the objects of this service, by name or alias; empty for all.
        cluster: Cluster by name; empty for the service's own, or all.
    """
    spec = service_of(catalogue, service) if service else None
    asked = object_named(name, kind) if name.strip() else object_named("any", kind)
    place = pick(clusters, cluster, cluster=spec.cluster if spec else "", what="cluster")
    spaces = _spaces(asked, namespace, spec, catalogue)
    search = Search(asked.kind, members_of(place), spaces)
    called = asked.name if name.strip() else ""
    found = await search.bearing(called) if called else []
    if found:
        head = f"{', '.join(str(ref) for ref, _ in found)} at {stamp(clock.now())}"
        lines, payload = _whole(found, catalogue, clock.now())
    elif called:
        every = await search.every()
        found = [each for each in every if each[0].name.startswith(f"{called}-")]
        if not found:
            raise _nothing(asked, spaces, every, search.gaps)
        head = f"no {asked.kind} is called {called!r}; {len(found)} begin so"
        lines, payload = _table(found, catalogue, clock.now())
    else:
        every = await search.every()
        found, note = _of_service(every, spec, catalogue)
        head = f"{len(found) or 'no'} {asked.kind} in {_where(spaces, asked.kind)}{note}"
        lines, payload = _table(found, catalogue, clock.now())
    lines += [f"NOT LOOKED AT: {gap}" for gap in dict.fromkeys(search.gaps)]
    lines += silence(place)
    payload |= {"kind": asked.kind, "count": len(found), "gaps": list(dict.fromkeys(search.gaps))}
    return ToolResult("\n".join([head, *lines]), payload, value=tuple(found))


def _spaces(
    asked: ObjectName, namespace: str, spec: ServiceSpec | None, catalogue: Catalogue
) -> tuple[str, ...]:
    """Return the namespaces to search in, the empty one for everywhere."""
    if asked.kind in WITHOUT_NAMESPACE:
        return ("",)
    said = namespace.strip().lower()
    if said in EVERYWHERE:
        return ("",)
    if said or asked.namespace:
        return (object_named(said or asked.namespace, "Namespace").name,)
    if spec is not None:
        own = {spec.namespace, *(ref.namespace for ref in spec.workloads)} - {""}
        return tuple(sorted(own)) or ("",)
    known = {s.namespace for s in catalogue.services.values() if s.namespace}
    return tuple(sorted(known)) or ("",)


def _where(spaces: Sequence[str], kind: str) -> str:
    if kind in WITHOUT_NAMESPACE:
        return "the cluster"
    return "all namespaces" if spaces == ("",) else f"namespace {', '.join(spaces)}"


def _of_service(
    found: list[Object], spec: ServiceSpec | None, catalogue: Catalogue
) -> tuple[list[Object], str]:
    """Return a service's objects; where no name says whose they are all of them, and a note."""
    if spec is None:
        return found, ""
    own = [each for each in found if spec in catalogue.services_of(each[0])]
    if own or not found:
        return own, f", of {spec.name}"
    return found, f" (none is told to be of {spec.name} by its name: all are shown)"


def _table(
    found: Iterable[Object], catalogue: Catalogue, now: datetime
) -> tuple[list[str], dict[str, Any]]:
    """Return the lines of a table, worst first, and its rows."""
    rows = [_row(each, catalogue) for each in found]
    rows.sort(key=lambda row: (row["namespace"], row["name"]))
    rows.sort(key=lambda row: str(row.get("last", "")), reverse=True)  # of events the newest
    rows.sort(key=lambda row: -row["bad"])
    shown = [cells(row, now) for row in rows[:SHOWN]]
    columns = list(dict.fromkeys(column for row in shown for column in row))
    columns.sort(key=lambda column: column == "AGE")
    lines = ["  ".join(columns)] if shown else []
    lines += [
        "  ".join(shortened_line(row.get(column, "-"), LONGEST_CELL) for column in columns)
        for row in shown
    ]
    if len(rows) > SHOWN:
        lines.append(f"… {len(rows) - SHOWN} more in the evidence, less bad than these")
    return lines, {"objects": rows}


def _row(each: Object, catalogue: Catalogue) -> Row:
    ref, item = each
    own = catalogue.service_of(ref)
    return row_of(ref, item, own.name if own is not None else "")


def _whole(
    found: Sequence[Object], catalogue: Catalogue, now: datetime
) -> tuple[list[str], dict[str, Any]]:
    """Return objects as YAML, and as they are."""
    lines: list[str] = []
    rows = []
    for ref, item in found[:MOST_OBJECTS]:
        row, manifest = _row((ref, item), catalogue), cleaned(item)
        told = "  ".join(f"{k} {v}" for k, v in cells(row, now).items() if k != "NAME")
        lines += [f"# {ref}  {shortened_line(told, 2 * LONGEST_CELL)}", *yaml_lines(manifest)]
        rows.append({**row, "manifest": manifest})
    if len(found) > MOST_OBJECTS:
        lines.append(f"… {len(found) - MOST_OBJECTS} more of that name; say which namespace")
    return lines, {"objects": rows}


def _nothing(
    asked: ObjectName,
    spaces: Sequence[str],
    found: Sequence[Object],
    gaps: Sequence[str],
) -> GoneError:
    """Return the error of a name that nothing bears, with the nearest one the cluster has."""
    where = _where(spaces, asked.kind)
    others = "" if spaces == ("",) else '; namespace "all" looks everywhere'
    unseen = f"; not looked at: {'; '.join(gaps)}" if gaps else ""
    known = nearest(asked.name, {ref.name for ref, _ in found})
    return GoneError(f"no {asked.kind} {asked.name!r} in {where}{others}{unseen}.{known}")
