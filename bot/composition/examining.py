"""What the doctor asks of the backends: each instance by itself, and what it may not read."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from functools import partial

from bot.composition.config_check import services_in
from bot.composition.instances import (
    acting_clusters,
    alertmanager_of,
    cluster_of,
    logs_of,
    metrics_of,
)
from bot.composition.parts import traces_of
from bot.core.upkeep.doctor import Check, CheckFailedError, of_health
from bot.domain.access import Role
from bot.settings import Settings
from tools.fleet import members_of
from tools.metrics_and_services import CatalogueError
from tools.ports import Cluster, HasHealth, SaysMissingRules


def backend_checks(settings: Settings, stack: AsyncExitStack) -> dict[str, Check]:
    """Return one check for each instance of each configured backend; `stack` closes them."""
    backends: dict[str, HasHealth | None] = {
        "prometheus": metrics_of(settings, stack),
        "loki": logs_of(settings, stack),
        "tracing": traces_of(settings, stack),
        "alertmanager": alertmanager_of(settings, stack),
    }
    checks: dict[str, Check] = {}
    for name, port in backends.items():
        checks |= _instances(name, members_of(port)) if port is not None else {}
    cluster = cluster_of(settings, stack)
    if cluster is not None:
        kinds = _kinds_named(settings)
        for name, reader in members_of(cluster).items():
            checks[f"kubernetes {name}".strip()] = partial(_cluster_detail, reader, kinds)
    one = len(settings.clusters) == 1
    actors = acting_clusters(settings, stack)
    return checks | _instances(
        "kubernetes actions", {"" if one else n: a for n, a in actors.items()}
    )


async def approvers_of(settings: Settings) -> str:
    """Tell who can answer plans; everybody else cannot."""
    who = ", ".join(settings.access.who_holds(Role.APPROVER))
    return f"only {who} can answer plans (access.approver, access.admin)"


def off_of(settings: Settings) -> dict[str, str]:
    """Return what is off, with what would switch it on; one cluster may act and another not."""
    off = dict(settings.off)
    if len(settings.clusters) > 1 and "kubernetes actions" not in off:
        for name, config in settings.clusters.items():
            if not config.actionable:
                off[f"kubernetes actions {name}"] = f"set {config.setting_act}"
    return off


def _instances(backend: str, members: Mapping[str, HasHealth]) -> dict[str, Check]:
    """Return one check for each instance, by the name the report shows."""
    return {f"{backend} {name}".strip(): of_health(each) for name, each in members.items()}


def _kinds_named(settings: Settings) -> frozenset[str]:
    """Return the kinds of the catalogue's workloads; a bad catalogue is told by its own check."""
    try:
        services = services_in(settings)
    except CatalogueError:
        return frozenset()
    return frozenset(ref.kind for spec in services.values() for ref in spec.workloads)


async def _cluster_detail(reader: Cluster, kinds: frozenset[str]) -> str:
    """Ask how a cluster is and what the reading identity may not read there."""
    detail = await of_health(reader)()
    missing = await reader.missing_rules(kinds) if isinstance(reader, SaysMissingRules) else []
    if missing:
        raise CheckFailedError(
            f"{detail}; but the reading identity lacks {len(missing)} rights",
            "add to its role: " + " ".join(missing),
        )
    return detail
