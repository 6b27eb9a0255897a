"""A release refers to a secret that nobody made; old replicas are gone already."""

from __future__ import annotations

from bench.incidents.graph import Random, What
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Start
from bench.incidents.stage import Deploy, Stage, Strike


def places(stage: Stage) -> list[int]:
    return stage.places(What.SERVICE)


def strike(stage: Stage, place: int, when: float, random: Random) -> Strike:
    key = str(random.choice(["payment-token", "api-keys", "oauth-client", "signing-key"]))
    deploy = Deploy(when, place, "config", f"env from secret {key}", "env.TOKEN_REF", "", key)
    changes = (
        Change(when, "unavailable", (place,), stage.figure("replicas", place)),
        Change(when, "start", (place,), float(Start.CONFIG)),
        Change(when, "roll", (place,), 1.0),
    )
    return Strike(changes, (stage.name(place),), (deploy,), {"missing": f'secret "{key}"'}, place)


KIND = Kind("secret_missing", ("config",), places, strike, frozenset({"objects"}))
