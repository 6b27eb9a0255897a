"""The index finds past incidents by their words, and by meaning when it can."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from knowledge.documents import LONGEST, Document, DocumentError
from knowledge.store import VECTOR_SIZE, IndexClosedError, KnowledgeIndex, snippet
from tests.fixtures.profile import KNOWLEDGE
from tools.backends.history import KnowledgeHistory

SHIPPED = KNOWLEDGE


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[KnowledgeIndex]:
    opened = await KnowledgeIndex(str(tmp_path / "index")).open()
    yield opened
    await opened.close()


def document(
    key: str, title: str = "A title", text: str = "Some text", kind: str = "postmortem"
) -> Document:
    return Document(key, title, kind, text)


async def test_an_empty_index_finds_nothing(index: KnowledgeIndex) -> None:
    assert await index.search("anything") == []
    assert (await index.stats()).documents == 0


async def test_a_question_in_the_words_of_an_incident_finds_it(index: KnowledgeIndex) -> None:
    await index.reindex(SHIPPED)
    hits = await index.search("order latency after deploy, db pool exhausted", limit=2)
    assert {hit.id for hit in hits} == {
        "runbook-order-latency",
        "pm-2026-03-17-order-pool-exhaustion",
    }
    assert hits[0].score >= hits[1].score
    assert "pool" in hits[0].snippet
    only = await index.search("risk-engine OOMKilled memory leak", kind="postmortem")
    assert only[0].id == "pm-2026-05-04-risk-cache-leak"
    assert {hit.kind for hit in only} == {"postmortem"}


async def test_chinese_words_are_found(index: KnowledgeIndex) -> None:
    await index.add([document("zh", "订单延迟升高", "发布之后数据库连接池耗尽"), document("en")])
    assert [hit.id for hit in await index.search("连接池")] == ["zh"]


async def test_a_document_added_again_replaces_the_old_one(index: KnowledgeIndex) -> None:
    await index.add([document("a", text="the old words"), document("a", text="the first words")])
    await index.add([document("a", text="the new words")])
    assert (await index.stats()).documents == 1
    assert "new" in (await index.search("words"))[0].snippet
    assert await index.search("old") == []


async def test_a_removed_document_is_gone_and_quotes_are_harmless(index: KnowledgeIndex) -> None:
    await index.add([document("it's", text="quoted words"), document("b", text="other words")])
    await index.remove(["it's", "never-there"])
    assert [hit.id for hit in await index.search("words")] == ["b"]
    assert await index.search("words", kind="x' OR '1'='1") == []


@pytest.mark.parametrize("question", ["", "  ", "???", '"unbalanced (AND OR', "a:b^2 ~ *"])
async def test_a_question_is_words_and_not_a_query_language(
    index: KnowledgeIndex, question: str
) -> None:
    await index.add([document("a", text="unbalanced words")])
    assert isinstance(await index.search(question), list)


async def test_reindex_drops_vanished_files_keeps_added_rows_and_refuses_a_bad_folder(
    index: KnowledgeIndex, tmp_path: Path
) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    text = "---\nid: {0}\ntitle: T\nkind: issue\n---\nwords of {0}\n"
    for name in ("one", "two"):
        (folder / f"{name}.md").write_text(text.format(name))
    await index.add([document("row", text="words of a published row")])
    await index.reindex(folder)
    (folder / "one.md").unlink()
    assert await index.reindex(folder) == 1
    assert {hit.id for hit in await index.search("words")} == {"two", "row"}
    (folder / "bad.md").write_text("nothing")
    with pytest.raises(DocumentError, match=r"bad\.md"):
        await index.reindex(folder)
    assert (await index.stats()).documents == 2


async def test_an_empty_index_is_filled_with_the_good_documents_and_the_bad_are_named(
    index: KnowledgeIndex, tmp_path: Path
) -> None:
    (tmp_path / "good.md").write_text("---\nid: a\ntitle: T\nkind: issue\n---\nwords\n")
    (tmp_path / "bad.md").write_text("nothing")
    (tmp_path / "long.md").write_bytes(b"a" * (LONGEST + 1))
    (told, long) = await index.fill(tmp_path)
    assert told.startswith("bad.md:1: expected front matter")
    assert long == f"long.md: longer than {LONGEST} bytes; split the document"
    assert [hit.id for hit in await index.search("words")] == ["a"]


async def test_what_was_added_is_there_after_opening_again(tmp_path: Path) -> None:
    first = await KnowledgeIndex(str(tmp_path)).open()
    await first.add([document("a", text="lasting words")])
    await first.close()
    await first.close()
    with pytest.raises(IndexClosedError, match="not open"):
        await first.search("words")
    second = await KnowledgeIndex(str(tmp_path)).open()
    assert [hit.id for hit in await second.search("lasting")] == ["a"]
    await second.close()


class CountingEncoder:
    """Meaning in two dimensions: about memory, about latency."""

    def encode(self, texts: Sequence[str]) -> list[list[float]]:
        rows = []
        for text in texts:
            row = [0.0] * VECTOR_SIZE
            row[0] = float("memory" in text or "heap" in text)
            row[1] = float("latency" in text or "slow" in text)
            row[2] = 0.1
            rows.append(row)
        return rows


async def test_meaning_finds_what_shares_no_word(tmp_path: Path) -> None:
    index = await KnowledgeIndex(str(tmp_path), CountingEncoder()).open()
    await index.add(
        [document("m", "T", "the heap was full"), document("l", "T", "pages were slow")]
    )
    assert (await index.search("latency"))[0].id == "l"
    assert (await index.search("memory"))[0].id == "m"
    assert (await index.stats()).semantic
    await index.close()


async def test_the_history_port_gives_similar_cases(index: KnowledgeIndex) -> None:
    await index.reindex(SHIPPED)
    cases = await KnowledgeHistory(index).similar("balance synchronisation wallet", limit=1)
    assert cases[0].id == "runbook-wallet-sync"
    assert cases[0].path == "runbooks/wallet-sync.md"
    assert cases[0].services == ("wallet-service", "ledger")


def test_a_snippet_is_the_paragraph_that_speaks_of_it() -> None:
    text = "# Title\n\nFirst paragraph.\n\nThe pool was exhausted.\n\nLast."
    assert snippet(text, "pool exhausted") == "The pool was exhausted."
    assert len(snippet("word " * 500, "word")) <= 320
