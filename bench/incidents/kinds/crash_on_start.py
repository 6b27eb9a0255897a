"""A change of configuration makes a program end as soon as it begins."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Start
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.SERVICE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    line = str(
        random.choice(
            [
                'fatal: cannot parse MAX_BATCH: strconv.Atoi: parsing "": invalid syntax',
                "java.lang.IllegalArgumentException: Could not resolve placeholder 'region' in value \"${region}\"",
                "ImportError: cannot import name 'soft_unicode' from 'markupsafe'",
                "Error: Cannot find module '/app/dist/main.js'",
            ]
        )
    )
    deploy = Deploy(when, place, "config", "MAX_BATCH changed", "env.MAX_BATCH", "64", "")
    changes = (
        Change(when, "unavailable", (place,), stage.figure("replicas", place)),
        Change(when, "start", (place,), float(Start.CRASH)),
        Change(when, "roll", (place,), 1.0),
    )
    return Strike(changes, (stage.name(place),), (deploy,), {"last_line": line}, place)


KIND = Kind("crash_on_start", ("crash", "config"), places, strike, frozenset({"objects", "logs"}))
