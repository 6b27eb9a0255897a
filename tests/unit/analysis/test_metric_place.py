"""What is slow by itself in one place is blamed on the place, and on nothing that stands alone."""

from __future__ import annotations

from datetime import UTC, datetime

from tools.analysis.facts import Fact, FactSubject, Link, Measured, service
from tools.analysis.metric_facts.place import place_facts

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
RUNS_ON = {
    "mail": {"n1"}, "carts": {"n1"}, "pay": {"n1"}, "front": {"n2"}, "stock": {"n2"},
    "wide": {"n1", "n2"},
}  # fmt: skip


def slow(who: str, ratio: float, predicate: str = "latency-unexplained") -> Fact:
    role = Link.START if predicate == "latency-unexplained" else Link.SHOW
    return Fact(
        service(who), predicate, role, f"{who} is slow", "metrics", "mesh",
        log_ratio=ratio, unexplained=1.0, since=AT,
    )  # fmt: skip


def usual(*names: str) -> list[Measured]:
    return [Measured(service(who), "latency", "latency") for who in names]


def nodes(facts: list[Fact], well: list[Measured]) -> list[tuple[str, str]]:
    return [(each.subject.name, each.predicate) for each in place_facts(facts, well, RUNS_ON)]


def test_two_services_slow_alike_on_one_node_are_the_nodes_trouble() -> None:
    facts = [slow("mail", 5), slow("carts", 4), slow("front", 4, "latency-high")]
    (found,) = place_facts(facts, usual("stock"), RUNS_ON)
    assert (found.subject, found.predicate) == (FactSubject("node", "n1"), "node-slow")
    assert {each.name for each in found.victims} == {"mail", "carts"}
    assert found.since == AT


def test_lost_packets_say_that_it_is_the_network() -> None:
    lost = Fact(
        FactSubject("node", "n1"), "packets-lost", Link.CARRY, "packets are lost", "metrics",
        "exporter",
    )  # fmt: skip
    assert nodes([slow("mail", 5), slow("carts", 4), lost], usual("stock")) == [
        ("n1", "node-network-slow")
    ]


def test_one_slow_service_is_itself_wherever_it_runs() -> None:
    assert nodes([slow("mail", 5)], usual("carts", "stock")) == []
    assert nodes([slow("mail", 5), slow("carts", 1)], usual("stock")) == []


def test_what_is_as_slow_elsewhere_acquits_the_node() -> None:
    assert nodes([slow("mail", 5), slow("carts", 4), slow("stock", 4)], []) == []


def test_a_node_where_most_is_well_is_not_blamed() -> None:
    facts = [slow("mail", 5), slow("carts", 5)]
    crowd = {f"s{place}": {"n1"} for place in range(5)}
    well = usual("stock", *crowd)
    assert place_facts(facts, well, {**RUNS_ON, **crowd}) == []


def test_who_runs_on_several_nodes_is_exposed_to_none_of_them() -> None:
    assert nodes([slow("mail", 5), slow("wide", 5)], usual("stock")) == []


def test_without_anything_elsewhere_nothing_can_be_compared() -> None:
    assert place_facts([slow("mail", 5), slow("carts", 5)], [], {"mail": {"n1"}}) == []
