"""Who people are, and the API tokens that speak for them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.access import Scope
from bot.domain.ids import UserId


@dataclass(frozen=True, slots=True)
class Person:
    """One Slack user as the directory knows them."""

    id: UserId
    name: str
    email: str = ""
    guest: bool = False  # restricted or single-channel
    external: bool = False  # from outside the workspace
    deleted: bool = False
    bot: bool = False
    groups: tuple[str, ...] = ()  # user-group ids
    unread: tuple[str, ...] = ()  # user groups that could not be read: they may be in these too
    team: str = ""  # the workspace of ours they are in; empty: none, or not known


class Directory(Protocol):
    """Who people are. Raises `NotFoundError` for an unknown id."""

    async def person(self, user: UserId) -> Person:
        """Return a person, from a cache at most five minutes old.

        A user group that cannot be read costs its members what they hold by it, nobody more.
        """
        ...

    async def confirm(self, users: Collection[UserId]) -> Mapping[UserId, Person]:
        """Return people as they are now, with their groups, past every cache.

        Who is not known is missing. Raises BackendError when anything that was asked failed: then
        nothing is known of anybody.
        """
        ...


@dataclass(frozen=True, slots=True)
class ApiToken:
    """A token of the REST API: one Slack user's, for one purpose. Only its hash is stored."""

    id: str
    user: UserId
    name: str
    scope: Scope
    created_at: datetime  # wall time, here and below
    expires_at: datetime
    revoked_at: datetime | None = None


class ApiTokens(Protocol):
    """API tokens."""

    async def add(self, token: ApiToken, sha256: str) -> None:
        """Store a token's hash."""
        ...

    async def find(self, sha256: str) -> ApiToken | None:
        """Return the token of this hash that we made and nobody revoked; it may have expired."""
        ...

    async def list(self) -> list[ApiToken]:
        """Return all tokens."""
        ...

    async def revoke(self, token_id: str, at: datetime) -> bool:
        """Revoke a token; False when there is none by that id."""
        ...
