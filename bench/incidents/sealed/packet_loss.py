"""A share of packets between a service and those who call it vanishes."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Ground
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return [n for n in stage.places(What.SERVICE, What.DATABASE) if stage.links_to(n)]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    loss = random.uniform(0.03, 0.25)
    changes: list[Change] = []
    for e in stage.links_to(place):
        changes.append(Change(when, "delay", (e,), loss * random.uniform(1.0, 4.0)))
        changes.append(Change(when, "refuse", (e, int(Ground.NETWORK)), loss * 0.5))
    return Strike(tuple(changes), (stage.name(place),), part=place)


KIND = Kind("packet_loss", ("network",), places, strike, frozenset({"metrics", "logs"}))
