"""A read replica cannot follow its primary's writes."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.REPLICA)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    writes = stage.rate(place - 1) * stage.figure("writes", place - 1)
    change = Change(when, "apply", (place,), writes * random.uniform(0.2, 0.8))
    return Strike((change,), (stage.name(place), stage.name(place - 1)), part=place)


KIND = Kind(
    "replica_behind", ("replication",), places, strike, frozenset({"metrics", "logs"}), (15, 60)
)
