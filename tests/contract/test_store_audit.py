"""The audit chain: whoever has the database but not the key is found out."""

import hashlib
import hmac

import pytest
from sqlalchemy import text

from bot.core.ports import ChainReport
from bot.domain.audit import Event
from bot.store.audit import AuditBrokenError
from bot.store.store import SqlStore
from tests.fixtures.nouns import ALICE, MINUTE, NOW

KEY = b"k" * 32
EDIT_REASON = (
    """UPDATE audit SET payload = replace(payload, '"why":"why"', '"why":"no"') WHERE seq = 3"""
)


async def happen(store: SqlStore, count: int, private: str = "") -> None:
    async with store.begin() as tx:
        for number in range(count):
            facts = {"n": number, "huge": 2**60, "nan": float("nan"), "text": "grün \0 \ud83d"}
            event = Event("plan.approved", NOW + number * MINUTE, ALICE, f"PLAN-{number}", "why",
                          "d" * 64, facts, private)  # fmt: skip
            await tx.audit.append(event)


async def seal(store: SqlStore, limit: int = 2000) -> int:
    async with store.begin() as tx:
        return await tx.audit.seal(KEY, limit)


async def verify(store: SqlStore, key: bytes = KEY) -> ChainReport:
    async with store.read() as tx:
        return await tx.audit.verify(key)


async def attack(store: SqlStore, *statements: str, **values: object) -> None:
    async with store._engine.begin() as connection:
        for statement in statements:
            await connection.execute(text(statement), values)


@pytest.fixture
async def sealed(store: SqlStore) -> SqlStore:
    """Six rows, each with personal text, sealed in two batches."""
    await happen(store, 6, private="because Bob said so")
    assert await seal(store, limit=4) == 4
    assert await seal(store) == 2
    assert await seal(store) == 0
    assert await verify(store) == ChainReport(rows=6, sealed=6, broken_at=None)
    return store


async def test_the_unsealed_tail_is_counted(sealed: SqlStore) -> None:
    await happen(sealed, 3)
    report = await verify(sealed)
    assert (report.rows, report.sealed, report.broken_at) == (9, 6, None)


async def test_an_empty_chain_is_good(store: SqlStore) -> None:
    assert await verify(store) == ChainReport(rows=0, sealed=0, broken_at=None)


@pytest.mark.parametrize(
    ("statement", "broken_at", "reason"),
    [
        ("UPDATE audit SET payload = '{}' WHERE seq = 3", 3, "payload is not what was written"),
        (EDIT_REASON, 3, "its seal does not fit"),
        ("UPDATE audit SET subject = 'PLAN-9' WHERE seq = 4", 4, "column subject was edited"),
        ("UPDATE audit SET actor = 'UEVE' WHERE seq = 1", 1, "column actor was edited"),
        ("UPDATE audit_private SET text = 'I said so' WHERE seq = 5", 5, "private text was edited"),
        ("UPDATE audit SET seal_no = NULL, seal = '' WHERE seq = 3", 4, "number 3 is missing"),
        ("UPDATE audit SET seal = 'ff' WHERE seq = 2", 2, "its seal does not fit"),
        ("UPDATE audit_head SET seal_no = 5", 6, "head of the audit chain was edited"),
        ("DELETE FROM audit_head", 6, "head of the audit chain was removed"),
    ],
)
async def test_an_edit_without_the_key_is_named(
    sealed: SqlStore, statement: str, broken_at: int, reason: str
) -> None:
    await attack(sealed, statement)
    report = await verify(sealed)
    assert (report.broken_at, report.sealed) == (broken_at, 5 if "NULL" in statement else 6)
    assert reason in report.reason


async def test_a_removed_row_is_named_by_the_row_after_it(sealed: SqlStore) -> None:
    await attack(
        sealed, "DELETE FROM audit_private WHERE seq = 2", "DELETE FROM audit WHERE seq = 2"
    )
    report = await verify(sealed)
    assert (report.rows, report.broken_at) == (5, 3)
    assert "number 2 is missing" in report.reason


async def test_a_cut_tail_is_seen_and_nothing_is_sealed_onto_it(sealed: SqlStore) -> None:
    await attack(
        sealed, "DELETE FROM audit_private WHERE seq > 4", "DELETE FROM audit WHERE seq > 4"
    )
    report = await verify(sealed)
    assert report.broken_at == 4
    assert "ends at row 4 of 6 sealed ones" in report.reason
    await happen(sealed, 1)
    with pytest.raises(AuditBrokenError, match="audit verify"):
        await seal(sealed)


async def test_rows_that_changed_places_are_found(sealed: SqlStore) -> None:
    await attack(
        sealed,
        "UPDATE audit SET seal_no = -1 WHERE seq = 2",
        "UPDATE audit SET seal_no = 2 WHERE seq = 3",
        "UPDATE audit SET seal_no = 3 WHERE seq = 2",
    )
    assert (await verify(sealed)).broken_at is not None


async def test_later_seals_recomputed_with_a_wrong_key_do_not_hide_an_edit(
    sealed: SqlStore,
) -> None:
    async with sealed._engine.begin() as connection:
        await connection.execute(text(EDIT_REASON))
        query = "SELECT seq, seal_no, seal, payload FROM audit ORDER BY seal_no"
        rows = (await connection.execute(text(query))).all()
        previous = bytes.fromhex(rows[1].seal)
        for row in rows[2:]:
            body = f"{row.seal_no}|{row.seq}|{row.payload}".encode()
            previous = hmac.digest(b"guessed key", previous + body, "sha256")
            await connection.execute(
                text("UPDATE audit SET seal = :seal WHERE seq = :seq"),
                {"seal": previous.hex(), "seq": row.seq},
            )
        head = f"head|6|{previous.hex()}".encode()
        proof = hmac.digest(b"guessed key", head, "sha256").hex()
        await connection.execute(
            text("UPDATE audit_head SET seal = :seal, proof = :proof"),
            {"seal": previous.hex(), "proof": proof},
        )
    assert (await verify(sealed)).broken_at == 3


async def test_another_key_fits_no_row(sealed: SqlStore) -> None:
    report = await verify(sealed, b"another key")
    assert report.broken_at == 1
    assert "or this is not the key" in report.reason


async def test_erased_personal_text_leaves_the_chain_good(sealed: SqlStore) -> None:
    await attack(sealed, "DELETE FROM audit_private WHERE seq IN (1, 2)")
    assert (await verify(sealed)).broken_at is None
    async with sealed.begin() as tx:
        rows = await tx.audit.tail(limit=5)
    assert [row.event.private for row in rows][:2] == ["", "because Bob said so"]
    assert rows[0].private_sha256 == hashlib.sha256(b"because Bob said so").hexdigest()


async def test_an_edited_row_that_has_no_seal_yet_is_found(sealed: SqlStore) -> None:
    await happen(sealed, 1)
    await attack(sealed, "UPDATE audit SET kind = 'plan.rejected' WHERE seal_no IS NULL")
    report = await verify(sealed)
    assert report.broken_at == 7
    assert "not sealed yet" in report.reason


async def test_a_row_that_commits_late_is_sealed_after_the_others(store: SqlStore) -> None:
    if store.url.get_backend_name() == "sqlite":
        await happen(store, 2)  # one writer at a time: nothing can commit late there
        assert await seal(store) == 2
    else:
        async with store.begin() as late:
            await late.audit.append(Event("step.started", NOW, ALICE, "late"))
            await happen(store, 1)
            assert await seal(store) == 1
        assert await seal(store) == 1
        async with store.begin() as tx:
            assert [row.event.subject for row in await tx.audit.tail()] == ["late", "PLAN-0"]
    assert (await verify(store)).broken_at is None
    assert (await verify(store)).sealed == 2


async def test_the_tail_and_a_span_are_told_oldest_first(store: SqlStore) -> None:
    await happen(store, 5, private="p")
    async with store.begin() as tx:
        assert [row.seq for row in await tx.audit.tail(limit=3)] == [3, 4, 5]
        (one,) = await tx.audit.tail(subject="PLAN-2")
        span = await tx.audit.since(NOW + MINUTE, NOW + 3 * MINUTE)
    assert [row.event.subject for row in span] == ["PLAN-1", "PLAN-2"]
    assert (one.event.at, one.event.actor, one.event.why) == (NOW + 2 * MINUTE, ALICE, "why")
    assert one.event.facts == {
        "n": 2,
        "huge": str(2**60),
        "nan": "nan",
        "text": "grün \ufffd \ufffd",
    }
    assert one.seal == ""
