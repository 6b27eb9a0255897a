"""`rbac`: the Kubernetes rules that the switched-on actions need, as a ClusterRole."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, NamedTuple

import typer

from bot.cli.ending import fail, settings


class Need(NamedTuple):
    """One resource and what is done to it."""

    group: str
    resource: str
    verbs: tuple[str, ...]


_READ = ("get", "list")
_HISTORY = (Need("apps", "replicasets", _READ), Need("", "configmaps", _READ))
_NAMESPACE = Need("", "namespaces", ("get",))  # protected labels stand on it
NEEDS: Mapping[str, tuple[Need, ...]] = {
    "pod_restart": (Need("", "pods", (*_READ, "delete")),),
    "rollout_restart": (Need("apps", "deployments", (*_READ, "patch")),),
    "deployment_rollback": (Need("apps", "deployments", (*_READ, "patch")), *_HISTORY),
    "config_rollback": (
        Need("apps", "deployments", (*_READ, "patch")),
        Need("apps", "replicasets", _READ),
        Need("", "configmaps", (*_READ, "create")),
    ),
    "scale": (
        Need("apps", "deployments", (*_READ, "patch")),
        Need("apps", "deployments/scale", ("get", "patch")),
        Need("autoscaling", "horizontalpodautoscalers", _READ),
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
    "http_call": (),
    "circuit_breaker": (Need("", "configmaps", (*_READ, "patch")),),
}


def rbac(
    actions: Annotated[
        list[str] | None, typer.Argument(help="Actions; default: those your playbooks use.")
    ] = None,
) -> None:
    """Print the ClusterRole of the acting identity; bind it per namespace with a RoleBinding."""
    from foundation.nearest import nearest

    wanted = sorted(set(actions)) if actions else _used()
    for name in wanted:
        if name not in NEEDS:
            raise fail(f"there is no action {name!r}.{nearest(name, NEEDS)}")
    typer.echo(render(wanted), nl=False)


def _used() -> list[str]:
    from playbooks.loader import PlaybookError, load_library
    from tools.act.actions import load_actions
    from tools.extensions import ExtensionError

    files = settings().files
    try:
        actions = load_actions(files.actions)
        library = load_library(files.playbooks, actions)
    except (PlaybookError, ExtensionError) as error:
        raise fail(str(error)) from error
    steps = [step for loaded in library.values() for step in loaded.playbook.steps]
    undone = [step.undo.action for step in steps if step.undo is not None]
    used = {*(step.action for step in steps), *undone}
    return sorted(used & NEEDS.keys())  # the rules of your own actions you know yourself


def render(actions: Iterable[str]) -> str:
    """Return the ClusterRole as YAML, one rule per resource, with the actions that need it."""
    needed: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
    for action in actions:
        for need in (*NEEDS[action], *((_NAMESPACE,) if NEEDS[action] else ())):
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
