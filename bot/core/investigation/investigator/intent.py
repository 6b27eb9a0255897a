"""What a question is about: services, metric, window, kind. Words in, catalogue names out.

    "why is latency of my-api up since 14:00?"
        --> metrics (request_latency,) · services (my-api,) · 14:00–now · why

English and Chinese. Nothing is guessed: what the text does not name stays empty, and the
investigator then looks at the whole platform.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import re2

from tools.world import Catalogue, MetricName, MetricSpec, ServiceName, Window

DEFAULT_SPAN = timedelta(hours=1)
_LONGEST_SPAN = timedelta(days=30)


class Kind(StrEnum):
    """What sort of answer is wanted."""

    WHY = "why"
    FORECAST = "forecast"
    CHANGES = "changes"
    SIMILAR = "similar"


@dataclass(frozen=True, slots=True)
class Intent:
    """A parsed question. `explicit_window` is False when the default hour was taken."""

    kind: Kind
    services: tuple[ServiceName, ...]
    metrics: tuple[MetricName, ...]
    window: Window
    explicit_window: bool
    unknown: tuple[str, ...] = ()  # written like a metric's name, but none of the catalogue
    strangers: tuple[str, ...] = ()  # asked about as a service is, and nobody here is called so


_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    (
        Kind.FORECAST,
        re.compile(r"\b(will|forecast|predict|run out|when (?:does|will))\b|预测|会不会|何时"),
    ),
    (
        Kind.SIMILAR,
        re.compile(r"\b(before|similar|last time|happened already|seen this)\b|以前|类似|上次"),
    ),
    (
        Kind.CHANGES,
        re.compile(
            r"\bwhat(?:'s| has| was)? (?:been )?(?:changed|deployed)\b"
            r"|\b(?:recent|latest) (?:changes|deploy\w*)\b|变更|发布了什么|部署了"
        ),
    ),
)
_UNITS = {
    "m": 60, "min": 60, "mins": 60, "minute": 60, "minutes": 60, "分钟": 60,
    "h": 3600, "hr": 3600, "hrs": 3600, "hour": 3600, "hours": 3600, "小时": 3600,
    "d": 86400, "day": 86400, "days": 86400, "天": 86400,
    "week": 604800, "weeks": 604800, "周": 604800,
}  # fmt: skip
_SPAN = re.compile(
    r"(?:last|past|previous|最近|过去)\s*(\d+(?:\.\d+)?|an?|one)?\s*("
    + "|".join(sorted(_UNITS, key=len, reverse=True))
    + r")(?![a-z])"
)
_STAMP = (
    r"(?:(\d{4}-\d{2}-\d{2})(?:[T ]+(?:at )?(\d{1,2}:\d{2})(?::\d{2}(?:\.\d+)?)?)?(?:Z|\s*UTC)?"
    r"|(\d{1,2}:\d{2})(?:\s*UTC)?)"
)
_BETWEEN = re.compile(
    rf"(?:between|from|从)\s*{_STAMP}\s*(?:and|to|until|till|-|–|到|至)\s*{_STAMP}", re.IGNORECASE
)
_SINCE = re.compile(rf"(?:since|after|自从?)\s*{_STAMP}", re.IGNORECASE)
_AROUND = re.compile(rf"(?:around|at|near|about|on|在)\s*{_STAMP}", re.IGNORECASE)
_SNAKE = re.compile(r"(?<![\w./-])[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)+(?![\w/-])")
MOST_UNKNOWN = 3
_WORD = re.compile(r"[a-z0-9]+|[\u4e00-\u9fff]+")
_CHINESE_WORDS = {  # a platform's own words are the catalogue's
    "延迟": "latency", "错误率": "error rate", "错误": "error", "内存": "memory",
    "重启": "restarts", "吞吐": "throughput", "流量": "traffic", "处理器": "cpu", "磁盘": "disk",
    "队列": "queue",
}  # fmt: skip
_ROLES = {  # what people say of any platform -> the role they mean
    "slow": "role:latency", "slower": "role:latency", "latency": "role:latency",
    "errors": "role:errors", "error": "role:errors", "failing": "role:errors",
    "traffic": "role:traffic", "throughput": "role:traffic", "requests": "role:traffic",
    "cpu": "role:saturation:cpu", "memory": "role:saturation:memory",
    "disk": "role:saturation:disk", "connections": "role:saturation:connections",
    "lag": "role:lag", "backlog": "role:lag", "queue": "role:lag",
    "restarts": "role:availability", "crashing": "role:availability",
}  # fmt: skip
MOST_OF_A_ROLE = 3
_NAME = r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*"
_ABOUT = re2.compile(
    r"\b(?:why (?:is|are|does|did|was|has)|how (?:is|are)|is|are|what happened (?:to|with|in)|"
    r"what(?:'s| is| was)? (?:wrong|up|the matter|going on) (?:with|in))"
    rf" (?:the )?(?P<name>{_NAME})(?: service)?"
    r"(?: (?:so |too |very )?(?:slow|down|up|failing|broken|unwell|unhealthy|degraded|ok|okay|well|"
    r"healthy|unavailable|flapping|erroring|crashing|stuck|returning|timing|throwing|fine)\b|\s*\?|\s*$)"
    rf"|\b(?:service|application|app) (?P<named>{_NAME})\b"
    rf"|(?:为什么|怎么)?\s*(?P<zh>{_NAME})\s*(?:服务)?(?:为什么|怎么|很|变)(?:慢|了|挂|不可用|报错|失败|这么慢)"
)
_ANYBODY = frozenset({
    "it", "this", "that", "everything", "anything", "something", "all", "there", "things", "we",
    "production", "prod", "platform", "system", "site", "website", "cluster", "app", "application",
    "service", "services", "users", "customers", "people", "they", "our", "my", "one", "happening",
    "wrong", "broken", "api", "page", "pages", "calls", "someone", "everyone", "now", "still",
    "backend", "frontend", "database", "name", "not", "any", "some", "these", "those", "going",
})  # fmt: skip
_STOP = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "is",
        "are",
        "in",
        "on",
        "for",
        "to",
        "and",
        "or",
        "per",
        "rate",
        "p99",
        "usage",
        "what",
        "why",
        "how",
        "up",
        "down",
        "high",
        "low",
    ]
)


def parse(text: str, catalogue: Catalogue, now: datetime) -> Intent:
    """Return what a question asks about."""
    plain = _plain(text, catalogue.words)
    services = _services(plain, catalogue)
    metrics = _metrics(plain, catalogue)
    strangers = () if services or metrics else _strangers(plain, catalogue)
    if not metrics and not services and not strangers:
        metrics = _by_role(plain, catalogue)
    window, explicit = _window(text, now)
    kind = next((k for k, pattern in _KINDS if pattern.search(plain)), Kind.WHY)
    return Intent(kind, services, metrics, window, explicit, _unknown(text, catalogue), strangers)


def _plain(text: str, words: Mapping[str, str]) -> str:
    plain = text.lower()
    for said, meant in sorted((_CHINESE_WORDS | dict(words)).items(), key=lambda w: -len(w[0])):
        if said.isascii():
            plain = re.sub(rf"(?<!\w){re.escape(said)}(?!\w)", f"{meant} {said}", plain)
        else:  # Chinese has no blanks between words
            plain = plain.replace(said, f" {meant} {said} ")
    return plain


def _services(plain: str, catalogue: Catalogue) -> tuple[ServiceName, ...]:
    """Return the services named by name, name with blanks, or alias, longest first."""
    found: list[tuple[int, ServiceName]] = []
    for spec in catalogue.services.values():
        names = {spec.name, spec.name.replace("-", " "), *map(str.lower, spec.aliases)}
        spots = [
            plain.find(n) for n in names if re.search(rf"(?<![\w-]){re.escape(n)}(?![\w-])", plain)
        ]
        if spots:
            found.append((min(spots), spec.name))
    return tuple(name for _, name in sorted(found))


def _metrics(plain: str, catalogue: Catalogue) -> tuple[MetricName, ...]:
    """Return the metrics whose name's words stand in the text; a full name wins alone."""
    named = [m for m in catalogue.metrics if m.lower() in plain]
    if named:
        return tuple(named)
    words = set(_WORD.findall(plain)) - _STOP
    scored = sorted(
        ((_score(spec, words), spec.name) for spec in catalogue.metrics.values()), reverse=True
    )
    best = scored[0][0] if scored else 0.0
    if best < 1.0:
        return ()
    return tuple(sorted(name for score, name in scored if score >= best))[:3]


def _by_role(plain: str, catalogue: Catalogue) -> tuple[MetricName, ...]:
    """Return the metrics of the roles that a question speaks of, where it names nothing else.

    `why is it slow?` fits any catalogue. More than a few would be the whole platform, which is
    looked at anyway, as all of a service is that was named.
    """
    roles = {_ROLES[word] for word in set(_WORD.findall(plain)) & _ROLES.keys()}
    found = [s.name for s in catalogue.metrics.values() if roles & set(s.names)]
    return tuple(found) if len(found) <= MOST_OF_A_ROLE else ()


def _unknown(text: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the words in snake case that are no metric: `request_latancy`."""
    known = {name.lower() for name in catalogue.metrics}
    words = dict.fromkeys(_SNAKE.findall(text))
    return tuple(word for word in words if word.lower() not in known)[:MOST_UNKNOWN]


def _strangers(plain: str, catalogue: Catalogue) -> tuple[str, ...]:
    """Return who is asked about by a name that nothing here has: `why is radiology slow?`."""
    match = _ABOUT.search(plain)
    name = (match["name"] or match["named"] or match["zh"]) if match else ""
    if not name or name in _STOP | _ANYBODY | _ROLES.keys() or name.isdigit():
        return ()
    known = {
        word
        for spec in catalogue.metrics.values()
        for text in (spec.name, spec.description, spec.category, spec.resource)
        for word in _WORD.findall(text.lower())
    }
    known |= {word for s in catalogue.services.values() for word in _WORD.findall(s.name.lower())}
    known |= {s.team.lower() for s in catalogue.services.values()}
    return () if {name, name.removesuffix("s")} & known else (name,)


def _score(spec: MetricSpec, words: set[str]) -> float:
    """Return 1 for each word of the metric's name in the text, a little for its description."""
    name = [w for w in spec.name.lower().split("_") if w not in _STOP]
    hits = sum(
        any(
            w == o or (len(w) > 3 and (o.startswith(w) or w.startswith(o)) and len(o) > 3)
            for o in words
        )
        for w in name
    )
    if hits == 0 or hits < min(2, len(name)):
        return 0.0
    extra = len(set(_WORD.findall(spec.description.lower())) & words)
    return hits + 0.1 * extra


def _window(text: str, now: datetime) -> tuple[Window, bool]:
    if match := _BETWEEN.search(text):
        start = _moment(match.groups()[:3], now)
        end = _moment(match.groups()[3:], now, like=start)
        if match.groups()[4] is None and match.groups()[5] is None:
            end += timedelta(days=1)  # "and 2026-11-20" means the end of that day
        if start < end:
            return _bounded(start, min(end, now) if start < now else end)
    if match := _SINCE.search(text):
        start = _moment(match.groups(), now)
        if start < now:
            return _bounded(start, now)
    if match := _SPAN.search(text.lower()):
        count = 1.0 if match[1] in (None, "a", "an", "one") else float(match[1])
        return _bounded(now - timedelta(seconds=count * _UNITS[match[2]]), now)
    if match := _AROUND.search(text):
        day_only = match[2] is None and match[3] is None
        middle = _moment(match.groups(), now)
        if day_only:
            return _bounded(middle, middle + timedelta(days=1))
        return _bounded(middle - DEFAULT_SPAN, middle + DEFAULT_SPAN)
    if re.search(r"\byesterday\b|昨天", text.lower()):
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        return _bounded(midnight - timedelta(days=1), midnight)
    if re.search(r"\btoday\b|今天", text.lower()):
        return _bounded(now.replace(hour=0, minute=0, second=0, microsecond=0), now)
    return Window.ending(now, DEFAULT_SPAN), False


def _bounded(start: datetime, end: datetime) -> tuple[Window, bool]:
    start = max(start, end - _LONGEST_SPAN)
    if end - start < timedelta(minutes=5):
        start = end - timedelta(minutes=5)
    return Window(start, end), True


def _moment(
    groups: tuple[str | None, ...], now: datetime, like: datetime | None = None
) -> datetime:
    """Turn (date, time of date, bare time) into a moment; a bare time is today's or yesterday's."""
    date, time_of_date, bare = groups
    if date is not None:
        clock = f"{time_of_date:0>5}" if time_of_date else "00:00"
        return datetime.fromisoformat(f"{date}T{clock}:00+00:00")
    hours, minutes = (int(part) for part in str(bare).split(":"))
    day = like or now
    moment = day.astimezone(UTC).replace(
        hour=hours % 24, minute=minutes % 60, second=0, microsecond=0
    )
    if like is None and moment > now:
        moment -= timedelta(days=1)
    return moment
