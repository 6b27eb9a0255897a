"""The series of a world's own programs, made from the conventions its file describes."""

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from sandbox.world.blueprint import Blueprint, Service
from sandbox.world.containers import cpu_seconds, memory_bytes
from sandbox.world.families import (
    Family,
    Row,
    Values,
    filled,
    pods_in,
    row,
    serving,
    since_start,
    whole,
)
from sandbox.world.metrics import (
    Convention,
    Durations,
    Events,
    Gauge,
    Level,
    Part,
    PodCpu,
    PodMemory,
    Requests,
)
from sandbox.world.noise import Floats, key_of
from sandbox.world.pods import Pod
from sandbox.world.signals import Signals, shares_below

_SLOWEST = 0.995  # what Micrometer's decaying maximum about shows
_POD_SPREAD = 0.04  # a pod gets up to this much more or less than its share
Sums = Callable[[Signals, str, Floats], Floats]


@dataclass(frozen=True)
class _Subject:
    """Whose requests a series counts, and which share of them."""

    service: str  # whose signals they follow
    labels: dict[str, str]
    share: float
    outcome: str
    slower: float
    pod: Pod | None
    by: str  # whose pods tell it


def families_of(blueprint: Blueprint) -> list[Family]:
    """Return every family of the world's conventions."""
    found: list[Family] = []
    for name, convention in blueprint.conventions.items():
        follow = [s for s in blueprint.services.values() if name in s.conventions]
        for metric in convention.metrics:
            if isinstance(metric, Requests):
                found.append(_requests(metric, convention, follow))
            elif isinstance(metric, Durations):
                found += _Durations(metric, convention, follow).families()
            elif isinstance(metric, Gauge | Events):
                found.append(_levels(metric, convention, follow))
            elif isinstance(metric, PodMemory | PodCpu):
                found.append(_of_pods(metric, convention, follow))
    return found


# -- requests and how long they take ---------------------------------------------------------------


def _subjects(
    signals: Signals, metric: Requests | Durations, convention: Convention, follow: list[Service]
) -> Iterator[_Subject]:
    if metric.services:
        follow = [service for service in follow if service.name in metric.services]
    for service, told, words, weight in _sides(signals.blueprint, metric, follow):
        for pod in pods_in(signals, service.name) if metric.per_pod else [None]:
            everything = words | {"pod": pod.name if pod else ""}
            for parts in itertools.product(*metric.split):
                labels = dict(convention.labels) | dict(metric.labels)
                share, slower, outcome = weight, 1.0, "all"
                for part in parts:
                    labels |= part.labels
                    share, slower, outcome = _joined(part, share, slower, outcome)
                made = filled(labels, everything)
                yield _Subject(told, made, share, outcome, slower, pod, service.name)


def _joined(part: Part, share: float, slower: float, outcome: str) -> tuple[float, float, str]:
    kept = outcome if part.outcome == "all" else part.outcome
    return share * part.share, slower * part.slower, kept


def _sides(
    blueprint: Blueprint, metric: Requests | Durations, follow: list[Service]
) -> Iterator[tuple[Service, str, dict[str, object], float]]:
    """Yield (who tells it, whose signals they are, words, share of those signals)."""
    if metric.of == "services":
        yield from ((each, each.name, each.words(), 1.0) for each in follow)
        return
    names = {service.name for service in follow}
    for server in blueprint.services.values():
        for client, call in blueprint.callers[server.name]:
            if metric.over not in {"", call.over}:
                continue
            teller = client if metric.side == "client" else server
            if teller.name not in names:
                continue
            words = teller.words() | {
                "client": client.name,
                "server": server.name,
                "client_namespace": client.namespace,
                "server_namespace": server.namespace,
            }
            yield teller, server.name, words, blueprint.part_of_load(client, server)


def _share_of_pod(pod: Pod) -> float:
    return 1.0 - _POD_SPREAD + 2 * _POD_SPREAD * (key_of(pod.name, "share") % 1000) / 1000


def _counted(signals: Signals, subject: _Subject, total: Values, times: Floats) -> Floats:
    """Return a subject's share of a running sum, since its pod began if it has one."""
    if subject.pod is None:
        return subject.share * total(times)
    share = subject.share * _share_of_pod(subject.pod)
    return share * since_start(signals, subject.pod, times, total)


def _per_replica(signals: Signals, subject: _Subject, rates: Values) -> Values:
    if subject.pod is None:
        return rates
    return lambda at: rates(at) / serving(signals, subject.by, at)


def _key(signals: Signals, subject: _Subject, *name: object) -> tuple[object, ...]:
    if subject.pod is None:
        return name
    history = signals.timeline.view.replicas_history(subject.by)
    return (*name, "each", subject.by, tuple(history))


def _requests(metric: Requests, convention: Convention, follow: list[Service]) -> Family:
    def served(signals: Signals, subject: _Subject, at: Floats) -> Floats:
        well, failed = signals.served(subject.service, at)
        found: Floats = {"well": well, "failed": failed}.get(subject.outcome, well + failed)
        return found

    def of_pod(signals: Signals, subject: _Subject, at: Floats) -> Floats:
        def rates(when: Floats) -> Floats:
            load = signals.load(subject.service, when)
            errors = signals.errors(subject.service, when)
            return np.vstack([load * (1.0 - errors), load * errors, load])

        key = _key(signals, subject, "served", subject.service)
        sums = signals.cumulative(key, _per_replica(signals, subject, rates), at)
        found: Floats = sums[("well", "failed", "all").index(subject.outcome)]
        return found

    def rows(signals: Signals) -> Iterator[Row]:
        for subject in _subjects(signals, metric, convention, follow):
            total = partial(of_pod if subject.pod else served, signals, subject)

            def values(at: Floats, s: _Subject = subject, total: Values = total) -> Floats:
                return whole(_counted(signals, s, total, at))

            yield row(metric.name, values, subject.labels, subject.pod)

    return Family(metric.name, "counter", metric.help, rows)


@dataclass(frozen=True)
class _Durations:
    """The families of a histogram or a summary, all cut from the same running sums."""

    metric: Durations
    convention: Convention
    follow: list[Service]

    def families(self) -> list[Family]:
        name, text = self.metric.name, self.metric.help
        kind = "histogram" if self.metric.bounds else "summary"
        first = (
            Family(f"{name}_bucket", kind, text, self._buckets)
            if self.metric.bounds
            else Family(f"{name}_max", "gauge", text, self._slowest)
        )
        counts = self._rows("_count", lambda s, o, at: self._counted(s, o, -2, at))
        sums = self._rows("_sum", self._added)
        return [
            first,
            Family(f"{name}_count", kind, text, counts),
            Family(f"{name}_sum", kind, text, sums),
        ]

    def _rates(self, signals: Signals, subject: _Subject, at: Floats) -> Floats:
        service = signals.blueprint.services[subject.service]
        load, median = signals.load(service.name, at), signals.latency(service.name, at)
        if subject.outcome != "all":
            failed = signals.errors(service.name, at)
            load = load * (failed if subject.outcome == "failed" else 1.0 - failed)
        if subject.slower != 1.0:
            median = median * subject.slower
        edges = np.array(self.metric.bounds) * self.metric.unit_seconds
        below = shares_below(edges, median, service.shape) * load
        mean = median * (math.pi / service.shape) / math.sin(math.pi / service.shape)
        return np.vstack([below, load[None, :], (load * mean)[None, :]])

    def _share(self, signals: Signals, subject: _Subject, index: int, at: Floats) -> Floats:
        """Return the subject's share of one running sum: a bound's, all (-2) or seconds (-1)."""
        name = (self.metric.name, subject.service, subject.outcome, subject.slower)
        key = _key(signals, subject, *name)
        rates = _per_replica(signals, subject, partial(self._rates, signals, subject))

        def total(when: Floats) -> Floats:
            found: Floats = signals.cumulative(key, rates, when)[index]
            return found

        return _counted(signals, subject, total, at)

    def _counted(self, signals: Signals, subject: _Subject, index: int, at: Floats) -> Floats:
        return whole(self._share(signals, subject, index, at))

    def _added(self, signals: Signals, subject: _Subject, at: Floats) -> Floats:
        return self._share(signals, subject, -1, at) / self.metric.unit_seconds

    def _longest(self, signals: Signals, subject: _Subject, at: Floats) -> Floats:
        shape = signals.blueprint.services[subject.service].shape
        factor = subject.slower * (_SLOWEST / (1 - _SLOWEST)) ** (1 / shape)
        longest: Floats = signals.latency(subject.service, at) * factor
        return longest / self.metric.unit_seconds

    def _buckets(self, signals: Signals) -> Iterator[Row]:
        for subject in _subjects(signals, self.metric, self.convention, self.follow):
            for index, bound in enumerate([*self.metric.bounds, math.inf]):
                le = "+Inf" if math.isinf(bound) else f"{bound:g}"
                values = partial(self._counted, signals, subject, index)
                labels = {"le": le, **subject.labels}
                yield row(f"{self.metric.name}_bucket", values, labels, subject.pod)

    def _slowest(self, signals: Signals) -> Iterator[Row]:
        return self._rows("_max", self._longest)(signals)

    def _rows(
        self, end: str, values: Callable[[Signals, _Subject, Floats], Floats]
    ) -> Callable[[Signals], Iterator[Row]]:
        def rows(signals: Signals) -> Iterator[Row]:
            for subject in _subjects(signals, self.metric, self.convention, self.follow):
                told = partial(values, signals, subject)
                yield row(f"{self.metric.name}{end}", told, subject.labels, subject.pod)

        return rows


# -- levels and rates of their own -----------------------------------------------------------------


def _level(
    signals: Signals, metric: Gauge | Events, level: Level, at: Floats, who: str, noise: str
) -> Floats:
    moved = np.full(at.shape, level.mean)
    if level.with_load:
        share = level.with_load
        busy = signals.relative_load(level.load_of or who, at)
        moved = moved * (busy if share == 1.0 else 1.0 - share + share * busy)
    if level.slow or level.fast:
        moved = moved * signals.noise(noise, at, level.slow, level.fast)
    if level.moved_by:
        moved = moved * signals.timeline.effect(level.moved_at or who, level.moved_by, at)[0]
    if level.base:
        calm = signals.noise(noise, at, level.slow, level.fast) if level.slow else 1.0
        moved = moved + level.base * calm
    if level.at_most is not None:
        moved = np.minimum(moved, level.at_most)
    return np.round(moved) if isinstance(metric, Gauge) and metric.whole else moved


def _levels(metric: Gauge | Events, convention: Convention, follow: list[Service]) -> Family:
    def rows(signals: Signals) -> Iterator[Row]:
        for level in metric.levels:
            for service in follow:
                if level.service not in {"", service.name}:
                    continue
                for pod in pods_in(signals, service.name) if metric.per_pod else [None]:
                    words = service.words() | {"pod": pod.name if pod else ""}
                    labels = {**convention.labels, **metric.labels, **level.labels}
                    made = filled(labels, words)
                    yield row(metric.name, values(signals, level, service, pod), made, pod)

    def values(signals: Signals, level: Level, service: Service, pod: Pod | None) -> Values:
        noise = level.noise or f"{metric.name}/{','.join(level.labels.values())}"
        noise = f"{noise}/{pod.name if pod else level.noise_of or service.name}"
        level_at = partial(_level, signals, metric, level, who=service.name, noise=noise)
        if isinstance(metric, Gauge):
            return level_at
        key = ("events", metric.name, service.name, noise)

        def total(at: Floats) -> Floats:
            found: Floats = signals.cumulative(key, lambda when: level_at(when)[None], at)[0]
            return found

        if pod is None:
            return lambda at: whole(total(at))
        return lambda at: whole(since_start(signals, pod, at, total))

    kind = "gauge" if isinstance(metric, Gauge) else "counter"
    return Family(metric.name, kind, metric.help, rows)


# -- what each container uses ----------------------------------------------------------------------


def _of_pods(metric: PodMemory | PodCpu, convention: Convention, follow: list[Service]) -> Family:
    def values(signals: Signals, pod: Pod, at: Floats) -> Floats:
        if isinstance(metric, PodCpu):
            return cpu_seconds(signals, pod, at)
        return np.round(metric.share * memory_bytes(signals, pod, at))

    def rows(signals: Signals) -> Iterator[Row]:
        for service in follow:
            for pod in pods_in(signals, service.name):
                labels = {**convention.labels, **metric.labels}
                made = filled(labels, service.words() | {"pod": pod.name})
                yield row(metric.name, partial(values, signals, pod), made, pod)

    kind = "gauge" if isinstance(metric, PodMemory) else "counter"
    return Family(metric.name, kind, metric.help, rows)


def target_labels(blueprint: Blueprint, service: Service) -> Mapping[str, str] | None:
    """Return the templates of the labels of a service's scrape targets."""
    for name in service.conventions:
        target = blueprint.conventions[name].target
        if target is not None:
            return target
    return None
