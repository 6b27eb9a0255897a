"""The raw series of what runs the services: containers, Kubernetes, nodes, databases, queues."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from sandbox.prometheus.samples import NAME, labels_of
from sandbox.world.families import Family, Row, place, row
from sandbox.world.noise import Floats, key_of
from sandbox.world.pods import Pod, pods_of
from sandbox.world.signals import PROFILES, Signals
from sandbox.world.topology import GIB, NODES, SERVICES, Service

Lives = Callable[[Signals, Pod, Floats], Floats]
_WARM_SECONDS = 600.0  # a container reaches its usual memory ten minutes after its start


def _pods(signals: Signals) -> Iterator[Pod]:
    timeline = signals.timeline
    for service in SERVICES:
        yield from pods_of(timeline.view, service, timeline.origin)


def _per_pod(name: str, compute: Lives, **labels: str) -> Callable[[Signals], Iterator[Row]]:
    def rows(signals: Signals) -> Iterator[Row]:
        for pod in _pods(signals):
            service = pod.service
            held = {"namespace": service.namespace, "pod": pod.name, "container": service.name}
            yield Row(
                labels_of([(NAME, name), *held.items(), *labels.items()]),
                partial(compute, signals, pod),
                pod.begins,
                pod.ends,
            )

    return rows


def _started(pod: Pod, times: Floats) -> Floats:
    """Return the start of the container that runs at each time."""
    starts = np.array([life[0] for life in pod.lives])
    index = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None)
    started: Floats = starts[index]
    return started


def _memory(signals: Signals, pod: Pod, times: Floats) -> Floats:
    service = pod.service
    key = key_of(pod.name)
    level = PROFILES[service.name].memory_ratio * (0.97 + 0.06 * (key % 1000) / 1000)
    wander = signals.gauge(service.name, f"memory/{pod.name}", times, 0.008, 0.004, "memory")
    usual = level * wander
    started = _started(pod, times)
    warm = 0.62 + 0.38 * np.clip((times - started) / _WARM_SECONDS, 0.0, 1.0)
    ratio = usual * warm
    for begin, _ in pod.lives:
        leak = signals.timeline.leaking(service.workload, begin)
        if leak is not None:
            age = times - begin
            grown = leak.base_ratio + (1 - leak.base_ratio) * age / leak.seconds_to_limit
            ratio = np.where(started == begin, grown * (ratio / usual) ** 0.2, ratio)
    return np.round(np.minimum(ratio, 1.0) * service.memory_limit_bytes)


def _cpu_seconds(signals: Signals, pod: Pod, times: Floats) -> Floats:
    """Running sum of the pod's share of its service's work, from the container's start."""
    service = pod.service
    name = service.name
    share = 0.96 + 0.08 * (key_of(pod.name, "cpu") % 1000) / 1000
    history = signals.timeline.view.replicas_history(service.workload)
    changes = [(-math.inf, service.replicas), *history]

    def rates(at: Floats) -> Floats:
        moments = np.array([moment for moment, _ in changes])
        counts = np.array([max(1, count) for _, count in changes], dtype=float)
        serving = counts[np.searchsorted(moments, at, side="right") - 1]
        each: Floats = (signals.cpu(name, at) / serving)[None, :]
        return each

    total = signals.cumulative(("cpu", name, tuple(changes)), rates, times)[0]
    started = _started(pod, times)
    result: Floats = np.zeros(times.shape)
    for begin, _ in pod.lives:
        inside = started == begin
        if inside.any():
            edge = np.ceil(max(begin, signals.timeline.origin) / 15.0) * 15.0
            base = signals.cumulative(("cpu", name, tuple(changes)), rates, np.array([edge]))[0]
            result = np.where(inside, np.maximum(total - base, 0.0), result)
    return result * share


def _restarts(_: Signals, pod: Pod, times: Floats) -> Floats:
    starts = np.array([life[0] for life in pod.lives])
    restarts: Floats = np.searchsorted(starts, times, side="right").astype(np.float64) - 1.0
    return restarts


def _oom_killed(signals: Signals, pod: Pod, times: Floats) -> Floats:
    leaks = [signals.timeline.leaking(pod.service.workload, life[0]) for life in pod.lives]
    restarted = _restarts(signals, pod, times) > 0
    return np.where(restarted & any(leaks), 1.0, 0.0)


def _constant(of: Callable[[Service], float]) -> Lives:
    return lambda _, pod, times: np.full(times.shape, float(of(pod.service)))


def _goroutines(signals: Signals, pod: Pod, times: Floats) -> Floats:
    busy = signals.relative_load(pod.service.name, times)
    wait = signals.timeline.effect(pod.service.name, "queue", times)[0]
    return np.round(
        (120 + 90 * busy * wait) * signals.gauge(pod.name, "goroutines", times, 0.02, 0.02)
    )


def _targets(signals: Signals) -> Iterator[Row]:
    for pod in _pods(signals):
        labels = {**place(pod.service.name), "instance": f"{pod.name}:{pod.service.port}"}
        labels["pod"] = pod.name
        yield Row(
            labels_of([(NAME, "up"), *labels.items()]),
            lambda at: np.ones(at.shape),
            pod.begins,
            pod.ends,
        )


def _replicas(name: str, kind: str) -> Callable[[Signals], Iterator[Row]]:
    def rows(signals: Signals) -> Iterator[Row]:
        for service in SERVICES:
            if service.kind != kind:
                continue
            history = signals.timeline.view.replicas_history(service.workload)

            def values(
                at: Floats, s: Service = service, h: list[tuple[float, int]] = history
            ) -> Floats:
                changes = [(-math.inf, s.replicas), *h]
                moments = np.array([moment for moment, _ in changes])
                counts = np.array([count for _, count in changes], dtype=float)
                return counts[np.searchsorted(moments, at, side="right") - 1]

            held = {kind.lower(): service.name, "namespace": service.namespace}
            yield row(name, values, job="kube-state-metrics", **held)

    return rows


def _gauge(
    name: str,
    service: str,
    mean: float,
    slow: float,
    fast: float,
    *,
    signal: str = "",
    with_load: float = 0.0,
    labels: dict[str, str] | None = None,
) -> Callable[[Signals], Iterator[Row]]:
    """Return one gauge that wanders around `mean`; `with_load` of it follows the load."""

    def rows(signals: Signals) -> Iterator[Row]:
        def values(at: Floats) -> Floats:
            busy = 1.0 - with_load + with_load * signals.relative_load(service, at)
            return np.round(mean * busy * signals.gauge(service, name, at, slow, fast, signal))

        yield row(name, values, **place(service), **(labels or {}))

    return rows


def _connections(signals: Signals) -> Iterator[Row]:
    for state, mean, signal_of in (("active", 38.0, "order-api"), ("idle", 52.0, "")):

        def values(at: Floats, n: float = mean, src: str = signal_of, st: str = state) -> Floats:
            busy = signals.relative_load("postgres", at)
            held = signals.timeline.effect(src, "queue", at)[0] if src else 1.0
            noise = signals.gauge("postgres", f"connections/{st}", at, 0.04, 0.05)
            return np.round(n * busy * noise * held)

        yield row(
            "pg_stat_activity_count", values, datname="trading", state=state, **place("postgres")
        )


def _lag(signals: Signals) -> Iterator[Row]:
    for group, topic in (
        ("market-data", "trades"),
        ("ledger", "fills"),
        ("risk-engine", "positions"),
    ):
        for partition in ("0", "1", "2"):

            def values(at: Floats, key: str = f"lag/{group}/{partition}", g: str = group) -> Floats:
                busy = signals.relative_load("kafka", at)
                return np.round(24 * busy * signals.gauge(g, key, at, 0.15, 0.2, "queue"))

            yield row(
                "kafka_consumergroup_lag",
                values,
                consumergroup=group,
                topic=topic,
                partition=partition,
                **place("kafka"),
            )


def _first_sum(
    signals: Signals, key: object, rate: Callable[[Floats], Floats], times: Floats
) -> Floats:
    total: Floats = signals.cumulative(key, rate, times)[0]
    return total


def _node_cpu(signals: Signals) -> Iterator[Row]:
    shares = (("user", 0.31), ("system", 0.09), ("iowait", 0.01), ("idle", 0.59))
    for node in NODES:
        for mode, share in shares:

            def rate(at: Floats, n: str = node, m: str = mode, w: float = share) -> Floats:
                return 16.0 * w * signals.noise(f"node/{n}/{m}", at, 0.02, 0.01)[None, :]

            yield row(
                "node_cpu_seconds_total",
                partial(_first_sum, signals, ("node_cpu", node, mode), rate),
                instance=node,
                mode=mode,
                cpu="0",
                job="node-exporter",
            )


def _node_gauge(name: str, mean: float, noise: float) -> Callable[[Signals], Iterator[Row]]:
    def rows(signals: Signals) -> Iterator[Row]:
        for node in NODES:

            def values(at: Floats, n: str = node) -> Floats:
                return np.round(mean * signals.noise(f"{name}/{n}", at, noise, 0.0))

            yield row(
                name,
                values,
                instance=node,
                job="node-exporter",
            )

    return rows


_CADVISOR = {"job": "cadvisor"}
_STATE = {"job": "kube-state-metrics"}

INFRASTRUCTURE: list[Family] = [
    Family("up", "gauge", "Whether the last scrape of a target succeeded.", _targets),
    Family(
        "container_cpu_usage_seconds_total",
        "counter",
        "Processor time used by a container.",
        _per_pod("container_cpu_usage_seconds_total", _cpu_seconds, **_CADVISOR),
    ),
    Family(
        "container_memory_working_set_bytes",
        "gauge",
        "Memory a container cannot give back.",
        _per_pod("container_memory_working_set_bytes", _memory, **_CADVISOR),
    ),
    Family(
        "container_spec_memory_limit_bytes",
        "gauge",
        "Memory limit of a container.",
        _per_pod(
            "container_spec_memory_limit_bytes",
            _constant(lambda s: s.memory_limit_bytes),
            **_CADVISOR,
        ),
    ),
    Family(
        "kube_pod_container_resource_limits",
        "gauge",
        "Processor limit of a container, in cores.",
        _per_pod(
            "kube_pod_container_resource_limits",
            _constant(lambda s: s.cpu_limit_cores),
            resource="cpu",
            unit="core",
            **_STATE,
        ),
    ),
    Family(
        "kube_pod_container_status_restarts_total",
        "counter",
        "Restarts of a container.",
        _per_pod("kube_pod_container_status_restarts_total", _restarts, **_STATE),
    ),
    Family(
        "kube_pod_container_status_last_terminated_reason",
        "gauge",
        "Why a container last ended.",
        _per_pod(
            "kube_pod_container_status_last_terminated_reason",
            _oom_killed,
            reason="OOMKilled",
            **_STATE,
        ),
    ),
    *(
        Family(name, "gauge", f"Replicas of a {kind}.", _replicas(name, kind))
        for name, kind in (
            ("kube_deployment_spec_replicas", "Deployment"),
            ("kube_deployment_status_replicas", "Deployment"),
            ("kube_deployment_status_replicas_available", "Deployment"),
            ("kube_statefulset_replicas", "StatefulSet"),
            ("kube_statefulset_status_replicas_ready", "StatefulSet"),
        )
    ),
    Family("go_goroutines", "gauge", "Goroutines.", _per_pod("go_goroutines", _goroutines)),
    Family(
        "process_resident_memory_bytes",
        "gauge",
        "Resident memory of a process.",
        _per_pod("process_resident_memory_bytes", _memory),
    ),
    Family(
        "process_cpu_seconds_total",
        "counter",
        "Processor time used by a process.",
        _per_pod("process_cpu_seconds_total", _cpu_seconds),
    ),
    Family("pg_stat_activity_count", "gauge", "Database connections by state.", _connections),
    Family(
        "pg_settings_max_connections",
        "gauge",
        "Most connections the database accepts.",
        _gauge("pg_settings_max_connections", "postgres", 300, 0.0, 0.0),
    ),
    Family("kafka_consumergroup_lag", "gauge", "Messages a consumer is behind.", _lag),
    Family(
        "redis_memory_used_bytes",
        "gauge",
        "Memory redis uses.",
        _gauge("redis_memory_used_bytes", "redis", 1.7 * GIB, 0.02, 0.003, with_load=0.1),
    ),
    Family(
        "redis_memory_max_bytes",
        "gauge",
        "Most memory redis may use.",
        _gauge("redis_memory_max_bytes", "redis", 4 * GIB, 0.0, 0.0),
    ),
    Family(
        "redis_connected_clients",
        "gauge",
        "Clients connected to redis.",
        _gauge("redis_connected_clients", "redis", 64, 0.04, 0.02, with_load=0.3),
    ),
    Family("node_cpu_seconds_total", "counter", "Processor time of a node by mode.", _node_cpu),
    Family(
        "node_memory_MemAvailable_bytes",
        "gauge",
        "Memory a node can still give.",
        _node_gauge("node_memory_MemAvailable_bytes", 27 * GIB, 0.02),
    ),
    Family(
        "node_memory_MemTotal_bytes",
        "gauge",
        "Memory of a node.",
        _node_gauge("node_memory_MemTotal_bytes", 64 * GIB, 0.0),
    ),
    Family(
        "node_filesystem_avail_bytes",
        "gauge",
        "Disk space left on a node.",
        _node_gauge("node_filesystem_avail_bytes", 410 * GIB, 0.003),
    ),
]
