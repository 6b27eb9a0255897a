"""The Changes port: what changed, from the cluster's own memory and from deploy webhooks.

    ReplicaSets of a Deployment, ControllerRevisions of a StatefulSet
                                             ──compare──> Change(before → after)  ┐
    ChangeFeed (rows the bot stored)  ────────────────────────────────────────────┴─> one timeline

A revision that a rollback used again keeps its old creation time; its moment is then when the
deployment last progressed, and only for the newest revision.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import structlog

from tools.errors import BackendDeniedError, BackendError, NotFoundError
from tools.fleet import pick
from tools.kubernetes_objects import (
    RESTARTED_AT,
    REVISION,
    annotations_of,
    config_map_paths,
    essence,
    is_owned_by,
    meta,
    revision_of,
    template_diff,
    template_of,
)
from tools.ports import Cluster
from tools.world import Catalogue, Change, ChangeKind, ServiceSpec, Window, WorkloadRef

ChangeFeed = Callable[[Window], Awaitable[Sequence[Change]]]
Json = Mapping[str, Any]
log = structlog.get_logger(__name__)
REVISIONS = {"Deployment": "ReplicaSet", "StatefulSet": "ControllerRevision"}
CHANGE_CAUSE = "kubernetes.io/change-cause"
REUSED = "deployment.kubernetes.io/revision-history"
SAME_CHANGE = timedelta(minutes=10)  # a webhook and its rollout are one change


async def no_feed(_window: Window) -> Sequence[Change]:
    """Stand in where no webhook is stored."""
    return ()


class ClusterChanges:
    """Reads deployments' history from a cluster and joins it with a feed."""

    def __init__(
        self, cluster: Cluster | None, catalogue: Catalogue, feed: ChangeFeed = no_feed
    ) -> None:
        """Take the cluster (None: only the feed speaks) and the services that matter."""
        self._cluster = cluster
        self._catalogue = catalogue
        self._feed = feed

    async def recent(self, window: Window, services: Sequence[str] = ()) -> list[Change]:
        wanted = [
            s for s in self._catalogue.services.values() if not services or s.name in services
        ]
        found: list[Change] = []
        if self._cluster is not None:
            found = await self._rollouts(self._cluster, wanted)
        told = [c for c in await self._feed(window) if not services or c.service in services]
        joined = _join([c for c in found if _inside(c, window)], told)
        return sorted(joined, key=lambda change: change.at, reverse=True)

    async def _rollouts(self, cluster: Cluster, services: Sequence[ServiceSpec]) -> list[Change]:
        """Read each cluster by itself: one that is away costs its own rollouts."""
        changes: list[Change] = []
        named = sorted({ref.cluster for spec in services for ref in spec.workloads})
        for name in named:
            place = pick(cluster, cluster=name)
            try:
                changes += await _rollouts_of(place, name, services)
            except BackendError as error:
                if len(named) == 1 or place is cluster:
                    raise
                log.warning("changes.cluster_missing", cluster=name, why=str(error))
        return changes


async def _rollouts_of(
    cluster: Cluster, name: str, services: Sequence[ServiceSpec]
) -> list[Change]:
    """Return what one cluster remembers of the rollouts of these services."""
    listed: dict[tuple[str, str], list[Json]] = {}
    changes: list[Change] = []
    for spec in services:
        for ref in spec.workloads:
            revisions = REVISIONS.get(ref.kind)
            if ref.cluster != name or revisions is None:
                continue
            place = revisions, ref.namespace
            if place not in listed:
                listed[place] = await _listed(cluster, *place)
            try:
                owner = await cluster.get(ref)
            except NotFoundError:
                continue  # catalogued but not deployed: nothing has changed there
            own = [each for each in listed[place] if is_owned_by(each, meta(owner)["uid"])]
            if ref.kind == "Deployment":
                changes.extend(_history(spec, ref, owner, own))
            else:
                changes.extend(_stateful_history(spec, ref, own))
    return changes


async def _listed(cluster: Cluster, kind: str, namespace: str) -> list[Json]:
    """List revisions. A role from before stateful sets were read lacks theirs: the rest is told."""
    try:
        return list(await cluster.list(kind, namespace))
    except BackendDeniedError as error:
        if kind != "ControllerRevision":
            raise
        log.warning("changes.revisions_denied", namespace=namespace, why=str(error))
        return []


def _stateful_history(
    spec: ServiceSpec, ref: WorkloadRef, revisions: Sequence[Json]
) -> Iterator[Change]:
    """Compare a stateful set's ControllerRevisions, oldest first."""
    ordered = sorted((_as_set(each) for each in revisions), key=revision_of)
    for before, after in pairwise(ordered):
        at = _time(meta(after).get("creationTimestamp"))
        if at is not None:
            yield _change(spec, ref, before, after, at)


def _as_set(revision: Json) -> Json:
    """Return a ControllerRevision in the shape of a ReplicaSet: its template and its number."""
    own = dict(meta(revision))
    marks = {**(own.get("annotations") or {}), REVISION: str(revision.get("revision", 0))}
    spec = (revision.get("data") or {}).get("spec") or {}
    return {"metadata": {**own, "annotations": marks}, "spec": {"template": spec.get("template")}}


def _history(
    spec: ServiceSpec, ref: WorkloadRef, deployment: Json, sets: Sequence[Json]
) -> Iterator[Change]:
    ordered = sorted(sets, key=revision_of)
    for before, after in pairwise(ordered):
        at = _moment(after, deployment, newest=after is ordered[-1])
        if at is not None:
            yield _change(spec, ref, before, after, at)


def _moment(revision: Json, deployment: Json, *, newest: bool) -> datetime | None:
    if REUSED not in annotations_of(revision):
        return _time(meta(revision).get("creationTimestamp"))
    if not newest:
        return None
    for each in (deployment.get("status") or {}).get("conditions") or ():
        if each.get("type") == "Progressing":
            return _time(each.get("lastUpdateTime") or each.get("lastTransitionTime"))
    return None


def _change(spec: ServiceSpec, ref: WorkloadRef, before: Json, after: Json, at: datetime) -> Change:
    old, new = template_of(before), template_of(after)
    images = _images(old), _images(new)
    maps = (
        sorted(set(dict(config_map_paths(old)).values())),
        sorted(set(dict(config_map_paths(new)).values())),
    )
    kind, values = ChangeKind.DEPLOY, images
    revision = revision_of(after)
    if images[0] != images[1]:
        back = " (rolled back)" if REUSED in annotations_of(after) else ""
        what = f"image {', '.join(images[0])} → {', '.join(images[1])}{back}"
    elif maps[0] != maps[1]:
        kind, values = ChangeKind.CONFIG, maps
        what = f"config map {', '.join(maps[0])} → {', '.join(maps[1])}"
    elif essence(old) == essence(new):
        stamp = ((new.get("metadata") or {}).get("annotations") or {}).get(RESTARTED_AT, "")
        what = f"pods restarted {stamp}".strip()
        kind, values = ChangeKind.ACTION, ([], [])
    else:
        lines = template_diff(old, new)
        kind = ChangeKind.CONFIG
        what = "; ".join(str(line) for line in lines[:3])
        values = [str(line.before) for line in lines[:1]], [str(line.after) for line in lines[:1]]
    cause = annotations_of(after).get(CHANGE_CAUSE, "")
    return Change(
        at=at,
        kind=kind,
        service=spec.name,
        summary=f"{ref.name} revision {revision}: {what}" + (f" — {cause}" if cause else ""),
        before=", ".join(values[0]),
        after=", ".join(values[1]),
        workload=replace(ref, uid=""),
        source="kubernetes",
    )


def _join(rollouts: list[Change], told: Sequence[Change]) -> list[Change]:
    """Keep one row where a webhook and a rollout tell of the same change."""
    left = list(told)
    joined: list[Change] = []
    for change in rollouts:
        twin = next((each for each in left if _is_same(change, each)), None)
        if twin is None:
            joined.append(change)
            continue
        left.remove(twin)
        joined.append(
            replace(
                change,
                author=twin.author or change.author,
                summary=f"{change.summary} ({twin.summary})" if twin.summary else change.summary,
                source=f"{change.source}, {twin.source or 'webhook'}",
            )
        )
    return joined + left


def _is_same(rollout: Change, told: Change) -> bool:
    near = abs(rollout.at - told.at) <= SAME_CHANGE
    version = told.after.rpartition(":")[2]
    return (
        near
        and rollout.service == told.service
        and rollout.kind == told.kind
        and (not version or rollout.after.endswith(version))
    )


def _inside(change: Change, window: Window) -> bool:
    return window.start <= change.at <= window.end


def _images(template: Json) -> list[str]:
    return [
        str(each.get("image", "")) for each in (template.get("spec") or {}).get("containers", ())
    ]


def _time(stamp: str | None) -> datetime | None:
    return datetime.fromisoformat(stamp).astimezone(UTC) if stamp else None
