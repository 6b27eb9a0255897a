"""Buttons of a finding: seen, mute, false alarm, propose a fix, declare an incident."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.finding import Finding
from bot.domain.ids import FindingId
from bot.slack.blocks.finding import MUTE_HOURS
from bot.slack.blocks.text import ours
from bot.slack.deeds import Deed
from bot.slack.listeners.room import Room
from tools.errors import NotFoundError


async def acknowledge(room: Room, deed: Deed) -> None:
    """Note that somebody looks after it."""
    finding = await _admitted(room, deed, deed.value)
    if finding is None:
        return
    count = await room.deps.triage.acknowledge(finding.id, deed.user)
    key = "slack.acknowledged" if count else "slack.nothing_changed"
    await room.say_privately(deed, key, id=finding.id, count=count)
    room.outbox.wake()


async def false_alarm(room: Room, deed: Deed) -> None:
    """Close it as none; the detector learns from it."""
    finding = await _admitted(room, deed, deed.value)
    if finding is None:
        return
    count = await room.deps.triage.false_alarm(finding.id, deed.user)
    key = "slack.false_alarm" if count else "slack.nothing_changed"
    await room.say_privately(deed, key, id=finding.id, count=count)
    room.outbox.wake()


async def mute(room: Room, deed: Deed) -> None:
    """Silence the finding's service for the chosen hours."""
    finding = await _admitted(room, deed, deed.block_id)
    if finding is None:
        return
    if deed.value not in MUTE_HOURS:
        await room.say_privately(
            deed, "slack.malformed", why=f"mute {deed.value!r} is none of {', '.join(MUTE_HOURS)}"
        )
        return
    mute = await room.deps.triage.mute(
        finding.service, timedelta(hours=int(deed.value)), deed.user, room.deps.catalogue()
    )
    await room.say_muted(deed, mute.service, mute.until)


async def propose(room: Room, deed: Deed) -> None:
    """Look for a playbook that fits."""
    finding = await _admitted(room, deed, deed.value)
    if finding is None:
        return
    await room.say_privately(deed, "slack.proposing")
    told = await room.deps.proposals.for_finding(finding.id, deed.user, deed.place)
    await room.whisper(deed, ours(told.message))
    room.outbox.wake()


async def declare(room: Room, deed: Deed) -> None:
    """Declare an incident."""
    finding = await _admitted(room, deed, deed.value)
    if finding is None:
        return
    spec = room.deps.catalogue().services.get(finding.service)
    incident = await room.deps.triage.declare(finding.id, deed.user, spec.tier if spec else 2)
    await room.say_privately(deed, "slack.declared", id=incident)
    room.outbox.wake()


async def _admitted(room: Room, deed: Deed, name: str) -> Finding | None:
    try:
        async with room.deps.store.begin() as tx:
            finding = await tx.findings.get(FindingId(name))
    except NotFoundError as error:
        await room.say_privately(deed, "slack.gone", why=error)
        return None
    if await room.admits(deed, deed.name, finding.service) is None:
        return None
    return finding
