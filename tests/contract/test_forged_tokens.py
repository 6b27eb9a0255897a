"""A token that nobody made, or made into more than it was, is none."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.core.ports import ApiToken
from bot.core.upkeep.api_tokens import Tokens, sha256_of
from bot.domain.access import Scope
from bot.domain.ids import UserId
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import ALICE, NOW

DAYS = timedelta(days=90)


async def attack(store: SqlStore, statement: str, **values: object) -> None:
    async with store._engine.begin() as connection:
        await connection.execute(text(statement), values)


async def found(store: SqlStore, secret: str) -> ApiToken | None:
    async with store.begin() as tx:
        return await tx.tokens.find(sha256_of(secret))


@pytest.fixture
async def secret(store: SqlStore) -> str:
    """A token for reading, of Alice's."""
    made, token = await Tokens(store, FakeClock(NOW)).create(ALICE, "grafana", Scope.READ, DAYS)
    assert await found(store, made) == token
    return made


async def test_a_token_that_was_inserted_is_nobodys(store: SqlStore, secret: str) -> None:
    await attack(
        store,
        "INSERT INTO api_tokens (id, user, name, sha256, created_at, scope, expires_at, mac)"
        " SELECT 'TOK-eve', user, name, :sha, created_at, 'approve', expires_at, mac FROM"
        " api_tokens".replace(" user,", ' "user",'),
        sha=sha256_of("sre_eve"),
    )
    assert await found(store, "sre_eve") is None
    assert await found(store, secret) is not None


@pytest.mark.parametrize(
    "change",
    [
        """scope = 'approve'""",
        """scope = 'everything'""",
        """scope = NULL""",
        """"user" = 'UBOB'""",
        """expires_at = '2099-01-01 00:00:00.000000'""",
        """mac = NULL""",
        """id = 'TOK-other'""",
        """name = 'somebody else'""",
    ],
)
async def test_a_token_that_was_changed_is_none_any_more(
    store: SqlStore, secret: str, change: str
) -> None:
    await attack(store, f"UPDATE api_tokens SET {change}")  # noqa: S608 - our own table
    assert await found(store, secret) is None


async def test_a_token_that_was_exchanged_for_one_we_know_is_none(
    store: SqlStore, secret: str
) -> None:
    await attack(store, "UPDATE api_tokens SET sha256 = :sha", sha=sha256_of("sre_eve"))
    assert await found(store, "sre_eve") is None


async def test_a_revocation_that_was_taken_away_still_counts(store: SqlStore, secret: str) -> None:
    tokens = Tokens(store, FakeClock(NOW))
    (token,) = await tokens.all()
    assert await tokens.revoke(token.id)
    await attack(store, "UPDATE api_tokens SET revoked_at = NULL")
    assert await found(store, secret) is None


async def test_every_token_has_a_purpose_and_an_end(store: SqlStore) -> None:
    tokens = Tokens(store, FakeClock(NOW))
    for life in (timedelta(0), timedelta(days=-1), timedelta(days=367)):
        with pytest.raises(ValueError, match="up to 366 days"):
            await tokens.create(UserId("U1"), "", Scope.READ, life)
    assert await tokens.all() == []
