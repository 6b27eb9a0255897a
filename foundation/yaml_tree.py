"""The tree of one YAML file: what PyYAML's events become, counted while it grows.

    events --Builder--> Node: a value, its place, and everything below it

An alias is the very node that it names, and counts as everything in it. Nothing recurses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from foundation.yaml_scalars import ScalarError, read_scalar

_TAG = "tag:yaml.org,2002:"
_MERGE = "<<"
_HALF = re.compile("[\ud800-\udfff]")  # an escape can write what no file can hold


class YamlFileError(ValueError):
    """A file cannot be read; the message names file, line, column and what to write instead."""


@dataclass(frozen=True, slots=True)
class YamlLimits:
    """How much one file may hold: far above what people write, far below what hurts."""

    bytes: int = 1024 * 1024  # two thousand services are 280 KB
    depth: int = 32  # mappings and lists inside each other; the deepest file we ship has 5
    nodes: int = 200_000  # keys and values, aliases as what they stand for; 1 MB of services: 165k
    aliases: int = 10_000  # five for each of two thousand services


LIMITS = YamlLimits()


class LineColumn(NamedTuple):
    """Where something stands, both from 1."""

    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.line}:{self.column}"


@dataclass(slots=True, eq=False)
class Node:
    """One value of the file with everything below it."""

    value: Any
    place: LineColumn
    written: str = ""  # a scalar as it stands, without quotes
    keys: dict[str, tuple[LineColumn, Node]] | None = None  # of a mapping, by the key as written
    items: list[Node] | None = None  # of a list
    size: int = 1  # nodes in it, itself counted, aliases as what they stand for
    height: int = 0  # mappings and lists inside each other, itself counted


class _Key(NamedTuple):
    value: Any
    written: str
    place: LineColumn
    is_merge: bool


@dataclass(slots=True, eq=False)
class _Open:
    """A mapping or list whose end was not seen yet."""

    node: Node
    anchor: str | None
    key: _Key | None = None  # whose value comes next
    seen: dict[Any, LineColumn] = field(default_factory=dict)  # keys so far; `1` and `1.0` are one
    merged: Node | None = None  # what stands behind the mapping's merge key


class Builder:
    """Takes PyYAML's events one by one and builds the values."""

    def __init__(self, name: str, first_line: int, limits: YamlLimits) -> None:
        self._name, self._first_line, self._limits = name, first_line, limits
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._nodes = self._aliases = 0
        self.root: Node | None = None

    def take(self, event: Any) -> None:
        """Take the next event."""
        place = LineColumn(event.start_mark.line + self._first_line, event.start_mark.column + 1)
        if isinstance(event, yaml.AliasEvent):
            self._add(self._alias(str(event.anchor), place), place)
        elif isinstance(event, yaml.ScalarEvent):
            node = self._scalar(event, place)
            self._count(1, 0, place)
            self._name_it(event.anchor, node, place)
            is_merge = event.value == _MERGE and _is_plain(event)
            self._add(node, place, is_merge=is_merge)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event, place)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._end()
        elif isinstance(event, yaml.DocumentStartEvent) and self.root is not None:
            raise self._error(place, "a second document begins; one file holds one, delete '---'")

    def _error(self, place: LineColumn, text: str) -> YamlFileError:
        return YamlFileError(f"{self._name}:{place}: {text}")

    def _count(self, size: int, height: int, place: LineColumn) -> None:
        self._nodes += size
        if self._nodes > self._limits.nodes:
            text = f"more than {self._limits.nodes} keys and values, aliases written out"
            raise self._error(place, f"{text}; split the file")
        if len(self._open) + height > self._limits.depth:
            raise self._error(place, f"nested deeper than {self._limits.depth} levels; flatten it")

    def _name_it(self, anchor: str | None, node: Node, place: LineColumn) -> None:
        if anchor is None:
            return
        if anchor in self._anchors:
            first = self._anchors[anchor].place.line
            text = f"anchor &{_shown(anchor)} stands in line {first} already; choose another name"
            raise self._error(place, text)
        self._anchors[anchor] = node

    def _alias(self, anchor: str, place: LineColumn) -> Node:
        node = self._anchors.get(anchor)
        if node is None:
            raise self._error(place, f"alias *{_shown(anchor)}: nothing above it has that name")
        if any(each.anchor == anchor for each in self._open):
            raise self._error(
                place, f"alias *{_shown(anchor)} stands inside what it names; write it out"
            )
        self._aliases += 1
        if self._aliases > self._limits.aliases:
            raise self._error(place, f"more than {self._limits.aliases} aliases; write values out")
        self._count(node.size, node.height, place)
        return node

    def _scalar(self, event: Any, place: LineColumn) -> Node:
        if _HALF.search(event.value):
            raise self._error(place, "half of a character (\\ud800 … \\udfff); write \\U0001f600")
        tag = None if event.tag is None else self._tag(event.tag, place)
        if tag == "str" or (tag is None and not _is_plain(event)):
            return Node(event.value, place, event.value)
        try:
            value = read_scalar(event.value)
        except ScalarError as error:
            raise self._error(place, str(error)) from error
        if tag == "float" and type(value) is int:
            value = float(value)
        if tag is not None and tag != _kind(value):
            raise self._error(
                place, f"{_shown(event.value)!r} is no !!{tag}; write the plain value"
            )
        return Node(value, place, event.value)

    def _tag(self, tag: str, place: LineColumn) -> str:
        short = tag.removeprefix(_TAG)
        if short not in {"str", "int", "float", "bool", "null", "map", "seq"}:
            shown = _shown(f"!!{short}" if short != tag else tag)
            raise self._error(place, f"tag {shown} means nothing here; write the plain value")
        return short

    def _begin(self, event: Any, place: LineColumn) -> None:
        is_mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag is not None:
            tag = self._tag(event.tag, place)
            if tag != ("map" if is_mapping else "seq"):
                raise self._error(place, f"this is no !!{tag}; leave the tag out")
        if self._wants_key():
            raise self._error(place, "a key must be a word, not a mapping or a list")
        node = (
            Node({}, place, keys={}, height=1)
            if is_mapping
            else Node([], place, items=[], height=1)
        )
        self._count(1, 1, place)
        self._name_it(event.anchor, node, place)
        self._open.append(_Open(node, event.anchor))

    def _wants_key(self) -> bool:
        return bool(self._open) and self._open[-1].node.keys is not None and not self._open[-1].key

    def _end(self) -> None:
        done = self._open.pop()
        if done.merged is not None:
            self._merge(done.node, done.merged)
        self._add(done.node, done.node.place)

    def _add(self, node: Node, place: LineColumn, *, is_merge: bool = False) -> None:
        """Put a finished value where it belongs; `place` is where it, or its alias, stands."""
        if not self._open:
            self.root = node
            return
        above = self._open[-1]
        if self._wants_key():
            above.key = self._key(above, node, place, is_merge=is_merge)
            return
        parent = above.node
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if parent.items is not None:
            parent.items.append(node)
            parent.value.append(node.value)
        elif parent.keys is not None and above.key is not None:
            key, above.key = above.key, None
            parent.keys[key.written] = key.place, node
            if key.is_merge:
                above.merged = node
            else:
                parent.value[key.value] = node.value

    def _key(self, above: _Open, node: Node, place: LineColumn, *, is_merge: bool) -> _Key:
        if node.keys is not None or node.items is not None:
            raise self._error(place, "a key must be a word, not a mapping or a list")
        first = above.seen.get(node.value) or above.seen.get(node.written)
        if first is not None:
            text = f"{_shown(node.written)!r} is written twice, first in line {first.line}"
            raise self._error(place, f"{text}; keep one of them")
        above.seen[node.value] = above.seen[node.written] = place
        above.node.size += 1
        return _Key(node.value, node.written, place, is_merge)

    def _merge(self, node: Node, merged: Node) -> None:
        sources = [merged] if merged.items is None else merged.items
        value: dict[Any, Any] = {}
        keys: dict[str, tuple[LineColumn, Node]] = {}
        for source in reversed(sources):
            if source.keys is None:
                text = "<<: takes an alias of a mapping or a list of such aliases"
                raise self._error(source.place, text)
            value.update(source.value)
            keys.update(source.keys)
        own = node.keys or {}
        node.keys = {**keys, **own}
        merged_in = {**value, **node.value}
        node.value.clear()
        node.value.update(merged_in)


def _shown(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}…"


def _is_plain(event: Any) -> bool:
    return not event.style and event.tag is None  # libyaml says "" where Python's reader says None


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
