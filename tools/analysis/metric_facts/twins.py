"""Twins: the other replicas of one workload. One sick or all?

A series too young to show what is usual for it is judged by its healthy twins: a new pod that is
five times as slow as its neighbours is sick, whatever its own short past says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tools.analysis.baseline import MAD_TO_SIGMA, SCALE_FLOOR_LEVEL
from tools.analysis.metric_facts.readings import Readings, median_of
from tools.analysis.metric_facts.usual import TINY, Rung, Usual
from tools.world import Labels

LEAST_TWINS = 2
FEW = 0.5  # of the replicas: as many sick are not a few
# Labels that tell replicas apart, as Kubernetes, Prometheus and their exporters write them.
REPLICA_LABELS = ("pod", "pod_name", "kubernetes_pod_name", "instance", "replica", "container_id")


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many of one workload's replicas are sick."""

    sick: int
    known: int

    @property
    def only_some(self) -> bool:
        """Whether few are sick: then it is not their common input."""
        return 0 < self.sick < FEW * self.known

    def __str__(self) -> str:
        """Return `1 of 3 replicas`."""
        return f"{self.sick} of {self.known} replicas"


def replica_of(labels: Labels) -> str:
    """Return which replica a series is of; empty when it is of no single one."""
    known = dict(labels)
    return next((known[label] for label in REPLICA_LABELS if known.get(label)), "")


def with_twins(readings: Readings, usual: Usual, groups: Sequence[str]) -> Usual:
    """Return the same, young series judged by the others of their group; "" is no group."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        if group and replica_of(readings.labels[row]):
            members[group].append(row)
    rungs = list(usual.rungs)
    center, scale = usual.center.copy(), usual.scale.copy()
    for rows in members.values():
        old = [row for row in rows if usual.rungs[row] is not Rung.YOUNG]
        young = [row for row in rows if usual.rungs[row] is Rung.YOUNG]
        if len(old) < LEAST_TWINS or not young:
            continue
        at, _ = median_of(readings.badness[old].T)
        away, _ = median_of(np.abs(readings.badness[old] - at).T)
        spread = np.maximum(np.nanmax(usual.scale[old]), SCALE_FLOOR_LEVEL * np.abs(at))
        for row in young:
            center[row], scale[row] = at, np.maximum(np.maximum(MAD_TO_SIGMA * away, spread), TINY)
            rungs[row] = Rung.TWINS
    return replace(usual, rungs=tuple(rungs), center=center, scale=scale)


def replicas_of(readings: Readings, groups: Sequence[str], sick: Sequence[int]) -> list[Replicas]:
    """Return for each series how many of its group's replicas are sick, itself counted."""
    known: dict[str, set[str]] = defaultdict(set)
    ill: dict[str, set[str]] = defaultdict(set)
    for row, group in enumerate(groups):
        if replica := replica_of(readings.labels[row]):
            known[group].add(replica)
            if row in sick:
                ill[group].add(replica)
    return [Replicas(len(ill[group]), len(known[group])) for group in groups]
