"""How a metric's fact is said: the subject's name, figures with units, no σ."""

from __future__ import annotations

from tools.units import format_value
from tools.world import MetricRole, MetricSpec

_WAITING = {"messages", "requests", "jobs", "tasks", "transactions", "threads", "orders"}


def said(
    predicate: str, who: str, spec: MetricSpec, value: float, usual: float | None, note: str = ""
) -> str:
    """Return one sentence; `usual` is None where nothing is usual yet."""
    now = format_value(value, spec.unit)
    head = _head(predicate, who, spec, now)
    before = f", usually {format_value(usual, spec.unit)}" if usual is not None else ""
    return f"{head} ({spec.name}){before}{f'; {note}' if note else ''}"


_HEADS = {
    "latency-unexplained": "{who} takes {now}",
    "latency-high": "{who} takes {now}",
    "traffic-surge": "{who} is asked for {now}",
    "traffic-low": "{who} is asked for only {now}",
    "cpu-throttled": "its processor limit holds {who} back, {now}",
    "restarts-high": "{who} began anew, {now}",
    "packets-lost": "packets of {who} are lost, {now}",
}


def _head(predicate: str, who: str, spec: MetricSpec, now: str) -> str:
    if predicate in _HEADS:
        return _HEADS[predicate].format(who=who, now=now)
    resource, _, what = predicate.rpartition("-")
    if predicate.startswith("errors"):
        of_all = spec.unit in {"ratio", "percent", "%"}
        return f"{now} of what {who} is asked fails" if of_all else f"{who} fails {now}"
    if what == "exhausted":
        return f"{who} is out of {resource}, {now}"
    if what == "filling" and resource != "resource":
        of_all = spec.unit in {"ratio", "percent", "%"}
        named = resource.replace("-", " ")
        return f"{who} uses {now} of its {named}" if of_all else f"{named} of {who}: {now}"
    if predicate == "lag-high":
        return f"{now} wait at {who}" if spec.unit in _WAITING else f"{who} is behind, {now}"
    return f"{spec.name} of {who} is {now}"


def grows(who: str, spec: MetricSpec, first: float, last: float, role: MetricRole | None) -> str:
    """Return the sentence of what only ever rises."""
    what = f"what waits at {who}" if role is MetricRole.LAG else f"{spec.name} of {who}"
    then, now = format_value(first, spec.unit), format_value(last, spec.unit)
    return f"{what} only grows: {then} → {now} ({spec.name})"


def writer_of(spec: MetricSpec, who: str) -> str:
    """Return who observed it, told by the prefixes that public exporters give their metrics."""
    text = f"{spec.name} {spec.query}"
    for writer, signs in _WRITERS:
        if any(sign in text for sign in signs):
            return writer if writer != "database" else f"database {who}"
    return f"application {who}"


_WRITERS = (
    ("mesh", ("istio_", "envoy_", "linkerd", "traces_service_graph", "nginx_ingress", "haproxy_")),
    ("exporter", ("container_", "kube_", "node_", "windows_", "machine_", "kubelet_")),
    ("blackbox", ("probe_",)),
    ("database", ("pg_", "mysql_", "mongodb_", "redis_", "cnpg_", "elasticsearch_")),
    ("broker", ("rabbitmq_", "kafka_", "nats_")),
)
