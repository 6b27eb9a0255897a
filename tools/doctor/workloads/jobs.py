"""Jobs that failed, schedules that are held or missed."""

from __future__ import annotations

from collections.abc import Iterator

from tools.doctor.sign import Analyser, Link, Sign
from tools.doctor.state import ClusterState, object_of
from tools.doctor.words import shortened
from tools.kubernetes_conditions import time_of

_GAVE_UP = ("BackoffLimitExceeded", "PodFailurePolicy", "MaxFailedIndexesExceeded")


def _failed(reasons: tuple[str, ...], what: str, state: ClusterState) -> Iterator[Sign]:
    for job in state.of("Job"):
        for each in (job.get("status") or {}).get("conditions") or ():
            holds = each.get("type") == "Failed" and str(each.get("status")) == "True"
            if holds and each.get("reason") in reasons:
                own = object_of(job, "Job")
                text = f"job {own.name} {what}: {shortened(str(each.get('message', '')))}"
                yield Sign(
                    state.owner_of(job, "Job"), text, since=time_of(each.get("lastTransitionTime"))
                )


def _suspended(state: ClusterState) -> Iterator[Sign]:
    for kind in ("CronJob", "Job"):
        for item in state.of(kind):
            own = object_of(item, kind)
            if (item.get("spec") or {}).get("suspend") and not item.get("metadata", {}).get(
                "ownerReferences"
            ):
                yield Sign(own, f"{kind} {own.name} is suspended: it runs nothing")


def _missed(state: ClusterState) -> Iterator[Sign]:
    for subject, event in state.events_with(
        "FailedNeedsStart", "MissSchedule", "TooManyMissedTimes"
    ):
        if subject.kind == "CronJob":
            ended = None if state.is_fresh(event) else event.at
            yield Sign(subject, f"{subject.name} missed its time: {shortened(event.message)}",
                       since=event.began, ended=ended)  # fmt: skip


ANALYSERS = (
    Analyser("job-failed", Link.START, (), "the last lines of its pods",
             lambda s: _failed(_GAVE_UP, "failed", s), 4),
    Analyser("job-too-long", Link.START, (), "what it waited for",
             lambda s: _failed(("DeadlineExceeded",), "did not end in time", s), 3),
    Analyser("schedule-suspended", Link.CARRY, (), "who suspended it", _suspended, 6),
    Analyser("schedule-missed", Link.CARRY, (), "concurrencyPolicy and the controller", _missed, 6),
)  # fmt: skip
