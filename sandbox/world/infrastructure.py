"""The raw series of what runs the services: containers, Kubernetes, nodes."""

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from sandbox.world.application import target_labels
from sandbox.world.blueprint import Blueprint, Service
from sandbox.world.containers import cpu_seconds, memory_bytes, oom_killed, restarts
from sandbox.world.families import Family, Row, filled, pods_in, row
from sandbox.world.noise import Floats
from sandbox.world.pods import Pod
from sandbox.world.signals import Signals

Lives = Callable[[Signals, Pod, Floats], Floats]
GIB = 1024**3


def _pods(signals: Signals) -> Iterator[Pod]:
    for service in signals.blueprint.workloads:
        yield from pods_in(signals, service.name)


def _per_pod(
    name: str, compute: Lives, extra: Mapping[str, str]
) -> Callable[[Signals], Iterator[Row]]:
    def rows(signals: Signals) -> Iterator[Row]:
        for pod in _pods(signals):
            service = pod.service
            held = {"namespace": service.namespace, "pod": pod.name, "container": service.name}
            yield row(name, partial(compute, signals, pod), {**held, **extra}, pod)

    return rows


def _constant(of: Callable[[Service], float]) -> Lives:
    return lambda _, pod, times: np.full(times.shape, float(of(pod.service)))


def _targets(signals: Signals) -> Iterator[Row]:
    for pod in _pods(signals):
        templates = target_labels(signals.blueprint, pod.service)
        if templates is not None:
            labels = filled(templates, pod.service.words() | {"pod": pod.name})
            yield row("up", lambda at: np.ones(at.shape), labels, pod)


def _replicas(name: str, kind: str, extra: Mapping[str, str]) -> Callable[[Signals], Iterator[Row]]:
    def rows(signals: Signals) -> Iterator[Row]:
        for service in signals.blueprint.workloads:
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
            yield row(name, values, {**extra, **held})

    return rows


def _first_sum(
    signals: Signals, key: object, rate: Callable[[Floats], Floats], times: Floats
) -> Floats:
    total: Floats = signals.cumulative(key, rate, times)[0]
    return total


def _node_cpu(extra: Mapping[str, str]) -> Callable[[Signals], Iterator[Row]]:
    shares = (("user", 0.31), ("system", 0.09), ("iowait", 0.01), ("idle", 0.59))

    def rows(signals: Signals) -> Iterator[Row]:
        for node in signals.blueprint.nodes:
            for mode, share in shares:

                def rate(at: Floats, n: str = node, m: str = mode, w: float = share) -> Floats:
                    return 16.0 * w * signals.noise(f"node/{n}/{m}", at, 0.02, 0.01)[None, :]

                yield row(
                    "node_cpu_seconds_total",
                    partial(_first_sum, signals, ("node_cpu", node, mode), rate),
                    {**extra, "instance": node, "mode": mode, "cpu": "0"},
                )

    return rows


def _node_gauge(
    name: str, mean: float, noise: float, extra: Mapping[str, str]
) -> Callable[[Signals], Iterator[Row]]:
    def rows(signals: Signals) -> Iterator[Row]:
        for node in signals.blueprint.nodes:

            def values(at: Floats, n: str = node) -> Floats:
                return np.round(mean * signals.noise(f"{name}/{n}", at, noise, 0.0))

            yield row(name, values, {**extra, "instance": node})

    return rows


_CONTAINERS: tuple[tuple[str, str, str, Lives], ...] = (
    (
        "container_cpu_usage_seconds_total",
        "counter",
        "Processor time used by a container.",
        cpu_seconds,
    ),
    (
        "container_memory_working_set_bytes",
        "gauge",
        "Memory a container cannot give back.",
        memory_bytes,
    ),
    (
        "container_spec_memory_limit_bytes",
        "gauge",
        "Memory limit of a container.",
        _constant(lambda s: s.memory_limit_bytes),
    ),
)
_REPLICAS = (
    ("kube_deployment_spec_replicas", "Deployment"),
    ("kube_deployment_status_replicas", "Deployment"),
    ("kube_deployment_status_replicas_available", "Deployment"),
    ("kube_statefulset_replicas", "StatefulSet"),
    ("kube_statefulset_status_replicas_ready", "StatefulSet"),
)
_NODES = (
    ("node_memory_MemAvailable_bytes", "Memory a node can still give.", 27 * GIB, 0.02),
    ("node_memory_MemTotal_bytes", "Memory of a node.", 64 * GIB, 0.0),
    ("node_filesystem_avail_bytes", "Disk space left on a node.", 410 * GIB, 0.003),
)


def infrastructure_of(blueprint: Blueprint) -> list[Family]:
    """Return the families that every cluster's own exporters tell."""
    names = blueprint.kubernetes_labels
    return [
        Family("up", "gauge", "Whether the last scrape of a target succeeded.", _targets),
        *(
            Family(name, kind, text, _per_pod(name, compute, names.cadvisor))
            for name, kind, text, compute in _CONTAINERS
        ),
        *_pod_states(names.kube_state),
        *(
            Family(name, "gauge", f"Replicas of a {kind}.", _replicas(name, kind, names.kube_state))
            for name, kind in _REPLICAS
        ),
        Family(
            "node_cpu_seconds_total",
            "counter",
            "Processor time of a node by mode.",
            _node_cpu(names.node),
        ),
        *(
            Family(name, "gauge", text, _node_gauge(name, mean, noise, names.node))
            for name, text, mean, noise in _NODES
        ),
    ]


def _pod_states(extra: Mapping[str, str]) -> Iterator[Family]:
    name = "kube_pod_container_resource_limits"
    cores = _constant(lambda s: s.cpu_limit_cores)
    limits = _per_pod(name, cores, {"resource": "cpu", "unit": "core", **extra})
    yield Family(name, "gauge", "Processor limit of a container, in cores.", limits)
    name = "kube_pod_container_status_restarts_total"
    again = _per_pod(name, lambda _, pod, times: restarts(pod, times), extra)
    yield Family(name, "counter", "Restarts of a container.", again)
    name = "kube_pod_container_status_last_terminated_reason"
    killed = _per_pod(name, oom_killed, {"reason": "OOMKilled", **extra})
    yield Family(name, "gauge", "Why a container last ended.", killed)
