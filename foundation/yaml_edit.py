"""Writes into YAML files that people keep: what is not written stays as it is, comments and all.

The one door to ruamel.yaml. A file is judged by `yaml_file` first; this only puts values in.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark, YAMLError
from ruamel.yaml.tokens import CommentToken
from ruamel.yaml.util import load_yaml_guess_indent

_INDENTED = re.compile(r"^( +)[^ #\-\n]", re.MULTILINE)
_WIDTH = 4096  # no text is folded that its writer did not fold


class YamlEditError(ValueError):
    """A text cannot be edited; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One value to be put in; mappings on the way are made."""

    path: tuple[str, ...]
    value: Any
    note: str = ""  # a comment at the line's end, in place of one that begins with `mark`
    above: str = ""  # a comment above the first part of the path, when that is new


def edited(text: str, edits: Sequence[Edit], *, mark: str = "") -> str:
    """Return the text with the edits in it; a text without values keeps its comments.

    Raises YamlEditError.
    """
    if not edits:
        return text
    try:
        yaml = _writer(text)
        root = yaml.load(text)
    except YAMLError as error:  # what our reader takes, and this one does not
        raise YamlEditError(f"cannot be edited: {' '.join(str(error).split())}") from error
    head = ""
    if not root:  # `{}` or nothing: there is nothing to keep but comments
        lines = text.splitlines(keepends=True)
        head = "".join(line for line in lines if line.lstrip().startswith("#") or not line.strip())
        root = CommentedMap()
    for edit in edits:
        _put(root, edit, mark)
    out = io.StringIO()
    yaml.dump(root, out)
    head = head if not head or head.endswith("\n\n") else f"{head.rstrip()}\n\n"
    return head + out.getvalue().lstrip("\n")


def _writer(text: str) -> YAML:
    """Return a writer that indents as the text does."""
    _, _, dash = load_yaml_guess_indent(text)  # None: there are no lists
    indents = [len(hit[1]) for hit in _INDENTED.finditer(text)]
    mapping, offset = min(indents, default=2), 2 if dash is None else dash
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.preserve_quotes = True
    yaml.indent(mapping=mapping, sequence=offset + 2, offset=offset)
    yaml.representer.ignore_aliases = lambda _: True
    return yaml


def _put(root: CommentedMap, edit: Edit, mark: str) -> None:
    place, below = root, ""
    for depth, part in enumerate(edit.path):
        new, last = part not in place, depth == len(edit.path) - 1
        if new:
            below = _take_below(place) or below
        if last:
            place[part] = _plain(edit.value)
        elif not isinstance(place.get(part), CommentedMap):
            place[part] = CommentedMap()
        if new and depth == 0 and edit.above:
            place.yaml_set_comment_before_after_key(part, before=f"\n{edit.above}")
        if last:
            if edit.note:
                _write_note(place, part, edit.note, mark)
            _put_below(place, part, below)
        else:
            place = place[part]


def _take_below(place: CommentedMap) -> str:
    """Take the comment lines that follow a mapping off its last value, and return them.

    They were read as belonging to that value, but speak of what comes next.
    """
    node: Any = place
    while isinstance(node, CommentedMap | CommentedSeq) and len(node) and not node.fa.flow_style():
        key = next(reversed(node)) if isinstance(node, CommentedMap) else len(node) - 1
        item = node.ca.items.get(key)
        token = item[2 if isinstance(node, CommentedMap) else 0] if item else None
        if token is not None and "\n" in token.value:
            first, _, below = token.value.partition("\n")
            if below.strip():
                token.value = f"{first}\n"
                return str(below)
        node = node[key]
    return ""


def _put_below(place: CommentedMap, key: str, below: str) -> None:
    if below:
        item = place.ca.items.setdefault(key, [None, None, None, None])
        own = item[2].value.rstrip("\n") if item[2] is not None else ""
        item[2] = CommentToken(f"{own}\n{below}", CommentMark(0), None)


def _plain(value: Any) -> Any:
    """Return a value as the writer lays it out: short lists and mappings on one line."""
    if isinstance(value, Mapping):
        made = CommentedMap((key, _plain(each)) for key, each in value.items())
        made.fa.set_flow_style()
        return made
    if isinstance(value, list | tuple):
        listed = CommentedSeq(_plain(each) for each in value)
        listed.fa.set_flow_style()
        return listed
    return value


def _write_note(place: CommentedMap, key: str, note: str, mark: str) -> None:
    """Put a comment at a line's end; one of a person's stays, and so does what follows below."""
    item = place.ca.items.get(key)
    token = item[2] if item else None
    if token is None:
        place.yaml_add_eol_comment(note, key)
        return
    first, end, below = token.value.partition("\n")
    said = first.strip().removeprefix("#").strip()
    if not said or (mark and said.startswith(mark)):
        token.value = f"# {note}{end}{below}"
