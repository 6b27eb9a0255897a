"""A release makes each request of a service many times dearer."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return [n for n in stage.places(What.SERVICE) if stage.use(n) > 0.05]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    tag = f"{random.integers(2, 9)}.{random.integers(1, 30)}.0"
    before = f"{tag.split('.', maxsplit=1)[0]}.{int(tag.split('.')[1]) - 1}.2"
    deploy = Deploy(when, place, "deploy", f"{stage.name(place)} {tag}", "image", before, tag)
    dearer = random.uniform(0.9, 1.5) / stage.use(place)
    changes = (
        Change(when, "roll", (place,), 1.0),
        Change(when + 60, "work", (place,), dearer, times=True),
    )
    return Strike(changes, (stage.name(place),), (deploy,), part=place)


KIND = Kind("slow_release", ("deploy", "cpu"), places, strike, frozenset({"changes", "metrics"}))
