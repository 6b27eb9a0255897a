"""Families: what a store's metric names are parts of.

    request_seconds_bucket, _sum, _count ──> request_seconds, a histogram
    requests_total                       ──> requests_total, a counter

Types come from the store's metadata. A store that keeps none (VictoriaMetrics as shipped, whatever
was written remotely) is read by the suffixes that clients must write.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import re2

from tools.ports import MetricAbout


class FamilyShape(StrEnum):
    """What can be asked of a family."""

    HISTOGRAM = "histogram"  # with _bucket: quantiles
    NATIVE = "native"  # a histogram without _bucket: quantiles of the series itself
    SUMMARY = "summary"  # with _sum and _count: a mean; quantiles where the client kept them
    COUNTER = "counter"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric as its programmer wrote it."""

    name: str
    shape: FamilyShape
    help: str = ""
    unit: str = ""  # of its values, as units.py knows them; empty: neither said nor in the name
    quantiles: bool = False  # a summary whose client computed them

    @property
    def counted(self) -> str:
        """The series that rises by one per event; empty for a gauge and a native histogram."""
        if self.shape in {FamilyShape.HISTOGRAM, FamilyShape.SUMMARY}:
            return f"{self.name}_count"
        return self.name if self.shape is FamilyShape.COUNTER else ""

    @property
    def sampled(self) -> str:
        """The series whose labels tell the family's."""
        return self.counted or self.name


UNITS: Mapping[str, str] = {
    "seconds": "seconds",
    "second": "seconds",
    "secs": "seconds",
    "sec": "seconds",
    "s": "seconds",
    "milliseconds": "milliseconds",
    "millis": "milliseconds",
    "msec": "milliseconds",
    "ms": "milliseconds",
    "microseconds": "microseconds",
    "us": "microseconds",
    "nanoseconds": "nanoseconds",
    "ns": "nanoseconds",
    "bytes": "bytes",
    "byte": "bytes",
    "by": "bytes",
    "ratio": "ratio",
    "percent": "percent",
    "celsius": "celsius",
}
TIMES: Mapping[str, float] = {  # units of time, in seconds
    "seconds": 1.0,
    "milliseconds": 1e-3,
    "microseconds": 1e-6,
    "nanoseconds": 1e-9,
}
_TIMELY = frozenset({"duration", "latency", "time", "elapsed", "took", "rtt", "delay"})
_SAID = re2.compile(r"(?i)\b(milli|micro|nano)?seconds?\b|\b(ms|us|ns)\b")  # in a help text
_BETWEEN_WORDS = re.compile(r"[_:.\-/]+|(?<=[a-z])(?=[A-Z])")
_PARTS = ("_bucket", "_count", "_sum", "_created")


def families_of(names: Collection[str], about: Mapping[str, MetricAbout]) -> dict[str, Family]:
    """Return the families that the names are parts of, by name."""
    known = set(names)
    found: dict[str, Family] = {}
    for name in sorted(known):
        base = _base(name, known)
        if base is not None and base not in found:
            found[base] = _family(base, known, about)
    return found


def _base(name: str, known: set[str]) -> str | None:
    """Return what a name is a part of, itself when of nothing; None for a time of creation."""
    for suffix in _PARTS:
        if not name.endswith(suffix):
            continue
        stem = name.removesuffix(suffix)
        if suffix == "_created":
            if stem in known or f"{stem}_total" in known or f"{stem}_count" in known:
                return None
        elif suffix == "_bucket" or (f"{stem}_sum" in known and f"{stem}_count" in known):
            return stem
    return name


def _family(name: str, known: set[str], about: Mapping[str, MetricAbout]) -> Family:
    said = about.get(name) or about.get(name.removesuffix("_total")) or MetricAbout(name)
    parts = f"{name}_sum" in known and f"{name}_count" in known
    if f"{name}_bucket" in known:
        shape = FamilyShape.HISTOGRAM
    elif parts:
        shape = FamilyShape.SUMMARY
    elif said.type in {"histogram", "gaugehistogram"}:
        shape = FamilyShape.NATIVE
    elif said.type == "counter" or (said.type in {"", "unknown"} and _counts(name)):
        shape = FamilyShape.COUNTER
    else:
        shape = FamilyShape.GAUGE
    return Family(
        name=name,
        shape=shape,
        help=" ".join(said.help.split()),
        unit=unit_of(name, said),
        quantiles=shape is FamilyShape.SUMMARY and name in known,
    )


def _counts(name: str) -> bool:
    return name.endswith(("_total", "_count", "_sum"))


def unit_of(name: str, said: MetricAbout) -> str:
    """Return the unit of a family's values: said, in its name, in its help, else empty."""
    if said.unit:
        return UNITS.get(said.unit.lower(), said.unit)
    words = words_of(name.removesuffix("_total"))
    for word in reversed(words[-2:]):
        if word in UNITS and (len(word) > 2 or word in {"ms", "us", "ns"}):
            return UNITS[word]
    if not _TIMELY & set(words):
        return ""
    hit = _SAID.search(said.help)
    if hit is None:
        return ""
    if hit[2]:
        return UNITS.get(hit[2].lower(), "microseconds")
    return f"{(hit[1] or '').lower()}seconds"


def is_timely(family: Family) -> bool:
    """Say whether a family's values are durations, by unit or by name."""
    return family.unit in TIMES or (not family.unit and bool(_TIMELY & set(words_of(family.name))))


def unit_of_bounds(bounds: Collection[str]) -> str:
    """Return the unit of durations that a histogram's bounds fit: nobody waits for minutes."""
    finite = [float(each) for each in bounds if each and each.strip("+") not in {"Inf", "inf"}]
    return "milliseconds" if max(finite, default=0.0) > 120 else "seconds"


def words_of(name: str) -> list[str]:
    """Return the words of a metric's or label's name: `http_inFlight` is http, in, flight."""
    return [word.lower() for word in _BETWEEN_WORDS.split(name) if word]


def stem_of(name: str, without: Iterable[str]) -> tuple[str, ...]:
    """Return a name's words but for some, so that names of one thing can be told to be."""
    left = set(without)
    return tuple(word for word in words_of(name) if word not in left)
