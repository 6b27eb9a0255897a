"""Right or wrong: an answer beside the truth, and figures over many.

A claim is right when its first cause names the subject and the mechanism class of a cause that
hurts, or the subject and the very deploy that began it (by what it changed something to): whoever
is on call takes that back. `top1_mechanism` counts the first sort alone. Of a healthy world and of
a latent fault, naming a proved cause blames the healthy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.incidents.classes import names_class, names_subject
from bench.incidents.incident import HERRING, Incident, Truth

HIGH = 0.8  # a cause told with so much confidence is meant to be acted on
BINS = 10


@dataclass(frozen=True, slots=True)
class Outcome:
    """One question and how it was answered."""

    seed: int
    state: str
    kind: str
    family: str
    size: int
    identifiable: bool
    verdict: str
    confidence: float
    place: int  # of the first right cause, from 1; 0: none is
    mechanism: bool  # whether the first cause names the mechanism as well
    ladder: Mapping[str, bool]  # rule -> whether it names the subject
    seconds: float

    @property
    def first(self) -> bool:
        """Whether the first cause is right."""
        return self.place == 1


def texts_of(cause: Mapping[str, Any]) -> tuple[str, str]:
    """Return where a cause may name its subject, and where its mechanism.

    The mechanism is looked for outside of names: a service called `cache` is no cache.
    """
    service = str(cause.get("service", ""))
    sentence = str(cause.get("cause", ""))
    return (
        f"{service} {sentence}",
        f"{str(cause.get('kind', '')).replace('_', ' ')} {sentence}",
    )


def is_right(cause: Mapping[str, Any], truth: Truth) -> bool:
    """Say whether a cause names a truth's subject, and its mechanism or its own deploy."""
    subject, sentence = texts_of(cause)
    if names_mechanism(cause, truth):
        return True
    began = any(re.search(rf"(?<![\w.]){re.escape(t)}(?![\w.])", sentence) for t in truth.triggers)
    return began and names_subject(subject, truth.subjects)


def names_mechanism(cause: Mapping[str, Any], truth: Truth) -> bool:
    """Say whether a cause names a truth's subject and mechanism."""
    subject, mechanism = texts_of(cause)
    for name in truth.subjects:
        mechanism = mechanism.replace(name, " ") if "." not in name else mechanism
    return names_subject(subject, truth.subjects) and names_class(mechanism, truth.mechanisms)


def place_of(answer: Mapping[str, Any], truths: Iterable[Truth]) -> int:
    """Return the place of the first cause that is right for any of the truths, from 1; 0: none."""
    wanted = list(truths)
    for place, cause in enumerate(answer.get("causes") or [], start=1):
        if any(is_right(cause, each) for each in wanted):
            return place
    return 0


def judged(incident: Incident) -> list[Truth]:
    """Return the truths that count: what hurts; where nothing does, what once did or would."""
    hurting = [t for t in incident.truths if t.hurts and t.kind != HERRING]
    return hurting or [t for t in incident.truths if t.hurts] or list(incident.truths)


def share(outcomes: Sequence[Outcome], fits: Callable[[Outcome], bool]) -> float:
    """Return the share that fits, NaN of nothing."""
    return sum(map(fits, outcomes)) / len(outcomes) if outcomes else math.nan


def _by(rule: str, outcome: Outcome) -> bool:
    return outcome.ladder[rule]


def figures(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """Return the bench's figures."""
    hurting = [o for o in outcomes if o.state == "hurts"]
    clear = [o for o in hurting if o.identifiable]
    well = [o for o in outcomes if o.state in {"healthy", "latent"}]
    claims = [o for o in outcomes if o.verdict == "cause"]
    high = [o for o in claims if o.confidence >= HIGH]
    calm = {"healthy", "recovered"}
    rules = {name for o in outcomes for name in o.ladder}
    ladder = {rule: share(clear, partial(_by, rule)) for rule in sorted(rules)}
    return {
        "top1": share(clear, lambda o: o.first),
        "top3": share(clear, lambda o: 1 <= o.place <= 3),
        "top1_mechanism": share(clear, lambda o: o.mechanism),
        "claimed": share(hurting, lambda o: o.verdict == "cause"),
        "high_share": share(hurting, lambda o: o.verdict == "cause" and o.confidence >= HIGH),
        "precision": share(claims, lambda o: o.first),
        "healthy_blamed": share(well, lambda o: o.verdict == "cause"),
        "false_all_clear": share(hurting, lambda o: o.verdict in calm),
        "high_right": share(high, lambda o: o.first),
        "ladder_best": max((v for v in ladder.values() if not math.isnan(v)), default=math.nan),
        "ms_per_incident": 1000.0 * sum(o.seconds for o in outcomes) / max(len(outcomes), 1),
        "incidents": len(outcomes),
        "hurting": len(hurting),
        "healthy": len(well),
        "identifiable": len(clear),
        "top1_unidentifiable": share([o for o in hurting if not o.identifiable], lambda o: o.first),
        "claimed_unidentifiable": share(
            [o for o in hurting if not o.identifiable], lambda o: o.verdict == "cause"
        ),
        "over_told": share(
            [o for o in outcomes if o.state == "over"], lambda o: o.verdict == "recovered"
        ),
        **{f"ladder_{rule}": value for rule, value in ladder.items()},
    }


def calibration(outcomes: Sequence[Outcome]) -> dict[str, dict[str, float]]:
    """Return claimed confidence against right, in ten bins."""
    found = {}
    told = [o for o in outcomes if o.verdict in {"cause", "suspects"}]
    for place in range(BINS):
        low = place / BINS
        inside = [
            o
            for o in told
            if low <= o.confidence < low + 1 / BINS or (place == 9 and o.confidence >= 1)
        ]
        if inside:
            mean = sum(o.confidence for o in inside) / len(inside)
            found[f"confidence {low:.1f}-{low + 0.1:.1f}"] = {
                "answers": len(inside),
                "told": mean,
                "right": share(inside, lambda o: o.first),
            }
    return found


def grouped(
    outcomes: Sequence[Outcome], key: Callable[[Outcome], str]
) -> dict[str, dict[str, float]]:
    """Return answers, first and third place, claims by a key, of what hurts."""
    groups: dict[str, list[Outcome]] = {}
    for each in outcomes:
        if each.state == "hurts":
            groups.setdefault(key(each), []).append(each)
    return {
        name: {
            "incidents": len(some),
            "identifiable": share(some, lambda o: o.identifiable),
            "top1": share(some, lambda o: o.first),
            "top3": share(some, lambda o: 1 <= o.place <= 3),
            "claimed": share(some, lambda o: o.verdict == "cause"),
            "all_clear": share(some, lambda o: o.verdict in {"healthy", "recovered"}),
        }
        for name, some in sorted(groups.items())
    }
