"""evidence: tool calls with their results, numbered E1, E2 … per thread without gaps.

A large result is compressed: `zlib:` and base64, so that the column stays text in both databases.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Text, UniqueConstraint, insert, select

from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId, RunId
from bot.domain.place import Place
from bot.store.codec import decode, encode
from bot.store.schema import Base, number_column, table_of, text_column, time_column
from bot.store.session import Session
from tools.world import Window


class EvidenceRow(Base, table=True):
    """One numbered tool call."""

    __tablename__ = "evidence"
    __table_args__ = (UniqueConstraint("place", "number"), {"sqlite_autoincrement": True})
    seq: int | None = number_column(default=None, primary_key=True)
    place: str = text_column()
    number: int
    run_id: str = text_column(index=True)
    tool: str = text_column()
    at: datetime = time_column()
    body: str = text_column()


T = table_of(EvidenceRow)

LARGE = 256_000  # characters of JSON from which a body is compressed
_PACKED = "zlib:"


def _pack(text: str) -> str:
    if len(text) < LARGE:
        return text
    return _PACKED + base64.b64encode(zlib.compress(text.encode("ascii"), 6)).decode("ascii")


def _unpack(body: str) -> Evidence:
    if body.startswith(_PACKED):
        body = zlib.decompress(base64.b64decode(body[len(_PACKED) :])).decode("ascii")
    return decode(Evidence, body)


class SqlEvidence:
    """The port `EvidenceStore`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(  # noqa: PLR0913 - the port's signature, by name
        self,
        place: Place,
        run_id: RunId,
        *,
        tool: str,
        arguments: Mapping[str, Any],
        summary: str,
        at: datetime,
        window: Window | None = None,
        query: str = "",
        link: str = "",
        payload: Any = None,
        failed: bool = False,
        rest: str = "",
    ) -> Evidence:
        """Number and keep one tool call. Others wait for the thread's number until we commit."""
        count = await self._session.count_up(f"evidence:{place.key()}")
        evidence = Evidence(
            id=EvidenceId(f"E{count}"),
            tool=tool,
            arguments=dict(arguments),
            summary=summary,
            at=at,
            window=window,
            query=query,
            link=link,
            payload=payload,
            failed=failed,
            rest=rest,
        )
        values = {"place": place.key(), "number": count, "run_id": run_id, "tool": tool, "at": at}
        await self._session.run(insert(T).values(body=_pack(encode(evidence)), **values))
        return evidence

    async def get(self, place: Place, evidence_id: EvidenceId) -> Evidence:
        """Return one piece of evidence of a thread."""
        name = evidence_id.strip().upper()
        count = int(name[1:]) if name[:1] == "E" and name[1:].isdecimal() else 0
        here = T.c.place == place.key()
        query = select(T.c.body).where(here, T.c.number == min(count, 2**31 - 1))
        ids = select("E" + T.c.number.cast(Text)).where(here).order_by(T.c.number.desc())
        row = await self._session.get(query, "evidence", evidence_id, ids)
        return _unpack(row.body)

    async def of_run(self, run_id: RunId) -> list[Evidence]:
        """Return a run's evidence in order."""
        query = select(T.c.body).where(T.c.run_id == run_id).order_by(T.c.seq)
        return [_unpack(row.body) for row in await self._session.all(query)]
