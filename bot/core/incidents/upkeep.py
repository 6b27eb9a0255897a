"""What becomes of open incidents as time passes; the leader's, every ten seconds.

nobody has it in time ──> one reminder in its thread, to whoever is on call
its rhythm             ──> how it stands, in its thread
figures move           ──> the live card is drawn anew
a serious one that Slack does not take ──> `incident.unreached`, which the webhook is told
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from bot.core.incidents.story import Story, read_story
from bot.core.incidents.telling import update_lines
from bot.core.ports import Clock, Store, Transaction
from bot.core.shared.incident_book import OnCall, card_key, nobody_on_call, redraw
from bot.domain import incident as life
from bot.domain.alert import Alert
from bot.domain.audit import BOT, Event
from bot.domain.ids import ChannelId, IncidentId
from bot.domain.incident import Incident
from bot.domain.place import Place
from bot.locale import Texts

DRAW_EVERY = timedelta(minutes=5)  # wall: a card that shows the same figures, for its duration
REACHED_WITHIN = timedelta(minutes=1)  # wall: so long a serious one may wait for Slack
UNREACHED = "incident.unreached"


@dataclass(slots=True)
class IncidentUpkeep:
    """Looks after open incidents."""

    store: Store
    clock: Clock
    texts_of: Callable[[ChannelId], Texts]
    on_call: OnCall = nobody_on_call
    _drawn: dict[IncidentId, tuple[object, datetime]] = field(default_factory=dict)
    _unreached: set[IncidentId] = field(default_factory=set)  # said so, as far as we remember

    async def tick(self) -> int:
        """Look once; returns how many incidents there was something to do for."""
        async with self.store.begin() as tx:
            known = [each.id for each in await tx.incidents.open()]
        done = 0
        for each in known:
            async with self.store.begin() as tx:
                done += await self._look(tx, each)
        for gone in self._drawn.keys() - set(known):
            del self._drawn[gone]
        return done

    async def _look(self, tx: Transaction, incident_id: IncidentId) -> bool:
        incident = await tx.incidents.held(incident_id)
        if not incident.open:
            return False
        did = [await self._remind(tx, incident), await self._update(tx, incident_id)]
        did += [await self._draw(tx, incident_id), await self._reach(tx, incident)]
        return any(did)

    async def _remind(self, tx: Transaction, incident: Incident) -> bool:
        wall = self.clock.wall()
        late = life.remind(incident, wall)
        if late is None:
            return False
        await tx.incidents.save(late)
        names = self.on_call(incident.service) or (incident.call.names if incident.call else ())
        minutes = round(incident.priority.answer_within.total_seconds() / 60)
        fields = {"id": incident.id, "priority": incident.priority.value, "minutes": minutes}
        body = {"key": "incident.reminder", "fields": fields, "mentions": list(names)}
        key = f"incident-reminder:{incident.id}:{incident.respond_by.isoformat()}"
        await self._say(tx, incident, key, body)
        facts = {"priority": incident.priority.value, "minutes": minutes}
        now = self.clock.now()
        await tx.audit.append(Event("incident.reminded", now, BOT, incident.id, facts=facts))
        await redraw(tx, incident.id)
        return True

    async def _update(self, tx: Transaction, incident_id: IncidentId) -> bool:
        incident, wall, now = (
            await tx.incidents.get(incident_id),
            self.clock.wall(),
            self.clock.now(),
        )
        rhythm, due = incident.priority.update_every, incident.next_update_at
        if rhythm is None or due is None or wall < due:
            return False
        slots = (wall - due) // rhythm + 1  # what a stop made us miss is not told again
        await tx.incidents.save(replace(incident, next_update_at=due + slots * rhythm))
        if not incident.quiet:
            story = await read_story(tx, incident_id)
            since = now - (wall - due) - rhythm
            lines = update_lines(story, since, now, self.texts_of(incident.place.channel))
            key = f"incident-update:{incident.id}:{due.isoformat()}"
            await self._say(tx, incident, key, {"text": "\n".join(lines), "quotes": True})
        await redraw(tx, incident.id)
        return True

    async def _draw(self, tx: Transaction, incident_id: IncidentId) -> bool:
        wall = self.clock.wall()
        shows = _figures(await read_story(tx, incident_id))
        before, at = self._drawn.get(incident_id, (None, wall - DRAW_EVERY))
        if shows == before and wall - at < DRAW_EVERY:
            return False
        self._drawn[incident_id] = (shows, wall)
        await redraw(tx, incident_id)
        return True

    async def _reach(self, tx: Transaction, incident: Incident) -> bool:
        """Note, once, that Slack does not take a serious incident."""
        wall = self.clock.wall()
        if not incident.priority.calls or incident.id in self._unreached:
            return False
        row = await tx.outbox.find(card_key(incident.id))
        declared = self.clock.now() - incident.declared_at
        if row is None or row.ts is not None or declared < REACHED_WITHIN:
            return False
        self._unreached.add(incident.id)
        if await tx.audit.proved(incident.id, UNREACHED):
            return False  # before a restart
        facts = {
            "incident": incident.id,
            "service": incident.service,
            "priority": incident.priority.value,
            "since": incident.started_at.isoformat(),
            "waiting_since": (wall - declared).isoformat(),
            **({"title": incident.title} if incident.declared_by is None else {}),
        }
        now = self.clock.now()
        await tx.audit.append(Event(UNREACHED, now, BOT, incident.id, "slack", facts=facts))
        return True

    async def _say(
        self, tx: Transaction, incident: Incident, key: str, body: Mapping[str, object]
    ) -> None:
        place = Place(incident.place.channel)
        await tx.outbox.post(key, "notice", incident.id, place, body, behind=card_key(incident.id))


def _figures(story: Story) -> tuple[object, ...]:
    """Return what a card shows that moves by itself."""
    figures = [
        (s.id, s.active, "" if isinstance(s, Alert) else f"{s.latest.observed:.3g}")
        for s in story.signals
    ]
    return (tuple(figures), tuple((r.plan.id, r.version) for r in story.plans))
