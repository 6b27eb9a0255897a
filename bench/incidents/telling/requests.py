"""Requests of services as counters, histograms and gauges, pod by pod, for every convention."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from bench.incidents.graph import What
from bench.incidents.parameters import Floats
from bench.incidents.telling.exposure import Exposure, Family, Pod, Row, shares_below, spec
from tools.world import MetricSpec

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
MILLIS = (5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0)
SPREAD = 0.7  # of the logarithm of a request's time
Families = dict[str, Family]


class Requests:
    """Rates, failures and times of the parts of one convention, pod by pod."""

    def __init__(self, exposure: Exposure, style: str) -> None:
        """Take the parts that expose this convention."""
        self.x, self.style = exposure, style
        self.parts = exposure.watched_by(style)
        self.track = exposure.incident.track

    def pods(self) -> Iterator[Pod]:
        for part in self.parts:
            yield from self.x.pods(part)

    def labels(self, pod: Pod, **more: str) -> dict[str, str]:
        return {
            self.x.label: pod.part.name,
            "namespace": pod.part.namespace,
            "pod": pod.name,
            "instance": f"{pod.address}:8080",
            **more,
        }

    def rate(self, pod: Pod) -> Floats:
        return self.track.served[:, 0, pod.part.number] * self.x.share(pod)

    def failed(self, pod: Pod) -> Floats:
        n = pod.part.number
        turned = self.track.turned[:, 0, n] / np.maximum(self.track.arrived[:, 0, n], 1e-9)
        share: Floats = np.clip(self.track.failed[:, 0, n] - np.clip(turned, 0, 1) * 0.5, 0.0, 1.0)
        return share

    def slow(self, pod: Pod) -> Floats:
        values: Floats = self.track.slow[:, 0, pod.part.number]
        return values

    def counters(self, code: str, good: str, bad: str, **more: str) -> Iterator[Row]:
        """Yield requests by code."""
        for pod in self.pods():
            rate, failed = self.rate(pod), self.failed(pod)
            seen, resets = self.x.seen(pod.running), self.x.resets(pod)
            yield (
                self.labels(pod, **{code: good}, **more),
                self.x.counted(rate * (1 - failed), resets),
                seen,
            )
            wrong = rate * failed
            if wrong.any():
                yield self.labels(pod, **{code: bad}, **more), self.x.counted(wrong, resets), seen

    def buckets(self, bounds: tuple[float, ...], scale: float, **more: str) -> Iterator[Row]:
        """Yield the buckets of a histogram."""
        for pod in self.pods():
            rate = self.rate(pod)
            seen, resets = self.x.seen(pod.running), self.x.resets(pod)
            whole = self.x.counted(rate, resets)
            step = np.diff(whole, prepend=whole[0])
            fresh = np.where(step < 0, whole, step)
            below = shares_below(bounds, self.x.hold(self.slow(pod)) * scale, SPREAD)
            inside = np.cumsum(fresh[None, :] * below, axis=1)
            for place, bound in enumerate(bounds):
                text = f"{bound:g}" if bound != int(bound) or scale > 1 else f"{bound:.1f}"
                yield self.labels(pod, le=text, **more), inside[place], seen
            yield self.labels(pod, le="+Inf", **more), np.cumsum(fresh), seen

    def sums(self, scale: float, **more: str) -> Iterator[Row]:
        """Yield the sum of times."""
        for pod in self.pods():
            rate = self.rate(pod) * self.slow(pod) * scale
            yield (
                self.labels(pod, **more),
                self.x.counted(rate, self.x.resets(pod)),
                self.x.seen(pod.running),
            )

    def counts(self, **more: str) -> Iterator[Row]:
        """Yield the number of requests."""
        for pod in self.pods():
            yield (
                self.labels(pod, **more),
                self.x.counted(self.rate(pod), self.x.resets(pod)),
                self.x.seen(pod.running),
            )

    def gauge(self, values: Mapping[int, Floats] | Floats, **more: str) -> Iterator[Row]:
        """Yield a level of each pod, of (T, N) figures."""
        for pod in self.pods():
            level = self.x.hold(np.asarray(values)[:, pod.part.number])
            yield self.labels(pod, **more), self.x.noisy(level), self.x.seen(pod.running)


def _joined(one: Callable[[], Iterator[Row]], other: Callable[[], Iterator[Row]]) -> Iterator[Row]:
    yield from one()
    yield from other()


def merge(found: Families, more: Families) -> None:
    """Add families; what two conventions call alike is one metric with the rows of both."""
    for name, each in more.items():
        if name in found:
            one, other = found[name].rows, each.rows
            found[name] = Family(each.kind, each.help, partial(_joined, one, other), each.unit)
        else:
            found[name] = each


def failed_share(bad: str, whole: str, by: str, over: str = "rate", window: str = "5m") -> str:
    below = f"sum by ({by}) ({over}({whole}[{window}]))"
    return f"(sum by ({by}) ({over}({bad}[{window}])) or {below} * 0) / {below}"


def limit(x: Exposure, value: float) -> float | None:
    return value if x.limits else None


def rate_errors_duration(
    x: Exposure, name: str, total: str, bad: str, bucket: str, unit: str
) -> list[MetricSpec]:
    by = x.label
    scale = 1000.0 if unit == "milliseconds" else 1.0
    return [
        spec(
            f"{name}_latency_p99",
            name,
            f"histogram_quantile(0.99, sum by ({by}, le) (rate({bucket}[5m])))",
            unit,
            "latency",
            group_by=by,
            threshold=limit(x, 2.0 * scale),
        ),
        spec(
            f"{name}_errors",
            name,
            failed_share(bad, total, by),
            "ratio",
            "errors",
            group_by=by,
            threshold=limit(x, 0.05),
        ),
        spec(
            f"{name}_rate",
            name,
            f"sum by ({by}) (rate({total}[5m]))",
            "requests/s",
            "traffic",
            group_by=by,
        ),
    ]


def pools(r: Requests, values: Floats, *, exact: bool = False, **more: str) -> Iterator[Row]:
    graph = r.x.incident.stage.graph
    for pod in r.pods():
        for e, link in enumerate(graph.links):
            target = graph.parts[link.callee]
            if link.caller != pod.part.number or target.what is not What.DATABASE:
                continue
            level = r.x.hold(values[:, e] / np.maximum(r.x.serving[:, pod.part.number], 1.0))
            level = np.round(level) if exact else r.x.noisy(level)
            yield r.labels(pod, db_name=target.name, **more), level, r.x.seen(pod.running)


def heap(r: Requests, *, used: bool) -> Iterator[Row]:
    p = r.x.incident.stage.parameters
    for pod in r.pods():
        n = pod.part.number
        most = float(p.memory[0, n]) * 0.75
        level = (
            r.track.memory[:, n, pod.place] * 0.72 if used else np.full(len(r.track.times), most)
        )
        values = r.x.hold(level)
        yield (
            r.labels(pod, area="heap", id="G1 Old Gen"),
            r.x.noisy(values) if used else values,
            r.x.seen(pod.running),
        )
