"""Documents say clearly what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from knowledge.documents import DocumentError, parse_document, read_folder
from tests.fixtures.profile import KNOWLEDGE

GOOD = (
    "---\nid: a\ntitle: A title\nkind: runbook\ndate: 2026-03-02\n"
    "services: [order-api]\n---\n# A\n\nText\n"
)


def test_a_document_is_read_with_its_front_matter() -> None:
    document = parse_document(GOOD, "a.md")
    assert (document.id, document.kind, document.date) == ("a", "runbook", "2026-03-02")
    assert document.services == ("order-api",)
    assert document.text == "# A\n\nText"
    assert parse_document(GOOD.replace("\n", "\r\n"), "a.md") == document


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("# no front matter", r"a\.md:1: expected front matter"),
        ("---\nid: a\n", r"a\.md:1: the front matter never ends"),
        (
            GOOD.replace("kind: runbook", "kind: runbok"),
            r"unknown kind 'runbok'\. Did you mean 'runbook'",
        ),
        (GOOD.replace("title:", "titel:"), r"unknown field 'titel'\. Did you mean 'title'"),
        (GOOD.replace("id: a\n", ""), r"id must be a text, got None"),
        (
            GOOD.replace("2026-03-02", "yesterday"),
            r"date must look like 2026-03-02, got 'yesterday'",
        ),
        (
            GOOD.replace("[order-api]", "order-api"),
            r"services must be a list of names, got 'order-api'",
        ),
        (
            GOOD.replace("id: a", "id: [a"),
            r"a\.md:3:6: not YAML: .* that begins in line 2; close",
        ),
        (GOOD.split("# A", maxsplit=1)[0], r"no text below"),
    ],
)
def test_a_bad_document_is_named_with_its_value(text: str, complaint: str) -> None:
    with pytest.raises(DocumentError, match=complaint):
        parse_document(text, "a.md")


def test_an_id_used_twice_names_both_files(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(GOOD)
    (tmp_path / "b.md").write_text(GOOD)
    with pytest.raises(DocumentError, match=r"b\.md: id 'a' is also used by a\.md"):
        read_folder(tmp_path)
    with pytest.raises(DocumentError, match="no folder"):
        read_folder(tmp_path / "nowhere")


def test_every_shipped_document_is_valid_and_marked_as_an_example() -> None:
    documents = read_folder(KNOWLEDGE)
    assert len(documents) >= 7
    assert {document.kind for document in documents} == {"runbook", "postmortem"}
    assert all(document.origin == "example" for document in documents)
