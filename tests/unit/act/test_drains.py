"""A drain while the world moves: pods go, are held or come, and the node changes. In memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import deployment
from tools.act.actions import ACTIONS
from tools.act.contract import Actors, Bound, Probe, StoppedShortError, bind, parse_parameters
from tools.act.evicted import recall
from tools.errors import (
    BackendUnavailableError,
    LostRaceError,
    OutcomeUnknownError,
    TryLaterError,
)
from tools.world import WorkloadRef

Json = Mapping[str, Any]
DOWN = BackendUnavailableError("kubernetes", "connection refused")
NODE = WorkloadRef("default", "", "Node", "node-a")


class Meanwhile(FakeCluster):
    """A cluster in which pods go, are held or come between the look and the eviction."""

    gone: set[str]  # listed once more, and no longer there
    held: int  # evictions that a budget holds

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Json]:
        found = await super().list(kind, namespace, selector)
        for name in self.gone:
            self.objects.pop((kind, "trading", name), None)
        return found

    async def create(self, ref: WorkloadRef, body: Json, **rest: Any) -> Json:
        if self.held > 0:
            self.held -= 1
            raise TryLaterError("kubernetes", "a budget needs it")
        return await super().create(ref, body, **rest)


def node_with_pods() -> Meanwhile:
    world = Meanwhile([{"kind": "Node", "metadata": {"name": "node-a"}, "spec": {}}])
    world.gone, world.held = set(), 0
    world.put({"kind": "Namespace", "metadata": {"name": "trading"}})
    for item in deployment("shop"):
        world.put(item)
    return world


async def drained(world: Meanwhile) -> Bound:
    action = ACTIONS["drain"]
    actors = Actors(FakeClock(), world)
    return bind(action, await action.observe(actors, NODE, parse_parameters(action, {})))


async def test_a_pod_that_goes_by_itself_is_not_missed_by_a_drain() -> None:
    world = node_with_pods()
    bound = await drained(world)
    world.gone = {"shop-h2-0"}
    done = await ACTIONS["drain"].execute(Actors(FakeClock(), world), bound, "k")
    assert done.response == {"evicted": ["trading/shop-h2-1", "trading/shop-h2-2"]}


async def test_a_pod_that_another_one_replaces_is_not_evicted_in_its_place() -> None:
    world = node_with_pods()
    bound = await drained(world)
    pod = world.objects["Pod", "trading", "shop-h2-0"]
    anew = {**pod, "metadata": {**pod["metadata"], "uid": "anew"}}

    async def replaced() -> None:
        world.put({**anew, "spec": {"nodeName": "node-b"}})  # it stands on another node by now

    world.after_change[2] = replaced  # the note is written, nothing is evicted
    done = await ACTIONS["drain"].execute(Actors(FakeClock(), world), bound, "k")
    assert done.response == {"evicted": ["trading/shop-h2-1", "trading/shop-h2-2"]}
    assert world.objects["Pod", "trading", "shop-h2-0"]["metadata"]["uid"] == "anew"


async def test_a_budget_that_holds_while_a_drain_is_tried_is_no_objection() -> None:
    world = node_with_pods()
    bound = await drained(world)
    world.held = 3
    await ACTIONS["drain"].dry_run(Actors(FakeClock(), world), bound)
    assert (world.held, world.sent) == (0, [])
    world.fail_next = [LostRaceError("denied")] * 2
    with pytest.raises(LostRaceError):
        await ACTIONS["drain"].dry_run(Actors(FakeClock(), world), bound)


async def test_a_drain_that_goes_on_after_a_kill_tells_of_all_that_it_evicted() -> None:
    world = node_with_pods()
    bound = await drained(world)

    async def killed() -> None:
        raise StopAsyncIteration("killed")

    world.after_change[3] = killed  # cordoned, noted, one evicted
    actors = Actors(FakeClock(), world)
    with pytest.raises(StopAsyncIteration):
        await ACTIONS["drain"].execute(actors, bound, "k")
    assert await ACTIONS["drain"].probe(actors, bound, "k") is Probe.NOT_DONE
    done = await ACTIONS["drain"].execute(actors, bound, "k")
    assert sorted(done.response["evicted"]) == [f"trading/shop-h2-{n}" for n in range(3)]
    assert [verb for verb, *_ in world.sent].count("delete") == 3
    assert await ACTIONS["drain"].probe(actors, bound, "k") is Probe.DONE


async def gone(world: Meanwhile) -> None:
    del world.objects["Node", "", "node-a"]


async def marked_by_another_step(world: Meanwhile) -> None:
    world.objects["Node", "", "node-a"]["metadata"]["annotations"]["sre-agent/step"] = "another"


async def unreachable(world: Meanwhile) -> None:
    world.unreadable["node-a"] = DOWN


@pytest.mark.parametrize(
    ("change", "after", "evicted"),
    [(gone, 3, 1), (unreachable, 3, 1), (unreachable, 4, 2), (marked_by_another_step, 1, 0)],
)
async def test_a_drain_that_cannot_go_on_tells_what_it_did_and_stops(
    change: Callable[[Meanwhile], Awaitable[None]], after: int, evicted: int
) -> None:
    world = node_with_pods()
    bound = await drained(world)
    world.after_change[after] = lambda: change(world)
    with pytest.raises(StoppedShortError, match="the drain could not go on: ") as told:
        await ACTIONS["drain"].execute(Actors(FakeClock(), world), bound, "k")
    assert len(told.value.result.response["evicted"]) == evicted


async def test_a_drain_that_gives_up_and_cannot_uncordon_is_unknown() -> None:
    world = node_with_pods()
    bound = await drained(world)

    class Over:
        async def pause(self, seconds: float) -> bool:
            world.fail_next = [DOWN]
            return False

    world.held = 1
    actors = Actors(FakeClock(), world, waiting=Over())
    with pytest.raises(OutcomeUnknownError, match="uncordoning it again failed: "):
        await ACTIONS["drain"].execute(actors, bound, "k")
    assert world.objects["Node", "", "node-a"]["spec"]["unschedulable"] is True


class Rounds:
    """Patience that says how long it was asked for."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def pause(self, seconds: float) -> bool:
        self.asked.append(seconds)
        return True


async def test_what_a_budget_holds_is_tried_again_every_five_seconds() -> None:
    world, rounds = node_with_pods(), Rounds()
    bound = await drained(world)
    world.held = 4  # all three, and one once more
    actors = Actors(FakeClock(), world, waiting=rounds)
    done = await ACTIONS["drain"].execute(actors, bound, "k")
    assert rounds.asked == [5.0, 5.0]
    noted = recall(await world.get(NODE), "k")
    assert {uid: each.name for uid, each in noted.items()} == {
        f"uid-shop-{n}": f"trading/shop-h2-{n}" for n in range(3)
    }
    assert {str(each.owner) for each in noted.values()} == {"trading/Deployment/shop"}
    assert sorted(done.response["evicted"]) == [f"trading/shop-h2-{n}" for n in range(3)]
    assert done.detail == "node node-a is cordoned; 3 pods evicted"
