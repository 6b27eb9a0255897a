"""Names are not resolved any more for a share of calls in a cluster."""

from __future__ import annotations

from bench.incidents.graph import Random
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Ground
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    return sorted({stage.link(e).caller for e in stage.links()})[:1]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    cluster = stage.graph.parts[place].cluster
    share, seconds = random.uniform(0.15, 0.7), random.uniform(0.5, 4.0)
    links = [
        e
        for e, each in enumerate(stage.graph.links)
        if stage.graph.parts[each.caller].cluster == cluster
    ]
    changes = [Change(when, "refuse", (e, int(Ground.DNS)), share) for e in links]
    changes += [Change(when, "delay", (e,), seconds * share) for e in links]
    return Strike(tuple(changes), ("dns", "coredns", "kube-dns", "name resolution"))


KIND = Kind("dns_failure", ("dns",), places, strike, frozenset({"logs", "metrics"}))
