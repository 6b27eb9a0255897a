"""Buttons of a finding: seen, mute, false alarm, propose a fix, declare an incident."""

from __future__ import annotations

from datetime import timedelta

from bot.core.ports import Transaction
from bot.domain.finding import Finding
from bot.domain.ids import FindingId
from bot.slack.blocks.finding import MUTE_HOURS
from bot.slack.blocks.text import ours
from bot.slack.interactions import Interaction
from bot.slack.listeners.listener import About
from bot.slack.listeners.room import Room


async def of_button(tx: Transaction, click: Interaction) -> About[Finding]:
    """Return the finding a button names."""
    return await _finding(tx, click.value)


async def of_choice(tx: Transaction, click: Interaction) -> About[Finding]:
    """Return the finding whose hours were chosen: the value is the choice, the block names it."""
    return await _finding(tx, click.block_id)


async def _finding(tx: Transaction, name: str) -> About[Finding]:
    finding = await tx.findings.get(FindingId(name))
    return About(finding, finding.id, finding.service)


async def acknowledge(room: Room, click: Interaction, finding: Finding) -> None:
    """Note that somebody looks after it."""
    count = await room.deps.triage.acknowledge(finding.id, click.user)
    key = "slack.acknowledged" if count else "slack.nothing_changed"
    await room.say_privately(click, key, id=finding.id, count=count)
    room.outbox.wake()


async def false_alarm(room: Room, click: Interaction, finding: Finding) -> None:
    """Close it as none; the detector learns from it."""
    count = await room.deps.triage.false_alarm(finding.id, click.user)
    key = "slack.false_alarm" if count else "slack.nothing_changed"
    await room.say_privately(click, key, id=finding.id, count=count)
    room.outbox.wake()


async def mute(room: Room, click: Interaction, finding: Finding) -> None:
    """Silence the finding's service for the chosen hours."""
    if click.value not in MUTE_HOURS:
        await room.say_privately(
            click, "slack.malformed", why=f"mute {click.value!r} is none of {', '.join(MUTE_HOURS)}"
        )
        return
    mute = await room.deps.triage.mute(
        finding.service, timedelta(hours=int(click.value)), click.user, room.deps.catalogue()
    )
    await room.say_muted(click, mute.service, mute.until)


async def propose(room: Room, click: Interaction, finding: Finding) -> None:
    """Look for a playbook that fits."""
    await room.say_privately(click, "slack.proposing")
    proposed = await room.deps.proposals.for_finding(finding.id, click.user, click.place)
    await room.whisper(click, ours(proposed.message))
    room.outbox.wake()


async def declare(room: Room, click: Interaction, finding: Finding) -> None:
    """Declare an incident."""
    incident = await room.deps.triage.declare(finding.id, click.user, room.deps.catalogue())
    await room.say_privately(click, "slack.declared", id=incident)
    room.outbox.wake()
