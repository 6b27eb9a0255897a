"""A release fails a share of requests by its own fault."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.SERVICE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    tag = f"{random.integers(2, 9)}.{random.integers(0, 30)}.0"
    before = f"{tag.split('.', maxsplit=1)[0]}.{max(int(tag.split('.')[1]) - 1, 0)}.4"
    deploy = Deploy(when, place, "deploy", f"{stage.name(place)} {tag}", "image", before, tag)
    said = str(
        random.choice(
            [
                "cannot read field 'currency' of null",
                "KeyError: 'postal_code'",
                "NullReferenceException: Object reference not set to an instance of an object",
                "json: cannot unmarshal string into Go struct field .amount of type int64",
            ]
        )
    )
    share = random.uniform(0.08, 0.6)
    changes = (Change(when, "roll", (place,), 1.0), Change(when + 60, "fail", (place,), share))
    return Strike(changes, (stage.name(place),), (deploy,), {"exception": said}, place)


KIND = Kind(
    "bug_release", ("deploy", "bug"), places, strike, frozenset({"logs", "changes", "metrics"})
)
