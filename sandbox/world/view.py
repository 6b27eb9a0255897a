"""What metrics and logs ask of the imitated cluster; `sandbox.kubernetes.cluster.Cluster` answers.

A *span* is one life of one container: a pod that was OOMKilled twice and lives on has three spans
under the same pod name, and its restart count is its number of spans minus one.
"""

from typing import Protocol

from sandbox.world.scenario import Story

Span = tuple[str, float, float | None]  # pod name, started_at, ended_at (None: running)


class ClusterView(Protocol):
    """The facts of the cluster that shape its instruments."""

    def pod_started_at(self, workload: str) -> list[Span]:
        """Every container life of the workload so far, oldest first."""
        ...

    def replicas_history(self, workload: str) -> list[tuple[float, int]]:
        """When the number of serving replicas changed: (at, replicas), oldest first."""
        ...

    def begin(self, story: Story) -> None:
        """Return the workloads to health and apply `story`'s changes as their time comes."""
        ...
