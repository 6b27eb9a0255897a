"""Metrics of the ways between parts: mesh, service graphs, ingress, DNS, probes.

Names and labels as Istio, Tempo, ingress-nginx, CoreDNS and the blackbox exporter document them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.incidents.graph import What
from bench.incidents.parameters import Floats, Ground
from bench.incidents.telling.exposure import Exposure, Family, Row, shares_below, spec
from bench.incidents.telling.requests import MILLIS, SECONDS, SPREAD, Families
from tools.world import MetricSpec


def _edges(x: Exposure, *, inside: bool) -> Iterator[tuple[int, str, str]]:
    """Yield the links that somebody's tracing sees: both ends take part in it."""
    parts = x.incident.stage.graph.parts
    for e, link in enumerate(x.incident.stage.graph.links):
        a, b = parts[link.caller], parts[link.callee]
        if inside and (a.what is not What.SERVICE or b.what is not What.SERVICE):
            continue
        if x.watched[a.number] == "nothing" or a.what is not What.SERVICE:
            continue
        if b.what in {What.SERVICE, What.DATABASE} and x.watched[b.number] != "nothing":
            yield e, a.name, b.name


def _failed_by(x: Exposure, e: int) -> Floats:
    values: Floats = x.incident.track.link_failed[:, e].sum(axis=1)
    return values


def _graph(x: Exposure) -> Families:
    track = x.incident.track

    def total(*, failed: bool) -> Iterator[Row]:
        for e, client, server in _edges(x, inside=False):
            rate = track.link_rate[:, e] * (_failed_by(x, e) if failed else 1.0)
            if rate.any():
                yield {"client": client, "server": server}, x.counted(rate * 0.2), x.answered()

    return {
        "traces_service_graph_request_total": Family("counter", "", lambda: total(failed=False)),
        "traces_service_graph_request_failed_total": Family(
            "counter", "", lambda: total(failed=True)
        ),
    }


def _mesh(x: Exposure) -> Families:
    track = x.incident.track
    silent = [Ground.DNS, Ground.NETWORK, Ground.POLICY]

    def labels(client: str, server: str, **more: str) -> dict[str, str]:
        space = x.incident.stage.graph.parts[0].namespace
        return {
            "source_workload": client,
            "destination_workload": server,
            "reporter": "destination",
            "source_canonical_service": client,
            "destination_canonical_service": server,
            "destination_workload_namespace": space,
            **more,
        }

    def total() -> Iterator[Row]:
        for e, client, server in _edges(x, inside=True):
            n = x.incident.stage.graph.links[e].callee
            lost = track.link_failed[:, e][:, silent].sum(axis=1)
            arrives = track.link_rate[:, e] * (1.0 - np.clip(lost, 0, 1))
            failed = track.failed[:, 0, n]
            yield (
                labels(client, server, response_code="200"),
                x.counted(arrives * (1 - failed)),
                x.answered(),
            )
            if (arrives * failed).any():
                yield (
                    labels(client, server, response_code="503"),
                    x.counted(arrives * failed),
                    x.answered(),
                )

    def bucket() -> Iterator[Row]:
        for e, client, server in _edges(x, inside=True):
            n = x.incident.stage.graph.links[e].callee
            whole = x.counted(track.link_rate[:, e])
            fresh = np.diff(whole, prepend=whole[0])
            below = shares_below(MILLIS, x.hold(track.slow[:, 0, n]) * 1000.0, SPREAD)
            seen = x.answered()
            of = labels(client, server, response_code="200")
            for place, bound in enumerate(MILLIS):
                yield {**of, "le": f"{bound:g}"}, np.cumsum(fresh * below[place]), seen
            yield {**of, "le": "+Inf"}, np.cumsum(fresh), seen

    return {
        "istio_requests_total": Family("counter", "requests_total", total),
        "istio_request_duration_milliseconds_bucket": Family(
            "histogram", "request_duration_milliseconds", bucket
        ),
    }


def _mesh_told(_: Exposure) -> list[MetricSpec]:
    by = "destination_canonical_service"
    whole = 'istio_requests_total{reporter="destination"}'
    bad = 'istio_requests_total{reporter="destination", response_code=~"5.."}'
    below = f"sum by ({by}) (rate({whole}[5m]))"
    return [
        spec(
            "mesh_latency_p99",
            "mesh",
            f"histogram_quantile(0.99, sum by ({by}, le) "
            '(rate(istio_request_duration_milliseconds_bucket{reporter="destination"}[5m])))',
            "milliseconds",
            "latency",
            group_by=by,
        ),
        spec(
            "mesh_errors",
            "mesh",
            f"(sum by ({by}) (rate({bad}[5m])) or {below} * 0) / {below}",
            "ratio",
            "errors",
            group_by=by,
        ),
        spec("mesh_rate", "mesh", below, "requests/s", "traffic", group_by=by),
    ]


def _ingress(x: Exposure) -> Families:
    track, graph = x.incident.track, x.incident.stage.graph

    def labels(n: int, **more: str) -> dict[str, str]:
        part = graph.parts[n]
        return {
            "ingress": part.name,
            "exported_service": part.name,
            "exported_namespace": part.namespace,
            "controller_class": "k8s.io/ingress-nginx",
            **more,
        }

    def total() -> Iterator[Row]:
        for n in graph.entries:
            rate, failed = track.arrived[:, 0, n], track.failed[:, 0, n]
            yield labels(n, status="200"), x.counted(rate * (1 - failed)), x.answered()
            if (rate * failed).any():
                yield labels(n, status="502"), x.counted(rate * failed), x.answered()

    def bucket() -> Iterator[Row]:
        for n in graph.entries:
            whole = x.counted(track.arrived[:, 0, n])
            fresh = np.diff(whole, prepend=whole[0])
            below = shares_below(SECONDS, x.hold(track.slow[:, 0, n]), SPREAD)
            seen = x.answered()
            for place, bound in enumerate(SECONDS):
                yield labels(n, le=f"{bound:g}"), np.cumsum(fresh * below[place]), seen
            yield labels(n, le="+Inf"), np.cumsum(fresh), seen

    return {
        "nginx_ingress_controller_requests": Family(
            "counter", "The total number of client requests", total
        ),
        "nginx_ingress_controller_request_duration_seconds_bucket": Family(
            "histogram", "The request processing time in seconds", bucket
        ),
    }


def _ingress_told(_: Exposure) -> list[MetricSpec]:
    by, name = "exported_service", "nginx_ingress_controller"
    below = f"sum by ({by}) (rate({name}_requests[5m]))"
    return [
        spec(
            "ingress_latency_p99",
            "ingress",
            f"histogram_quantile(0.99, sum by ({by}, le) "
            f"(rate({name}_request_duration_seconds_bucket[5m])))",
            "seconds",
            "latency",
            group_by=by,
        ),
        spec(
            "ingress_errors",
            "ingress",
            f'(sum by ({by}) (rate({name}_requests{{status=~"5.."}}[5m])) or '
            f"{below} * 0) / {below}",
            "ratio",
            "errors",
            group_by=by,
        ),
        spec("ingress_rate", "ingress", below, "requests/s", "traffic", group_by=by),
    ]


# --------------------------------------------------------------------------- DNS, probes


def _coredns(x: Exposure) -> Families:
    track = x.incident.track
    asked = track.link_rate.sum(axis=1) * 0.2 + 5.0
    lost = (track.link_rate * track.link_failed[:, :, Ground.DNS]).sum(axis=1) * 0.2

    def answers() -> Iterator[Row]:
        of = {"job": "coredns", "instance": "10.96.0.10:9153"}
        yield {**of, "rcode": "NOERROR"}, x.counted(asked - lost), x.answered()
        yield {**of, "rcode": "NXDOMAIN"}, x.counted(asked * 0.6), x.answered()
        if lost.any():
            yield {**of, "rcode": "SERVFAIL"}, x.counted(lost), x.answered()

    return {
        "coredns_dns_responses_total": Family(
            "counter", "Counter of response status codes.", answers
        )
    }


def _coredns_told(_: Exposure) -> list[MetricSpec]:
    below = "sum by (job) (rate(coredns_dns_responses_total[5m]))"
    return [
        spec(
            "coredns_errors",
            "dns",
            '(sum by (job) (rate(coredns_dns_responses_total{rcode="SERVFAIL"}[5m])) '
            f"or {below} * 0) / {below}",
            "ratio",
            "errors",
            group_by="job",
        )
    ]


def _probes(x: Exposure) -> Families:
    track, graph = x.incident.track, x.incident.stage.graph
    watched = [p for p in graph.parts if p.what is What.OUTSIDE]

    def success() -> Iterator[Row]:
        for part in watched:
            links = [e for e, each in enumerate(graph.links) if each.callee == part.number]
            lost = (
                track.link_failed[:, links].sum(axis=2).mean(axis=1)
                if links
                else np.zeros(len(track.times))
            )
            well = (x.hold(lost) < x.random.random(len(x.grid))).astype(float)
            yield (
                {"instance": f"https://{part.name}/", "job": "blackbox", "host": part.name},
                well,
                x.answered(),
            )

    def took() -> Iterator[Row]:
        for part in watched:
            level = x.noisy(x.hold(track.slow[:, 0, part.number]), 0.1)
            yield (
                {"instance": f"https://{part.name}/", "job": "blackbox", "host": part.name},
                level,
                x.answered(),
            )

    return {
        "probe_success": Family(
            "gauge", "Displays whether or not the probe was a success", success
        ),
        "probe_duration_seconds": Family(
            "gauge", "Returns how long the probe took to complete in seconds", took
        ),
    }


def _probes_told(_: Exposure) -> list[MetricSpec]:
    return [
        spec(
            "probe_success",
            "probes",
            "avg by (host) (avg_over_time(probe_success[5m]))",
            "ratio",
            "availability",
            group_by="host",
            threshold=0.9,
        ),
        spec(
            "probe_duration",
            "probes",
            "max by (host) (probe_duration_seconds)",
            "seconds",
            "latency",
            group_by="host",
        ),
    ]


FAMILIES = {
    "mesh": _mesh,
    "graph": _graph,
    "ingress": _ingress,
    "coredns": _coredns,
    "probes": _probes,
}
TOLD = {
    "mesh": _mesh_told,
    "ingress": _ingress_told,
    "coredns": _coredns_told,
    "probes": _probes_told,
}
