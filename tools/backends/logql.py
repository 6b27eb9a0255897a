"""LogQL from parts: what a person or the model gave is always a quoted literal, never LogQL.

service, level ──> {service="…", level=~"…"}     the selector: what Loki's index knows
trace_id ──> | trace_id="…" or …                 structured metadata, or |= "…" in the text
text ──> |~ "(?i)…"                              literal, any case
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_RE2_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")
TRACE_LABELS = ("trace_id", "traceID", "traceId")  # OpenTelemetry, Grafana's habit, Java's
LEVELS: Mapping[str, tuple[str, ...]] = {
    "critical": ("critical", "CRITICAL", "fatal", "FATAL", "panic"),
    "error": ("error", "ERROR", "Error", "err", "critical", "CRITICAL", "fatal", "FATAL", "panic"),
    "warning": ("warning", "WARNING", "warn", "WARN"),
    "info": ("info", "INFO", "information", "notice"),
    "debug": ("debug", "DEBUG", "trace", "TRACE"),
}


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
        spellings = LEVELS.get(normal_level(level), (level,))
        pattern = "|".join(_literal(word) for word in spellings)
        matchers.append(f"{level_label}=~{quoted(pattern)}")
    return "{" + ", ".join(matchers) + "}"


def line_filter(text: str) -> str:
    """Return the filter of lines that contain `text`, any case; empty for no text."""
    return f" |~ {quoted('(?i)' + _literal(text))}" if text else ""


def trace_filters(trace_id: str) -> tuple[str, ...]:
    """Return the two ways a line names its trace; LogQL cannot ask for both at once."""
    if not trace_id:
        return ("",)
    by_label = " or ".join(f"{name}={quoted(trace_id)}" for name in TRACE_LABELS)
    return f" | {by_label}", f" |= {quoted(trace_id)}"


def normal_level(word: str) -> str:
    """Return the one spelling of a level, or the word itself in lower case."""
    lower = word.strip().lower()
    for name in ("critical", "error", "warning", "info", "debug"):
        if lower in {each.lower() for each in LEVELS[name]}:
            return name
    return lower


def _literal(text: str) -> str:
    return _RE2_SPECIAL.sub(r"\\\1", text)
