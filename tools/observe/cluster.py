"""Tools that read the cluster and its changes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from foundation.nearest import nearest
from foundation.shortened import shortened_line
from tools.contract import Risk, ToolResult, tool
from tools.errors import BackendDeniedError, BadArgumentError
from tools.fleet import pick, silence
from tools.observe.asking import service_of, span, stamp, window_of
from tools.observe.object_events import events_of, is_object
from tools.observe.workload_lines import event_line
from tools.observe.workload_rows import event_row
from tools.ports import Changes, Clock, Cluster
from tools.workload_parts import SHARED, events_about
from tools.world import Catalogue, Change, ClusterEvent, Window

SHOWN = 25
LONGEST_CHANGE = 240  # characters of what somebody else says of a change


@tool(risk=Risk.READ)
async def list_events(
    clusters: Cluster,
    clock: Clock,
    catalogue: Catalogue,
    /,
    service: str = "",
    warnings_only: bool = False,  # noqa: FBT001, FBT002 - the model's arguments are keywords
    window: str = "1h",
    until: str = "",
    cluster: str = "",
) -> ToolResult:
    """List Kubernetes events, newest first: OOM kills, failing probes, rollouts, scaling.

    Those of a service are about its workloads, what they own, and the nodes its pods are on.
    `since` is when one was seen first, `at` when last: it may have begun before the window.

    Args:
        service: Service name or alias, or one object: node/n1, pvc/data-0, team-a/job/backup. Empty
            for all catalogued namespaces.
        warnings_only: True leaves out events of type Normal.
        window: Length of the window: 15m, 1h, 6h, 24h. Clusters keep events about an hour.
        until: End of the window as ISO time in UTC; empty means now.
        cluster: Cluster by name; empty for the service's own, or all.
    """
    asked = window_of(clock, window, until)
    one = is_object(service)
    spec = service_of(catalogue, service) if service and not one else None
    place = pick(clusters, cluster, cluster=spec.cluster if spec else "", what="cluster")
    gaps: tuple[str, ...] = ()
    understood = ""
    if one:
        understood, found, gaps = await events_of(place, catalogue, service, asked)
        understood = f" {understood}"
    elif spec is not None:
        refs = [replace(ref, cluster=cluster or ref.cluster) for ref in spec.workloads]
        told = await events_about(place, refs, asked)
        found, gaps = list(told.events), told.unseen
    else:
        found = await _everywhere(place, catalogue, asked)
    found = [each for each in found if not warnings_only or each.type == "Warning"]
    found.sort(key=lambda each: each.at, reverse=True)
    rows = [event_row(each) for each in found]
    bad = sum(each.type == "Warning" for each in found)
    lines = [f"{len(rows)} events{understood}, {bad} of them warnings, {span(asked)}"]
    ordered = sorted(rows, key=lambda row: row["type"] != "Warning")  # stable: newest first within
    lines += [f"- {event_line(row)}" for row in ordered[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"… {len(rows) - SHOWN} more in the evidence")
    lines += [f"NOT LOOKED AT: {gap}" for gap in gaps]
    lines += silence(place)
    payload = {"count": len(rows), "warnings": bad, "events": rows}
    return ToolResult("\n".join(lines), payload, value=tuple(found), window=asked)


async def _everywhere(place: Cluster, catalogue: Catalogue, asked: Window) -> list[ClusterEvent]:
    """Return the events of all catalogued namespaces, and those of nodes where we may read them."""
    found: list[ClusterEvent] = []
    spaces = {spec.namespace for spec in catalogue.services.values()}
    for namespace in sorted(spaces):
        found.extend(await place.events(asked, namespace))
    if SHARED not in spaces:
        with suppress(BackendDeniedError):
            wide = await place.events(asked, SHARED)
            found += [each for each in wide if not each.workload.namespace]
    return found


@tool(risk=Risk.READ)
async def recent_changes(
    changes: Changes,
    clock: Clock,
    catalogue: Catalogue,
    /,
    service: str = "",
    window: str = "6h",
    until: str = "",
    cluster: str = "",
) -> ToolResult:
    """List what was changed in production: deploys, configuration, scaling; newest first.

    A change shortly before an anomaly began, on the service or one it calls, is the first suspect.

    Args:
        service: Service name or alias; its direct dependencies are included. Empty for all.
        window: Length of the window: 1h, 6h, 24h, 7d.
        until: End of the window as ISO time in UTC; empty means now.
        cluster: Only changes in this cluster; empty for all.
    """
    asked = window_of(clock, window, until)
    known = {spec.cluster for spec in catalogue.services.values()}
    if cluster and cluster not in known:
        raise BadArgumentError(f"no service runs in cluster {cluster!r}.{nearest(cluster, known)}")
    names: tuple[str, ...] = ()
    if service:
        spec = service_of(catalogue, service)
        names = (spec.name, *catalogue.dependencies(spec.name))
    found = [
        each
        for each in await changes.recent(asked, names)
        if not cluster or _cluster_of(each, catalogue) == cluster
    ]
    rows = [_change_row(each) for each in found]
    whose = f" for {', '.join(names)}" if names else ""
    lines = [f"{len(rows) or 'no'} changes{whose}, {span(asked)}"]
    lines += [_change_line(row) for row in rows[:SHOWN]]
    if len(rows) > SHOWN:
        lines.append(f"… {len(rows) - SHOWN} more in the evidence")
    payload = {"count": len(rows), "changes": rows}
    return ToolResult("\n".join(lines), payload, value=tuple(found), window=asked)


def _cluster_of(change: Change, catalogue: Catalogue) -> str:
    """Return where a change was made: what it says, else where its service runs."""
    if change.workload is not None:
        return change.workload.cluster
    spec = next((s for s in catalogue.services.values() if s.name == change.service), None)
    return spec.cluster if spec else ""


def _change_row(change: Change) -> dict[str, Any]:
    row = asdict(change)
    row |= {"at": stamp(change.at), "kind": change.kind.value}
    row["workload"] = str(change.workload) if change.workload else ""
    return row


def _change_line(row: dict[str, Any]) -> str:
    who = f" by {row['author']}" if row["author"] else ""
    said = shortened_line(row["summary"], LONGEST_CHANGE)
    return f"- {row['at']} {row['kind']} {row['service']}: {said}{who}"
