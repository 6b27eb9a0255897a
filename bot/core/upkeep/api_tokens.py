"""Tokens of the REST API: made once and shown once, kept as a hash, revoked at once.

Each is one person's, for one purpose, until a day that is written down when it is made.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from bot.core.ports import ApiToken, Clock, Store
from bot.domain.access import Scope
from bot.domain.audit import Event
from bot.domain.ids import UserId, mint

TERMINAL = "terminal"  # who acts on the command line
LONGEST_LIFE = timedelta(days=366)  # wall time
USUAL_LIFE = timedelta(days=90)


def sha256_of(token: str) -> str:
    """Return what the store keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes and revokes tokens for an operator at the terminal."""

    store: Store
    clock: Clock

    async def create(
        self, user: UserId, name: str, scope: Scope, life: timedelta = USUAL_LIFE
    ) -> tuple[str, ApiToken]:
        """Return a new token's secret, which nobody can read again, and its row.

        Raises ValueError for a life that is none, or too long.
        """
        if not timedelta(0) < life <= LONGEST_LIFE:
            raise ValueError(f"a token lives for up to {LONGEST_LIFE.days} days, not {life}")
        secret, wall = f"sre_{secrets.token_urlsafe(32)}", self.clock.wall()
        made = ApiToken(mint("TOK"), user, name, scope, wall, wall + life)
        facts = {"user": user, "scope": scope.value, "expires_at": made.expires_at.isoformat()}
        async with self.store.begin() as tx:
            await tx.tokens.add(made, sha256_of(secret))
            now = self.clock.now()
            await tx.audit.append(Event("token.created", now, TERMINAL, made.id, facts=facts))
        return secret, made

    async def all(self) -> list[ApiToken]:
        """Return every token."""
        async with self.store.begin() as tx:
            return await tx.tokens.list()

    async def revoke(self, token_id: str) -> bool:
        """Revoke a token; False when there is none by that id."""
        now = self.clock.now()
        async with self.store.begin() as tx:
            known = await tx.tokens.revoke(token_id, now)
            if known:
                await tx.audit.append(Event("token.revoked", now, TERMINAL, token_id))
        return known
