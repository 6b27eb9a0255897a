"""What databases say of themselves is found by the exporters' names and joined to a service."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from tests.fakes.baselines import FakeBaselines
from tests.fakes.clock import FakeClock
from tests.fakes.metrics import FakeMetrics
from tools.analysis.facts import Fact, FactSubject, Link, StartClass
from tools.observe.metric_facts import MetricsExamined, examine_metrics
from tools.observe.own_views import VIEWS, View, spec_of, views_in, whose
from tools.world import Catalogue, ServiceName, ServiceSpec, WorkloadRef, labels_of

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TIMES = NOW.timestamp() - 60.0 * np.arange(7 * 60, -1, -1)
DB = ServiceSpec(
    ServiceName("orders-db"),
    "shop",
    (
        WorkloadRef("", "shop", "Cluster", "orders-pg"),
        WorkloadRef("", "shop", "Deployment", "shared"),
    ),
)
OTHER = ServiceSpec(
    ServiceName("orders"), "shop", (WorkloadRef("", "shop", "Deployment", "shared"),)
)
CATALOGUE = Catalogue({}, {spec.name: spec for spec in (DB, OTHER)})
STATEMENTS, SESSIONS = VIEWS[0], VIEWS[4]


class Store(FakeMetrics):
    """A store with some exporters' names."""

    def tell(self, query: str, level: float, factor: float, **labels: str) -> None:
        values = level * (1 + np.random.default_rng(3).normal(0, 0.02, TIMES.size))
        values[-20:] *= factor
        self.put(query, labels, TIMES.tolist(), values.tolist())

    def view(self, view: View, part: str, level: float, factor: float = 1.0) -> None:
        labels = {view.parts[0]: part, "instance": "orders-pg-1.shop.svc:9187"}
        self.tell(spec_of(view).query, level, factor, **labels)

    async def metric_names(self) -> list[str]:
        return [view.metric for view in VIEWS if spec_of(view).query in self.series]


async def looked(store: Store) -> tuple[Fact, ...]:
    result = await examine_metrics.function(
        store, FakeClock(NOW), CATALOGUE, FakeBaselines(), service="orders-db"
    )
    examined: MetricsExamined = result.value
    return examined.facts


def calls(store: Store, part: str, level: float, factor: float) -> None:
    counted = spec_of(STATEMENTS, STATEMENTS.number).query
    labels = {"queryid": part, "instance": "orders-pg-1.shop.svc:9187"}
    store.tell(counted, level, factor, **labels)


@pytest.mark.parametrize(("more_calls", "why"), [(60.0, "more calls"), (1.0, "each takes longer")])
async def test_a_statement_that_came_to_dominate_is_named_with_why(
    more_calls: float, why: str
) -> None:
    store = Store()
    for part, level, factor in (("11", 0.4, 1.0), ("22", 0.05, 60.0), ("33", 0.3, 1.0)):
        store.view(STATEMENTS, part, level, factor)
        calls(store, part, 10, more_calls if part == "22" else 1.0)
    facts = {each.predicate: each for each in await looked(store)}
    assert set(facts) == {"statement-dominates", "database-time-filling"}
    start = facts["statement-dominates"]
    assert start.subject == FactSubject("statement", "22", "orders-db")
    assert (start.role, start.start_class) == (Link.START, StartClass.DRIVER)
    assert start.writer == "database orders-db"
    assert why in start.sentence
    assert facts["database-time-filling"].role is Link.CARRY


async def test_idle_sessions_that_pile_up_are_told_as_kept_and_not_used() -> None:
    store = Store()
    store.view(SESSIONS, "active", 5)
    store.view(SESSIONS, "idle in transaction", 2, 20)
    facts = {each.predicate: each for each in await looked(store)}
    assert "connections are kept, not used" in facts["wait-dominates"].sentence


async def test_a_statement_told_with_its_text_is_told_short() -> None:
    store = Store()
    for part, factor in (("select 1", 1.0), (f"select {'x, ' * 500}y", 40.0)):
        store.view(STATEMENTS, part, 0.1, factor)
    facts = {each.predicate: each for each in await looked(store)}
    start = facts["statement-dominates"]
    assert start.subject.name.startswith("select x, x")
    assert len(start.subject.name) <= 120
    assert len(start.sentence) < 320


async def test_a_load_as_ever_has_no_holder_however_uneven_it_is() -> None:
    store = Store()
    store.view(STATEMENTS, "11", 5)
    store.view(STATEMENTS, "22", 0.1)
    assert await looked(store) == ()


def test_views_are_known_by_their_exporters_names() -> None:
    assert views_in(["up", "pg_stat_activity_count"]) == [SESSIONS]
    assert views_in([]) == []


@pytest.mark.parametrize(
    ("labels", "name"),
    [
        ({"instance": "orders-pg-1.shop.svc:9187"}, "orders-db"),  # the pod of its workload
        ({"server": "orders-db:5432"}, "orders-db"),
        ({"job": "shop/orders-db"}, "orders-db"),
        ({"instance": "10.0.0.7:9187"}, ""),
        ({"instance": "ordersdb:1"}, ""),  # no boundary
        ({"job": "orders-db-exporter"}, "orders-db"),  # the longer of two beginnings
        ({"job": "orders"}, "orders"),
        ({"job": "shared"}, ""),  # two run it: no guess
    ],
)
def test_a_view_is_joined_by_a_name_at_a_boundary_and_never_guessed(
    labels: dict[str, str], name: str
) -> None:
    assert whose(labels_of(labels), (DB, OTHER)) == name


async def test_a_few_more_of_the_same_calls_are_carried_and_begin_nothing() -> None:
    store = Store()
    for part, factor in (("11", 1.0), ("22", 3.0)):
        store.view(STATEMENTS, part, 0.3, factor)
        calls(store, part, 10, factor)
    facts = {each.predicate: each for each in await looked(store)}
    assert facts["statement-dominates"].role is Link.CARRY
