"""A database accepts fewer connections than its users hold."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.DATABASE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    used = float(stage.usual.used[-1, place])
    change = Change(when, "connections", (place,), max(used * random.uniform(0.2, 0.7), 0.2))
    return Strike((change,), (stage.name(place),), part=place)


KIND = Kind("connections_lowered", ("connections",), places, strike, frozenset({"metrics", "logs"}))
