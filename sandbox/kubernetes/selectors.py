"""Label and field selectors, as `kubectl get -l` and `--field-selector` send them.

app=gateway,tier!=edge,version in (v1, v2),canary,!legacy
involvedObject.name=order-api,type!=Normal
"""

import re
from collections.abc import Callable
from typing import Any

from sandbox.kubernetes.status import Json, bad_request

Matcher = Callable[[Json], bool]

_SET = re.compile(r"^\s*(\S+)\s+(in|notin)\s+\(([^)]*)\)\s*$")
_PAIR = re.compile(r"^\s*([^=!\s]+)\s*(==|=|!=)\s*(\S*)\s*$")
_KEY = re.compile(r"^\s*(!?)\s*([A-Za-z0-9][-A-Za-z0-9_./]*)\s*$")

FIELDS: dict[str, tuple[str, ...]] = {
    "*": ("metadata.name", "metadata.namespace"),
    "pods": ("spec.nodeName", "status.phase", "status.podIP", "spec.restartPolicy"),
    "events": (
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "type",
        "source",
        "reportingComponent",
    ),
    "nodes": ("spec.unschedulable",),
    "namespaces": ("status.phase",),
    "replicasets": ("status.replicas",),
    "jobs": ("status.successful",),
    "secrets": ("type",),
}


def label_matcher(selector: str) -> Matcher:
    """Compile a label selector string."""
    tests = [_label_test(part) for part in _split(selector)]

    def matches(item: Json) -> bool:
        labels = item.get("metadata", {}).get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def _split(selector: str) -> list[str]:
    parts = re.split(r",(?![^()]*\))", selector)
    return [part for part in parts if part.strip()]


def _label_test(part: str) -> Matcher:
    if found := _SET.match(part):
        key, operator, listed = found.groups()
        values = {value.strip() for value in listed.split(",")}
        if operator == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if found := _PAIR.match(part):
        key, operator, value = found.groups()
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _KEY.match(part):
        absent, key = found.groups()
        return lambda labels: (key in labels) != bool(absent)
    msg = f"unable to parse requirement: found {part.strip()!r}, expected: key=value, in, notin"
    raise bad_request(msg)


def field_matcher(selector: str, plural: str) -> Matcher:
    """Compile a field selector; a field the resource is not indexed by is refused."""
    known = FIELDS["*"] + FIELDS.get(plural, ())
    tests: list[tuple[str, bool, str]] = []
    for part in selector.split(","):
        if not part.strip():
            continue
        found = _PAIR.match(part)
        if not found:
            msg = f"invalid field selector {part!r}: expected key=value or key!=value"
            raise bad_request(msg)
        key, operator, value = found.groups()
        if key not in known:
            msg = f'"{key}" is not a known field selector: only {", ".join(sorted(known))}'
            raise bad_request(msg)
        tests.append((key, operator == "!=", value))

    def matches(item: Json) -> bool:
        return all((_field(item, key) == value) != negated for key, negated, value in tests)

    return matches


def _field(item: Json, path: str) -> str:
    if path == "source":
        return str(item.get("source", {}).get("component", ""))
    here: Any = item
    for part in path.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    if here is None:
        return "false" if path == "spec.unschedulable" else ""
    return str(here).lower() if isinstance(here, bool) else str(here)


def selector_matches(selector: Json | None, labels: Json) -> bool:
    """Does a LabelSelector object (matchLabels, matchExpressions) select these labels?"""
    if not selector:
        return False
    wanted = selector.get("matchLabels") or {}
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    for rule in selector.get("matchExpressions") or []:
        present = labels.get(rule["key"])
        holds = {
            "In": present in rule.get("values", []),
            "NotIn": present not in rule.get("values", []),
            "Exists": present is not None,
            "DoesNotExist": present is None,
        }[rule["operator"]]
        if not holds:
            return False
    return True
