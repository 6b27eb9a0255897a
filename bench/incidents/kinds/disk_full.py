"""Something on a database's volume grows until there is no room; what writes fails."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.DATABASE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    minutes = random.uniform(15, 50)
    return Strike(
        (Change(when, "fill", (place,), 0.6 / (minutes * 60.0)),), (stage.name(place),), part=place
    )


KIND = Kind("disk_full", ("disk",), places, strike, frozenset({"metrics", "logs"}), (50, 110))
