"""The life of replicas: they begin, run, end, are placed on machines, rolled out and scaled.

begin ──well──> STARTING ──start_seconds──> RUNNING ──too much memory, a probe──> begin again
  └──a Start that is not WELL──> stuck in it, until the figure behind it changes
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from bench.incidents.graph import Graph, Random
from bench.incidents.parameters import Floats, Parameters, Start

MOST = 8  # replicas of a part, a rollout's extra one included
EVICT_SECONDS = 300.0  # a pod of a machine that does not answer is made anew after this
Bools = npt.NDArray[np.bool_]


class Phase(IntEnum):
    """How a replica stands; those below RUNNING carry the number of their `Start`."""

    RUNNING = 0
    CRASHING = 1
    NO_IMAGE = 2
    NO_CONFIG = 3
    NO_VOLUME = 4
    UNREADY = 5
    NO_QUOTA = 6
    NO_ROOM = 7
    STARTING = 8
    LOST = 9  # its machine does not answer
    ABSENT = 10


STUCK = frozenset({Phase.NO_IMAGE, Phase.NO_CONFIG, Phase.NO_VOLUME, Phase.UNREADY})


class End(IntEnum):
    """Why a container ended last."""

    NONE = 0
    MEMORY = 1
    PROBE = 2
    ITSELF = 3
    EVICTED = 4


class Pods:
    """Every replica of every variant."""

    def __init__(
        self,
        graph: Graph,
        parameters: Parameters,
        machines: list[str],
        cores: float,
        random: Random,
    ) -> None:
        """Place what is wanted on machines (`machines[m]` is its cluster), all running."""
        variants, parts = parameters.replicas.shape
        shape = (variants, parts, MOST)
        self.graph, self.p, self.cores = graph, parameters, cores
        self.cluster_of = machines
        self.phase = np.full(shape, Phase.ABSENT)
        self.until: Floats = np.zeros(shape)
        self.machine = np.zeros(shape, dtype=int)
        self.stale: Bools = np.zeros(shape, dtype=bool)
        self.restarts: Floats = np.zeros(shape)
        self.ended: npt.NDArray[np.int64] = np.zeros(shape, dtype=int)  # an End
        self.ended_at: Floats = np.full(shape, -1e12)
        self.began_at: Floats = np.full(shape, -random.uniform(2, 20) * 86400.0)
        self.leaked: Floats = np.zeros(shape)
        self.generation = np.zeros(shape, dtype=int)  # how many pods the place had before
        self.speed: Floats = np.ones(shape)  # of one replica beside its twins
        self.sick: Floats = np.zeros(shape)  # share of its requests that one replica fails
        self.sum_cores: Floats = np.zeros((variants, len(machines)))
        self.quiet = True  # nothing but running replicas: a step has nothing to do
        for part in graph.parts:
            if not part.runs_here:
                continue
            for r in range(int(parameters.replicas[0, part.number])):
                self._place(0, part.number, r)
                self.phase[:, part.number, r] = Phase.RUNNING
                self.machine[:, part.number, r] = self.machine[0, part.number, r]
        self.sum_cores[:] = self.sum_cores[0]
        self.here = np.array([part.runs_here for part in graph.parts])

    @property
    def ready(self) -> Bools:
        """Which replicas serve."""
        serving: Bools = self.phase == Phase.RUNNING
        return serving

    def _place(self, b: int, n: int, r: int) -> bool:
        """Give a replica the emptiest machine of its cluster that still has room."""
        want = float(self.p.cores[b, n]) * 0.5  # half of the limit is requested
        best, room = -1, 0.0
        for m, cluster in enumerate(self.cluster_of):
            closed = self.p.down.shape[1] and (self.p.down[b, m] or self.p.cordoned[b, m])
            if cluster != self.graph.parts[n].cluster or closed:
                continue
            free = self.cores * 0.9 - float(self.sum_cores[b, m])
            if free >= want and free > room:
                best, room = m, free
        if best < 0:
            return False
        self.machine[b, n, r] = best
        self.sum_cores[b, best] += want
        return True

    def _leave(self, b: int, n: int, r: int) -> None:
        if self.phase[b, n, r] not in {Phase.NO_ROOM, Phase.NO_QUOTA, Phase.ABSENT}:
            self.sum_cores[b, self.machine[b, n, r]] -= float(self.p.cores[b, n]) * 0.5
        self.phase[b, n, r] = Phase.ABSENT

    def begin(self, b: int, n: int, r: int, now: float, *, anew: bool) -> None:
        """Let a container begin; `anew`: in a pod that is placed first."""
        self.quiet = False
        start = Start(int(self.p.start[b, n]))
        if anew:
            self._leave(b, n, r)
            self.stale[b, n, r] = False
            self.generation[b, n, r] += 1
            self.restarts[b, n, r] = 0
            self.ended[b, n, r] = End.NONE
            self.began_at[b, n, r] = now
            self.speed[b, n, r], self.sick[b, n, r] = 1.0, 0.0
            if start is Start.QUOTA:
                self.phase[b, n, r] = Phase.NO_QUOTA
                return
            if start is Start.MISFIT or not self._place(b, n, r):
                self.phase[b, n, r] = Phase.NO_ROOM
                return
        self.leaked[b, n, r] = 0.0
        if start in {Start.WELL, Start.QUOTA, Start.MISFIT}:
            self.phase[b, n, r] = Phase.STARTING
            self.until[b, n, r] = now + float(self.p.start_seconds[b, n])
        elif start is Start.CRASH:
            self._end(b, n, r, now, End.ITSELF)
        else:
            self.phase[b, n, r] = Phase(int(start))

    def _end(self, b: int, n: int, r: int, now: float, why: End) -> None:
        self.quiet = False
        self.restarts[b, n, r] += 1
        self.ended[b, n, r], self.ended_at[b, n, r] = why, now
        self.leaked[b, n, r] = 0.0
        pause = min(10.0 * 2.0 ** (min(self.restarts[b, n, r], 6) - 1), 300.0)
        if why is not End.ITSELF and self.restarts[b, n, r] < 2:
            pause = 1.0
        self.phase[b, n, r] = Phase.CRASHING
        self.until[b, n, r] = now + pause

    def kill(self, which: Bools, now: float, why: End) -> None:
        """End the containers of some running replicas."""
        for b, n, r in np.argwhere(which & self.ready):
            self._end(int(b), int(n), int(r), now, why)

    def roll(self, b: int, n: int) -> None:
        """Begin to replace every replica."""
        self.quiet = False
        self.stale[b, n] = self.phase[b, n] != Phase.ABSENT

    def advance(self, now: float) -> None:
        """Let time pass up to `now`."""
        if self.quiet:
            return
        for b, n, r in np.argwhere((self.phase != Phase.RUNNING) & (self.phase != Phase.ABSENT)):
            self._wake(int(b), int(n), int(r), now)
        for b, n in np.argwhere(self.stale.any(axis=2)):
            self._roll_on(int(b), int(n), now)
        self._adjust(now)
        self.quiet = (
            bool((self.ready | (self.phase == Phase.ABSENT)).all() and not self.stale.any())
            and not self.p.down.any()
        )

    def lose_machines(self, now: float) -> None:
        """Let the pods of machines that do not answer be lost, and others return."""
        down = (
            np.take_along_axis(
                self.p.down, self.machine.reshape(len(self.machine), -1), axis=1
            ).reshape(self.machine.shape)
            > 0
        )
        held = (self.phase != Phase.ABSENT) & (self.phase != Phase.LOST)
        held &= ~np.isin(self.phase, (Phase.NO_ROOM, Phase.NO_QUOTA)) & self.here[None, :, None]
        lost = held & down
        if lost.any():
            self.quiet = False
            self.phase[lost] = Phase.LOST
            self.until[lost] = now + EVICT_SECONDS
        back = (self.phase == Phase.LOST) & ~down
        for b, n, r in np.argwhere(back):
            self.begin(int(b), int(n), int(r), now, anew=False)

    def _wake(self, b: int, n: int, r: int, now: float) -> None:
        phase = Phase(int(self.phase[b, n, r]))
        start = Start(int(self.p.start[b, n]))
        if phase is Phase.STARTING and now >= self.until[b, n, r]:
            self.phase[b, n, r] = Phase.RUNNING
        elif phase is Phase.CRASHING and now >= self.until[b, n, r]:
            self.begin(b, n, r, now, anew=False)
        elif phase is Phase.LOST and now >= self.until[b, n, r]:
            self.begin(b, n, r, now, anew=True)
            self.ended[b, n, r], self.ended_at[b, n, r] = End.EVICTED, now
        elif phase in {Phase.NO_ROOM, Phase.NO_QUOTA} and start not in {Start.QUOTA, Start.MISFIT}:
            self.begin(b, n, r, now, anew=True)
        elif phase in STUCK and start is Start.WELL:
            self.begin(b, n, r, now, anew=False)

    def _roll_on(self, b: int, n: int, now: float) -> None:
        wanted = int(self.p.replicas[b, n])
        for r in np.flatnonzero(self.stale[b, n]):
            ready = int(self.ready[b, n].sum())
            serves = self.phase[b, n, r] == Phase.RUNNING
            spare = ready - int(serves) >= wanted - int(self.p.unavailable[b, n])
            if spare or not serves:
                self.begin(b, n, int(r), now, anew=True)
                continue
            fresh = (self.phase[b, n] != Phase.ABSENT) & ~self.stale[b, n]
            extra = np.flatnonzero(self.phase[b, n] == Phase.ABSENT)
            unready = (fresh & (self.phase[b, n] != Phase.RUNNING)).any()
            more = int((self.phase[b, n] != Phase.ABSENT).sum()) <= wanted
            if more and not unready and extra.size:
                self.begin(b, n, int(extra[0]), now, anew=True)
            break

    def _adjust(self, now: float) -> None:
        """Have as many replicas as are wanted, but for a rollout's extra one."""
        have = (self.phase != Phase.ABSENT).sum(axis=2)
        for b, n in np.argwhere((have != self.p.replicas) & self.here):
            wanted = min(int(self.p.replicas[b, n]), MOST - 1)
            if have[b, n] < wanted:
                for r in np.flatnonzero(self.phase[b, n] == Phase.ABSENT)[: wanted - have[b, n]]:
                    self.begin(int(b), int(n), int(r), now, anew=True)
            elif not self.stale[b, n].any():
                order = np.flatnonzero(self.phase[b, n] != Phase.ABSENT)
                for r in order[::-1][: have[b, n] - wanted]:
                    self._leave(int(b), int(n), int(r))
