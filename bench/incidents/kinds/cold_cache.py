"""A cache loses what it held and holds little from then on; its database gets it all."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    used = {each.cache for each in stage.graph.links}
    return [n for n in stage.places(What.CACHE) if n in used]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    behind = [
        stage.link(e).callee for e in range(len(stage.graph.links)) if stage.link(e).cache == place
    ]
    left = random.uniform(0.01, 0.1)
    changes = [Change(when, "flush", (place,), left), Change(when, "hit", (place,), left)]
    tight = random.uniform(0.25, 0.45)  # this database was small, because it has a cache
    changes += [
        Change(when, "work", (n,), max(tight / max(stage.use(n), 0.01), 1.0), times=True)
        for n in behind
    ]
    return Strike(tuple(changes), (stage.name(place),), part=place)


KIND = Kind("cold_cache", ("cache",), places, strike, frozenset({"metrics"}))
