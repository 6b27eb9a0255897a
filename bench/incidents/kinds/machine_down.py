"""A machine stops answering; what ran there is made anew elsewhere after minutes."""

from __future__ import annotations

from bench.incidents.graph import Random
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return list(range(len(stage.machines)))


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    return Strike((Change(when, "down", (place,), 1.0),), (stage.machine_names[place],))


KIND = Kind("machine_down", ("machine",), places, strike, frozenset({"objects"}), (1.5, 5))
