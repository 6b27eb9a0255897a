"""Markdown documents with front matter: what a document is and how a file becomes one.

---
id: api-latency
title: Latency of the API is high
kind: runbook            # runbook | postmortem | issue | solution
date: 2026-03-02         # optional, as are services, severity, tags, origin
services: [my-api]
---
Text …
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from foundation.capped_file import UnreadableFileError, read_capped
from foundation.nearest import nearest
from foundation.yaml_file import YamlFile, YamlFileError, YamlLimits, parse_yaml

KINDS = ("runbook", "postmortem", "issue", "solution")
FIELDS = frozenset({"id", "title", "kind", "date", "services", "severity", "tags", "origin"})
LIMITS = YamlLimits(bytes=64 * 1024)  # of the front matter alone: eight short fields
LONGEST = 1024 * 1024  # bytes of a document: a thick book
_FENCE = "---"
_DATE = re.compile(r"(\d{4}-\d{2}-\d{2})(?:[Tt ].*)?")  # a time behind it is left out


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
    kind = _required(front, "kind")
    if kind not in KINDS:
        text = f"unknown kind {kind!r}.{nearest(kind, KINDS)}"
        raise DocumentError(f"{front.where(('kind',))}: {text}")
    body = "\n".join(lines[end + 1 :]).strip()
    if not body:
        raise DocumentError(f"{name}: there is no text below the front matter")
    return Document(
        id=_required(front, "id"),
        title=_required(front, "title"),
        kind=kind,
        text=body,
        date=_date(front),
        services=_names(front, "services"),
        severity=str(front.value.get("severity") or ""),
        tags=_names(front, "tags"),
        origin=str(front.value.get("origin") or ""),
        path=name,
    )


def read_document(path: Path, name: str) -> Document:
    """Read one file; `name` is its path in the folder and in complaints."""
    try:
        content = read_capped(path, LONGEST)
    except UnreadableFileError as error:
        raise DocumentError(str(error)) from error
    if len(content) > LONGEST:
        raise DocumentError(f"{name}: longer than {LONGEST} bytes; split the document")
    try:
        return parse_document(content.decode("utf-8"), name)
    except UnicodeDecodeError as error:
        raise DocumentError(f"{name}: not UTF-8 text (byte {error.start})") from error


def read_folder(folder: Path) -> list[Document]:
    """Read every Markdown document below a folder; README files are not documents.

    Raises DocumentError for the first bad file and for an id that is used twice.
    """
    documents, refused = read_good_ones(folder)
    for complaint in refused:
        raise DocumentError(complaint)
    return documents


def read_good_ones(folder: Path) -> tuple[list[Document], list[str]]:
    """Read every Markdown document below a folder; return them, and why others are none.

    Raises DocumentError when there is no such folder.
    """
    if not folder.is_dir():
        raise DocumentError(f"{str(folder)!r} is no folder; give the one with the Markdown files")
    documents: dict[str, Document] = {}
    refused: list[str] = []
    for path in _markdown(folder):
        try:
            document = read_document(path, path.relative_to(folder).as_posix())
            if (other := documents.get(document.id)) is not None:
                raise DocumentError(
                    f"{document.path}: id {document.id!r} is also used by {other.path}"
                )
        except DocumentError as error:
            refused.append(str(error))
        else:
            documents[document.id] = document
    return list(documents.values()), refused


def _markdown(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*.md")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.stem.upper() != "README":
            yield path


def _front_matter(text: str, name: str) -> YamlFile:
    try:
        front = parse_yaml(text, name, first_line=2, limits=LIMITS)  # below the first `---`
    except YamlFileError as error:
        raise DocumentError(str(error)) from error
    if not isinstance(front.value, dict):
        text = f"front matter must be 'key: value' lines, got {front.value!r}"
        raise DocumentError(f"{front.where()}: {text}")
    for key in front.value:
        if key not in FIELDS:
            text = f"unknown field {key!r}.{nearest(str(key), FIELDS)}"
            raise DocumentError(f"{front.where((key,))}: {text}")
    return front


def _required(front: YamlFile, key: str) -> str:
    value = front.value.get(key)
    if not isinstance(value, str) or not value.strip():
        raise DocumentError(f"{front.where((key,))}: {key} must be a text, got {value!r}")
    return value.strip()


def _names(front: YamlFile, key: str) -> tuple[str, ...]:
    value = front.value.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise DocumentError(f"{front.where((key,))}: {key} must be a list of names, got {value!r}")
    return tuple(value)


def _date(front: YamlFile) -> str:
    value = front.value.get("date")
    if value is None:
        return ""
    written = _DATE.fullmatch(value) if isinstance(value, str) else None
    try:
        return date.fromisoformat(written[1] if written else "").isoformat()
    except ValueError:  # 2026-02-30 as well
        raise DocumentError(
            f"{front.where(('date',))}: date must look like 2026-03-02, got {value!r}"
        ) from None
