"""Which labels tell the series of one answer apart, and which all of them share.

    {namespace=a, job=x, pod=p1, instance=i1}        head: all with namespace=a, job=x
    {namespace=a, job=x, pod=p2, instance=i2}   ──>  rows: pod=p1, pod=p2

A label that only says once more what another one says (an instance of each pod) is left out.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from foundation.shortened import shortened_line
from tools.world import Series

MOST = 6  # labels in one line
LONGEST = 120  # characters of one value: a statement, an address
_FIRST = (  # what people know a series by, in this order; others follow by their names
    "service", "statement", "query", "queryid", "route", "path", "uri", "handler", "endpoint",
    "method", "status", "code", "status_code", "topic", "consumergroup", "queue", "pod",
    "container", "node", "instance",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Apart:
    """The labels of one answer's series, once it is known which of them differ."""

    common: Mapping[str, str]  # in all series alike; empty for a single one
    telling: tuple[str, ...]  # names of those that differ, what people know first
    several: bool  # false: there is nothing to tell apart

    @property
    def head(self) -> str:
        """What all series share, as the end of a head line; empty when there is nothing."""
        told = _told(self.common, sorted(self.common, key=_rank))
        return f", all with {told}" if told else ""

    def of(self, series: Series) -> str:
        """Return what tells one series from the others."""
        own = dict(series.labels)
        return _told(own, self.telling) or "(no labels)"


def apart(found: Sequence[Series], known: Collection[str] = ()) -> Apart:
    """Say which labels tell series apart; `known` are told otherwise and stay out."""
    labels = [dict(each.labels) for each in found]
    names = sorted({name for each in labels for name in each} - {*known, "__name__"}, key=_rank)
    if len(labels) < 2:
        return Apart({}, tuple(names), several=False)
    common: dict[str, str] = {}
    telling: list[str] = []
    seen: list[tuple[int, ...]] = [
        _groups([tuple(each.get(n, "") for n in known) for each in labels])
    ]
    for name in names:
        values = [each.get(name, "") for each in labels]
        if len(set(values)) == 1:
            common[name] = values[0]
            continue
        groups = _groups(values)
        if groups not in seen:
            seen.append(groups)
            telling.append(name)
    return Apart(common, tuple(telling), several=True)


def _groups(values: Sequence[object]) -> tuple[int, ...]:
    """Return which series share a value, whatever the values are."""
    first: dict[object, int] = {}
    return tuple(first.setdefault(value, at) for at, value in enumerate(values))


def _rank(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)


def _told(labels: Mapping[str, str], names: Sequence[str]) -> str:
    present = [name for name in names if labels.get(name)]
    told = [f"{name}={shortened_line(labels[name], LONGEST)}" for name in present[:MOST]]
    more = len(present) - len(told)
    return ", ".join([*told, *([f"+{more} labels"] if more else [])])
