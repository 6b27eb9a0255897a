"""A Service selects pods that nobody has; its address leads nowhere."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Ground
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return [n for n in stage.places(What.SERVICE) if stage.links_to(n)]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    changes = tuple(
        Change(when, "refuse", (e, int(Ground.ROUTE)), 1.0) for e in stage.links_to(place)
    )
    return Strike(
        changes, (stage.name(place),), details={"selector": stage.name(place) + "-v2"}, part=place
    )


KIND = Kind("selector_typo", ("route", "config"), places, strike, frozenset({"objects", "logs"}))
