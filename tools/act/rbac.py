"""The Kubernetes rules that actions need, as a ClusterRole of the acting identity."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Need(NamedTuple):
    """One resource and what is done to it."""

    group: str
    resource: str
    verbs: tuple[str, ...]


_READ = ("get", "list")
_HISTORY = (Need("apps", "replicasets", _READ), Need("", "configmaps", _READ))
# Who owns, scales and serves what an action touches, up to the top: each of them may be protected.
_REACH = (
    Need("", "namespaces", ("get",)),
    Need("", "pods", _READ),
    Need("", "services", _READ),
    Need("apps", "replicasets", _READ),
    Need("apps", "deployments", ("get",)),
    Need("apps", "statefulsets", ("get",)),
    Need("apps", "daemonsets", ("get",)),
    Need("batch", "jobs", _READ),
    Need("batch", "cronjobs", ("get",)),
    Need("postgresql.cnpg.io", "clusters", ("get",)),
)
_ALONE = frozenset({"cordon", "uncordon"})  # they touch a node and nothing that hangs on it
NEEDS: Mapping[str, tuple[Need, ...]] = {
    "pod_restart": (Need("", "pods", (*_READ, "delete")),),
    "rollout_restart": (
        Need("apps", "deployments", (*_READ, "patch")),
        Need("apps", "statefulsets", ("get", "patch")),
        Need("apps", "daemonsets", ("get", "patch")),
    ),
    "deployment_rollback": (Need("apps", "deployments", (*_READ, "patch")), *_HISTORY),
    "config_rollback": (
        Need("apps", "deployments", (*_READ, "patch")),
        Need("apps", "replicasets", _READ),
        Need("", "configmaps", (*_READ, "create")),
    ),
    "scale": (
        Need("apps", "deployments", (*_READ, "patch")),
        Need("apps", "statefulsets", ("get", "patch")),
        Need("autoscaling", "horizontalpodautoscalers", (*_READ, "patch")),
    ),
    "hpa_scale": (Need("autoscaling", "horizontalpodautoscalers", (*_READ, "patch")),),
    "cordon": (Need("", "nodes", (*_READ, "patch")),),
    "uncordon": (Need("", "nodes", (*_READ, "patch")),),
    "drain": (
        Need("", "nodes", (*_READ, "patch")),
        Need("", "pods", _READ),
        Need("", "pods/eviction", ("create",)),
    ),
    "run_job": (
        Need("batch", "cronjobs", _READ),
        Need("batch", "jobs", (*_READ, "create")),
        Need("", "pods", _READ),
        Need("", "pods/log", ("get",)),
    ),
    "database_failover": (
        Need("postgresql.cnpg.io", "clusters", _READ),
        Need("postgresql.cnpg.io", "clusters/status", ("get", "patch")),
        Need("", "pods/proxy", ("get",)),  # how far each replica is behind
    ),
    "http_call": (),  # beside what a Service of the cluster hides, when an address names one
    "circuit_breaker": (Need("", "configmaps", (*_READ, "patch")),),
}


def render(actions: Iterable[str]) -> str:
    """Return the ClusterRole as YAML, one rule per resource, with the actions that need it."""
    needed: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for action in actions:
        for need in (*NEEDS[action], *(() if action in _ALONE else _REACH)):
            verbs, users = needed.setdefault((need.group, need.resource), (set(), set()))
            verbs.update(need.verbs)
            users.add(action)
    lines = [
        "apiVersion: rbac.authorization.k8s.io/v1",
        "kind: ClusterRole",
        "metadata:",
        "  name: sre-agent-actor",
        "rules:" if needed else "rules: []",
    ]
    order = ("get", "list", "create", "patch", "delete")
    for (group, resource), (verbs, users) in sorted(needed.items()):
        told = ", ".join(verb for verb in order if verb in verbs)
        lines += [
            f"  # {', '.join(sorted(users))}",
            f'  - apiGroups: ["{group}"]',
            f"    resources: [{resource}]",
            f"    verbs: [{told}]",
        ]
    return "\n".join(lines) + "\n"
