"""`/sre WORD …`: the router and its words."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta

from bot.core.remediation.switches import Switch
from bot.locale import Texts
from bot.slack.blocks import home as view
from bot.slack.blocks import papers
from bot.slack.blocks.text import fit, ours
from bot.slack.deeds import Deed
from bot.slack.ids import Subcommand
from bot.slack.listeners.home import WAITING
from bot.slack.listeners.room import Room
from foundation.nearest import nearest
from tools.errors import BadArgumentError

Word = Callable[[Room, Deed, str], Awaitable[None]]
_SPAN = re.compile(r"^(\d{1,4})\s*(m|min|h|d)$")
_UNITS = {"m": "minutes", "min": "minutes", "h": "hours", "d": "days"}


async def sre(room: Room, deed: Deed) -> None:
    """Find the word, check its right, do it."""
    word, _, rest = deed.text.partition(" ")
    word = word.lower() or Subcommand.HELP
    if word not in WORDS:
        hint = nearest(word, map(str, WORDS))
        await room.say_privately(deed, "slack.unknown_word", word=word, hint=hint)
        return
    if await room.admits(deed, f"sre.{word}") is not None:
        await WORDS[word](room, deed, rest.strip())


async def _help(room: Room, deed: Deed, _: str) -> None:
    await room.whisper(deed, room.texts(deed).say("slack.help"))


async def _status(room: Room, deed: Deed, _: str) -> None:
    texts = room.texts(deed)
    async with room.deps.store.begin() as tx:
        findings = await tx.findings.open()
        plans = await tx.plans.list(WAITING)
    lines = {
        texts.say("slack.status.findings"): str(len(findings)),
        texts.say("slack.status.plans"): str(len(plans)),
    }
    halt, freeze = await room.deps.switches.now()
    if halt.why:
        lines[texts.say("slack.status.halted")] = _set_by(halt, texts)
    if freeze.why:
        lines[texts.say("slack.status.frozen")] = _set_by(freeze, texts)
    lines |= await room.deps.status()
    await room.whisper(deed, view.status_lines(lines, texts))


async def _plans(room: Room, deed: Deed, _: str) -> None:
    async with room.deps.store.begin() as tx:
        found = await tx.plans.list(WAITING)
    await room.whisper(deed, view.plan_lines(found, room.texts(deed)))


async def _digest(room: Room, deed: Deed, _: str) -> None:
    texts = room.texts(deed)
    body = await room.deps.digests.preview(deed.channel)
    rendered = papers.digest(body, texts, room.config.link_hosts)
    await room.whisper(deed, rendered.text, fit(rendered.blocks, texts))


async def _mute(room: Room, deed: Deed, rest: str) -> None:
    service, _, span = rest.partition(" ")
    duration = _duration(span.strip() or "1h")
    if not service or duration is None:
        await room.say_privately(deed, "slack.mute_usage", given=rest)
        return
    try:
        mute = await room.deps.triage.mute(service, duration, deed.user, room.deps.catalogue())
    except BadArgumentError as error:
        await room.say_privately(deed, "slack.gone", why=error)
        return
    await room.say_muted(deed, mute.service, mute.until)


def _set_by(switch: Switch, texts: Texts) -> str:
    """Return why a switch is on, who set it, and since when."""
    if switch.since is None:
        return switch.why
    since = f"{switch.since:%Y-%m-%d %H:%M} UTC"
    return texts.say("slack.status.set_by", user=f"<@{switch.by}>", since=since, why=switch.why)


def _duration(text: str) -> timedelta | None:
    match = _SPAN.match(text)
    return timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else None


async def _switch(room: Room, deed: Deed, reason: str) -> None:
    word = deed.text.partition(" ")[0].lower()
    why = room.deps.redactor.text(reason)
    match word:
        case Subcommand.HALT:
            done = await room.deps.switches.halt(deed.user, why, deed.channel)
        case Subcommand.RESUME:
            done = await room.deps.switches.resume(deed.user, deed.channel)
        case Subcommand.FREEZE:
            done = await room.deps.switches.freeze(deed.user, why, deed.channel)
        case _:
            done = await room.deps.switches.unfreeze(deed.user, deed.channel)
    if done.accepted:
        await room.say_privately(deed, f"slack.switched.{word}")
    else:
        await room.say_privately(deed, "slack.denied", right=f"sre.{word}", why=done.why)


async def _reload(room: Room, deed: Deed, _: str) -> None:
    told = await room.deps.files.reload(deed.user)
    await room.whisper(deed, ours(told.message))


WORDS: dict[str, Word] = {
    Subcommand.HELP: _help,
    Subcommand.STATUS: _status,
    Subcommand.PLANS: _plans,
    Subcommand.DIGEST: _digest,
    Subcommand.MUTE: _mute,
    Subcommand.HALT: _switch,
    Subcommand.RESUME: _switch,
    Subcommand.FREEZE: _switch,
    Subcommand.UNFREEZE: _switch,
    Subcommand.RELOAD: _reload,
}
