"""A release names an image that the registry does not have; old replicas are gone already."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Start
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.SERVICE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    tag = f"{random.integers(1, 9)}.{random.integers(0, 40)}.{random.integers(0, 9)}-rc{random.integers(1, 4)}"
    deploy = Deploy(when, place, "deploy", f"{stage.name(place)} to {tag}", "image", "", tag)
    changes = (
        Change(when, "unavailable", (place,), stage.figure("replicas", place)),  # Recreate
        Change(when, "start", (place,), float(Start.IMAGE)),
        Change(when, "roll", (place,), 1.0),
    )
    return Strike(changes, (stage.name(place),), (deploy,), {"tag": tag}, place)


KIND = Kind("bad_image", ("image",), places, strike, frozenset({"objects"}))
