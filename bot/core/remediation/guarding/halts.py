"""Halts: the kill switches that are on, and which of them an undo was asked for under.

    flag `halt` (people set it) ─┐
    what the audit last says of it ┤ where the flag is gone and nobody lifted it
    the halt file               ─┴─ Halt(why, mark, since)

A mark is of one very halt. Who asks for an undo while plans are halted answers the halts there
are: those let the undo run, any that comes later stops it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bot.core.ports import Flag, Transaction
from bot.domain.audit import BOT, Event
from bot.domain.plans.plan_life import PlanState, Undoing, UndoRequest

HALT, FREEZE = "halt", "freeze"  # names of the flags that people set
SETTING_CHANGED = "setting.changed"  # kind of the audit rows about them
TURN = "turn"  # fact of such a row: how many people's words about the switch there were with it


@dataclass(frozen=True, slots=True)
class Halt:
    """A kill switch that is on."""

    why: str
    mark: str  # of this very halt: one that comes later, or is set anew, has another
    since: datetime | None  # world time; None where a file sets it


@dataclass(frozen=True, slots=True)
class Halts:
    """Reads the kill switches."""

    file: Callable[[], str] = lambda: ""  # why and since when, while the file exists; else empty

    async def on(self, tx: Transaction) -> tuple[Halt, ...]:
        """Return the kill switches that are on: the one people set, and the file."""
        found = []
        flag, said = await set_by_people(tx, HALT), self.file()
        if flag is not None:
            mark = f"{flag.at.isoformat()} {flag.by} {flag.value}"
            found.append(Halt(flag.value, _mark(mark), flag.at))
        if said:
            found.append(Halt(said, _mark(said), None))
        return tuple(found)

    async def why(self, tx: Transaction) -> str:
        """Return why nothing may run, empty when every kill switch is off."""
        return next((halt.why for halt in await self.on(tx)), "")

    async def frozen(self, tx: Transaction) -> str:
        """Return why no change may begin, empty when there is no freeze."""
        flag = await set_by_people(tx, FREEZE)
        return flag.value if flag is not None else ""

    async def stopping(self, tx: Transaction, state: PlanState) -> str:
        """Return why a plan may not go on; a halt that its undo answers does not stop that."""
        asked = state.asked if isinstance(state, Undoing) else None
        return next((halt.why for halt in await self.on(tx) if not _is_answered(halt, asked)), "")


async def set_by_people(tx: Transaction, name: str) -> Flag | None:
    """Return a flag as people last set it, None when it is unset.

    Deleting its row lifts nothing, nor does another's in its place: then the audit's newest word
    about it holds. A row that no word stands behind counts all the same: it only brakes.
    """
    flag = await tx.flags.find(name)
    word = await newest_word(tx, name)
    if (
        word is None
        or not word.facts.get("after")
        or (flag is not None and (flag.by, flag.at) == (word.actor, word.at))
    ):
        return flag
    lift = {HALT: "/sre resume", FREEZE: "/sre unfreeze"}[name]
    fault = "is gone from the database" if flag is None else "was exchanged in the database"
    gone = f"its row {fault}, though nobody lifted it"
    return Flag(f"{word.actor} set it; {gone} ({lift})", word.actor, word.at)


async def newest_word(tx: Transaction, name: str) -> Event | None:
    """Return what the audit last says that people did to a switch.

    By the number that each word carries under its seal: a copy of an older one may stand behind,
    and a clock may have been set back since. Words of an older version carry none.
    """
    said = [event for event in await tx.audit.proved(name, SETTING_CHANGED) if event.actor != BOT]
    said.sort(key=lambda word: (turn_of(word), word.at))
    return said[-1] if said else None


def turn_of(word: Event | None) -> int:
    """Return the number of a word about a switch; 0 for none, and for one that carries none."""
    return int(word.facts.get(TURN) or 0) if word is not None else 0


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _is_answered(halt: Halt, asked: UndoRequest | None) -> bool:
    if asked is not None and asked.halts is not None:
        return halt.mark in asked.halts
    at = asked.at if asked is not None else None  # an older version kept the time and no marks
    return at is not None and halt.since is not None and halt.since <= at
