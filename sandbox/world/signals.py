"""What each service does at each moment: load, latency, errors, processor use.

Every signal is a pure function of time: rhythm x noise x faults. Counters are their running sums
from the history's start, kept per chunk of six hours under a fingerprint of all that shapes it.

    requests per second = base x day x week x noise
    latency             log-logistic: quantile(q) = median (q / (1 - q))^(1 / shape)
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from threading import RLock

import numpy as np

from sandbox.world.memory import HEALTHY, Memory
from sandbox.world.noise import STEP_SECONDS, Floats, Steps, drift, key_of, white
from sandbox.world.timeline import Timeline
from sandbox.world.topology import BY_NAME

CHUNK_STEPS = 1440  # six hours
CHUNK_SECONDS = CHUNK_STEPS * STEP_SECONDS
_KEPT_ANSWERS = 12  # one histogram asks the same question once per bucket
_DAY, _WEEK = 86400.0, 604800.0
_MONDAY = 4 * _DAY  # 1970-01-05


@dataclass(frozen=True)
class Profile:
    """How a service behaves when nothing is wrong."""

    rps: float  # requests per second at average load
    median_seconds: float
    shape: float = 4.0  # of the log-logistic latency; larger is tighter
    error_ratio: float = 0.001
    cpu_ratio: float = 0.42  # of the limit, at average load
    memory_ratio: float = 0.46  # of the limit


PROFILES = {
    "gateway": Profile(620.0, 0.038, 3.6, 0.0012),
    "order-api": Profile(185.0, 0.048, 4.0, 0.0035, 0.46),
    "matching-engine": Profile(180.0, 0.0021, 4.2, 0.0003, 0.55, 0.58),
    "risk-engine": Profile(240.0, 0.011, 4.0, 0.0006, 0.48, 0.44),
    "wallet-service": Profile(36.0, 0.062, 3.8, 0.0015, 0.30, 0.41),
    "market-data": Profile(410.0, 0.008, 4.4, 0.0005, 0.38, 0.52),
    "ledger": Profile(150.0, 0.018, 4.2, 0.0007, 0.36, 0.47),
    "postgres": Profile(900.0, 0.004, 4.0, 0.0001, 0.40, 0.63),
    "redis": Profile(2600.0, 0.0006, 5.0, 0.0, 0.22, 0.42),
    "kafka": Profile(1400.0, 0.003, 4.0, 0.0001, 0.33, 0.60),
}


def rhythm(times: Floats) -> Floats:
    """Return the daily and weekly factor on load, mean about 1: busy at 14:30 UTC and midweek."""
    hour = 2 * np.pi * (times % _DAY) / _DAY
    week = 2 * np.pi * ((times - _MONDAY) % _WEEK) / _WEEK
    peak = 2 * np.pi * 14.5 / 24
    daily: Floats = 1.0 + 0.28 * np.cos(hour - peak) + 0.08 * np.cos(2 * (hour - np.pi / 6))
    weekly: Floats = 1.0 + 0.08 * np.cos(week - 2 * np.pi * 2.5 / 7)
    return daily * weekly


class Signals:
    """The signals of all services on the 15-second grid."""

    def __init__(self, timeline: Timeline, seed: int) -> None:
        """Shape the signals by `timeline`; `seed` picks the noise."""
        self.timeline = timeline
        self.seed = seed
        self._lock = RLock()
        self._memory = Memory()
        self._answers: OrderedDict[object, Floats] = OrderedDict()

    def noise(self, name: str, times: Floats, slow: float, fast: float) -> Floats:
        """Return a multiplicative noise around 1: `slow` and `fast` are its two deviations.

        A noisy stretch makes series jumpier; it does not make them wander further.
        """
        steps = np.round(times / STEP_SECONDS).astype(np.int64)
        key = key_of(self.seed, name)
        moved = slow * drift(key, steps)
        if fast:
            moved += fast * white(key ^ 0x5BD1E995, steps) * self.timeline.noise(times)
        return np.exp(moved, out=moved)

    def load(self, service: str, times: Floats) -> Floats:
        """Requests per second."""
        return self._remembered(f"load/{service}", times, partial(self._load, service))

    def _load(self, service: str, times: Floats) -> Floats:
        factor, _ = self.timeline.effect(service, "load", times)
        shared = self._remembered("load", times, lambda at: self.noise("load", at, 0.03, 0.0))
        own = self.noise(f"load/{service}", times, 0.02, 0.03)
        return PROFILES[service].rps * self._rhythm(times) * shared * own * factor

    def _rhythm(self, times: Floats) -> Floats:
        return self._remembered("rhythm", times, rhythm)

    def relative_load(self, service: str, times: Floats) -> Floats:
        """Load as a multiple of the average."""
        return self.load(service, times) / PROFILES[service].rps

    def latency(self, service: str, times: Floats) -> Floats:
        """Median seconds of a request."""
        factor, _ = self.timeline.effect(service, "latency", times)
        pressed = self._remembered("pressed", times, lambda at: np.power(self._rhythm(at), 0.25))
        noise = self.noise(f"latency/{service}", times, 0.035, 0.04)
        return PROFILES[service].median_seconds * pressed * noise * factor

    def errors(self, service: str, times: Floats) -> Floats:
        """Share of requests that fail, in [0, 1]."""
        factor, addend = self.timeline.effect(service, "errors", times)
        noise = self.noise(f"errors/{service}", times, 0.10, 0.12)
        return np.minimum(1.0, PROFILES[service].error_ratio * noise * factor + addend * noise)

    def cpu(self, service: str, times: Floats) -> Floats:
        """Processor cores used by all pods of the service."""
        profile, shape = PROFILES[service], BY_NAME[service]
        factor, _ = self.timeline.effect(service, "cpu", times)
        busy = 0.35 + 0.65 * self._rhythm(times)
        noise = self.noise(f"cpu/{service}", times, 0.025, 0.03)
        full = shape.cpu_limit_cores * shape.replicas
        return full * profile.cpu_ratio * busy * noise * factor

    def gauge(
        self, service: str, name: str, times: Floats, slow: float, fast: float, signal: str = ""
    ) -> Floats:
        """Return a gauge's factor around 1, moved by `signal` (default: none)."""
        noise = self.noise(f"{name}/{service}", times, slow, fast)
        return noise * self.timeline.effect(service, signal, times)[0] if signal else noise

    def cumulative(self, name: object, rates: Callable[[Floats], Floats], times: Floats) -> Floats:
        """Integrate `rates` (per second, shape (rows, n)) from the history's start to each time.

        `times` rise on the grid. Chunks already summed are reused while what shaped them stays.
        """
        steps = np.round(times / STEP_SECONDS).astype(np.int64)
        first, last = int(steps[0]) // CHUNK_STEPS, int(steps[-1]) // CHUNK_STEPS
        shaped_by = self.timeline.fingerprint(self.timeline.origin, times[-1] + STEP_SECONDS)
        asked = (name, int(steps[0]), int(steps[-1]), len(steps), shaped_by)
        with self._lock:
            if asked in self._answers:
                self._answers.move_to_end(asked)
                return self._answers[asked]
            before = self._before(name, rates, first)
            edges = np.searchsorted(steps, np.arange(first, last + 2) * CHUNK_STEPS)
            parts = []
            for chunk, begin, end in zip(range(first, last + 1), edges, edges[1:], strict=False):
                sums = self._chunk(name, rates, chunk)
                inside = steps[begin:end] - chunk * CHUNK_STEPS
                parts.append(before[:, None] + _columns(sums, inside))
                before = before + sums[:, -1]
            answer: Floats = np.concatenate(parts, axis=1)
            self._answers[asked] = answer
            if len(self._answers) > _KEPT_ANSWERS:
                self._answers.popitem(last=False)
        return answer

    def served(self, service: str, times: Floats) -> Floats:
        """Requests served well (row 0) and failed (row 1) since the history's start."""

        def rates(at: Floats) -> Floats:
            load, errors = self.load(service, at), self.errors(service, at)
            return np.vstack([load * (1.0 - errors), load * errors])

        return self.cumulative(("served", service), rates, times)

    def _before(self, name: object, rates: Callable[[Floats], Floats], chunk: int) -> Floats:
        """Return the sums at the start of a chunk, going on from the last start they are known."""
        origin = int(self.timeline.origin // CHUNK_SECONDS)
        if chunk <= origin:
            probe = rates(np.array([chunk * float(CHUNK_SECONDS)]))
            return np.zeros(probe.shape[0])
        known, total = (
            chunk,
            self._memory_of(chunk, since_origin=True).find(self._start_key(name, chunk)),
        )
        while total is None and known > origin + 1:
            known -= 1
            memory = self._memory_of(known, since_origin=True)
            total = memory.find(self._start_key(name, known))
        if total is None:
            total, known = self._last(name, rates, origin), origin + 1
        for earlier in range(known, chunk):
            total = total + self._last(name, rates, earlier)
            memory = self._memory_of(earlier + 1, since_origin=True)
            memory.keep(self._start_key(name, earlier + 1), total)
        return total

    def _last(self, name: object, rates: Callable[[Floats], Floats], chunk: int) -> Floats:
        """Return what one chunk adds, without keeping its sums."""
        known = self._memory_of(chunk).find(self._key("sums", name, chunk))
        if known is not None:
            return known[:, -1]
        return self._memory_of(chunk).recall(
            self._key("last", name, chunk), partial(_total, rates, chunk)
        )

    def _chunk(self, name: object, rates: Callable[[Floats], Floats], chunk: int) -> Floats:
        return self._memory_of(chunk).recall(
            self._key("sums", name, chunk), partial(_summed, rates, chunk)
        )

    # -- what is remembered, and by whom ----------------------------------------------------------

    def _print(self, chunk: int, *, since_origin: bool = False) -> tuple[object, ...]:
        """Return what shapes a chunk, or (`since_origin`) everything before it."""
        start = chunk * float(CHUNK_SECONDS)
        if since_origin:
            return self.timeline.fingerprint(self.timeline.origin, start)
        return self.timeline.fingerprint(start, start + CHUNK_SECONDS)

    def _memory_of(self, chunk: int, *, since_origin: bool = False) -> Memory:
        """Return the memory that all worlds share while no story touches the chunk, else ours."""
        return self._memory if self._print(chunk, since_origin=since_origin) else HEALTHY

    def _key(self, kind: str, name: object, chunk: int) -> tuple[object, ...]:
        return kind, self.seed, name, chunk, self._print(chunk)

    def _start_key(self, name: object, chunk: int) -> tuple[object, ...]:
        print_ = self._print(chunk, since_origin=True)
        return "start", self.seed, self.timeline.origin, name, chunk, print_

    def _remembered(self, name: str, times: Floats, compute: Callable[[Floats], Floats]) -> Floats:
        """Compute at `times`; what is asked of whole chunks is asked again for other signals."""
        chunk = _chunk_of(times)
        if chunk is None:
            return compute(times)
        return self._memory_of(chunk).recall(
            self._key("signal", name, chunk), lambda: compute(times)
        )


def _summed(rates: Callable[[Floats], Floats], chunk: int) -> Floats:
    """Sum rates over a chunk, at each of its steps."""
    steps: Steps = np.arange(chunk * CHUNK_STEPS, (chunk + 1) * CHUNK_STEPS, dtype=np.int64)
    sums: Floats = np.cumsum(rates(steps.astype(np.float64) * STEP_SECONDS) * STEP_SECONDS, axis=1)
    return sums


def _total(rates: Callable[[Floats], Floats], chunk: int) -> Floats:
    """Sum rates over a chunk, at its last step only."""
    return _summed(rates, chunk)[:, -1].copy()


def _chunk_of(times: Floats) -> int | None:
    """Return the chunk whose every step `times` are, if they are."""
    whole = times.shape == (CHUNK_STEPS,) and times[0] % CHUNK_SECONDS == 0
    if whole and times[-1] - times[0] == CHUNK_SECONDS - STEP_SECONDS:
        return int(times[0] // CHUNK_SECONDS)
    return None


def _columns(sums: Floats, inside: Steps) -> Floats:
    if inside.size and inside[-1] - inside[0] == inside.size - 1:  # they rise: no gap
        return sums[:, inside[0] : inside[-1] + 1]
    return sums[:, inside]


def shares_below(bounds: Floats, medians: Floats, shape: float) -> Floats:
    """Share of requests faster than each bound (rows) at each time (columns)."""
    with np.errstate(divide="ignore"):
        return 1.0 / (1.0 + np.power(medians[None, :] / bounds[:, None], shape))
