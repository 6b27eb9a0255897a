"""A new version of the manifest gives replicas a fraction of the processor they need."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return [n for n in stage.places(What.SERVICE) if stage.use(n) > 0.1]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    before = stage.figure("cores", place)
    after = before * stage.use(place) * random.uniform(0.75, 1.05)
    what = f"resources.limits.cpu {before * 1000:.0f}m -> {after * 1000:.0f}m"
    deploy = Deploy(
        when, place, "deploy", what, "limits.cpu", f"{before * 1000:.0f}m", f"{after * 1000:.0f}m"
    )
    changes = (Change(when, "roll", (place,), 1.0), Change(when + 60, "cores", (place,), after))
    return Strike(changes, (stage.name(place),), (deploy,), part=place)


KIND = Kind(
    "cpu_limit_lowered", ("cpu", "config"), places, strike, frozenset({"metrics", "changes"})
)
