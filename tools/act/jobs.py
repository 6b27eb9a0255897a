"""run_job: start the job a CronJob describes, now, as `kubectl create job --from` does.

A job that only ever runs on demand is a CronJob with `suspend: true`: what may run is written by
the people who own the cluster, never by whoever proposes a plan.
"""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from pydantic import Field

from tools.act.contract import (
    ActionResult,
    Actors,
    Bound,
    Parameters,
    Preview,
    Probe,
    TargetState,
    UndoSpec,
)
from tools.act.reach import Reach
from tools.errors import (
    BackendError,
    BackendRefusedError,
    BadArgumentError,
    LostRaceError,
    NotFoundError,
    OutcomeUnknownError,
)
from tools.fingerprint import fingerprint_of
from tools.kubernetes_objects import STEP_ANNOTATION, Json, annotations_of, meta, ref_of
from tools.ports import ClusterActor
from tools.world import WorkloadRef

LOOK_SECONDS = 2.0  # between two looks at a running job
LOG_LINES = 20  # of the job's last pod that the outcome keeps
KEEP_SECONDS = 86_400  # a finished job stays a day, so that people can look at it


class JobParameters(Parameters):
    """What runs is what the CronJob says; Kubernetes itself ends it after `deadline_seconds`."""

    deadline_seconds: int = Field(3600, ge=1, le=86_400)


class RunJob:
    """Create one Job from a CronJob's template and watch it end. Its name follows from the key."""

    name = "run_job"
    floor = 0.4
    idempotent = True  # the job's name follows from the key: there cannot be two
    kinds = ("CronJob",)
    parameters = JobParameters

    async def observe(
        self, actors: Actors, target: WorkloadRef, parameters: Parameters
    ) -> TargetState:
        cluster = actors.need_cluster(target.cluster)
        if target.kind not in self.kinds:
            raise BadArgumentError(f"{self.name} acts on a CronJob, not {target}")
        item = await cluster.get(target)
        fields = self._fields(item)
        return TargetState(
            target=ref_of(item, "CronJob", target.cluster),
            parameters=parameters.model_dump(),
            fields=fields,
            fingerprint=fingerprint_of(fields),
            effects=await Reach(cluster, target.cluster).of_workload(item, "CronJob"),
        )

    def preview(self, state: TargetState) -> Preview:
        body = {"op": "create", "kind": "Job", "template": state.fields["jobTemplate"]}
        return Preview(f"Run one job of {state.target} now", (), (body,), (state.target,))

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await self._create(actors, bound, "dry-run", dry_run=True)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        cluster, ref = actors.need_cluster(bound.target.cluster), _job_ref(bound, key)
        if not await _is_ours(cluster, ref, key):
            await self._create(actors, bound, key, dry_run=False)
        while not (end := _end(await cluster.get(ref))):
            if not await actors.waiting.pause(LOOK_SECONDS):
                raise OutcomeUnknownError(
                    f"job {ref.name} still runs after the time this step has; look at its pods"
                )
        tail = await _log(cluster, ref)
        if end != "Complete":
            raise BackendRefusedError("kubernetes", f"job {ref.name} failed ({end}): {tail[-300:]}")
        response = {"job": ref.name, "status": end, "log": tail}
        return ActionResult(
            f"job {ref.name} is complete", bound.target, bound.fingerprint, response
        )

    def undo_of(self, state: TargetState) -> UndoSpec | None:
        return None  # what a job has done is not taken back by deleting it

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        """Say done of a complete job; sent again, one that still runs is watched, not repeated."""
        try:
            job = await actors.need_cluster(bound.target.cluster).get(_job_ref(bound, key))
        except NotFoundError:
            return Probe.NOT_DONE
        if annotations_of(job).get(STEP_ANNOTATION) != key:
            return Probe.UNKNOWN
        return Probe.DONE if _end(job) == "Complete" else Probe.NOT_DONE

    def _fields(self, item: Json) -> dict[str, Any]:
        return {"jobTemplate": (item.get("spec") or {}).get("jobTemplate") or {}}

    async def _create(self, actors: Actors, bound: Bound, key: str, *, dry_run: bool) -> None:
        cluster = actors.need_cluster(bound.target.cluster)
        item = await cluster.get(bound.target)
        fields = self._fields(item)
        same = meta(item).get("uid") == bound.target.uid
        if not same or fingerprint_of(fields) != bound.fingerprint:
            raise LostRaceError(f"{bound.target} has changed; propose the plan again")
        template = copy.deepcopy(fields["jobTemplate"])
        own, spec = template.get("metadata") or {}, template.get("spec") or {}
        spec.setdefault("activeDeadlineSeconds", int(bound.parameters["deadline_seconds"]))
        spec.setdefault("ttlSecondsAfterFinished", KEEP_SECONDS)
        ref = _job_ref(bound, key)
        body = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": ref.name,
                "namespace": ref.namespace,
                "labels": own.get("labels") or {},
                "annotations": {
                    **(own.get("annotations") or {}),
                    "cronjob.kubernetes.io/instantiate": "manual",
                    STEP_ANNOTATION: key,
                },
            },
            "spec": spec,
        }
        await cluster.create(ref, body, dry_run=dry_run)


async def _is_ours(cluster: ClusterActor, ref: WorkloadRef, key: str) -> bool:
    """Say whether this very step created the job before. Raises LostRaceError for a namesake."""
    try:
        job = await cluster.get(ref)
    except NotFoundError:
        return False
    if annotations_of(job).get(STEP_ANNOTATION) != key:
        raise LostRaceError(f"{ref} exists and is not of this step; propose the plan again")
    return True


def _end(job: Json) -> str:
    """Return `Complete`, why it failed, or an empty string while it runs."""
    for each in (job.get("status") or {}).get("conditions") or ():
        if each.get("status") == "True" and each.get("type") == "Complete":
            return "Complete"
        if each.get("status") == "True" and each.get("type") == "Failed":
            return str(each.get("reason") or "Failed")
    return ""


async def _log(cluster: ClusterActor, job: WorkloadRef) -> str:
    """Return the last lines of the job's youngest pod, or why there are none."""
    try:
        pods = await cluster.list("Pod", job.namespace, {"job-name": job.name})
        if not pods:
            return "(its pods are gone)"
        newest = max(pods, key=lambda pod: str(meta(pod).get("creationTimestamp", "")))
        return await cluster.logs(ref_of(newest, "Pod", job.cluster), LOG_LINES)
    except (BackendError, NotFoundError) as error:
        return f"(its log cannot be read: {error})"


def _job_ref(bound: Bound, key: str) -> WorkloadRef:
    tail = hashlib.sha256(key.encode()).hexdigest()[:10]
    name = f"{bound.target.name[:50]}-{tail}"  # a job's name has at most 63 characters
    return WorkloadRef(bound.target.cluster, bound.target.namespace, "Job", name)
