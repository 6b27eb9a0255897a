"""People come in many times their usual number."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return [stage.graph.asked]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    tight = max((stage.use(n) for n in stage.places(What.SERVICE, What.DATABASE)), default=0.3)
    more = random.uniform(0.95, 1.6) / max(tight, 0.15)
    entries = tuple(stage.name(each) for each in stage.graph.entries)
    return Strike((Change(when, "load", (), more, times=True),), (stage.name(place), *entries))


KIND = Kind("surge", ("traffic",), places, strike, frozenset({"metrics"}), (5, 40))
