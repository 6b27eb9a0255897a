"""The Logs port over the Loki HTTP API.

    parts (service, level, text) ──logql──> {service="…", level=~"…"} |~ "(?i)…"
    query_range, newest first, page after page until the limit or the window's start

Words a person or the model gave are always quoted as literals; they never become LogQL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tools.backends.transport import Connection, JsonBackend
from tools.errors import BackendError, BackendRefusedError
from tools.ports import Health, LogPage
from tools.world import LogLine, Window, labels_of

NAME = "loki"
_EPOCH = datetime.fromtimestamp(0, tz=UTC)
_RE2_SPECIAL = re.compile(r"([\\.+*?()|\[\]{}^$])")
LEVELS: Mapping[str, tuple[str, ...]] = {
    "critical": ("critical", "CRITICAL", "fatal", "FATAL", "panic"),
    "error": ("error", "ERROR", "Error", "err", "critical", "CRITICAL", "fatal", "FATAL", "panic"),
    "warning": ("warning", "WARNING", "warn", "WARN"),
    "info": ("info", "INFO", "information", "notice"),
    "debug": ("debug", "DEBUG", "trace", "TRACE"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LokiConfig(Connection):
    """A connection and the names of the labels."""

    service_label: str = "service"
    level_label: str = "level"
    page_size: int = 1_000  # lines per request; Loki's own limit is usually 5,000
    max_lines: int = 5_000  # of one search, whatever was asked
    link_base: str = ""


def quoted(text: str) -> str:
    """Return a LogQL string literal; JSON's escapes are a subset of Go's."""
    return json.dumps(text, ensure_ascii=False)


def logql(config: LokiConfig, *, service: str = "", text: str = "", level: str = "") -> str:
    """Build a query from its parts."""
    label = config.service_label
    matchers = [f"{label}={quoted(service)}" if service else f'{label}=~".+"']
    if level:
        spellings = LEVELS.get(normal_level(level), (level,))
        pattern = "|".join(_literal(word) for word in spellings)
        matchers.append(f"{config.level_label}=~{quoted(pattern)}")
    query = "{" + ", ".join(matchers) + "}"
    if text:
        query += f" |~ {quoted('(?i)' + _literal(text))}"
    return query


def normal_level(word: str) -> str:
    """Return the one spelling of a level, or the word itself in lower case."""
    lower = word.strip().lower()
    for name in ("critical", "error", "warning", "info", "debug"):
        if lower in {each.lower() for each in LEVELS[name]}:
            return name
    return lower


def _literal(text: str) -> str:
    return _RE2_SPECIAL.sub(r"\\\1", text)


def _explain(response: httpx.Response, body: bytes) -> BackendError | None:
    if response.status_code in {400, 422}:  # Loki writes errors as plain text
        text = body[:400].decode("utf-8", "replace").strip()
        return BackendRefusedError(NAME, text or f"HTTP {response.status_code}")
    return None


class Loki:
    """Reads logs; changes nothing."""

    def __init__(
        self, config: LokiConfig, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._config = config
        self._http = JsonBackend(NAME, config, explain=_explain, transport=transport)

    async def close(self) -> None:
        await self._http.close()

    async def search(
        self,
        window: Window,
        *,
        service: str = "",
        text: str = "",
        level: str = "",
        limit: int = 200,
    ) -> LogPage:
        query = logql(self._config, service=service, text=text, level=level)
        wanted = min(max(1, limit), self._config.max_lines)
        start, end = _nanoseconds(window.start), _nanoseconds(window.end)
        seen: dict[tuple[int, str, str], LogLine] = {}
        more = True
        while more and len(seen) <= wanted and end > start:
            size = min(self._config.page_size, wanted + 1 - len(seen) + _TIES)
            rows = await self._page(query, start, end, size)
            before = len(seen)
            for at, labels, line in rows:
                seen[at, json.dumps(labels, sort_keys=True), line] = self._line(at, labels, line)
            more = len(rows) >= size
            oldest = min((at for at, _, _ in rows), default=start)
            # Lines of the same nanosecond may be cut by a page: ask for that instant again, and go
            # past it when it brought nothing new.
            end = oldest + 1 if len(seen) > before else oldest
        lines = [seen[key] for key in sorted(seen, key=lambda k: k[0], reverse=True)]
        return LogPage(tuple(lines[:wanted]), truncated=len(lines) > wanted, query=query)

    async def health(self) -> Health:
        try:
            await self._http.ask_bytes("GET", "/ready", {}, attempts=1)
        except BackendError as error:
            return Health(NAME, up=False, detail=str(error))
        return Health(NAME, up=True, detail=self._config.url)

    async def _page(
        self, query: str, start: int, end: int, limit: int
    ) -> list[tuple[int, dict[str, str], str]]:
        fields = {
            "query": query,
            "start": str(start),
            "end": str(end),
            "limit": str(limit),
            "direction": "backward",
        }
        answer: Any = await self._http.ask("GET", "/loki/api/v1/query_range", fields)
        return [
            (int(at), stream["stream"], line)
            for stream in answer["data"]["result"]
            for at, line, *_ in stream["values"]
        ]

    def _line(self, at: int, labels: dict[str, str], text: str) -> LogLine:
        level = labels.get(self._config.level_label) or labels.get("detected_level", "")
        return LogLine(
            at=_EPOCH + timedelta(microseconds=at // 1000),
            service=labels.get(self._config.service_label, ""),
            text=text,
            level=normal_level(level),
            labels=labels_of(labels),
        )


_TIES = 10  # lines asked beyond the limit, so that ties at the end do not cost a page


def _nanoseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1) * 1000
