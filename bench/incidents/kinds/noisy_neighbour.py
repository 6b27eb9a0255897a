"""Something that is none of ours takes most of a machine's processor."""

from __future__ import annotations

from bench.incidents.graph import Random
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return list(range(len(stage.machines)))


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    cores = stage.machine_cores * random.uniform(0.97, 1.3)
    return Strike((Change(when, "steal", (place,), cores),), (stage.machine_names[place],))


KIND = Kind("noisy_neighbour", ("machine", "cpu"), places, strike, frozenset({"metrics"}))
