"""What stakeholders are told of an incident: the bot drafts, a person edits and sends.

draft ──form──> a person's words ──send──> one message in the channel of stakeholders
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.core.incidents.story import read_story
from bot.core.incidents.telling import status_draft
from bot.core.ports import Clock, Store
from bot.core.shared.incident_book import redraw
from bot.domain.audit import Event
from bot.domain.ids import ChannelId, IncidentId, UserId
from bot.domain.incident import Incident, TimelineEntry
from bot.domain.place import Place
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from tools.errors import BadArgumentError

LONGEST_STATUS = 2000


@dataclass(frozen=True, slots=True)
class StatusDesk:
    """Drafts and sends status texts. `channel` names that of stakeholders; empty: none."""

    store: Store
    clock: Clock
    texts_of: Callable[[ChannelId], Texts]
    redactor: Redactor
    channel: Callable[[], ChannelId]

    def where(self, incident: Incident) -> ChannelId:
        """Return the channel a text goes to: that of stakeholders, else the incident's."""
        return self.channel() or incident.place.channel

    async def draft(self, incident_id: IncidentId) -> tuple[Incident, str]:
        """Return the incident and a text to begin with, in the language of its readers."""
        async with self.store.begin() as tx:
            story = await read_story(tx, incident_id)
        texts = self.texts_of(self.where(story.incident))
        return story.incident, status_draft(story, self.clock.now(), texts)

    async def send(self, incident_id: IncidentId, text: str, by: UserId) -> ChannelId:
        """Send a person's words; returns the channel. Raises BadArgumentError for none."""
        said = self.redactor.text(text.strip())[:LONGEST_STATUS]
        if not said:
            raise BadArgumentError("a status text must say something")
        now = self.clock.now()
        async with self.store.begin() as tx:
            incident = await tx.incidents.held(incident_id)
            where = self.where(incident)
            fields = {"id": incident.id, "by": by, "text": said}
            body = {"key": "incident.status.sent", "fields": fields}
            key = f"incident-status:{incident.id}:{now.isoformat()}"
            await tx.outbox.post(key, "notice", incident.id, Place(where), body)
            line = self.texts_of(incident.place.channel).say("incident.line.status")
            await tx.incidents.note(incident.id, TimelineEntry(now, line, "person", by))
            await redraw(tx, incident.id)
            facts = {"channel": where}
            await tx.audit.append(
                Event("incident.status_sent", now, by, incident.id, facts=facts, private=said)
            )
        return where
