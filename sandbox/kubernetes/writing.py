"""create, update, patch, delete, scale and evict, each also as a dry run.

permit ─> read ─> new object ─> conflict and validity checks ─┬─ dryRun=All: shown, not stored
                                                              └─ stored, counted as an effect,
                                                                 controllers answer
"""

import copy
from collections.abc import Callable
from typing import Any

from sandbox.kubernetes import kubelet
from sandbox.kubernetes.cluster import Cluster
from sandbox.kubernetes.controllers import budget_numbers
from sandbox.kubernetes.patches import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, apply_patch
from sandbox.kubernetes.requests import Call
from sandbox.kubernetes.resources import (
    BUDGETS,
    JOBS,
    NAMESPACES,
    PODS,
    REPLICA_SETS,
    Resource,
)
from sandbox.kubernetes.selectors import selector_matches
from sandbox.kubernetes.status import (
    Json,
    already_exists,
    bad_request,
    conflict,
    disruption_blocked,
    invalid,
    modified,
    no_such_path,
    not_found,
    success,
    unsupported_patch,
)
from sandbox.kubernetes.store import stamp
from sandbox.kubernetes.validation import replica_causes, validate

KEPT_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "generation",
                 "deletionGracePeriodSeconds", "name", "namespace")  # fmt: skip
Answer = tuple[int, Json]


def write(cluster: Cluster, call: Call) -> Answer:
    """Carry out a mutating call; the answer is (HTTP status, object or Status)."""
    if call.subresource == "eviction":
        return _evict(cluster, call)
    verbs: dict[str, Callable[[Cluster, Call], Answer]] = {
        "create": _create,
        "update": _change,
        "patch": _change,
        "delete": _delete,
    }
    return verbs[call.verb](cluster, call)


def _done(cluster: Cluster, call: Call, uid: str = "", name: str = "") -> None:
    """Count the effect and let the controllers answer."""
    cluster.effects.append({
        "at": stamp(cluster.now),
        "user": call.user,
        "verb": call.verb,
        "resource": call.resource.id,
        "subresource": call.subresource,
        "namespace": call.namespace,
        "name": call.name or name,
        "uid": uid,
    })  # fmt: skip
    cluster.commit()


def _object(call: Call) -> Json:
    body = call.body
    if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict):
        msg = f"the request needs a {call.resource.kind} object as its JSON body"
        raise bad_request(msg)
    kind = body.get("kind")
    if kind is not None and kind != call.resource.kind and not call.subresource:
        msg = f"{kind} in the body does not match {call.resource.kind} in the path"
        raise bad_request(msg)
    return copy.deepcopy(body)


def _create(cluster: Cluster, call: Call) -> Answer:
    if call.name or call.subresource:
        raise no_such_path()
    item = call.stored(_object(call))
    meta = item.setdefault("metadata", {})
    if call.resource.namespaced:
        if meta.get("namespace", call.namespace) != call.namespace:
            msg = (
                f"the namespace of the provided object ({meta['namespace']!r}) does not match the"
                f" namespace sent on the request ({call.namespace!r})"
            )
            raise bad_request(msg)
        meta["namespace"] = call.namespace
        if cluster.store.peek(NAMESPACES, "", call.namespace) is None:
            raise not_found(NAMESPACES.target(call.namespace))
    if not meta.get("name"):
        if not meta.get("generateName"):
            raise invalid(
                call.resource.target(),
                ("metadata.name", "Required value: name or generateName is required"),
            )
        meta["name"] = meta["generateName"] + cluster.engine.suffix()
    if cluster.store.peek(call.resource, call.namespace, meta["name"]) is not None:
        raise already_exists(call.resource.target(meta["name"]))
    for field in ("uid", "resourceVersion", "creationTimestamp", "generation", "selfLink"):
        meta.pop(field, None)
    if call.resource is JOBS:
        _default_job(item)
    if call.resource.has_status:
        item["status"] = {}
    validate(call.resource, item, None)
    if call.dry_run:
        meta |= {"uid": cluster.engine.uid(), "creationTimestamp": stamp(cluster.now)}
        item = {"apiVersion": call.resource.api_version, "kind": call.resource.kind} | item
        return 201, call.shown(item)
    created = cluster.engine.create(call.resource, item)
    _done(cluster, call, created["metadata"]["uid"], meta["name"])
    fresh = cluster.store.get(call.resource, call.namespace, meta["name"]) or created
    return 201, call.shown(fresh)


def _default_job(item: Json) -> None:
    spec = item.setdefault("spec", {})
    for field, value in (("parallelism", 1), ("completions", 1), ("backoffLimit", 6)):
        spec.setdefault(field, value)
    template = spec.setdefault("template", {})
    labels = template.setdefault("metadata", {}).setdefault("labels", {})
    name = item["metadata"]["name"]
    labels |= {"job-name": name, "batch.kubernetes.io/job-name": name}


def _change(cluster: Cluster, call: Call) -> Answer:
    """Update or patch: of the object, its status or its scale."""
    if not call.name:
        raise no_such_path()
    old = call.found(cluster.store)
    before = scale_of(old) if call.subresource == "scale" else call.shown(old)
    if call.verb == "update":
        after = _object(call)
    else:
        accepted = (JSON_PATCH, MERGE_PATCH, *(() if call.resource.custom else (STRATEGIC_PATCH,)))
        if call.content_type not in accepted:
            raise unsupported_patch(call.content_type, accepted)
        after = apply_patch(before, call.body, call.content_type)
    _check_identity(call, old, after)
    if call.subresource == "scale":
        fresh = _rescaled(call, old, after)
    else:
        fresh = _merged(call, old, call.stored(after))
        validate(call.resource, fresh, old)
    if fresh.get("spec") != old.get("spec") and "generation" in old["metadata"]:
        fresh["metadata"]["generation"] = old["metadata"]["generation"] + 1
    if not call.dry_run:
        if fresh != old:
            cluster.store.put(call.resource, fresh)
        _done(cluster, call, old["metadata"]["uid"])
        fresh = cluster.store.get(call.resource, call.namespace, call.name) or fresh
    return 200, scale_of(fresh) if call.subresource == "scale" else call.shown(fresh)


def _check_identity(call: Call, old: Json, after: Json) -> None:
    """Refuse a write meant for another object or another version of it."""
    meta, target = after.get("metadata") or {}, call.resource.target(call.name)
    if not isinstance(meta, dict):
        msg = f"metadata must be an object, got {meta!r}"
        raise bad_request(msg)
    for field, wanted in (("name", call.name), ("namespace", call.namespace)):
        given = meta.get(field)
        if given and given != wanted:
            msg = (
                f"the {field} of the object ({given}) does not match the {field} on the URL"
                f" ({wanted})"
            )
            raise bad_request(msg)
    uid, asked = old["metadata"]["uid"], meta.get("uid")
    if asked and asked != uid:
        why = f"Precondition failed: UID in precondition: {asked}, UID in object meta: {uid}"
        raise conflict(target, why)
    version = meta.get("resourceVersion")
    if version and version != old["metadata"]["resourceVersion"]:
        raise modified(target)


def _merged(call: Call, old: Json, after: Json) -> Json:
    """The object to store: what clients may not set is kept from the old one."""
    if call.subresource == "status":
        return old | {"status": after.get("status", {})}
    fresh = copy.deepcopy(after)
    meta = fresh.setdefault("metadata", {})
    for field in (*KEPT_METADATA, "resourceVersion"):
        if field in old["metadata"]:
            meta[field] = old["metadata"][field]
        else:
            meta.pop(field, None)
    fresh["apiVersion"], fresh["kind"] = old["apiVersion"], old["kind"]
    if call.resource.has_status:
        fresh.pop("status", None)
        if "status" in old:
            fresh["status"] = old["status"]
    return fresh


def scale_of(item: Json) -> Json:
    """The `autoscaling/v1` Scale of a workload."""
    meta = item["metadata"]
    labels = item["spec"].get("selector", {}).get("matchLabels", {})
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: meta[field] for field in kept if field in meta},
        "spec": {"replicas": item["spec"].get("replicas", 1)},
        "status": {
            "replicas": item.get("status", {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in labels.items()),
        },
    }


def _rescaled(call: Call, old: Json, scale: Json) -> Json:
    spec = scale.get("spec")
    count = spec.get("replicas", 0) if isinstance(spec, dict) else spec
    if causes := replica_causes(count):
        raise invalid(call.resource.target(call.name), *causes)
    fresh = copy.deepcopy(old)
    fresh["spec"]["replicas"] = count
    return fresh


def _delete(cluster: Cluster, call: Call) -> Answer:
    if not call.name or call.subresource:
        raise no_such_path()
    item = call.found(cluster.store)
    options = call.body if isinstance(call.body, dict) else {}
    _check_preconditions(call.resource, item, options)
    grace: Any = call.number("gracePeriodSeconds")
    if grace is None:
        grace = options.get("gracePeriodSeconds")
    if grace is not None and (isinstance(grace, bool) or not isinstance(grace, int) or grace < 0):
        msg = f"gracePeriodSeconds must be a whole number of seconds, got {grace!r}"
        raise bad_request(msg)
    policy = call.params.get("propagationPolicy") or options.get("propagationPolicy", "Background")
    if policy not in {"Background", "Foreground", "Orphan"}:
        msg = f"propagationPolicy must be Background, Foreground or Orphan, got {policy!r}"
        raise bad_request(msg)
    uid = item["metadata"]["uid"]
    if call.dry_run:
        is_pod = call.resource is PODS
        return 200, item if is_pod else success(call.resource.target(call.name, uid))
    if call.resource is PODS:
        allowed = item["spec"].get("terminationGracePeriodSeconds", 30)
        gone = kubelet.terminate(cluster.engine, item, allowed if grace is None else grace)
        _done(cluster, call, uid)
        return 200, gone
    _remove_tree(cluster, call.resource, item, policy)
    _done(cluster, call, uid)
    return 200, success(call.resource.target(call.name, uid))


def _check_preconditions(resource: Resource, item: Json, options: Json) -> None:
    wanted = options.get("preconditions") or {}
    for field, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        asked, present = wanted.get(field), item["metadata"][field]
        if asked and asked != present:
            why = (
                f"Precondition failed: {word} in precondition: {asked}, {word} in object meta:"
                f" {present}"
            )
            raise conflict(resource.target(item["metadata"]["name"]), why)


def _remove_tree(cluster: Cluster, resource: Resource, item: Json, policy: str) -> None:
    """Delete an object and what it owns; `Orphan` leaves what it owns without an owner."""
    store, meta = cluster.store, item["metadata"]
    for child_resource in (REPLICA_SETS, PODS):
        for child in store.owned(child_resource, item):
            if policy == "Orphan":
                store.update(
                    child_resource, child, lambda draft: draft["metadata"].pop("ownerReferences")
                )
            elif child_resource is PODS:
                kubelet.terminate(cluster.engine, child, 30)
            else:
                _remove_tree(cluster, child_resource, child, policy)
    store.remove(resource, meta.get("namespace", ""), meta["name"])


def _evict(cluster: Cluster, call: Call) -> Answer:
    """Delete a pod unless a disruption budget forbids it."""
    pod = call.found(cluster.store)
    body = call.body if isinstance(call.body, dict) else {}
    options = body.get("deleteOptions") or {}
    _check_preconditions(PODS, pod, options)
    labels = pod["metadata"].get("labels", {})
    for budget in cluster.store.every(BUDGETS, call.namespace):
        if not selector_matches(budget["spec"]["selector"], labels):
            continue
        healthy, needed, _expected = budget_numbers(cluster.engine, budget)
        if healthy - 1 < needed:
            name = budget["metadata"]["name"]
            raise disruption_blocked(PODS.target(call.name), name, healthy, needed)
    if not call.dry_run:
        grace = options.get("gracePeriodSeconds")
        default = pod["spec"].get("terminationGracePeriodSeconds", 30)
        kubelet.terminate(cluster.engine, pod, default if grace is None else grace)
        _done(cluster, call, pod["metadata"]["uid"])
    return 201, success(PODS.target(call.name), 201)
