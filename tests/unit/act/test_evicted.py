"""What a drain notes on its node of the pods that it set out to evict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.fakes.cluster import FakeCluster
from tools.act.evicted import EVICTED_ANNOTATION, Noted, note, recall
from tools.errors import LostRaceError
from tools.kubernetes_objects import STEP_ANNOTATION
from tools.world import WorkloadRef

KEY = "PLAN-1/do/0"
NODE = WorkloadRef("default", "", "Node", "node-a", "uid-node")
SHOP = WorkloadRef("default", "trading", "Deployment", "shop", "uid-shop")


def node(step: str = KEY, evicted: Any = None) -> dict[str, Any]:
    text = evicted if isinstance(evicted, str) else json.dumps(evicted)
    marks = {STEP_ANNOTATION: step} | ({EVICTED_ANNOTATION: text} if evicted else {})
    return {"kind": "Node", "metadata": {"name": "node-a", "uid": "uid-node", "annotations": marks}}


async def test_what_was_noted_is_recalled_by_the_same_step_alone() -> None:
    world, pods = FakeCluster([node()]), {"uid-1": Noted("trading/shop-1", SHOP)}
    await note(world, NODE, KEY, pods)
    there = await world.get(NODE)
    assert recall(there, KEY) == pods
    assert recall(there, "PLAN-2/do/0") == {}
    again = {**there, "metadata": {**there["metadata"], "annotations": {
        **there["metadata"]["annotations"], STEP_ANNOTATION: "PLAN-2/do/0",
    }}}  # fmt: skip
    assert recall(again, "PLAN-2/do/0") == {}  # another drain's mark, and the first one's note


async def test_nothing_is_noted_on_another_node_or_over_another_step() -> None:
    for other in (
        node(step="PLAN-2/do/0"),
        node() | {"metadata": {**node()["metadata"], "uid": "x"}},
    ):
        world = FakeCluster([other])
        with pytest.raises(LostRaceError):
            await note(world, NODE, KEY, {})
        assert world.sent == []


def test_without_a_note_nothing_was_evicted() -> None:
    assert recall(node(), KEY) == recall(node(step="", evicted="x"), KEY) == {}


@pytest.mark.parametrize(
    "evicted",
    [
        "no json", "[]", "1", {"pods": {}}, {"key": KEY}, {"key": KEY, "pods": ["a"]},
        {"key": KEY, "pods": {"uid-1": {"name": "a", "owner": {"nme": "shop"}}}},
    ],
)  # fmt: skip
def test_a_note_that_somebody_changed_stops_the_drain(evicted: object) -> None:
    with pytest.raises(LostRaceError, match="was changed"):
        recall(node(evicted=evicted), KEY)
