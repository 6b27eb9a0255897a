"""The survey asks a store a few bounded questions; one that fails stops no other."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from bot.core.upkeep.onboarding.files import ProposedFiles
from bot.core.upkeep.onboarding.learning import learn
from bot.core.upkeep.onboarding.reporting import report_of
from bot.core.upkeep.onboarding.survey import Recognised
from bot.core.upkeep.onboarding.verifying import Proposal
from tests.fakes.clock import START, FakeClock
from tests.fakes.metrics import FakeMetrics
from tools.errors import AnswerTooLargeError, BackendUnavailableError, NotFoundError
from tools.onboarding.conventions import load_conventions
from tools.onboarding.drafts import Draft
from tools.onboarding.limits import Limit
from tools.onboarding.service_drafts import Workload, service_drafts
from tools.world import Labels, MetricRole, Series, Window

TIMES = [START.timestamp() - 30.0 * k for k in range(60, -1, -1)]


class Store(FakeMetrics):
    """Knows some series, and evaluates nothing: a sample is all of them, an aggregate nothing."""

    def __init__(self, failing: str = "") -> None:
        super().__init__()
        self.failing = failing
        for name in ("up", "pg_up", "redis_up"):
            self.put(name, {"job": "db", "instance": "h:1"}, TIMES, [1.0] * len(TIMES))

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        self.asked.append(promql)
        if self.failing and self.failing in promql:
            raise BackendUnavailableError("prometheus", "too dear")
        name = promql.rpartition("(")[2].rstrip(")")
        known = name in self.series and ("topk" in promql or promql == name)
        return await super().query(name, at) if known else []

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        bare = promql.replace("min by (job) (", "").replace("avg by (job) (", "").rstrip(")")
        return await super().query_range(bare, window, step)


async def test_a_question_that_fails_is_told_and_stops_no_other() -> None:
    learned = await learn(Store(failing="pg_up"), FakeClock(), lambda _: None)
    assert {"redis_up", "targets_up"} <= {each.name for each in learned.proposals}
    assert any("PostgreSQL" in gap and "too dear" in gap for gap in learned.survey.gaps)


async def test_what_a_convention_asks_in_vain_is_not_proposed() -> None:
    learned = await learn(Store(), FakeClock(), lambda _: None)
    assert {"postgres_up", "redis_up", "targets_up"} == {each.name for each in learned.proposals}
    assert "postgres_rate" in {each.draft.name for each in learned.silent}


class DyingStore(Store):
    """Stops for good once the proposed metrics are asked for."""

    dead = False

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        if self.dead:
            raise BackendUnavailableError("prometheus", "connection refused")
        return await super().query(promql, at)

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        self.dead = self.dead or "redis" in promql
        if self.dead:
            raise BackendUnavailableError("prometheus", "connection refused")
        return await super().query_range(promql, window, step)


async def test_of_a_store_that_dies_meanwhile_no_half_catalogue_is_learned() -> None:
    with pytest.raises(BackendUnavailableError, match="refused"):
        await learn(DyingStore(), FakeClock(), lambda _: None)


class NarrowStore(Store):
    """Has more series of Redis than may be read at once."""

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        if "redis_up" in promql:
            raise AnswerTooLargeError("prometheus", "too many series")
        return await super().query_range(promql, window, step)


async def test_what_was_refused_is_told_with_the_reason_not_as_missing_data() -> None:
    learned = await learn(NarrowStore(), FakeClock(), lambda _: None)
    told = report_of(learned, ProposedFiles((), first=True, state={}), [], [], [])
    assert any(gap.startswith("redis_up:") and "too many series" in gap for gap in told.gaps)
    assert not any(each.startswith("redis_up") for each in told.silent)


async def test_an_empty_store_is_told_as_such() -> None:
    with pytest.raises(NotFoundError, match="scrapes anything"):
        await learn(FakeMetrics(), FakeClock(), lambda _: None)


async def test_a_machine_and_an_exporter_that_only_runs_are_no_services() -> None:
    store = Store()
    for job in ("db", "node-exporter", "shopfront"):
        store.put("up", {"job": job, "instance": f"{job}:1"}, TIMES, [1.0] * len(TIMES))
    learned = await learn(store, FakeClock(), lambda _: None)
    assert {"db", "node-exporter", "shopfront"} <= learned.roles().keys()
    assert learned.services() == {"db", "shopfront"}
    machine = Proposal(
        Draft("node_cpu", "node", MetricRole.SATURATION, "q", "ratio", "", "instance", "node"),
        frozenset({"worker-1"}),
        Limit(None, ""),
    )
    known = load_conventions()["node"]
    learned.survey.recognised.append(Recognised("node", known, None))
    learned.proposals.append(machine)
    assert learned.services() == {"db", "shopfront"}
    drafts = service_drafts(
        learned.services(), [], None,
        [Workload("DaemonSet", "watch", "node-exporter"), Workload("Deployment", "apps", "other")],
        [], [], others=learned.roles().keys() - learned.services(),
    )  # fmt: skip
    assert [each.name for each in drafts] == ["db", "other", "shopfront"]
