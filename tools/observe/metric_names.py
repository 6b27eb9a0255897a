"""What a store's metric names are, for whoever writes PromQL: families, what they are, who matches.

    request_seconds_bucket, _sum, _count ──> request_seconds, a histogram of three series

Types, units and helps come from the store's metadata; where it keeps none, the suffixes that
clients must write are all there is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

import re2

from foundation.encodings import writable
from tools.observe.expressions import compiled
from tools.ports import MetricAbout

_PARTS = ("_bucket", "_count", "_sum", "_created")
_SPREAD = frozenset({"histogram", "summary", "gaugehistogram"})
_UNSAID = frozenset({"", "unknown", "untyped"})
# what exporters of every cluster and libraries of every language tell: it is listed last
_EVERYBODYS = (
    "container_", "kube_", "kubelet_", "node_", "go_", "process_", "python_", "nodejs_", "jvm_",
    "promhttp_", "scrape_",
)  # fmt: skip
_WORD = re2.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True)
class NamedMetric:
    """One metric as its programmer wrote it."""

    name: str
    type: str = ""  # counter, gauge, histogram, summary; empty when nothing says it
    unit: str = ""
    help: str = ""
    members: tuple[str, ...] = field(default=())  # its series, where they have other names

    @property
    def sampled(self) -> str:
        """The series whose labels tell the metric's: none of them has `le` beside."""
        counted = f"{self.name}_count"
        return counted if counted in self.members else (self.members or (self.name,))[0]


def named_metrics(names: Collection[str], abouts: Mapping[str, MetricAbout]) -> list[NamedMetric]:
    """Return the metrics that names stand for, sorted."""
    known = set(names)
    found: dict[str, list[str]] = {}
    for name in sorted(known):
        found.setdefault(_base(name, known, abouts), []).append(name)
    return [_named(base, members, abouts) for base, members in sorted(found.items())]


def _base(name: str, known: set[str], abouts: Mapping[str, MetricAbout]) -> str:
    for part in _PARTS:
        base = name.removesuffix(part)
        if base == name or not base:
            continue
        about = abouts.get(base)
        if f"{base}_bucket" in known or (about is not None and about.type in _SPREAD):
            return base
    return name


def _named(base: str, members: list[str], abouts: Mapping[str, MetricAbout]) -> NamedMetric:
    # OpenMetrics leaves `_total` out of the name that metadata bears
    about = abouts.get(base) or abouts.get(base.removesuffix("_total"))
    kind = about.type if about is not None and about.type not in _UNSAID else ""
    if not kind:
        kind = "histogram" if f"{base}_bucket" in members else ""
        kind = kind or ("counter" if base.endswith("_total") else "")
    others = () if members == [base] else tuple(members)
    if about is None:
        return NamedMetric(base, kind, members=others)
    return NamedMetric(base, kind, about.unit, " ".join(about.help.split()), others)


def matching(
    metrics: Iterable[NamedMetric], words: str, pattern: str
) -> tuple[list[NamedMetric], str]:
    """Return the metrics that match, best first, and what must be said of how they do.

    Words are looked for in names and helps; where no metric has all of them, some are enough.
    """
    every = list(metrics)
    if pattern:
        wanted = compiled(pattern)
        return [each for each in every if wanted.search(writable(_text(each)))], ""
    said = dict.fromkeys(_WORD.findall(writable(words.lower())))
    if not said:
        return sorted(every, key=lambda each: each.name.startswith(_EVERYBODYS)), ""
    ranked = [(_score(each, said), each) for each in every]
    most = len(said)
    whole = [each for score, each in ranked if score[0] == most]
    if whole:
        best = sorted((pair for pair in ranked if pair[0][0] == most), key=_order)
        return [each for _, each in best], ""
    some = sorted((pair for pair in ranked if pair[0][0]), key=_order)
    note = f"no metric holds all of {', '.join(said)}: these hold some" if some else ""
    return [each for _, each in some], note


def _order(pair: tuple[tuple[int, int], NamedMetric]) -> tuple[int, int, int, str]:
    (hits, in_name), each = pair
    return (-hits, -in_name, len(each.name), each.name)


def _score(each: NamedMetric, words: Iterable[str]) -> tuple[int, int]:
    """Return how many words a metric holds, and how many of them in its name."""
    name, text = each.name.lower(), _text(each).lower()
    return sum(word in text for word in words), sum(word in name for word in words)


def _text(each: NamedMetric) -> str:
    return f"{each.name} {each.help}"
