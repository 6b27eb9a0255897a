"""/postmortem, its shortcut, and the buttons of a draft."""

from __future__ import annotations

from bot.domain.ids import IncidentId, PostmortemId
from bot.domain.place import Place
from bot.domain.postmortem import Postmortem
from bot.slack.blocks import papers
from bot.slack.deeds import Deed, pack
from bot.slack.listeners.room import Room
from tools.errors import NotFoundError


async def commanded(room: Room, deed: Deed) -> None:
    """`/postmortem [INC-id]` in a channel."""
    if await room.admits(deed, "command.postmortem") is None:
        return
    if not await room.book.is_member(deed.channel):
        await room.say_privately(deed, "slack.invite_me")
        return
    await _draft(room, deed, Place(deed.channel), deed.text)


async def from_message(room: Room, deed: Deed) -> None:
    """The shortcut on a message of an incident's thread."""
    if await room.admits(deed, "message.postmortem") is None:
        return
    if not await room.book.is_member(deed.channel):
        await room.say_privately(deed, "slack.invite_me")
        return
    await _draft(room, deed, deed.place, "")


async def _draft(room: Room, deed: Deed, place: Place, named: str) -> None:
    desk = room.deps.postmortems
    try:
        incident = await desk.find_incident(place, named)
        if incident is None:
            await room.say_privately(deed, "slack.postmortem.no_incident")
            return
        report = await desk.draft(IncidentId(incident.id), deed.user, place)
    except NotFoundError as error:
        await room.say_privately(deed, "slack.gone", why=error)
        return
    await room.say_privately(deed, "slack.postmortem.drafted", id=report.id, incident=incident.id)
    room.outbox.wake()


async def open_form(room: Room, deed: Deed) -> None:
    """Open the draft for editing."""
    report = await _admitted(room, deed)
    if report is not None:
        await room.open_modal(
            deed, papers.edit_form(report, pack(deed, report.id), room.texts(deed))
        )


async def complete(room: Room, deed: Deed) -> dict[str, str]:
    """Say what is wrong with the form."""
    if deed.fields.get("title", "").strip():
        return {}
    return {"title": room.texts(deed).say("slack.form.title_needed")}


async def edit(room: Room, deed: Deed) -> None:
    """Keep what the form says."""
    report = await _admitted(room, deed)
    if report is None:
        return
    fields = {name: deed.fields[name] for name in papers.SECTIONS if name in deed.fields}
    try:
        await room.deps.postmortems.edit(report.id, deed.user, fields)
    except ValueError as error:
        await room.say_privately(deed, "slack.gone", why=error)
        return
    await room.say_privately(deed, "slack.postmortem.edited", id=report.id)
    room.outbox.wake()


async def publish(room: Room, deed: Deed) -> None:
    """Publish the draft."""
    report = await _admitted(room, deed)
    if report is None:
        return
    try:
        await room.deps.postmortems.publish(report.id, deed.user)
    except ValueError as error:
        await room.say_privately(deed, "slack.gone", why=error)
        return
    await room.say_privately(deed, "slack.postmortem.done", id=report.id)
    room.outbox.wake()


async def _admitted(room: Room, deed: Deed) -> Postmortem | None:
    try:
        async with room.deps.store.begin() as tx:
            report = await tx.postmortems.get(PostmortemId(deed.value or deed.subject))
            incident = await tx.incidents.get(report.incident)
    except NotFoundError as error:
        await room.say_privately(deed, "slack.gone", why=error)
        return None
    return None if await room.admits(deed, deed.name, incident.service) is None else report
