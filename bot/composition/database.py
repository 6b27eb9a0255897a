"""The database with the keys it is sealed with, and where the end of its audit chain is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.core.upkeep.anchoring import AnchorPlace
from bot.core.upkeep.sealing import HeadPlace, Sealing
from bot.domain.audit import Anchor
from bot.settings import ConfigError, Settings, keyring_of
from bot.store.anchors import AnchorConfigMap, AnchorFile, HeadFile, read_anchors
from bot.store.store import SqlStore, open_store


@dataclass(frozen=True, slots=True)
class AuditUpkeep:
    """What seals the audit, and where its end is written down every few minutes."""

    sealing: Sealing
    places: Sequence[AnchorPlace] = ()


@asynccontextmanager
async def open_sealed(settings: Settings) -> AsyncIterator[tuple[SqlStore, AuditUpkeep]]:
    """Open the database at the newest schema, its audit chain begun.

    Sealing what was written meanwhile is up to the caller.
    """
    async with AsyncExitStack() as stack:
        store = await open_as_it_is(settings, stack)
        await store.upgrade()
        upkeep = audit_upkeep(settings, store, stack)
        await upkeep.sealing.begin(store)
        yield store, upkeep


async def open_as_it_is(settings: Settings, stack: AsyncExitStack) -> SqlStore:
    """Open the database without migrating it."""
    store = await open_store(settings.files.database_url, keyring_of(settings))
    stack.push_async_callback(store.close)
    return store


def audit_upkeep(settings: Settings, store: SqlStore, stack: AsyncExitStack) -> AuditUpkeep:
    """Join sealing with the places of the configuration. Raises ConfigError."""
    head, others = head_places(settings, stack)
    maps = [each for each in others if isinstance(each, AnchorConfigMap)]
    places = (*settings.audit_anchor.places(), *maps)
    return AuditUpkeep(Sealing(store, settings.clock, head, others), places)


def head_places(
    settings: Settings, stack: AsyncExitStack
) -> tuple[HeadFile | None, tuple[HeadPlace, ...]]:
    """Return the file that gets every new end of the chain, and what else knows of one."""
    config, others = settings.audit_anchor, list[HeadPlace]()
    if config.file is not None:
        others.append(AnchorFile(config.file))
    if config.config_map:
        others.append(_config_map(settings, config.config_map, stack))
    return HeadFile(config.head_file) if config.head_file is not None else None, tuple(others)


async def kept_anchors(settings: Settings, path: Path | None) -> list[Anchor]:
    """Return every anchor that can be read; `path` stands in for the configured file.

    Raises ValueError for a file that holds something else, BackendError for a place that is down.
    """
    file = path or settings.audit_anchor.file
    found = read_anchors(file) if file is not None else []
    async with AsyncExitStack() as stack:
        head, others = head_places(settings, stack)
        maps = [each for each in others if isinstance(each, AnchorConfigMap)]
        heads: list[HeadPlace] = [head] if head is not None else []
        for place in (*heads, *maps):
            newest = await place.newest()
            found += [newest] if newest is not None else []
    return found


def _config_map(settings: Settings, name: str, stack: AsyncExitStack) -> AnchorConfigMap:
    from tools.backends.kubernetes.config_map_text import ConfigMapText

    cluster = next((each for each in settings.clusters.values() if each.readable), None)
    if cluster is None:
        raise ConfigError(
            "audit.anchor.config_map is set, but no cluster is: set KUBECONFIG or "
            "K8S_IN_CLUSTER=true"
        )
    namespace, _, map_name = name.partition("/")
    text = ConfigMapText(cluster, namespace, map_name, "audit-head.json")
    stack.push_async_callback(text.close)
    return AnchorConfigMap(text, name)
