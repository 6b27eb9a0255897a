"""Containers' words come from the cluster: the worst pods first, the life before as well."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.unit.doctor.worlds import NOW, SPACE, Lab
from tests.unit.tools.test_kubernetes_get import CATALOGUE
from tools.backends.kubernetes.pod_status import pod_status
from tools.contract import ToolResult
from tools.errors import BackendDeniedError, BadArgumentError, GoneError, NotFoundError
from tools.observe.container_logs import container_logs
from tools.world import WorkloadRef


def crashed(made: type[FakeCluster] = FakeCluster) -> FakeCluster:
    world = Lab()
    world.ended(137, "OOMKilled", restarts=4)
    cluster = made(
        [{"kind": kind, **item} for kind, items in world.objects.items() for item in items]
    )
    pods = [item for (kind, _, _), item in cluster.objects.items() if kind == "Pod"]
    cluster.pod_list = [pod_status(item, "default") for item in pods]
    said = ((NOW - timedelta(seconds=n), f"line {n}") for n in range(200, 0, -1))
    cluster.pod_logs["back-1-a"] = "\n".join(
        f"{at:%Y-%m-%dT%H:%M:%S}.5Z {text}" for at, text in said
    )
    cluster.previous_logs["back-1-a"] = "2026-11-27T11:58:00.123456789Z out of memory"
    cluster.pod_logs["front-1-a"] = "no time at all"
    return cluster


async def read(cluster: FakeCluster, **asked: Any) -> ToolResult:
    found: ToolResult = await container_logs.function(cluster, FakeClock(NOW), CATALOGUE, **asked)
    return found


async def test_the_last_words_before_a_restart_are_told_with_how_it_ended() -> None:
    result = await read(crashed(), service="back", previous=True)
    assert "lab/Pod/back-1-a container main (previous), 4 restarts" in result.summary
    assert "ended with exit code 137 OOMKilled" in result.summary
    assert "[2026-11-27T11:58:00Z] out of memory" in result.summary
    assert result.payload["logs"][0]["object"] == "lab/Pod/back-1-a"
    assert result.payload["logs"][0]["service"] == "back"


async def test_the_newest_lines_are_shown_and_the_earlier_ones_are_in_the_evidence() -> None:
    result = await read(crashed(), pod="lab/back-1-a", lines=100)
    assert result.summary.splitlines()[-1].endswith("line 1")
    assert "… 40 earlier lines in the evidence" in result.summary
    assert len(result.payload["logs"][0]["lines"]) == 100


async def test_a_line_without_a_time_is_told_as_it_is() -> None:
    result = await read(crashed(), pod="pod/front-1-a")
    assert result.payload["logs"][0]["lines"] == [{"at": "", "text": "no time at all"}]


async def test_a_container_that_never_restarted_has_no_previous_one_and_that_is_said() -> None:
    with pytest.raises(GoneError, match="none of these has restarted: leave previous out"):
        await read(crashed(), service="front", previous=True)


async def test_a_container_that_restarted_and_is_forgotten_points_to_the_log_store() -> None:
    cluster = crashed()
    cluster.previous_logs.clear()
    with pytest.raises(GoneError, match="search_logs may have the lines"):
        await read(cluster, service="back", previous=True)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, "name a service, or a pod"),
        ({"service": "back", "lines": 0}, "between 1 and 500"),
        ({"service": "back", "lines": 501}, "between 1 and 500"),
    ],
)
async def test_what_cannot_be_asked_is_told(asked: dict[str, Any], why: str) -> None:
    with pytest.raises(BadArgumentError, match=why):
        await read(crashed(), **asked)


async def test_a_pod_or_container_that_is_not_there_is_told_with_the_nearest() -> None:
    with pytest.raises(NotFoundError, match="kubernetes_get with kind pod"):
        await read(crashed(), pod="nobody")
    with pytest.raises(NotFoundError, match="Did you mean 'main'"):
        await read(crashed(), service="back", container="mian")


async def test_a_log_that_may_not_be_read_is_a_gap_beside_one_that_may() -> None:
    class Refusing(FakeCluster):
        async def log_of(self, pod: WorkloadRef, container: str = "", **more: Any) -> str:
            if pod.name == "back-1-a":
                raise BackendDeniedError("kubernetes", 'needs resources: ["pods/log"]')
            return await super().log_of(pod, container, **more)

    cluster = crashed(Refusing)
    with pytest.raises(BackendDeniedError, match="pods/log"):
        await read(cluster, service="back")
    twin = pod_status({**cluster.objects["Pod", SPACE, "front-1-a"]}, "default")
    cluster.pod_list = [each for each in cluster.pod_list if each.ref.name == "back-1-a"]
    cluster.put({"kind": "Pod", "metadata": {"namespace": SPACE, "name": "back-2-b"}})
    moved = WorkloadRef("default", SPACE, "Pod", "back-2-b")
    cluster.pod_list.append(replace(twin, ref=moved))
    cluster.pod_logs["back-2-b"] = "fine"
    result = await read(cluster, service="back")
    assert "fine" in result.summary
    assert "NOT READ: kubernetes: needs" in result.summary


async def test_the_body_of_a_private_key_is_left_out_line_by_line() -> None:
    cluster = crashed()
    begin, end = "-----BEGIN RSA PRIVATE" + " KEY-----", "-----END RSA PRIVATE" + " KEY-----"
    written = ["before", begin, "MIIEow/abc/def", "ghi/jkl/mno==", end, "after"]
    cluster.pod_logs["front-1-a"] = "\n".join(f"2026-11-27T11:58:00Z {line}" for line in written)
    result = await read(cluster, pod="front-1-a")
    told = [line["text"] for line in result.payload["logs"][0]["lines"]]
    assert told == ["before", begin, "after"]
    assert "MIIEow" not in result.summary
