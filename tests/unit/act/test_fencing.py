"""The fence before every request that changes something, and before none that reads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import deployment
from tools.act.contract import Actors
from tools.act.fencing import fenced
from tools.ports import HttpReply
from tools.world import WorkloadRef

SHOP = WorkloadRef("default", "trading", "Deployment", "shop")
JOB = WorkloadRef("default", "trading", "Job", "flush")
EMPTY: Mapping[str, Any] = {"kind": "Job", "metadata": {"namespace": "trading", "name": "flush"}}


class LostError(Exception):
    """The plan is somebody else's."""


async def lost() -> None:
    raise LostError


async def held() -> None:
    return None


class Called:
    """The port HttpCaller, counting."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def check(self, method: str, url: str) -> None:
        self.calls.append(f"check {method}")

    async def call(
        self, method: str, url: str, body: Mapping[str, Any] | None, key: str
    ) -> HttpReply:
        self.calls.append(method)
        return HttpReply(200, "")


def actors(ask: Callable[[], Awaitable[None]], *, named: bool = False) -> tuple[Actors, Any, Any]:
    cluster, http = FakeCluster(deployment("shop")), Called()
    clusters = {"default": cluster} if named else {}
    bare = Actors(FakeClock(), None if named else cluster, http, clusters)
    return fenced(bare, ask), cluster, http


CHANGES: dict[str, Callable[[Actors, bool], Awaitable[Any]]] = {
    "patch": lambda a, dry: a.need_cluster("default").patch(SHOP, [], dry_run=dry),
    "delete": lambda a, dry: a.need_cluster("default").delete(SHOP, dry_run=dry),
    "create": lambda a, dry: a.need_cluster("default").create(JOB, EMPTY, dry_run=dry),
}


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
async def test_a_change_of_a_cluster_is_sent_by_who_holds_the_plan_alone(
    change: Callable[[Actors, bool], Awaitable[Any]], *, named: bool
) -> None:
    behind, cluster, _ = actors(lost, named=named)
    await change(behind, True)
    with pytest.raises(LostError):
        await change(behind, False)
    assert cluster.sent == []
    behind, cluster, _ = actors(held, named=named)
    await change(behind, False)
    assert len(cluster.sent) == 1


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_call_that_is_no_get_is_sent_by_who_holds_the_plan_alone(method: str) -> None:
    behind, _, http = actors(lost)
    with pytest.raises(LostError):
        await behind.need_http().call(method, "http://x", None, "k")
    assert http.calls == []
    behind, _, http = actors(held)
    assert (await behind.need_http().call(method, "http://x", None, "k")).status == 200
    assert http.calls == [method]


async def test_whoever_lost_the_plan_may_still_look() -> None:
    behind, cluster, http = actors(lost)
    cluster.pod_answers["shop"] = {"state": "up"}
    fence = behind.need_cluster()
    assert (await fence.get(SHOP))["metadata"]["name"] == "shop"
    assert len(await fence.list("Pod", "trading")) == 3
    assert await fence.list("Pod", "trading", {"app": "x"}) == []
    assert await fence.logs(SHOP, 3) == ""
    assert await fence.ask_pod(SHOP, 8000, "/state") == {"state": "up"}
    await behind.need_http().check("POST", "http://x")
    await behind.need_http().call("GET", "http://x", None, "")
    assert http.calls == ["check POST", "GET"]


def test_what_is_not_configured_stays_so() -> None:
    behind = fenced(Actors(FakeClock()), held)
    assert (behind.cluster, behind.http, dict(behind.clusters)) == (None, None, {})


async def test_a_pod_that_is_deleted_has_half_a_minute_behind_the_fence_too() -> None:
    behind, cluster, _ = actors(held)
    await behind.need_cluster().delete(SHOP, dry_run=False)
    assert cluster.sent == [("delete", SHOP, 30)]
