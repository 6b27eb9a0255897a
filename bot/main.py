"""The composition root: the only file that builds adapters and joins them.

    Settings ──open_parts──> Parts: backends, store, workers, knowledge, catalogue
                               ├── ask()   one question in the terminal
                               └── Bot     Slack, schedule, API, until it is told to stop
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.core.charting import ChartDesk
from bot.core.doctor import Check, CheckFailedError, Row, examine, of_health
from bot.core.investigator import Investigator
from bot.core.ports import AgentRun, Clock, Model, Reply
from bot.core.stored import StoredBaselines, StoredChanges
from bot.core.turn import AgentDesk, CauseSheet, DeskConfig, Question, usable
from bot.domain.answer import Answer
from bot.domain.place import TERMINAL
from bot.settings import Settings, audit_key, load_settings
from bot.slack.charts import render_chart
from bot.store.store import SqlStore, open_store
from bot.workers import ProcessWorkers
from knowledge.store import KnowledgeIndex, load_encoder
from tools import catalog
from tools.analysis.detect import DetectorSettings
from tools.analysis.rca import Rule
from tools.backends.changes import ClusterChanges
from tools.backends.history import KnowledgeHistory
from tools.catalogues import load_catalogue
from tools.contract import Toolbox
from tools.ports import (
    Baselines,
    Changes,
    Cluster,
    HasHealth,
    History,
    Logs,
    Metrics,
    PlanDesk,
    Workers,
)
from tools.ports import Clock as WorldTime
from tools.rules import load_rules
from tools.world import Catalogue

KNOWLEDGE_FOLDER = Path("knowledge")
PlannerOf = Callable[[AgentRun], PlanDesk]


@dataclass(slots=True)
class Parts:
    """Everything that reads, keeps or computes; None is not configured."""

    settings: Settings
    clock: Clock
    store: SqlStore
    catalogue: Catalogue
    rules: tuple[Rule, ...]
    workers: ProcessWorkers
    knowledge: KnowledgeIndex
    model: Model | None
    metrics: Metrics | None
    logs: Logs | None
    cluster: Cluster | None
    changes: Changes
    history: History
    baselines: StoredBaselines
    charts: ChartDesk
    detector: DetectorSettings

    def ports(self) -> dict[type, object]:
        """Return what tools may be given, by the type they ask for."""
        given: dict[type, object | None] = {
            WorldTime: self.clock,
            Metrics: self.metrics,
            Logs: self.logs,
            Cluster: self.cluster,
            Changes: self.changes,
            Baselines: self.baselines,
            History: self.history,
            Workers: self.workers,
            Catalogue: self.catalogue,
            DetectorSettings: self.detector,
        }
        return {kind: part for kind, part in given.items() if part is not None}


@asynccontextmanager
async def open_parts(settings: Settings) -> AsyncIterator[Parts]:
    """Build everything that reads, keeps or computes; close it in reverse order."""
    document = settings.document
    async with AsyncExitStack() as stack:
        store = await open_store(settings.database_url)
        stack.push_async_callback(store.close)
        await store.upgrade()
        catalogue = load_catalogue(Path(document.paths.metrics), Path(document.paths.services))
        workers = ProcessWorkers(processes=max(1, min(4, (os.cpu_count() or 2))))
        stack.push_async_callback(workers.close)
        knowledge = KnowledgeIndex(settings.knowledge_uri, await asyncio.to_thread(load_encoder))
        await knowledge.open()
        stack.push_async_callback(knowledge.close)
        metrics = _prometheus(settings, stack)
        logs = _loki(settings, stack)
        cluster = _cluster(settings, stack)
        baselines = StoredBaselines(store)
        detection = document.anomaly_detection
        yield Parts(
            settings=settings,
            clock=settings.clock,
            store=store,
            catalogue=catalogue,
            rules=load_rules(Path(document.paths.rca_rules), sorted(catalogue.metrics)),
            workers=workers,
            knowledge=knowledge,
            model=_claude(settings, stack),
            metrics=metrics,
            logs=logs,
            cluster=cluster,
            changes=ClusterChanges(cluster, catalogue, StoredChanges(store)),
            history=KnowledgeHistory(knowledge),
            baselines=baselines,
            charts=ChartDesk(store, settings.clock, workers, baselines, catalogue, render_chart),
            detector=DetectorSettings(
                zscore_threshold=detection.zscore_threshold,
                mad_threshold=detection.mad_threshold,
                ensemble_min_votes=detection.ensemble_min_votes,
                algorithms=detection.algorithms,
            ),
        )


def _prometheus(settings: Settings, stack: AsyncExitStack) -> Metrics | None:
    if settings.prometheus is None:
        return None
    from tools.backends.prometheus.adapter import Prometheus

    backend = Prometheus(settings.prometheus)
    stack.push_async_callback(backend.close)
    return backend


def _loki(settings: Settings, stack: AsyncExitStack) -> Logs | None:
    if settings.loki is None:
        return None
    from tools.backends.loki import Loki

    backend = Loki(settings.loki)
    stack.push_async_callback(backend.close)
    return backend


def _cluster(settings: Settings, stack: AsyncExitStack) -> Cluster | None:
    if settings.kubernetes is None or not settings.kubernetes.readable:
        return None
    from tools.backends.kubernetes.reader import KubernetesReader

    backend = KubernetesReader(settings.kubernetes)
    stack.push_async_callback(backend.close)
    return backend


def _claude(settings: Settings, stack: AsyncExitStack) -> Model | None:
    if settings.claude is None:
        return None
    from bot.claude.model import Claude

    model = Claude(settings.claude)
    stack.push_async_callback(model.close)
    return model


def owner_name() -> str:
    """Return this process's name, for leases and heartbeats."""
    return f"{socket.gethostname()}:{os.getpid()}"


def agent_desk(parts: Parts, planner: PlannerOf | None, playbooks: Sequence[str] = ()) -> AgentDesk:
    """Build the desk; `planner` gives a run its plan desk, None leaves proposing off."""

    def toolbox_of(run: AgentRun, sheet: CauseSheet) -> Toolbox:
        ports = {**parts.ports(), CauseSheet: sheet}
        if planner is not None:
            ports[PlanDesk] = planner(run)
        return Toolbox(usable(catalog.ALL), ports)

    return AgentDesk(
        store=parts.store,
        clock=parts.clock,
        catalogue=parts.catalogue,
        investigator=Investigator(parts.catalogue, parts.rules),
        toolbox_of=toolbox_of,
        redactor=parts.settings.redactor,
        charts=parts.charts,
        model=parts.model,
        config=DeskConfig(
            owner=owner_name(),
            budget=parts.settings.budget,
            max_output_tokens=parts.settings.document.llm.max_tokens,
            playbooks=tuple(playbooks),
            gaps=_gaps(parts.settings),
        ),
    )


def _gaps(settings: Settings) -> dict[str, str]:
    """Return what an answer should name as not looked at; Claude and Slack are no gaps of it."""
    told = ("prometheus", "loki", "kubernetes")
    return {name: f"not configured ({settings.off[name]})" for name in told if name in settings.off}


async def ask(settings: Settings, text: str, reply: Reply) -> Answer:
    """Answer one question in the terminal."""
    async with open_parts(settings) as parts:
        desk = agent_desk(parts, None)
        question = Question(text, TERMINAL, "terminal", locale=settings.document.app.locale)
        run = await desk.open(question)
        if run is None:
            raise RuntimeError(
                "another question is being answered in this terminal's database; wait or use "
                "another DATABASE_URL"
            )
        answer = await desk.answer(run, question, reply)
        assert answer is not None  # noqa: S101 - nobody can press Stop in a terminal
        return answer


# --- what the command line opens without the rest -------------------------------------------


def read_settings() -> Settings:
    """Read the environment and the configuration it names. Raises ConfigError."""
    return load_settings()


def seal_key(settings: Settings) -> bytes:
    """Return the key of the audit chain."""
    return audit_key(settings)


@asynccontextmanager
async def open_database(settings: Settings, *, migrate: bool = True) -> AsyncIterator[SqlStore]:
    """Open the database alone."""
    store = await open_store(settings.database_url)
    try:
        if migrate:
            await store.upgrade()
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def open_knowledge(settings: Settings) -> AsyncIterator[KnowledgeIndex]:
    """Open the knowledge base alone."""
    index = KnowledgeIndex(settings.knowledge_uri, await asyncio.to_thread(load_encoder))
    await index.open()
    try:
        yield index
    finally:
        await index.close()


async def migrate(settings: Settings, direction: str, revision: str) -> str:
    """Migrate the database up or down; returns its address without the password."""
    async with open_database(settings, migrate=False) as store:
        if direction == "downgrade":
            await store.downgrade(revision)
        else:
            await store.upgrade(revision)
        return store.url.render_as_string(hide_password=True)


def schedule_error(cron: str, timezone: str) -> str:
    """Say what is wrong with a schedule; empty when it can be read."""
    from bot.scheduler import Cron, ScheduleError

    try:
        Cron(cron, timezone)
    except ScheduleError as error:
        return str(error)
    return ""


async def examine_all(settings: Settings) -> list[Row]:
    """Ask everything that is configured how it is."""
    async with AsyncExitStack() as stack:
        checks: dict[str, Check] = {
            "database": lambda: _database_detail(settings),
            "knowledge": lambda: _knowledge_detail(settings),
        }
        backends: dict[str, HasHealth | None] = {
            "prometheus": _prometheus(settings, stack),
            "loki": _loki(settings, stack),
            "kubernetes": _cluster(settings, stack),
            "kubernetes actions": _actor(settings, stack),
        }
        checks |= {n: of_health(b) for n, b in backends.items() if b is not None}
        return await examine(checks, settings.off)


def _actor(settings: Settings, stack: AsyncExitStack) -> HasHealth | None:
    if settings.kubernetes is None or not settings.kubernetes.kubeconfig_act:
        return None
    from tools.backends.kubernetes.actor import KubernetesActor

    actor = KubernetesActor(settings.kubernetes)
    stack.push_async_callback(actor.close)
    return actor


async def _database_detail(settings: Settings) -> str:
    async with open_database(settings, migrate=False) as store:
        if not await store.healthy():
            raise CheckFailedError("does not answer", "check DATABASE_URL and that it is running")
        return store.url.render_as_string(hide_password=True)


async def _knowledge_detail(settings: Settings) -> str:
    async with open_knowledge(settings) as index:
        stats = await index.stats()
    kind = "words and meaning" if stats.semantic else "words (the `semantic` extra adds meaning)"
    return f"{stats.documents} documents, searched by {kind}"
