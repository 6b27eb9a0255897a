"""`/sre WORD …`: what each word does."""

from __future__ import annotations

import re
from datetime import timedelta

from bot.core.remediation.answers.switches import Switch, Switched
from bot.domain.plans.plan import FOR_A_PERSON
from bot.locale import Texts
from bot.slack.blocks import digest as digest_view
from bot.slack.blocks import home as view
from bot.slack.blocks.text import (
    DAY_AND_TIME,
    called,
    date,
    escape,
    fit,
    one_line,
    ours,
)
from bot.slack.ids import Subcommand
from bot.slack.interactions import Interaction
from bot.slack.listeners.room import Room
from foundation.nearest import nearest
from tools.errors import BadArgumentError

_SPAN = re.compile(r"^(\d{1,4})\s*(m|min|h|d)$")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


async def unknown(room: Room, command: Interaction, _: None) -> None:
    """A word that is none."""
    hint = nearest(command.word, map(str, Subcommand))
    await room.say_privately(command, "slack.unknown_word", word=command.word, hint=hint)


async def show_help(room: Room, command: Interaction, _: None) -> None:
    """What can be typed."""
    await room.whisper(command, room.texts(command).say("slack.help"))


async def status(room: Room, command: Interaction, _: None) -> None:
    """How the bot is."""
    texts = room.texts(command)
    async with room.deps.store.begin() as tx:
        findings = await tx.findings.open()
        plans = await tx.plans.list(FOR_A_PERSON)
    lines = {
        texts.say("slack.status.findings"): str(len(findings)),
        texts.say("slack.status.plans"): str(len(plans)),
    }
    lines |= await room.deps.status()
    await room.whisper(command, view.status_lines(lines, texts, await switched(room, texts)))


async def switched(room: Room, texts: Texts) -> dict[str, str]:
    """Return what is switched off or silenced now: by whom, since or until when."""
    halt, freeze = await room.deps.switches.now()
    told: dict[str, str] = {}
    if halt.why:
        told[texts.say("slack.status.halted")] = _set_by(halt, texts)
    if freeze.why:
        told[texts.say("slack.status.frozen")] = _set_by(freeze, texts)
    for mute in await room.deps.triage.mutes():
        name = texts.say("slack.status.muted", service=f"{mute.service} {mute.metric}".strip())
        until = date(mute.until, DAY_AND_TIME)
        told[name] = texts.say("slack.status.muted_by", user=called(mute.by), until=until)
    return told


async def plans(room: Room, command: Interaction, _: None) -> None:
    """The plans that wait."""
    async with room.deps.store.begin() as tx:
        found = await tx.plans.list(FOR_A_PERSON)
    await room.whisper(command, view.plan_lines(found, room.texts(command)))


async def digest(room: Room, command: Interaction, _: None) -> None:
    """The digest as it would be told now, to one person."""
    texts = room.texts(command)
    body = await room.deps.digests.preview(command.channel)
    rendered = digest_view.render(body, texts, room.config.link_hosts)
    await room.whisper(command, rendered.text, fit(rendered.blocks, texts))


async def mute(room: Room, command: Interaction, _: None) -> None:
    """Silence a service for a while: `SERVICE [90m]`."""
    service, __, span = command.rest.partition(" ")
    duration = _duration(span.strip() or "1h")
    if not service or duration is None:
        await room.say_privately(command, "slack.mute_usage", given=command.rest)
        return
    try:
        mute = await room.deps.triage.mute(service, duration, command.user, room.deps.catalogue())
    except BadArgumentError as error:
        await room.say_privately(command, "slack.gone", why=error)
        return
    await room.say_muted(command, mute.service, mute.until)


async def unmute(room: Room, command: Interaction, _: None) -> None:
    """Let a service be heard again: `SERVICE [METRIC]`."""
    service, __, metric = command.rest.partition(" ")
    if not service:
        await room.say_privately(command, "slack.unmute_usage")
        return
    try:
        await room.deps.triage.unmute(service, command.user, metric.strip())
    except BadArgumentError as error:
        await room.say_privately(command, "slack.gone", why=error)
        return
    await room.say_privately(command, "slack.unmuted", service=command.rest)
    room.outbox.wake()


def _set_by(switch: Switch, texts: Texts) -> str:
    """Return why a switch is on, who set it, and since when, as mrkdwn: only they are named."""
    why = one_line(switch.why)
    if switch.since is None:
        return why
    since = f"{switch.since:%Y-%m-%d %H:%M} UTC"
    return texts.say("slack.status.set_by", user=called(switch.by), since=since, why=why)


def _duration(text: str) -> timedelta | None:
    match = _SPAN.match(text)
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


async def halt(room: Room, command: Interaction, _: None) -> None:
    """Stop every plan before its next step."""
    switches, why = room.deps.switches, command.rest
    await _tell(room, command, await switches.halt(command.user, why, command.channel))


async def halt_by_hand(room: Room, command: Interaction) -> str:
    """Halt what can be halted without the database; returns what to say, and who knows."""
    done = await room.deps.switches.halt_by_hand(command.user, command.rest, command.channel)
    texts = room.texts(command)
    if not done.accepted:
        return texts.say("slack.denied", right="sre.halt", why=escape(done.why))
    key = "slack.halted_by_hand.file" if done.file else "slack.halted_by_hand.memory"
    return texts.say(key, instance=escape(room.config.owner), file=escape(done.file))


async def resume(room: Room, command: Interaction, _: None) -> None:
    """Let plans run again."""
    await _tell(room, command, await room.deps.switches.resume(command.user, command.channel))


async def freeze(room: Room, command: Interaction, _: None) -> None:
    """Refuse new plans and claims."""
    switches, why = room.deps.switches, command.rest
    await _tell(room, command, await switches.freeze(command.user, why, command.channel))


async def unfreeze(room: Room, command: Interaction, _: None) -> None:
    """End the freeze."""
    await _tell(room, command, await room.deps.switches.unfreeze(command.user, command.channel))


async def _tell(room: Room, command: Interaction, done: Switched) -> None:
    if done.accepted:
        await room.say_privately(command, f"slack.switched.{command.word}")
        room.outbox.wake()
    else:
        right = f"sre.{command.word}"
        await room.say_privately(command, "slack.denied", right=right, why=done.why)


async def reload(room: Room, command: Interaction, _: None) -> None:
    """Read catalogue, rules, playbooks and tools again."""
    done = await room.deps.files.reload(command.user)
    await room.whisper(command, ours(done.message))
