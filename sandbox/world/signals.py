"""What each service does at each moment: load, latency, errors, processor use.

Every signal is a pure function of time: rhythm x noise x faults. Counters are their running sums
from the history's start, kept per chunk of six hours under a fingerprint of all that shapes it.

    requests per second = base x day x week x noise
    latency             log-logistic: quantile(q) = median (q / (1 - q))^(1 / shape)
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import RLock

import numpy as np

from sandbox.world.noise import STEP_SECONDS, Floats, Steps, drift, key_of, white
from sandbox.world.timeline import Timeline
from sandbox.world.topology import BY_NAME

CHUNK_STEPS = 1440  # six hours
CHUNK_SECONDS = CHUNK_STEPS * STEP_SECONDS
_KEPT_CHUNKS = 400
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
        self._sums: dict[object, Floats] = {}
        self._chunks: OrderedDict[object, Floats] = OrderedDict()
        self._answers: OrderedDict[object, Floats] = OrderedDict()

    def noise(self, name: str, times: Floats, slow: float, fast: float) -> Floats:
        """Return a multiplicative noise around 1: `slow` and `fast` are its two deviations.

        A noisy stretch makes series jumpier; it does not make them wander further.
        """
        steps = np.round(times / STEP_SECONDS).astype(np.int64)
        key = key_of(self.seed, name)
        jumps = fast * white(key ^ 0x5BD1E995, steps) * self.timeline.noise(times)
        return np.exp(slow * drift(key, steps) + jumps)

    def load(self, service: str, times: Floats) -> Floats:
        """Requests per second."""
        factor, _ = self.timeline.effect(service, "load", times)
        shared = self.noise("load", times, 0.03, 0.0)
        own = self.noise(f"load/{service}", times, 0.02, 0.03)
        return PROFILES[service].rps * rhythm(times) * shared * own * factor

    def relative_load(self, service: str, times: Floats) -> Floats:
        """Load as a multiple of the average."""
        return self.load(service, times) / PROFILES[service].rps

    def latency(self, service: str, times: Floats) -> Floats:
        """Median seconds of a request."""
        factor, _ = self.timeline.effect(service, "latency", times)
        pressed = np.power(rhythm(times), 0.25)
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
        busy = 0.35 + 0.65 * rhythm(times)
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
            before = self._prefix(name, rates, first)
            parts = []
            for chunk in range(first, last + 1):
                sums = self._chunk(name, rates, chunk)
                inside = steps[(steps >= chunk * CHUNK_STEPS) & (steps < (chunk + 1) * CHUNK_STEPS)]
                parts.append(before[:, None] + sums[:, inside - chunk * CHUNK_STEPS])
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

    def _prefix(self, name: object, rates: Callable[[Floats], Floats], chunk: int) -> Floats:
        origin = int(self.timeline.origin // CHUNK_SECONDS)
        total: Floats | None = None
        for earlier in range(origin, chunk):
            key = (name, earlier, self._print(earlier))
            if key not in self._sums:
                self._sums[key] = self._chunk(name, rates, earlier)[:, -1].copy()
            total = self._sums[key] if total is None else total + self._sums[key]
        if total is None:
            probe = rates(np.array([chunk * float(CHUNK_SECONDS)]))
            total = np.zeros(probe.shape[0])
        return total

    def _print(self, chunk: int) -> tuple[object, ...]:
        start = chunk * float(CHUNK_SECONDS)
        return self.timeline.fingerprint(start, start + CHUNK_SECONDS)

    def _chunk(self, name: object, rates: Callable[[Floats], Floats], chunk: int) -> Floats:
        key = (name, chunk, self._print(chunk))
        if key in self._chunks:
            self._chunks.move_to_end(key)
            return self._chunks[key]
        steps: Steps = np.arange(chunk * CHUNK_STEPS, (chunk + 1) * CHUNK_STEPS, dtype=np.int64)
        times = steps.astype(np.float64) * STEP_SECONDS
        sums = np.cumsum(rates(times) * STEP_SECONDS, axis=1)
        self._chunks[key] = sums
        if len(self._chunks) > _KEPT_CHUNKS:
            self._chunks.popitem(last=False)
        return sums


def shares_below(bounds: Floats, medians: Floats, shape: float) -> Floats:
    """Share of requests faster than each bound (rows) at each time (columns)."""
    with np.errstate(divide="ignore"):
        return 1.0 / (1.0 + np.power(medians[None, :] / bounds[:, None], shape))
