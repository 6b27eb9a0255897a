"""Draws an incident: a stage, what strikes it and when, what else happens beside it.

seed ──> healthy (a quarter, most with a frightening past) | one fault | two | one that is over
     ──> herrings: deploys that cluster, restarts, a cold cache, none of which hurts
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from bench.incidents.graph import HELD_OUT as HELD_FAMILIES
from bench.incidents.graph import OPEN as OPEN_FAMILIES
from bench.incidents.graph import Names, Random, What, draw
from bench.incidents.kind import Kind
from bench.incidents.parameters import Change, Parameters
from bench.incidents.stage import HOURS, Deploy, Stage, Strike, set_stage
from bench.incidents.words import ENDS, TRADES

HEALTHY, OVER, DOUBLE = 0.25, 0.07, 0.13  # shares of seeds
PAST = 0.6  # of the healthy ones have a fault behind them
TOLD = 0.75  # of deploys are known to the cluster or a webhook


@dataclass(slots=True)
class Fault:
    """One kind at one place, from a time on, perhaps to its end."""

    kind: Kind
    strike: Strike
    began: float  # seconds since the world began
    ended: float = np.inf
    is_past: bool = False  # it was over long ago: no fault of today

    @property
    def changes(self) -> tuple[Change, ...]:
        """What it changes, and back again where it ends."""
        return self.strike.changes


@dataclass(slots=True)
class Herring:
    """Something that happens beside a fault and hurts nobody, or hardly."""

    when: float
    part: int
    changes: tuple[Change, ...]
    deploys: tuple[Deploy, ...]


@dataclass(slots=True)
class Sketch:
    """An incident before it is simulated."""

    seed: int
    stage: Stage
    faults: list[Fault]
    herrings: list[Herring]
    wish: str  # healthy | over | fault | double
    mean: float
    random: Random
    past: list[Fault] = field(default_factory=list)


def sketch(seed: int, kinds: Sequence[Kind], *, held_out: bool, attempt: int = 0) -> Sketch:
    """Draw the incident of a seed; another attempt draws other places and strengths."""
    random = np.random.default_rng([seed, attempt, int(held_out)])
    families = list((HELD_FAMILIES if held_out else OPEN_FAMILIES).values())
    trade = list(TRADES.values())[int(random.integers(len(TRADES)))]
    names = Names(random, trade, ENDS[int(random.integers(len(ENDS)))])
    size = int(np.round(np.exp(random.uniform(np.log(6), np.log(24)))))
    graph = draw(families[seed % len(families)], size, names, random)
    mean = float(np.exp(random.uniform(np.log(15), np.log(350))))
    stage = set_stage(graph, mean, random)
    wished = float(np.random.default_rng([seed, 7]).random())  # of a seed, whatever the attempt
    wish = (
        "healthy"
        if wished < HEALTHY
        else "over"
        if wished < HEALTHY + OVER
        else "double"
        if wished < HEALTHY + OVER + DOUBLE
        else "fault"
    )
    made = Sketch(seed, stage, [], [], wish, mean, random)
    made.stage.now = HOURS * 3600.0
    kind = kinds[(seed // len(families)) % len(kinds)] if not attempt else _any(kinds, random)
    if wish == "healthy":
        if random.random() < PAST:
            began = made.stage.now - random.uniform(3.0, 20.0) * 3600.0
            ended = began + random.uniform(0.4, 2.0) * 3600.0
            past = _fault(made, _healing(kinds, random), began, min(ended, made.stage.now - 9000.0))
            made.past += [replace(past, is_past=True)] if past is not None else []
    elif wish == "over":
        kind = kind if kind.heals else _healing(kinds, random)
        ended = made.stage.now - random.uniform(14, 45) * 60.0
        fault = _fault(made, kind, ended - random.uniform(*kind.age_minutes) * 60.0, ended)
        made.faults += [fault] if fault is not None else []
    else:
        began = made.stage.now - random.uniform(*kind.age_minutes) * 60.0
        fault = _fault(made, kind, began)
        if wish == "double":
            other = _any(kinds, random)
            second = _fault(made, other, made.stage.now - random.uniform(*other.age_minutes) * 60.0)
            made.faults += [second] if second is not None else []
        made.faults[:0] = [fault] if fault is not None else []
    made.herrings = _herrings(made)
    return made


def _any(kinds: Sequence[Kind], random: Random) -> Kind:
    return kinds[int(random.integers(len(kinds)))]


def _healing(kinds: Sequence[Kind], random: Random) -> Kind:
    return _any([each for each in kinds if each.heals] or list(kinds), random)


def _fault(made: Sketch, kind: Kind, began: float, ended: float = np.inf) -> Fault | None:
    places = list(kind.places(made.stage))
    if not places:
        return None
    place = int(places[int(made.random.integers(len(places)))])
    strike = kind.strike(made.stage, place, began, made.random)
    if np.isfinite(ended):
        strike = replace(strike, changes=(*strike.changes, *_undone(made.stage, strike, ended)))
    return Fault(kind, strike, began, ended)


def _undone(stage: Stage, strike: Strike, at: float) -> list[Change]:
    """Return the changes that put every figure back."""
    back: list[Change] = []
    for each in strike.changes:
        if each.of in Parameters.__dataclass_fields__:
            back.append(Change(at, each.of, each.at, stage.figure(each.of, *each.at)))
        elif each.of in {"speed", "sick"}:
            back.append(Change(at, each.of, each.at, 1.0 if each.of == "speed" else 0.0))
    parts = {each.at[0] for each in strike.changes if each.of == "roll"}
    if strike.part >= 0 and not parts and stage.graph.parts[strike.part].what is What.SERVICE:
        parts = {strike.part}
    return [*back, *(Change(at + 1, "roll", (part,), 1.0) for part in sorted(parts))]


def _herrings(made: Sketch) -> list[Herring]:
    """Return deploys that cluster near the beginning, and small things that hurt nobody."""
    random, stage = made.random, made.stage
    near = made.faults[0].began if made.faults else stage.now - random.uniform(5, 90) * 60.0
    hit = {each.strike.part for each in made.faults}
    services = [n for n in stage.graph.of(What.SERVICE) if n not in hit]
    found: list[Herring] = []
    for _ in range(int(random.choice([0, 1, 2, 3, 5], p=[0.15, 0.25, 0.25, 0.2, 0.15]))):
        if not services:
            break
        part = int(random.choice(services))
        when = float(np.clip(near + random.normal(0, 900.0), 3600.0, stage.now - 120.0))
        found.append(Herring(when, part, *_harmless(stage, part, when, random)))
    for _ in range(int(random.choice([0, 1, 2, 3], p=[0.2, 0.35, 0.3, 0.15]))):
        when = float(np.clip(near - random.exponential(900.0) + 120.0, 3600.0, stage.now - 120.0))
        part = int(random.choice([n for n in stage.graph.of(What.SERVICE) if n not in hit] or [0]))
        if part not in hit:
            found.append(Herring(when, part, _shift(stage, part, when, random), ()))
    for _ in range(int(random.integers(0, 6))):  # long ago
        part = int(random.choice(stage.graph.of(What.SERVICE)))
        when = float(stage.now - random.uniform(2.5, 26.0) * 3600.0)
        changes, deploys = _harmless(stage, part, when, random)
        found.append(Herring(when, part, changes, deploys))
    return found


def _shift(stage: Stage, part: int, when: float, random: Random) -> tuple[Change, ...]:
    """Return a change that anybody can see in a part's own figures, and nobody minds.

    Another mixture of requests, a report that somebody runs, a bigger list in memory.
    """
    room = 0.65 / max(stage.use(part), 0.02)
    dearer = Change(
        when, "work", (part,), float(min(random.uniform(1.3, 2.5), max(room, 1.0))), times=True
    )
    longer = Change(when, "wait", (part,), float(random.uniform(1.2, 1.6)), times=True)
    fuller = Change(when, "base", (part,), float(random.uniform(1.1, 1.35)), times=True)
    return ((dearer,), (dearer, longer), (fuller,), (longer, fuller))[int(random.integers(4))]


def _harmless(
    stage: Stage, part: int, when: float, random: Random
) -> tuple[tuple[Change, ...], tuple[Deploy, ...]]:
    major, minor = int(random.integers(1, 8)), int(random.integers(1, 60))
    name = stage.name(part)
    if random.random() < 0.7:
        deploy = Deploy(
            when,
            part,
            "deploy",
            f"{name} {major}.{minor}.0",
            "image",
            f"{major}.{minor - 1}.{random.integers(0, 5)}",
            f"{major}.{minor}.0",
        )
        changes = [Change(when, "roll", (part,), 1.0)]
        if random.random() < 0.4:  # a version that is a little dearer, and nobody minds
            changes.append(
                Change(when + 60, "work", (part,), random.uniform(1.0, 1.15), times=True)
            )
        return tuple(changes), (deploy,)
    key = str(random.choice(["LOG_LEVEL", "FEATURE_BANNER", "CACHE_TTL_SECONDS", "BATCH_SIZE"]))
    before, after = str(random.integers(1, 50)), str(random.integers(50, 90))
    deploy = Deploy(when, part, "config", f"{key} {before} -> {after}", f"env.{key}", before, after)
    return (Change(when, "roll", (part,), 1.0),), (deploy,)
