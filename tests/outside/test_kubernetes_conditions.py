"""What newer clusters and odd clocks say of pods, autoscalers, Jobs and events.

Each case names whom it went wrong for in public (read on 27 November 2026), in our words.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tools.backends.kubernetes.events import event_of
from tools.backends.kubernetes.pod_status import pod_status
from tools.kubernetes_conditions import unmet
from tools.observe.workload_lines import workload_lines

Json = dict[str, Any]
MADE = "2026-11-20T13:59:00Z"
ZERO_OF_GO, ZERO_OF_UNIX = "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z"


def says(kind: str, status: str, reason: str = "", message: str = "") -> Json:
    return {"type": kind, "status": status, "reason": reason, "message": message}


# source → kind, its conditions, those that are trouble
CONDITIONS: dict[str, tuple[str, list[Json], list[str]]] = {
    "kubernetes #130733 (1.33): status.resize became a condition: no room on the node": (
        "Pod", [says("PodResizePending", "True", "Infeasible", "no room")], ["PodResizePending"]),
    "enhancements #5089 (1.33): a resize that failed stands as in progress (ours hid it)": (
        "Pod", [says("PodResizeInProgress", "True", "Error", "memory is in use")],
        ["PodResizeInProgress"]),
    "known from practice: a resize that goes on is no failure": (
        "Pod", [says("PodResizeInProgress", "True")], []),
    "kubernetes #134345 (1.35): all containers have been restarted (ours called that trouble)": (
        "Pod", [says("AllContainersRestarting", "False")], []),
    "enhancements #5532 (1.35): all containers are being restarted (ours hid it)": (
        "Pod", [says("AllContainersRestarting", "True")], ["AllContainersRestarting"]),
    "k8sgpt #1667, aptakube #547: an idle autoscaler at its minimum was a failure (ours too)": (
        "HorizontalPodAutoscaler", [says("ScalingLimited", "True", "TooFewReplicas")], []),
    "kubernetes-mixin #222: an autoscaler at its maximum is worth a word": (
        "HorizontalPodAutoscaler", [says("ScalingLimited", "True", "TooManyReplicas")],
        ["ScalingLimited"]),
    "k8sgpt #1725: a Job that succeeded after retries has not failed": (
        "Job", [says("SuccessCriteriaMet", "True"), says("Complete", "True")], []),
    "trivy-kubernetes #403 (1.31): a Job has failed before it says Failed": (
        "Job", [says("FailureTarget", "True", "BackoffLimitExceeded")], ["FailureTarget"]),
}  # fmt: skip


@pytest.mark.parametrize("source", CONDITIONS)
def test_a_condition_is_trouble_when_its_words_say_so(source: str) -> None:
    kind, conditions, expected = CONDITIONS[source]
    told = unmet({"status": {"conditions": conditions}}, kind)
    assert [each.type for each in told] == expected


@pytest.mark.parametrize("zero", [None, ZERO_OF_GO, ZERO_OF_UNIX])
def test_a_container_that_nobody_saw_end_did_not_end_in_the_year_one(zero: str | None) -> None:
    """kubernetes #122932: ContainerStatusUnknown came with the zero of Go as its two times."""
    lost = {"exitCode": 137, "reason": "ContainerStatusUnknown"}
    state = {"terminated": lost | {"startedAt": zero, "finishedAt": zero}}
    meta = {"name": "p", "namespace": "n", "uid": "u"}
    status = {"phase": "Failed", "containerStatuses": [{"name": "app", "state": state}]}
    [container] = pod_status({"metadata": meta, "status": status}, "c").containers
    assert container.last is not None
    assert (container.last.reason, container.last.at) == ("ContainerStatusUnknown", None)


@pytest.mark.parametrize("zero", [None, ZERO_OF_GO, ZERO_OF_UNIX])
def test_an_event_whose_stamps_are_left_out_is_as_old_as_its_record(zero: str | None) -> None:
    """kubernetes #36304: lastTimestamp is null quite often; sorting by it failed as a whole."""
    stamps = {"firstTimestamp": zero, "lastTimestamp": zero, "eventTime": None}
    event = event_of({"metadata": {"creationTimestamp": MADE}, **stamps}, "c")
    assert event is not None
    assert event.at == event.first == datetime.fromisoformat(MADE)


@pytest.mark.parametrize(
    ("due", "told"), [("2026-11-20T14:00:25+00:00", "in 25 s"), (f"{MADE[:-1]}+00:00", "1 min ago")]
)
def test_a_pod_in_its_grace_period_is_not_overdue(due: str, told: str) -> None:
    """kubernetes #84459, armada #4689: deletionTimestamp is the end of the grace period."""
    pod: Json = dict.fromkeys(("reason", "message", "node", "started_at", "created_at"), "")
    pod |= {"name": "p", "phase": "Terminating", "ready": False, "restarts": 0, "well": False,
            "deleted_at": due, "finalizers": [], "containers": [], "conditions": []}  # fmt: skip
    row: Json = dict.fromkeys(
        ("phase", "paused", "behind", "revision", "message", "autoscaler"), ""
    )
    row |= {
        "kind": "Pod",
        "workload": "w",
        "ready": 0,
        "replicas": 1,
        "updated": 0,
        "containers": [],
        "conditions": [],
        "pods": [pod],
        "nodes": {},
        "warnings": [],
    }
    lines = workload_lines(row, datetime(2026, 11, 20, 14, tzinfo=UTC))
    assert f"to be deleted by {due} ({told})" in "\n".join(lines)
