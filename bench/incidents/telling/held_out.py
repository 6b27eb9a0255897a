"""Metrics of services by conventions that are held out: Dropwizard, Envoy, summaries of Ruby's."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.incidents.telling.exposure import Exposure, Family, Row, spec
from bench.incidents.telling.requests import MILLIS, Families, Requests, failed_share, heap
from tools.world import MetricSpec


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
                for p, (labels, values, seen) in zip(r.pods(), heap(r, used=True), strict=False)
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
            failed_share(f"{name}_5xx_responses_total", f"{name}_requests_count", by),
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
            failed_share(
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
            failed_share('rails_requests_total{status=~"5.."}', "rails_requests_total", by),
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


STYLES: dict[str, Callable[[Requests], Families]] = {
    "dropwizard": _dropwizard,
    "envoy": _envoy,
    "summary_ms": _summary_ms,
}
TOLD: dict[str, Callable[[Exposure], list[MetricSpec]]] = {
    "dropwizard": _dropwizard_told,
    "envoy": _envoy_told,
    "summary_ms": _summary_ms_told,
}
