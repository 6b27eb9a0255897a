"""What an agent run returns: an answer with its evidence, its gaps and its price."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.domain.ids import EvidenceId, PlanId
from tools.world import Cause, Window


@dataclass(frozen=True, slots=True)
class Evidence:
    """One tool call and its result, numbered E1, E2 … in a thread by the store.

    `payload` is the full result as plain JSON, which the evidence of a stored answer lacks;
    `summary` is what the model read, at most 4,000 tokens; `rest` is what of it was cut off, for
    the next pages.
    """

    id: EvidenceId
    tool: str
    arguments: dict[str, Any]
    summary: str
    at: datetime
    window: Window | None = None
    query: str = ""
    link: str = ""
    payload: Any = None
    failed: bool = False
    rest: str = ""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run cost. `usd_micros` is in millionths of a US dollar."""

    steps: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    usd_micros: int = 0
    seconds: float = 0.0


class Conclusion(StrEnum):
    """What an answer comes to. Nothing is claimed that was not looked at."""

    CAUSE = "cause"  # proved: a state that cannot lie, or two observers
    SUSPECTS = "suspects"  # what could be behind it, not proved
    RECOVERED = "recovered"  # it was, and is no more
    HEALTHY = "healthy"  # what was asked was measured, and nothing is wrong
    CANNOT_TELL = "cannot_tell"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: it leads with the conclusion and cites evidence as [E2].

    `verdict` is what it comes to, None where an older version gave it. `confidence` in [0, 1];
    healthy means empty `causes`; `gaps` says what could not be looked at; `mode` is "claude" or
    "deterministic"; the plan was proposed while it was made.
    """

    text: str  # Markdown for a person
    conclusion: str
    confidence: float
    causes: tuple[Cause, ...]
    evidence: tuple[Evidence, ...]
    mode: str
    usage: Usage
    gaps: tuple[str, ...] = ()
    plan_id: PlanId | None = None
    chart: str = ""  # id of the stored chart
    verdict: Conclusion | None = None
    untraced: tuple[str, ...] = ()  # figures of `text` that the evidence cited for them lacks
