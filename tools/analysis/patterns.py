"""Log lines grouped into templates, and templates that are new or suddenly frequent.

    line ──header off──> message ──mask──> form ──merge──> template: LogPattern(count, first, …)
          log_headers            log_masks       log_templates

Adding a line costs a mask and a look-up; forms are merged when patterns are asked for. One
configuration serves every system.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tools.analysis.log_headers import LEARN_LINES, Header, learn
from tools.analysis.log_masks import Masker
from tools.analysis.log_rules import RULES, WILDCARD, LogRules
from tools.analysis.log_templates import Form, merge
from tools.world import LogLine

MAX_FORMS = 20_000  # of one grouping; past it a new form is known by its first word alone
BURST_RATIO = 4.0  # times as frequent as before
BURST_MINIMUM = 5  # lines
BAD_LEVELS = frozenset({"error", "critical", "fatal", "warn", "warning"})
QUIET_LEVELS = frozenset({"info", "information", "notice", "debug", "trace", "verbose"})


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
    """Return the tokens of a line's message, variable parts replaced by `<*>`."""
    return Masker().mask(Header().message_of(text))


@dataclass(slots=True)
class _Seen:
    """What is known of a form or a template. Mutable on purpose: it lives inside one grouping."""

    first: datetime
    last: datetime
    sample: str
    count: int = 0
    services: dict[str, int] = field(default_factory=dict)

    def take(self, line: LogLine) -> None:
        self.count += 1
        self.services[line.service] = self.services.get(line.service, 0) + 1
        self.first = min(self.first, line.at)
        self.last = max(self.last, line.at)

    def absorb(self, other: _Seen) -> None:
        self.count += other.count
        for service, count in other.services.items():
            self.services[service] = self.services.get(service, 0) + count
        self.first = min(self.first, other.first)
        self.last = max(self.last, other.last)

    def frozen(self, template: Form, level: str) -> LogPattern:
        ranked = sorted(self.services, key=lambda name: (-self.services[name], name))
        return LogPattern(
            " ".join(template),
            self.count,
            self.first,
            self.last,
            self.sample,
            level,
            tuple(ranked),
        )


_Key = tuple[str, Form]  # level and form


class PatternMiner:
    """Streaming grouping: feed lines in any order, ask for the patterns at any time.

    The header of a service's lines is learned from its first `LEARN_LINES` lines, or from those
    there are when patterns are first asked for.
    """

    def __init__(self, rules: LogRules = RULES) -> None:
        """Start without groups."""
        self._rules = rules
        self._masker = Masker(rules)
        self._headers: dict[str, Header] = {}
        self._waiting: dict[str, list[LogLine]] = {}
        self._seen: dict[_Key, _Seen] = {}
        self._templates: dict[_Key, Form] | None = {}

    def add(self, line: LogLine) -> None:
        """Take one line."""
        header = self._headers.get(line.service)
        if header is not None:
            self._take(line, header)
            return
        waiting = self._waiting.setdefault(line.service, [])
        waiting.append(line)
        if len(waiting) >= LEARN_LINES:
            self._learn(line.service)

    def learn(self, lines: Iterable[LogLine]) -> None:
        """Learn the headers of lines that will be added later."""
        texts: dict[str, list[str]] = {}
        for line in lines:
            of_service = texts.setdefault(line.service, [])
            if len(of_service) < LEARN_LINES:
                of_service.append(line.text)
        for service, some in texts.items():
            self._headers.setdefault(service, learn(some))

    def template_of(self, line: LogLine) -> str:
        """Return the template a line belongs to; its own mask when it was never added."""
        key = self._key(line, self._headers.get(line.service) or Header())
        return " ".join(self._settled().get(key, key[1]))

    def patterns(self) -> list[LogPattern]:
        """Return the patterns, most frequent first."""
        settled = self._settled()
        found: dict[_Key, _Seen] = {}
        for key, seen in self._seen.items():
            name = (key[0], settled[key])
            group = found.setdefault(name, _Seen(seen.first, seen.last, seen.sample))
            group.absorb(seen)
        frozen = [seen.frozen(template, level) for (level, template), seen in found.items()]
        return sorted(frozen, key=lambda p: (-p.count, p.template, p.level))

    def _learn(self, service: str) -> None:
        waiting = self._waiting.pop(service)
        header = self._headers[service] = learn([line.text for line in waiting])
        for line in waiting:
            self._take(line, header)

    def _key(self, line: LogLine, header: Header) -> _Key:
        return line.level.lower(), self._masker.mask(header.message_of(line.text))

    def _take(self, line: LogLine, header: Header) -> _Key:
        key = self._key(line, header)
        seen = self._seen.get(key)
        if seen is None:
            if len(self._seen) >= MAX_FORMS:
                key = (key[0], (*key[1][:1], WILDCARD))
            seen = self._seen.setdefault(key, _Seen(line.at, line.at, line.text))
            self._templates = None
        seen.take(line)
        return key

    def _settled(self) -> dict[_Key, Form]:
        """Return the template of every form; the merging is done once until a form is new."""
        for service in list(self._waiting):
            self._learn(service)
        if self._templates is None:
            self._templates = {}
            for level in {key[0] for key in self._seen}:
                forms = [key[1] for key in self._seen if key[0] == level]
                counts = [self._seen[level, form].count for form in forms]
                for form, template in zip(forms, merge(forms, counts, self._rules), strict=True):
                    self._templates[level, form] = template
        return self._templates

    def group(self, lines: Sequence[LogLine]) -> list[tuple[str, str]]:
        """Add lines and return each one's level and template: every line is read once."""
        self.learn(lines)
        keys = [self._take(line, self._headers[line.service]) for line in lines]
        settled = self._settled()
        names = {key: (key[0], " ".join(settled[key])) for key in set(keys)}
        return [names[key] for key in keys]


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
    quiet: frozenset[str] = QUIET_LEVELS,
) -> list[Burst]:
    """Return templates of `new` that are new or sharply increased over `old`, loudest first.

    Both are grouped together so that a template means the same in both; lines of `quiet` levels
    are left out. A level that nobody knows is kept, and so are lines without one.
    """
    names = PatternMiner().group([*old, *new])
    before = _counts(old, names[: len(old)])
    after = _counts(new, names[len(old) :])
    old_minutes = max(old_window.total_seconds() / 60, 1e-9)
    new_minutes = max(new_window.total_seconds() / 60, 1e-9)
    found = []
    for key, pattern in after.items():
        if pattern.count < BURST_MINIMUM or pattern.level in quiet:
            continue
        earlier = before.get(key)
        earlier_rate = earlier.count / old_minutes if earlier else 0.0
        rate = pattern.count / new_minutes
        if rate >= BURST_RATIO * earlier_rate:
            found.append(Burst(pattern, rate, earlier_rate))
    return sorted(
        found, key=lambda b: (-(b.rate_per_minute - b.before_per_minute), b.pattern.template)
    )


def _counts(
    lines: Sequence[LogLine], names: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], LogPattern]:
    """Return the patterns of some lines by the level and template given for each."""
    groups: dict[tuple[str, str], _Seen] = {}
    for line, name in zip(lines, names, strict=True):
        groups.setdefault(name, _Seen(line.at, line.at, line.text)).take(line)
    return {(level, text): seen.frozen((text,), level) for (level, text), seen in groups.items()}
