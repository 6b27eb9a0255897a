"""A database moved, and its volume does not follow."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Start
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.DATABASE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    said = (
        'Multi-Attach error for volume "pv-data" Volume is already exclusively attached to one node '
        "and can't be attached to another"
    )
    changes = (
        Change(when, "unavailable", (place,), 1.0),
        Change(when, "start", (place,), float(Start.MOUNT)),
        Change(when, "roll", (place,), 1.0),
    )
    return Strike(changes, (stage.name(place),), details={"volume": said}, part=place)


KIND = Kind("volume_stuck", ("volume",), places, strike, frozenset({"objects"}))
