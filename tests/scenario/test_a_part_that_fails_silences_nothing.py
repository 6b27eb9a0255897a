"""The detection cycle tells what it has to tell, whatever else is dead: charts, forecasts, groups.

Two services that do not know each other fail at once, so that there are two groups; what fails is
one part of one of them, and the other, and all else, is told in the very first cycle.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.composition.jobs import Readiness, Work, _cycle
from bot.core.detection.cycle import CycleReport, DetectionCycle
from bot.core.detection.enrichment import Enricher, Extra, Sources
from bot.core.detection.findings import FindingConfig, FindingDesk
from bot.core.detection.judging import Judging
from bot.core.detection.learning import Learner, LearningConfig
from bot.core.detection.telling import Telling
from bot.core.shared.charts import ChartDesk
from bot.core.shared.stored_ports import StoredBaselines
from bot.domain.chart import ChartSpec
from bot.domain.finding import Finding
from bot.domain.ids import ChannelId
from bot.domain.secrets.redaction import Redactor
from bot.domain.signal import Signal
from bot.locale import Texts
from bot.store.store import SqlStore
from bot.workers import ProcessWorkers
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tests.fakes.workers import InlineWorkers, MortalWorkers, die_drawing
from tests.fixtures.alerting import a_delivery, an_alert_desk
from tests.fixtures.alerting import told as an_alert_told
from tools.analysis.state.detector import Classic, Detector, Observed
from tools.errors import BackendUnavailableError
from tools.ports import Metrics, Workers
from tools.world import (
    Catalogue,
    Change,
    LogLine,
    MetricName,
    MetricSpec,
    Series,
    ServiceName,
    ServiceSpec,
    Verdict,
    Window,
    WorkloadRef,
)

QUERY = "errors_ratio"
SPEC = MetricSpec(
    MetricName("errors"), "api", QUERY, "ratio", "share of failed requests", threshold=0.05
)


def service(name: str) -> ServiceSpec:
    ref = WorkloadRef("default", "trading", "Deployment", name)
    return ServiceSpec(ServiceName(name), "trading", (ref,))


CATALOGUE = Catalogue(
    {SPEC.name: SPEC},
    {ServiceName(name): service(name) for name in ("order-api", "ledger")},
)


class Errors(FakeMetrics):
    """Error rates of two services; `trouble` says which of them fail since ten minutes."""

    def __init__(self, clock: FakeClock, *trouble: str) -> None:
        super().__init__()
        self.clock = clock
        self.tell(*trouble)

    def tell(self, *trouble: str) -> None:
        self.series.clear()
        end = self.clock.now().timestamp()
        times = [end - 60.0 * k for k in range(2880, -1, -1)]
        for name in ("order-api", "ledger"):
            failing = name in trouble
            values = [0.6 if failing and at >= end - 600 else 0.001 for at in times]
            self.put(QUERY, {"service": name}, times, values)


def draw(_spec: ChartSpec) -> bytes:
    return b"PNG"


def misdraw(_spec: ChartSpec) -> bytes:
    raise ValueError("Image size of 99999x9 pixels is too large; token=abcdefgh12345678")


@dataclass
class World:
    """A detection cycle over two failing services, every part of it replaceable."""

    store: SqlStore
    clock: FakeClock = field(default_factory=FakeClock)
    workers: Workers = field(default_factory=InlineWorkers)
    render: Callable[[ChartSpec], bytes] = draw
    trouble: tuple[str, ...] = ("order-api", "ledger")
    cleared: list[Finding] = field(default_factory=list)
    sources: Mapping[str, Any] = field(default_factory=dict)
    detector: Detector = field(default_factory=Classic)

    def __post_init__(self) -> None:
        self.metrics = Errors(self.clock, *self.trouble)
        self.desk = FindingDesk(self.store, self.clock, self.channel_of, CONFIG)
        charts = ChartDesk(
            self.store,
            self.clock,
            self.workers,
            StoredBaselines(self.store),
            lambda: CATALOGUE,
            self.render,
        )
        sources = Sources(self.metrics, self.workers, charts=charts, **self.sources)
        self.enricher = Enricher(self.clock, sources, tuple, Texts("en"), "UTC", Redactor())

    def channel_of(self, _spec: ServiceSpec | None) -> ChannelId:
        return ChannelId("C0INC")

    async def on_cleared(self, finding: Finding) -> None:
        self.cleared.append(finding)

    async def cycle(
        self,
        *,
        metrics: Metrics | None = None,
        desk: FindingDesk | None = None,
        enricher: Enricher | None = None,
        on_cleared: Callable[[Finding], Awaitable[None]] | None = None,
    ) -> CycleReport:
        return await DetectionCycle(
            store=self.store,
            clock=self.clock,
            metrics=metrics or self.metrics,
            baselines=StoredBaselines(self.store),
            judging=Judging(self.workers, self.detector),
            catalogue=lambda: CATALOGUE,
            telling=Telling(
                store=self.store,
                clock=self.clock,
                catalogue=lambda: CATALOGUE,
                enricher=enricher or self.enricher,
                desk=desk or self.desk,
                on_cleared=on_cleared or self.on_cleared,
            ),
        ).run()


CONFIG = FindingConfig(Texts("en"))
BOTH = {"order-api", "ledger"}


def told(report: CycleReport) -> set[str]:
    return {str(finding.service) for finding in report.told}


def gaps(finding: Finding) -> dict[str, str]:
    return dict(gap.split(": ", 1) for gap in finding.gaps)


# ------------------------------------------------------------------------------ decorations


async def test_a_finding_without_trouble_has_a_chart_and_no_gaps(store: SqlStore) -> None:
    report = await World(store).cycle()
    assert told(report) == BOTH
    assert all(finding.chart for finding in report.told)
    assert all(finding.gaps == () for finding in report.told)
    assert report.crashed == {}


async def test_a_worker_that_dies_drawing_costs_the_chart_and_no_finding(store: SqlStore) -> None:
    report = await World(store, workers=MortalWorkers("draw")).cycle()
    assert told(report) == BOTH
    for finding in report.told:
        assert finding.chart == ""
        assert "died twice" in gaps(finding)["chart"]


async def test_a_real_process_killed_while_drawing_costs_the_chart_and_not_the_finding(
    store: SqlStore,
) -> None:
    workers = ProcessWorkers(1)
    world = World(store, workers=workers, render=die_drawing, trouble=("order-api",))
    try:
        report = await world.cycle()
    finally:
        await workers.close()
    (finding,) = report.told
    assert finding.chart == ""
    assert set(gaps(finding)) == {"chart"}  # the forecast behind it had a living worker again
    assert "died twice while running die_drawing" in gaps(finding)["chart"]
    async with store.begin() as tx:
        assert await tx.findings.get(finding.id) == finding


async def test_a_chart_that_cannot_be_drawn_is_named_by_its_error_without_its_words(
    store: SqlStore,
) -> None:
    report = await World(store, render=misdraw).cycle()
    assert told(report) == BOTH
    assert [gaps(f)["chart"] for f in report.told] == ["failed unexpectedly (ValueError)"] * 2


async def test_a_worker_that_dies_forecasting_costs_the_forecast_alone(store: SqlStore) -> None:
    report = await World(store, workers=MortalWorkers("forecast")).cycle()
    assert told(report) == BOTH
    for finding in report.told:
        assert finding.chart
        assert finding.breaches == ()
        assert set(gaps(finding)) == {"forecast"}


class Broken:
    """Logs, cluster, changes and history that fail in a way no port speaks of."""

    async def search(self, *_: object, **__: object) -> list[LogLine]:
        raise KeyError("streams")

    async def recent(self, *_: object, **__: object) -> list[Change]:
        raise RuntimeError("password=hunter2hunter2")

    async def events(self, *_: object, **__: object) -> list[object]:
        raise UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte")

    async def similar(self, *_: object, **__: object) -> list[object]:
        raise OSError("index is gone")


async def test_sources_that_crash_are_gaps_of_each_finding(store: SqlStore) -> None:
    broken = Broken()
    sources = dict.fromkeys(("logs", "cluster", "changes", "history"), broken)
    report = await World(store, sources=sources).cycle()
    assert told(report) == BOTH
    for finding in report.told:
        assert gaps(finding) == {
            "changes": "failed unexpectedly (RuntimeError)",
            "kubernetes": "failed unexpectedly (UnicodeDecodeError)",
            "loki": "failed unexpectedly (KeyError)",
            "knowledge": "failed unexpectedly (OSError)",
        }
        assert finding.chart


class Denied(Broken):
    async def recent(self, *_: object, **__: object) -> list[Change]:
        raise BackendUnavailableError("changes", "no answer to Bearer abcdefghijklmnop")


async def test_what_a_backend_says_in_its_refusal_is_told_without_secrets(store: SqlStore) -> None:
    report = await World(store, sources={"changes": Denied()}).cycle()
    said = ["changes: no answer to Bearer [redacted: authorization]"]
    assert [list(f.gaps) for f in report.told] == [said, said]
    async with store.begin() as tx:  # what the webhook tells is the audit's row
        opened = [r.event for r in await tx.audit.tail(50) if r.event.kind == "finding.opened"]
    assert [event.facts["gaps"] for event in opened] == [said, said]


async def test_rules_that_crash_cost_the_causes_alone(store: SqlStore) -> None:
    world = World(store)

    def broken() -> Sequence[Any]:
        raise TypeError("a rule of a team's own")

    world.enricher._rules = broken
    report = await world.cycle()
    assert told(report) == BOTH
    assert all(set(gaps(f)) == {"causes"} and f.chart for f in report.told)


class NoEnricher(Enricher):
    """Fails whole for one service."""

    async def enrich(self, group: Sequence[Signal], *rest: Any, **named: Any) -> Extra:
        if group[0].service == "ledger":
            raise RuntimeError("nothing works")
        return await super().enrich(group, *rest, **named)


async def test_a_group_whose_enrichment_fails_whole_is_told_bare(store: SqlStore) -> None:
    world = World(store)
    enricher = NoEnricher(
        world.clock, world.enricher._sources, tuple, Texts("en"), "UTC", Redactor()
    )
    report = await world.cycle(enricher=enricher)
    assert told(report) == BOTH
    bare = next(f for f in report.told if f.service == "ledger")
    assert gaps(bare) == {"enrichment": "failed unexpectedly (RuntimeError)"}
    assert bare.lines
    assert next(f for f in report.told if f.service == "order-api").chart


# ------------------------------------------------------------------------------ groups


class OneBadDesk(FindingDesk):
    """Cannot open, extend or clear what concerns one service."""

    async def open(self, group: Sequence[Signal], extra: Extra, catalogue: Catalogue) -> Finding:
        if group[0].service == "ledger":
            raise RuntimeError("no room for ledger")
        return await super().open(group, extra, catalogue)

    async def extend(self, finding: Finding, signals: Sequence[Signal]) -> Finding:
        raise RuntimeError(f"cannot extend {finding.service}")

    async def clear(self, finding: Finding) -> Finding:
        if finding.service == "ledger":
            raise RuntimeError("cannot resolve ledger")
        return await super().clear(finding)


async def test_a_group_that_cannot_be_told_stops_no_other_and_is_told_by_the_next_cycle(
    store: SqlStore,
) -> None:
    world = World(store)
    first = await world.cycle(desk=OneBadDesk(store, world.clock, world.channel_of, CONFIG))
    assert told(first) == {"order-api"}
    assert first.crashed == {"finding of ledger": "failed unexpectedly (RuntimeError)"}
    second = await world.cycle()
    assert told(second) == {"ledger"}
    assert second.crashed == {}


async def alert(world: World, name: str, service_name: str) -> None:
    desk = an_alert_desk(world.store, world.clock, lambda: CATALOGUE)
    fired = an_alert_told(name, service=service_name, starts_at=world.clock.now())
    await desk.receive(a_delivery(fired))


async def test_a_finding_that_cannot_be_extended_holds_up_no_new_one(store: SqlStore) -> None:
    world = World(store, trouble=("order-api",))
    assert told(await world.cycle()) == {"order-api"}
    await alert(world, "QueueFull", "order-api")  # joins the open finding
    world.metrics.tell("order-api", "ledger")
    desk = OneBadDesk(store, world.clock, world.channel_of, CONFIG)
    desk.open = world.desk.open  # type: ignore[method-assign]
    report = await world.cycle(desk=desk)
    assert told(report) == {"ledger"}
    (crashed,) = report.crashed
    assert crashed.startswith("FND-")


async def resolved(world: World) -> set[str]:
    async with world.store.begin() as tx:
        span = timedelta(days=1)
        now = world.clock.now()
        findings = await tx.findings.list(now - span, now + span)
    return {str(f.service) for f in findings if f.resolved_at is not None}


async def quiet_cycles(world: World, **parts: Any) -> CycleReport:
    reports = []
    for _ in range(12):
        world.clock.advance(timedelta(minutes=1))
        world.metrics.tell()
        reports.append(await world.cycle(**parts))
    return next(r for r in reports if r.resolved)


async def test_a_finding_that_cannot_be_resolved_holds_up_no_other(store: SqlStore) -> None:
    world = World(store)
    await world.cycle()
    desk = OneBadDesk(store, world.clock, world.channel_of, CONFIG)
    await quiet_cycles(world, desk=desk)
    assert await resolved(world) == {"order-api"}
    assert {str(f.service) for f in world.cleared} == {"order-api"}
    await world.cycle()
    assert await resolved(world) == BOTH
    assert {str(f.service) for f in world.cleared} == BOTH


async def test_whoever_fails_to_hear_that_one_is_over_still_hears_of_the_other(
    store: SqlStore,
) -> None:
    world = World(store)
    await world.cycle()
    heard: list[str] = []

    async def on_cleared(finding: Finding) -> None:
        heard.append(str(finding.service))
        raise RuntimeError("plans cannot be read")

    report = await quiet_cycles(world, on_cleared=on_cleared)
    assert set(heard) == BOTH
    assert len(report.crashed) == 2


# ------------------------------------------------------------------------------ judging


@dataclass(frozen=True)
class UnableToJudgeLedger(Classic):
    """A detector with a fault that one service's values bring out."""

    def judge(self, observed: Sequence[Observed], asked: int) -> list[Verdict]:
        if observed[0][0].label("service") == "ledger":
            raise FloatingPointError("underflow")
        return super().judge(observed, asked)


async def test_a_service_that_cannot_be_judged_leaves_the_others_judged_and_is_named(
    store: SqlStore,
) -> None:
    report = await World(store, detector=UnableToJudgeLedger()).cycle()
    assert told(report) == {"order-api"}
    assert report.crashed == {"judging ledger": "failed unexpectedly (FloatingPointError)"}


class DiesOnLedger(MortalWorkers):
    """A worker that runs out of memory over one service's series."""

    async def run(self, function: Callable[..., Any], *args: Any) -> Any:
        if function.__qualname__ == "score_groups":
            self.dies_in = {"score_groups"} if "ledger" in args[0] else set()
        return await super().run(function, *args)


async def test_a_service_over_which_workers_die_leaves_the_others_judged(store: SqlStore) -> None:
    report = await World(store, workers=DiesOnLedger()).cycle()
    assert told(report) == {"order-api"}
    (why,) = report.crashed.values()
    assert "died twice" in why


async def test_alerts_are_told_while_no_worker_judges_anything(store: SqlStore) -> None:
    world = World(store, workers=MortalWorkers("score_groups", "draw", "forecast"))
    await alert(world, "LedgerDown", "ledger")
    report = await world.cycle()
    assert told(report) == {"ledger"}
    assert report.checked == 0
    assert any("died twice" in why for why in report.crashed.values())


class OneBadMetric(Errors):
    """A store whose second metric answers what no parser understands."""

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        if promql == "odd":
            raise ValueError("could not convert string to float: 'NaNaN'")
        return await super().query_range(promql, window, step)


async def test_a_metric_whose_reading_crashes_is_named_and_stops_no_other(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = MetricSpec(MetricName("odd"), "api", "odd", "ratio", "unreadable")
    monkeypatch.setitem(CATALOGUE.metrics, odd.name, odd)
    world = World(store)
    report = await world.cycle(metrics=OneBadMetric(world.clock, "order-api", "ledger"))
    assert told(report) == BOTH
    assert report.failed == {"odd": "failed unexpectedly (ValueError)"}
    assert [gaps(f)["metrics"] for f in report.told] == [
        "odd (failed unexpectedly (ValueError))"
    ] * 2


# ------------------------------------------------------------------------------ learning


async def test_a_metric_over_which_workers_die_is_not_learned_and_stops_no_other(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = MetricSpec(MetricName("odd"), "api", "odd", "ratio", "learned after what kills workers")
    monkeypatch.setitem(CATALOGUE.metrics, odd.name, odd)
    world = World(store)
    world.metrics.series["odd"] = world.metrics.series[QUERY]

    class DiesOnErrors(MortalWorkers):
        async def run(self, function: Callable[..., Any], *args: Any) -> Any:
            errors = function.__qualname__ == "learn_all" and args[0][0].metric == "errors"
            self.dies_in = {"learn_all"} if errors else set()
            return await super().run(function, *args)

    learner = learner_of(world, workers=DiesOnErrors())
    report = await learner.run()
    assert report.learned == 2
    (why,) = report.failed
    assert why.startswith("errors: worker processes died twice")


def learner_of(
    world: World, *, workers: Workers | None = None, metrics: Metrics | None = None
) -> Learner:
    return Learner(
        world.store,
        world.clock,
        metrics or world.metrics,
        workers or world.workers,
        lambda: CATALOGUE,
        LearningConfig(0.5),
        Redactor(),
    )


class DeniedMetric(Errors):
    """A store that fails with its own words on one metric, and without any on another."""

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        if promql == "odd":
            raise ValueError("could not convert string to float: 'NaNaN'")
        if promql == "denied":
            raise BackendUnavailableError("prometheus", "no answer to Bearer abcdefghijklmnop")
        return await super().query_range(promql, window, step)


async def test_a_metric_that_cannot_be_read_is_not_learned_and_is_audited_without_secrets(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("odd", "denied"):
        spec = MetricSpec(MetricName(name), "api", name, "ratio", "unreadable")
        monkeypatch.setitem(CATALOGUE.metrics, spec.name, spec)
    world = World(store)
    report = await learner_of(world, metrics=DeniedMetric(world.clock)).run()
    assert report.learned == 2
    assert set(report.failed) == {
        "odd: failed unexpectedly (ValueError)",
        "denied: prometheus: no answer to Bearer [redacted: authorization]",
    }
    async with store.begin() as tx:
        (row,) = [r for r in await tx.audit.tail(5) if r.event.kind == "baselines.learned"]
    assert row.event.facts["failed"] == list(report.failed)


class NoLearner(Learner):
    async def run_due(self) -> Any:
        raise BackendUnavailableError("prometheus", "no answer")


async def test_a_first_lesson_that_fails_keeps_detection_from_nothing(store: SqlStore) -> None:
    world = World(store)
    learner = NoLearner(
        store,
        world.clock,
        world.metrics,
        world.workers,
        lambda: CATALOGUE,
        LearningConfig(),
        Redactor(),
    )
    ready = Readiness(learner)
    with pytest.raises(BackendUnavailableError):
        await ready.learn(world.clock.now())
    assert ready.learned


async def test_a_cycle_that_failed_in_part_beats_and_is_a_failing_job(store: SqlStore) -> None:
    beats: list[CycleReport] = []
    report = CycleReport(crashed={"judging ledger": "failed unexpectedly (ValueError)"})

    async def cycle() -> CycleReport:
        return report

    job = _cycle(
        cast("Work", SimpleNamespace(on_cycle=beats.append)),
        cast("DetectionCycle", SimpleNamespace(run=cycle)),
        cast("Readiness", SimpleNamespace(learned=True)),
    )
    with pytest.raises(BackendUnavailableError, match="judging ledger: failed unexpectedly"):
        await job(FakeClock().now())
    assert beats == [report]
