"""Connections to a database are taken from a service's pool and never given back."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    stores = set(stage.places(What.DATABASE))
    return [e for e in stage.links() if stage.link(e).callee in stores]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    link = stage.link(place)
    minutes = random.uniform(10, 30)
    each = stage.figure("pool", place) / (minutes * 60.0)
    tag = f"{random.integers(1, 5)}.{random.integers(10, 60)}.0"
    deploy = Deploy(when, link.caller, "deploy", f"release {tag}", "image", "", tag)
    changes = (Change(when, "roll", (link.caller,), 1.0), Change(when, "pool_leak", (place,), each))
    told = (deploy,) if random.random() < 0.5 else ()
    return Strike(
        changes if told else changes[1:], (stage.name(link.caller),), told, part=link.caller
    )


KIND = Kind("pool_leak", ("connections",), places, strike, frozenset({"metrics", "logs"}), (35, 90))
