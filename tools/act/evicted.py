"""Which pods a drain set out to evict, written onto its node before it evicts the first of them.

    note(pods) ──> annotation on the node ──> evict …✂ killed ──> recall() ──> who of them is gone

A drain may evict as many pods of one owner as were approved, however often it is sent. What it has
evicted lives nowhere else: an evicted pod is gone, and so is the life that counted it. The note is
written first, so that a pod of it that is gone counts, by whomever it was removed: too many is
never possible, a stop before the last one is, and a person reads why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import NamedTuple

from foundation.json_text import read_json
from foundation.shortened import shortened
from tools.errors import LostRaceError
from tools.kubernetes_objects import STEP_ANNOTATION, Json, annotations_of, meta, pointer
from tools.ports import ClusterActor
from tools.world import WorkloadRef

EVICTED_ANNOTATION = "sre-agent/evicted"


class Noted(NamedTuple):
    """A pod that a drain set out to evict."""

    name: str  # with its namespace
    owner: WorkloadRef  # the topmost one


def recall(node: Json, key: str) -> dict[str, Noted]:
    """Return what the step with this key noted, by the pods' uids. Raises LostRaceError.

    A note that nobody can read is somebody else's writing: how many are left is not known then.
    """
    text = annotations_of(node).get(EVICTED_ANNOTATION, "")
    if not text or annotations_of(node).get(STEP_ANNOTATION) != key:
        return {}
    try:
        told = read_json(text)
        if told["key"] != key:
            return {}  # of an earlier drain
        listed = told["pods"].items()
        return {uid: Noted(each["name"], WorkloadRef(**each["owner"])) for uid, each in listed}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise LostRaceError(
            f"the annotation {EVICTED_ANNOTATION!r} of node {meta(node).get('name')!r} was changed "
            f"({shortened(text, 80)!r}), so that nobody knows which pods are evicted; look at "
            "the node"
        ) from error


async def note(
    cluster: ClusterActor, node: WorkloadRef, key: str, pods: Mapping[str, Noted]
) -> None:
    """Write the pods onto the node. Raises LostRaceError when another step has changed it since."""
    listed = {uid: {"name": each.name, "owner": asdict(each.owner)} for uid, each in pods.items()}
    value = json.dumps({"key": key, "pods": listed}, separators=(",", ":"))
    own = pointer("metadata", "annotations", EVICTED_ANNOTATION)
    step = pointer("metadata", "annotations", STEP_ANNOTATION)
    patch = [
        {"op": "test", "path": "/metadata/uid", "value": node.uid},
        {"op": "test", "path": step, "value": key},
        {"op": "add", "path": own, "value": value},
    ]
    await cluster.patch(node, patch, dry_run=False)


def uid_of(pod: Json) -> str:
    """Return what makes a pod this one and no replacement."""
    return str(meta(pod).get("uid", ""))
