"""The survey asks a store a few bounded questions; one that fails stops no other."""

from __future__ import annotations

from datetime import datetime

import pytest

from bot.core.upkeep.onboarding.learning import learn
from tests.fakes.clock import START, FakeClock
from tests.fakes.metrics import FakeMetrics
from tools.errors import BackendUnavailableError, NotFoundError
from tools.world import Labels

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

    async def query_range(self, promql, window, step=None):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201
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


async def test_an_empty_store_is_told_as_such() -> None:
    with pytest.raises(NotFoundError, match="scrapes anything"):
        await learn(FakeMetrics(), FakeClock(), lambda _: None)
