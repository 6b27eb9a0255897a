"""A policy lets nobody reach a service any more."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Ground
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.SERVICE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    links = stage.links_to(place)
    changes = tuple(Change(when, "refuse", (e, int(Ground.POLICY)), 1.0) for e in links)
    return Strike(changes, (stage.name(place),), details={"policy": "default-deny"}, part=place)


KIND = Kind("network_policy", ("network",), places, strike, frozenset({"objects", "logs"}))
