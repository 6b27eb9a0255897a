"""What is proposed meets what a person wrote: field by field, and the person wins.

before    what `init` proposed last      (kept beside the files)
current   what stands in the file
proposed  what is learned now

current = before     nobody touched it: the new proposal is taken
current ≠ before     a person did: it stays, and the proposal is told
gone from the file   a person took it out: it stays out
never proposed       a person's own entry: nothing of it is touched
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from foundation.yaml_edit import Edit

MARK = "proposal:"  # how a comment of ours begins
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric or service, proposed."""

    name: str
    fields: Fields
    category: str = ""  # the heading of a metric; a service has none
    notes: Mapping[str, str] = field(default_factory=dict)  # comment at a field's line
    heading: str = ""  # comment above a category that is new


class Fate(StrEnum):
    """What became of a proposed field or entry."""

    ADDED = "added"
    UPDATED = "updated"
    KEPT = "kept"  # a person's words stand
    REMOVED = "removed"  # a person took it out
    SAME = "same"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One entry's fate; `detail` says what a person's word stands against."""

    name: str
    fate: Fate
    detail: str = ""


@dataclass(frozen=True, slots=True)
class MergedFile:
    """What to write, and what became of each entry."""

    edits: tuple[Edit, ...]
    outcomes: tuple[Outcome, ...]

    def of(self, fate: Fate) -> list[Outcome]:
        """Return the entries with one fate."""
        return [each for each in self.outcomes if each.fate is fate]


def merge(
    current: Mapping[str, Any], before: Mapping[str, Fields], proposed: Sequence[Entry]
) -> MergedFile:
    """Return the edits that bring proposals into a file without touching what a person wrote."""
    edits: list[Edit] = []
    outcomes: list[Outcome] = []
    for entry in proposed:
        path, fields = _find(current, entry)
        if fields is None and entry.name in before:
            outcomes.append(Outcome(entry.name, Fate.REMOVED))
        elif fields is None:
            edits += [_edit(path, entry, name, value) for name, value in entry.fields.items()]
            outcomes.append(Outcome(entry.name, Fate.ADDED))
        elif entry.name not in before:
            same = all(fields.get(key) == value for key, value in entry.fields.items())
            outcomes.append(Outcome(entry.name, Fate.SAME if same else Fate.KEPT, "is yours"))
        else:
            made, outcome = _fields(path, entry, fields, before[entry.name])
            edits += made
            outcomes.append(outcome)
    return MergedFile(tuple(edits), tuple(outcomes))


def _find(current: Mapping[str, Any], entry: Entry) -> tuple[tuple[str, ...], Fields | None]:
    """Return where an entry stands, or would; a person may have moved a metric elsewhere."""
    if not entry.category:
        return (entry.name,), _as_fields(current, entry.name)
    for category, metrics in current.items():
        if isinstance(metrics, Mapping) and entry.name in metrics:
            return (category, entry.name), _as_fields(metrics, entry.name)
    return (entry.category, entry.name), None


def _as_fields(place: Mapping[str, Any], name: str) -> Fields | None:
    if name not in place:
        return None
    found = place[name]
    return found if isinstance(found, Mapping) else {}


def _fields(
    path: tuple[str, ...], entry: Entry, current: Fields, before: Fields
) -> tuple[list[Edit], Outcome]:
    edits, kept = [], []
    for name, value in entry.fields.items():
        stands = current.get(name)
        if stands == value:
            continue
        untouched = stands == before.get(name) and (name in current) == (name in before)
        if untouched:
            edits.append(_edit(path, entry, name, value))
        else:
            kept.append(f"{name} stays {stands!r}, not {value!r}")
    if kept:
        return edits, Outcome(entry.name, Fate.KEPT, "; ".join(kept))
    return edits, Outcome(entry.name, Fate.UPDATED if edits else Fate.SAME)


def _edit(path: tuple[str, ...], entry: Entry, name: str, value: Any) -> Edit:
    note = entry.notes.get(name, "")
    return Edit((*path, name), value, f"{MARK} {note}" if note else "", entry.heading)
