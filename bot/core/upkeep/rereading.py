"""Files read again: because somebody asked, or because they were found changed.

    SIGHUP · /sre reload ──┐
    look() finds a change ─┴──> LiveFiles.reload ──> audit row with both hashes, a line to admins

A broken file changes nothing; the admins read which one and why, once per edit. They read as well
which playbook has been none since the start.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.core.ports import Clock, Store, Transaction
from bot.core.shared.live_files import LiveFiles, PlaybookChange, Reloaded
from bot.domain.place import Place
from bot.locale import Texts

FOUND = "files"  # who changed a setting that was found changed


@dataclass(frozen=True, slots=True)
class Rereading:
    """Reads the live files again and tells the admins what that changed."""

    live_files: LiveFiles
    store: Store
    clock: Clock
    texts: Texts
    place: Callable[[], Place]  # where admins read
    admins: Callable[[], tuple[str, ...]]  # people and groups to mention
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)
    _named: set[str] = field(default_factory=set)  # complaints that the admins have read

    async def reload(self, actor: str) -> Reloaded:
        """Read everything again for somebody who asked."""
        async with self._one_at_a_time:
            return await self.live_files.reload(actor, self.store, self.clock, self._tell)

    async def look(self) -> Reloaded | None:
        """Read everything again if a file has changed; None when none has."""
        async with self._one_at_a_time:
            done, lacking = None, self.live_files.lacking()
            if await asyncio.to_thread(self.live_files.is_stale):
                done = await self.live_files.reload(FOUND, self.store, self.clock, self._tell)
        wrong = {done.message: "files.refused"} if done is not None and not done.ok else {}
        refused = set(self.live_files.refused().values())
        wrong |= dict.fromkeys(sorted(refused - self._named), "files.playbook_refused")
        left_out = [what for what in self.live_files.lacking() if what not in lacking]
        wrong |= dict.fromkeys(left_out, "files.lacking")
        if wrong:
            async with self.store.begin() as tx:
                for why, key in wrong.items():
                    await self._post(tx, why, self.texts.say(key, why=why))
        self._named.clear()
        self._named.update(refused)
        return done

    async def _tell(self, tx: Transaction, changes: tuple[PlaybookChange, ...]) -> None:
        lines = [
            f"{change.playbook} ({change.before[:12] or '–'} → {change.after[:12] or '–'})"
            for change in changes
        ]
        told = ", ".join(lines)
        await self._post(tx, told, self.texts.say("files.changed", changes=told))

    async def _post(self, tx: Transaction, about: str, text: str) -> None:
        """Post one line; two processes that read the same files post it once."""
        key = f"files:{hashlib.sha256(about.encode()).hexdigest()[:16]}:{self.clock.now():%Y%m%d%H}"
        body = {"text": text, "mentions": list(self.admins())}
        await tx.outbox.post(key, "notice", FOUND, self.place(), body)
