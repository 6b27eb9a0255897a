"""One replica of several fails a share of what it gets, or is many times slower."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return [n for n in stage.places(What.SERVICE) if stage.figure("replicas", n) < 4]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    if random.random() < 0.5:
        change = Change(when, "sick", (place, 0), random.uniform(0.4, 1.0))
    else:
        change = Change(when, "speed", (place, 0), random.uniform(0.01, 0.05))
    return Strike((change,), (stage.name(place),), part=place)


KIND = Kind("one_sick_replica", ("replica", "bug"), places, strike, frozenset({"metrics", "logs"}))
