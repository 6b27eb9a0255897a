"""Kubernetes objects as actions change them: what they own, and pieces of a JSON patch."""

from typing import Any

from tools.errors import ActionRefusedError
from tools.kubernetes_objects import (
    STEP_ANNOTATION,
    Json,
    git_file,
    gitops_owner,
    is_owned_by,
    meta,
    pointer,
    revision_of,
)
from tools.ports import ClusterActor
from tools.world import WorkloadRef


class GitOwnedError(ActionRefusedError):
    """Git would put the object back; `change` is what a person commits there instead."""

    def __init__(self, ref: WorkloadRef, owner: str, change: str) -> None:
        """Keep who owns it and the change beside the message."""
        super().__init__(
            f"{ref} belongs to {owner}, which would revert a change made here; "
            f"change it in Git instead: {change}"
        )
        self.owner, self.change = owner, change


def refuse_gitops(item: Json, ref: WorkloadRef, wanted: str) -> None:
    """Raise GitOwnedError naming the Git change when GitOps would revert ours."""
    owner = gitops_owner(item)
    if owner:
        file = git_file(item)
        raise GitOwnedError(ref, owner, f"in {file}, {wanted}" if file else wanted)


def fresh(item: Json) -> dict[str, Any]:
    """Return the `test` that fails when the object has changed since it was read."""
    version = meta(item).get("resourceVersion", "")
    return {"op": "test", "path": "/metadata/resourceVersion", "value": version}


def mark(item: Json, key: str) -> dict[str, Any]:
    """Return the operation that writes the step's key onto the object."""
    if meta(item).get("annotations") is None:
        return {"op": "add", "path": "/metadata/annotations", "value": {STEP_ANNOTATION: key}}
    path = pointer("metadata", "annotations", STEP_ANNOTATION)
    return {"op": "add", "path": path, "value": key}


async def replica_sets(cluster: ClusterActor, deployment: Json) -> list[Json]:
    """Return the ReplicaSets a deployment owns, newest revision first."""
    own = meta(deployment)
    found = await cluster.list("ReplicaSet", own.get("namespace", ""))
    owned = [each for each in found if is_owned_by(each, own["uid"])]
    return sorted(owned, key=revision_of, reverse=True)
