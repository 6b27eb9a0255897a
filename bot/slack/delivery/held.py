"""What does not get where it belongs, as the status tells it: how many, where, since when, why.

outbox: held, or in trouble for a while ─┐
outbox: told elsewhere, of the last day ─┼──> a degraded part of the bot, and what to do
inbox: given up, of the last day        ─┤
user groups that cannot be read         ─┘
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.ports import Clock, HeldBack, Store
from bot.locale import Texts
from bot.slack.failures import NEEDS_INVITE, OF_US, UNREACHABLE
from bot.slack.workspace import Workspace
from tools.errors import BackendError
from tools.ports import Health

TOLD_AFTER = timedelta(minutes=1)  # of trouble: what is tried again at once is nobody's business
LATELY = timedelta(days=1)  # how long what cannot be undone is told
MOST_NAMED = 5
LONGEST_WHY = 150


@dataclass(frozen=True, slots=True)
class HeldInSlack:
    """Asks the store and the directory; times are wall."""

    workspace: Workspace
    store: Store
    clock: Clock
    texts: Texts

    async def healths(self) -> Sequence[Health]:
        """Return what is in trouble; nothing while the database is away: that is told itself."""
        now = self.clock.wall()
        try:
            async with self.store.begin() as tx:
                held = await tx.outbox.held_back(now - TOLD_AFTER, now - LATELY)
                elsewhere = await tx.outbox.told_elsewhere(now - LATELY)
                given_up = await tx.inbox.parked(now - LATELY)
        except BackendError:
            return []
        unread = [HeldBack(u.group, 1, u.since, u.why) for u in self.workspace.directory.unread]
        parts = {
            "slack outbox": [
                *(self._line("one", each, _hint(each.why)) for each in held),
                *(self._line("elsewhere", each, _hint(each.why)) for each in elsewhere),
            ],
            "slack inbox": [self._line("inbox_one", each, "ask") for each in given_up],
            "slack user groups": [self._line("groups_one", each, "group") for each in unread],
        }
        since = {
            "slack outbox": _oldest([*held, *elsewhere]),
            "slack inbox": _oldest(given_up),
            "slack user groups": _oldest(unread),
        }
        return [
            Health(name, up=True, detail=self._told(lines), since=since[name], degraded=True)
            for name, lines in parts.items()
            if lines
        ]

    def _line(self, key: str, held: HeldBack, hint: str) -> str:
        return self.texts.say(
            f"slack.held.{key}",
            count=held.count,
            where=self._where(held.where),
            since=f"{held.since:%Y-%m-%d %H:%M} UTC",
            why=self._without_name(held)[:LONGEST_WHY],
            hint=self.texts.say(f"slack.held.hint.{hint}"),
        )

    def _where(self, where: str) -> str:
        """Name a channel to every viewer: not one whose very name Slack hides from them."""
        hidden = where.startswith("#") and self.workspace.book.is_private(where)
        return self.texts.say("slack.held.private") if hidden else where

    def _without_name(self, held: HeldBack) -> str:
        """Return why, in words that may quote the name of the channel."""
        return held.why.replace(held.where, self._where(held.where)) if held.where else held.why

    def _told(self, lines: Sequence[str]) -> str:
        more = len(lines) - MOST_NAMED
        shown = list(lines[:MOST_NAMED])
        return " · ".join([*shown, self.texts.say("slack.more", count=more)] if more > 0 else shown)


def _oldest(held: Iterable[HeldBack]) -> datetime | None:
    return min((each.since for each in held), default=None)


def _hint(why: str) -> str:
    """Return what to do about a refusal: its word stands first in what Slack said."""
    code = why.partition(";")[0].partition(":")[0].strip()
    if code in NEEDS_INVITE or why.startswith("there is no channel"):
        return "invite"
    if code in OF_US:
        return "token"
    if "missing_scope" in why:
        return "scope"
    return "wait" if code == UNREACHABLE else "log"
