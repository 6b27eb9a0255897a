"""An object as compact YAML: what somebody decided and what became of it, without the API's noise.

Left out: managed fields, the last applied configuration, identities and versions, defaults that
every pod has, the images a node keeps. A Secret inside of an object is not shown, nor the text
of a file that holds one.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import re2

from foundation.encodings import writable
from foundation.shortened import shortened
from tools.kubernetes_objects import Json

LONGEST = 1_500  # characters of one value in the lines; the payload holds it whole
MOST_LINES = 40  # of one value
HIDDEN = "(a Secret: never shown)"
_NO_META = frozenset({"managedFields", "uid", "resourceVersion", "selfLink", "generateName"})
_APPLIED = ("last-applied", "/applied")  # annotations that hold the whole object once more
_ORDINARY: Mapping[str, object] = {  # what a pod says when nobody decided anything
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "enableServiceLinks": True,
    "preemptionPolicy": "PreemptLowerPriority",
    "serviceAccount": None,  # the old name of serviceAccountName
    "containerID": None,
    "lastProbeTime": None,
}
_TOKENS = "/var/run/secrets/kubernetes.io/serviceaccount"
_OWN_VOLUME = "kube-api-access-"
_SECRET = re2.compile(r"(?i)[\"']?\bkind\\*[\"']?\s*:\s*\\*[\"']?Secret(?:List)?\b")
_PLAIN = re2.compile(r"[A-Za-z0-9/][\w./@+:-]*")  # a scalar that needs no quotes
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_PEOPLES = frozenset({"data", "labels", "annotations", "matchLabels"})  # their keys are anybody's
_COMMANDS = frozenset({"command", "args"})


def cleaned(item: Json) -> dict[str, Any]:
    """Return an object without noise, and without any Secret that it holds."""
    found = {k: _clean(v, k) for k, v in item.items() if k not in {"apiVersion", "status"}}
    own = item.get("metadata") or {}
    marks = {
        k: _clean(v, k)
        for k, v in (own.get("annotations") or {}).items()
        if not any(part in k for part in _APPLIED)
    }
    kept = {
        k: _clean(v, k)
        for k, v in own.items()
        if k not in _NO_META and k not in {"annotations", "ownerReferences"}
    }
    if marks:
        kept["annotations"] = marks
    if own.get("ownerReferences"):
        kept["owners"] = [f"{o.get('kind')}/{o.get('name')}" for o in own["ownerReferences"]]
    found["metadata"] = kept
    if item.get("binaryData"):
        found["binaryData"] = {
            k: f"({len(str(v))} of base64)" for k, v in item["binaryData"].items()
        }
    status = _clean(item.get("status"), "status")
    if status:
        if isinstance(status.get("images"), list):  # what a node has pulled: hundreds
            status["images"] = f"({len(status['images'])} images)"
        found["status"] = status
    return {k: v for k, v in found.items() if v is not None}


def _clean(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        if value.get("kind") in {"Secret", "SecretList"} and {"data", "stringData", "items"} & set(
            value
        ):
            return HIDDEN
        ours = key not in _PEOPLES
        return {
            k: _clean(v, k)
            for k, v in value.items()
            if v is not None and not (ours and _is_ordinary(k, v))
        }
    if isinstance(value, list):
        return [_clean(each) for each in value if not _is_token(key, each)]
    if isinstance(value, str) and _SECRET.search(writable(value)):
        return HIDDEN
    return value


def _is_ordinary(key: str, value: Any) -> bool:
    return key in _ORDINARY and (_ORDINARY[key] is None or _ORDINARY[key] == value)


def _is_token(key: str, value: Any) -> bool:
    """Say whether this is the volume, or its mount, that brings every pod its identity."""
    if not isinstance(value, Mapping):
        return False
    if key == "volumeMounts":
        return str(value.get("mountPath", "")) == _TOKENS
    return key == "volumes" and str(value.get("name", "")).startswith(_OWN_VOLUME)


def yaml_lines(value: Any) -> list[str]:
    """Return plain JSON as lines of YAML; a command and its arguments stand on one line."""
    return list(_lines(value, "", ""))


def _lines(value: Any, indent: str, key: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _member(str(name), each, indent)
    elif isinstance(value, list):
        for each in value:
            inner = list(_lines(each, f"{indent}  ", key))
            first = inner[0][len(indent) + 2 :] if inner else "{}"
            yield f"{indent}- {first}"
            yield from inner[1:]
    else:
        yield f"{indent}{_scalar(value)}"


def _member(name: str, value: Any, indent: str) -> Iterator[str]:
    said = _scalar(name)
    if isinstance(value, str) and "\n" in value:
        yield f"{indent}{said}: |"
        cut = shortened(value, LONGEST).rstrip("\n").split("\n")
        yield from (f"{indent}  {line}".rstrip() for line in cut[:MOST_LINES])
        if len(cut) > MOST_LINES:
            yield f"{indent}  …"
    elif name in _COMMANDS and isinstance(value, list) and all(map(_is_scalar, value)):
        # on one line an option stands beside its argument, for whoever looks for passwords too
        yield f"{indent}{said}: {shortened(shlex.join(map(str, value)), LONGEST)}"
    elif isinstance(value, list) and value and all(map(_is_scalar, value)):
        yield f"{indent}{said}: [{', '.join(map(_scalar, value))}]"
    elif isinstance(value, Mapping | list) and value:
        yield f"{indent}{said}:"
        yield from _lines(value, f"{indent}  ", name)
    else:
        yield f"{indent}{said}: {_scalar(value)}"


def _is_scalar(value: Any) -> bool:
    return not isinstance(value, Mapping | list) and "\n" not in str(value)


def _scalar(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[]"
    if not isinstance(value, str):
        return json.dumps(value)
    text = shortened(value, LONGEST)
    plain = _PLAIN.fullmatch(writable(text)) and text.lower() not in _WORDS
    if plain and not text.endswith(":") and not text.replace(".", "").isdigit():
        return text
    return json.dumps(text, ensure_ascii=False)
