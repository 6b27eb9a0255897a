"""The audit chain: whoever has the database but not the key is found out."""

import hashlib
import hmac

import pytest
from sqlalchemy import text

from bot.core.ports import AuditBrokenError, ChainReport
from bot.domain.audit import Anchor, Event
from bot.domain.keyring import Keyring
from bot.store import audit_chain
from bot.store.audit_chain import START
from bot.store.audit_rows import row_mac
from bot.store.store import SqlStore, open_store
from tests.fixtures.keys import KEY, KEYRING
from tests.fixtures.nouns import ALICE, MINUTE, NOW

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
        return (await tx.audit.seal(limit=limit)).count


async def verify(store: SqlStore) -> ChainReport:
    async with store.read() as tx:
        return await tx.audit.verify()


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


async def test_a_chain_of_several_pages_is_walked_to_its_end(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_chain, "PAGE", 3)
    await happen(store, 10)
    assert [await seal(store, limit=4), await seal(store, limit=4)] == [4, 4]
    assert await seal(store) == 2
    assert await verify(store) == ChainReport(rows=10, sealed=10, broken_at=None)
    await attack(
        store, """UPDATE audit SET payload = replace(payload, 'why', 'no') WHERE seq = 8"""
    )
    assert (await verify(store)).broken_at == 8


async def test_the_unsealed_tail_is_counted(sealed: SqlStore) -> None:
    await happen(sealed, 3)
    report = await verify(sealed)
    assert (report.rows, report.sealed, report.broken_at) == (9, 6, None)


async def test_sealed_rows_are_read_in_the_order_of_the_chain(sealed: SqlStore) -> None:
    await happen(sealed, 3)  # not sealed: not part of the chain yet
    async with sealed.read() as tx:
        first = await tx.audit.sealed_after(0, 4)
        rest = await tx.audit.sealed_after(first[-1].seal_no, 4)
    assert [row.seal_no for row in (*first, *rest)] == [1, 2, 3, 4, 5, 6]
    assert [row.event.subject for row in rest] == ["PLAN-4", "PLAN-5"]


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


async def test_another_key_fits_no_row(sealed: SqlStore, database_url: str) -> None:
    stranger = await open_store(database_url, Keyring(b"another key"))
    report = await verify(stranger)
    await stranger.close()
    assert report.broken_at == 1
    assert "or this is not the key" in report.reason


# --- anchors: what not even the key can hide ---------------------------------------------------


async def head(store: SqlStore) -> Anchor:
    async with store.begin() as tx:
        found = await tx.audit.head(NOW)
    assert found is not None
    return found


async def rewritten(store: SqlStore) -> None:
    """Seal everything that is left once more, as somebody can who stole the key."""
    async with store._engine.begin() as connection:
        rows = (await connection.execute(text("SELECT seq, payload FROM audit ORDER BY seq"))).all()
        await connection.execute(text("UPDATE audit SET seal_no = NULL, seal = ''"))
        previous = START
        for number, row in enumerate(rows, 1):
            body = f"{number}|{row.seq}|{row.payload}".encode()
            previous = hmac.digest(KEY, previous + body, "sha256")
            mac = row_mac(KEYRING, row.payload, f"{number:032x}")
            await connection.execute(
                text("UPDATE audit SET seal = :seal, seal_no = :n, mac = :mac WHERE seq = :seq"),
                {"seal": previous.hex(), "n": number, "seq": row.seq, "mac": mac},
            )
        proof = hmac.digest(KEY, f"head|{len(rows)}|{previous.hex()}".encode(), "sha256").hex()
        await connection.execute(
            text("UPDATE audit_head SET seal_no = :n, seal = :seal, proof = :proof"),
            {"n": len(rows), "seal": previous.hex(), "proof": proof},
        )


async def with_anchors(store: SqlStore, *anchors: Anchor) -> ChainReport:
    async with store.read() as tx:
        return await tx.audit.verify(anchors)


async def test_an_empty_chain_has_no_end_to_anchor(store: SqlStore) -> None:
    await happen(store, 1)
    async with store.begin() as tx:
        assert await tx.audit.head(NOW) is None


async def test_anchors_of_an_honest_chain_agree_in_any_order(sealed: SqlStore) -> None:
    first = await head(sealed)
    assert (first.seq, first.count, first.sealed_at) == (6, 6, NOW)
    await happen(sealed, 3)
    await seal(sealed)
    second = await head(sealed)
    report = await with_anchors(sealed, second, first, first)
    assert (report.broken_at, report.anchors) == (None, 3)


async def test_fifty_rows_cut_off_and_sealed_over_with_the_key_are_missed_by_the_anchor(
    store: SqlStore,
) -> None:
    await happen(store, 120)
    await seal(store)
    anchor = await head(store)
    await attack(store, "DELETE FROM audit WHERE seq > 70")
    await rewritten(store)
    assert (await verify(store)).broken_at is None  # the chain alone cannot tell
    report = await with_anchors(store, anchor)
    assert report.broken_at == 70
    assert "sealed rows 71 to 120 are missing" in report.reason


async def test_rows_sealed_after_a_cut_do_not_fill_its_gap(store: SqlStore) -> None:
    anchors = []
    for _ in range(2):
        await happen(store, 10)
        await seal(store)
        anchors.append(await head(store))
    await attack(store, "DELETE FROM audit WHERE seq > 15")
    await rewritten(store)
    await happen(store, 10)
    await seal(store)
    assert (await verify(store)).broken_at is None
    report = await with_anchors(store, *anchors)
    assert "sealed rows 11 to 20 are not those of the anchor" in report.reason
    assert report.broken_at == 25  # the row that stands where the twentieth stood


async def test_a_chain_written_anew_from_its_start_is_not_the_one_that_was_anchored(
    sealed: SqlStore,
) -> None:
    anchor = await head(sealed)
    await attack(sealed, EDIT_REASON)
    await rewritten(sealed)
    assert (await verify(sealed)).broken_at is None
    report = await with_anchors(sealed, anchor)
    assert report.broken_at == 6
    assert "sealed rows 1 to 6 are not those of the anchor" in report.reason


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
