"""Requests leave files open until a replica may open no more."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.SERVICE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    minutes = random.uniform(10, 30)
    each = 960.0 * stage.figure("replicas", place) / (max(stage.rate(place), 0.1) * minutes * 60.0)
    return Strike((Change(when, "handle_leak", (place,), each),), (stage.name(place),), part=place)


KIND = Kind("handle_leak", ("files",), places, strike, frozenset({"metrics", "logs"}), (35, 90))
