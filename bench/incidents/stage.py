"""A stage: a graph that serves its usual traffic well, before anything happens to it.

    graph, figures ──a first run without bounds──> slots, pools and timeouts that fit ──> Stage

Kinds of faults look at a stage to find a place, and say which figures change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.incidents.graph import Graph, Link, Random, What
from bench.incidents.mechanics import Track, World
from bench.incidents.parameters import NEVER, Change, Floats, Parameters, usual
from bench.incidents.pods import Pods

HOURS = 27.0  # of history
COARSE, FINE = 600.0, 30.0  # seconds of a step, long ago and lately
FINE_HOURS = 3.25


@dataclass(frozen=True, slots=True)
class Deploy:
    """Something somebody changed on purpose, as the cluster and the people's tools remember it."""

    when: float  # seconds since the world began
    part: int
    sort: str  # deploy | config | flag | scale
    summary: str
    field: str = ""  # of the pod template or the config map
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True)
class Strike:
    """What a kind does at a place: figures that change, and the names that go with them."""

    changes: tuple[Change, ...]
    subjects: tuple[str, ...]  # any of these names is the subject; the best first
    deploys: tuple[Deploy, ...] = ()
    details: dict[str, str] = field(default_factory=dict)  # a name of a key, a tag, a statement
    part: int = -1  # whose details they are


@dataclass(slots=True)
class Stage:
    """A world that is well, and what a kind needs to know of it."""

    graph: Graph
    parameters: Parameters  # one variant
    machines: list[str]  # the cluster of each
    machine_names: list[str]
    machine_cores: float
    usual: Track  # the end of the first run: how it is when all is well
    hand_seed: int
    now: float = HOURS * 3600.0

    def places(self, *whats: What) -> list[int]:
        """Return the parts of some sorts that what is asked about leans on."""
        below = self.graph.below(self.graph.asked)
        if self.graph.family == "pipeline":
            below = set(range(len(self.graph.parts)))
        reached = below | self._before()
        return [n for n in sorted(reached) if self.graph.parts[n].what in whats]

    def _before(self) -> set[int]:
        """What comes before a worker in its pipeline delays it as well."""
        found = {self.graph.asked}
        for link in reversed(self.graph.links):
            if link.callee in found and not link.waits:
                found.add(link.caller)
        return found

    def links(self, *, waits: bool = True) -> list[int]:
        """Return the links that what is asked about leans on."""
        inside = set(self.places(*What))
        return [
            e
            for e, link in enumerate(self.graph.links)
            if link.caller in inside and link.callee in inside and link.waits == waits
        ]

    def link(self, number: int) -> Link:
        """Return a link."""
        return self.graph.links[number]

    def links_to(self, part: int) -> list[int]:
        """Return the links by which a part is used."""
        return [e for e, link in enumerate(self.graph.links) if link.callee == part]

    def links_of(self, part: int) -> list[int]:
        """Return the links by which a part uses others."""
        return [e for e, link in enumerate(self.graph.links) if link.caller == part]

    def name(self, part: int) -> str:
        """Return a part's name."""
        return self.graph.parts[part].name

    def figure(self, name: str, *at: int) -> float:
        """Return a figure of the world that is well."""
        return float(getattr(self.parameters, name)[(0, *at)])

    def rate(self, part: int) -> float:
        """Return a part's usual requests per second."""
        return float(self.usual.served[-1, 0, part])

    def seconds(self, part: int) -> float:
        """Return how long a request usually takes there."""
        return float(self.usual.slow[-1, 0, part])

    def use(self, part: int) -> float:
        """Return the usual share of its processor."""
        return float(self.usual.full_cpu[-1, part])


def times(now: float = HOURS * 3600.0) -> Floats:
    """Return the ends of all steps up to now."""
    turn = now - FINE_HOURS * 3600.0
    long_ago = np.arange(COARSE, turn + 1.0, COARSE)
    return np.concatenate([long_ago, np.arange(turn + FINE, now + 1.0, FINE)])


def traffic(at: Floats, mean: float, entries: int, random: Random) -> Floats:
    """Return people's requests per second, (T, entries): a day's tide, waves and noise."""
    phase, depth = random.uniform(0, 2 * np.pi), random.uniform(0.08, 0.35)
    tide = 1.0 + depth * np.sin(2 * np.pi * at / 86400.0 + phase)
    waves = 1.0 + 0.04 * np.sin(2 * np.pi * at / random.uniform(900, 4000))
    rough = 1.0 + np.cumsum(random.normal(0, 0.004, (len(at), entries)), axis=0) * 0.3
    noise = random.normal(1.0, 0.015, (len(at), entries))
    share = random.dirichlet(np.full(entries, 8.0))
    return np.maximum(mean * share * (tide * waves)[:, None] * rough * noise, 0.05)


def set_stage(graph: Graph, mean: float, random: Random) -> Stage:
    """Size what serves a graph's traffic, and look at it for a moment."""
    share = np.full(len(graph.entries), mean / len(graph.entries))
    flow = np.zeros(len(graph.parts))
    flow[graph.entries] = share
    for link in sorted(graph.links, key=lambda each: each.caller):
        flow[link.callee] += flow[link.caller] * link.calls
    cores = float(random.choice([8.0, 16.0, 32.0]))
    parameters = usual(graph, flow * 1.35, cores, random)
    need = float((parameters.cores * parameters.replicas)[0, graph.of(*_HERE)].sum()) * 0.5
    count = max(3, int(np.ceil(need * 1.9 / cores)) + 1)
    count += count % len(graph.clusters)
    machines = [graph.clusters[m % len(graph.clusters)] for m in range(count)]
    stem = str(random.choice(["node", "worker", "ip-10-0-3", "gke-pool-1", "aks-np1-vmss"]))
    names = [f"{stem}-{random.integers(10, 99)}{m}" for m in range(count)]
    for name in ("steal", "down", "cordoned"):
        setattr(parameters, name, np.zeros((1, count)))
    bounds = {name: getattr(parameters, name).copy() for name in ("threads", "pool", "timeout")}
    parameters.threads[:] = 1e4
    parameters.pool[bounds["pool"] < NEVER] = 1e4
    parameters.timeout[:] = 60.0
    seed = int(random.integers(2**31))
    first = _look(graph, parameters, machines, cores, share * 1.35, seed)
    slack = random.uniform(2.0, 4.0, len(graph.parts))
    at_work = first.served[-1, 0] * first.slow[-1, 0] / parameters.replicas[0]
    parameters.threads = np.maximum(bounds["threads"], np.ceil(at_work * slack)[None, :])
    caller = [link.caller for link in graph.links]
    used = first.link_used[-1] / parameters.replicas[0, caller]
    wide = random.uniform(2.0, 4.0, len(graph.links))
    fit = np.maximum(bounds["pool"], np.ceil(used * wide)[None, :])
    parameters.pool = np.where(bounds["pool"] < NEVER, fit, NEVER)
    parameters.timeout = np.maximum(bounds["timeout"], np.ceil(first.link_slow[-1] * 6)[None, :])
    open_ = parameters.pool[0] * parameters.replicas[0, caller] * (bounds["pool"][0] < NEVER)
    for store in graph.of(What.DATABASE, What.REPLICA):
        opened = sum(open_[e] for e, link in enumerate(graph.links) if link.callee == store)
        parameters.connections[0, store] = max(100.0, np.ceil(opened * 1.3 / 50) * 50)
    last = _look(graph, parameters, machines, cores, share, seed)
    return Stage(graph, parameters, machines, names, cores, last, seed)


_HERE = tuple(each for each in What if each is not What.OUTSIDE)


def _look(
    graph: Graph,
    parameters: Parameters,
    machines: Sequence[str],
    cores: float,
    share: Any,
    seed: int,
) -> Track:
    at = np.arange(1, 13) * 60.0
    one = parameters.spread(1)
    pods = Pods(graph, one, list(machines), cores, np.random.default_rng(seed))
    flow = np.repeat(share[None, :], len(at), axis=0)
    return World(graph, one, pods, cores, flow, at.astype(np.float64), ((),)).run()
