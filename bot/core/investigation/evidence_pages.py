"""A thread's evidence as pages: for the model through a tool, for people through a modal."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from bot.core.ports import Store
from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId
from bot.domain.place import Place
from tools.errors import NotFoundError
from tools.paging import Page, page_of


@dataclass(frozen=True, slots=True)
class ThreadEvidence:
    """The port EvidenceShelf over the store."""

    store: Store
    place: Place

    async def page(self, evidence_id: str, number: int) -> Page:
        """Return one page of E1, E2 …; page 1 is its summary. Raises NotFoundError."""
        async with self.store.begin() as tx:
            evidence = await tx.evidence.get(self.place, EvidenceId(evidence_id))
        return await turn_to(evidence, number)


async def turn_to(evidence: Evidence, number: int) -> Page:
    """Return a page of one piece of evidence. Raises NotFoundError behind the last one."""
    page = await asyncio.to_thread(
        page_of, evidence.summary, evidence.rest, evidence.payload, number
    )
    if page is None:
        raise NotFoundError(
            f"{evidence.id} has no page {number!r}; page 1 is its summary, and a page says whether "
            "another follows"
        )
    return page
