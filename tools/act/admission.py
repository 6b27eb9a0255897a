"""What the API server itself can refuse the acting identity, as a ValidatingAdmissionPolicy.

    request of the acting identity ──> namespace protected? label on the object, its old self,
                                       its namespace? ──> denied, whatever the bot believes

A second lock on the same door, for the day the bot is wrong or its token is in other hands. The
server sees one request and one object: not who owns it, what an autoscaler scales, what a Service
selects, nor the pod that an eviction names (docs/security.md lists what is left to the bot).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NAME = "sre-agent-actor"
IDENTITY = "system:serviceaccount:sre-agent:sre-agent-actor"


@dataclass(frozen=True, slots=True)
class Protected:
    """What the acting identity must not change."""

    namespaces: Sequence[str]
    labels: Sequence[str]  # `name=value`, or a name alone for whatever value


@dataclass(frozen=True, slots=True)
class Validation:
    """One CEL expression that must hold, and what the server says when it does not."""

    expression: str
    message: str


def condition(identity: str) -> str:
    """Return when the policy speaks: for the acting identity alone."""
    return f"request.userInfo.username == {_text(identity)}"


def validations(protected: Protected) -> tuple[Validation, ...]:
    """Return what must hold of each of its requests."""
    found = []
    if protected.namespaces:
        names = ", ".join(map(_text, sorted(set(protected.namespaces))))
        found.append(Validation(f"!(request.namespace in [{names}])", "the namespace is protected"))
    for label in sorted(set(protected.labels)):
        own = f"{_unlabelled('object', label)} && {_unlabelled('oldObject', label)}"
        found.append(Validation(own, f"the label {label} protects it"))
        space = _unlabelled("namespaceObject", label)
        found.append(Validation(space, f"the label {label} protects its namespace"))
    return tuple(found)


def _unlabelled(variable: str, label: str) -> str:
    """Return that an object, where there is one, does not carry a label."""
    name, equals, value = label.partition("=")
    labels = f"{variable}.metadata.labels"
    carries = f"{_text(name)} in {labels}"
    if equals:
        carries += f" && {labels}[{_text(name)}] == {_text(value)}"
    return f"({variable} == null || !has({labels}) || !({carries}))"


def documents(protected: Protected, identity: str = IDENTITY) -> tuple[Mapping[str, Any], ...]:
    """Return the policy and its binding as plain objects."""
    rule = {
        "apiGroups": ["*"],
        "apiVersions": ["*"],
        "operations": ["CREATE", "UPDATE", "DELETE"],
        "resources": ["*/*"],  # every resource and every subresource: eviction, status, scale
    }
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": NAME},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "matchConditions": [{"name": "acting-identity", "expression": condition(identity)}],
            "validations": [
                {"expression": each.expression, "message": each.message, "reason": "Forbidden"}
                for each in validations(protected)
            ],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": NAME},
        "spec": {"policyName": NAME, "validationActions": ["Deny"]},
    }
    return policy, binding


def render(protected: Protected, identity: str = IDENTITY) -> str:
    """Return both as YAML documents (JSON's way of writing values is YAML too)."""
    return "".join(f"---\n{_yaml(each)}" for each in documents(protected, identity))


def namespace_of(identity: str) -> str:
    """Return the namespace of a service account's user name, empty for another kind of user."""
    parts = identity.split(":")
    return parts[2] if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4 else ""


def _text(value: str) -> str:
    """Return a CEL string: JSON's escapes are CEL's."""
    return json.dumps(value)


def _yaml(value: Mapping[str, Any], indent: str = "") -> str:
    lines = []
    for key, each in value.items():
        if isinstance(each, Mapping):
            lines.append(f"{indent}{key}:\n{_yaml(each, indent + '  ')}")
        elif isinstance(each, list) and each and isinstance(each[0], Mapping):
            lines.append(f"{indent}{key}:\n")
            for one in each:
                text = _yaml(one, indent + "    ")
                lines.append(f"{indent}  - {text[len(indent) + 4 :]}")
        else:
            lines.append(f"{indent}{key}: {json.dumps(each, ensure_ascii=False)}\n")
    return "".join(lines)
