"""One row of the table of listeners: a name of Slack, the right it needs, and what happens.

    heeds    whether it is for us at all: most messages of a channel are not
    about    what it is about, looked up once; what is gone is told
    right    judged here, once per click, for the service it is about; a no is told and audited
    quick    while the trigger lives (about 3 s): open a modal
    lane     `BRAKE`: it overtakes what people talk, at the door and in the inbox
    beside   while the trigger lives: an empty form that asks for more, beside `work`, which judges
    unkept   what is done, and said at once, when the database does not take the order in time
    fresh    it lets something go: what was held back in the inbox is told and not carried out
    check    of a form, while it waits: errors by input
    work     from the inbox: everything else, tried again when it fails

Behind the door nobody asks again who may, but the use cases that judge plans at every answer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, Generic, TypeVar

import structlog

from bot.core.ports import Transaction
from bot.domain.access import RIGHTS, AccessConfig, decide, named_holders
from bot.domain.audit import Event
from bot.slack.interactions import Interaction
from bot.slack.listeners.room import Room
from tools.errors import NotFoundError

log = structlog.get_logger(__name__)
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class About(Generic[S]):
    """What an interaction is about; `service` decides whose roles count. Empty is none."""

    subject: S
    id: str = ""
    service: str = ""


async def nothing(_: Transaction, __: Interaction) -> About[None]:
    """Look nothing up: it is about nothing in particular."""
    return About(None)


def always(_: Interaction) -> bool:
    """Heed it, whatever it says."""
    return True


@dataclass(frozen=True, slots=True)
class Listener(Generic[S]):
    """One row."""

    kind: str
    name: str
    about: Callable[[Transaction, Interaction], Awaitable[About[S]]]
    _: KW_ONLY
    right: str | None = ""  # empty: its own name; None: nobody needs one
    lane: str = ""
    fresh: bool = False
    heeds: Callable[[Interaction], bool] = always
    work: Callable[[Room, Interaction, S], Awaitable[None]] | None = None
    quick: Callable[[Room, Interaction, S], Awaitable[None]] | None = None
    beside: Callable[[Room, Interaction], Awaitable[None]] | None = None
    unkept: Callable[[Room, Interaction], Awaitable[str]] | None = None
    check: Callable[[Room, Interaction], Awaitable[dict[str, str]]] | None = None

    @property
    def needed(self) -> str | None:
        """The right it needs, None when it needs none."""
        return self.name if self.right == "" else self.right

    async def in_time(self, room: Room, interaction: Interaction) -> None:
        """Do what cannot wait."""
        if self.beside is not None:
            await self.beside(room, interaction)
        if self.quick is not None:
            about = await self._admit(room, interaction)
            if about is not None:
                await self.quick(room, interaction, about.subject)

    async def at_leisure(self, room: Room, interaction: Interaction) -> None:
        """Do what the inbox keeps until it is done."""
        if self.work is None or not self.heeds(interaction):
            return
        if self.check is not None and await self.check(room, interaction):
            return  # the form was sent back with its errors
        about = await self._admit(room, interaction)
        if about is not None:
            await self.work(room, interaction, about.subject)

    async def _admit(self, room: Room, interaction: Interaction) -> About[S] | None:
        """Return what it is about if who did it may; else tell them why not."""
        try:
            async with room.deps.store.begin() as tx:
                about = await self.about(tx, interaction)
        except NotFoundError as error:
            await room.say_privately(interaction, "slack.gone", why=error)
            return None
        if self.needed is None:
            return about
        access = room.deps.access()
        why = await _objection(room, interaction, self.needed, about.service, access)
        if not why:
            return about
        await _refuse(room, interaction, self.needed, about, why, access)
        return None


async def _objection(
    room: Room, interaction: Interaction, right: str, service: str, access: AccessConfig
) -> str:
    """Return why somebody may not; empty when they may."""
    try:
        person = await room.directory.person(interaction.user)
    except NotFoundError as error:
        return str(error)
    return decide(person, right, access, interaction.channel, service).why


async def _refuse(
    room: Room,
    interaction: Interaction,
    right: str,
    about: About[Any],
    why: str,
    access: AccessConfig,
) -> None:
    facts = {"right": right, "channel": interaction.channel, "service": about.service}
    async with room.deps.store.begin() as tx:
        await tx.audit.append(
            Event(
                kind="access.denied",
                at=room.deps.clock.now(),
                actor=interaction.user,
                subject=about.id or right,
                why=why,
                facts=facts,
            )
        )
    log.info("access.denied", user=interaction.user, right=right, why=why)
    role = RIGHTS.get(right)
    names = named_holders(role, access, interaction.channel, about.service) if role else ()
    await room.say_denied(interaction, right, why, names)
