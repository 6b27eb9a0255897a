"""The certificate of what a service calls is no longer valid."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Ground
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return [
        e
        for e in stage.links()
        if stage.graph.parts[stage.link(e).callee].what in {What.SERVICE, What.OUTSIDE}
    ]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    callee = stage.link(place).callee
    links = stage.links_to(callee)
    changes = tuple(Change(when, "refuse", (e, int(Ground.TLS)), 1.0) for e in links)
    return Strike(changes, (stage.name(callee),), part=callee)


KIND = Kind("certificate_expired", ("certificate",), places, strike, frozenset({"logs", "metrics"}))
