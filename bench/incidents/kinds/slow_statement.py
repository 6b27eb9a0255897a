"""A database loses the index of a statement: each request costs it many times the work."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.DATABASE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    room = 1.0 / max(stage.use(place), 0.005)
    dearer = min(room * random.uniform(0.9, 1.15), 400.0)
    table = str(random.choice(["journal", "sessions", "audit_log", "line_items"]))
    return Strike(
        (
            Change(when, "work", (place,), dearer, times=True),
            Change(when, "wait", (place,), min(dearer, 30.0), times=True),
        ),
        (stage.name(place),),
        details={"statement": f"SELECT * FROM {table} WHERE ref = $1 ORDER BY id"},
        part=place,
    )


KIND = Kind(
    "slow_statement",
    ("statement", "database"),
    places,
    strike,
    frozenset({"statements", "logs", "metrics"}),
)
