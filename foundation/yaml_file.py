"""The one reader of every YAML file that we load: strict, bounded, and it knows where things stand.

    bytes --UTF-8--> text --events of PyYAML--> values, each with its line and column

Every complaint is `file:line:column: what is wrong; what to write instead`. Refused are a key that
stands twice in one mapping, a key that is no word, more than one document, tags other than YAML's
own for plain values, an alias inside what it names, words with two meanings (`yaml_scalars`), and
whatever is larger than `YamlLimits`. A merge key (`<<: *defaults`) works as in YAML 1.1: what a
mapping says itself wins, then the earlier of several.

Values are what stands in the file: `${VAR}` is still a text, to be expanded by whoever wants that.
Time and memory are linear in the file's length and nothing recurses: an alias counts as everything
it stands for *before* anybody can walk over it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from foundation.capped_file import UnreadableFileError, read_capped
from foundation.yaml_tree import LIMITS, Builder, LineColumn, Node, YamlFileError, YamlLimits

__all__ = [
    "LIMITS",
    "LineColumn",
    "PathInFile",
    "YamlFile",
    "YamlFileError",
    "YamlLimits",
    "parse_yaml",
    "read_yaml",
]  # fmt: skip

PathInFile = Sequence[str | int]  # keys as written, positions in lists from 0

# libyaml reads twenty times faster. What it refuses is judged again by the reader written in
# Python, so that complaints read the same everywhere. Where both read, they read alike
# (tests/property/test_yaml_readers.py); a tab at a line's end is read by libyaml alone.
_FAST: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN: Any = yaml.SafeLoader

_UNPRINTABLE = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)  # YAML 1.2, 5.1, without the byte order mark, which is invisible


@dataclass(frozen=True, slots=True)
class YamlFile:
    """A file that was read: its values, and where each of them stands."""

    name: str  # what complaints call it
    value: Any  # dict, list, str, int, float, bool or None; of an empty file None
    _root: Node = field(repr=False)

    def place(self, path: PathInFile) -> LineColumn | None:
        """Return where a key or list item stands, or the nearest one above it.

        None when not even the path's first part stands in the file.
        """
        node, place = self._root, None
        for part in path:
            below = _below(node, part)
            if below is None:
                break
            place, node = below
        return place

    def line(self, path: PathInFile) -> int | None:
        """Return the line of `place`, or None."""
        place = self.place(path)
        return place.line if place else None

    def where(self, path: PathInFile = ()) -> str:
        """Return `file:line:column` of `place`, or of the file's first value."""
        return f"{self.name}:{self.place(path) or self._root.place}"

    def written(self, path: PathInFile) -> str | None:
        """Return a scalar as it stands in the file (`1.10`, not 1.1), or None for anything else."""
        node = self._root
        for part in path:
            below = _below(node, part)
            if below is None:
                return None
            node = below[1]
        return node.written if node.keys is None and node.items is None else None


def _below(node: Node, part: str | int) -> tuple[LineColumn, Node] | None:
    if node.keys is not None:
        return node.keys.get(str(part))
    if node.items is not None and isinstance(part, int) and 0 <= part < len(node.items):
        return node.items[part].place, node.items[part]
    return None


def read_yaml(path: Path, limits: YamlLimits = LIMITS) -> YamlFile:
    """Read one file. Raises YamlFileError when it cannot be read, is broken or too large."""
    try:
        content = read_capped(path, limits.bytes)
    except UnreadableFileError as error:
        raise YamlFileError(
            str(error)
        ) from error.__cause__  # who asks why is told the system's word
    return parse_yaml(content, str(path), limits=limits)


def parse_yaml(
    content: bytes | str, name: str, *, first_line: int = 1, limits: YamlLimits = LIMITS
) -> YamlFile:
    """Read one document from bytes or text. Raises YamlFileError.

    `name` is what complaints call the file; `first_line` is where the text begins in it.
    """
    text = _text(content, name, first_line, limits)
    problem: Exception | None = None
    for loader in (_FAST, _PLAIN):
        try:
            return _read(text, name, first_line, limits, loader)
        except YamlFileError:
            raise
        except (yaml.YAMLError, ValueError, OverflowError) as error:  # "\U00110000": no YAMLError
            problem = error
    raise YamlFileError(f"{name}:{_not_yaml(problem, first_line)}") from problem


def _text(content: bytes | str, name: str, first_line: int, limits: YamlLimits) -> str:
    long = len(content) if isinstance(content, bytes) else len(content.encode(errors="replace"))
    if long > limits.bytes:
        raise YamlFileError(
            f"{name}:{first_line}:1: larger than {limits.bytes} bytes; split the file"
        )
    try:
        text = content.decode("utf-8") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        before = content[: error.start] if isinstance(content, bytes) else b""
        raise YamlFileError(
            f"{name}:{_end(before.decode('utf-8'), first_line)}: not UTF-8: {error.reason}; "
            "save the file as UTF-8"
        ) from error
    text = text.removeprefix("\ufeff")  # a byte order mark, as Windows' editors write it
    if strange := _UNPRINTABLE.search(text):
        raise YamlFileError(
            f"{name}:{_end(text[: strange.start()], first_line)}: not YAML: the character "
            f"{strange[0]!r} cannot be printed; delete it, or escape it in double quotes"
        )
    return text


def _end(before: str, first_line: int) -> LineColumn:
    return LineColumn(before.count("\n") + first_line, len(before) - before.rfind("\n"))


def _read(text: str, name: str, first_line: int, limits: YamlLimits, loader: Any) -> YamlFile:
    builder = Builder(name, first_line, limits)
    for event in yaml.parse(text, Loader=loader):
        builder.take(event)
    root = builder.root or Node(None, LineColumn(first_line, 1))
    return YamlFile(name, root.value, root)


_ADVICE = (  # what PyYAML says → what to write instead
    ("'\\t'", "indent with spaces, not with tabs"),
    ("cannot start any token", "put a text that begins with this character in quotes"),
    ("mapping values are not allowed", "put a text with ': ' in it in quotes, or mend the indent"),
    ("end of stream", "close the quote"),
    ("expected ',' or", "close the bracket, or put the text in it in quotes"),
    ("expected <block end>", "mend the indent: what belongs together begins in one column"),
    ("could not find expected ':'", "write 'key: value'"),
    ("escape", "put a text with backslashes in single quotes"),
    ("version 1.*", "write %YAML 1.2, or leave the line out"),
)


def _not_yaml(error: Exception | None, first_line: int) -> str:
    """Return `line:column: not YAML: what is wrong` with where it began and what to write."""
    mark = getattr(error, "problem_mark", None)
    where = (
        LineColumn(mark.line + first_line, mark.column + 1) if mark else LineColumn(first_line, 1)
    )
    problem = getattr(error, "problem", None) or " ".join(str(error).split())
    context, began = getattr(error, "context", None), getattr(error, "context_mark", None)
    if context and began and began.line + first_line != where.line:
        problem += f" {context} that begins in line {began.line + first_line}"
    advice = next((then for said, then in _ADVICE if said in problem), "")
    return f"{where}: not YAML: {problem}" + (f"; {advice}" if advice else "")
