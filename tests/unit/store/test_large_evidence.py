"""A large result is kept whole and small."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from bot.core.investigation.evidence_pages import ThreadEvidence
from bot.domain.ids import EvidenceId, RunId
from bot.domain.place import TERMINAL
from bot.store.store import SqlStore

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


async def test_a_large_result_is_compressed_and_comes_back_as_it_was(
    store: SqlStore, tmp_path: Path
) -> None:
    rows = [{"at": 1_795_000_000 + k, "值": f"v{k} 🔥"} for k in range(20_000)]
    async with store.begin() as tx:
        for payload in ({"rows": rows[:3]}, {"rows": rows}):
            kept = await tx.evidence.add(
                TERMINAL, RunId("RUN-1"), tool="t", arguments={}, summary="s", at=NOW,
                payload=payload, rest="the rest",
            )  # fmt: skip
    async with store.begin() as tx:
        assert await tx.evidence.get(TERMINAL, EvidenceId("E2")) == kept
        assert [e.payload["rows"][2] for e in await tx.evidence.of_run(RunId("RUN-1"))] == [
            rows[2], rows[2],
        ]  # fmt: skip
    page = await ThreadEvidence(store, TERMINAL).page(" e2", 2)
    assert page.text.startswith("the rest\nrows:\n  - at=1795000000; 值=v0 🔥\n")
    assert page.lines == 20_002  # the rest, the name of the list, and its rows
    with closing(sqlite3.connect(tmp_path / "sre-agent.db")) as raw:
        small, large = (body for (body,) in raw.execute("SELECT body FROM evidence ORDER BY seq"))
    assert small.startswith("{")
    assert large.startswith("zlib:")
    assert len(large) < 400_000
