"""What a world is made of, in figures: everything that a fault may change and nothing else.

Axes: B variants of one world (with the fault, without it, without each herring), N parts, E links,
M machines, G grounds on which a use can be refused. A fault changes entries of these from a moment
on; what people see follows from the mechanics.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from bench.incidents.graph import Graph, Random, What

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
NEVER = 1e9  # seconds, or a number of things: no limit
GIB = 2.0**30


class Ground(IntEnum):
    """On which ground a use is refused before the callee works on it."""

    DNS = 0
    NETWORK = 1  # packets vanish: it costs the whole timeout
    POLICY = 2  # the same, by a rule
    TLS = 3
    LOGIN = 4
    QUOTA = 5  # the callee says: too many
    STALE = 6  # a replica is too far behind
    ROUTE = 7  # the address leads to nobody


class Start(IntEnum):
    """What becomes of a container that begins now."""

    WELL = 0
    CRASH = 1  # it ends by itself
    IMAGE = 2  # its image cannot be had
    CONFIG = 3  # what its environment refers to is not there
    MOUNT = 4  # its volume does not come
    UNREADY = 5  # it runs, and its readiness probe fails
    QUOTA = 6  # the namespace has no room for its pod
    MISFIT = 7  # no machine fits it


@dataclass(slots=True)
class Parameters:
    """All figures of a world; see the comments for shape and unit."""

    # Of parts: shape B by N.
    threads: Floats  # requests at work in one replica at most
    replicas: Floats  # wanted
    cores: Floats  # of processor that one replica may take
    work: Floats  # seconds of processor per request
    wait: Floats  # seconds per request in which nothing is computed
    fail: Floats  # share of requests that its own code fails
    memory: Floats  # bytes one replica may take
    base: Floats  # bytes of a replica that just began
    per_request: Floats  # bytes per request at work or waiting
    leak: Floats  # bytes per request that never come back
    collects: Floats  # 1: garbage is collected, the dearer the fuller
    queue: Floats  # requests that may wait per replica
    patience: Floats  # seconds a request waits at most
    start_seconds: Floats  # until a new container is ready
    start: Floats  # a Start
    probe_seconds: Floats  # a slower answer than this ends the container
    unavailable: Floats  # replicas that a rollout may take away at once
    scale_most: Floats  # replicas an autoscaler may reach; 0: there is none
    fill: Floats  # of its volume, shares per second
    write_fill: Floats  # of its volume, shares per request
    writes: Floats  # share of its requests that need the volume
    hit: Floats  # of a cache, in [0, 1]
    connections: Floats  # a database accepts at most
    locked: Floats  # share of requests that meet a lock
    lock_seconds: Floats  # how long each of them waits
    apply: Floats  # writes per second a replica can follow
    admits: Floats  # requests per second that are let in
    partitions: Floats  # of its topic: replicas that can work at once
    rework: Floats  # times a worker does each message over
    handles: Floats  # open files per replica at most
    handle_leak: Floats  # of them that each request leaves open
    # Of links: shape B by E.
    calls: Floats  # per request of the caller
    timeout: Floats  # seconds
    retries: Floats
    backoff: Floats  # seconds between attempts
    pool: Floats  # connections per replica of the caller
    pool_leak: Floats  # connections per replica and second that never come back
    acquire: Floats  # seconds one waits for a connection
    delay: Floats  # seconds on the way
    refuse: Floats  # (B, E, G) share refused on each ground
    # Of machines: shape B by M.
    steal: Floats  # cores that others take
    down: Floats  # 1: it does not answer
    cordoned: Floats  # 1: no new pods
    # Of everywhere: shape B.
    load: Floats  # people's traffic, times the usual

    def spread(self, variants: int) -> Parameters:
        """Return the same world so many times."""
        copies: dict[str, Any] = {
            each.name: np.repeat(getattr(self, each.name), variants, axis=0)
            for each in fields(self)
        }
        return Parameters(**copies)


@dataclass(frozen=True, slots=True)
class Change:
    """One figure becoming another at a time.

    `of` names a field of `Parameters` or a poke of the state (`roll`, `kill`, `flush`, `unlame`);
    `at` places it: a part, a link, a machine, or a link and a ground.
    """

    when: float  # seconds since the world began
    of: str
    at: tuple[int, ...]
    value: float
    times: bool = False  # the value multiplies what was usual


def _draw(random: Random, low: float, high: float, size: int) -> Floats:
    """Draw figures whose logarithms are spread evenly."""
    return np.exp(random.uniform(np.log(low), np.log(high), size))


def usual(graph: Graph, flow: Floats, cores_of_machine: float, random: Random) -> Parameters:
    """Return a world that serves its usual traffic well; `flow` is each part's requests/s (N,)."""
    parts, links = len(graph.parts), len(graph.links)
    whats = np.array([each.what.value for each in graph.parts])
    is_ = {what: whats == what.value for what in What}
    worker = np.zeros(parts, dtype=bool)
    for each in graph.links:
        worker[each.callee] |= graph.parts[each.caller].what is What.BROKER
    work = _draw(random, 0.002, 0.02, parts)
    work[is_[What.DATABASE] | is_[What.REPLICA]] *= 0.35
    work[is_[What.CACHE]] = 0.0002
    work[is_[What.BROKER]] = 0.0003
    work[is_[What.OUTSIDE]] = 1e-6
    wait = _draw(random, 0.001, 0.012, parts)
    wait[is_[What.CACHE]] = 0.0004
    wait[is_[What.OUTSIDE]] = _draw(random, 0.05, 0.25, int(is_[What.OUTSIDE].sum()))
    # a replica has a fraction of a machine; so many replicas that the load takes a third to a half
    cores = random.choice([0.5, 1.0, 1.0, 2.0], parts)
    cores[is_[What.DATABASE] | is_[What.REPLICA]] = 4.0
    cores[is_[What.OUTSIDE]] = 1000.0
    cores = np.minimum(cores, cores_of_machine / 2)
    cores[is_[What.OUTSIDE]] = 1000.0
    busy = random.uniform(0.25, 0.5, parts)
    replicas = np.clip(np.ceil(flow * work / (cores * busy)), 2, 5)
    single = is_[What.DATABASE] | is_[What.REPLICA] | is_[What.CACHE] | is_[What.BROKER]
    replicas[single | is_[What.OUTSIDE]] = 1.0
    replicas[is_[What.BROKER]] = 3.0
    # what still does not fit makes its requests cheaper: the usual load is served everywhere
    work = np.minimum(work, replicas * cores * busy / np.maximum(flow, 1e-6))
    memory = random.choice([0.25, 0.5, 0.5, 1.0, 2.0], parts) * GIB
    memory[single] = 4 * GIB
    part: dict[str, Floats] = {
        "threads": random.choice([16.0, 32.0, 50.0, 100.0], parts),
        "replicas": replicas,
        "cores": cores,
        "work": work,
        "wait": wait,
        "fail": _draw(random, 0.0001, 0.002, parts) * (random.random(parts) < 0.6),
        "memory": memory,
        "base": memory * random.uniform(0.35, 0.55, parts),
        "per_request": memory * _draw(random, 0.0002, 0.001, parts),
        "leak": np.zeros(parts),
        "collects": (random.random(parts) < 0.4) * (is_[What.SERVICE] * 1.0),
        "queue": random.choice([50.0, 100.0, 200.0], parts),
        "patience": random.choice([5.0, 10.0, 30.0], parts),
        "start_seconds": random.choice([8.0, 20.0, 45.0, 90.0], parts),
        "start": np.zeros(parts),
        "probe_seconds": np.full(parts, NEVER),
        "unavailable": np.floor(replicas * 0.25),
        "scale_most": np.zeros(parts),
        "fill": np.zeros(parts),
        "write_fill": np.zeros(parts),
        "writes": np.where(is_[What.DATABASE], random.uniform(0.15, 0.5, parts), 0.0),
        "hit": np.where(is_[What.CACHE], random.uniform(0.8, 0.95, parts), 0.0),
        "connections": np.where(is_[What.DATABASE] | is_[What.REPLICA], 100.0, NEVER),
        "locked": np.zeros(parts),
        "lock_seconds": np.zeros(parts),
        "apply": np.full(parts, NEVER),
        "admits": np.full(parts, NEVER),
        "partitions": np.full(parts, NEVER),
        "rework": np.zeros(parts),
        "handles": np.full(parts, 1024.0),
        "handle_leak": np.zeros(parts),
    }
    scaled = is_[What.SERVICE] & (random.random(parts) < 0.3)
    part["scale_most"][scaled] = replicas[scaled] + 2
    part["unavailable"][single] = 1.0
    part["threads"][single] = 200.0
    part["threads"][is_[What.OUTSIDE]] = NEVER
    part["queue"][is_[What.OUTSIDE] | worker] = NEVER
    part["patience"][worker] = NEVER
    part["per_request"][worker] = 0.0  # what waits lies in its broker
    callee = np.array([each.callee for each in graph.links], dtype=int)
    stores = np.array(
        [graph.parts[n].what in {What.DATABASE, What.REPLICA} for n in callee], dtype=bool
    )
    link: dict[str, Floats] = {
        "calls": np.array([each.calls for each in graph.links]),
        "timeout": random.choice([1.0, 2.0, 3.0, 5.0, 10.0], links),
        "retries": random.choice([0.0, 0.0, 1.0, 2.0], links),
        "backoff": random.choice([0.05, 0.1, 0.2], links),
        "pool": np.where(stores, random.choice([5.0, 10.0, 10.0, 20.0], links), NEVER),
        "pool_leak": np.zeros(links),
        "acquire": np.where(stores, random.choice([1.0, 3.0, 5.0], links), 0.0),
        "delay": np.full(links, 0.0005),
    }
    outside = np.array([graph.parts[n].what is What.OUTSIDE for n in callee], dtype=bool)
    link["delay"][outside] = 0.01
    one: dict[str, Any] = {
        name: each[None, :].astype(float) for name, each in (part | link).items()
    }
    return Parameters(
        **one,
        refuse=np.zeros((1, links, len(Ground))),
        steal=np.zeros((1, 0)),
        down=np.zeros((1, 0)),
        cordoned=np.zeros((1, 0)),
        load=np.ones(1),
    )
