"""The three patch languages of the Kubernetes API, applied to plain JSON.

    application/json-patch+json              RFC 6902: add remove replace move copy test
    application/merge-patch+json             RFC 7386: null deletes, lists are replaced
    application/strategic-merge-patch+json   merge patch that merges known lists by their key

All functions return a new document and leave their arguments alone.
"""

import copy
from typing import Any

from sandbox.kubernetes.status import Json, bad_request, patch_failed

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"

# list field -> the key its items are merged by (k8s.io/api, patchMergeKey tags)
MERGE_KEYS: dict[str, tuple[str, ...]] = {
    "containers": ("name",),
    "initContainers": ("name",),
    "ephemeralContainers": ("name",),
    "env": ("name",),
    "ports": ("containerPort", "port"),
    "volumes": ("name",),
    "volumeMounts": ("mountPath",),
    "conditions": ("type",),
    "ownerReferences": ("uid",),
    "imagePullSecrets": ("name",),
    "hostAliases": ("ip",),
    "addresses": ("type",),
    "taints": ("key",),
    "topologySpreadConstraints": ("topologyKey",),
}
ORDER_DIRECTIVE = "$setElementOrder/"
DELETE_DIRECTIVE = "$deleteFromPrimitiveList/"


def apply_patch(document: Json, patch: Any, content_type: str) -> Json:
    """Apply `patch` in the language its content type names."""
    if content_type == JSON_PATCH:
        if not isinstance(patch, list):
            msg = f"a JSON patch is a list of operations, got {type(patch).__name__}"
            raise bad_request(msg)
        patched = json_patch(document, patch)
    elif not isinstance(patch, dict):
        msg = f"a merge patch is an object, got {type(patch).__name__}"
        raise bad_request(msg)
    elif content_type == MERGE_PATCH:
        patched = merge_patch(document, patch)
    else:
        patched = strategic_merge(document, patch)
    if not isinstance(patched, dict):
        msg = "the patch does not leave an object"
        raise patch_failed(msg)
    return patched


def merge_patch(document: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    merged = dict(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return copy.deepcopy(merged)


def strategic_merge(document: Any, patch: Json) -> Json:
    """Merge maps; merge lists of objects by their merge key; obey `$patch` and order directives."""
    if patch.get("$patch") == "replace":
        return {key: copy.deepcopy(value) for key, value in patch.items() if key != "$patch"}
    merged: Json = copy.deepcopy(document) if isinstance(document, dict) else {}
    for key, value in patch.items():
        if key.startswith(("$", ORDER_DIRECTIVE)):
            if key.startswith(DELETE_DIRECTIVE):
                field = key.removeprefix(DELETE_DIRECTIVE)
                merged[field] = [item for item in merged.get(field, []) if item not in value]
            continue
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            if value.get("$patch") == "delete":
                merged.pop(key, None)
            else:
                merged[key] = strategic_merge(merged.get(key), value)
        elif isinstance(value, list):
            merged[key] = _merge_list(key, merged.get(key) or [], value)
        else:
            merged[key] = value
    for key, order in patch.items():
        if key.startswith(ORDER_DIRECTIVE):
            _reorder(merged, key.removeprefix(ORDER_DIRECTIVE), order)
    return merged


def _merge_key(field: str, items: list[Any]) -> str | None:
    for key in MERGE_KEYS.get(field, ()):
        if all(isinstance(item, dict) and (key in item or "$patch" in item) for item in items):
            return key
    return None


def _merge_list(field: str, old: list[Any], new: list[Any]) -> list[Any]:
    if {"$patch": "replace"} in new:
        return [copy.deepcopy(item) for item in new if item != {"$patch": "replace"}]
    key = _merge_key(field, new)
    if key is None:
        if field == "finalizers":
            return old + [item for item in new if item not in old]
        return copy.deepcopy(new)
    merged: list[Any] = copy.deepcopy(old)
    for item in new:
        at = next(
            (i for i, present in enumerate(merged) if present.get(key) == item.get(key)), None
        )
        if item.get("$patch") == "delete":
            if at is not None:
                merged.pop(at)
        elif at is None:
            merged.append(strategic_merge({}, item))
        else:
            merged[at] = strategic_merge(merged[at], item)
    return merged


def _reorder(merged: Json, field: str, order: list[Any]) -> None:
    items = merged.get(field)
    if not items or not order:
        return
    if not isinstance(order[0], dict):
        merged[field] = sorted(items, key=lambda i: order.index(i) if i in order else len(order))
        return
    key = next(iter(order[0]))
    rank = {item.get(key): position for position, item in enumerate(order)}
    merged[field] = sorted(items, key=lambda i: rank.get(i.get(key), len(rank)))


def json_patch(document: Json, operations: list[Any]) -> Any:
    """RFC 6902; the first operation that does not apply refuses the whole patch."""
    patched: Any = copy.deepcopy(document)
    for operation in operations:
        if not isinstance(operation, dict) or "op" not in operation or "path" not in operation:
            msg = f"a JSON patch operation needs 'op' and 'path', got {operation!r}"
            raise bad_request(msg)
        patched = _operate(patched, operation)
    return patched


def _operate(document: Any, operation: Json) -> Any:
    op, path = operation["op"], _pointer(operation["path"])
    if op in {"add", "replace", "test"} and "value" not in operation:
        msg = f"JSON patch operation {op!r} on {operation['path']!r} has no 'value'"
        raise bad_request(msg)
    if op == "test":
        if not _same(_resolve(document, path, missing=None), operation["value"]):
            msg = f"testing value {operation['path']} failed: test failed"
            raise patch_failed(msg)
        return document
    if op == "add":
        return _add(document, path, copy.deepcopy(operation["value"]))
    if op == "replace":
        _resolve(document, path)
        return _put(document, path, copy.deepcopy(operation["value"]))
    if op == "remove":
        return _remove(document, path)
    if op in {"move", "copy"}:
        source = _pointer(operation.get("from", ""))
        value = copy.deepcopy(_resolve(document, source))
        if op == "move":
            document = _remove(document, source)
        return _add(document, path, value)
    msg = f"unknown JSON patch operation {op!r}: use add, remove, replace, move, copy or test"
    raise bad_request(msg)


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    return bool(left == right)


def _pointer(path: str) -> list[str]:
    if path and not path.startswith("/"):
        msg = f"JSON pointer {path!r} must start with '/'"
        raise bad_request(msg)
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


_MISSING = object()


def _resolve(document: Any, path: list[str], missing: Any = _MISSING) -> Any:
    here = document
    for part in path:
        if isinstance(here, dict) and part in here:
            here = here[part]
        elif isinstance(here, list) and part.isdigit() and int(part) < len(here):
            here = here[int(part)]
        elif missing is not _MISSING:
            return missing
        else:
            msg = f"path /{'/'.join(path)} does not exist"
            raise patch_failed(msg)
    return here


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _resolve(document, path[:-1])
    last = path[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list):
        if last == "-":
            parent.append(value)
        elif last.isdigit() and int(last) <= len(parent):
            parent.insert(int(last), value)
        else:
            msg = f"index {last!r} is outside the list at /{'/'.join(path[:-1])}"
            raise patch_failed(msg)
    else:
        msg = f"/{'/'.join(path[:-1])} is neither an object nor a list"
        raise patch_failed(msg)
    return document


def _put(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent = _resolve(document, path[:-1])
    parent[int(path[-1]) if isinstance(parent, list) else path[-1]] = value
    return document


def _remove(document: Any, path: list[str]) -> Any:
    if not path:
        msg = "the whole object cannot be removed"
        raise patch_failed(msg)
    _resolve(document, path)
    parent = _resolve(document, path[:-1])
    if isinstance(parent, list):
        parent.pop(int(path[-1]))
    else:
        parent.pop(path[-1])
    return document
