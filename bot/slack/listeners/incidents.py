"""Incidents: the buttons of the live card, its forms, `/sre incident …`, and two short wishes.

Every deed is one use case of `bot.core.incidents`; what it refuses is told to who asked.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable

from bot.core.incidents.desk import Declaration
from bot.core.incidents.telling import catch_up
from bot.core.ports import Transaction
from bot.domain.ids import IncidentId, UserId
from bot.domain.incident import Incident, Priority, WrongMoveError
from bot.slack.blocks import incident as view
from bot.slack.blocks.text import channel_named, escape, heard
from bot.slack.interactions import Interaction, pack
from bot.slack.listeners.listener import About
from bot.slack.listeners.room import Room
from foundation.nearest import nearest
from tools.errors import BadArgumentError, NotFoundError

_ID = re.compile(r"\bINC-\d{4}-\d{1,9}\b", re.IGNORECASE)
_USER = re.compile(r"<@([UW][A-Z0-9]{1,30})[|>]")
_PRIORITY = re.compile(r"P[0-3]", re.IGNORECASE)
WORDS = (
    "declare", "take", "join", "give", "severity", "note", "status", "quiet", "loud", "resolve",
    "reopen", "merge",
)  # fmt: skip
QUIET = frozenset({"quiet here", "be quiet", "quiet", "安静", "这里请安静"})
CATCH_UP = frozenset({"catch me up", "catch up", "what happened so far", "目前情况", "帮我跟上"})


async def of_card(tx: Transaction, given: Interaction) -> About[Incident]:
    """Return the incident that a button or a form names."""
    return await _of(tx, given.value or given.subject)


async def of_choice(tx: Transaction, click: Interaction) -> About[Incident]:
    """Return the incident whose select was used: the value is the choice, the block names it."""
    return await _of(tx, click.block_id)


async def _of(tx: Transaction, name: str) -> About[Incident]:
    incident = await tx.incidents.get(IncidentId(name))
    return About(incident, incident.id, incident.service)


# --- buttons and forms -------------------------------------------------------------------------


async def take(room: Room, click: Interaction, incident: Incident) -> None:
    """Have it."""
    await _done(room, click, room.deps.incidents.take(incident.id, click.user))


async def join(room: Room, click: Interaction, incident: Incident) -> None:
    """Work on it too, and be told what happened so far."""
    moved = await _done(room, click, room.deps.incidents.join(incident.id, click.user))
    if moved is not None:
        await _catch_up(room, click, moved)


async def resolve(room: Room, click: Interaction, incident: Incident) -> None:
    """Say that it is over."""
    await _done(room, click, room.deps.incidents.resolve(incident.id, click.user))


async def reopen(room: Room, click: Interaction, incident: Incident) -> None:
    """Go on with it."""
    await _done(room, click, room.deps.incidents.reopen(incident.id, click.user))


async def more(room: Room, click: Interaction, incident: Incident) -> None:
    """Open what was chosen of the rest."""
    texts, carries = room.texts(click), pack(click, incident.id)
    match click.value:
        case "status":
            await open_status(room, click, incident)
        case "hand_over":
            await room.open_modal(click, view.hand_over_form(carries, texts))
        case "severity":
            await room.open_modal(click, view.severity_form(incident, carries, texts))
        case "note":
            await room.open_modal(click, view.note_form(carries, texts))
        case "merge":
            others = [i for i in await room.deps.incidents.list() if i.id != incident.id]
            if not others:
                await room.say_privately(click, "slack.incident.nothing_to_merge")
                return
            await room.open_modal(click, view.merge_form(others, carries, texts))
        case _:
            await _catch_up(room, click, incident)


async def open_status(room: Room, given: Interaction, incident: Incident) -> None:
    """Open the form with the draft of what stakeholders are told."""
    desk = room.deps.status_texts
    found, draft = await desk.draft(incident.id)
    where, texts = channel_named(desk.where(found)), room.texts(given)
    await room.open_modal(given, view.status_form(draft, where, pack(given, found.id), texts))


async def send_status(room: Room, form: Interaction, incident: Incident) -> None:
    """Send what the person wrote."""
    text = form.fields.get("text", "")
    sent = await room.deps.status_texts.send(incident.id, text, form.user)
    said = room.texts(form).say("slack.incident.status_sent", channel=channel_named(sent))
    await room.whisper(form, said)
    room.outbox.wake()


async def hand_over(room: Room, form: Interaction, incident: Incident) -> None:
    """Let the chosen person have it."""
    to = UserId(form.fields.get("user", ""))
    await _done(room, form, room.deps.incidents.hand_over(incident.id, to, form.user))


async def severity(room: Room, form: Interaction, incident: Incident) -> None:
    """Say how serious it is."""
    priority = Priority(form.fields.get("priority", incident.priority.value))
    await _done(room, form, room.deps.incidents.judge(incident.id, priority, form.user))


async def note(room: Room, form: Interaction, incident: Incident) -> None:
    """Write into the timeline."""
    text = form.fields.get("text", "")
    await _done(room, form, room.deps.incidents.note(incident.id, text, form.user))


async def merge(room: Room, form: Interaction, incident: Incident) -> None:
    """Make it a part of the chosen one."""
    into = IncidentId(form.fields.get("into", ""))
    await _done(room, form, room.deps.incidents.merge(incident.id, into, form.user))


async def something_said(room: Room, form: Interaction) -> dict[str, str]:
    """Say that a text is needed."""
    if form.fields.get("text", "").strip():
        return {}
    return {"text": room.texts(form).say("slack.form.text_needed")}


async def somebody_chosen(room: Room, form: Interaction) -> dict[str, str]:
    """Say that a person is needed, and one who may take it."""
    if form.fields.get("user", ""):
        return {}
    return {"user": room.texts(form).say("slack.form.person_needed")}


# --- commands ----------------------------------------------------------------------------------


async def listed(room: Room, command: Interaction, _: None) -> None:
    """`/sre incidents [INC-…]`: what is open, or what happened so far in one."""
    named = _ID.search(command.rest)
    if named is not None:
        found = await _found(room, command, named.group())
        if found is not None:
            await _catch_up(room, command, found)
        return
    texts = room.texts(command)
    lines = [view.line(each, texts) for each in await room.deps.incidents.list()]
    await room.whisper(command, "\n".join(lines) or texts.say("slack.incident.none_open"))


async def commanded(room: Room, command: Interaction, _: None) -> None:
    """`/sre incident WORD …`."""
    word, __, rest = command.rest.partition(" ")
    word, rest = word.lower(), rest.strip()
    if word not in WORDS:
        hint = nearest(word, WORDS) if word else ""
        await room.say_privately(command, "slack.incident.usage", hint=hint)
        return
    if word == "declare":
        await _declare(room, command, rest)
        return
    names = [each.upper() for each in _ID.findall(rest)]
    incident = await _found(room, command, names[0] if names else "")
    if incident is None:
        return
    if word == "status":
        draft = (await room.deps.status_texts.draft(incident.id))[1]
        await room.say_privately(command, "slack.incident.draft", id=incident.id, text=draft)
        return
    deed = _deed(room, command, word, _ID.sub("", rest).strip(), incident, names)
    if deed is None:
        await room.say_privately(command, "slack.incident.usage", hint="")
        return
    await _done(room, command, deed)


def _deed(
    room: Room, command: Interaction, word: str, rest: str, incident: Incident, names: list[str]
) -> Awaitable[Incident] | None:
    """Return what a word asks for; None when something is missing."""
    desk, user, name = room.deps.incidents, command.user, incident.id
    plain: dict[str, Callable[[], Awaitable[Incident]]] = {
        "take": lambda: desk.take(name, user),
        "join": lambda: desk.join(name, user),
        "quiet": lambda: desk.quiet(name, user),
        "loud": lambda: desk.quiet(name, user, on=False),
        "resolve": lambda: desk.resolve(name, user, heard(rest)),
        "reopen": lambda: desk.reopen(name, user),
    }
    if word in plain:
        return plain[word]()
    to, priority = _USER.search(rest), _PRIORITY.search(rest)
    if word == "give" and to is not None:
        return desk.hand_over(name, UserId(to.group(1)), user)
    if word == "severity" and priority is not None:
        return desk.judge(name, Priority(priority.group().upper()), user)
    if word == "note" and rest:
        return desk.note(name, heard(rest), user)
    if word == "merge" and len(names) > 1:
        return desk.merge(name, IncidentId(names[1]), user)
    return None


async def _declare(room: Room, command: Interaction, rest: str) -> None:
    """`declare [P1] SERVICE what is wrong`."""
    first, _, tail = rest.partition(" ")
    priority = Priority.P2
    if _PRIORITY.fullmatch(first):
        priority, rest = Priority(first.upper()), tail.strip()
    service, _, title = rest.partition(" ")
    said = Declaration(heard(title), service, priority)
    await _done(
        room, command, room.deps.incidents.declare(said, command.user), "slack.incident.declared"
    )


# --- wishes in a thread ------------------------------------------------------------------------


async def wished(room: Room, event: Interaction, bot_user: str) -> bool:
    """Do what `@sre quiet here` and `@sre catch me up` ask for; False when it is neither."""
    words = heard(event.text, bot_user).lower().strip(" .!?。！？")
    if words not in QUIET | CATCH_UP:
        return False
    incident = await _found(room, event, "")
    if incident is None:
        return True
    if words in CATCH_UP:
        await _catch_up(room, event, incident)
    else:
        deed = room.deps.incidents.quiet(incident.id, event.user)
        await _done(room, event, deed, "slack.incident.now_quiet")
    return True


# --- one way for all ---------------------------------------------------------------------------


async def _found(room: Room, given: Interaction, named: str) -> Incident | None:
    try:
        return await room.deps.incidents.find(given.place, named)
    except (NotFoundError, BadArgumentError) as error:
        await room.say_privately(given, "slack.gone", why=error)
        return None


async def _done(
    room: Room, given: Interaction, deed: Awaitable[Incident], key: str = "slack.incident.done"
) -> Incident | None:
    """Do it, say what it came to, and have the card redrawn."""
    try:
        moved = await deed
    except (NotFoundError, BadArgumentError, WrongMoveError) as error:
        await room.say_privately(given, "slack.gone", why=error)
        return None
    state = view.state_of(moved, room.texts(given))
    await room.say_privately(given, key, id=moved.id, state=state)
    room.outbox.wake()
    return moved


async def _catch_up(room: Room, given: Interaction, incident: Incident) -> None:
    """Tell one person what happened so far."""
    story = await room.deps.incidents.story(incident.id)
    lines = catch_up(story, room.deps.clock.now(), room.texts(given))
    await room.whisper(given, "\n".join(escape(line) for line in lines))
