"""A real Prometheus over samples of a test, and plain questions to it that bypass our code."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx

READY_SECONDS = 30.0


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
        answer = httpx.get(f"{self.url}/api/v1/{what}", params=fields, timeout=30, trust_env=False)
        answer.raise_for_status()
        found: list[dict[str, list[list[str]]]] = answer.json()["data"]["result"]
        return found


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def real_prometheus(folder: Path, text: str) -> Iterator[RealPrometheus]:
    """Fill a new database with OpenMetrics text, serve it on a free port, stop it at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "samples.txt").write_text(text, encoding="utf-8")
    (folder / "prometheus.yml").write_text("", encoding="utf-8")
    filled = subprocess.run(
        # Blocks of 20 days: with the default of two hours the file is read again for each block.
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=486h",
         str(folder / "samples.txt"), str(folder / "data")],
        check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert filled.returncode == 0, filled.stdout + filled.stderr
    port = _free_port()
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            ["prometheus", f"--config.file={folder / 'prometheus.yml'}",
             f"--storage.tsdb.path={folder / 'data'}",
             "--storage.tsdb.retention.time=20y",  # the recordings are older than the default
             f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, server, folder / "log")
        yield RealPrometheus(url)
    finally:
        server.terminate()
        server.wait(20)


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            if httpx.get(f"{url}/-/ready", timeout=2, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        try:
            server.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
