"""What came of an incident: the right place first, claimed or only suspected, health told right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import re2

from bench.stories.story import Story

WELL = frozenset({"healthy", "recovered"})


@dataclass(frozen=True, slots=True)
class Judged:
    """One incident with what was answered."""

    story: Story
    verdict: str
    first: str  # the first cause as it was told, empty: none
    confidence: float
    at_place: bool  # its place is right, and it says what it must
    innocent: bool  # it names who did nothing
    right_verdict: bool
    cell: str = ""  # of the table of confidence; empty: nothing is named


def judge(story: Story, answer: Mapping[str, Any]) -> Judged:
    """Judge one answer."""
    causes: Sequence[Mapping[str, Any]] = answer["causes"]
    verdict = str(answer["verdict"])
    first = causes[0] if causes else None
    names = places(first) if first else set()
    said = told(first) if first else ""
    truth = story.truth
    says = not truth.what or any(re2.search(f"(?i){each}", said) for each in truth.what)
    return Judged(
        story=story,
        verdict=verdict,
        first=str(first["cause"]) if first else "",
        confidence=float(answer["confidence"]),
        at_place=bool(first) and bool(names & truth.where) and says,
        innocent=bool(names & truth.innocent) and not names & truth.where,
        right_verdict=verdict in truth.verdicts,
        cell=str(first.get("cell", "")) if first else "",
    )


def places(cause: Mapping[str, Any]) -> set[str]:
    """Return the names that a cause is told of: its service, and its very object."""
    subject = str(cause.get("subject", ""))
    return {str(cause["service"]), subject.rpartition(" ")[2]} - {""}


def told(cause: Mapping[str, Any]) -> str:
    """Return everything that a cause says."""
    steps = [str(step["sentence"]) for step in cause.get("path", ())]
    return " ".join([str(cause["cause"]), *steps])


def figures(judged: Sequence[Judged]) -> dict[str, float]:
    """Return the table's figures."""
    sick = [each for each in judged if not each.story.truth.is_healthy]
    placed = [each for each in sick if each.story.truth.where]
    well = [each for each in judged if each.story.truth.is_healthy]
    claimable = [each for each in placed if "cause" in each.story.truth.verdicts]
    return {
        "top1": _share([each.at_place for each in placed]),
        "claimed": _share([each.verdict == "cause" and each.at_place for each in claimable]),
        "healthy_blamed": float(sum(bool(each.first) for each in well)),
        "healthy_right": _share([each.right_verdict for each in well]),
        "false_all_clear": float(sum(each.verdict in WELL for each in sick)),
        "false_claims": float(
            sum(e.verdict == "cause" and not e.at_place for e in judged if e.first)
        ),
        "innocent_blamed": float(sum(each.innocent for each in judged)),
        "verdict": _share([each.right_verdict for each in judged]),
        "incidents": float(len(judged)),
    }


def _share(hits: Sequence[bool]) -> float:
    return sum(hits) / len(hits) if hits else float("nan")
