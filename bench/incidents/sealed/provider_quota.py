"""A provider outside lets in fewer requests than we send."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.OUTSIDE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    most = stage.rate(place) * random.uniform(0.1, 0.7)
    return Strike((Change(when, "admits", (place,), most),), (stage.name(place),))


KIND = Kind("provider_quota", ("outside", "quota"), places, strike, frozenset({"logs"}))
