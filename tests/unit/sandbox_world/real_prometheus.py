"""A real Prometheus on a free port, filled by remote write, and plain questions to it.

Remote write is the one door that lets stale markers in. Its body is protobuf inside snappy; both
are written by hand here, snappy as one run of literals.
"""

import asyncio
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from struct import pack
from typing import Any

from sandbox.prometheus.samples import Series
from tests.fixtures.real_prometheus import running
from tests.patience import PATIENCE

READY_SECONDS = 30.0
_LITERAL_BYTES = 60_000
# One target that is never scraped: nothing but our samples is ever stored.
_CONFIG = """
scrape_configs:
  - job_name: never
    scrape_interval: 365d
    scrape_timeout: 1s
    static_configs:
      - targets: ["127.0.0.1:9"]
        labels: {team: nobody}
"""


@dataclass(frozen=True)
class Reply:
    """Status and body of an answer."""

    status: int
    body: Any


def ask(url: str, path: str, fields: Sequence[tuple[str, str]], *, post: bool = False) -> Reply:
    """Ask one question of any Prometheus API."""
    text = urllib.parse.urlencode(fields)
    target = f"{url}/api/v1/{path}" + ("" if post or not text else f"?{text}")
    request = urllib.request.Request(target, data=text.encode() if post else None)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
            return Reply(reply.status, json.load(reply))
    except urllib.error.HTTPError as refused:
        with refused:
            raw = refused.read()
        try:
            return Reply(refused.code, json.loads(raw))
        except ValueError:
            return Reply(refused.code, raw.decode(errors="replace"))


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def _field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(payload)) + payload


def _message(row: Series) -> bytes:
    labels = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, value.encode()))
        for name, value in row.labels
    )
    samples = b"".join(
        _field(2, b"\x09" + pack("<d", value) + b"\x10" + _varint(int(at)))
        for at, value in zip(row.times, row.values, strict=True)
    )
    return _field(1, labels + samples)


def _snappy(plain: bytes) -> bytes:
    parts = [_varint(len(plain))]
    for begin in range(0, len(plain), _LITERAL_BYTES):
        piece = plain[begin : begin + _LITERAL_BYTES]
        parts.append(bytes([61 << 2]) + pack("<H", len(piece) - 1) + piece)
    return b"".join(parts)


def write(url: str, rows: Sequence[Series]) -> None:
    """Store series whose samples are older than everything stored before."""
    request = urllib.request.Request(
        f"{url}/api/v1/write",
        data=_snappy(b"".join(_message(row) for row in rows)),
        headers={"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as reply:
        assert reply.status == 204


@contextmanager
def real_prometheus(folder: Path, rows: Sequence[Series]) -> Iterator[str]:
    """Serve `rows` on a free port; stop at the end."""
    with running(folder, config=_CONFIG, options=["--web.enable-remote-write-receiver"]) as url:
        write(url, rows)
        yield url


async def targets_of(url: str) -> list[dict[str, Any]]:
    """Return the targets of a server, which learns of them five seconds after its start."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        reply = await asyncio.to_thread(ask, url, "targets", ())
        found: list[dict[str, Any]] = reply.body["data"]["activeTargets"]
        if found:
            return found
        assert time.monotonic() < deadline, "no target was discovered"
        await asyncio.sleep(0.1)


def by_labels(rows: Sequence[Mapping[str, Any]]) -> dict[tuple[tuple[str, str], ...], Any]:
    """Index the rows of an answer by their labels."""
    return {tuple(sorted(row["metric"].items())): row for row in rows}
