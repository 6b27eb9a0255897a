"""Switches that people set at run time: halt (kill switch) and freeze. Every change is audited.

halt stops new steps at once; it is a flag, or a file that exists. freeze refuses new plans and
claims; what runs may end. Rights: `sre.halt` for responders, the rest for admins; over HTTP
(`api.halt`, `api.resume`) both ways take an admin.

    touch var/halt ──gate: no further step──┐        rm var/halt
                   └─tick: setting.changed ─┘ audit  └─tick: setting.changed

The gate looks at the file itself; `HaltFile` notes its coming and going, every process for the file
it sees. One that starts beside a file notes that too; one that starts without has nothing to say.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import structlog

from bot.core.ports import Clock, Store, Transaction
from bot.core.remediation.guarding.halts import (
    FREEZE,
    HALT,
    SETTING_CHANGED,
    TURN,
    Halts,
    newest_word,
    set_by_people,
    turn_of,
)
from bot.core.remediation.guarding.hand_brake import HandBrake
from bot.core.remediation.guarding.people import PeopleNow
from bot.domain.audit import BOT, Event
from bot.domain.ids import ChannelId, UserId
from bot.domain.place import Place
from bot.domain.secrets.redaction import Redactor
from foundation.blanks import is_blank

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Switched:
    """What setting a switch came to; `why` says why not."""

    accepted: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch as it stands."""

    why: str = ""  # empty: it is off
    by: str = ""  # who set it; empty where a file did
    since: datetime | None = None  # world time; None where a file set it


@dataclass(frozen=True, slots=True)
class ByHand:
    """What pulling the hand brake came to; `why` says why it was not."""

    accepted: bool
    why: str = ""
    file: str = ""  # that keeps it for after a restart; empty: the process alone knows


@dataclass(frozen=True, slots=True)
class Switches:
    """Sets and reads the switches."""

    store: Store
    clock: Clock
    people: PeopleNow
    halts: Halts
    redactor: Redactor  # of the reason that somebody gives
    hand_brake: HandBrake = field(default_factory=HandBrake)
    incidents: Callable[[], Place | None] = lambda: None  # where everybody reads what matters

    async def halt(
        self, user: UserId, reason: str, channel: ChannelId, right: str = "sre.halt"
    ) -> Switched:
        """Stop every plan before its next step. `right` is that of the door."""
        return await self._set(HALT, _said(reason), user, right, channel)

    async def halt_by_hand(self, user: UserId, reason: str, channel: ChannelId) -> ByHand:
        """Halt this process without the database, which does not take the order now.

        Who may is judged as ever; a no is in the log alone, as the audit is in the database.
        """
        person = await self.people.remembered(user)
        who = self.people.may(person, user, "sre.halt", channel)
        if not who.allowed:
            log.warning("access.denied", user=user, right="sre.halt", why=who.why)
            return ByHand(False, who.why)
        said = self.redactor.text(_said(reason))
        since = f"{self.clock.wall():%Y-%m-%d %H:%M:%S} UTC"
        in_file = await self.hand_brake.pull(f"{user}: {said} (without the database, {since})")
        log.warning("halt.pulled_by_hand", user=user, in_file=in_file)
        return ByHand(True, file=str(self.hand_brake.path) if in_file else "")

    async def resume(
        self, user: UserId, channel: ChannelId, reason: str = "", right: str = "sre.resume"
    ) -> Switched:
        """Let plans run again; a halt file that a person made stays in force."""
        return await self._set(HALT, "", user, right, channel, reason)

    async def freeze(self, user: UserId, reason: str, channel: ChannelId) -> Switched:
        """Refuse new plans and claims."""
        return await self._set(FREEZE, _said(reason), user, "sre.freeze", channel)

    async def unfreeze(self, user: UserId, channel: ChannelId) -> Switched:
        """End the freeze."""
        return await self._set(FREEZE, "", user, "sre.unfreeze", channel)

    async def state(self) -> tuple[str, str]:
        """Return why plans are halted and why changes are frozen; empty when they are not."""
        async with self.store.begin() as tx:
            return await self.halts.why(tx), await self.halts.frozen(tx)

    async def now(self) -> tuple[Switch, Switch]:
        """Return halt and freeze with who set them and since when."""
        async with self.store.begin() as tx:
            halt, freeze = await _switch(tx, HALT), await _switch(tx, FREEZE)
            return halt if halt.why else Switch(await self.halts.why(tx)), freeze

    async def _set(
        self,
        name: str,
        value: str,
        user: UserId,
        right: str,
        channel: ChannelId,
        reason: str = "",
    ) -> Switched:
        # The brake is pulled by who was known a few minutes ago, and let go by who is known now.
        brake = name == HALT and bool(value)
        person = await (self.people.remembered(user) if brake else self.people.identity(user))
        who = self.people.may(person, user, right, channel)
        now = self.clock.now()
        value, reason = self.redactor.text(value), self.redactor.text(reason)
        async with self.store.begin() as tx:
            if not who.allowed:
                facts = {"right": right}
                await tx.audit.append(
                    Event("access.denied", now, user, name, why=who.why, facts=facts)
                )
                return Switched(False, who.why)
            before = await set_by_people(tx, name)
            text = f"{user}: {value}" if value else ""
            await tx.flags.set(name, text, user, now)
            await tx.audit.append(
                Event(
                    kind=SETTING_CHANGED,
                    at=now,
                    actor=user,
                    subject=name,
                    facts={
                        "before": before is not None,
                        "after": bool(value),
                        "right": right,
                        TURN: turn_of(await newest_word(tx, name)) + 1,
                    },
                    private=value or reason,
                )
            )
            told = _TOLD[name, bool(value)]
            fields = {"by": user, "why": value or reason or "–"}
            turn = turn_of(await newest_word(tx, name))
            await self._announce(tx, f"{name}:{turn}", told, fields, channel)
        if name == HALT:
            await self.hand_brake.let_go()  # committed: what every instance knows holds from here
        return Switched(True)

    async def _announce(
        self,
        tx: Transaction,
        name: str,
        key: str,
        fields: dict[str, str],
        channel: ChannelId,
    ) -> None:
        """Say it where it was done and where incidents are told: a switch is no secret."""
        incidents = self.incidents()
        channels = [channel, *([incidents.channel] if incidents else [])]
        for each in dict.fromkeys(filter(None, channels)):
            if not each.startswith("D"):  # in a direct message nobody else reads it
                body = {"key": key, "fields": fields}
                await tx.outbox.post(f"switch:{name}:{each}", "notice", name, Place(each), body)


@dataclass(slots=True)
class HaltFile:
    """Notes in the audit when the file comes and goes."""

    store: Store
    clock: Clock
    path: Path
    owner: str  # this process
    hand_brake: HandBrake = field(default_factory=HandBrake)
    _there: bool = False

    async def tick(self) -> bool:
        """Look once; returns whether there was something to note."""
        await self._superseded()
        there = await asyncio.to_thread(self.path.exists)
        if there is self._there:
            return False
        seen = {"before": self._there, "after": there}
        facts = {**seen, "file": str(self.path), "seen_by": self.owner}
        async with self.store.begin() as tx:
            now = self.clock.now()
            await tx.audit.append(Event(SETTING_CHANGED, now, BOT, HALT, "file", facts=facts))
        self._there = there
        log.warning("halt.file_changed", halted=there, file=str(self.path))
        return True

    async def _superseded(self) -> None:
        """Let the hand brake go once the halt is set for every instance, by whichever of them."""
        if not self.hand_brake.pulled:
            return
        async with self.store.begin() as tx:
            halted = await set_by_people(tx, HALT) is not None
        if halted:
            await self.hand_brake.let_go()


_TOLD = {
    (HALT, True): "switch.halted",
    (HALT, False): "switch.resumed",
    (FREEZE, True): "switch.frozen",
    (FREEZE, False): "switch.unfrozen",
}


def halted_by(path: Path) -> str:
    """Return why plans are halted while a file exists, and since when; empty when it does not.

    One that is touched again, or was removed and comes back, is another halt. One that cannot be
    looked at halts too.
    """
    try:
        since = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        return f"the file {path} cannot be looked at: {error.strerror}"
    return f"the file {path} exists since {since:%Y-%m-%d %H:%M:%S.%f} UTC"


def _said(reason: str) -> str:
    return "no reason given" if is_blank(reason) else reason


async def _switch(tx: Transaction, name: str) -> Switch:
    flag = await set_by_people(tx, name)
    if flag is None:
        return Switch()
    return Switch(flag.value.removeprefix(f"{flag.by}: "), flag.by, flag.at)
