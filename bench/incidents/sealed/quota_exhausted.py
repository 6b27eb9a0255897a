"""The namespace has no room left; pods that end are not made again."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Start
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.SERVICE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    many = stage.figure("replicas", place)
    changes = (
        Change(when, "unavailable", (place,), many),
        Change(when, "start", (place,), float(Start.QUOTA)),
        Change(when, "roll", (place,), 1.0),
    )
    return Strike(changes, (stage.name(place), "quota"), part=place)


KIND = Kind("quota_exhausted", ("quota",), places, strike, frozenset({"objects"}))
