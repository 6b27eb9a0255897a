"""What is used is told as a share of what may be; without metrics-server that is what is told."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.clock import FakeClock
from tests.fakes.cluster import FakeCluster
from tests.unit.doctor.worlds import NOW, SPACE, Lab
from tests.unit.tools.test_kubernetes_get import CATALOGUE
from tools.contract import ToolResult
from tools.errors import BackendDeniedError, BackendUnavailableError, GoneError
from tools.observe.usage import resource_usage


def measured(name: str, cpu: str, memory: str) -> dict[str, Any]:
    usage = {"cpu": cpu, "memory": memory}
    return {
        "kind": "PodMetrics",
        "metadata": {"namespace": SPACE, "name": name},
        "containers": [{"name": "main", "usage": usage}],
    }


def lab(made: type[FakeCluster] = FakeCluster) -> FakeCluster:
    items = [{"kind": kind, **item} for kind, all_ in Lab().objects.items() for item in all_]
    items += [measured("front-1-a", "250m", "32Mi"), measured("back-1-a", "52345678n", "124000Ki")]
    node = {"cpu": "1500m", "memory": "2Gi"}
    items.append({"kind": "NodeMetrics", "metadata": {"name": "worker"}, "usage": node})
    return made(items)


async def used(cluster: FakeCluster, **asked: Any) -> ToolResult:
    found: ToolResult = await resource_usage.function(cluster, FakeClock(NOW), CATALOGUE, **asked)
    return found


async def test_a_container_is_told_in_cores_and_mib_with_its_shares_the_fullest_first() -> None:
    result = await used(lab())
    assert result.summary.splitlines()[1:] == [
        (
            "- lab/back-1-a main: cpu 0.052 cores (52.3 % of request 0.1); "
            "memory 121 MiB (189.2 % of request 64, 94.6 % of limit 128)"
        ),
        (
            "- lab/front-1-a main: cpu 0.25 cores (250 % of request 0.1); "
            "memory 32 MiB (50 % of request 64, 25 % of limit 128)"
        ),
    ]
    assert [row["service"] for row in result.payload["used"]] == ["back", "front"]
    assert result.payload["used"][0]["object"] == "lab/Pod/back-1-a"


async def test_a_service_is_told_alone_and_nodes_by_what_can_be_given() -> None:
    assert (await used(lab(), service="front")).payload["count"] == 1
    nodes = await used(lab(), what="nodes")
    assert nodes.payload["used"][0]["object"] == "/Node/worker"
    assert "% of allocatable" in nodes.summary


async def test_a_cluster_without_the_metrics_api_is_a_gap_that_says_where_else_to_look() -> None:
    with pytest.raises(GoneError, match=r"serves no metrics\.k8s\.io.*query_promql"):
        await used(FakeCluster([]))


async def test_a_metrics_server_that_is_down_is_told_in_its_own_words() -> None:
    class Down(FakeCluster):
        async def list(self, kind: str, namespace: str, selector: Any = None) -> Any:
            if kind == "PodMetrics":
                raise BackendUnavailableError("kubernetes", "HTTP 503")
            return await super().list(kind, namespace, selector)

    with pytest.raises(BackendUnavailableError, match="503"):
        await used(lab(Down))


async def test_without_the_right_to_read_pods_the_figures_stand_alone() -> None:
    class Refusing(FakeCluster):
        async def list(self, kind: str, namespace: str, selector: Any = None) -> Any:
            if kind == "Pod":
                raise BackendDeniedError("kubernetes", "may not list pods")
            return await super().list(kind, namespace, selector)

    result = await used(lab(Refusing))
    assert "cpu 0.25 cores (no request or limit)" in result.summary
    assert "NOT LOOKED AT: of how much: kubernetes: may not list pods" in result.summary
