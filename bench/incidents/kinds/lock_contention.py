"""A long transaction holds a lock that most statements of a database want."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.DATABASE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    blocker = str(
        random.choice(
            [
                "ALTER TABLE journal ADD COLUMN note text",
                "VACUUM FULL sessions",
                "LOCK TABLE stock IN ACCESS EXCLUSIVE MODE",
            ]
        )
    )
    changes = (
        Change(when, "locked", (place,), random.uniform(0.3, 0.9)),
        Change(when, "lock_seconds", (place,), random.uniform(1.0, 8.0)),
    )
    return Strike(changes, (stage.name(place),), details={"blocker": blocker}, part=place)


KIND = Kind(
    "lock_contention", ("statement", "lock"), places, strike, frozenset({"statements", "logs"})
)
