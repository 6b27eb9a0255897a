"""A provider outside answers many times as slowly; nobody here can see why."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.OUTSIDE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    slower = random.uniform(8, 60)
    return Strike((Change(when, "wait", (place,), slower, times=True),), (stage.name(place),))


KIND = Kind("provider_slow", ("outside",), places, strike, frozenset({"metrics", "logs"}))
