"""One run at work: what everything that helps to answer a question has at hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.core.investigation.causes import CauseSheet
from bot.core.investigation.recorder import Recorder
from bot.core.ports import Budget, Reply
from bot.domain.answer import Usage
from bot.domain.question import Question
from bot.domain.run import Running
from bot.locale import Texts


@dataclass(frozen=True, slots=True)
class DeskConfig:
    """Limits and identity of the agent."""

    owner: str  # this process
    platform: str  # what it looks after, in a few words for the model
    budget: Budget = field(default_factory=Budget)
    playbooks: Callable[[], Sequence[str]] = tuple
    gaps: Mapping[str, str] = field(default_factory=dict)  # what is not configured


@dataclass(slots=True)
class Spending:
    """What the model cost a run so far, however the run ends."""

    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True, slots=True)
class Turn:
    """A run from its question to its answer; recorder, sheet and spending fill meanwhile."""

    run: Running
    recorder: Recorder  # its tool calls: evidence, gaps, the plan that was proposed
    sheet: CauseSheet
    reply: Reply
    texts: Texts
    stopped: Callable[[], Awaitable[bool]]  # whether a person pressed Stop by now
    spending: Spending = field(default_factory=Spending)

    @property
    def question(self) -> Question:
        """What is asked."""
        return self.run.question


def told(*gaps: Mapping[str, str]) -> tuple[str, ...]:
    """Return gaps as an answer names them; of one name the last word counts."""
    merged: dict[str, str] = {}
    for each in gaps:
        merged.update(each)
    return tuple(f"{name}: {why}" for name, why in merged.items())
