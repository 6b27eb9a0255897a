"""The `History` port over the knowledge index: a hit becomes a similar case."""

from __future__ import annotations

from knowledge.store import KnowledgeIndex
from tools.world import SimilarCase


class KnowledgeHistory:
    """Implements `tools.ports.History`."""

    def __init__(self, index: KnowledgeIndex) -> None:
        """Search in an index that is open."""
        self._index = index

    async def similar(self, text: str, limit: int = 5) -> list[SimilarCase]:
        """Return the nearest documents, best first."""
        hits = await self._index.search(text, limit)
        return [
            SimilarCase(hit.id, hit.title, hit.kind, hit.snippet, hit.score, hit.path, hit.services)
            for hit in hits
        ]
