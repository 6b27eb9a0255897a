"""The audit against somebody who can write the database, and has no key.

On the version before, the first of these attacks went unseen: `verify` said "holds", and the next
sealing signed the forgery.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

import pytest
from sqlalchemy import text

from bot.core.ports import AuditBrokenError, ChainReport, Sealed
from bot.domain.audit import BOT, Anchor, Event
from bot.store.audit_chain import START
from bot.store.store import SqlStore
from tests.fixtures.keys import KEY
from tests.fixtures.nouns import ALICE, MINUTE, NOW

STRIP = ("UPDATE audit SET seal = '', seal_no = NULL", "DELETE FROM audit_head")
FORGE = """
INSERT INTO audit (seq, kind, at, actor, subject, private_sha256, payload, seal, mac)
SELECT 100, kind, at, 'UBOB', subject, private_sha256, replace(payload, :alice, 'UBOB'), '', {mac}
FROM audit WHERE subject = 'PLAN-0'
"""


async def happen(store: SqlStore, *numbers: int) -> None:
    async with store.begin() as tx:
        for number in numbers:
            await tx.audit.append(Event("plan.approved", NOW, ALICE, f"PLAN-{number}"))


async def seal(store: SqlStore, known: Anchor | None = None) -> Sealed:
    async with store.begin() as tx:
        return await tx.audit.seal(known)


async def verify(store: SqlStore, *anchors: Anchor) -> ChainReport:
    async with store.read() as tx:
        return await tx.audit.verify(anchors)


async def head(store: SqlStore, at: datetime = NOW) -> Anchor:
    async with store.begin() as tx:
        found = await tx.audit.head(at)
    assert found is not None
    return found


async def attack(store: SqlStore, *statements: str, **values: object) -> None:
    async with store._engine.begin() as connection:
        for statement in statements:
            given = {k: v for k, v in values.items() if f":{k}" in statement}
            await connection.execute(text(statement), given)


async def forge(store: SqlStore, mac: str = "NULL") -> None:
    """Write what Bob never said, in the shape of a row of ours."""
    await attack(store, FORGE.format(mac=mac), alice=ALICE)


@pytest.fixture
async def chain(store: SqlStore) -> SqlStore:
    """A chain that began as every installation's does, and three rows of it."""
    assert await store.begin_chain(None, NOW, NOW)
    await happen(store, 0, 1, 2)
    assert await seal(store) == Sealed(3)
    assert (await verify(store)).broken_at is None
    return store


async def test_a_chain_stripped_of_its_seals_is_told_and_not_begun_again(chain: SqlStore) -> None:
    await attack(chain, *STRIP)
    await forge(chain)
    report = await verify(chain)
    assert report.broken_at is not None
    assert "the seals of the audit chain were removed" in report.reason
    with pytest.raises(AuditBrokenError, match="the seals of the audit chain were removed"):
        await seal(chain)


async def test_nor_when_the_row_that_began_it_is_removed_as_well(chain: SqlStore) -> None:
    anchor = await head(chain)
    await attack(chain, *STRIP, "DELETE FROM audit WHERE kind = 'audit.began'")
    await forge(chain)
    assert (await verify(chain)).broken_at == 100  # the forged row, by its own missing seal
    assert "sealed rows 1 to 4 are missing" in (await verify(chain, anchor)).reason
    with pytest.raises(AuditBrokenError, match="sealed rows 1 to 4 are missing"):
        await seal(chain, anchor)
    assert (await seal(chain)).count == 3  # even without an anchor the forged one is not signed
    assert (await verify(chain)).broken_at == 100


async def test_an_emptied_database_is_not_a_new_one(chain: SqlStore) -> None:
    anchor = await head(chain)
    await attack(chain, "DELETE FROM audit", "DELETE FROM audit_head")
    assert "are missing" in (await verify(chain, anchor)).reason
    with pytest.raises(AuditBrokenError, match="are missing"):
        await seal(chain, anchor)
    with pytest.raises(AuditBrokenError, match="emptied"):
        await chain.begin_chain(anchor, NOW, NOW)


@pytest.mark.parametrize(
    ("mac", "why"),
    [
        ("NULL", "it has no seal of its own"),
        ("'" + "a" * 96 + "'", "its own seal is wrong"),
        ("'x' || substr(mac, 2)", "its own seal is wrong"),
        ("mac", "its own seal is wrong"),
    ],
)
async def test_a_forged_row_is_named_and_never_signed_while_the_others_are(
    chain: SqlStore, mac: str, why: str
) -> None:
    if mac == "mac":
        await attack(chain, "DROP INDEX ix_audit_mac")
    await forge(chain, mac)
    await happen(chain, 7)
    report = await verify(chain)
    assert (report.broken_at, why in report.reason) == (100, True)
    done = await seal(chain)
    assert done.count == 1
    assert "row 100, not sealed" in done.refused[0]
    assert why in done.refused[0]
    assert (await seal(chain)).count == 0
    assert (await verify(chain)).broken_at == 100


async def test_a_row_that_stands_there_twice_is_signed_once(chain: SqlStore) -> None:
    await happen(chain, 7)
    await attack(
        chain,
        "DROP INDEX ix_audit_mac",
        "INSERT INTO audit (seq, kind, at, actor, subject, private_sha256, payload, seal, mac)"
        " SELECT 100, kind, at, actor, subject, private_sha256, payload, '', mac"
        " FROM audit WHERE subject = 'PLAN-1'",
    )
    report = await verify(chain)
    assert (report.broken_at, "copy of another row" in report.reason) == (100, True)
    assert "copy of another row" in (await seal(chain)).refused[0]
    async with chain.begin() as tx:
        assert len(await tx.audit.proved("PLAN-1")) == 1


async def test_a_row_that_was_edited_before_it_was_sealed_is_not_signed(chain: SqlStore) -> None:
    await happen(chain, 7)
    edit = "UPDATE audit SET actor = 'UBOB', payload = replace(payload, :alice, 'UBOB')"
    await attack(chain, f"{edit} WHERE subject = 'PLAN-7'", alice=ALICE)
    assert "its own seal is wrong" in (await verify(chain)).reason
    assert (await seal(chain)).count == 0
    async with chain.begin() as tx:
        assert await tx.audit.proved("PLAN-7") == []


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("UPDATE audit SET mac = NULL WHERE seq = 3", "row 3: it has no seal of its own"),
        ("UPDATE audit SET mac = 'ab' WHERE seq = 3", "row 3: its own seal is wrong"),
        ("DELETE FROM audit_head", "the head of the audit chain was removed"),
    ],
)
async def test_a_seal_that_vanished_is_named(chain: SqlStore, statement: str, why: str) -> None:
    await attack(chain, statement)
    assert why in (await verify(chain)).reason


async def test_a_thousand_forged_rows_do_not_keep_the_others_from_being_sealed(
    chain: SqlStore,
) -> None:
    await attack(
        chain,
        "INSERT INTO audit (seq, kind, at, actor, subject, private_sha256, payload, seal)"
        " WITH RECURSIVE n(i) AS (SELECT 101 UNION ALL SELECT i + 1 FROM n WHERE i < 2300)"
        " SELECT i, 'plan.approved', (SELECT max(at) FROM audit), 'UEVE', 'PLAN-0', '', '{}', ''"
        " FROM n",
    )
    if chain.url.get_backend_name() == "postgresql":
        await attack(chain, "SELECT setval(pg_get_serial_sequence('audit', 'seq'), 3000)")
    await happen(chain, 7)
    done = await seal(chain)
    assert (done.count, len(done.refused)) == (1, 10)


async def test_a_tail_that_nobody_seals_is_told_when_it_is_old(chain: SqlStore) -> None:
    await happen(chain, 7)
    async with chain.read() as tx:
        young = await tx.audit.verify(older_than=NOW)
        old = await tx.audit.verify(older_than=NOW + MINUTE)
    assert young.broken_at is None
    assert (old.broken_at, "can be removed unseen" in old.reason) == (5, True)


async def test_what_we_know_of_a_chain_is_compared_before_anything_is_added(
    chain: SqlStore,
) -> None:
    anchor = await head(chain)
    await happen(chain, 7)
    assert await seal(chain, anchor) == Sealed(1)
    other = Anchor(anchor.seq, "ab" * 32, NOW, anchor.count)
    with pytest.raises(AuditBrokenError, match="are not those of the anchor"):
        await seal(chain, other)


# --- a backup that was put back -----------------------------------------------------------------


async def restored(store: SqlStore) -> Anchor:
    """Put the database back to where it was before two of its rows; returns what was known."""
    await happen(store, 7, 8)
    await seal(store)
    known = await head(store)
    async with store._engine.begin() as connection:
        for statement in ("DELETE FROM audit WHERE seq > 4", "DELETE FROM audit_head"):
            await connection.execute(text(statement))
        mark = (
            await connection.execute(text("SELECT seal FROM audit WHERE seal_no = 4"))
        ).scalar_one()
        proof = hmac.digest(KEY, f"head|4|{mark}".encode(), "sha256").hex()  # of that time, saved
        await connection.execute(
            text("INSERT INTO audit_head VALUES (1, 4, :seal, :proof)"),
            {"seal": mark, "proof": proof},
        )
    return known


async def begin_anew(store: SqlStore, known: Anchor) -> Anchor:
    event = Event("", NOW + MINUTE, "terminal", "audit", "restored the backup of Monday")
    async with store.begin() as tx:
        await tx.audit.begin_anew(known, event, NOW + MINUTE)
    return await head(store, NOW + MINUTE)


async def test_a_restored_database_is_told_until_its_chain_is_begun_anew(chain: SqlStore) -> None:
    known = await restored(chain)
    assert (await verify(chain)).broken_at is None  # by itself it is what it once was
    assert "sealed rows 5 to 6 are missing" in (await verify(chain, known)).reason
    with pytest.raises(AuditBrokenError, match="sealed rows 5 to 6 are missing"):
        await seal(chain, known)
    after = await begin_anew(chain, known)
    report = await verify(chain, known, after)
    assert (report.broken_at, report.sealed, report.anchors) == (None, 5, 1)
    (note,) = report.notes
    assert "after 4 sealed rows; the anchor knew 6" in note
    assert "restored the backup of Monday" in note
    await happen(chain, 9)
    assert await seal(chain, after) == Sealed(1)
    assert await seal(chain, known) == Sealed(0)  # whoever still knows the old end goes on as well
    async with chain.begin() as tx:
        signed = next(event for event in await tx.audit.proved("audit") if "anew" in event.kind)
    assert signed.facts["known"] == {"count": 6, "seq": known.seq, "hash": known.hash}
    assert signed.facts["found"]["count"] == 4


async def test_a_chain_begun_anew_is_cut_no_more_than_another(chain: SqlStore) -> None:
    known = await restored(chain)
    await begin_anew(chain, known)
    await happen(chain, 9)
    await seal(chain)
    later = await head(chain, NOW + timedelta(hours=1))
    await attack(chain, "DELETE FROM audit WHERE subject = 'PLAN-9'")
    assert (await verify(chain, known, later)).broken_at is not None


async def test_a_new_beginning_that_somebody_forged_excuses_nothing(chain: SqlStore) -> None:
    known = await restored(chain)
    payload = '{"kind":"audit.begun_anew"}'
    await attack(
        chain,
        "INSERT INTO audit (seq, kind, at, actor, subject, private_sha256, payload, seal)"
        " SELECT 100, 'audit.begun_anew', at, 'terminal', 'audit', '', :payload, ''"
        " FROM audit WHERE seq = 2",
        payload=payload,
    )
    assert "are missing" in (await verify(chain, known)).reason
    with pytest.raises(AuditBrokenError, match="are missing"):
        await seal(chain, known)


async def test_what_was_broken_before_a_new_beginning_is_named_by_it_for_good(
    chain: SqlStore,
) -> None:
    await attack(chain, "UPDATE audit SET actor = 'UEVE' WHERE seq = 2", "DELETE FROM audit_head")
    await forge(chain)
    anchor = await head(chain)
    with pytest.raises(AuditBrokenError):
        await seal(chain, anchor)
    after = await begin_anew(chain, anchor)
    report = await verify(chain, anchor, after)
    assert report.broken_at is None
    assert "before it: row 2: column actor was edited" in report.notes[0]
    await happen(chain, 9)
    assert await seal(chain, after) == Sealed(1)  # and the forged row is neither signed nor told
    await attack(chain, "UPDATE audit SET actor = 'UEVE' WHERE subject = 'PLAN-9'")
    assert "column actor was edited" in (await verify(chain, anchor, after)).reason


# --- rows of older versions ---------------------------------------------------------------------


@pytest.fixture
async def older(store: SqlStore) -> SqlStore:
    """Three rows as an older version wrote them, two of them sealed."""
    await happen(store, 0, 1, 2)
    previous = START
    async with store._engine.begin() as connection:
        rows = (await connection.execute(text("SELECT seq, payload FROM audit ORDER BY seq"))).all()
        for number, row in enumerate(rows[:2], 1):
            previous = hmac.digest(
                KEY, previous + f"{number}|{row.seq}|{row.payload}".encode(), "sha256"
            )
            await connection.execute(
                text("UPDATE audit SET seal = :seal, seal_no = :n WHERE seq = :seq"),
                {"seal": previous.hex(), "n": number, "seq": row.seq},
            )
        proof = hmac.digest(KEY, f"head|2|{previous.hex()}".encode(), "sha256").hex()
        await connection.execute(
            text("INSERT INTO audit_head VALUES (1, 2, :seal, :proof)"),
            {"seal": previous.hex(), "proof": proof},
        )
        await connection.execute(text("UPDATE audit SET mac = NULL"))
    return store


async def test_older_rows_are_sealed_once_under_a_signed_row(older: SqlStore) -> None:
    assert await older.begin_chain(None, NOW, NOW)
    assert not await older.begin_chain(None, NOW, NOW)
    report = await verify(older)
    assert (report.broken_at, report.rows, report.sealed) == (None, 4, 4)
    async with older.begin() as tx:
        signed = (await tx.audit.tail())[-1].event
    assert (signed.kind, signed.actor, signed.facts["covered"]) == ("audit.upgraded", BOT, 3)


async def test_a_row_without_a_seal_of_its_own_is_forged_from_then_on(older: SqlStore) -> None:
    await older.begin_chain(None, NOW, NOW)
    await forge(older)
    assert not await older.begin_chain(None, NOW, NOW)  # a restart adopts nothing more
    assert (await verify(older)).broken_at == 100
    assert (await seal(older)).count == 0


async def test_forged_rows_are_not_adopted_by_taking_every_seal_away(older: SqlStore) -> None:
    await older.begin_chain(None, NOW, NOW)
    anchor = await head(older)
    await attack(older, *STRIP, "DELETE FROM audit WHERE kind = 'audit.upgraded'",
                 "UPDATE audit SET mac = NULL")  # fmt: skip
    await forge(older)
    with pytest.raises(AuditBrokenError, match="knows of no audit that proves itself"):
        await older.begin_chain(anchor, NOW, NOW)
    with pytest.raises(AuditBrokenError, match="are missing"):
        await seal(older, anchor)


async def test_an_older_chain_that_was_broken_is_not_adopted(older: SqlStore) -> None:
    await attack(older, "DELETE FROM audit_head")
    with pytest.raises(AuditBrokenError, match="the head of the audit chain was removed"):
        await older.begin_chain(None, NOW, NOW)
