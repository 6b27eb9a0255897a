"""The text of a postmortem: facts in, sections and Markdown out. Pure.

A line of the timeline reads `2026-11-20 14:03 UTC · what happened (source)`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import re2

from bot.core.ports import AuditRow, Message, PlanRecord
from bot.domain.finding import Finding
from bot.domain.incident import Incident, TimelineEntry
from bot.domain.plans.plan import PlanStatus
from bot.domain.postmortem import ActionItem, Postmortem
from bot.locale import Texts
from foundation.encodings import writable
from tools.world import Change

MOST_MESSAGES = 40
LONGEST_MESSAGE = 240
MOST_ANOMALY_LINES = 8
_MENTION = re2.compile(r"<[@!][^>]*>")


@dataclass(frozen=True, slots=True)
class PostmortemFacts:
    """What is known of an incident."""

    incident: Incident
    now: datetime
    entries: tuple[TimelineEntry, ...] = ()
    findings: tuple[Finding, ...] = ()
    plans: tuple[PlanRecord, ...] = ()
    rows: tuple[AuditRow, ...] = ()
    changes: tuple[Change, ...] = ()
    messages: tuple[Message, ...] = ()
    gaps: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of a draft."""

    summary: str
    impact: str
    timeline: tuple[str, ...]
    root_cause: str
    resolution: str
    lessons: str
    actions: tuple[ActionItem, ...]


@dataclass(frozen=True, slots=True)
class Dated:
    """One thing that happened."""

    at: datetime
    text: str
    source: str


def write(facts: PostmortemFacts, texts: Texts) -> Sections:
    """Write every section from the facts."""
    return Sections(
        summary=_summary(facts, texts),
        impact=_impact(facts, texts),
        timeline=tuple(
            f"{d.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC · {d.text} ({d.source})"
            for d in _timeline(facts, texts)
        ),
        root_cause=_root_cause(facts, texts),
        resolution=_resolution(facts, texts),
        lessons=_lessons(facts, texts),
        actions=_actions(facts, texts),
    )


# --- timeline ------------------------------------------------------------------------------


def _timeline(facts: PostmortemFacts, texts: Texts) -> list[Dated]:
    dated = [
        *_entries(facts, texts),
        *_changes(facts, texts),
        *_plan_rows(facts, texts),
        *_messages(facts, texts),
        *_conclusions(facts, texts),
    ]
    seen: set[tuple[str, str]] = set()
    told = []
    for each in sorted(dated, key=lambda d: d.at):
        key = (f"{each.at:%Y%m%d%H%M}", each.text)
        if key not in seen:
            seen.add(key)
            told.append(each)
    return told


def _entries(facts: PostmortemFacts, texts: Texts) -> Iterable[Dated]:
    for entry in facts.entries:
        source = texts.say(f"postmortem.source_{entry.source}")
        yield Dated(entry.at, _flat(entry.text), f"{source} {entry.ref}".strip())
    yield Dated(
        facts.incident.declared_at,
        texts.say(
            "postmortem.declared",
            id=facts.incident.id,
            priority=facts.incident.priority.value,
            service=facts.incident.service,
        ),
        texts.say("postmortem.source_bot"),
    )


def _changes(facts: PostmortemFacts, texts: Texts) -> Iterable[Dated]:
    source = texts.say("postmortem.source_change")
    for change in facts.changes:
        yield Dated(change.at, _flat(change.summary), f"{source} {change.source}".strip())


def _plan_rows(facts: PostmortemFacts, texts: Texts) -> Iterable[Dated]:
    titles = {r.plan.id: r.plan.title for r in facts.plans}
    known = texts.keys()
    for row in facts.rows:
        event = row.event
        key = f"postmortem.event_{event.kind.replace('.', '_')}"
        if key in known:
            title = titles.get(event.subject, event.subject)  # type: ignore[call-overload]
            text = texts.say(key, title=title, subject=event.subject)
            yield Dated(event.at, text, f"audit #{row.seq} {event.subject}")


def _messages(facts: PostmortemFacts, texts: Texts) -> Iterable[Dated]:
    source = texts.say("postmortem.source_channel")
    for message in facts.messages[:MOST_MESSAGES]:
        text = _flat(_MENTION.sub(_someone, writable(message.text)), LONGEST_MESSAGE)
        if text:
            yield Dated(message.at, texts.say("postmortem.said", text=text), source)


def _someone(_: object) -> str:
    return "@…"  # given as it is, RE2 would write its bytes


def _conclusions(facts: PostmortemFacts, texts: Texts) -> Iterable[Dated]:
    for finding in facts.findings:
        for cause in finding.causes[:1]:
            yield Dated(
                finding.opened_at,
                texts.say("postmortem.suspected", cause=_flat(cause.cause)),
                finding.id,
            )


# --- sections ------------------------------------------------------------------------------


def _summary(facts: PostmortemFacts, texts: Texts) -> str:
    incident = facts.incident
    end = incident.resolved_at
    span = (end or facts.now) - incident.started_at
    key = "postmortem.summary" if end else "postmortem.summary_open"
    lead = texts.say(
        key,
        title=incident.title,
        service=incident.service,
        priority=incident.priority.value,
        start=f"{incident.started_at:%Y-%m-%d %H:%M}",
        minutes=round(span.total_seconds() / 60),
    )
    concluded = [f.conclusion for f in facts.findings if f.conclusion]
    return "\n\n".join([lead, *(_first_paragraph(c) for c in concluded[:1])])


def _impact(facts: PostmortemFacts, texts: Texts) -> str:
    lines = [f"- {line}" for f in facts.findings for line in f.lines]
    if len(lines) > MOST_ANOMALY_LINES:
        rest = len(lines) - MOST_ANOMALY_LINES
        lines = [*lines[:MOST_ANOMALY_LINES], f"- {texts.say('digest.more', count=rest)}"]
    return "\n".join([*lines, texts.say("postmortem.impact_ask")])


def _root_cause(facts: PostmortemFacts, texts: Texts) -> str:
    causes = [c for f in facts.findings for c in f.causes]
    if not causes:
        return texts.say("postmortem.cause_unknown")
    ranked = sorted(causes, key=lambda c: -c.confidence)[:3]
    return "\n".join(
        texts.say(
            "postmortem.cause_line",
            cause=c.cause.rstrip("."),
            service=c.service,
            confidence=f"{c.confidence:.0%}",
        )
        for c in ranked
    )


def _resolution(facts: PostmortemFacts, texts: Texts) -> str:
    ran = [r for r in facts.plans if r.status not in _NEVER_RAN]
    lines = [
        texts.say(
            "postmortem.plan_line",
            title=r.plan.title,
            id=r.plan.id,
            status=texts.say(f"digest.status_{r.status.value}"),
            outcome=f" {_flat(r.outcome)}" if r.outcome else "",
        )
        for r in ran
    ]
    if not lines:
        lines = [texts.say("postmortem.no_plan")]
    if facts.incident.resolved_at is not None:
        at = f"{facts.incident.resolved_at:%Y-%m-%d %H:%M}"
        lines.append(texts.say("postmortem.back_to_normal", at=at))
    return "\n".join(lines)


_NEVER_RAN = frozenset(
    {
        PlanStatus.WAITING,
        PlanStatus.HELD,
        PlanStatus.REJECTED,
        PlanStatus.EXPIRED,
        PlanStatus.WITHDRAWN,
        PlanStatus.APPROVED,
    }
)


def _lessons(facts: PostmortemFacts, texts: Texts) -> str:
    incident = facts.incident
    noticed = incident.declared_at - incident.started_at
    minutes = round(noticed.total_seconds() / 60)
    lines = [texts.say("postmortem.lesson_detected", minutes=max(0, minutes))]
    executed = [r.at for r in _answers(facts.rows)]
    if executed:
        waited = round((min(executed) - incident.declared_at).total_seconds() / 60)
        lines.append(texts.say("postmortem.lesson_answered", minutes=max(0, waited)))
    similar = [s for f in facts.findings for s in f.similar if s.kind in {"postmortem", "issue"}]
    if similar:
        lines.append(texts.say("postmortem.lesson_similar", title=_flat(similar[0].title)))
    for name, why in facts.gaps.items():
        lines.append(texts.say("postmortem.gap", name=name, why=_flat(why)))
    return "\n".join([*lines, texts.say("postmortem.lesson_ask")])


def _answers(rows: Sequence[AuditRow]) -> list[Dated]:
    kinds = {"plan.approved", "plan.rejected"}
    return [Dated(r.event.at, "", "") for r in rows if r.event.kind in kinds]


def _actions(facts: PostmortemFacts, texts: Texts) -> tuple[ActionItem, ...]:
    causes = sorted((c for f in facts.findings for c in f.causes), key=lambda c: -c.confidence)
    if not causes:
        return (ActionItem(texts.say("postmortem.action_find_cause")),)
    key = f"postmortem.action_{causes[0].kind}"
    if key not in texts.keys():  # noqa: SIM118 - a method of Texts, not of a dict
        key = "postmortem.action_unknown"
    return (ActionItem(texts.say(key, service=causes[0].service)),)


# --- markdown ------------------------------------------------------------------------------


def markdown(report: Postmortem, incident: Incident) -> str:
    """Return the report as a document of the knowledge base: front matter and text."""
    front = {
        "id": document_id(incident),
        "title": json.dumps(report.title, ensure_ascii=False),
        "kind": "postmortem",
        "date": f"{incident.started_at:%Y-%m-%d}",
        "services": json.dumps([incident.service], ensure_ascii=False),
        "severity": incident.priority.value,
        "origin": "sre-agent",
    }
    actions = [
        f"- [ ] {a.text}"
        + (f" ({', '.join(x for x in (a.owner, a.due) if x)})" * bool(a.owner or a.due))
        for a in report.actions
    ]
    parts = [
        f"# {report.title}",
        f"## Summary\n\n{report.summary}",
        f"## Impact\n\n{report.impact}",
        "## Timeline\n\n" + "\n".join(f"- {line}" for line in report.timeline),
        f"## Root cause\n\n{report.root_cause}",
        f"## Resolution\n\n{report.resolution}",
        f"## Lessons\n\n{report.lessons}",
        "## Actions\n\n" + "\n".join(actions),
    ]
    head = "\n".join(f"{key}: {value}" for key, value in front.items())
    return f"---\n{head}\n---\n" + "\n\n".join(parts) + "\n"


def document_id(incident: Incident) -> str:
    """Return the id of an incident's postmortem in the knowledge base."""
    return f"pm-{incident.id.lower()}"


def slug(title: str, otherwise: str) -> str:
    """Return a title as a file name: ASCII words joined by dashes."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    words = re.findall(r"[a-z0-9]+", plain)
    return "-".join(words)[:60].strip("-") or otherwise.lower()


def _flat(text: str, length: int = 400) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[: length - 1]}…"


def _first_paragraph(text: str) -> str:
    return text.strip().partition("\n\n")[0]
