"""api_tokens: only the sha256 of a token is kept; each belongs to one Slack user."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from bot.core.ports import ApiToken
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session


class TokenRow(Base, table=True):
    """One token."""

    __tablename__ = "api_tokens"
    id: str = text_column(primary_key=True)
    user: str = text_column(index=True)
    name: str = text_column()
    sha256: str = text_column(unique=True)
    created_at: datetime = time_column()
    revoked_at: datetime | None = time_column()


T = table_of(TokenRow)


def _token(row: Row[Any]) -> ApiToken:
    return ApiToken(row.id, row.user, row.name, row.created_at, row.revoked_at)


class SqlTokens:
    """The port `ApiTokens`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, token: ApiToken, sha256: str) -> None:
        """Store a token's hash; StaleError when the id or the hash is taken."""
        values = {
            "id": token.id,
            "user": token.user,
            "name": token.name,
            "sha256": sha256,
            "created_at": token.created_at,
            "revoked_at": token.revoked_at,
        }
        async with self._session.sole(f"token {token.id!r} or its hash is taken; create another"):
            await self._session.run(insert(T).values(**values))

    async def find(self, sha256: str) -> ApiToken | None:
        """Return the live token of this hash."""
        query = select(T).where(T.c.sha256 == sha256, T.c.revoked_at.is_(None))
        row = await self._session.first(query)
        return None if row is None else _token(row)

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
