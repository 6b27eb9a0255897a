"""IncidentSide over the parts: what people do with them, and what time does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.composition.parts import Parts
from bot.composition.slack import People
from bot.core.incidents.config import on_call_of
from bot.core.incidents.desk import IncidentDesk
from bot.core.incidents.rooms import IncidentRooms
from bot.core.incidents.status import StatusDesk
from bot.core.incidents.upkeep import IncidentUpkeep
from bot.core.shared.incident_book import OnCall
from bot.domain.access import AccessConfig
from bot.domain.ids import ChannelId
from bot.slack.rooms import SlackRooms
from tools.world import ServiceName


@dataclass(frozen=True, slots=True)
class IncidentSide:
    """All that the bot does with incidents."""

    desk: IncidentDesk
    status: StatusDesk
    upkeep: IncidentUpkeep
    rooms: IncidentRooms | None  # None: no incident gets a channel of its own


def on_call(parts: Parts, access: Callable[[], AccessConfig]) -> OnCall:
    """Return who is on call for a service, as it is configured now."""

    def of(service: ServiceName) -> tuple[str, ...]:
        return on_call_of(service, parts.settings.incidents, access())

    return of


def incidents_of(
    parts: Parts, people: People, called: OnCall, channel_of: Callable[[ServiceName], ChannelId]
) -> IncidentSide:
    """Join what keeps incidents."""
    redactor, catalogue = parts.settings.redactor, parts.live_files.catalogue

    def stakeholders() -> ChannelId:
        slack = people.slack
        return slack.workspace.channels.of_status() if slack else ChannelId("")

    return IncidentSide(
        IncidentDesk(
            store=parts.store,
            clock=parts.clock,
            catalogue=catalogue,
            channel_of=channel_of,
            texts_of=people.texts_of,
            redactor=redactor,
            on_call=called,
        ),
        StatusDesk(parts.store, parts.clock, people.texts_of, redactor, stakeholders),
        IncidentUpkeep(parts.store, parts.clock, people.texts_of, called),
        _rooms(parts, people),
    )


def _rooms(parts: Parts, people: People) -> IncidentRooms | None:
    since = parts.settings.incidents.own_channel_from
    if since is None or people.slack is None:
        return None
    workspace = people.slack.workspace
    rooms = SlackRooms(workspace.client, workspace.book)
    return IncidentRooms(parts.store, parts.clock, rooms, since, people.texts_of)
