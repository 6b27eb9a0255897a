"""What the bot itself stands on: where it runs, and the Services that its addresses name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from bot.domain.plans.policy import OwnGround, OwnService
from bot.settings.arguments import configured
from bot.settings.document import ConfigDocument
from tools.addresses import services_of_address
from tools.backends.kubernetes.config import KubernetesConfig

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def own_ground(
    document: ConfigDocument,
    found: Mapping[str, str],
    clusters: Mapping[str, KubernetesConfig],
    *,
    namespace_file: Path = NAMESPACE_FILE,
) -> OwnGround:
    """Return what no plan may touch, because the bot could not go on without it.

    POD_NAMESPACE and POD_NAME come from the downward API. Without the first, a bot that reads its
    cluster with its pod's own service account finds its namespace beside that account's token.
    """
    inside = [name for name, each in clusters.items() if each.in_cluster]
    space = found.get("POD_NAMESPACE") or (_text_of(namespace_file) if inside else "")
    services = tuple(
        OwnService(each.namespace, each.name, what)
        for what, url in _addresses(document, found)
        for each in services_of_address(url, space)
    )
    return OwnGround(
        cluster=_first(inside or (clusters if len(clusters) == 1 else ())) if space else "",
        namespace=space,
        pod=found.get("POD_NAME", ""),
        services=tuple(dict.fromkeys(services)),
        **configured(protection=document.auto_remediation.blacklist.own),
    )


def _first(names: Iterable[str]) -> str:
    return next(iter(names), "")


def _addresses(document: ConfigDocument, found: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what the bot keeps its state in and decides by."""
    yield "the database", found.get("DATABASE_URL", "")
    metrics, logs = document.prometheus, document.loki
    for url in (metrics.url, *(each.url for each in metrics.instances.values())):
        yield "the metrics", url or ""
    for url in (logs.url, *(each.url for each in logs.instances.values())):
        yield "the logs", url or ""
    yield "the traces", document.tracing.url or ""
    yield "the alerts", document.alertmanager.url or ""


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""  # a pod without a service account's token
