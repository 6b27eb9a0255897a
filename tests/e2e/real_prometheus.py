"""A real Prometheus over samples of a test, and plain questions to it that bypass our code."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

from tests.fixtures.real_prometheus import backfill, running
from tests.patience import PATIENCE


@dataclass(frozen=True)
class RealPrometheus:
    """A running server."""

    url: str

    def raw(self, selector: str, start: datetime, end: datetime) -> list[tuple[float, float]]:
        """Return the stored samples of one series, as they were recorded."""
        seconds = round((end - start).total_seconds())
        fields = {"query": f"{selector}[{seconds}s]", "time": f"{end.timestamp():.3f}"}
        (row,) = self._ask("query", fields)
        return [(float(at), float(value)) for at, value in row["values"]]

    def grid(self, query: str, start: datetime, end: datetime, step: int) -> dict[float, float]:
        """Evaluate a query of one series on the grid that ends at `end`; time to value."""
        count = int((end - start).total_seconds()) // step
        fields = {
            "query": query,
            "start": f"{end.timestamp() - count * step:.3f}",
            "end": f"{end.timestamp():.3f}",
            "step": str(step),
        }
        (row,) = self._ask("query_range", fields)
        return {float(at): float(value) for at, value in row["values"]}

    def series_count(self, query: str, start: datetime, end: datetime, step: int) -> int:
        """Return how many series a query has in a window."""
        fields = {
            "query": query,
            "start": f"{start.timestamp():.3f}",
            "end": f"{end.timestamp():.3f}",
            "step": str(step),
        }
        return len(self._ask("query_range", fields))

    def _ask(self, what: str, fields: dict[str, str]) -> list[dict[str, list[list[str]]]]:
        answer = httpx.get(
            f"{self.url}/api/v1/{what}", params=fields, timeout=PATIENCE, trust_env=False
        )
        answer.raise_for_status()
        found: list[dict[str, list[list[str]]]] = answer.json()["data"]["result"]
        return found


@contextmanager
def real_prometheus(folder: Path, text: str) -> Iterator[RealPrometheus]:
    """Fill a new database with OpenMetrics text, serve it on a free port, stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    backfill(folder, [text])
    with running(folder) as url:
        yield RealPrometheus(url)
