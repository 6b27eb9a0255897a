"""What reads, keeps or computes: backends, store, workers, knowledge, catalogue.

open_adapters   what talks to the outside, as settings say; a test gives fakes instead
join_parts      what stands on it, the same over whatever adapters
"""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

import structlog

from bot.claude.model import Claude
from bot.composition.database import AuditUpkeep, open_sealed
from bot.composition.instances import alertmanager_of, cluster_of, logs_of, metrics_of
from bot.composition.lacking import lacking_of
from bot.core.ports import Clock, Model, Snapshots, Store
from bot.core.shared.announcing import AnnouncingStore, Subscriber
from bot.core.shared.charts import ChartDesk
from bot.core.shared.live_files import LiveFiles, LoadedFiles
from bot.core.shared.stored_ports import StoredAlerts, StoredBaselines, StoredChanges
from bot.core.upkeep.discovery import Discovery
from bot.settings import Settings
from bot.slack.charts import render_chart
from bot.store.detection.snapshots import snapshots_beside
from bot.workers import ProcessWorkers
from knowledge.documents import Document, DocumentError
from knowledge.store import KnowledgeIndex, load_encoder
from playbooks.loader import read_library
from tools import catalog
from tools.act.actions import load_actions
from tools.act.contract import Action
from tools.analysis.detect import DetectorSettings
from tools.backends.changes import ClusterChanges
from tools.backends.history import KnowledgeHistory
from tools.metrics_and_services import load_catalogue
from tools.ports import (
    AlertFeed,
    AlertSource,
    Baselines,
    Changes,
    Cluster,
    History,
    Logs,
    Metrics,
    Traces,
    Workers,
)
from tools.rules import read_rules
from tools.world import Catalogue, Change, Window

FILL_AGAIN = "mend it, then: python -m bot knowledge reindex FOLDER"
READ_SUFFIXES = frozenset({".yaml", ".py"})
log = structlog.get_logger(__name__)


@cache
def owner_name() -> str:
    """Return this process's name, for leases and heartbeats.

    A container that starts again has the host and the number of the one before; its name differs.
    """
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"


def open_live_files(settings: Settings, actions: Mapping[str, Action]) -> LiveFiles:
    """Read catalogue, rules and playbooks. Raises ValueErrors that name file and line.

    Playbooks may use `actions`; those are read once, at the start: an approved step never runs
    other code than the one it was shown with.
    """
    files = settings.files

    def read() -> LoadedFiles:
        catalogue = load_catalogue(
            files.metrics,
            files.services,
            words=files.words,
            cluster=settings.default_cluster,
            clusters=settings.cluster_names,
            model_data=settings.model_data,
        )
        playbooks = read_library(files.playbooks, actions, catalogue.measurable)
        rules = read_rules(files.rca_rules, catalogue.named)
        return LoadedFiles(
            catalogue=catalogue,
            rules=rules.rules,
            library=playbooks.library,
            tools=catalog.load_tools(files.tools),
            refused=playbooks.refused,
            lacking=lacking_of(catalogue, rules, playbooks),
        )

    named = [files.metrics, files.services, files.rca_rules, *files.playbooks, *files.tools]
    named += [files.words] if files.words is not None else []
    return LiveFiles(read, lambda: _stamp(named))


def _stamp(paths: Sequence[Path]) -> tuple[tuple[str, int, int], ...]:
    """Return name, time of the last write and size of every file that is read."""
    files = [
        file for path in paths for file in (sorted(path.rglob("*.*")) if path.is_dir() else [path])
    ]
    found = []
    for file in files:
        if file.suffix in READ_SUFFIXES and file.is_file():
            state = file.stat()
            found.append((str(file), state.st_mtime_ns, state.st_size))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class CurrentChanges:
    """The Changes port over the catalogue in force."""

    cluster: Cluster | None
    live_files: LiveFiles
    feed: StoredChanges

    async def recent(self, window: Window, services: Sequence[str] = ()) -> list[Change]:
        """Return changes in the window, newest first."""
        changes = ClusterChanges(self.cluster, self.live_files.catalogue(), self.feed)
        return await changes.recent(window, services)


class WarmWorkers(Workers, Protocol):
    """Workers that can be started before anybody waits for them."""

    async def warm(self) -> None:
        """Import what the first task would wait for."""


@dataclass(frozen=True, slots=True)
class Adapters:
    """What a bot reads, keeps and computes with; None is not configured."""

    store: Store
    audit: AuditUpkeep
    workers: WarmWorkers
    history: History
    index_documents: Callable[[Sequence[Document]], Awaitable[object]]
    model: Model | None = None
    metrics: Metrics | None = None
    logs: Logs | None = None
    traces: Traces | None = None
    cluster: Cluster | None = None
    alert_source: AlertSource | None = None
    snapshots: Snapshots | None = None  # of the detector's state; None: a start reads all again


@dataclass(slots=True)
class Parts:
    """Everything that reads, keeps or computes; None is not configured."""

    settings: Settings
    clock: Clock
    store: Store
    audit: AuditUpkeep
    live_files: LiveFiles
    actions: Mapping[str, Action]
    workers: WarmWorkers
    index_documents: Callable[[Sequence[Document]], Awaitable[object]]
    model: Model | None
    metrics: Metrics | None
    logs: Logs | None
    traces: Traces | None
    discovery: Discovery | None
    cluster: Cluster | None
    alert_source: AlertSource | None
    snapshots: Snapshots | None
    changes: Changes
    history: History
    baselines: StoredBaselines
    charts: ChartDesk
    detector: DetectorSettings

    def ports(self) -> dict[type, object]:
        """Return what tools may be given, by the type they ask for."""
        given: dict[type, object | None] = {
            Clock: self.clock,
            Metrics: self.metrics,
            Logs: self.logs,
            Traces: self.traces,
            Cluster: self.cluster,
            AlertFeed: StoredAlerts(self.store),
            Changes: self.changes,
            Baselines: self.baselines,
            History: self.history,
            Workers: self.workers,
            Catalogue: self.live_files.catalogue(),
            DetectorSettings: self.detector,
        }
        return {kind: part for kind, part in given.items() if part is not None}


@asynccontextmanager
async def open_parts(
    settings: Settings, subscribers: Sequence[Subscriber] = ()
) -> AsyncIterator[Parts]:
    """Build everything that reads, keeps or computes; close it in reverse order.

    `subscribers` are told every event after its commit.
    """
    async with AsyncExitStack() as stack:
        database, audit = await stack.enter_async_context(open_sealed(settings))
        stack.push_async_callback(audit.sealing.close)
        actions = load_actions(settings.files.actions)
        live_files = open_live_files(settings, actions)
        adapters = await _open_adapters(settings, database, audit, live_files, stack)
        yield join_parts(settings, adapters, live_files, actions, subscribers)


async def _open_adapters(
    settings: Settings,
    store: Store,
    audit: AuditUpkeep,
    live_files: LiveFiles,
    stack: AsyncExitStack,
) -> Adapters:
    workers = ProcessWorkers(processes=max(1, min(4, os.cpu_count() or 2)))
    stack.push_async_callback(workers.close)
    knowledge = await _knowledge(settings, stack)
    return Adapters(
        store=store,
        audit=audit,
        workers=workers,
        history=KnowledgeHistory(knowledge),
        index_documents=knowledge.add,
        model=claude_of(settings, stack),
        metrics=metrics_of(settings, stack, live_files.catalogue),
        logs=logs_of(settings, stack, live_files.catalogue),
        traces=traces_of(settings, stack),
        cluster=cluster_of(settings, stack),
        alert_source=alertmanager_of(settings, stack),
        snapshots=snapshots_beside(settings.files.database_url),
    )


def join_parts(
    settings: Settings,
    adapters: Adapters,
    live_files: LiveFiles,
    actions: Mapping[str, Action],
    subscribers: Sequence[Subscriber] = (),
) -> Parts:
    """Join what stands on the adapters; nothing is opened here."""
    store = AnnouncingStore(adapters.store, subscribers)
    clock, metrics = settings.clock, adapters.metrics
    baselines = StoredBaselines(store)
    return Parts(
        settings=settings,
        clock=clock,
        store=store,
        audit=adapters.audit,
        live_files=live_files,
        actions=actions,
        workers=adapters.workers,
        index_documents=adapters.index_documents,
        model=adapters.model,
        metrics=metrics,
        logs=adapters.logs,
        traces=adapters.traces,
        discovery=Discovery(metrics, clock, live_files.catalogue, live_files.discover)
        if metrics is not None
        else None,
        cluster=adapters.cluster,
        alert_source=adapters.alert_source,
        snapshots=adapters.snapshots,
        changes=CurrentChanges(adapters.cluster, live_files, StoredChanges(store)),
        history=adapters.history,
        baselines=baselines,
        charts=ChartDesk(
            store, clock, adapters.workers, baselines, live_files.catalogue, render_chart
        ),
        detector=settings.detector,
    )


async def _knowledge(settings: Settings, stack: AsyncExitStack) -> KnowledgeIndex:
    """Open the index; an empty one is filled from the knowledge folders."""
    index = KnowledgeIndex(settings.files.knowledge_uri, await asyncio.to_thread(load_encoder))
    await index.open()
    stack.push_async_callback(index.close)
    if (await index.stats()).documents == 0:
        for why in await _fill(index, settings.files.knowledge):
            log.warning("knowledge.document_refused", why=why, todo=FILL_AGAIN)
    return index


async def _fill(index: KnowledgeIndex, folders: Sequence[Path]) -> list[str]:
    refused: list[str] = []
    for folder in folders:
        try:
            refused += await index.fill(folder)
        except DocumentError as error:
            refused.append(str(error))
    return refused


def traces_of(settings: Settings, stack: AsyncExitStack) -> Traces | None:
    """Return the trace store, None when it is not configured."""
    if settings.tracing is None:
        return None
    from tools.backends.jaeger import Jaeger
    from tools.backends.tempo import Tempo

    jaeger = settings.tracing.provider == "jaeger"
    backend = Jaeger(settings.tracing) if jaeger else Tempo(settings.tracing)
    stack.push_async_callback(backend.close)
    return backend


def claude_of(settings: Settings, stack: AsyncExitStack) -> Claude | None:
    """Return Claude, None when it is not configured."""
    if settings.claude is None:
        return None
    model = Claude(settings.claude)
    stack.push_async_callback(model.close)
    return model
