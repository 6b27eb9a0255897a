"""Ask the whole bot about an incident of a file: its tools, its investigator, no model."""

from __future__ import annotations

from typing import Any

from bench.incidents.asking import RULES, Here, Nobody, NoCases, NoDesk, WorldClock
from bench.stories import stores
from bench.stories.cluster_objects import Shapes
from bench.stories.story import Story
from bot.core.investigation.answer_json import answer_to_json
from bot.core.investigation.causes import CauseSheet, usable
from bot.core.investigation.desk import AgentDesk
from bot.core.investigation.evidence_pages import ThreadEvidence
from bot.core.investigation.investigator.investigator import Investigator
from bot.core.investigation.turn import DeskConfig
from bot.domain.ids import ChannelId, Ts
from bot.domain.place import Place
from bot.domain.question import Question
from bot.domain.run import Running
from bot.domain.secrets.redaction import Redactor
from bot.store.store import SqlStore
from tests.fakes.baselines import FakeBaselines
from tests.fakes.changes import FakeChanges
from tests.fakes.cluster import FakeCluster
from tests.fakes.logs import FakeLogs
from tests.fakes.metrics import FakeMetrics
from tests.fakes.traces import FakeTraces
from tools import catalog
from tools.analysis.detect import DetectorSettings
from tools.contract import Toolbox
from tools.errors import BackendUnavailableError
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
from tools.world import Catalogue, FiringAlert

PORTS: dict[str, type] = {
    "metrics": Metrics, "logs": Logs, "cluster": Cluster, "changes": Changes, "traces": Traces,
    "alerts": AlertFeed,
}  # fmt: skip


class Firing:
    """`AlertFeed` over a list."""

    def __init__(self, alerts: list[FiringAlert]) -> None:
        """Take the alerts."""
        self._alerts = alerts

    async def firing(self) -> list[FiringAlert]:
        """Return them."""
        return self._alerts


class Down:
    """A store that is configured and answers nothing."""

    def __getattr__(self, name: str) -> Any:
        """Return a method that fails as an adapter does."""

        async def fail(*_: object, **__: object) -> None:
            raise BackendUnavailableError("store", "connection refused")

        return fail


async def ports_of(story: Story, catalogue: Catalogue) -> dict[type, object]:
    """Return what the ports of an incident hand over."""
    found = stores.series_of(story, catalogue)
    baselines = FakeBaselines()
    await baselines.save(stores.baselines_of(story, found))
    cluster = FakeCluster(Shapes(story).all())
    cluster.event_list = stores.events_of(story)
    ports: dict[type, object] = {
        Clock: WorldClock(story.at),
        Catalogue: catalogue,
        Metrics: FakeMetrics(found),
        Baselines: baselines,
        Logs: FakeLogs(stores.lines_of(story)),
        Cluster: cluster,
        Changes: FakeChanges(stores.changes_of(story)),
        AlertFeed: Firing(stores.alerts_of(story)),
        Workers: Here(),
        History: NoCases(),
        DetectorSettings: DetectorSettings(),
    }
    if traces := stores.traces_of(story):
        ports[Traces] = FakeTraces(traces)
    if not story.part("objects"):
        del ports[Cluster]
    for name in story.part("unavailable"):
        ports[PORTS[name]] = Down()
    for name in story.part("absent"):
        ports.pop(PORTS[name], None)
    return ports


async def ask(story: Story, store: SqlStore, number: int) -> dict[str, Any]:
    """Return the answer in the shape of `ask --json`."""
    catalogue = story.catalogue()
    ports = await ports_of(story, catalogue)
    tools = catalog.load_tools()

    def toolbox_of(run: Running, sheet: CauseSheet) -> Toolbox:
        own: dict[type, object] = {
            CauseSheet: sheet,
            PlanDesk: NoDesk(),
            EvidenceShelf: ThreadEvidence(store, run.place),
        }
        return Toolbox(usable(tools), ports | own)

    rules = read_rules(RULES, catalogue.named).rules
    desk = AgentDesk(
        store=store,
        clock=WorldClock(story.at),
        catalogue=lambda: catalogue,
        investigator=Investigator(lambda: catalogue, lambda: rules),
        toolbox_of=toolbox_of,
        redactor=Redactor(),
        charts=None,
        model=None,
        config=DeskConfig(owner="bench", platform="a platform of services"),
    )
    place = Place(ChannelId("bench"), Ts(f"{number}.000000"))
    run = await desk.open(
        Question(story.question, place, "terminal", asker_name="somebody on call")
    )
    assert run is not None  # noqa: S101 - every question has a thread of its own
    answer = await desk.answer(run, Nobody())
    assert answer is not None  # noqa: S101 - nobody presses Stop
    return answer_to_json(answer, None)
