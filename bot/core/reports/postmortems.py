"""Postmortems: drafted from what really happened, edited and published by people.

    audit, timeline, findings, changes, plans, channel ──draft──> Postmortem ──edit──> publish
                                                                   row, Markdown file, index

Blameless: lines name roles and services, never persons. Every line has its time and its source.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from bot.core.ports import (
    AuditRow,
    ChannelHistory,
    Clock,
    Message,
    PlanRecord,
    Store,
    Transaction,
)
from bot.core.reports import postmortem_text
from bot.core.reports.postmortem_text import PostmortemFacts
from bot.domain.audit import BOT, Event
from bot.domain.finding import Finding
from bot.domain.ids import ChannelId, IncidentId, PostmortemId, UserId, mint
from bot.domain.incident import Incident, PartKind, TimelineEntry
from bot.domain.place import Place
from bot.domain.postmortem import ActionItem, Postmortem, publish
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from tools.errors import ToolError
from tools.ports import Changes
from tools.world import Change, Window

log = structlog.get_logger(__name__)

BEFORE = timedelta(hours=2)  # changes this long before the first symptom may belong to the story
AFTER = timedelta(minutes=30)  # what is said and done right after the end still does
FOLDER = Path("lessons-learned") / "postmortems"  # below the export folder
EDITABLE = ("title", "summary", "impact", "root_cause", "resolution", "lessons", "actions")


class PostmortemError(ValueError):
    """A postmortem cannot be edited or published so; the message says why."""


@dataclass(frozen=True, slots=True)
class PostmortemSources:
    """What is asked besides the store; None is not configured."""

    changes: Changes | None = None
    history: ChannelHistory | None = None
    index: Callable[[Path], Awaitable[object]] | None = None  # makes an exported file findable


class PostmortemDesk:
    """Drafts, edits and publishes."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        sources: PostmortemSources,
        export_dir: Path,
        redactor: Redactor,
        texts_of: Callable[[ChannelId], Texts],
    ) -> None:
        """`export_dir` is the knowledge folder; files go below `lessons-learned/postmortems`."""
        self._store, self._clock, self._sources = store, clock, sources
        self._export_dir, self._redactor, self._texts_of = export_dir, redactor, texts_of

    async def find_incident(self, place: Place, named: str = "") -> Incident | None:
        """Return the incident meant in a place: the named one, the thread's, the channel's last.

        Raises NotFoundError for a name that does not exist.
        """
        async with self._store.begin() as tx:
            if named:
                return await tx.incidents.get(IncidentId(named.strip().upper()))
            return await tx.incidents.at(place) or await tx.incidents.latest_in(place.channel)

    async def draft(
        self, incident_id: IncidentId, by: UserId | None, place: Place | None = None
    ) -> Postmortem:
        """Draft an incident's report and show it; one that exists is shown again as it is."""
        async with self._store.begin() as tx:
            incident = await tx.incidents.get(incident_id)
            known = await tx.postmortems.of_incident(incident_id)
        where = place or incident.place
        report = known or await self._written(incident, by, where)
        async with self._store.begin() as tx:
            if known is None:
                known = await tx.postmortems.of_incident(incident_id)  # two clicks, one draft
                report = known or report
            if known is None:
                await tx.postmortems.save(report)
                await tx.audit.append(self._event("postmortem.drafted", report, by or BOT))
            key = f"postmortem:{report.id}:{where.key()}"
            await tx.outbox.post(key, "postmortem", report.id, where)
            await tx.outbox.refresh("postmortem", report.id)
        return report

    async def edit(
        self, postmortem_id: PostmortemId, by: UserId, fields: Mapping[str, str]
    ) -> Postmortem:
        """Replace sections of a draft. `actions` is one per line: `text | owner | 2026-12-01`."""
        for name in fields:
            if name not in EDITABLE:
                raise PostmortemError(f"{name!r} is no section; known: {', '.join(EDITABLE)}")
        texts = {k: self._redactor.text(v.strip()) for k, v in fields.items() if k != "actions"}
        if "title" in texts and not texts["title"]:
            raise PostmortemError("title must not be empty")
        async with self._store.begin() as tx:
            report = await tx.postmortems.get(postmortem_id)
            if report.published_at is not None:
                raise PostmortemError(f"{report.id} is published; it can no longer be edited")
            edited = replace(report, **texts)  # type: ignore[arg-type]  # sections are texts
            if "actions" in fields:
                lines = self._redactor.text(fields["actions"])
                edited = replace(edited, actions=read_actions(lines))
            await tx.postmortems.save(edited)
            await tx.outbox.refresh("postmortem", edited.id)
            event = self._event("postmortem.edited", edited, by)
            await tx.audit.append(replace(event, facts={**event.facts, "fields": sorted(fields)}))
        return edited

    async def publish(self, postmortem_id: PostmortemId, by: UserId) -> Postmortem:
        """Publish: file, row and audit, then the index. Doing it twice changes nothing."""
        async with self._store.begin() as tx:
            draft = await tx.postmortems.get(postmortem_id)
            incident = await tx.incidents.get(draft.incident)
        # The file comes first: writing it again is harmless, a row without its file would lie.
        path = await asyncio.to_thread(export, draft, incident, self._export_dir)
        async with self._store.begin() as tx:
            current = await tx.postmortems.get(postmortem_id)
            done = publish(current, by, self._clock.now())
            if current.published_at is None:
                await tx.postmortems.save(done)
                await tx.outbox.refresh("postmortem", done.id)
                note = self._texts_of(incident.place.channel).say("postmortem.published_line")
                entry = TimelineEntry(self._clock.now(), note, "person", by, done.id)
                await tx.incidents.note(incident.id, entry)
                await tx.audit.append(self._event("postmortem.published", done, by))
        if self._sources.index is not None:
            try:
                await self._sources.index(path)
            except (ToolError, OSError, ValueError) as error:
                log.warning("postmortem.not_indexed", id=done.id, path=str(path), why=str(error))
        return done

    async def _written(self, incident: Incident, by: UserId | None, place: Place) -> Postmortem:
        texts = self._texts_of(incident.place.channel)
        facts = await self._gather(incident)
        written = postmortem_text.write(facts, texts)
        cut = self._redactor.text
        return Postmortem(
            id=PostmortemId(mint("PM")),
            incident=incident.id,
            title=cut(incident.title),
            summary=cut(written.summary),
            impact=cut(written.impact),
            timeline=tuple(cut(line) for line in written.timeline),
            root_cause=cut(written.root_cause),
            resolution=cut(written.resolution),
            lessons=cut(written.lessons),
            actions=tuple(replace(a, text=cut(a.text)) for a in written.actions),
            drafted_by=by,
            drafted_at=self._clock.now(),
            place=place,
        )

    async def _gather(self, incident: Incident) -> PostmortemFacts:
        now = self._clock.now()
        start, end = incident.started_at - BEFORE, min(now, (incident.resolved_at or now) + AFTER)
        async with self._store.begin() as tx:
            entries = await tx.incidents.timeline(incident.id)
            findings = [f for f in await tx.findings.list(start, end) if f.incident == incident.id]
            plans = await _plans(tx, incident, findings, Window(start, end))
            rows = await tx.audit.since(start, end)
        gaps: dict[str, str] = {}
        return PostmortemFacts(
            incident=incident,
            now=now,
            entries=tuple(entries),
            findings=tuple(findings),
            plans=tuple(plans),
            rows=tuple(_about(rows, incident, findings, plans)),
            changes=await self._changes(Window(start, end), incident, findings, gaps),
            messages=await self._messages(incident, start, end, gaps),
            gaps=gaps,
        )

    async def _changes(
        self, window: Window, incident: Incident, findings: Sequence[Finding], gaps: dict[str, str]
    ) -> tuple[Change, ...]:
        if self._sources.changes is None:
            return ()
        services = {incident.service, *(c.service for f in findings for c in f.causes[:1])}
        try:
            return tuple(await self._sources.changes.recent(window, sorted(services)))
        except ToolError as error:
            gaps["changes"] = str(error)
            return ()

    async def _messages(
        self, incident: Incident, start: datetime, end: datetime, gaps: dict[str, str]
    ) -> tuple[Message, ...]:
        if self._sources.history is None:
            return ()
        try:
            return tuple(await self._sources.history.messages(incident.place, start, end))
        except ToolError as error:
            gaps["messages"] = str(error)
            return ()

    def _event(self, kind: str, report: Postmortem, actor: str) -> Event:
        return Event(
            kind=kind,
            at=self._clock.now(),
            actor=actor,
            subject=report.id,
            facts={"incident": report.incident},
        )


async def _plans(
    tx: Transaction, incident: Incident, findings: Sequence[Finding], window: Window
) -> list[PlanRecord]:
    """Return every plan of the story: its own, and what was done to its services meanwhile.

    A plan that somebody proposed elsewhere, before there was an incident, was run all the same.
    """
    own = {p.ref for p in await tx.incidents.parts(incident.id) if p.kind is PartKind.PLAN}
    of_findings = {r.plan.id for f in findings for r in await tx.plans.of_finding(f.id)}
    services = {incident.service, *(f.service for f in findings)}
    found: list[PlanRecord] = []
    for record in await tx.plans.list(limit=None):
        plan = record.plan
        meanwhile = plan.service in services and window.start <= plan.created_at <= window.end
        if plan.id in own or plan.id in of_findings or meanwhile:
            found.append(record)
    return sorted(found, key=lambda r: r.plan.created_at)


def _about(
    rows: Sequence[AuditRow],
    incident: Incident,
    findings: Sequence[Finding],
    plans: Sequence[PlanRecord],
) -> list[AuditRow]:
    """Return the audit rows that tell this story."""
    subjects = {incident.id, *(f.id for f in findings), *(r.plan.id for r in plans)}
    subjects |= {each for f in findings for each in (*f.anomalies, *f.alerts)}
    return [row for row in rows if row.event.subject in subjects]


def read_actions(text: str) -> tuple[ActionItem, ...]:
    """Read action items, one per line: `text | owner | due date`. Raises PostmortemError."""
    items = []
    for line in text.splitlines():
        parts = [part.strip() for part in line.strip().lstrip("-*• ").split("|")]
        if not parts[0]:
            continue
        what, owner, due, *_ = (*parts, "", "")
        if due:
            try:
                datetime.strptime(due, "%Y-%m-%d")  # noqa: DTZ007 - a date, its zone means nothing
            except ValueError as error:
                raise PostmortemError(
                    f"due date {due!r} must look like 2026-12-01 (text | owner | due date)"
                ) from error
        items.append(ActionItem(what, owner, due))
    return tuple(items)


def export(report: Postmortem, incident: Incident, folder: Path) -> Path:
    """Write the report as Markdown with front matter; the same report overwrites its own file."""
    target = folder / FOLDER
    target.mkdir(parents=True, exist_ok=True)
    text = postmortem_text.markdown(report, incident)
    name = f"{incident.started_at:%Y-%m-%d}-{postmortem_text.slug(report.title, incident.id)}"
    path = target / f"{name}.md"
    marker = f"id: {postmortem_text.document_id(incident)}\n"
    if path.exists() and marker not in path.read_text(encoding="utf-8"):
        path = target / f"{name}-{incident.id.lower()}.md"
    written = path.with_suffix(".part")
    written.write_text(text, encoding="utf-8")
    written.replace(path)
    return path
