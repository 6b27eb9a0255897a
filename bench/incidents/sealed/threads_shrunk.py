"""A setting leaves a service a few slots for all its requests."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.SERVICE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    at_work = stage.rate(place) * stage.seconds(place) / stage.figure("replicas", place)
    slots = max(at_work * random.uniform(0.4, 0.9), 0.05)
    deploy = Deploy(when, place, "config", "MAX_THREADS lowered", "env.MAX_THREADS", "200", "4")
    changes = (Change(when, "roll", (place,), 1.0), Change(when + 60, "threads", (place,), slots))
    return Strike(changes, (stage.name(place),), (deploy,), part=place)


KIND = Kind(
    "threads_shrunk",
    ("threads", "config"),
    places,
    strike,
    frozenset({"changes", "metrics", "logs"}),
)
