"""Each request leaves bytes behind: replicas end when they are full, one after another."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return [n for n in stage.places(What.SERVICE) if stage.rate(n) > 2.0]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    free = stage.figure("memory", place) - stage.figure("base", place)
    minutes = random.uniform(12, 35)
    each = free * stage.figure("replicas", place) / (stage.rate(place) * minutes * 60.0)
    deploys: tuple[Deploy, ...] = ()
    if random.random() < 0.5:
        tag = f"v{random.integers(2, 9)}.{random.integers(0, 20)}.{random.integers(0, 9)}"
        deploys = (Deploy(when, place, "deploy", f"{stage.name(place)} {tag}", "image", "", tag),)
    changes = [Change(when, "leak", (place,), each)]
    if deploys:
        changes.insert(0, Change(when, "roll", (place,), 1.0))
    return Strike(tuple(changes), (stage.name(place),), deploys, part=place)


KIND = Kind(
    "memory_leak", ("memory",), places, strike, frozenset({"objects", "metrics"}), (45, 100)
)
