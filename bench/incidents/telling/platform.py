"""Metrics of the platform: containers, objects, machines, volumes; `ways.py` has the rest.

Names and labels as cAdvisor, kube-state-metrics, node_exporter and the kubelet document them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bench.incidents.graph import What
from bench.incidents.parameters import Floats
from bench.incidents.telling import ways
from bench.incidents.telling.exposure import Exposure, Family, Pod, Row, spec
from bench.incidents.telling.requests import Families, limit, merge
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

    def throttled(*, whole: bool) -> Iterator[Row]:
        for pod in _everything(x):
            rate: Floats = np.asarray(10.0 * pod.running, dtype=np.float64)
            rate = rate if whole else rate * track.throttled[:, pod.part.number]
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

    def replicas(*, wanted: bool) -> Iterator[Row]:
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
            threshold=limit(x, 0.95),
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


def _volumes(x: Exposure) -> Families:
    track = x.incident.track
    size = 100 * 2.0**30

    def rows(*, free: bool) -> Iterator[Row]:
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


PLATFORM = {
    **ways.FAMILIES,
    "cadvisor": _cadvisor,
    "kube_state": _kube_state,
    "node": _node,
    "volumes": _volumes,
}
ENTRIES = {
    **ways.TOLD,
    "cadvisor": _cadvisor_told,
    "kube_state": _kube_state_told,
    "node": _node_told,
    "volumes": _volumes_told,
}
