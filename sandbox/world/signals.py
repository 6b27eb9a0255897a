"""What each service does at each moment: load, latency, errors, processor use.

Every signal is a pure function of time: rhythm x noise x faults. Counters are their running sums
from the history's start, kept per chunk of six hours under a fingerprint of all that shapes it.

    requests per second = base x day x week x noise, or what the callers ask
    latency             log-logistic: quantile(q) = median (q / (1 - q))^(1 / shape)

*Excess* is what faults add to a service's latency or errors; its callers feel a share of it.
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from threading import RLock

import numpy as np

from sandbox.world.memory import HEALTHY, Memory
from sandbox.world.noise import STEP_SECONDS, Floats, Steps, drift, key_of, white
from sandbox.world.timeline import Timeline

CHUNK_STEPS = 1440  # six hours
CHUNK_SECONDS = CHUNK_STEPS * STEP_SECONDS
_KEPT_ANSWERS = 12  # one histogram asks the same question once per bucket


class Signals:
    """The signals of all services on the 15-second grid."""

    def __init__(self, timeline: Timeline, seed: int) -> None:
        """Shape the signals by `timeline`; `seed` picks the noise."""
        self.timeline = timeline
        self.blueprint = timeline.blueprint
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
        own = self.noise(f"load/{service}", times, 0.02, 0.03)
        told = self.blueprint.services[service].rps
        if told is None:
            asked = sum(
                (call.share * self.load(caller.name, times))
                for caller, call in self.blueprint.callers[service]
            )
            return asked * own * factor
        shared = self._remembered("load", times, lambda at: self.noise("load", at, 0.03, 0.0))
        return told * self._rhythm(times) * shared * own * factor

    def _rhythm(self, times: Floats) -> Floats:
        return self._remembered("rhythm", times, self.blueprint.rhythm.factor)

    def relative_load(self, service: str, times: Floats) -> Floats:
        """Load as a multiple of the average."""
        return self.load(service, times) / self.blueprint.usual_rps[service]

    def _busier(self, service: str, times: Floats) -> Floats:
        """Return the factor that stories put on a service's load, its callers' included."""
        factor, _ = self.timeline.effect(service, "load", times)
        if self.blueprint.services[service].rps is None:
            who = self.blueprint.services[service]
            factor = factor * sum(
                self.blueprint.part_of_load(caller, who) * self._busier(caller.name, times)
                for caller, _ in self.blueprint.callers[service]
            )
        return factor

    def latency(self, service: str, times: Floats) -> Floats:
        """Median seconds of a request."""
        factor, _ = self.timeline.effect(service, "latency", times)
        own = self._quiet_latency(service, times) * factor
        for call in self.blueprint.services[service].calls:
            if call.felt and self._is_hurt(call.to, "latency"):
                own = own + call.felt * self._extra_latency(call.to, times)
        return own

    def _quiet_latency(self, service: str, times: Floats) -> Floats:
        pressed = self._remembered("pressed", times, lambda at: np.power(self._rhythm(at), 0.25))
        if self._is_busier(service):
            pressed = pressed * np.power(self._busier(service, times), 0.25)
        noise = self.noise(f"latency/{service}", times, 0.035, 0.04)
        return self.blueprint.services[service].median_seconds * pressed * noise

    def _extra_latency(self, service: str, times: Floats) -> Floats:
        """Return the seconds that faults add, those of the called included."""
        return self.latency(service, times) - self._quiet_latency(service, times)

    def errors(self, service: str, times: Floats) -> Floats:
        """Share of requests that fail, in [0, 1]."""
        factor, addend = self.timeline.effect(service, "errors", times)
        noise = self.noise(f"errors/{service}", times, 0.10, 0.12)
        who = self.blueprint.services[service]
        failed = who.error_ratio * noise * factor + addend * noise
        for call in who.calls:
            if call.felt and self._is_hurt(call.to, "errors"):
                failed = failed + call.felt * self._extra_errors(call.to, times)
        return np.minimum(1.0, failed)

    def _extra_errors(self, service: str, times: Floats) -> Floats:
        noise = self.noise(f"errors/{service}", times, 0.10, 0.12)
        usual = self.blueprint.services[service].error_ratio * noise
        return np.maximum(self.errors(service, times) - usual, 0.0)

    def _is_hurt(self, service: str, signal: str) -> bool:
        """Whether any story touches this signal of the service or of what it calls."""
        if self.timeline.touches(service, signal):
            return True
        calls = self.blueprint.services[service].calls
        return any(call.felt and self._is_hurt(call.to, signal) for call in calls)

    def _is_busier(self, service: str) -> bool:
        if self.timeline.touches(service, "load"):
            return True
        if self.blueprint.services[service].rps is not None:
            return False
        return any(self._is_busier(caller.name) for caller, _ in self.blueprint.callers[service])

    def cpu(self, service: str, times: Floats) -> Floats:
        """Processor cores used by all pods of the service."""
        shape = self.blueprint.services[service]
        factor, _ = self.timeline.effect(service, "cpu", times)
        busy = self._rhythm(times)
        if self._is_busier(service):
            busy = busy * self._busier(service, times)
        busy = 0.35 + 0.65 * busy
        noise = self.noise(f"cpu/{service}", times, 0.025, 0.03)
        full = shape.cpu_limit_cores * shape.replicas
        return full * shape.cpu_ratio * busy * noise * factor

    def cpu_of_request(self, service: str, replicas: int, at: float) -> float:
        """Share of what its pods request that a service uses; they request half their limit."""
        limit = self.blueprint.services[service].cpu_limit_cores
        used = float(self.cpu(service, np.array([at]))[0])
        return used / (replicas * limit / 2)

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
        return kind, self.blueprint.name, self.seed, name, chunk, self._print(chunk)

    def _start_key(self, name: object, chunk: int) -> tuple[object, ...]:
        print_ = self._print(chunk, since_origin=True)
        origin = self.timeline.origin
        return "start", self.blueprint.name, self.seed, origin, name, chunk, print_

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
