"""A database's password was changed and a service still uses the old one."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Ground
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    stores = set(stage.places(What.DATABASE))
    return [e for e in stage.links() if stage.link(e).callee in stores]


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    link = stage.link(place)
    user = stage.name(link.caller).replace("-", "_")
    share = random.uniform(0.5, 1.0)  # connections that were open go on
    return Strike(
        (Change(when, "refuse", (place, int(Ground.LOGIN)), share),),
        (stage.name(link.caller), stage.name(link.callee)),
        details={"user": user},
        part=link.caller,
    )


KIND = Kind("password_rotated", ("credentials",), places, strike, frozenset({"logs"}))
