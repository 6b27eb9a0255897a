"""The patch languages and the selectors of the imitated API server."""

from typing import Any

import pytest

from sandbox.kubernetes.patches import json_patch, merge_patch, strategic_merge
from sandbox.kubernetes.selectors import field_matcher, label_matcher
from sandbox.kubernetes.status import ApiError

POD = {"metadata": {"name": "a", "labels": {"app": "gateway", "tier": "edge"}},
       "spec": {"nodeName": "node-a"}}  # fmt: skip


@pytest.mark.parametrize(
    ("selector", "selected"),
    [
        ("", True),
        ("app=gateway", True),
        ("app==gateway,tier=edge", True),
        ("app!=gateway", False),
        ("app in (gateway, ledger)", True),
        ("app notin (gateway)", False),
        ("tier,!canary", True),
        ("canary", False),
        ("team!=risk", True),
    ],
)
def test_a_label_selector_selects(selector: str, selected: bool) -> None:
    assert label_matcher(selector)(POD) is selected


def test_a_field_that_is_not_indexed_is_refused_with_the_ones_that_are() -> None:
    with pytest.raises(ApiError, match=r"spec\.colour.*spec\.nodeName"):
        field_matcher("spec.colour=red", "pods")
    assert field_matcher("spec.nodeName=node-a,metadata.name!=b", "pods")(POD)


@pytest.mark.parametrize(
    ("operations", "expected"),
    [
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3], "b": {"c/d": 1}}),
        ([{"op": "replace", "path": "/b/c~1d", "value": 9}], {"a": [1, 2], "b": {"c/d": 9}}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2], "b": {"c/d": 1}}),
        ([{"op": "move", "from": "/a", "path": "/b/a"}], {"b": {"c/d": 1, "a": [1, 2]}}),
        ([{"op": "copy", "from": "/a/1", "path": "/a/0"}], {"a": [2, 1, 2], "b": {"c/d": 1}}),
        ([{"op": "test", "path": "/a/0", "value": 1}], {"a": [1, 2], "b": {"c/d": 1}}),
    ],
)
def test_a_json_patch_follows_rfc_6902(operations: list[Any], expected: Any) -> None:
    document = {"a": [1, 2], "b": {"c/d": 1}}
    assert json_patch(document, operations) == expected
    assert document == {"a": [1, 2], "b": {"c/d": 1}}


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ({"op": "test", "path": "/a", "value": 2}, 422),
        ({"op": "test", "path": "/a", "value": True}, 422),
        ({"op": "remove", "path": "/nosuch"}, 422),
        ({"op": "replace", "path": "/nosuch", "value": 1}, 422),
        ({"op": "grow", "path": "/a"}, 400),
        ({"op": "add", "path": "/a"}, 400),
        ({"path": "/a"}, 400),
        ({"op": "remove", "path": "a"}, 400),
    ],
)
def test_a_json_patch_that_does_not_apply_is_refused(operation: Any, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        json_patch({"a": 1}, [operation])
    assert refused.value.code == code


def test_a_merge_patch_replaces_lists_and_null_deletes() -> None:
    merged = merge_patch({"a": [1, 2], "b": {"c": 1, "d": 2}}, {"a": [3], "b": {"c": None}})
    assert merged == {"a": [3], "b": {"d": 2}}


def test_a_strategic_patch_merges_containers_by_name_and_keeps_the_rest() -> None:
    old = {"containers": [{"name": "a", "image": "a:1", "env": [{"name": "X", "value": "1"}]},
                          {"name": "b", "image": "b:1"}]}  # fmt: skip
    patch = {"containers": [{"name": "a", "image": "a:2", "env": [{"name": "Y", "value": "2"}]},
                            {"name": "b", "$patch": "delete"}]}  # fmt: skip
    env = [{"name": "X", "value": "1"}, {"name": "Y", "value": "2"}]
    assert strategic_merge(old, patch) == {
        "containers": [{"name": "a", "image": "a:2", "env": env}]
    }


def test_a_strategic_patch_can_replace_a_map() -> None:
    assert strategic_merge({"m": {"a": 1}}, {"m": {"$patch": "replace", "b": 2}}) == {"m": {"b": 2}}
