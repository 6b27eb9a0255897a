"""Time goes on: an open network of queues, in steps, every variant of a world at once.

    people ─> arrivals down the links (calls x attempts x misses)
           <─ time and failures up the links (timeouts, refusals, pools)
    a part: processor and slots bound what it serves; the rest waits, then is turned away

Arrivals = served + turned away + what the queue grew by, at every part and step: Little's law holds
because requests in flight are what is served times how long it takes. Nobody writes a symptom:
`Change` moves a figure of `Parameters`, and the rest follows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.incidents.graph import Graph, What
from bench.incidents.parameters import NEVER, Change, Floats, Ground, Parameters
from bench.incidents.pods import MOST, End, Pods

GROUNDS = (*(each.name for each in Ground), "POOL", "FULL", "GONE", "TIMEOUT", "BAD")
POOL, FULL, GONE, TIMEOUT, BAD = range(len(Ground), len(Ground) + 5)
OWN = ("BUG", "TURNED_AWAY", "DISK", "HANDLES", "SICK")  # why a part itself fails a request
TINY = 1e-9
WARM_SECONDS = 240.0  # a cache needs to be as full as it was, by a factor of e
STALE_SECONDS = 20.0  # a reader minds a replica that is further behind
PASSES = 2  # times and failures climb so many links within a step


@dataclass(slots=True)
class Track:
    """What happened, by step: of every variant where it says (T, B, …), else of the first."""

    times: Floats  # (T,) seconds since the world began, at the end of each step
    lengths: Floats  # (T,) seconds of each step
    slow: Floats  # (T, B, N) mean seconds of a request
    failed: Floats  # (T, B, N) share of requests that failed
    arrived: Floats  # (T, B, N) requests per second
    served: Floats  # (T, B, N)
    waiting: Floats  # (T, B, N) requests
    turned: Floats  # (T, B, N) requests per second turned away
    cpu: Floats  # (T, N) cores in use
    full_cpu: Floats  # (T, N) share of what the replicas may take
    throttled: Floats  # (T, N) share of periods
    busy: Floats  # (T, N) share of slots
    memory: Floats  # (T, N, R) bytes
    phase: Floats  # (T, N, R) a Phase
    restarts: Floats  # (T, N, R)
    generation: Floats  # (T, N, R) how many pods a place had before
    ended: Floats  # (T, N, R) an End: why its container ended last
    disk: Floats  # (T, N) share of the volume
    hit: Floats  # (T, N)
    used: Floats  # (T, N) connections a database holds
    lag: Floats  # (T, N) seconds a replica is behind
    locked: Floats  # (T, N) seconds a request waits for locks, on average
    handles: Floats  # (T, N) open files of a replica
    collecting: Floats  # (T, N) times as dear as without collecting garbage
    own: Floats  # (T, N, len(OWN)) share of requests
    machine: Floats  # (T, M) cores in use
    machine_want: Floats  # (T, M) cores wanted
    machine_up: Floats  # (T, M) 1: it answers
    link_rate: Floats  # (T, E) uses per second, attempts counted
    link_slow: Floats  # (T, E) seconds one use takes, as its caller sees it
    link_failed: Floats  # (T, E, len(GROUNDS)) share of uses
    link_used: Floats  # (T, E) connections at work, those that leaked included
    link_open: Floats  # (T, E) connections there are
    wanted: Floats  # (T, N) replicas
    placed: Floats  # (N, R) the machine of each place, at the end


@dataclass(slots=True)
class World:
    """One world with its variants; `run` lets time pass."""

    graph: Graph
    p: Parameters  # spread over the variants
    pods: Pods
    machine_cores: float
    traffic: Floats  # (T, entries) requests per second
    times: Floats  # (T,) ends of the steps
    changes: Sequence[Sequence[Change]]  # of each variant
    disk: Floats = field(default_factory=lambda: np.zeros((0, 0)))  # (B, N) at the beginning

    def run(self) -> Track:
        """Simulate every step. The world's parameters end as the changes left them."""
        engine = _Engine(self)
        for k in range(len(self.times)):
            engine.step(k)
        engine.track.placed = self.pods.machine[0].astype(float)
        return engine.track


class _Engine:
    def __init__(self, world: World) -> None:
        self.world, self.p, self.pods = world, world.p, world.pods
        graph = world.graph
        self.variants, self.parts = self.p.work.shape
        self.links = len(graph.links)
        self.src = np.array([each.caller for each in graph.links], dtype=int)
        self.dst = np.array([each.callee for each in graph.links], dtype=int)
        self.waits = np.array([each.waits for each in graph.links], dtype=float)
        self.cache = np.array([each.cache for each in graph.links], dtype=int)
        self.to_dst = np.zeros((self.links, self.parts))
        self.to_dst[np.arange(self.links), self.dst] = 1.0
        self.to_src = np.zeros((self.links, self.parts))
        self.to_src[np.arange(self.links), self.src] = 1.0
        self.passes = max(graph.depth(each) for each in graph.entries) + 1
        whats = [each.what for each in graph.parts]
        self.outside = np.array([w is What.OUTSIDE for w in whats])
        self.broker = np.array([w is What.BROKER for w in whats])
        self.copy = np.array([w is What.REPLICA for w in whats])
        self.stores = np.array([w in {What.DATABASE, What.REPLICA} for w in whats])
        self.pooled = self.p.pool[0] < NEVER
        is_cache = np.array([w is What.CACHE for w in whats])[self.dst]
        self.spared = is_cache | (self.cache >= 0)  # a failed cache fails nobody: it is a miss
        self.no_cache = (~is_cache).astype(float)
        self.sync = self.waits > 0
        self.from_cache = self.cache >= 0
        self.goes = np.where(self.broker[self.dst] | self.sync, 1.0, 0.0)
        self.usual = {
            each.of: getattr(self.p, each.of).copy()
            for some in world.changes
            for each in some
            if hasattr(self.p, each.of)
        }
        self.due = sorted(
            ((c.when, b, c) for b, some in enumerate(world.changes) for c in some),
            key=lambda each: (each[0], each[1]),
        )
        B, N, E = self.variants, self.parts, self.links
        self.slow = self.p.work + self.p.wait
        self.failed: Floats = np.zeros((B, N))
        self.queue: Floats = np.zeros((B, N))
        self.through: Floats = np.ones((B, N))
        self.attempts: Floats = np.ones((B, E))
        self.hit = self.p.hit.copy()
        self.lag: Floats = np.zeros((B, N))
        self.handles: Floats = np.full((B, N), 60.0)
        self.leaked: Floats = np.zeros((B, E))
        self.used: Floats = np.zeros((B, N))
        self.disk = world.disk.copy() if world.disk.size else np.zeros((B, N))
        self.cpu: Floats = np.zeros((B, N))
        self.served: Floats = np.zeros((B, N))
        self.inside = self.slow.copy()
        self.slow_probe: Floats = np.zeros((B, N))
        self.memory: Floats = np.zeros((B, N, MOST))
        self.factor: Floats = np.ones_like(world.p.down)
        self.n_ready = self.pods.ready.sum(axis=2).astype(float)
        self.next_scaling = 0.0
        self.track = _empty(len(world.times), B, N, E, world.p.down.shape[1])
        self.track.times[:] = world.times

    # ------------------------------------------------------------------------------ one step

    def step(self, k: int) -> None:
        now = float(self.world.times[k])
        dt = now - (float(self.world.times[k - 1]) if k else now - 300.0)
        self._change(now)
        if self.p.down.any() or not self.pods.quiet:
            self.pods.lose_machines(now)
        self._scale(now)
        self.pods.advance(now)
        self._capacity()
        arrived = self._arrivals(k)
        for _ in range(PASSES):
            link = self._links(arrived)
            self._parts(arrived, link, dt)
        self._settle(arrived, dt, now)
        self._record(k, dt, arrived, link)

    def _change(self, now: float) -> None:
        while self.due and self.due[0][0] <= now:
            _, b, each = self.due.pop(0)
            if each.of in self.usual:
                value = each.value * (self.usual[each.of][(b, *each.at)] if each.times else 1.0)
                getattr(self.p, each.of)[(b, *each.at)] = value
                if each.of == "down":
                    self.pods.quiet = False
            elif each.of == "roll":
                self.pods.roll(b, each.at[0])
            elif each.of == "kill":
                which = np.zeros_like(self.pods.ready)
                which[b, each.at[0], : int(each.value)] = True
                self.pods.kill(which, now, End.ITSELF)
            elif each.of == "flush":
                self.hit[b, each.at[0]] = each.value
            elif each.of == "speed":
                self.pods.speed[b, each.at[0], each.at[1]] = each.value
            elif each.of == "sick":
                self.pods.sick[b, each.at[0], each.at[1]] = each.value
            else:
                raise ValueError(f"a change of {each.of!r}, which is nothing of a world")

    def _scale(self, now: float) -> None:
        if now < self.next_scaling:
            return
        self.next_scaling = now + 60.0
        most = self.p.scale_most
        if not most.any():
            return
        use = self.cpu / np.maximum(self.n_ready * self.p.cores, TINY)
        wish = np.ceil(self.n_ready * use / 0.7)
        grow = (most > 0) & (wish > self.p.replicas) & (use > 0.75)
        self.p.replicas[grow] = np.minimum(self.p.replicas + 1, most)[grow]
        if grow.any():
            self.pods.quiet = False

    def _capacity(self) -> None:
        """Say what the replicas that serve may take of their machines."""
        pods, p = self.pods, self.p
        ready = pods.ready
        if p.steal.shape[1]:
            spread = (self.cpu / np.maximum(self.n_ready, 1.0))[:, :, None] * ready
            flat = pods.machine.reshape(self.variants, -1)
            load = np.zeros_like(p.steal)
            weights = (spread * ~self.outside[None, :, None]).reshape(self.variants, -1)
            for b in range(self.variants):
                load[b] = np.bincount(flat[b], weights[b], minlength=load.shape[1])
            self.load = load + p.steal
            # cpu is shared by need: what others take beyond the machine slows everybody on it
            free = np.maximum(self.world.machine_cores - p.steal, 0.05 * self.world.machine_cores)
            new = np.minimum(1.0, free / np.maximum(load, TINY))
            self.factor = np.where(load + p.steal > self.world.machine_cores, new, 1.0)
            share = np.take_along_axis(self.factor, flat, axis=1).reshape(ready.shape)
        else:
            share = np.ones(ready.shape)
        weight = ready * pods.speed * share
        self.n_ready = ready.sum(axis=2).astype(float)
        self.n_ready[:, self.outside] = 1.0
        strength = weight.sum(axis=2)
        strength[:, self.outside] = 1.0
        self.strength = np.minimum(strength, p.partitions)
        self.sick = (ready * pods.sick).sum(axis=2) / np.maximum(self.n_ready, 1.0)
        # requests are spread evenly: the share that a slow replica gets takes so much longer
        slower = (ready / np.maximum(pods.speed * share, 0.02)).sum(axis=2)
        self.drag = np.where(self.n_ready > 0, slower / np.maximum(self.n_ready, 1.0), 1.0)
        self.drag[:, self.outside] = 1.0

    def _arrivals(self, k: int) -> Floats:
        """Return what comes to each part, (B, N) requests per second."""
        outer = np.zeros((self.variants, self.parts))
        for place, entry in enumerate(self.world.graph.entries):
            outer[:, entry] = self.world.traffic[k, place] * self.p.load
        hit = np.where(self.from_cache, self.hit[:, self.cache], 0.0)
        alive = 1.0 - self.failed
        hit = hit * np.where(self.from_cache, alive[:, self.cache], 1.0)
        self.flow = self.p.calls * self.attempts * (1.0 - hit)
        arrived = outer
        for _ in range(self.passes):
            arrived = outer + (self.flow * (arrived * self.through)[:, self.src]) @ self.to_dst
        return arrived

    def _links(self, arrived: Floats) -> _Links:
        """Say how each link fares, given how its callee does."""
        p, src, dst = self.p, self.src, self.dst
        rate = self.flow * (arrived * self.through)[:, src]
        takes = np.where(self.sync, self.slow[:, dst], 0.0005) + p.delay
        late = np.where(self.sync, 1.0 / (1.0 + (p.timeout / takes) ** 4), 0.0)
        seen = takes * (1.0 - np.exp(-p.timeout / takes))
        here = np.maximum(self.n_ready[:, src], TINY)
        open_ = p.pool * here
        have = np.maximum(open_ - self.leaked, 0.01)
        need = np.where(self.pooled, rate * seen, 0.0)
        use = need / have
        below = np.minimum(use, 0.97)
        queue = seen / have * below ** np.sqrt(2 * (have + 1)) / (1.0 - below)
        short = np.where(self.pooled, np.clip(1.0 - 1.0 / np.maximum(use, TINY), 0.0, 1.0), 0.0)
        wait = np.where(self.pooled, np.minimum(queue, p.acquire) + short * p.acquire, 0.0)
        wanted = np.minimum(need + self.leaked, open_) * self.pooled
        self.used = wanted @ self.to_dst
        over = np.clip(1.0 - p.connections / np.maximum(self.used, TINY), 0.0, 1.0)[:, dst]
        gone = (self.n_ready[:, dst] < 0.5) * self.goes
        refuse = p.refuse.copy()
        many = p.admits[:, dst] / np.maximum(arrived[:, dst], TINY)
        refuse[:, :, Ground.QUOTA] = np.maximum(
            refuse[:, :, Ground.QUOTA], np.clip(1.0 - many, 0.0, 1.0)
        )
        behind = np.clip((self.lag[:, dst] - STALE_SECONDS) / STALE_SECONDS, 0.0, 1.0)
        refuse[:, :, Ground.STALE] = np.maximum(refuse[:, :, Ground.STALE], behind * self.copy[dst])
        bad = np.where(self.sync, self.failed[:, dst], 0.0)
        chances = np.concatenate(
            [
                refuse,
                short[..., None],
                over[..., None],
                gone[..., None],
                late[..., None],
                bad[..., None],
            ],
            axis=2,
        )
        passed = np.cumprod(1.0 - chances, axis=2)
        before = np.concatenate([np.ones_like(passed[..., :1]), passed[..., :-1]], axis=2)
        grounds = chances * before
        fails = np.clip(1.0 - passed[..., -1], 0.0, 0.999999)
        self.attempts = (1.0 - fails ** (p.retries + 1)) / (1.0 - fails)
        silent = grounds[..., Ground.NETWORK] + grounds[..., Ground.POLICY]
        quick = grounds[..., :POOL].sum(axis=2) - silent + grounds[..., FULL] + grounds[..., GONE]
        one = silent * p.timeout + quick * 0.003 + np.maximum(1.0 - silent - quick, 0.0) * seen
        one = one + wait
        missed = self.flow / np.maximum(p.calls * self.attempts, TINY)
        costs = p.calls * missed
        whole = costs * (one * self.attempts + p.backoff * (self.attempts - 1.0)) * self.waits
        lost = np.minimum(p.calls, 1.0) * fails ** (p.retries + 1)
        lost = np.where(self.spared, lost * (missed * self.no_cache), lost)
        return _Links(rate, one, grounds, whole, lost, np.minimum(need + self.leaked, open_), open_)

    def _parts(self, arrived: Floats, link: _Links, dt: float) -> None:
        """Say how each part fares, given how its links do."""
        p = self.p
        down = link.whole @ self.to_src
        heap = self._heap()
        self.collecting = 1.0 + p.collects * 5.0 * np.clip((heap - 0.8) / 0.18, 0.0, 1.0) ** 2
        work = p.work * self.collecting * (1.0 + p.rework)
        cores = np.maximum(self.strength * p.cores, TINY)
        slots = np.maximum(np.minimum(self.n_ready, p.partitions) * p.threads, TINY)
        let_in = np.minimum(arrived, p.admits)
        offered = let_in + self.queue / dt
        use = np.minimum(offered * work / cores, 0.97)
        servers = np.maximum(cores, 1.0)
        stretch = 1.0 + use ** np.sqrt(2 * (servers + 1)) / (servers * (1.0 - use))
        held = p.locked * p.lock_seconds
        inside = (work * stretch + p.wait * (1.0 + p.rework)) * self.drag + held + down
        rate = np.minimum(cores / work, slots / inside)
        rate = np.where(self.n_ready < 0.5, 0.0, rate)
        served = np.minimum(offered, rate)
        rest = (offered - served) * dt
        most = np.minimum(p.queue * np.maximum(self.n_ready, 0.0), rate * p.patience)
        most = np.where(p.patience >= NEVER, NEVER, most)
        self.kept = np.minimum(rest, most)
        self.turned = (rest - self.kept) / dt
        filled = np.minimum(served * inside / slots, 0.97)
        waits = inside / slots * filled ** np.sqrt(2 * (slots + 1)) / (1.0 - filled)
        standing = np.minimum(self.kept / np.maximum(rate, 0.01), 6 * 3600.0)
        new = inside + np.minimum(waits, p.patience) + standing
        new = np.where(self.n_ready < 0.5, np.where(self.kept > 0, standing, 0.003), new)
        self.slow = 0.5 * self.slow + 0.5 * new if dt < 100 else new
        self.slow_probe = waits + standing + work * stretch
        self.inside, self.rate_now = inside, rate
        self.served, self.filled, self.slots, self.cores_now = served, filled, slots, cores
        self.cpu = served * work
        turned = self.turned / np.maximum(offered, TINY)
        disk = np.where(self.disk >= 0.999, p.writes, 0.0)
        files = np.where(self.handles >= p.handles, 0.9, 0.0)
        own = [p.fail, turned, disk, files, self.sick]
        self.own = np.stack(own, axis=2)
        well = np.prod(1.0 - np.clip(self.own, 0.0, 1.0), axis=2)
        links = np.exp(np.log1p(-np.clip(link.lost, 0.0, 0.999999)) @ self.to_src)
        self.failed = np.clip(1.0 - well * links, 0.0, 1.0)

    def _heap(self) -> Floats:
        """Return how full the memory of the replicas is, and keep it in bytes."""
        p, pods = self.p, self.pods
        here = np.maximum(self.n_ready, 1.0)
        at_work = np.minimum(self.served * self.inside, p.threads * here) + self.queue
        each = (p.base + p.per_request * at_work / here)[:, :, None] + pods.leaked
        self.memory = each * pods.ready
        full: Floats = self.memory.max(axis=2) / p.memory
        return full

    def _settle(self, arrived: Floats, dt: float, now: float) -> None:
        """Carry over what the next step begins with."""
        p, pods = self.p, self.pods
        self.queue = self.kept
        self.through = np.minimum(self.served / np.maximum(arrived, TINY), 20.0)
        self.through = np.where(self.broker, 1.0, self.through)
        here = np.maximum(self.n_ready, 1.0)
        if p.leak.any():
            pods.leaked += (p.leak * self.served / here * dt)[:, :, None] * pods.ready
        full = self.memory > p.memory[:, :, None]
        if full.any():
            pods.kill(full, now, End.MEMORY)
        slow = (self.slow_probe > p.probe_seconds)[:, :, None] & pods.ready
        if slow.any():
            first = slow & (np.cumsum(slow, axis=2) <= 1)
            pods.kill(first, now, End.PROBE)
        self.disk = np.clip(self.disk + (p.fill + p.write_fill * self.served) * dt, 0.0, 1.0)
        self.hit += (p.hit - self.hit) * (1.0 - np.exp(-dt / WARM_SECONDS))
        self.handles += p.handle_leak * self.served / here * dt
        began = (pods.phase == 8).any(axis=2)
        self.handles = np.where(began, 60.0, np.minimum(self.handles, p.handles))
        self.leaked = np.where(
            began[:, self.src],
            0.0,
            np.clip(
                self.leaked + p.pool_leak * here[:, self.src] * dt, 0.0, p.pool * here[:, self.src]
            ),
        )
        writes = np.zeros_like(self.lag)
        for copy in np.flatnonzero(self.copy):
            primary = copy - 1  # it is drawn right after its primary
            writes[:, copy] = self.served[:, primary] * p.writes[:, primary]
        behind = (writes / np.maximum(p.apply, TINY) - 1.0) * dt
        self.lag = np.where(self.copy, np.maximum(self.lag + behind, 0.0), 0.0)

    def _record(self, k: int, dt: float, arrived: Floats, link: _Links) -> None:
        t, pods = self.track, self.pods
        t.lengths[k] = dt
        t.slow[k], t.failed[k], t.arrived[k] = self.slow, self.failed, arrived
        t.served[k], t.waiting[k], t.turned[k] = self.served, self.queue, self.turned
        t.cpu[k] = self.cpu[0]
        use = self.cpu[0] / self.cores_now[0]
        t.full_cpu[k] = np.minimum(use, 1.0)
        t.throttled[k] = np.clip((use - 0.55) / 0.45, 0.0, 0.98) ** 1.5
        t.busy[k] = np.minimum(self.served[0] * self.inside[0] / self.slots[0], 1.0)
        t.memory[k], t.phase[k], t.restarts[k] = self.memory[0], pods.phase[0], pods.restarts[0]
        t.generation[k], t.ended[k] = pods.generation[0], pods.ended[0]
        t.disk[k], t.hit[k], t.used[k] = self.disk[0], self.hit[0], self.used[0]
        t.lag[k], t.handles[k], t.collecting[k] = self.lag[0], self.handles[0], self.collecting[0]
        t.own[k], t.locked[k] = self.own[0], (self.p.locked * self.p.lock_seconds)[0]
        if self.p.steal.shape[1]:
            t.machine[k] = np.minimum(self.load[0], self.world.machine_cores)
            t.machine_want[k], t.machine_up[k] = self.load[0], 1.0 - self.p.down[0]
        t.link_rate[k], t.link_slow[k] = link.rate[0], link.one[0]
        t.link_failed[k], t.link_used[k], t.link_open[k] = (
            link.grounds[0],
            link.used[0],
            link.open[0],
        )
        t.wanted[k] = self.p.replicas[0]


@dataclass(frozen=True, slots=True)
class _Links:
    rate: Floats  # (B, E) uses per second
    one: Floats  # seconds of one attempt
    grounds: Floats  # (B, E, grounds) shares
    whole: Floats  # seconds that a request of the caller spends there
    lost: Floats  # share of the caller's requests that fail by it
    used: Floats
    open: Floats


def _empty(steps: int, b: int, n: int, e: int, m: int) -> Track:
    def of(*shape: int) -> Floats:
        return np.zeros((steps, *shape))

    return Track(
        times=of(),
        lengths=of(),
        slow=of(b, n),
        failed=of(b, n),
        arrived=of(b, n),
        served=of(b, n),
        waiting=of(b, n),
        turned=of(b, n),
        cpu=of(n),
        full_cpu=of(n),
        throttled=of(n),
        busy=of(n),
        memory=of(n, MOST),
        phase=of(n, MOST),
        restarts=of(n, MOST),
        generation=of(n, MOST),
        ended=of(n, MOST),
        disk=of(n),
        hit=of(n),
        used=of(n),
        lag=of(n),
        locked=of(n),
        handles=of(n),
        collecting=of(n),
        own=of(n, len(OWN)),
        machine=of(m),
        machine_want=of(m),
        machine_up=of(m),
        link_rate=of(e),
        link_slow=of(e),
        link_failed=of(e, len(GROUNDS)),
        link_used=of(e),
        link_open=of(e),
        wanted=of(n),
        placed=np.zeros((n, MOST)),
    )
