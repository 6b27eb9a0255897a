"""Asks the bot about a world as `bot ask` does without a model, and returns its `--json` answer.

The desk, the tools and the deterministic investigator are the product's, joined as
`bot.composition.agent` joins them; only what talks to the outside is a world's.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from bench.incidents.graph import What
from bench.incidents.learned import WorldBaselines
from bench.incidents.ports import Served
from bench.incidents.telling.exposure import Exposure
from bot.core.investigation.answer_json import answer_to_json
from bot.core.investigation.causes import CauseSheet, usable
from bot.core.investigation.desk import AgentDesk
from bot.core.investigation.evidence_pages import ThreadEvidence
from bot.core.investigation.investigator.investigator import Investigator
from bot.core.investigation.turn import DeskConfig
from bot.core.ports import StepUpdate
from bot.core.upkeep.discovery import Discovery
from bot.domain.answer import Answer
from bot.domain.ids import ChannelId, Ts
from bot.domain.keyring import Keyring
from bot.domain.place import Place
from bot.domain.question import Question
from bot.domain.run import Running
from bot.domain.secrets.redaction import Redactor
from bot.store.store import SqlStore, open_store
from tools import catalog
from tools.analysis.detect import DetectorSettings
from tools.backends.changes import ClusterChanges
from tools.contract import Toolbox
from tools.ports import (
    AlertFeed,
    Baselines,
    Changes,
    Clock,
    Cluster,
    EvidenceShelf,
    History,
    Logs,
    Metrics,
    PlanDesk,
    Traces,
    Workers,
)
from tools.rules import read_rules
from tools.world import (
    Baseline,
    Call,
    Catalogue,
    FiringAlert,
    Labels,
    MetricName,
    ProposalDraft,
    ProposalReceipt,
    ServiceName,
    ServiceSpec,
    Severity,
    SimilarCase,
    WorkloadRef,
)
from tools.world.conclusions import LearnedBatch

T = TypeVar("T")
RULES = Path(__file__).parents[2] / "config" / "rca_rules.yaml"
SOURCES = ("logs", "metrics", "objects", "statements", "call_graph", "roles", "history")
DECLARED = 0.7  # of calls stand in the team's services.yaml


@dataclass(slots=True)
class WorldClock:
    """Time stands at the moment of the question."""

    at: datetime

    def now(self) -> datetime:
        """Return the world's time."""
        return self.at

    def wall(self) -> datetime:
        """Return the same."""
        return self.at

    def monotonic(self) -> float:
        """Return seconds that stand."""
        return self.at.timestamp()

    async def sleep(self, seconds: float) -> None:
        """Wait for nothing."""


class Here:
    """Workers that work in this process."""

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Run it now."""
        return function(*args)


class NothingLearned:
    """`Baselines` of a bot that came today."""

    async def find(self, metric: MetricName, labels: Labels) -> Baseline | None:  # noqa: ARG002 - the port's
        """Return nothing."""
        return None

    async def save(self, baselines: Collection[Baseline]) -> None:
        """Keep nothing."""

    async def all(self) -> list[Baseline]:
        """Return nothing."""
        return []

    async def after(self, revision: int) -> LearnedBatch | None:  # noqa: ARG002 - the port's
        """Return nothing."""
        return None


class NoCases:
    """`History` of a team that wrote nothing down."""

    async def similar(self, text: str, limit: int = 5) -> list[SimilarCase]:  # noqa: ARG002 - the port's
        """Return nothing."""
        return []


class NoDesk:
    """`PlanDesk` where nothing may be proposed."""

    async def propose(self, draft: ProposalDraft) -> ProposalReceipt:  # noqa: ARG002 - the port's
        """Refuse."""
        return ProposalReceipt(None, "", "nothing is proposed in a bench", "bench")


class Nobody:
    """A reply that nobody reads."""

    async def step(self, update: StepUpdate) -> None:
        """Show nothing."""

    async def say(self, text: str) -> None:
        """Show nothing."""

    async def take_back(self) -> None:
        """Nothing was shown."""

    async def finish(self, run: Running, answer: Answer) -> None:
        """Nothing to end."""

    async def fail(self, run: Running, text: str) -> None:  # noqa: ARG002 - the port's
        """Say what went wrong: a bench must not hide it."""
        raise RuntimeError(text)


class Alerts:
    """`AlertFeed`: simple rules of the team, and some that fire for weeks."""

    def __init__(self, x: Exposure) -> None:
        """Take a world."""
        self.x = x

    async def firing(self) -> list[FiringAlert]:
        """Return what fires."""
        x, found = self.x, []
        incident = x.incident
        random = np.random.default_rng([incident.seed, 47])
        rules = random.random() < 0.6
        for part in incident.stage.graph.parts:
            n = part.number
            failed = incident.track.failed[-10:, 0, n]
            if (
                rules
                and part.what is What.SERVICE
                and x.watched[n] == "all"
                and (failed > 0.05).all()
            ):
                since = incident.at(incident.track.times[-10])
                found.append(
                    FiringAlert(
                        "HighErrorRate",
                        ServiceName(part.name),
                        "",
                        Severity.HIGH,
                        since,
                        f"{part.name} fails more than 5 % of requests",
                    )
                )
            if part.what is What.SERVICE and random.random() < 0.06:
                found.append(
                    FiringAlert(
                        "KubeHpaMaxedOut",
                        ServiceName(part.name),
                        "",
                        Severity.LOW,
                        incident.now - timedelta(days=int(random.integers(3, 60))),
                        f"{part.name} has been running at max replicas",
                    )
                )
        return found


class Office:
    """Everything that outlives a question: the store, rules and tools."""

    def __init__(self, store: SqlStore) -> None:
        """Take an open store."""
        self.store = store
        self.asked = 0
        self.tools = catalog.load_tools()

    async def ask(
        self, x: Exposure, question: str, without: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return the answer in the shape of `ask --json`."""
        served = Served(x, without)
        clock = WorldClock(x.incident.now)
        catalogue = await described(served, clock)
        cluster = None if "objects" in without else served.cluster
        changes = ClusterChanges(cluster, catalogue, served.deploys)
        ports: dict[type, object] = {
            Clock: clock,
            Metrics: served.metrics,
            Cluster: cluster,
            Changes: changes,
            Logs: served.logs,
            AlertFeed: Alerts(x),
            Baselines: NothingLearned() if "history" in without else WorldBaselines(served),
            History: NoCases(),
            Workers: Here(),
            Catalogue: catalogue,
            DetectorSettings: DetectorSettings(),
            Traces: served.traces if served.has_traces else None,
        }
        for name, port in (("logs", Logs), ("metrics", Metrics)):
            if name in without:
                ports[port] = None
        present = {kind: port for kind, port in ports.items() if port is not None}

        def toolbox_of(run: Running, sheet: CauseSheet) -> Toolbox:
            own: dict[type, object] = {
                CauseSheet: sheet,
                PlanDesk: NoDesk(),
                EvidenceShelf: ThreadEvidence(self.store, run.place),
            }
            return Toolbox(usable(self.tools), present | own)

        rules = () if "rules" in without else read_rules(RULES, catalogue.named).rules
        desk = AgentDesk(
            store=self.store,
            clock=clock,
            catalogue=lambda: catalogue,
            investigator=Investigator(lambda: catalogue, lambda: rules),
            toolbox_of=toolbox_of,
            redactor=Redactor(),
            charts=None,
            model=None,
            config=DeskConfig(owner="bench", platform="a platform of services"),
        )
        self.asked += 1
        place = Place(ChannelId("bench"), Ts(f"{self.asked}.000000"))
        run = await desk.open(Question(question, place, "terminal", asker_name="somebody on call"))
        assert run is not None  # noqa: S101 - every question has a thread of its own
        answer = await desk.answer(run, Nobody())
        assert answer is not None  # noqa: S101 - nobody presses Stop
        return answer_to_json(answer, None)


@asynccontextmanager
async def open_office() -> AsyncIterator[Office]:
    """Open a store in memory and everything on it."""
    store = await open_store("sqlite+aiosqlite://", Keyring(b"of a bench, worth nothing at all"))
    await store.upgrade()
    try:
        yield Office(store)
    finally:
        await store.close()


async def described(served: Served, clock: WorldClock) -> Catalogue:
    """Return the team's catalogue, and the calls that traffic shows."""
    x, graph = served.x, served.incident.stage.graph
    random = np.random.default_rng([served.incident.seed, 53])
    entries = served.entries
    if "roles" in served.without:
        entries = [replace(e, role=None, resource="") for e in entries]
    services = {}
    for part in graph.parts:
        if not part.runs_here or (x.watched[part.number] == "nothing" and random.random() < 0.5):
            continue  # nobody wrote it down
        calls = [
            ServiceName(graph.parts[link.callee].name)
            for link in graph.links
            if link.caller == part.number and graph.parts[link.callee].runs_here
        ]
        declared = tuple(
            c for c in calls if random.random() < DECLARED and "call_graph" not in served.without
        )
        kind = "Deployment" if part.what is What.SERVICE else "StatefulSet"
        services[ServiceName(part.name)] = ServiceSpec(
            ServiceName(part.name),
            part.namespace,
            (WorkloadRef(part.cluster, part.namespace, kind, part.name),),
            cluster=part.cluster,
            dependencies=declared,
        )
    catalogue = Catalogue({e.name: e for e in entries}, services)
    if "metrics" in served.without:
        return catalogue
    told: list[tuple[Call, ...]] = [()]
    discovery = Discovery(served.metrics, clock, lambda: catalogue, told.append)
    await discovery.refresh()
    return replace(catalogue, calls=told[-1])
