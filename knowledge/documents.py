"""Markdown documents with front matter: what a document is and how a file becomes one.

---
id: order-latency
title: Order latency is high
kind: runbook            # runbook | postmortem | issue | solution
date: 2026-03-02         # optional, as are services, severity, tags, origin
services: [order-api]
---
Text …
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import yaml

KINDS = ("runbook", "postmortem", "issue", "solution")
FIELDS = frozenset({"id", "title", "kind", "date", "services", "severity", "tags", "origin"})
_FENCE = "---"


class DocumentError(ValueError):
    """A document cannot be read; the message names file, value and what to write."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document of the knowledge base."""

    id: str
    title: str
    kind: str  # one of KINDS
    text: str  # the Markdown below the front matter
    date: str = ""  # ISO date
    services: tuple[str, ...] = ()
    severity: str = ""
    tags: tuple[str, ...] = ()
    origin: str = ""  # "example" for those shipped with the bot
    path: str = ""  # relative to the folder it was found in


def parse_document(text: str, name: str) -> Document:
    """Parse one Markdown text; `name` is its path in the folder and in complaints."""
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[0].strip() != _FENCE:
        raise DocumentError(
            f"{name}:1: expected front matter that begins with '---', got {lines[0][:60]!r}"
        )
    try:
        end = next(i for i, line in enumerate(lines[1:], 1) if line.strip() == _FENCE)
    except StopIteration:
        raise DocumentError(f"{name}:1: the front matter never ends; close it with '---'") from None
    front = _front_matter("\n".join(lines[1:end]), name)
    for key in front:
        if key not in FIELDS:
            raise DocumentError(f"{name}: unknown field {key!r}.{_nearest(str(key), FIELDS)}")
    kind = _required(front, "kind", name)
    if kind not in KINDS:
        raise DocumentError(f"{name}: unknown kind {kind!r}.{_nearest(kind, KINDS)}")
    body = "\n".join(lines[end + 1 :]).strip()
    if not body:
        raise DocumentError(f"{name}: there is no text below the front matter")
    return Document(
        id=_required(front, "id", name),
        title=_required(front, "title", name),
        kind=kind,
        text=body,
        date=_date(front.get("date"), name),
        services=_names(front, "services", name),
        severity=str(front.get("severity") or ""),
        tags=_names(front, "tags", name),
        origin=str(front.get("origin") or ""),
        path=name,
    )


def read_document(path: Path, folder: Path) -> Document:
    """Read one file below `folder`."""
    name = path.relative_to(folder).as_posix()
    try:
        return parse_document(path.read_text(encoding="utf-8"), name)
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name}: not UTF-8 text (byte {error.start})") from error


def read_folder(folder: Path) -> list[Document]:
    """Read every Markdown document below a folder; README files are not documents.

    Raises DocumentError for the first bad file and for an id that is used twice.
    """
    if not folder.is_dir():
        raise DocumentError(f"{str(folder)!r} is no folder; give the one with the Markdown files")
    documents: dict[str, Document] = {}
    for path in _markdown(folder):
        document = read_document(path, folder)
        if document.id in documents:
            raise DocumentError(
                f"{document.path}: id {document.id!r} is also used by {documents[document.id].path}"
            )
        documents[document.id] = document
    return list(documents.values())


def _markdown(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.md")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.stem.upper() != "README":
            yield path


def _front_matter(text: str, name: str) -> dict[str, Any]:
    try:
        front = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        # The front matter begins in line 2 of the file and marks count from 0.
        line = error.problem_mark.line + 2 if error.problem_mark else 2
        raise DocumentError(f"{name}:{line}: front matter is not YAML: {error.problem}") from error
    if not isinstance(front, dict):
        raise DocumentError(f"{name}:2: front matter must be 'key: value' lines, got {front!r}")
    return front


def _required(front: dict[str, Any], key: str, name: str) -> str:
    value = front.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DocumentError(f"{name}: {key} must be a text, got {value!r}")
    return value.strip()


def _names(front: dict[str, Any], key: str, name: str) -> tuple[str, ...]:
    value = front.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DocumentError(f"{name}: {key} must be a list of names, got {value!r}")
    return tuple(value)


def _date(value: object, name: str) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise DocumentError(f"{name}: date must look like 2026-03-02, got {value!r}")


def _nearest(name: str, known: frozenset[str] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else f" Known: {', '.join(sorted(known))}."
