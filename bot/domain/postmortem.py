"""A blameless postmortem: drafted from what really happened, edited and published by people.

Draft --edit--> Draft --publish--> Published (exported and indexed)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.ids import IncidentId, PostmortemId, UserId
from bot.domain.place import Place


@dataclass(frozen=True, slots=True)
class ActionItem:
    """One thing to do so that it does not happen again."""

    text: str
    owner: str = ""
    due: str = ""  # ISO date, empty when nobody set one


@dataclass(frozen=True, slots=True)
class Postmortem:
    """One report. Sections are Markdown; `published_at` is None for a draft."""

    id: PostmortemId
    incident: IncidentId
    title: str
    summary: str
    impact: str
    timeline: tuple[str, ...]  # dated lines, each with its source
    root_cause: str
    resolution: str
    lessons: str
    actions: tuple[ActionItem, ...]
    drafted_by: UserId | None
    drafted_at: datetime
    place: Place
    published_at: datetime | None = None
    published_by: UserId | None = None


def publish(postmortem: Postmortem, by: UserId, at: datetime) -> Postmortem:
    """Publish a draft; publishing twice keeps the first."""
    if postmortem.published_at is not None:
        return postmortem
    return replace(postmortem, published_at=at, published_by=by)
