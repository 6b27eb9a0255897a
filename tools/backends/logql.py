"""LogQL from parts: what a person or the model gave is always a quoted literal, never LogQL.

service, level ──> {service="…", level=~"…"}     the selector: what Loki's index knows
level ──> | detected_level=~"…" or level=~"…" …  structured metadata, or |~ "…" in the text
trace_id ──> | trace_id="…" or …                 structured metadata, or |= "…" in the text
text ──> |~ "(?i)…"                              literal, any case
pattern ──> |~ "(?i)(?:…)"                       an expression that was read before it came here
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

_RE2_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")
TRACE_LABELS = ("trace_id", "traceID", "traceId")  # OpenTelemetry, Grafana's habit, Java's
# How lines carry their level besides a stream's label: Loki's own detection, OpenTelemetry's
# severity, and what parsers leave.
LEVEL_NAMES = ("detected_level", "level", "lvl", "severity", "severity_text", "loglevel")
SAID_BY_SENDER = "severity_text"  # OpenTelemetry's own word, which Loki's detection may contradict
# Names of JSON's keys besides: Python's, PHP's, Elastic's, Serilog's, OpenTelemetry's.
_KEYS = (*LEVEL_NAMES, r"log\.level", "levelname", "level_name", "severityText", "@l", "@level")
# What stands before the level in lines without keys: times, brackets, a channel as PHP's.
_BEFORE = (
    r"^[\[\](<|\d\s:.,/TZ+-]{0,48}"
    r"(?:(?:UTC|GMT|[A-Z]{2,3}T)\s[\[\](\d\s:)-]{0,24})?(?:\w{1,32}\.)?"
)
# Spellings in small letters: words of syslog (RFC 5424), of Java, Go and its three and four letters
# (zerolog, logrus, log15), glog's letters, pino's and bunyan's numbers, OpenTelemetry's words.
LEVELS: Mapping[str, tuple[str, ...]] = {
    "critical": (
        "critical", "crit", "fatal", "panic", "dpanic", "alert", "emerg", "emergency", "f", "c",
        "60", "ftl", "pnc",
    ),
    "error": ("error", "err", "erro", "eror", "severe", "failure", "e", "50"),
    "warning": ("warning", "warn", "wrn", "w", "40"),
    "info": ("info", "inf", "information", "informational", "notice", "i", "n", "30"),
    "debug": (
        "debug", "dbg", "dbug", "trace", "trc", "verbose", "fine", "finer", "finest", "d", "t",
        "20", "10",
    ),
}  # fmt: skip
_OTEL = ("trace", "debug", "info", "warn", "error", "fatal")  # each also as ERROR2 … ERROR4
_NUMBERED = re.compile(rf"({'|'.join(_OTEL)})[1-4]")
_ANSI = r"(?:\x1b\[[0-9;:]*m)*"  # colours, as RE2 reads them
_ESCAPES = re.compile(r"\x1b\[[0-9;:?]{0,32}[A-Za-z]|\x1b\][^\x07\x1b]{0,512}(?:\x07|\x1b\\)")
_TOKENS = re.compile(r"\w+|\W")


def quoted(text: str) -> str:
    """Return a LogQL string literal; JSON's escapes are a subset of Go's.

    Half of a surrogate pair is no character: it cannot be sent, and no line holds it.
    """
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(whole, ensure_ascii=False)


def selector(label: str, level_label: str, *, service: str = "", level: str = "") -> str:
    """Return the stream selector."""
    matchers = [f"{label}={quoted(service)}" if service else f'{label}=~".+"']
    if level:
        matchers.append(f"{level_label}=~{quoted(level_pattern(level))}")
    return "{" + ", ".join(matchers) + "}"


def labelled_selector(
    label: str, level_label: str, values: Sequence[str], *, service: str = ""
) -> str:
    """Return the selector of streams whose level is one of `values`, as the index has them.

    Without values it selects the streams that have no such label.
    """
    pattern = quoted("|".join(_literal(value) for value in values))
    wanted = f"{level_label}=~{pattern}" if values else f'{level_label}=""'
    named = f"{label}={quoted(service)}" if service else f'{label}=~".+"'
    return "{" + f"{named}, {wanted}" + "}"


def level_pattern(level: str) -> str:
    """Return the pattern of every spelling of a level; error includes critical."""
    name = normal_level(level)
    words = (*LEVELS.get(name, (level,)), *(LEVELS["critical"] if name == "error" else ()))
    spelled = [_literal(word) + ("[1-4]?" if word in _OTEL else "") for word in words]
    return f"(?i)({'|'.join(spelled)})"


def level_filters(level: str, level_label: str) -> tuple[str, ...]:
    """Return the two ways a line itself carries a level: beside its text, and in it."""
    if not level:
        return ("",)
    pattern = level_pattern(level)
    names = dict.fromkeys((*LEVEL_NAMES, level_label))
    beside = " or ".join(f"{name}=~{quoted(pattern)}" for name in names)
    no_level = "".join(f' | {name}=""' for name in names)
    named = "|".join(_KEYS)
    words = pattern.removeprefix("(?i)")
    keyed = rf'(?i:(^|[\s{{,"])({named})"?\s*[=:]\s*"?{words}([\s,"}}]|$))'
    inside = "|".join([keyed, *_unkeyed(level)])
    return f" | {beside}{_not_denied(level)}", f"{no_level} |~ {quoted(inside)}"


def _not_denied(level: str) -> str:
    """Return the filter against lines whose sender names another level than Loki detected."""
    if normal_level(level) not in LEVELS:
        return ""
    others = [word for name in LEVELS if not meets(name, level) for word in LEVELS[name]]
    spelled = "|".join(_literal(word) + ("[1-4]?" if word in _OTEL else "") for word in others)
    return f" | {SAID_BY_SENDER}!~{quoted(f'(?i)({spelled})')}"


def _unkeyed(level: str) -> list[str]:
    """Return how a level stands at the beginning of a line that has no keys.

    As a word in capitals, or in any letters where a bracket or colon says what it is: the prose of
    a line speaks of errors, too. A letter alone is a level in glog's form only.
    """
    name = normal_level(level)
    both = (name, "critical") if name == "error" else (name,)
    spelled = [word for each in both for word in LEVELS.get(each, (level,))]
    words = [_literal(word) for word in spelled if len(word) > 1 and not word.isdigit()]
    letters = "".join(word.upper() for word in spelled if len(word) == 1 and word.isalpha())
    shouted = "|".join(word.upper() for word in words)
    said = "|".join(words)
    found = (
        [rf"{_BEFORE}(?:{shouted})[\s\[\]:|>)]", rf"{_BEFORE}(?i:{said})[\]:|>)]"] if words else []
    )
    return found + ([rf"^[{letters}]\d{{4}}\s"] if letters else [])


def told_level(labels: Mapping[str, str], level_label: str) -> str:
    """Return the level that a line's labels tell: the sender's word before what Loki guessed."""
    names = (level_label, SAID_BY_SENDER, *LEVEL_NAMES)
    words = [normal_level(labels[name]) for name in names if labels.get(name)]
    return next((word for word in words if word in LEVELS), words[0] if words else "")


def meets(word: str, level: str) -> bool:
    """Say whether a spelling means a level; an error may be critical."""
    found, wanted = normal_level(word), normal_level(level)
    return found == wanted or (wanted == "error" and found == "critical")


def line_filter(text: str, *, coloured: bool = False) -> str:
    """Return the filter of lines that contain `text`, any case; empty for no text.

    With `coloured`, escapes that a program wrote between the words do not hide them.
    """
    if not text:
        return ""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    parts = _TOKENS.findall(whole) if coloured else [whole]
    return f" |~ {quoted('(?i)' + _ANSI.join(_literal(part) for part in parts))}"


def pattern_filter(pattern: str) -> str:
    """Return the filter of lines that an RE2 expression matches, any case; empty for none."""
    return f" |~ {quoted(f'(?i)(?:{pattern})')}" if pattern else ""


def without_colours(text: str) -> str:
    """Return a line without the escapes by which a terminal is told to colour it."""
    return _ESCAPES.sub("", text) if "\x1b" in text else text


def trace_filters(trace_id: str) -> tuple[str, ...]:
    """Return the two ways a line names its trace; LogQL cannot ask for both at once."""
    if not trace_id:
        return ("",)
    by_label = " or ".join(f"{name}={quoted(trace_id)}" for name in TRACE_LABELS)
    return f" | {by_label}", f" |= {quoted(trace_id)}"


def normal_level(word: str) -> str:
    """Return the one spelling of a level, or the word itself in lower case."""
    lower = word.strip().lower()
    numbered = _NUMBERED.fullmatch(lower)
    lower = numbered[1] if numbered else lower
    return next((name for name, words in LEVELS.items() if lower in words), lower)


def _literal(text: str) -> str:
    return _RE2_SPECIAL.sub(r"\\\1", text)
