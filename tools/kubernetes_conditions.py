"""What an object's conditions say is not as it should be, with the reason and the words they give.

Most conditions are good when True (`Available`, `PodScheduled`, any readiness gate). Some are bad
when True, and of a node all but `Ready` are: node-problem-detector adds its own.
"""

from __future__ import annotations

from datetime import UTC, datetime

from tools.kubernetes_objects import Json
from tools.world import Stated

_BAD_WHEN_TRUE = frozenset(
    {
        "ReplicaFailure",  # Deployment, ReplicaSet: pods cannot be made (quota, admission)
        "Failed", "FailureTarget", "Suspended",  # Job
        "DisruptionTarget", "PodResizePending", "PodResizeInProgress",  # Pod
        "AllContainersRestarting",  # Pod, Kubernetes 1.35
        "ScalingLimited",  # HorizontalPodAutoscaler
        "Paused", "InvalidSpec",  # Rollout
        "Degraded", "Stalled",  # many operators
    }
)  # fmt: skip
# They come and go in a healthy life.
_ORDINARY = frozenset({"Completed", "Complete", "SuccessCriteriaMet"})
_NO_TIME_BEFORE = datetime(1970, 1, 2, tzinfo=UTC)  # Go's zero time, and Unix's


def unmet(item: Json, kind: str) -> tuple[Stated, ...]:
    """Return the conditions of an object that are not as they should be."""
    found = []
    for each in (item.get("status") or {}).get("conditions") or ():
        name = str(each.get("type", ""))
        holds = {"True": True, "False": False}.get(str(each.get("status")))
        bad = name != "Ready" if kind == "Node" else name in _BAD_WHEN_TRUE
        if not _is_ordinary(name, str(each.get("reason") or "")) and holds is not (not bad):
            found.append(_stated(name, holds, each))
    return tuple(found)


def _is_ordinary(name: str, reason: str) -> bool:
    if name == "PodResizeInProgress":
        return reason != "Error"  # a resize that goes on is one; a resize that fails says so here
    if name == "ScalingLimited":
        return reason == "TooFewReplicas"  # an idle autoscaler rests on its own minimum
    return name in _ORDINARY


def condition_of(item: Json, name: str) -> Stated | None:
    """Return a condition that is True, or None."""
    for each in (item.get("status") or {}).get("conditions") or ():
        if each.get("type") == name and str(each.get("status")) == "True":
            return _stated(name, holds=True, told=each)
    return None


def time_of(stamp: str | None) -> datetime | None:
    """Read an API timestamp, or None when there is none or it is none."""
    try:
        found = datetime.fromisoformat(stamp).astimezone(UTC) if stamp else None
    except (TypeError, ValueError, OverflowError):  # one bad item must not cost all the others
        return None
    return found if found and found >= _NO_TIME_BEFORE else None


def _stated(name: str, holds: bool | None, told: Json) -> Stated:  # noqa: FBT001 - three values
    return Stated(
        name,
        holds,
        str(told.get("reason") or ""),
        str(told.get("message") or ""),
        time_of(told.get("lastTransitionTime")),
    )
