"""A message that cannot be worked on is taken up again and again."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Stage, Strike


def places(stage: Stage) -> list[int]:
    brokers = set(stage.places(What.BROKER))
    return sorted({each.callee for each in stage.graph.links if each.caller in brokers})


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    again = random.uniform(1.0, 2.0) / max(stage.use(place), 0.02) + 30.0
    broker = next(each.caller for each in stage.graph.links if each.callee == place)
    changes = (Change(when, "rework", (place,), again), Change(when, "fail", (place,), 0.3))
    return Strike(
        changes,
        (stage.name(place), stage.name(broker)),
        details={
            "exception": "cannot deserialize message at offset 48213: unexpected end of input"
        },
        part=place,
    )


KIND = Kind("poison_message", ("queue", "bug"), places, strike, frozenset({"logs", "metrics"}))
