"""Figures in an answer: is a wrong one marked, and a right one left alone?

    sentence + evidence ──FigureIndex──> figures marked
    false kept    share of the false sentences without any mark
    true marked   share of the true sentences with one

Sentences come from two hands: `own` by who wrote the check, `blind` by somebody who never saw it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.figures.cases import Case, Sentence, read_cases
from bench.report import Aim, Report
from bot.core.investigation.figures.index import FigureIndex
from bot.core.investigation.figures.sentence import Setting

HERE = Path(__file__).parent / "sentences"
AIMS = {"false_kept": Aim(most=0.05), "true_marked": Aim(most=0.05), "sentences": Aim(least=200)}


@dataclass(frozen=True, slots=True)
class Judged:
    """A sentence with what was marked in it."""

    case: str
    author: str
    sentence: Sentence
    marked: tuple[str, ...]

    @property
    def is_wrong(self) -> bool:
        """Whether a false sentence was kept or a true one marked."""
        return self.sentence.holds == bool(self.marked)


def run(data: Path | None) -> Report:
    """Judge every sentence, of the folder or of ours."""
    judged = [each for case in read_cases(data or HERE) for each in judge(case)]
    if not judged:
        raise SystemExit(f"{data} holds no case")
    details = {}
    for author in sorted({each.author for each in judged}):
        details[author] = _figures([each for each in judged if each.author == author])
    for kind in sorted({each.sentence.wrong or "" for each in judged} - {""}):
        details[f"false by {kind}"] = _figures([j for j in judged if j.sentence.wrong == kind])
    return Report(
        bench="figures",
        data=str(data) if data else "sentences of our own and of somebody blind to the check",
        ours=_figures(judged),
        peers={},
        aims=AIMS,
        details=details,
        notes=tuple(
            f"{each.author}/{each.case}: {'marked' if each.sentence.holds else 'kept'}: "
            f"{each.sentence.text} {list(each.marked) or ''}"
            for each in judged
            if each.is_wrong
        ),
    )


def judge(case: Case) -> list[Judged]:
    """Judge the sentences of one case."""
    services = frozenset(name.lower() for name in case.services)
    setting = Setting(services, case.now, case.timezone)
    index = FigureIndex()
    index.add_text(case.question)
    for each in case.evidence:
        index.add(each.evidence(case.now))
    return [
        Judged(
            case.case,
            case.author,
            each,
            tuple(q.text for q in index.untraced(each.text, each.after, setting)),
        )
        for each in case.sentences
    ]


def _figures(judged: Sequence[Judged]) -> dict[str, float]:
    true = [each for each in judged if each.sentence.holds]
    false = [each for each in judged if not each.sentence.holds]
    found: dict[str, float] = {"sentences": len(judged)}
    if false:
        found["false_kept"] = sum(each.is_wrong for each in false) / len(false)
    if true:
        found["true_marked"] = sum(each.is_wrong for each in true) / len(true)
    return found
