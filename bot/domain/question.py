"""A question: what is asked, where, by whom, and how they are spoken to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.ids import FindingId, UserId
from bot.domain.place import Place


@dataclass(frozen=True, slots=True)
class Voice:
    """How a channel is spoken to."""

    locale: str = "en"
    timezone: str = "UTC"  # name of the time zone of charts and of times in prose


@dataclass(frozen=True, slots=True)
class Question:
    """One question, as it was asked; it waits, is taken over and is answered as this very object.

    Nobody in particular asks a detection's question; a finding stands behind it.
    """

    text: str
    place: Place
    trigger: str  # "mention", "dm", "assistant", "command", "detection", "terminal"
    asked_by: UserId | None = None
    asker_name: str = ""  # as people read it; several names where questions were merged
    finding: FindingId | None = None
    voice: Voice = Voice()

    @property
    def asker(self) -> str:
        """Who asks, as Claude is told."""
        return self.asker_name or self.asked_by or "the detector"


def merge(questions: Sequence[Question]) -> Question:
    """Return the questions of one thread as one: every text in order, everybody who asked once.

    It is answered to whoever asked first, and paid for by everybody: the others' runs are kept.
    """
    if len(questions) == 1:
        return questions[0]
    names = dict.fromkeys(each.asker for each in questions)
    text = "\n".join(each.text for each in questions)
    return replace(questions[0], text=text, asker_name=", ".join(names))
