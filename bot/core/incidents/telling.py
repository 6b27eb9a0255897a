"""An incident in words: how it stands, what is new, what stakeholders may read. Pure.

Fields that are other people's text go out as they are; whoever shows them escapes them.
"""

from __future__ import annotations

from datetime import datetime

from bot.core.incidents.story import Story
from bot.core.shared.wording import clock
from bot.domain.alert import Alert
from bot.domain.incident import Declared, Incident, InHand, MergedInto, TimelineEntry
from bot.domain.signal import Signal
from bot.locale import Texts
from tools.units import format_value
from tools.world.conclusions import SILENT

MOST_NEWS = 6


def state_text(incident: Incident, texts: Texts) -> str:
    """Return the state in a word or two."""
    match incident.state:
        case Declared():
            return texts.say("incident.state.declared")
        case InHand():
            return texts.say("incident.state.in_hand")
        case MergedInto(into=into):
            return texts.say("incident.state.merged", into=into)
        case _:
            return texts.say("incident.state.resolved")


def lasted(incident: Incident, now: datetime, texts: Texts) -> str:
    """Return how long it has lasted, or did."""
    span = (incident.resolved_at or now) - incident.started_at
    minutes = max(0, round(span.total_seconds() / 60))
    if minutes < 120:
        return texts.say("incident.minutes", count=minutes)
    return texts.say("incident.hours", count=f"{minutes / 60:.1f}")


def signal_text(signal: Signal, texts: Texts) -> str:
    """Return what is measured: now, its peak, and what is usual; an alert says its own words."""
    if isinstance(signal, Alert):
        key = "incident.signal.fires" if signal.active else "incident.signal.stopped"
        return texts.say(key, alert=signal.name, words=signal.summary[:200])
    latest, worst = signal.latest, signal.worst
    peak, unit = format_value(worst.observed, worst.unit), worst.unit
    usual = format_value(latest.expected, unit)
    if not signal.active:
        return texts.say("incident.signal.over", metric=signal.metric, peak=peak, usual=usual)
    if latest.method == SILENT:
        return texts.say("incident.signal.silent", metric=signal.metric, usual=usual)
    now = format_value(latest.observed, unit)
    return texts.say("incident.signal.now", metric=signal.metric, now=now, peak=peak, usual=usual)


def cause_text(story: Story, texts: Texts) -> str:
    """Return the likely cause with its certainty; that none is known is said as well."""
    cause = story.cause
    if cause is None:
        return texts.say("incident.cause.none")
    return texts.say("incident.cause.likely", cause=cause.cause, sure=f"{cause.confidence:.0%}")


def update_lines(story: Story, since: datetime, now: datetime, texts: Texts) -> list[str]:
    """Return how it stands and what is new since a time; one line when nothing is."""
    incident = story.incident
    news = [e for e in story.timeline if e.at > since]
    head = texts.say(
        "incident.update" if news else "incident.update_quiet",
        id=incident.id,
        priority=incident.priority.value,
        state=state_text(incident, texts),
        lasted=lasted(incident, now, texts),
    )
    lines = [signal_text(each, texts) for each in story.active[:2]]
    lines += [_news(each, now) for each in news[-MOST_NEWS:]]
    return [head, *lines]


def catch_up(story: Story, now: datetime, texts: Texts) -> list[str]:
    """Return what somebody who joins must know: three lines, then what happened so far."""
    incident = story.incident
    what = [signal_text(each, texts) for each in story.signals[:2]]
    plans = [
        texts.say(
            "incident.plan_line",
            title=record.plan.title,
            id=record.plan.id,
            status=texts.say(f"plan.status.{record.status.value}"),
        )
        for record in story.plans
    ]
    return [
        texts.say(
            "incident.catch_up",
            id=incident.id,
            title=incident.title,
            priority=incident.priority.value,
            state=state_text(incident, texts),
            lasted=lasted(incident, now, texts),
        ),
        *what,
        cause_text(story, texts),
        *plans,
        *(_news(each, now) for each in story.timeline[-2 * MOST_NEWS :]),
    ]


def status_draft(story: Story, now: datetime, texts: Texts) -> str:
    """Return what stakeholders may be told, for a person to edit and send.

    It names no person, and no figure of the inside.
    """
    incident = story.incident
    key = "incident.status.over" if incident.resolved_at else "incident.status.open"
    known = "incident.status.cause_known" if story.cause else "incident.status.cause_unknown"
    rhythm = incident.priority.update_every
    parts = [
        texts.say(
            key,
            service=incident.service,
            start=clock(incident.started_at, now),
            lasted=lasted(incident, now, texts),
        ),
        texts.say("incident.status.impact"),
    ]
    if not incident.resolved_at:
        parts.append(texts.say(known))
        if rhythm is not None:
            parts.append(
                texts.say("incident.status.next", minutes=round(rhythm.total_seconds() / 60))
            )
    return "\n".join(parts)


def _news(entry: TimelineEntry, now: datetime) -> str:
    return f"{clock(entry.at, now)} · {' '.join(entry.text.split())[:300]}"
