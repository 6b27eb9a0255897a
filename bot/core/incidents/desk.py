"""What people do with incidents: one use case each, whichever door they come through.

    declare · take · join · hand_over · judge · note · quiet · resolve · reopen · merge
        └── one transaction: row, timeline, live card, thread, audit

Raises NotFoundError for what does not exist, WrongMoveError for what cannot be done in the state
it is in, BadArgumentError for what nobody knows. Twice is once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bot.core.incidents.story import Story, read_story
from bot.core.ports import Clock, Store, Transaction
from bot.core.shared.incident_book import (
    OnCall,
    attach,
    card_key,
    declare,
    declared,
    nobody_on_call,
    of_thread,
    redraw,
)
from bot.domain import incident as life
from bot.domain.audit import Event
from bot.domain.ids import ChannelId, FindingId, IncidentId, RunId, UserId
from bot.domain.incident import Incident, Paged, PartKind, Priority, TimelineEntry, WrongMoveError
from bot.domain.place import Place
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from foundation.nearest import nearest
from tools.errors import BadArgumentError, NotFoundError
from tools.world import Catalogue, ServiceName

LONGEST_TITLE, LONGEST_NOTE = 200, 3000
MOST_KNOWN = 20


@dataclass(frozen=True, slots=True)
class Declaration:
    """What somebody says when they declare one."""

    title: str
    service: str
    priority: Priority = Priority.P2


@dataclass(frozen=True, slots=True)
class IncidentDesk:
    """Keeps incidents for people."""

    store: Store
    clock: Clock
    catalogue: Callable[[], Catalogue]
    channel_of: Callable[[ServiceName], ChannelId]  # where a service's incidents are told
    texts_of: Callable[[ChannelId], Texts]
    redactor: Redactor  # of what people type
    on_call: OnCall = nobody_on_call

    # --- finding one ----------------------------------------------------------------------

    async def find(self, place: Place, named: str = "") -> Incident:
        """Return the one meant in a place: the named one, the thread's, the channel's only open.

        Raises NotFoundError, and BadArgumentError where several are open and none is named.
        """
        async with self.store.begin() as tx:
            if named:
                return await tx.incidents.get(IncidentId(named.strip().upper()))
            found = await of_thread(tx, place)
            if found is not None:
                return found
            here = [
                i for i in await tx.incidents.open() if place.channel in {i.place.channel, i.room}
            ]
            if len(here) > 1:
                names = ", ".join(each.id for each in here[:MOST_KNOWN])
                raise BadArgumentError(f"several incidents are open here: name one of {names}")
            latest = here[0] if here else await tx.incidents.latest_in(place.channel)
        if latest is None:
            raise NotFoundError("there is no incident in this channel; name one: INC-2026-0007")
        return latest

    async def story(self, incident_id: IncidentId) -> Story:
        """Return all that is known of one."""
        async with self.store.begin() as tx:
            return await read_story(tx, incident_id)

    async def list(self, *, open_only: bool = True) -> list[Incident]:
        """Return incidents, newest first."""
        async with self.store.begin() as tx:
            return await (tx.incidents.open() if open_only else tx.incidents.newest())

    # --- moving one -----------------------------------------------------------------------

    async def declare(self, said: Declaration, by: UserId, place: Place | None = None) -> Incident:
        """Declare one; it is told in the channel of its service."""
        services = self.catalogue().services
        if said.service not in services:
            hint = nearest(said.service, services)
            raise BadArgumentError(f"there is no service {said.service!r}.{hint}")
        title = self._cut(said.title, LONGEST_TITLE)
        if not title:
            raise BadArgumentError("say in a few words what is wrong")
        service, now = ServiceName(said.service), self.clock.now()
        where = place if place is not None and place.thread_ts else None
        async with self.store.begin() as tx:
            incident = life.declare(
                await tx.incidents.next_id(now.year),
                title,
                said.priority,
                service,
                where or Place(self.channel_of(service)),
                at=now,
                wall=self.clock.wall(),
                by=by,
            )
            incident = await declare(tx, incident, self.on_call)
            text = self._texts(incident).say("incident.line.declared", priority=said.priority.value)
            await tx.incidents.note(incident.id, TimelineEntry(now, text, "person", by))
            await tx.audit.append(declared(incident))
        return incident

    async def take(self, incident_id: IncidentId, by: UserId) -> Incident:
        """Let somebody have it; where another has it, they join."""
        return await self._move(
            incident_id, by, "incident.taken", lambda i: life.take(i, by, self.clock.now())
        )

    async def join(self, incident_id: IncidentId, by: UserId) -> Incident:
        """Let somebody work on it too."""
        return await self._move(incident_id, by, "incident.joined", lambda i: life.join(i, by))

    async def hand_over(self, incident_id: IncidentId, to: UserId, by: UserId) -> Incident:
        """Let somebody else have it, who is told so in its thread."""
        return await self._move(
            incident_id,
            by,
            "incident.handed_over",
            lambda i: life.hand_over(i, to, self.clock.now()),
            {"to": to},
            {"user": to, "by": by},
        )

    async def resolve(self, incident_id: IncidentId, by: UserId, words: str = "") -> Incident:
        """Say that it is over."""
        said = self._cut(words, LONGEST_NOTE)
        return await self._move(
            incident_id,
            by,
            "incident.resolved",
            lambda i: life.resolve(i, self.clock.now(), by),
            {},
            {"by": by, "why": f" {said}" if said else ""},
            private=said,
        )

    async def reopen(self, incident_id: IncidentId, by: UserId) -> Incident:
        """Go on with one that was over."""
        return await self._move(
            incident_id,
            by,
            "incident.reopened",
            lambda i: life.reopen(i, by, self.clock.now(), self.clock.wall()),
            {},
            {"by": by},
        )

    async def judge(self, incident_id: IncidentId, priority: Priority, by: UserId) -> Incident:
        """Say how serious it is; one that becomes serious calls the people on call, once."""
        moved = await self._move(
            incident_id,
            by,
            "incident.judged",
            lambda i: i if i.priority is priority else life.judge(i, priority, self.clock.wall()),
            {"priority": priority.value},
            {"by": by, "priority": priority.value},
        )
        if not priority.calls or moved.call is not None:
            return moved
        async with self.store.begin() as tx:
            held = await tx.incidents.held(incident_id)
            names = self.on_call(held.service)
            if held.call is not None or not names:
                return held
            called = replace(held, call=Paged(names, in_card=False))
            await tx.incidents.save(called)
            fields = {"id": held.id, "priority": priority.value, "title": held.title}
            body = {"key": "incident.called", "fields": fields, "mentions": list(names)}
            where = Place(held.place.channel)
            await tx.outbox.post(f"incident-called:{held.id}", "notice", held.id, where, body)
            return called

    async def note(self, incident_id: IncidentId, text: str, by: UserId) -> Incident:
        """Write something into its timeline."""
        said = self._cut(text, LONGEST_NOTE)
        if not said:
            raise BadArgumentError("say what should be noted")
        now = self.clock.now()
        async with self.store.begin() as tx:
            incident = await tx.incidents.held(incident_id)
            await tx.incidents.note(incident.id, TimelineEntry(now, said, "note", by))
            await redraw(tx, incident.id)
            await tx.audit.append(Event("incident.noted", now, by, incident.id, private=said))
        return incident

    async def quiet(self, incident_id: IncidentId, by: UserId, *, on: bool = True) -> Incident:
        """End, or begin again, the updates at a rhythm; its card stays live."""
        return await self._move(
            incident_id,
            by,
            "incident.quieted" if on else "incident.unquieted",
            lambda i: replace(i, quiet=on),
            {},
            {"by": by},
        )

    async def merge(self, incident_id: IncidentId, into: IncidentId, by: UserId) -> Incident:
        """Make one a part of another, which owns all that was its; returns the other one."""
        now = self.clock.now()
        async with self.store.begin() as tx:
            first, second = sorted((incident_id, into))  # the same order in every transaction
            held = {each: await tx.incidents.held(each) for each in (first, second)}
            merged = life.merge(held[incident_id], held[into], by, now)
            grown = life.absorb(held[into], held[incident_id])
            await tx.incidents.save(merged)
            await tx.incidents.save(grown)
            for part in await tx.incidents.parts(incident_id):
                if part.kind is PartKind.FINDING:
                    finding = await tx.findings.get(FindingId(part.ref))
                    await tx.findings.save(replace(finding, incident=into))
                    await tx.outbox.refresh("finding", finding.id)
            await tx.incidents.absorb(incident_id, into)
            text = self._texts(grown).say("incident.line.merged", id=incident_id)
            await tx.incidents.note(into, TimelineEntry(now, text, "person", by, incident_id))
            fields = {"id": incident_id, "into": into, "by": by}
            for each in (merged, grown):
                await self._thread(tx, each, "incident.merged", fields, now)
                await redraw(tx, each.id)
            await tx.audit.append(
                Event("incident.merged", now, by, incident_id, facts={"into": into})
            )
        return grown

    async def attach_question(self, run: RunId, place: Place) -> Incident | None:
        """Let a question that was asked in an incident's thread belong to it."""
        async with self.store.begin() as tx:
            incident = await of_thread(tx, place)
            if incident is not None:
                await attach(tx, incident.id, PartKind.QUESTION, run, self.clock.now())
        return incident

    # --- one way for all ------------------------------------------------------------------

    async def _move(
        self,
        incident_id: IncidentId,
        by: UserId,
        kind: str,
        move: Callable[[Incident], Incident],
        facts: Mapping[str, object] | None = None,
        told: Mapping[str, object] | None = None,  # fields of the line in the thread; None: no line
        *,
        private: str = "",
    ) -> Incident:
        """Move one incident; what changes nothing leaves nothing behind."""
        now = self.clock.now()
        async with self.store.begin() as tx:
            before = await tx.incidents.held(incident_id)
            moved = move(before)
            if moved == before:
                return before
            await tx.incidents.save(moved)
            fields = {"id": moved.id, **(told or {})}
            line = self._texts(moved).say(LINES[kind], **_named(facts or {}))
            await tx.incidents.note(moved.id, TimelineEntry(now, line, "person", by))
            if told is not None:
                await self._thread(tx, moved, kind, fields, now)
            await redraw(tx, moved.id)
            for part in await tx.incidents.parts(moved.id):
                if part.kind is PartKind.FINDING:  # it says who has the incident
                    await tx.outbox.refresh("finding", part.ref)
            await tx.audit.append(
                Event(kind, now, by, moved.id, facts=dict(facts or {}), private=private)
            )
        return moved

    async def _thread(
        self,
        tx: Transaction,
        incident: Incident,
        kind: str,
        fields: Mapping[str, object],
        at: datetime,
    ) -> None:
        """Say one line below the card."""
        key = f"{kind}:{incident.id}:{at.isoformat()}"
        body = {"key": TOLD[kind], "fields": dict(fields)}
        place = Place(incident.place.channel)
        await tx.outbox.post(key, "notice", incident.id, place, body, behind=card_key(incident.id))

    def _texts(self, incident: Incident) -> Texts:
        return self.texts_of(incident.place.channel)

    def _cut(self, text: str, most: int) -> str:
        return self.redactor.text(" ".join(text.split()))[:most]


LINES = {  # of the timeline: roles and deeds, no names
    "incident.taken": "incident.line.taken",
    "incident.joined": "incident.line.joined",
    "incident.handed_over": "incident.line.handed_over",
    "incident.resolved": "incident.line.resolved",
    "incident.reopened": "incident.line.reopened",
    "incident.judged": "incident.line.judged",
    "incident.quieted": "incident.line.quieted",
    "incident.unquieted": "incident.line.unquieted",
}
TOLD = {  # in the thread of the card
    "incident.handed_over": "incident.told.handed_over",
    "incident.resolved": "incident.told.resolved",
    "incident.reopened": "incident.told.reopened",
    "incident.judged": "incident.told.judged",
    "incident.quieted": "incident.told.quieted",
    "incident.unquieted": "incident.told.unquieted",
    "incident.merged": "incident.told.merged",
}


def _named(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in facts.items() if name != "to"}


__all__ = ["Declaration", "IncidentDesk", "WrongMoveError"]
