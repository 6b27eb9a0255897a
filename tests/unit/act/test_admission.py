"""What the API server refuses the acting identity: the policy's own expressions, evaluated.

`cel-python` reads them as the specification of CEL says; no API server is asked here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import celpy
import pytest
import yaml
from celpy.adapter import json_to_cel

from tools.act.admission import (
    IDENTITY,
    Protected,
    condition,
    documents,
    namespace_of,
    render,
    validations,
)

Json = dict[str, Any]
PROTECTED = Protected(("kube-system", "wallet"), ("do-not-remediate=true", 'odd"\\name'))
ENVIRONMENT = celpy.Environment()


def holds(expression: str, **variables: Any) -> bool:
    """Evaluate one expression as the API server would."""
    program = ENVIRONMENT.program(ENVIRONMENT.compile(expression))
    named = {name: json_to_cel(value) for name, value in variables.items()}
    return bool(program.evaluate(named))


def refused(
    *,
    namespace: str = "trading",
    item: Json | None = None,
    old: Json | None = None,
    space: Mapping[str, str] | None = None,
    user: str = IDENTITY,
) -> list[str]:
    """Return why the server refuses a request of this user."""
    request = {"namespace": namespace, "userInfo": {"username": user}}
    if not holds(condition(IDENTITY), request=request):
        return []
    inside = (
        None if not namespace else {"metadata": {"name": namespace, "labels": dict(space or {})}}
    )
    seen = {"request": request, "object": item, "oldObject": old, "namespaceObject": inside}
    return [v.message for v in validations(PROTECTED) if not holds(v.expression, **seen)]


def thing(**labels: str) -> Json:
    return {"metadata": {"name": "x", "labels": labels}}


BARE: Json = {"metadata": {"name": "x"}}
OWN = "the label do-not-remediate=true protects it"
SPACE = "the label do-not-remediate=true protects its namespace"


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        ({"item": BARE, "old": BARE}, []),
        ({"item": thing(app="shop"), "old": thing(app="shop")}, []),
        ({"namespace": "wallet", "item": BARE}, ["the namespace is protected"]),
        ({"namespace": "kube-system", "old": BARE}, ["the namespace is protected"]),
        ({"item": thing(**{"do-not-remediate": "true"}), "old": BARE}, [OWN]),
        # the label is not taken off in the same request that changes the object
        ({"item": BARE, "old": thing(**{"do-not-remediate": "true"})}, [OWN]),
        ({"item": None, "old": thing(**{"do-not-remediate": "true"})}, [OWN]),  # a delete
        ({"item": BARE, "old": None, "space": {"do-not-remediate": "true"}}, [SPACE]),
        ({"item": thing(**{"do-not-remediate": "false"}), "old": BARE}, []),
        (
            {"item": thing(**{'odd"\\name': "whatever"})},
            ['the label odd"\\name protects it'],
        ),
        ({"namespace": "", "item": BARE, "old": BARE}, []),  # a node
        ({"namespace": "", "item": thing(**{"do-not-remediate": "true"})}, [OWN]),
    ],
)
def test_the_acting_identity_is_refused_what_is_protected(request_: Json, told: list[str]) -> None:
    assert refused(**request_) == told


def test_nobody_else_is_refused_anything() -> None:
    labelled = thing(**{"do-not-remediate": "true"})
    assert refused(namespace="wallet", item=labelled, user="somebody") == []


def test_an_eviction_does_not_tell_the_labels_of_its_pod() -> None:
    """docs/security.md lists it: the server sees the eviction, the bot looks at the pod."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "shop-1"}}
    assert refused(item=eviction) == []


def test_without_anything_protected_nothing_is_refused() -> None:
    assert validations(Protected((), ())) == ()


def test_what_is_printed_is_the_policy_and_its_binding() -> None:
    policy, binding = documents(PROTECTED)
    assert list(yaml.safe_load_all(render(PROTECTED))) == [policy, binding]
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert policy["spec"]["matchConstraints"]["resourceRules"][0]["resources"] == ["*/*"]
    assert binding["spec"]["policyName"] == policy["metadata"]["name"]
    assert binding["spec"]["validationActions"] == ["Deny"]


@pytest.mark.parametrize(
    ("identity", "namespace"),
    [
        (IDENTITY, "sre-agent"),
        ("alice@example.com", ""),
        ("system:node:n1", ""),
        ("system:serviceaccount:alone", ""),
        ("https://login.example:443:a:b", ""),
        ("system:node:a:b", ""),
    ],
)
def test_a_service_accounts_name_says_where_the_bot_lives(identity: str, namespace: str) -> None:
    assert namespace_of(identity) == namespace
