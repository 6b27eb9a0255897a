"""Tokens of the REST API: made once and shown once, kept as a hash, revoked at once."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass

from bot.core.ports import ApiToken, Clock, Store
from bot.domain.audit import Event
from bot.domain.ids import UserId, mint

TERMINAL = "terminal"  # who acts on the command line


def sha256_of(token: str) -> str:
    """Return what the store keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Tokens:
    """Makes and revokes tokens for an operator at the terminal."""

    store: Store
    clock: Clock

    async def create(self, user: UserId, name: str) -> tuple[str, ApiToken]:
        """Return a new token's secret, which nobody can read again, and its row."""
        secret = f"sre_{secrets.token_urlsafe(32)}"
        made = ApiToken(mint("TOK"), user, name, self.clock.now())
        async with self.store.begin() as tx:
            await tx.tokens.add(made, sha256_of(secret))
            await tx.audit.append(
                Event("token.created", made.created_at, TERMINAL, made.id, facts={"user": user})
            )
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
