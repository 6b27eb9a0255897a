"""api_tokens: only the sha256 of a token is kept; each belongs to one Slack user and one purpose.

A row is sealed when it is made: one that was inserted, or whose owner, scope or end was exchanged,
is no token. A revocation counts by its audit row as well: taking it out of the table revives
nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from bot.core.ports import ApiToken, Audit
from bot.domain.access import Scope
from bot.domain.ids import UserId
from bot.domain.keyring import Keyring, Purpose
from bot.store.schema import Base, clean_text, table_of, text_column, time_column
from bot.store.session import Session

REVOKED = "token.revoked"  # kind of the audit row


class TokenRow(Base, table=True):
    """One token."""

    __tablename__ = "api_tokens"
    id: str = text_column(primary_key=True)
    user: str = text_column(index=True)
    name: str = text_column()
    sha256: str = text_column(unique=True)
    created_at: datetime = time_column()
    revoked_at: datetime | None = time_column()
    scope: str | None = text_column()  # NULL, here and below: of a version before `0006_seals`
    expires_at: datetime | None = time_column()
    mac: str | None = text_column()


T = table_of(TokenRow)


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(
        id=row.id,
        user=UserId(row.user),
        name=row.name,
        scope=Scope(row.scope) if row.scope in set(Scope) else Scope.INGEST,
        created_at=row.created_at,
        expires_at=row.expires_at or row.created_at,
        revoked_at=row.revoked_at,
    )


def _mac(keyring: Keyring, token: ApiToken, sha256: str) -> str:
    return keyring.mac(Purpose.TOKEN, *_sealed(token, sha256))


def _sealed(token: ApiToken, sha256: str) -> tuple[str, ...]:
    """Return what the seal of a token covers: everything but whether it was revoked."""
    times = (each.astimezone(UTC).isoformat() for each in (token.created_at, token.expires_at))
    return (token.id, token.user, clean_text(token.name), token.scope.value, sha256, *times)


class SqlTokens:
    """The port `ApiTokens`."""

    def __init__(self, session: Session, keyring: Keyring, audit: Audit) -> None:
        self._session, self._keyring, self._audit = session, keyring, audit

    async def add(self, token: ApiToken, sha256: str) -> None:
        """Store a token's hash; StaleError when the id or the hash is taken."""
        values = {
            "id": token.id,
            "user": token.user,
            "name": token.name,
            "sha256": sha256,
            "created_at": token.created_at,
            "revoked_at": token.revoked_at,
            "scope": token.scope.value,
            "expires_at": token.expires_at,
            "mac": _mac(self._keyring, token, sha256),
        }
        async with self._session.sole(f"token {token.id!r} or its hash is taken; create another"):
            await self._session.run(insert(T).values(**values))

    async def find(self, sha256: str) -> ApiToken | None:
        """Return the token of this hash that we made and nobody revoked; it may have expired."""
        query = select(T).where(T.c.sha256 == sha256, T.c.revoked_at.is_(None))
        row = await self._session.first(query)
        if row is None or row.scope not in set(Scope):
            return None
        token = _token(row)
        if not self._keyring.holds(row.mac, Purpose.TOKEN, *_sealed(token, sha256)):
            return None
        told = await self._audit.proved(token.id)
        return None if any(event.kind == REVOKED for event in told) else token

    async def list(self) -> list[ApiToken]:
        """Return all tokens, oldest first."""
        query = select(T).order_by(T.c.created_at, T.c.id)
        return [_token(row) for row in await self._session.all(query)]

    async def revoke(self, token_id: str, at: datetime) -> bool:
        """Revoke a token; False when there is none by that id. The first revocation counts."""
        row = await self._session.first(select(T.c.id).where(T.c.id == token_id))
        live = update(T).where(T.c.id == token_id, T.c.revoked_at.is_(None))
        await self._session.run(live.values(revoked_at=at))
        return row is not None


async def adopt_tokens(session: Session, keyring: Keyring, expires_at: datetime) -> Sequence[str]:
    """Seal the tokens of an older version, once, for the purpose that gives least; their ids."""
    rows = await session.all(select(T).where(T.c.mac.is_(None)).order_by(T.c.id))
    for row in rows:
        token = ApiToken(
            row.id, UserId(row.user), row.name, Scope.INGEST, row.created_at, expires_at,
            row.revoked_at,
        )  # fmt: skip
        sealed = {
            "scope": token.scope.value,
            "expires_at": token.expires_at,
            "mac": _mac(keyring, token, row.sha256),
        }
        await session.run(update(T).where(T.c.id == row.id).values(**sealed))
    return [row.id for row in rows]
