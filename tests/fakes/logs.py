"""Logs from memory."""

from __future__ import annotations

from collections.abc import Iterable

import re2

from tools.errors import BackendError
from tools.ports import Health, LogPage
from tools.world import LogLine, Window


class FakeLogs:
    """Holds lines; searches as the port says: literal text, any case, newest first."""

    def __init__(self, lines: Iterable[LogLine] = ()) -> None:
        self.lines = list(lines)
        self.broken: BackendError | None = None

    async def search(
        self,
        window: Window,
        *,
        service: str = "",
        text: str = "",
        pattern: str = "",
        level: str = "",
        trace_id: str = "",
        oldest_first: bool = False,
        limit: int = 200,
    ) -> LogPage:
        if self.broken is not None:
            raise self.broken
        levels = {"error", "critical"} if level == "error" else {level}
        found = [
            line
            for line in self.lines
            if window.start <= line.at < window.end
            and (not service or line.service == service)
            and (not level or line.level in levels)
            and text.lower() in line.text.lower()
            and (not pattern or re2.search(f"(?i){pattern}", line.text))
            and (not trace_id or trace_id in line.text or trace_id in dict(line.labels).values())
        ]
        found.sort(key=lambda line: line.at, reverse=not oldest_first)
        query = f"service={service} level={level} text={text} pattern={pattern}"
        return LogPage(tuple(found[:limit]), truncated=len(found) > limit, query=query)

    async def health(self) -> Health:
        return Health("loki", up=self.broken is None, detail=str(self.broken or ""))
