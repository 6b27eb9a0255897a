"""A liveness probe became stricter than a busy replica can be."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return [n for n in stage.places(What.SERVICE) if stage.use(n) > 0.1]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    busier = random.uniform(0.75, 0.95) / stage.use(place)
    deploy = Deploy(
        when,
        place,
        "config",
        "livenessProbe.timeoutSeconds lowered",
        "probe.timeoutSeconds",
        "5",
        "1",
    )
    changes = (
        Change(when, "work", (place,), busier, times=True),
        Change(when, "probe_seconds", (place,), stage.figure("work", place) * busier * 1.6),
    )
    return Strike(changes, (stage.name(place),), (deploy,), part=place)


KIND = Kind(
    "probe_too_strict", ("probe", "config"), places, strike, frozenset({"objects", "changes"})
)
