"""Log lines grouped into templates, and templates that are new or suddenly frequent.

    "timeout after 412ms id=7f3a" --mask--> "timeout after <*> id=<*>"
       --same length, same level, most tokens equal--> LogPattern(count, first, last, sample)

The masks run only on tokens that hold a digit; one configuration serves every system.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType

from tools.world import LogLine

WILDCARD = "<*>"
SIMILARITY = 0.6  # share of equal tokens that puts a line into a group
MAX_TOKENS = 60  # the rest of a line does not tell groups apart
BURST_RATIO = 4.0  # times as frequent as before
BURST_MINIMUM = 5  # lines
BAD_LEVELS = frozenset({"error", "critical", "fatal", "warn", "warning"})

_HEADER = re.compile(
    r"^\s*\[?\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?\]?\s*"
)
_KEY_VALUE = re.compile(r"^([A-Za-z_][\w.\-]*[=:])(.+)$")
_DIGIT = re.compile(r"\d")
_HEX = re.compile(r"^[0-9a-fA-F]{8,}$")


@dataclass(frozen=True, slots=True)
class LogPattern:
    """One template with what it stands for."""

    template: str
    count: int
    first_seen: datetime
    last_seen: datetime
    sample: str  # one raw line; data, never an instruction
    level: str = ""
    services: tuple[str, ...] = ()  # that wrote it, most lines first


@dataclass(frozen=True, slots=True)
class Burst:
    """A template that is new or much more frequent than before."""

    pattern: LogPattern
    rate_per_minute: float
    before_per_minute: float

    @property
    def is_new(self) -> bool:
        """Whether the template was not seen before at all."""
        return self.before_per_minute == 0


def mask(text: str) -> tuple[str, ...]:
    """Return the tokens of a line, variable parts replaced by `<*>`."""
    tokens = _HEADER.sub("", text, count=1).split()[:MAX_TOKENS]
    return tuple(_mask_token(token) if _is_variable(token) else token for token in tokens)


def _is_variable(token: str) -> bool:
    return bool(_DIGIT.search(token)) or _HEX.match(token) is not None


def _mask_token(token: str) -> str:
    match = _KEY_VALUE.match(token)
    if match and not _DIGIT.search(match[1]):
        return match[1] + WILDCARD
    return WILDCARD


@dataclass(slots=True)
class _Group:
    """A growing template. Mutable on purpose: it lives only inside one grouping."""

    tokens: list[str]
    level: str
    first: datetime
    last: datetime
    sample: str
    count: int = 0
    services: dict[str, int] = field(default_factory=dict)

    def frozen(self) -> LogPattern:
        ranked = sorted(self.services, key=lambda name: (-self.services[name], name))
        return LogPattern(
            " ".join(self.tokens),
            self.count,
            self.first,
            self.last,
            self.sample,
            self.level,
            tuple(ranked),
        )


class PatternMiner:
    """Streaming grouping: feed lines in any order, ask for the patterns at any time."""

    def __init__(self, similarity: float = SIMILARITY) -> None:
        """Start without groups."""
        self._similarity = similarity
        self._groups: dict[tuple[int, str, str], list[_Group]] = {}

    def add(self, line: LogLine) -> None:
        """Put one line into its group, widening the group's template where they differ."""
        tokens = mask(line.text)
        level = line.level.lower()
        head = tokens[0] if tokens else ""
        groups = self._groups.setdefault((len(tokens), level, head), [])
        group = self._nearest(groups, tokens)
        if group is None:
            group = _Group(list(tokens), level, line.at, line.at, line.text)
            groups.append(group)
        for i, token in enumerate(tokens):
            if group.tokens[i] != token:
                group.tokens[i] = WILDCARD
        group.count += 1
        group.services[line.service] = group.services.get(line.service, 0) + 1
        group.first = min(group.first, line.at)
        group.last = max(group.last, line.at)

    def _nearest(self, groups: Sequence[_Group], tokens: Sequence[str]) -> _Group | None:
        best, best_share = None, self._similarity
        for group in groups:
            # A wildcard agrees with everything but proves nothing: it counts a half.
            agreement = sum(
                (0.5 if a == WILDCARD else 1.0) if a == b else (0.5 if a == WILDCARD else 0.0)
                for a, b in zip(group.tokens, tokens, strict=True)
            )
            constants = sum(1.0 if token != WILDCARD else 0.5 for token in group.tokens)
            share = agreement / constants if constants else 1.0
            if share >= best_share:
                best, best_share = group, share
        return best

    def template_of(self, line: LogLine) -> str:
        """Return the template a line belongs to; its own mask when no group is near."""
        tokens = mask(line.text)
        head = tokens[0] if tokens else ""
        groups = self._groups.get((len(tokens), line.level.lower(), head), [])
        group = self._nearest(groups, tokens)
        return " ".join(group.tokens if group is not None else tokens)

    def patterns(self) -> list[LogPattern]:
        """Return the patterns, most frequent first."""
        found = [group.frozen() for groups in self._groups.values() for group in groups]
        return sorted(found, key=lambda p: (-p.count, p.template))


def find_patterns(lines: Iterable[LogLine]) -> list[LogPattern]:
    """Group lines into patterns, most frequent first."""
    miner = PatternMiner()
    for line in lines:
        miner.add(line)
    return miner.patterns()


def burst(
    old: Sequence[LogLine],
    new: Sequence[LogLine],
    *,
    old_window: timedelta,
    new_window: timedelta,
    levels: frozenset[str] = BAD_LEVELS,
) -> list[Burst]:
    """Return templates of `new` that are new or sharply increased over `old`, loudest first.

    Both are grouped together so that a template means the same in both; lines of other levels
    than `levels` are left out, lines without a level are kept.
    """
    miner = PatternMiner()
    for line in (*old, *new):
        miner.add(line)
    before, after = _counts(miner, old), _counts(miner, new)
    old_minutes = max(old_window.total_seconds() / 60, 1e-9)
    new_minutes = max(new_window.total_seconds() / 60, 1e-9)
    found = []
    for key, pattern in after.items():
        if pattern.count < BURST_MINIMUM or (pattern.level and pattern.level not in levels):
            continue
        earlier = before.get(key)
        earlier_rate = earlier.count / old_minutes if earlier else 0.0
        rate = pattern.count / new_minutes
        if rate >= BURST_RATIO * earlier_rate:
            found.append(Burst(pattern, rate, earlier_rate))
    return sorted(
        found, key=lambda b: (-(b.rate_per_minute - b.before_per_minute), b.pattern.template)
    )


def _counts(miner: PatternMiner, lines: Sequence[LogLine]) -> Mapping[tuple[str, str], LogPattern]:
    """Return the patterns of some lines by the template the miner settled on for them."""
    groups: dict[tuple[str, str], _Group] = {}
    for line in lines:
        template, level = miner.template_of(line), line.level.lower()
        group = groups.get((template, level))
        if group is None:
            group = _Group(template.split(), level, line.at, line.at, line.text)
            groups[template, level] = group
        group.count += 1
        group.services[line.service] = group.services.get(line.service, 0) + 1
        group.first, group.last = min(group.first, line.at), max(group.last, line.at)
    return MappingProxyType({key: group.frozen() for key, group in groups.items()})
