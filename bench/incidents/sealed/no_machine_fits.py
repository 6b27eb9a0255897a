"""A release asks for a machine that no cluster has."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Start
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.SERVICE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    why = str(
        random.choice(
            [
                "node(s) didn't match Pod's node affinity/selector",
                "Insufficient cpu",
                "Insufficient memory",
                "node(s) had untolerated taint {dedicated: batch}",
            ]
        )
    )
    deploy = Deploy(when, place, "deploy", "resources raised", "env.PROFILE", "small", "large")
    changes = (
        Change(when, "unavailable", (place,), stage.figure("replicas", place)),
        Change(when, "start", (place,), float(Start.MISFIT)),
        Change(when, "roll", (place,), 1.0),
    )
    return Strike(changes, (stage.name(place),), (deploy,), {"unplaced": why}, place)


KIND = Kind("no_machine_fits", ("scheduling",), places, strike, frozenset({"objects"}))
