"""A caller waits for less time than its callee usually needs."""

from __future__ import annotations

from bench.incidents.graph import Random
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.links()


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    link = stage.link(place)
    seconds = float(stage.usual.link_slow[-1, place]) * random.uniform(0.5, 1.1)
    deploy = Deploy(
        when,
        link.caller,
        "config",
        "CLIENT_TIMEOUT_MS lowered",
        "env.CLIENT_TIMEOUT_MS",
        "5000",
        f"{seconds * 1000:.0f}",
    )
    changes = (
        Change(when, "roll", (link.caller,), 1.0),
        Change(when + 60, "timeout", (place,), seconds),
    )
    return Strike(changes, (stage.name(link.caller),), (deploy,), part=link.caller)


KIND = Kind(
    "timeout_lowered", ("config", "timeout"), places, strike, frozenset({"changes", "logs"})
)
