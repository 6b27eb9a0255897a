"""Events about one object that somebody names, a node or a volume claim, instead of a service."""

from __future__ import annotations

from tools.fleet import members_of
from tools.observe.object_names import WITHOUT_NAMESPACE, object_named
from tools.ports import Cluster
from tools.workload_parts import SHARED, events_about
from tools.world import DEFAULT_CLUSTER, Catalogue, ClusterEvent, Window, WorkloadRef

OWNING = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Rollout", "Job", "CronJob", "Cluster"}
)  # what they own is told as well


def is_object(text: str) -> bool:
    """Say whether a text names an object and no service: `node/n1`, `team-a/my-api`."""
    return "/" in text


async def events_of(
    place: Cluster, catalogue: Catalogue, text: str, window: Window
) -> tuple[str, list[ClusterEvent], tuple[str, ...]]:
    """Return what was understood, the events about it, and what could not be looked at.

    Raises BadArgumentError for a name that no object has.
    """
    asked = object_named(text)
    known = sorted({s.namespace for s in catalogue.services.values() if s.namespace})
    if asked.kind in WITHOUT_NAMESPACE:
        spaces = [""]
    else:
        spaces = [asked.namespace] if asked.namespace else known
    found: list[ClusterEvent] = []
    gaps: list[str] = []
    for name, member in members_of(place).items():
        for space in spaces:
            ref = WorkloadRef(name or DEFAULT_CLUSTER, space, asked.kind, asked.name)
            if asked.kind in OWNING:
                told = await events_about(member, [ref], window)
                found += [each for each in told.events if _is_theirs(each, space)]
                gaps += told.unseen
            else:
                events = await member.events(window, space or SHARED)
                found += [each for each in events if _is_about(each, ref)]
    kind = asked.kind or "object"
    where = f" in namespace {', '.join(spaces)}" if spaces != [""] else ""
    owned = " and what it owns" if asked.kind in OWNING else ""
    return f"about {kind} {asked.name}{owned}{where}", found, tuple(dict.fromkeys(gaps))


def _is_theirs(event: ClusterEvent, space: str) -> bool:
    """Leave out what is about the whole cluster: it reaches everybody who asks for a service."""
    return event.workload.namespace == space or event.workload.kind == "Node"


def _is_about(event: ClusterEvent, ref: WorkloadRef) -> bool:
    about = event.workload
    same = (about.namespace, about.name) == (ref.namespace, ref.name)
    return same and ref.kind in {"", about.kind}
