"""What log lines say as facts, without any metric: who is blamed, what was refused, what is full.

    new template of X with a line that blames host:port ──join──> X calls it; it does not answer X
    "password authentication failed", "No space left"   ──────> a start on X, in the line's words
    any other new error                                 ──────> a symptom of X

Levels lie: a line counts by its words as well. Texts are data here: matched, never followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import re2

from foundation.encodings import writable
from foundation.shortened import shortened_line
from tools.analysis.blame import Blame, How, blamed
from tools.analysis.facts import (
    Edge,
    Fact,
    FactSubject,
    Gap,
    Link,
    StartClass,
    service,
)
from tools.analysis.patterns import BAD_LEVELS
from tools.analysis.rca.names import external, is_address, join
from tools.analysis.symptoms import SeenPattern
from tools.world import ServiceName

TOLERANCE = timedelta(minutes=1)
LONGEST = 2_000  # characters of a line that are read
SHOWN = 160
_VERSION = re2.compile(r"\d+(?:\.\d+){1,3}(?:[-+][\w.]+)?")
_BAD = re2.compile(
    r"(?i)\b(?:error|fail(?:ed|ure|ing)?|exception|panic|fatal|refused|denied|cannot|could not|"
    r"unable|timed? ?out|timeout|abort(?:ed)?|unavailable|exhausted|rejected|lost|traceback)\b|"
    r"错误|失败|异常|超时|拒绝|无法"
)


@dataclass(frozen=True, slots=True)
class Wording:
    """Words of programs that are a start by themselves."""

    predicate: str
    what: str  # a sentence with {who}
    kind: StartClass
    words: str
    at_other: bool = False  # it is about whom the line blames, where it blames somebody
    remedies: tuple[str, ...] = ()
    settle: str = ""


_BACK = ("deployment_rollback", "config_rollback")
# Wordings of PostgreSQL, MySQL, Redis, the JVM, Go, Node and OpenSSL; Chinese beside them.
WORDINGS = (
    Wording("credential-refused", "{who} is refused with the credential that it has",
           StartClass.TERMINAL,
           r"password authentication failed|access denied for user|WRONGPASS|NOAUTH|"
           r"authentication failed|invalid (?:credentials|api key|access token)|"
           r"SASL authentication failed|认证失败|密码错误",
           remedies=("config_rollback",), settle="when the credential was changed"),
    Wording("certificate-refused", "{who} meets a certificate that is not valid",
           StartClass.TERMINAL,
           r"certificate (?:has expired|is not yet valid|signed by unknown authority|"
           r"verify failed)|"
           r"x509: |CERTIFICATE_VERIFY_FAILED|CERT_HAS_EXPIRED|证书.{0,10}过期",
           settle="dates and issuer of the certificate that is served"),
    Wording("disk-full", "{who} has no room left to write", StartClass.TERMINAL,
           r"no space left on device|ENOSPC|disk quota exceeded|磁盘空间不足|"
           r"could not extend file|read-only file system", settle="what fills the volume"),
    Wording("heap-exhausted", "{who} has no memory left of its own", StartClass.TERMINAL,
           r"OutOfMemoryError|heap out of memory|cannot allocate memory|std::bad_alloc|内存不足",
           remedies=("pod_restart",), settle="its heap's limit against the container's"),
    Wording("connections-exhausted", "connections that {who} needs are all in use",
           StartClass.EXHAUSTED,
           r"too many (?:clients|connections)|remaining connection slots|pool (?:is )?exhausted|"
           r"connection is not available|waiting for (?:a )?(?:free )?connection|"
           r"max_connections|waited for a connection|unable to acquire.{0,30}connection|"
           r"Timeout waiting for (?:idle object|connection)|连接池.{0,10}(?:耗尽|已满)",
           settle="who holds them, and since when"),
    Wording("too-many-files", "{who} may open no more files", StartClass.EXHAUSTED,
           r"too many open files|EMFILE", settle="what it keeps open"),
    Wording("deadlock", "transactions of {who} block each other", StartClass.EXHAUSTED,
           r"deadlock (?:detected|found)|lock wait timeout exceeded|"
           r"canceling statement due to lock",
           settle="which statements hold the locks"),
    Wording("schema-behind", "{who} and its database's schema do not fit", StartClass.TERMINAL,
           r"(?:relation|table|column) \S{1,120} (?:does not exist|doesn't exist)|"
           r"no such (?:table|column)|unknown column", remedies=_BACK,
           settle="which migrations ran"),
    Wording("setting-missing", "{who} lacks a setting that it needs", StartClass.TERMINAL,
           r"(?:environment variable|env var|setting|property|config(?:uration)? key)"
           r".{0,120}(?:not set|is missing|is required|undefined)|missing required (?:config|env)",
           remedies=_BACK, settle="what the last deploy expects of its environment"),
    Wording("rate-limited", "{who} is refused for asking too often", StartClass.TERMINAL,
           r"too many requests|rate limit (?:exceeded|reached)|status(?: code)?[=: ]+429|"
           r"quota exceeded",
           settle="who asks, and what limit was agreed"),
    Wording("panic", "{who} breaks off with an error of its own program", StartClass.UNEXPLAINED,
           r"panic: |NullPointerException|IndexOutOfBounds|segmentation fault|SIGSEGV|"
           r"AttributeError|KeyError:|TypeError|nil pointer dereference|空指针",
           remedies=("deployment_rollback",), settle="the lines around it, and what changed there"),
)  # fmt: skip
_WORDINGS = tuple((each, re2.compile(f"(?i){each.words}")) for each in WORDINGS)


def is_telling(line: str) -> bool:
    """Say whether one line alone is worth telling: it is a start by its words."""
    return any(words.search(line[:LONGEST]) for _, words in _WORDINGS)


def log_facts(
    patterns: Iterable[SeenPattern], known: Mapping[str, FactSubject]
) -> tuple[tuple[Fact, ...], tuple[Edge, ...], tuple[Gap, ...]]:
    """Return what new lines say, who was seen calling whom, and names that may be two."""
    facts: list[Fact] = []
    edges: list[Edge] = []
    gaps: list[Gap] = []
    patterns = tuple(patterns)
    several = _blaming_several(patterns)
    for each in patterns:
        if not each.is_burst or not _is_bad(each):
            continue
        line = writable(each.sample)[:LONGEST]
        blame = blamed(line)
        other: FactSubject | None = None
        if blame is not None:
            joined = join(blame.host, known)
            if isinstance(joined, Gap):
                gaps.append(joined)
            else:
                other = joined or external(blame.host)
        writer = service(each.service)
        wording = next((s for s, words in _WORDINGS if words.search(line)), None)
        if wording is not None:
            facts.append(_said(each, wording, line, other))
        elif blame is not None and other is not None and other != writer:
            alone = each.service not in several
            facts.append(_unanswered(each, blame, other, line, alone=alone))
        else:
            facts.append(_shown(each, line))
        if other is not None and other != writer:
            edges.append(Edge(writer, other, "calls", "logs"))
    return tuple(facts), tuple(edges), tuple(gaps)


def _is_bad(seen: SeenPattern) -> bool:
    level = seen.level.lower()
    if level in BAD_LEVELS:
        return True
    return bool(_BAD.search(seen.sample[:LONGEST])) and (not level or is_telling(seen.sample))


def _said(seen: SeenPattern, wording: Wording, line: str, other: FactSubject | None) -> Fact:
    who = service(seen.service)
    return Fact(
        subject=who,
        predicate=wording.predicate,
        role=Link.START,
        sentence=f"{wording.what.format(who=who)}: “{shortened_line(line, SHOWN)}”",
        source="logs",
        writer=f"application {seen.service}",
        start_class=wording.kind,
        value=float(seen.count),
        since=seen.since,
        tolerance=TOLERANCE,
        evidence=seen.evidence,
        names=_names(line, other),
        remedies=wording.remedies,
        settle=wording.settle,
        felt=True,
    )


def _blaming_several(patterns: Sequence[SeenPattern]) -> frozenset[ServiceName]:
    """Return who misses several hosts at once: what they share lies nearer to the caller."""
    hosts: dict[ServiceName, set[str]] = {}
    for each in patterns:
        blame = blamed(writable(each.sample)[:LONGEST]) if each.is_burst else None
        if blame is not None:
            hosts.setdefault(each.service, set()).add(blame.host)
    return frozenset(name for name, missed in hosts.items() if len(missed) > 1)


def _unanswered(
    seen: SeenPattern, blame: Blame, other: FactSubject, line: str, *, alone: bool
) -> Fact:
    """Return that somebody does not answer, as his caller says, who may miss him `alone`."""
    outside = other.kind == "external" and not is_address(other.name)  # else a pod of anybody
    port = f":{blame.port}" if blame.port else ""
    how = {
        How.UNKNOWN_NAME: "is a name that nobody has",
        How.REFUSED: "refuses connections",
        How.TIMED_OUT: "does not answer in time",
        How.RESET: "breaks connections off",
        How.UNREACHABLE: "cannot be reached",
        How.FAILED: "cannot be connected to",
    }[blame.how]
    said = f"{other.name}{port} {how}, says {seen.service}: “{shortened_line(line, SHOWN)}”"
    return Fact(
        subject=other,
        predicate="unreachable" if blame.how is not How.TIMED_OUT else "unanswered",
        role=Link.START,
        sentence=said,
        source="logs",
        writer=f"application {seen.service}",
        start_class=StartClass.TERMINAL if outside and alone else StartClass.UNEXPLAINED,
        value=float(seen.count),
        since=seen.since,
        tolerance=TOLERANCE,
        evidence=seen.evidence,
        names=_names(line, other),
        settle=f"whether {other.name}{port} answers from where {seen.service} runs",
        kind="dependency",
        rank=2,  # that it does not answer says less than why
    )


def _shown(seen: SeenPattern, line: str) -> Fact:
    return Fact(
        subject=service(seen.service),
        predicate="error-lines",
        role=Link.SHOW,
        sentence=f"{seen.service} writes {seen.count} new lines like "
        f"“{shortened_line(line, SHOWN)}”",
        source="logs",
        writer=f"application {seen.service}",
        value=float(seen.count),
        since=seen.since,
        tolerance=TOLERANCE,
        evidence=seen.evidence,
        names=_names(line, None),
    )


def _names(line: str, other: FactSubject | None) -> tuple[str, ...]:
    versions = [m if isinstance(m, str) else m[0] for m in _VERSION.findall(line)]
    return tuple(dict.fromkeys([*([other.name] if other else []), *versions]))


def known_names(
    services: Iterable[ServiceName], aliases: Mapping[str, ServiceName]
) -> dict[str, FactSubject]:
    """Return the names under which services are known."""
    found = {name.lower(): service(name) for name in sorted(services)}
    for alias, name in sorted(aliases.items()):
        found.setdefault(alias.lower(), service(name))
    return found
