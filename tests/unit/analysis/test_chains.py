"""What makes a chain a cause: take one test away and it is a suspect, or nothing at all."""

from __future__ import annotations

import random
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tools.analysis.facts import (
    Edge,
    Fact,
    FactSubject,
    HopResult,
    Link,
    Measured,
    Snapshot,
    StartClass,
    service,
)
from tools.analysis.rca.chains import Concern
from tools.analysis.rca.confidence import confidence_of, lowest_bound, wilson
from tools.analysis.rca.explain import told
from tools.analysis.rca.verdict import decide

NOW = datetime(2026, 11, 20, 14, tzinfo=UTC)
FRONT, BACK, STORE = service("front"), service("back"), service("store")
EDGES = (Edge(FRONT, BACK, "calls"), Edge(BACK, STORE, "calls"))
ASKED = Concern((FRONT,))


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


FULL = Fact(
    STORE, "connections-exhausted", Link.START, "store is out of connections", "metrics",
    "exporter", StartClass.EXHAUSTED, since=ago(20), tolerance=timedelta(minutes=1), evidence="E1",
)  # fmt: skip
SLOW = Fact(
    FRONT, "latency-high", Link.SHOW, "front answers in 2 s", "metrics", "application front",
    since=ago(18), tolerance=timedelta(minutes=1), evidence="E2", metric="latency",
    unexplained=0.1, explained_by="back",
)  # fmt: skip
DEPLOY = Fact(
    STORE, "changed-deploy", Link.START, "Deploy of store", "changes", "webhook",
    StartClass.MISFIT, since=ago(24), evidence="E3", kind="deploy",
)  # fmt: skip


def snapshot(*facts: Fact, edges: tuple[Edge, ...] = EDGES, **rest: object) -> Snapshot:
    return Snapshot(NOW, facts, edges, **rest)  # type: ignore[arg-type]


def names(*facts: Fact, asked: Concern = ASKED, edges: tuple[Edge, ...] = EDGES) -> tuple[str, str]:
    decided = decide(snapshot(*facts, edges=edges), asked)
    return (
        ",".join(c.start.predicate for c in decided.causes),
        ",".join(c.start.predicate for c in decided.suspects),
    )


WAITS = Fact(
    BACK, "connections-exhausted", Link.START, "back waits for a connection", "logs",
    "application back", StartClass.EXHAUSTED, since=ago(19), tolerance=timedelta(minutes=1),
    evidence="E4",
)  # fmt: skip


def test_an_exhausted_store_that_its_caller_tells_of_as_well_is_the_cause() -> None:
    assert names(FULL, WAITS, SLOW)[0] == "connections-exhausted"
    (chain, *_) = decide(snapshot(FULL, WAITS, SLOW), ASKED).causes
    assert chain.start is FULL
    assert [hop.effect for hop in chain.hops][-1] is SLOW


def test_who_suffers_is_no_second_witness_of_what_he_suffers_from() -> None:
    assert names(FULL, SLOW) == ("", "connections-exhausted")
    (chain,) = decide(snapshot(FULL, SLOW), ASKED).suspects
    assert [hop.effect for hop in chain.hops] == [SLOW]
    results = {test.name: test.result for test in chain.tests}
    assert results["reach"] is results["order"] is results["still"] is HopResult.PASSED


@pytest.mark.parametrize(
    ("facts", "edges"),
    [
        ((FULL, WAITS, SLOW), ()),  # nothing says that trouble can get there
        ((replace(FULL, since=ago(5)), WAITS, SLOW), EDGES),  # it came later than its effect
        ((replace(FULL, until=ago(60), since=ago(80)), WAITS, SLOW), EDGES),  # over before it began
        ((replace(FULL, since=None), WAITS, SLOW), EDGES),  # nobody can say since when
        ((FULL, replace(WAITS, writer=FULL.writer), SLOW), EDGES),  # one witness alone
        ((FULL, replace(WAITS, source="rules"), SLOW), EDGES),  # a team's opinion is no witness
        ((FULL, replace(WAITS, subject=FRONT), SLOW), EDGES),  # of who does not ask it himself
        ((FULL, SLOW, replace(DEPLOY, since=ago(21))), EDGES),  # near in time is no witness
        ((replace(FULL, role=Link.CARRY), WAITS, SLOW), EDGES),  # what only carries begins nothing
    ],
)
def test_no_cause_is_claimed_when_one_test_does_not_pass(
    facts: tuple[Fact, ...], edges: tuple[Edge, ...]
) -> None:
    assert names(*facts, edges=edges)[0] == ""


SLOWER = replace(
    FULL, predicate="latency-unexplained", sentence="store takes 2 s", metric="store_latency",
    start_class=StartClass.UNEXPLAINED, unexplained=1.0,
)  # fmt: skip


def test_that_two_find_somebody_slow_says_where_and_is_no_cause() -> None:
    mesh = replace(SLOWER, writer="mesh", metric="mesh_latency", evidence="E5")
    assert names(SLOWER, mesh, SLOW)[0] == ""
    late = replace(WAITS, subject=STORE, start_class=StartClass.UNEXPLAINED, evidence="E6")
    assert names(SLOWER, late, SLOW)[0] == ""  # nor is a caller who ran into his deadline


def test_lines_that_name_a_version_make_its_change_a_second_witness() -> None:
    change = replace(DEPLOY, since=ago(21), names=("4.1.0",))
    said = replace(WAITS, subject=STORE, role=Link.SHOW, predicate="error-lines",
                   writer=FULL.writer, names=("4.1.0",))  # fmt: skip
    assert names(FULL, SLOW, change)[0] == ""
    assert names(FULL, SLOW, change, said)[0] == "connections-exhausted"


def test_a_deploy_brings_no_customers() -> None:
    surge = replace(FULL, predicate="traffic-surge", start_class=StartClass.DRIVER)
    decided = decide(snapshot(surge, SLOW, DEPLOY), ASKED)
    (first, *_) = told(decided, complete=True)
    assert first.kind != "deploy"


def test_who_lies_between_and_is_as_usual_lets_nothing_through() -> None:
    calm = tuple(Measured(BACK, role, role) for role in ("latency", "errors"))
    decided = decide(snapshot(FULL, SLOW, measured=calm), ASKED)
    assert (decided.causes, decided.suspects) == ((), ())


def test_what_only_shows_is_never_named() -> None:
    backoff = replace(SLOW, subject=BACK, predicate="crash-loop", source="objects")
    assert names(SLOW, backoff) == ("", "")


@pytest.mark.parametrize(("before", "guilty"), [(4, True), (40, False), (-8, False)])
def test_a_change_is_guilty_only_of_what_began_shortly_after_it(
    before: float, guilty: bool
) -> None:
    change = replace(DEPLOY, since=ago(20 + before))
    decided = decide(snapshot(FULL, SLOW, change), ASKED)
    (cause,) = told(decided, complete=True)
    assert (cause.kind == "deploy") is guilty
    assert len(decided.acquitted) == (0 if guilty else 1)


def test_a_change_of_somebody_who_is_well_is_acquitted_with_the_reason() -> None:
    elsewhere = replace(DEPLOY, subject=BACK)
    calm = tuple(Measured(BACK, role, role) for role in ("latency", "errors"))
    decided = decide(snapshot(SLOW, elsewhere, measured=calm), ASKED)
    assert [each.why for each in decided.acquitted] == ["back is as usual"]


def test_load_that_nobody_suffers_from_is_no_trouble() -> None:
    surge = replace(FULL, predicate="traffic-surge", start_class=StartClass.DRIVER, subject=FRONT)
    assert names(surge) == ("", "")


def test_a_suspect_says_what_would_settle_it() -> None:
    alone = replace(SLOW, predicate="latency-unexplained", role=Link.START, unexplained=1.0)
    (cause,) = told(decide(snapshot(replace(alone, settle="its logs")), ASKED), complete=True)
    assert (cause.proved, cause.settle) == (False, "its logs")


def test_the_same_snapshot_gives_the_same_answer_in_whatever_order_it_comes() -> None:
    facts = [FULL, SLOW, DEPLOY, replace(FULL, subject=BACK, since=ago(19))]
    edges = list(EDGES)
    wanted = told(decide(snapshot(*facts), ASKED), complete=True)
    for seed in range(20):
        mixed = random.Random(seed)
        mixed.shuffle(facts)
        mixed.shuffle(edges)
        given = snapshot(*facts, edges=tuple(edges))
        assert told(decide(given, ASKED), complete=True) == wanted


def test_fifty_services_and_five_hundred_pods_are_decided_in_a_third_of_a_second() -> None:
    services = [service(f"s{n}") for n in range(50)]
    edges = [Edge(a, b, "calls") for n, a in enumerate(services) for b in services[n + 1 : n + 4]]
    facts = [
        replace(FULL if n % 4 else SLOW, subject=who, metric=f"m{n}", predicate=f"p{n}")
        for who in services
        for n in range(20)
    ]
    for n in range(500):
        pod = FactSubject("pod", f"p{n}", "prod")
        edges.append(Edge(pod, services[n % 50], "part_of", "objects"))
        facts.append(replace(SLOW, subject=pod, predicate="not-ready", source="objects"))
    begun = time.process_time()
    decide(snapshot(*facts, edges=tuple(edges)), Concern((services[0],)))
    assert time.process_time() - begun < 3.0  # ten times what it takes; a slow machine is no fault


def test_nothing_is_called_high_below_nine_in_ten_or_by_one_kind_alone() -> None:
    many = {"a": (40, 40), "b": (40, 40)}
    assert confidence_of("x", complete=True, table={"x": many}) >= 0.9
    assert confidence_of("x", complete=False, table={"x": many}) < 0.9
    assert confidence_of("x", complete=True, table={"x": {"a": (200, 200)}}) < 0.9
    assert confidence_of("x", complete=True, table={"x": {"a": (200, 200), "b": (3, 9)}}) < 0.9
    assert confidence_of("never seen", complete=True, table={}) < 0.45
    assert lowest_bound({}) == 0.0
    assert wilson(9, 10) < 0.9 < wilson(100, 100)
