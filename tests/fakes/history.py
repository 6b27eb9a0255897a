"""What happened before, from memory."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from knowledge.documents import Document
from tools.world import SimilarCase


class FakeHistory:
    """Implements `tools.ports.History` over a list; keeps the documents it is given to index."""

    def __init__(self, cases: Iterable[SimilarCase] = ()) -> None:
        self.cases = list(cases)
        self.indexed: list[Document] = []

    async def similar(self, text: str, limit: int = 5) -> list[SimilarCase]:
        return self.cases[:limit]

    async def index(self, documents: Sequence[Document]) -> None:
        self.indexed += documents
