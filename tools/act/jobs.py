"""run_job: start the job a CronJob describes, now, as `kubectl create job --from` does."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

from tools.act.contract import (
    STEP_ANNOTATION,
    Actors,
    Bound,
    Outcome,
    Parameters,
    Preview,
    Probe,
    State,
    UndoSpec,
    fingerprint_of,
)
from tools.act.objects import Json, labels, marks_of, meta, namespace_labels, ref_of
from tools.errors import LostRaceError, NotFoundError
from tools.world import WorkloadRef


class JobParameters(Parameters):
    """Nothing to choose: what runs is what the CronJob says."""


class RunJob:
    """Create one Job from a CronJob's template. Its name follows from the step's key."""

    name = "run_job"
    floor = 0.4
    kinds = ("CronJob",)
    parameters = JobParameters

    async def observe(self, actors: Actors, target: WorkloadRef, parameters: Parameters) -> State:
        cluster = actors.need_cluster()
        item = await cluster.get(target)
        fields = self._fields(item)
        return State(
            target=ref_of(item, "CronJob", target.cluster),
            parameters=parameters.model_dump(),
            fields=fields,
            fingerprint=fingerprint_of(fields),
            labels={**await namespace_labels(cluster, target), **labels(item)},
        )

    def preview(self, state: State) -> Preview:
        body = {"op": "create", "kind": "Job", "template": state.fields["jobTemplate"]}
        return Preview(f"Run one job of {state.target} now", (), (body,), (state.target,))

    async def dry_run(self, actors: Actors, bound: Bound) -> None:
        await self._create(actors, bound, "dry-run", dry_run=True)

    async def execute(self, actors: Actors, bound: Bound, key: str) -> Outcome:
        job = await self._create(actors, bound, key, dry_run=False)
        name = meta(job)["name"]
        return Outcome(f"job {name} was created", bound.target, bound.fingerprint, {"job": name})

    def undo_of(self, state: State) -> UndoSpec | None:
        return None  # what a job has done is not taken back by deleting it

    async def probe(self, actors: Actors, bound: Bound, key: str) -> Probe:
        try:
            job = await actors.need_cluster().get(_job_ref(bound, key))
        except NotFoundError:
            return Probe.NOT_DONE
        return Probe.DONE if marks_of(job).get(STEP_ANNOTATION) == key else Probe.UNKNOWN

    def _fields(self, item: Json) -> dict[str, Any]:
        return {"jobTemplate": (item.get("spec") or {}).get("jobTemplate") or {}}

    async def _create(self, actors: Actors, bound: Bound, key: str, *, dry_run: bool) -> Json:
        cluster = actors.need_cluster()
        item = await cluster.get(bound.target)
        fields = self._fields(item)
        same = meta(item).get("uid") == bound.target.uid
        if not same or fingerprint_of(fields) != bound.fingerprint:
            raise LostRaceError(f"{bound.target} has changed; propose the plan again")
        template = copy.deepcopy(fields["jobTemplate"])
        own = template.get("metadata") or {}
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
            "spec": template.get("spec") or {},
        }
        return await cluster.create(ref, body, dry_run=dry_run)


def _job_ref(bound: Bound, key: str) -> WorkloadRef:
    tail = hashlib.sha256(key.encode()).hexdigest()[:10]
    name = f"{bound.target.name[:50]}-{tail}"  # a job's name has at most 63 characters
    return WorkloadRef(bound.target.cluster, bound.target.namespace, "Job", name)
