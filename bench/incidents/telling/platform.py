"""Metrics of the platform: containers, objects, machines, mesh, ingress, DNS, probes.

Names and labels as cAdvisor, kube-state-metrics, node_exporter, the kubelet, Istio, Tempo's service
graphs, ingress-nginx, CoreDNS and the blackbox exporter document them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.incidents.graph import What
from bench.incidents.parameters import Floats, Ground
from bench.incidents.telling.applications import MILLIS, SECONDS, SPREAD, Families, merge
from bench.incidents.telling.exposure import Exposure, Family, Pod, Row, shares_below, spec
from tools.world import MetricSpec

OF_POD = "^(.*?)(?:-[0-9a-f]{8,10}-[a-z0-9]{5}|-[0-9]+)$"


def families(x: Exposure) -> Families:
    """Return the platform's families."""
    found: Families = {}
    for name, make in PLATFORM.items():
        if name in x.parts_of_platform:
            merge(found, make(x))
    merge(found, {"up": Family("gauge", "", lambda: _up(x))})
    return found


def catalogue(x: Exposure) -> list[MetricSpec]:
    """Return what the team's catalogue says of them."""
    return [each for name in sorted(x.parts_of_platform) for each in ENTRIES.get(name, _none)(x)]


def _none(_: Exposure) -> list[MetricSpec]:
    return []


def _workload(promql: str) -> str:
    return f'label_replace({promql}, "workload", "$1", "pod", "{OF_POD}")'


def _everything(x: Exposure) -> Iterator[Pod]:
    for n, how in x.watched.items():
        part = x.incident.stage.graph.parts[n]
        if how != "nothing" and part.what is not What.OUTSIDE:
            yield from x.pods(n)


def _up(x: Exposure) -> Iterator[Row]:
    for n, how in x.watched.items():
        if how != "all":
            continue
        for pod in x.pods(n):
            labels = {
                x.label: pod.part.name,
                "job": pod.part.name,
                "namespace": pod.part.namespace,
                "instance": f"{pod.address}:8080",
                "pod": pod.name,
            }
            yield labels, x.hold(pod.running.astype(float)), pod.alive[x.step]


# ---------------------------------------------------------------------------------- cAdvisor


def _cadvisor(x: Exposure) -> Families:
    track, p = x.incident.track, x.incident.stage.parameters

    def labels(pod: Pod) -> dict[str, str]:
        return {
            "namespace": pod.part.namespace,
            "pod": pod.name,
            "container": pod.part.name,
            "node": pod.machine,
            "image": f"registry.internal/{pod.part.name}",
        }

    def used() -> Iterator[Row]:
        for pod in _everything(x):
            rate = track.cpu[:, pod.part.number] * x.share(pod)
            yield labels(pod), x.counted(rate, x.resets(pod)), x.seen(pod.alive)

    def throttled(whole: bool) -> Iterator[Row]:
        for pod in _everything(x):
            periods = 10.0 * pod.running
            rate = periods if whole else periods * track.throttled[:, pod.part.number]
            yield labels(pod), x.counted(rate, x.resets(pod)), x.seen(pod.alive)

    def memory() -> Iterator[Row]:
        for pod in _everything(x):
            level = x.hold(track.memory[:, pod.part.number, pod.place])
            yield labels(pod), x.noisy(level, 0.01), x.seen(pod.running)

    def limit() -> Iterator[Row]:
        for pod in _everything(x):
            most = float(p.memory[0, pod.part.number])
            yield labels(pod), np.full(len(x.grid), most), x.seen(pod.alive)

    return {
        "container_cpu_usage_seconds_total": Family(
            "counter", "Cumulative cpu time consumed", used
        ),
        "container_cpu_cfs_periods_total": Family("counter", "", lambda: throttled(whole=True)),
        "container_cpu_cfs_throttled_periods_total": Family(
            "counter", "", lambda: throttled(whole=False)
        ),
        "container_memory_working_set_bytes": Family(
            "gauge", "Current working set in bytes.", memory
        ),
        "container_spec_memory_limit_bytes": Family(
            "gauge", "Memory limit for the container.", limit
        ),
    }


def _cadvisor_told(_: Exposure) -> list[MetricSpec]:
    periods = [
        _workload(f"rate(container_cpu_cfs_{kind}_total[5m])")
        for kind in ("throttled_periods", "periods")
    ]
    full = _workload("container_memory_working_set_bytes / (container_spec_memory_limit_bytes > 0)")
    used = _workload("rate(container_cpu_usage_seconds_total[5m])")
    return [
        spec(
            "container_throttled",
            "containers",
            f"sum by (workload) ({periods[0]}) / sum by (workload) ({periods[1]})",
            "ratio",
            "saturation",
            resource="cpu",
            group_by="workload",
            threshold=0.5,
        ),
        spec(
            "container_memory",
            "containers",
            f"max by (workload) ({full})",
            "ratio",
            "saturation",
            resource="memory",
            group_by="workload",
            threshold=0.95,
        ),
        spec(
            "container_cpu",
            "containers",
            f"sum by (workload) ({used})",
            "cores",
            "saturation",
            resource="cpu",
            group_by="workload",
        ),
    ]


# ------------------------------------------------------------------------ kube-state-metrics


def _kube_state(x: Exposure) -> Families:
    track = x.incident.track

    def restarts() -> Iterator[Row]:
        for pod in _everything(x):
            labels = {"namespace": pod.part.namespace, "pod": pod.name, "container": pod.part.name}
            yield labels, x.hold(x.resets(pod)), x.seen(pod.alive)

    def ready() -> Iterator[Row]:
        for pod in _everything(x):
            labels = {"namespace": pod.part.namespace, "pod": pod.name, "condition": "true"}
            yield labels, x.hold(pod.running.astype(float)), x.seen(pod.alive)

    def replicas(wanted: bool) -> Iterator[Row]:
        for n, how in x.watched.items():
            part = x.incident.stage.graph.parts[n]
            if how == "nothing" or part.what is not What.SERVICE:
                continue
            level = track.wanted[:, n] if wanted else x.serving[:, n]
            yield (
                {"namespace": part.namespace, "deployment": part.name},
                x.hold(level),
                x.answered(),
            )

    return {
        "kube_pod_container_status_restarts_total": Family("counter", "", restarts),
        "kube_pod_status_ready": Family("gauge", "", ready),
        "kube_deployment_spec_replicas": Family("gauge", "", lambda: replicas(wanted=True)),
        "kube_deployment_status_replicas_available": Family(
            "gauge", "", lambda: replicas(wanted=False)
        ),
    }


def _kube_state_told(_: Exposure) -> list[MetricSpec]:
    restarts = _workload("increase(kube_pod_container_status_restarts_total[30m])")
    return [
        spec(
            "pod_restarts",
            "kubernetes",
            f"sum by (workload) ({restarts})",
            "restarts",
            "errors",
            group_by="workload",
            threshold=1.0,
        ),
        spec(
            "deployment_available",
            "kubernetes",
            "sum by (deployment) (kube_deployment_status_replicas_available)"
            " / (sum by (deployment) (kube_deployment_spec_replicas) > 0)",
            "ratio",
            "availability",
            group_by="deployment",
            threshold=0.75,
        ),
    ]


# ----------------------------------------------------------------------- machines, volumes


def _node(x: Exposure) -> Families:
    track, stage = x.incident.track, x.incident.stage

    def names() -> Iterator[tuple[int, dict[str, str]]]:
        for m, name in enumerate(stage.machine_names):
            yield m, {"instance": name, "job": "node-exporter"}

    def cpu() -> Iterator[Row]:
        for m, labels in names():
            busy = track.machine[:, m] + 0.02 * stage.machine_cores
            alive = x.seen(track.machine_up[:, m] > 0)
            idle = np.maximum(stage.machine_cores - busy, 0.0)
            yield (
                {**labels, "mode": "idle", "cpu": "0"},
                x.counted(idle / stage.machine_cores),
                alive,
            )
            yield (
                {**labels, "mode": "user", "cpu": "0"},
                x.counted(busy / stage.machine_cores),
                alive,
            )

    def load() -> Iterator[Row]:
        for m, labels in names():
            alive = x.seen(track.machine_up[:, m] > 0)
            yield labels, x.noisy(x.hold(track.machine_want[:, m]), 0.05), alive

    return {
        "node_cpu_seconds_total": Family("counter", "Seconds the CPUs spent in each mode.", cpu),
        "node_load5": Family("gauge", "5m load average.", load),
        "kube_node_status_condition": Family(
            "gauge",
            "",
            lambda: (
                (
                    {"node": labels["instance"], "condition": "Ready", "status": "true"},
                    x.hold(track.machine_up[:, m]),
                    x.answered(),
                )
                for m, labels in names()
            ),
        ),
    }


def _node_told(x: Exposure) -> list[MetricSpec]:
    return [
        spec(
            "node_cpu",
            "machines",
            '1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m]))',
            "ratio",
            "saturation",
            resource="cpu",
            group_by="instance",
            threshold=_limit(x, 0.95),
        ),
        spec(
            "node_load",
            "machines",
            "max by (instance) (node_load5)",
            "tasks",
            "saturation",
            resource="cpu",
            group_by="instance",
        ),
    ]


def _limit(x: Exposure, value: float) -> float | None:
    return value if x.limits else None


def _volumes(x: Exposure) -> Families:
    track = x.incident.track
    size = 100 * 2.0**30

    def rows(free: bool) -> Iterator[Row]:
        for part in x.incident.stage.graph.parts:
            if part.what not in {What.DATABASE, What.BROKER} or x.watched[part.number] == "nothing":
                continue
            labels = {"namespace": part.namespace, "persistentvolumeclaim": f"data-{part.name}-0"}
            level = (
                size * (1.0 - track.disk[:, part.number])
                if free
                else np.full(len(track.times), size)
            )
            yield labels, x.hold(level), x.answered()

    return {
        "kubelet_volume_stats_available_bytes": Family(
            "gauge", "Number of available bytes in the volume", lambda: rows(free=True)
        ),
        "kubelet_volume_stats_capacity_bytes": Family(
            "gauge", "Capacity in bytes of the volume", lambda: rows(free=False)
        ),
    }


def _volumes_told(_: Exposure) -> list[MetricSpec]:
    share = "kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes"
    named = f'label_replace({share}, "workload", "$1", "persistentvolumeclaim", "data-(.*)-[0-9]+")'
    return [
        spec(
            "volume_full",
            "volumes",
            f"1 - min by (workload) ({named})",
            "ratio",
            "saturation",
            resource="disk",
            group_by="workload",
            threshold=0.85,
        )
    ]


# ------------------------------------------------------------------- mesh, graph, ingress


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

    def total(failed: bool) -> Iterator[Row]:
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


PLATFORM = {
    "cadvisor": _cadvisor,
    "kube_state": _kube_state,
    "node": _node,
    "volumes": _volumes,
    "mesh": _mesh,
    "graph": _graph,
    "ingress": _ingress,
    "coredns": _coredns,
    "probes": _probes,
}
ENTRIES = {
    "cadvisor": _cadvisor_told,
    "kube_state": _kube_state_told,
    "node": _node_told,
    "volumes": _volumes_told,
    "mesh": _mesh_told,
    "ingress": _ingress_told,
    "coredns": _coredns_told,
    "probes": _probes_told,
}
