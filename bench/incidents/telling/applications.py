"""Metrics of services, as their libraries expose them.

Names and labels from the public documentation of client_golang, OpenTelemetry's semantic
conventions for HTTP, Micrometer, prometheus-net, the Flask exporter, StatsD exporters, Dropwizard's
collector and Envoy's statistics.
"""

from __future__ import annotations

import numpy as np

from bench.incidents.telling import held_out
from bench.incidents.telling.exposure import Exposure, Family, spec
from bench.incidents.telling.requests import (
    SECONDS,
    Families,
    Requests,
    failed_share,
    heap,
    limit,
    merge,
    pools,
    rate_errors_duration,
)
from tools.world import MetricSpec


def families(x: Exposure) -> Families:
    """Return the families of every convention that some service exposes."""
    found: Families = {}
    for style, make in STYLES.items():
        if x.watched_by(style):
            merge(found, make(Requests(x, style)))
    return found


def catalogue(x: Exposure) -> list[MetricSpec]:
    """Return what the team's catalogue says of them."""
    entries: list[MetricSpec] = []
    for style, told in TOLD.items():
        if x.watched_by(style):
            entries += told(x)
    return entries


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
            lambda: pools(r, r.track.link_used),
        ),
        "go_sql_max_open_connections": Family(
            "gauge",
            "Maximum number of open connections to the database.",
            lambda: pools(r, r.track.link_open, exact=True),
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


def _go_told(x: Exposure) -> list[MetricSpec]:
    by = x.label
    return [
        *rate_errors_duration(
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
            threshold=limit(x, 0.9),
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
            lambda: pools(r, r.track.link_used, state="used"),
        ),
        "db_client_connections_max": Family(
            "gauge",
            "The maximum number of open connections allowed.",
            lambda: pools(r, r.track.link_open, exact=True),
        ),
    }


def _otel_told(x: Exposure) -> list[MetricSpec]:
    name, by = "http_server_request_duration_seconds", x.label
    used = f'sum by ({by}, pod, db_name) (db_client_connections_usage{{state="used"}})'
    most = f"sum by ({by}, pod, db_name) (db_client_connections_max)"
    return [
        *rate_errors_duration(
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
            threshold=limit(x, 0.9),
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
            "gauge", "Active connections", lambda: pools(r, r.track.link_used, pool="HikariPool-1")
        ),
        "hikaricp_connections_max": Family(
            "gauge",
            "Max connections",
            lambda: pools(r, r.track.link_open, exact=True, pool="HikariPool-1"),
        ),
        "jvm_memory_used_bytes": Family(
            "gauge", "The amount of used memory", lambda: heap(r, used=True)
        ),
        "jvm_memory_max_bytes": Family(
            "gauge", "The maximum amount of memory", lambda: heap(r, used=False)
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
            threshold=limit(x, 1.5),
        ),
        spec(
            "spring_http_errors",
            "spring",
            failed_share(f'{name}_count{{status=~"5.."}}', f"{name}_count", by),
            "ratio",
            "errors",
            group_by=by,
            threshold=limit(x, 0.05),
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
        *rate_errors_duration(
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
    return rate_errors_duration(
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
            threshold=limit(x, 1500.0),
        ),
        spec(
            "app_error_percent",
            "app",
            f"max by ({by}) (app_error_percent)",
            "percent",
            "errors",
            group_by=by,
            threshold=limit(x, 5.0),
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


STYLES = {
    **held_out.STYLES,
    "go": _go,
    "otel": _otel,
    "micrometer": _micrometer,
    "aspnet": _aspnet,
    "flask": _flask,
    "gauges": _gauges,
}
TOLD = {
    **held_out.TOLD,
    "go": _go_told,
    "otel": _otel_told,
    "micrometer": _micrometer_told,
    "aspnet": _aspnet_told,
    "flask": _flask_told,
    "gauges": _gauges_told,
}
