"""Metrics of services, as their libraries expose them.

Names and labels from the public documentation of client_golang, OpenTelemetry's semantic
conventions for HTTP, Micrometer, prometheus-net, the Flask exporter, StatsD exporters, Dropwizard's
collector and Envoy's statistics.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain

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
        share = np.clip(self.track.failed[:, 0, n] - np.clip(turned, 0, 1) * 0.5, 0.0, 1.0)
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


def families(x: Exposure) -> Families:
    """Return the families of every convention that some service exposes."""
    found: Families = {}
    for style, make in STYLES.items():
        if x.watched_by(style):
            merge(found, make(Requests(x, style)))
    return found


def merge(found: Families, more: Families) -> None:
    """Add families; what two conventions call alike is one metric with the rows of both."""
    for name, each in more.items():
        if name in found:
            one, other = found[name].rows, each.rows
            found[name] = Family(
                each.kind, each.help, lambda a=one, b=other: chain(a(), b()), each.unit
            )
        else:
            found[name] = each


def catalogue(x: Exposure) -> list[MetricSpec]:
    """Return what the team's catalogue says of them."""
    entries: list[MetricSpec] = []
    for style, told in TOLD.items():
        if x.watched_by(style):
            entries += told(x)
    return entries


def _share(bad: str, whole: str, by: str, over: str = "rate", window: str = "5m") -> str:
    below = f"sum by ({by}) ({over}({whole}[{window}]))"
    return f"(sum by ({by}) ({over}({bad}[{window}])) or {below} * 0) / {below}"


def _limit(x: Exposure, value: float) -> float | None:
    return value if x.limits else None


def _three(
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
            threshold=_limit(x, 2.0 * scale),
        ),
        spec(
            f"{name}_errors",
            name,
            _share(bad, total, by),
            "ratio",
            "errors",
            group_by=by,
            threshold=_limit(x, 0.05),
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


# ------------------------------------------------------------------------------ Go's client


def _go(r: Requests) -> Families:
    return {
        "http_requests_total": Family(
            "counter",
            "Total number of HTTP requests.",
            lambda: r.counters("code", "200", "500", handler="/v1", method="get"),
        ),
        "http_request_duration_seconds_bucket": Family(
            "histogram",
            "Duration of HTTP requests.",
            lambda: r.buckets(SECONDS, 1.0, handler="/v1"),
        ),
        "http_request_duration_seconds_sum": Family(
            "histogram", "", lambda: r.sums(1.0, handler="/v1")
        ),
        "http_request_duration_seconds_count": Family(
            "histogram", "", lambda: r.counts(handler="/v1")
        ),
        "go_goroutines": Family(
            "gauge",
            "Number of goroutines that currently exist.",
            lambda: r.gauge(20 + r.track.busy * 100 + r.track.waiting[:, 0] * 0.3),
        ),
        "go_sql_in_use_connections": Family(
            "gauge",
            "The number of connections currently in use.",
            lambda: _pools(r, r.track.link_used),
        ),
        "go_sql_max_open_connections": Family(
            "gauge",
            "Maximum number of open connections to the database.",
            lambda: _pools(r, r.track.link_open, exact=True),
        ),
        "process_open_fds": Family(
            "gauge", "Number of open file descriptors.", lambda: r.gauge(r.track.handles)
        ),
        "process_max_fds": Family(
            "gauge",
            "Maximum number of open file descriptors.",
            lambda: r.gauge(np.full_like(r.track.handles, 1024.0)),
        ),
    }


def _pools(r: Requests, values: Floats, *, exact: bool = False, **more: str) -> Iterator[Row]:
    graph = r.x.incident.stage.graph
    for pod in r.pods():
        for e, link in enumerate(graph.links):
            target = graph.parts[link.callee]
            if link.caller != pod.part.number or target.what is not What.DATABASE:
                continue
            level = r.x.hold(values[:, e] / np.maximum(r.x.serving[:, pod.part.number], 1.0))
            level = np.round(level) if exact else r.x.noisy(level)
            yield r.labels(pod, db_name=target.name, **more), level, r.x.seen(pod.running)


def _go_told(x: Exposure) -> list[MetricSpec]:
    by = x.label
    return [
        *_three(
            x,
            "http",
            "http_requests_total",
            'http_requests_total{code=~"5.."}',
            "http_request_duration_seconds_bucket",
            "seconds",
        ),
        spec(
            "go_sql_pool",
            "go",
            f"max by ({by}) (go_sql_in_use_connections / go_sql_max_open_connections)",
            "ratio",
            "saturation",
            resource="connections",
            group_by=by,
            threshold=_limit(x, 0.9),
        ),
        spec(
            "go_files",
            "go",
            f"max by ({by}) (process_open_fds / process_max_fds)",
            "ratio",
            "saturation",
            resource="files",
            group_by=by,
            threshold=0.9,
        ),
    ]


# --------------------------------------------------------------------------- OpenTelemetry


def _otel(r: Requests) -> Families:
    name = "http_server_request_duration_seconds"
    of = {"http_route": "/api/v1", "http_request_method": "GET"}
    return {
        f"{name}_bucket": Family(
            "histogram",
            "Duration of HTTP server requests.",
            lambda: r.buckets(SECONDS, 1.0, http_response_status_code="200", **of),
            "s",
        ),
        f"{name}_count": Family(
            "histogram",
            "",
            lambda: r.counters("http_response_status_code", "200", "503", **of),
            "s",
        ),
        f"{name}_sum": Family(
            "histogram", "", lambda: r.sums(1.0, http_response_status_code="200", **of), "s"
        ),
        "db_client_connections_usage": Family(
            "gauge",
            "Connections that are in the state described.",
            lambda: _pools(r, r.track.link_used, state="used"),
        ),
        "db_client_connections_max": Family(
            "gauge",
            "The maximum number of open connections allowed.",
            lambda: _pools(r, r.track.link_open, exact=True),
        ),
    }


def _otel_told(x: Exposure) -> list[MetricSpec]:
    name, by = "http_server_request_duration_seconds", x.label
    used = 'sum by (%s, pod, db_name) (db_client_connections_usage{state="used"})' % by
    most = f"sum by ({by}, pod, db_name) (db_client_connections_max)"
    return [
        *_three(
            x,
            "otel_http",
            f"{name}_count",
            f'{name}_count{{http_response_status_code=~"5.."}}',
            f"{name}_bucket",
            "seconds",
        ),
        spec(
            "db_client_pool",
            "otel",
            f"max by ({by}) ({used} / {most})",
            "ratio",
            "saturation",
            resource="connections",
            group_by=by,
            threshold=_limit(x, 0.9),
        ),
    ]


# ------------------------------------------------------------------------------ Micrometer


def _micrometer(r: Requests) -> Families:
    name = "http_server_requests_seconds"
    of = {"uri": "/api/v1/{id}", "method": "GET"}
    pause = np.clip((r.track.collecting - 1.0) / r.track.collecting, 0.0, 1.0) + 0.002
    return {
        f"{name}_count": Family("summary", "", lambda: r.counters("status", "200", "500", **of)),
        f"{name}_sum": Family("summary", "", lambda: r.sums(1.0, status="200", **of)),
        f"{name}_max": Family(
            "gauge", "", lambda: r.gauge(r.track.slow[:, 0] * 3.5, status="200", **of)
        ),
        "hikaricp_connections_active": Family(
            "gauge", "Active connections", lambda: _pools(r, r.track.link_used, pool="HikariPool-1")
        ),
        "hikaricp_connections_max": Family(
            "gauge",
            "Max connections",
            lambda: _pools(r, r.track.link_open, exact=True, pool="HikariPool-1"),
        ),
        "jvm_memory_used_bytes": Family(
            "gauge", "The amount of used memory", lambda: _heap(r, used=True)
        ),
        "jvm_memory_max_bytes": Family(
            "gauge", "The maximum amount of memory", lambda: _heap(r, used=False)
        ),
        "jvm_gc_pause_seconds_sum": Family(
            "summary",
            "Time spent in GC pause",
            lambda: (
                (
                    r.labels(p, action="end of minor GC"),
                    r.x.counted(pause[:, p.part.number], r.x.resets(p)),
                    r.x.seen(p.running),
                )
                for p in r.pods()
            ),
        ),
        "tomcat_threads_busy_threads": Family("gauge", "", lambda: r.gauge(r.track.busy * 200.0)),
        "tomcat_threads_config_max_threads": Family(
            "gauge", "", lambda: r.gauge(np.full_like(r.track.busy, 200.0))
        ),
    }


def _heap(r: Requests, *, used: bool) -> Iterator[Row]:
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


def _micrometer_told(x: Exposure) -> list[MetricSpec]:
    name, by = "http_server_requests_seconds", x.label
    return [
        spec(
            "spring_http_latency_mean",
            "spring",
            f"sum by ({by}) (rate({name}_sum[5m])) / sum by ({by}) (rate({name}_count[5m]))",
            "seconds",
            "latency",
            group_by=by,
            threshold=_limit(x, 1.5),
        ),
        spec(
            "spring_http_errors",
            "spring",
            _share(f'{name}_count{{status=~"5.."}}', f"{name}_count", by),
            "ratio",
            "errors",
            group_by=by,
            threshold=_limit(x, 0.05),
        ),
        spec(
            "spring_http_rate",
            "spring",
            f"sum by ({by}) (rate({name}_count[5m]))",
            "requests/s",
            "traffic",
            group_by=by,
        ),
        spec(
            "connection_pool",
            "spring",
            f"max by ({by}) (hikaricp_connections_active / hikaricp_connections_max)",
            "ratio",
            "saturation",
            resource="connections",
            group_by=by,
        ),
        spec(
            "jvm_heap",
            "spring",
            f'sum by ({by}) (jvm_memory_used_bytes{{area="heap"}}) / '
            f'sum by ({by}) (jvm_memory_max_bytes{{area="heap"}} > 0)',
            "ratio",
            "saturation",
            resource="memory",
            group_by=by,
            threshold=0.95,
        ),
        spec(
            "jvm_pauses",
            "spring",
            f"max by ({by}) (rate(jvm_gc_pause_seconds_sum[5m]))",
            "ratio",
            "saturation",
            resource="memory",
            group_by=by,
            threshold=0.1,
        ),
        spec(
            "web_threads",
            "spring",
            f"max by ({by}) (tomcat_threads_busy_threads / tomcat_threads_config_max_threads)",
            "ratio",
            "saturation",
            resource="threads",
            group_by=by,
        ),
    ]


# -------------------------------------------------------------- .NET, Flask, StatsD gauges


def _aspnet(r: Requests) -> Families:
    return {
        "http_requests_received_total": Family(
            "counter",
            "Provides the count of HTTP requests that have been "
            "processed by the ASP.NET Core pipeline.",
            lambda: r.counters(
                "code", "200", "500", controller="Home", action="Index", method="GET"
            ),
        ),
        "http_request_duration_seconds_bucket": Family(
            "histogram",
            "The duration of HTTP requests.",
            lambda: r.buckets(SECONDS, 1.0, controller="Home", action="Index"),
        ),
        "dotnet_total_memory_bytes": Family(
            "gauge",
            "Total known allocated memory",
            lambda: r.gauge(r.track.memory.max(axis=2) * 0.8),
        ),
        "dotnet_threadpool_queue_length": Family(
            "gauge", "", lambda: r.gauge(r.track.waiting[:, 0])
        ),
    }


def _aspnet_told(x: Exposure) -> list[MetricSpec]:
    return [
        *_three(
            x,
            "aspnet",
            "http_requests_received_total",
            'http_requests_received_total{code=~"5.."}',
            "http_request_duration_seconds_bucket",
            "seconds",
        ),
        spec(
            "dotnet_queue",
            "dotnet",
            f"sum by ({x.label}) (dotnet_threadpool_queue_length)",
            "items",
            "lag",
            group_by=x.label,
        ),
    ]


def _flask(r: Requests) -> Families:
    return {
        "flask_http_request_total": Family(
            "counter",
            "Total number of HTTP requests",
            lambda: r.counters("status", "200", "500", method="GET"),
        ),
        "flask_http_request_duration_seconds_bucket": Family(
            "histogram",
            "Flask HTTP request duration in seconds",
            lambda: r.buckets(SECONDS, 1.0, status="200", path="/v1"),
        ),
    }


def _flask_told(x: Exposure) -> list[MetricSpec]:
    return _three(
        x,
        "flask",
        "flask_http_request_total",
        'flask_http_request_total{status=~"5.."}',
        "flask_http_request_duration_seconds_bucket",
        "seconds",
    )


def _gauges(r: Requests) -> Families:
    t = r.track
    return {
        "app_request_time_ms": Family(
            "gauge", "mean request time", lambda: r.gauge(t.slow[:, 0] * 1000.0)
        ),
        "app_requests_per_second": Family(
            "gauge", "", lambda: r.gauge(t.served[:, 0] / np.maximum(r.x.serving, 1.0))
        ),
        "app_error_percent": Family("gauge", "", lambda: r.gauge(t.failed[:, 0] * 100.0)),
        "app_worker_backlog": Family(
            "gauge", "", lambda: r.gauge(t.waiting[:, 0] / np.maximum(r.x.serving, 1.0))
        ),
    }


def _gauges_told(x: Exposure) -> list[MetricSpec]:
    by = x.label
    return [
        spec(
            "app_request_time",
            "app",
            f"max by ({by}) (app_request_time_ms)",
            "milliseconds",
            "latency",
            group_by=by,
            threshold=_limit(x, 1500.0),
        ),
        spec(
            "app_error_percent",
            "app",
            f"max by ({by}) (app_error_percent)",
            "percent",
            "errors",
            group_by=by,
            threshold=_limit(x, 5.0),
        ),
        spec(
            "app_rate",
            "app",
            f"sum by ({by}) (app_requests_per_second)",
            "requests/s",
            "traffic",
            group_by=by,
        ),
        spec(
            "app_backlog",
            "app",
            f"sum by ({by}) (app_worker_backlog)",
            "requests",
            "lag",
            group_by=by,
        ),
    ]


# ------------------------------------------------------------------------------- held out


def _dropwizard(r: Requests) -> Families:
    name = "io_dropwizard_jetty_MutableServletContextHandler"
    return {
        f"{name}_requests_count": Family("counter", "", lambda: r.counts()),
        f"{name}_5xx_responses_total": Family(
            "counter",
            "",
            lambda: (
                (
                    r.labels(p),
                    r.x.counted(r.rate(p) * r.failed(p), r.x.resets(p)),
                    r.x.seen(p.running),
                )
                for p in r.pods()
            ),
        ),
        f"{name}_requests": Family(
            "summary",
            "Generated from Dropwizard metric import",
            lambda: r.gauge(r.track.slow[:, 0] * 3.4, quantile="0.99"),
        ),
        "jvm_memory_heap_usage": Family(
            "gauge",
            "",
            lambda: (
                (
                    labels,
                    values / float(r.x.incident.stage.parameters.memory[0, p.part.number] * 0.75),
                    seen,
                )
                for p, (labels, values, seen) in zip(r.pods(), _heap(r, used=True), strict=False)
            ),
        ),
    }


def _dropwizard_told(x: Exposure) -> list[MetricSpec]:
    name, by = "io_dropwizard_jetty_MutableServletContextHandler", x.label
    return [
        spec(
            "jetty_latency_p99",
            "jetty",
            f'max by ({by}) ({name}_requests{{quantile="0.99"}})',
            "seconds",
            "latency",
            group_by=by,
        ),
        spec(
            "jetty_errors",
            "jetty",
            _share(f"{name}_5xx_responses_total", f"{name}_requests_count", by),
            "ratio",
            "errors",
            group_by=by,
        ),
        spec(
            "jetty_rate",
            "jetty",
            f"sum by ({by}) (rate({name}_requests_count[5m]))",
            "requests/s",
            "traffic",
            group_by=by,
        ),
        spec(
            "heap_usage",
            "jetty",
            f"max by ({by}) (jvm_memory_heap_usage)",
            "ratio",
            "saturation",
            resource="memory",
            group_by=by,
            threshold=0.95,
        ),
    ]


def _envoy(r: Requests) -> Families:
    def of(rows: Iterator[Row]) -> Iterator[Row]:
        for labels, values, seen in rows:
            yield {**labels, "envoy_cluster_name": labels[r.x.label]}, values, seen

    return {
        "envoy_cluster_upstream_rq": Family(
            "counter", "", lambda: of(r.counters("envoy_response_code", "200", "503"))
        ),
        "envoy_cluster_upstream_rq_time_bucket": Family(
            "histogram", "", lambda: of(r.buckets(MILLIS, 1000.0))
        ),
        "envoy_cluster_upstream_rq_pending_active": Family(
            "gauge", "", lambda: of(r.gauge(r.track.waiting[:, 0]))
        ),
    }


def _envoy_told(x: Exposure) -> list[MetricSpec]:
    by = "envoy_cluster_name"
    return [
        spec(
            "envoy_latency_p99",
            "envoy",
            f"histogram_quantile(0.99, sum by ({by}, le) (rate(envoy_cluster_upstream_rq_time_bucket[5m])))",
            "milliseconds",
            "latency",
            group_by=by,
        ),
        spec(
            "envoy_errors",
            "envoy",
            _share(
                'envoy_cluster_upstream_rq{envoy_response_code=~"5.."}',
                "envoy_cluster_upstream_rq",
                by,
            ),
            "ratio",
            "errors",
            group_by=by,
        ),
        spec(
            "envoy_rate",
            "envoy",
            f"sum by ({by}) (rate(envoy_cluster_upstream_rq[5m]))",
            "requests/s",
            "traffic",
            group_by=by,
        ),
    ]


def _summary_ms(r: Requests) -> Families:
    return {
        "rails_request_duration_ms": Family(
            "summary",
            "Request duration in milliseconds",
            lambda: r.gauge(r.track.slow[:, 0] * 3400.0, quantile="0.99"),
        ),
        "rails_requests_total": Family("counter", "", lambda: r.counters("status", "200", "500")),
        "puma_backlog": Family("gauge", "", lambda: r.gauge(r.track.waiting[:, 0])),
    }


def _summary_ms_told(x: Exposure) -> list[MetricSpec]:
    by = x.label
    return [
        spec(
            "rails_latency_p99",
            "rails",
            f'max by ({by}) (rails_request_duration_ms{{quantile="0.99"}})',
            "milliseconds",
            "latency",
            group_by=by,
        ),
        spec(
            "rails_errors",
            "rails",
            _share('rails_requests_total{status=~"5.."}', "rails_requests_total", by),
            "ratio",
            "errors",
            group_by=by,
        ),
        spec(
            "rails_rate",
            "rails",
            f"sum by ({by}) (rate(rails_requests_total[5m]))",
            "requests/s",
            "traffic",
            group_by=by,
        ),
        spec(
            "puma_backlog", "rails", f"sum by ({by}) (puma_backlog)", "requests", "lag", group_by=by
        ),
    ]


STYLES = {
    "go": _go,
    "otel": _otel,
    "micrometer": _micrometer,
    "aspnet": _aspnet,
    "flask": _flask,
    "gauges": _gauges,
    "dropwizard": _dropwizard,
    "envoy": _envoy,
    "summary_ms": _summary_ms,
}
TOLD = {
    "go": _go_told,
    "otel": _otel_told,
    "micrometer": _micrometer_told,
    "aspnet": _aspnet_told,
    "flask": _flask_told,
    "gauges": _gauges_told,
    "dropwizard": _dropwizard_told,
    "envoy": _envoy_told,
    "summary_ms": _summary_ms_told,
}
