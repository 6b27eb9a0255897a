"""Signs that somebody else writes the database, told to the admins while they are fresh.

    rows that nothing proves, refused  ─┐
    an audit chain that is not ours    ─┴──> one line to the admins, each hour or day again

What was refused stays where it was, as evidence; the audit names each row. The leader tells.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.core.ports import Clock, Store, Transaction
from bot.core.upkeep.sealing import Sealing
from bot.domain.audit import Event
from bot.domain.place import Place
from bot.locale import Texts

TABLES = {  # kind of the audit row of a refused row -> where it stands
    "inbox.refused": "slack_inbox",
    "outbox.refused": "slack_outbox",
    "run.refused": "agent_runs",
}
LOOK_BACK = timedelta(hours=1)
MOST_NAMED = 5  # rows that one line names


@dataclass(frozen=True, slots=True)
class Tampering:
    """Tells the admins; `tick` is called every few seconds."""

    store: Store
    clock: Clock
    texts: Texts
    sealing: Sealing
    place: Callable[[], Place]  # where admins read
    admins: Callable[[], tuple[str, ...]]  # people and groups to mention

    async def tick(self) -> None:
        """Post what is new; the same is posted once."""
        now = self.clock.now()
        async with self.store.begin() as tx:
            for kind, table in TABLES.items():
                after = min(now, self.clock.wall()) - LOOK_BACK
                hours: dict[str, list[Event]] = {}
                for event in await tx.audit.happened(kind, after):
                    hours.setdefault(f"{event.at:%Y%m%d%H}", []).append(event)
                for hour, events in hours.items():
                    which = ", ".join(event.subject for event in events[:MOST_NAMED])
                    text = self.texts.say(
                        "rows.refused", table=table, which=which, why=events[0].why
                    )
                    await self._post(tx, f"rows.refused:{table}:{hour}", text)
            if why := self.sealing.broken:
                about = hashlib.sha256(why.encode()).hexdigest()[:16]
                text = self.texts.say("audit.broken", why=why)
                await self._post(tx, f"audit.broken:{about}:{now:%Y%m%d}", text)

    async def _post(self, tx: Transaction, key: str, text: str) -> None:
        body = {"text": text, "mentions": list(self.admins())}
        await tx.outbox.post(key, "notice", "tampering", self.place(), body)
