"""Real metrics stores on a free port of the loopback, for benches and tests.

    OpenMetrics lines ──backfill──> folder/data ──running──> address of a Prometheus

Needs the programs prometheus and promtool (Debian: prometheus).
"""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

READY_SECONDS = 60.0
BACKFILL_SECONDS = 100.0


def backfill(folder: Path, lines: Iterable[str]) -> None:
    """Make the database of a Prometheus, not yet running, hold samples of the past."""
    with (folder / "samples.txt").open("w", encoding="utf-8") as file:
        file.writelines(lines)
    # Blocks of 20 days: with the default of two hours the file is read again for each block.
    done = subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "--max-block-duration=486h",
         folder / "samples.txt", folder / "data"],
        check=False, capture_output=True, text=True, timeout=BACKFILL_SECONDS,
    )  # fmt: skip
    if done.returncode != 0:
        raise SystemExit(f"promtool does not read the samples: {done.stdout}{done.stderr}")


@contextmanager
def running(folder: Path, *, config: str = "", options: Sequence[str] = ()) -> Iterator[str]:
    """Serve what the folder's database holds; yield the address; stop at the end."""
    (folder / "prometheus.yml").write_text(config, encoding="utf-8")
    address = free_address()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        "--storage.tsdb.retention.time=30y",  # samples may be far older than the default
        f"--web.listen-address={address}",
        *options,
    ]
    prefix = next((o.partition("=")[2] for o in options if "route-prefix" in o), "")
    with program(command, folder / "log", f"http://{address}{prefix}/-/ready"):
        yield f"http://{address}"


def free_address() -> str:
    """Return a host and port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def program(command: Sequence[str], log: Path, ready_url: str) -> Iterator[None]:
    """Run a server from when it is ready to the end; SystemExit with its log when it is not."""
    with log.open("w", encoding="utf-8") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file)
    try:
        _wait_ready(ready_url, server, log)
        yield
    finally:
        server.terminate()
        server.wait(30)


def _wait_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        try:
            server.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise SystemExit(f"no server behind {url}: " + log.read_text("utf-8", "replace")[-2000:])
