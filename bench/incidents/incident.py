"""One incident with its truth, which nobody wrote: the same world with and without each cause.

Variants of one run: 0 everything · 1… without each fault · then without each herring of the last
hours. What a cause did is the difference at the entry that people asked about.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from bench.incidents.drawing import Fault, Herring, Sketch, sketch
from bench.incidents.kind import Kind
from bench.incidents.mechanics import Track, World
from bench.incidents.parameters import Change, Floats
from bench.incidents.pods import Pods
from bench.incidents.stage import Deploy, Stage, times, traffic

EPOCH = datetime(2026, 3, 2, tzinfo=UTC)
SLOWER, SLOWER_SECONDS, FAILS = 1.5, 0.03, 0.01  # what people notice
LAST, OF_LAST = 4, 3  # steps: present is three of the last four
ATTEMPTS = 5
HERRING = "herring"  # the kind of a truth that was drawn to hurt nobody
MOST_HERRINGS = 3  # that are checked one by one; the others are checked together


@dataclass(frozen=True, slots=True)
class Truth:
    """One cause as the comparison found it."""

    kind: str
    subjects: tuple[str, ...]
    mechanisms: tuple[str, ...]
    began: float
    hurts: bool  # now
    hurt: bool  # at some time
    triggers: tuple[str, ...] = ()  # what its deploys changed something to


@dataclass(slots=True)
class Incident:
    """What happened, what was true, and what was asked."""

    seed: int
    stage: Stage
    track: Track
    truths: tuple[Truth, ...]
    state: str  # hurts | over | latent | healthy
    faults: tuple[Fault, ...]  # of today
    past: tuple[Fault, ...]
    deploys: tuple[Deploy, ...]
    start: datetime  # when the world began
    question: str
    size: int
    slow_ratio: float
    failed_more: float

    @property
    def now(self) -> datetime:
        """When somebody asks."""
        return self.at(self.stage.now)

    def at(self, seconds: float) -> datetime:
        """Return the time of a moment."""
        return self.start + timedelta(seconds=float(seconds))

    @property
    def asked(self) -> str:
        """The service somebody asks about."""
        return self.stage.name(self.stage.graph.asked)


def make(seed: int, kinds: Sequence[Kind], *, held_out: bool = False) -> Incident:
    """Return the incident of a seed. What does not hurt is drawn again, a few times."""
    for attempt in range(ATTEMPTS):
        drawn = sketch(seed, kinds, held_out=held_out, attempt=attempt)
        found = play(drawn)
        wanted = {"healthy": "healthy", "over": "over"}.get(drawn.wish, "hurts")
        if found.state == wanted:
            return found
        if attempt == 1 and found.state == "latent" and seed % 4 == 0:
            return found  # a fault that hurts nobody is an incident, too
    return found


def play(drawn: Sketch) -> Incident:
    """Simulate every variant of a sketch and compare them."""
    stage, random = drawn.stage, drawn.random
    faults, past = drawn.faults, drawn.past
    recent = [h for h in drawn.herrings if h.when > stage.now - 3 * 3600.0]
    single, rest = recent[:MOST_HERRINGS], recent[MOST_HERRINGS:]
    left_out: list[list[Fault | Herring]] = [[]]
    left_out += [[each] for each in faults]
    left_out += [[each] for each in single]
    left_out += [list(rest)] if rest else []
    everything: list[Fault | Herring] = [*past, *faults, *drawn.herrings]
    changes = [
        [c for each in everything if not any(each is out for out in without) for c in each.changes]
        for without in left_out
    ]
    track = _simulate(drawn, changes)
    asked = stage.graph.asked
    truths = []
    for place, fault in enumerate(faults, start=1):
        now_, ever = _harm(track, asked, place)
        truths.append(
            Truth(
                fault.kind.name,
                fault.strike.subjects,
                fault.kind.mechanisms,
                fault.began,
                now_,
                ever,
                tuple(d.after for d in fault.strike.deploys if d.after),
            )
        )
    for place, herring in enumerate(single, start=1 + len(faults)):
        now_, ever = _harm(track, asked, place)
        if now_:  # it was to hurt nobody, and does: then it is a cause
            name = stage.name(herring.part)
            truths.append(Truth(HERRING, (name,), ("deploy", "config"), herring.when, True, ever))
    hurts = any(each.hurts for each in truths)
    hurt = any(each.hurt for each in truths)
    state = "hurts" if hurts else "over" if hurt else "latent" if faults else "healthy"
    ratio, more = _size_of(track, asked)
    start = EPOCH + timedelta(hours=float(random.uniform(0, 24 * 60)))
    return Incident(
        seed=drawn.seed,
        stage=stage,
        track=track,
        truths=tuple(sorted(truths, key=lambda each: (not each.hurts, each.kind == HERRING))),
        state=state,
        faults=tuple(faults),
        past=tuple(past),
        deploys=tuple(
            sorted(
                (
                    d
                    for each in everything
                    for d in (each.strike.deploys if isinstance(each, Fault) else each.deploys)
                ),
                key=lambda each: each.when,
            )
        ),
        start=start.replace(microsecond=0),
        question=_question(stage, ratio, more, random),
        size=len(stage.graph.parts),
        slow_ratio=ratio,
        failed_more=more,
    )


def _simulate(drawn: Sketch, changes: Sequence[Sequence[Change]]) -> Track:
    stage = drawn.stage
    at = times(stage.now)
    parameters = stage.parameters.spread(len(changes))
    pods = Pods(
        stage.graph,
        parameters,
        stage.machines,
        stage.machine_cores,
        np.random.default_rng(stage.hand_seed),
    )
    random = np.random.default_rng([drawn.seed, 11])
    entries = len(stage.graph.entries)
    mean = float(stage.usual.arrived[-1, 0, stage.graph.entries].sum())
    disk: Floats = np.repeat(
        random.uniform(0.2, 0.55, (1, len(stage.graph.parts))), len(changes), 0
    )
    world = World(
        stage.graph,
        parameters,
        pods,
        stage.machine_cores,
        traffic(at, mean, entries, random),
        at,
        changes,
        disk,
    )
    return world.run()


def _harm(track: Track, asked: int, without: int) -> tuple[bool, bool]:
    """Say whether leaving something out would be noticed: now, and at any time."""
    slow, failed = track.slow[:, :, asked], track.failed[:, :, asked]
    worse = (slow[:, 0] > SLOWER * slow[:, without]) & (
        slow[:, 0] > slow[:, without] + SLOWER_SECONDS
    )
    worse |= failed[:, 0] > failed[:, without] + FAILS
    runs = np.convolve(worse, np.ones(LAST), "valid") >= OF_LAST
    return bool(runs[-1]), bool(runs.any())


def _size_of(track: Track, asked: int) -> tuple[float, float]:
    before = slice(-300, -200)
    slow, failed = track.slow[:, 0, asked], track.failed[:, 0, asked]
    ratio = float(slow[-LAST:].mean() / max(np.median(slow[before]), 1e-6))
    return ratio, float(failed[-LAST:].mean() - np.median(failed[before]))


def _question(stage: Stage, ratio: float, more: float, random: np.random.Generator) -> str:
    """Return what somebody on call asks; of a healthy one it asks the same."""
    name = stage.name(stage.graph.asked)
    if more > 0.02 and (ratio < 3 or random.random() < 0.6):
        word = "failing"
    elif ratio > SLOWER:
        word = "slow"
    else:
        word = str(random.choice(["slow", "failing"]))
    return f"Why is {name} {word}?"
