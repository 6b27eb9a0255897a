"""/postmortem, its shortcut, and the buttons of a draft."""

from __future__ import annotations

from bot.core.ports import Transaction
from bot.domain.ids import IncidentId, PostmortemId
from bot.domain.place import Place
from bot.domain.postmortem import Postmortem
from bot.slack.blocks import postmortem as view
from bot.slack.interactions import Interaction, pack
from bot.slack.listeners.listener import About
from bot.slack.listeners.room import Room
from tools.errors import NotFoundError


async def of_draft(tx: Transaction, given: Interaction) -> About[Postmortem]:
    """Return the report that a button or a form names."""
    report = await tx.postmortems.get(PostmortemId(given.value or given.subject))
    incident = await tx.incidents.get(report.incident)
    return About(report, report.id, incident.service)


async def commanded(room: Room, command: Interaction, _: None) -> None:
    """`/postmortem [INC-id]` in a channel."""
    await _draft(room, command, Place(command.channel), command.text)


async def from_message(room: Room, shortcut: Interaction, _: None) -> None:
    """The shortcut on a message of an incident's thread."""
    await _draft(room, shortcut, shortcut.place, "")


async def _draft(room: Room, given: Interaction, place: Place, named: str) -> None:
    if not await room.book.is_member(given.channel):
        await room.say_privately(given, "slack.invite_me")
        return
    desk = room.deps.postmortems
    try:
        incident = await desk.find_incident(place, named)
        if incident is None:
            await room.say_privately(given, "slack.postmortem.no_incident")
            return
        report = await desk.draft(IncidentId(incident.id), given.user, place)
    except NotFoundError as error:
        await room.say_privately(given, "slack.gone", why=error)
        return
    await room.say_privately(given, "slack.postmortem.drafted", id=report.id, incident=incident.id)
    room.outbox.wake()


async def open_form(room: Room, click: Interaction, report: Postmortem) -> None:
    """Open the draft for editing."""
    form = view.edit_form(report, pack(click, report.id), room.texts(click))
    await room.open_modal(click, form)


async def complete(room: Room, form: Interaction) -> dict[str, str]:
    """Say what is wrong with the form."""
    if form.fields.get("title", "").strip():
        return {}
    return {"title": room.texts(form).say("slack.form.title_needed")}


async def edit(room: Room, form: Interaction, report: Postmortem) -> None:
    """Keep what the form says."""
    fields = {name: form.fields[name] for name in view.SECTIONS if name in form.fields}
    try:
        await room.deps.postmortems.edit(report.id, form.user, fields)
    except ValueError as error:
        await room.say_privately(form, "slack.gone", why=error)
        return
    await room.say_privately(form, "slack.postmortem.edited", id=report.id)
    room.outbox.wake()


async def publish(room: Room, click: Interaction, report: Postmortem) -> None:
    """Publish the draft."""
    try:
        await room.deps.postmortems.publish(report.id, click.user)
    except ValueError as error:
        await room.say_privately(click, "slack.gone", why=error)
        return
    await room.say_privately(click, "slack.postmortem.done", id=report.id)
    room.outbox.wake()
