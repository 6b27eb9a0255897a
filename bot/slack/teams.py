"""Which workspaces are ours: the one the app is installed in, or those an organisation gave it.

    auth.test ──team_id──────────────────────────> one workspace
        └── is_enterprise_install ──auth.teams.list──> every workspace that was granted

A token of a whole organisation names no workspace of its own: methods that act on one are told
which (`team_id`), once for each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.core.ports import Clock

FRESH = timedelta(minutes=5)
PAGE = 200


@dataclass(frozen=True, slots=True)
class Ours:
    """Our workspaces; `org_wide`: one token stands for all of them."""

    ids: tuple[str, ...]
    org_wide: bool = False

    def arguments(self) -> tuple[Mapping[str, str], ...]:
        """Return what tells a method which workspace to act on, for each in turn."""
        return tuple({"team_id": team} for team in self.ids) if self.org_wide else ({},)

    def of(self, user: Mapping[str, Any]) -> str:
        """Return the workspace of ours that somebody is in; empty for an outsider."""
        if user.get("is_stranger"):
            return ""
        home = str(user.get("team_id") or "")
        if not home and not self.org_wide:  # a workspace alone need not say whose it is
            return self.ids[0]
        theirs = (home, *((user.get("enterprise_user") or {}).get("teams") or ()))
        return next((team for team in theirs if team in self.ids), "")


class Teams:
    """Asks Slack which workspaces are ours. Raises what the client raises."""

    def __init__(self, client: AsyncWebClient, clock: Clock) -> None:
        self._client, self._clock = client, clock
        self._ours: Ours | None = None
        self._at = 0.0

    async def ours(self) -> Ours:
        """Return our workspaces; of an organisation as they were a few minutes ago at most."""
        now = self._clock.monotonic()
        stale = now - self._at > FRESH.total_seconds()
        if self._ours is None or (self._ours.org_wide and stale):
            self._ours, self._at = await self._read(), now
        return self._ours

    async def _read(self) -> Ours:
        me: Any = await self._client.auth_test()
        team = str(me["team_id"])
        if not me.get("is_enterprise_install") and not team.startswith("E"):
            return Ours((team,))
        granted: list[str] = []
        cursor = ""
        while True:
            answer: Any = await self._client.auth_teams_list(limit=PAGE, cursor=cursor or None)
            granted += [str(each["id"]) for each in answer["teams"]]
            cursor = (answer.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                return Ours(tuple(granted), org_wide=True)
