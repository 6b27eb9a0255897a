"""What stands around the bot around the stage: a trace store, a team's own tool, a webhook.

spans that somebody planted ──sandbox's Tempo, over HTTP──> the real adapter ──> query_traces
a file in a mounted folder ──load_tools──> `open_tickets`, whose words are somebody else's
config maps ──ClusterWatch──> history in the store        audit ──Notifier──> a webhook
"""

from __future__ import annotations

import base64
import sqlite3
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.core.ports import Clock
from bot.core.reports.webhook_notices import Notifier
from bot.core.shared.stored_ports import StoredConfigHistory
from bot.core.upkeep.cluster_watch import ClusterWatch, essence_of
from bot.domain.secrets.redaction import Redactor
from bot.store.store import SqlStore
from sandbox.clock import ManualClock
from sandbox.tempo.calls import Span
from sandbox.tempo.server import TempoServer
from sandbox.tempo.traces import Trace
from tests.fixtures.webhook import Receiver
from tests.safety.canaries import CANARIES, MARKS
from tools.backends.tempo import Tempo
from tools.backends.tracing import TracingConfig
from tools.backends.webhook import Webhook, WebhookConfig
from tools.world import Catalogue

HOST = "127.0.0.1"
SMALL, LARGE = "5" * 32, "7" * 32  # ids of the planted traces
SPANS = 1_000  # of the large one: its evidence is compressed
_PACKED = "zlib:"

OWN_TOOL = '''"""Tickets of the team."""

from pathlib import Path

from tools.contract import Risk, ToolResult, tool
from tools.ports import Clock

SAYS = Path(__file__).with_name("says.txt")


@tool(risk=Risk.READ)
async def open_tickets(clock: Clock, /, service: str = "") -> ToolResult:
    """Return the open tickets of a service.

    Args:
        service: Name of the service; empty for all.
    """
    words, secret = SAYS.read_text(encoding="utf-8").split("\\n")
    pair = {"name": "DB_PASSWORD", "value": secret}
    return ToolResult(words, {"said": words, "environment": [pair]}, query=words)
'''


# --- traces -----------------------------------------------------------------------------------


@dataclass
class PlantedTraces:
    """Traces that somebody wrote, as the sandbox's Tempo asks for them."""

    kept: list[Trace] = field(default_factory=list)

    def backward(self, start: float, end: float, now: float) -> Iterator[Trace]:
        """Yield what began in [start, end)."""
        return (each for each in self.kept if start <= each.root.start < end)

    def find(self, trace_id: str, now: float) -> Trace | None:
        """Return the trace with this id, or None."""
        return next((each for each in self.kept if each.id == trace_id), None)

    def services(self) -> Iterable[str]:
        """Return the names of the services that spans tell of."""
        return {span.service for each in self.kept for span in each.spans}


@dataclass
class TraceStore:
    """The sandbox's Tempo over planted traces, and the bot's adapter to it."""

    planted: PlantedTraces
    clock: ManualClock
    adapter: Tempo

    def plant(self, words: str, now: float) -> None:
        """Put a failed request that says something where the bot will look."""
        self.clock.advance(now - self.clock.now())
        secret = f"password={CANARIES['trace_name']}"
        said = words or f"token={CANARIES['trace_said']} was refused"
        begun = now - 120.0
        noted = (
            ("db.password", CANARIES["trace_noted"]),
            ("http.request.header.authorization", f"Bearer {CANARIES['trace_header']}"),
            ("note", words),
            ("page", MARKS["a further page"]),
        )
        spans = [
            _span(1, 0, "shop", words or f"login {secret}", begun, 2.0, said, noted),
            _span(2, 1, "cart", f"GET /cart {secret}", begun + 0.1, 1.5, said, noted),
        ]
        self.planted.kept = [Trace(SMALL, spans)]

    def plant_large(self, now: float) -> None:
        """Put a request of many spans there, each with secrets in what was noted."""
        begun = now - 100.0
        noted = (
            ("db.password", CANARIES["trace_noted"]),
            ("deep", MARKS["compressed evidence"]),
        )
        spans = [_span(1, 0, "shop", "POST /orders", begun, 30.0, "", noted)]
        spans += [
            _span(n, 1, "cart", "GET /cart", begun + n * 0.01, 0.005, "", noted)
            for n in range(2, SPANS + 2)
        ]
        self.planted.kept.append(Trace(LARGE, spans))


def _span(
    number: int, parent: int, service: str, name: str, start: float, seconds: float, said: str,
    noted: tuple[tuple[str, str], ...],
) -> Span:  # fmt: skip
    own, above = f"{number:016x}", f"{parent:016x}" if parent else ""
    return Span(own, above, service, name, "SPAN_KIND_SERVER", start, seconds, said, noted)


@asynccontextmanager
async def trace_store(now: float) -> AsyncIterator[TraceStore]:
    """Serve planted traces, and read them."""
    planted, clock = PlantedTraces(), ManualClock(now)
    server = TempoServer(planted, clock, lambda: None)
    await server.start(HOST, 0)
    adapter = Tempo(TracingConfig(url=server.url))
    try:
        yield TraceStore(planted, clock, adapter)
    finally:
        await adapter.close()
        await server.close()


# --- a team's own tool ------------------------------------------------------------------------


def mount_own_tool(folder: Path) -> Path:
    """Write the tool where an operator would mount it; returns the folder."""
    own = folder / "own"
    own.mkdir()
    (own / "tickets.py").write_text(OWN_TOOL, encoding="utf-8")
    return own


def let_it_say(own: Path, words: str) -> None:
    """Decide what the tool returns."""
    said = words or f"ticket 9: login with password={CANARIES['own_words']} fails"
    (own / "says.txt").write_text(f"{said}\n{CANARIES['own_pair']}", encoding="utf-8")


# --- the history of config maps ---------------------------------------------------------------


async def watch_config_maps(
    store: SqlStore, clock: Clock, catalogue: Callable[[], Catalogue], redactor: Redactor
) -> None:
    """Let the watch see maps appear and change: secrets as values, in files, in binary data."""
    watch = ClusterWatch("default", store, clock, catalogue, StoredConfigHistory(store, redactor))
    file = f"host: db\npassword: {CANARIES['history_file']}\n"
    binary = base64.b64encode(CANARIES["history_binary"].encode()).decode()
    for name, data, more in (
        ("cart-env", {"DB_PASSWORD": CANARIES["history_value"]}, {}),
        ("cart-file", {"application.yaml": file}, {}),
        ("cart-binary", {"level": "low"}, {"keystore": binary}),
        ("cart-plain", {"level": MARKS["config map history"]}, {}),
    ):
        first, second = (_config_map(name, {**data, "turn": turn}, more) for turn in "12")
        await watch.seen("ConfigMap", None, first)
        await watch.seen("ConfigMap", first, second)


def _config_map(name: str, data: dict[str, str], binary: dict[str, str]) -> dict[str, Any]:
    own = {
        "namespace": "trading", "name": name, "uid": f"uid-{name}",
        "resourceVersion": data["turn"],
    }  # fmt: skip
    return essence_of({"kind": "ConfigMap", "metadata": own, "data": data, "binaryData": binary})


# --- a webhook --------------------------------------------------------------------------------


def notifier(store: SqlStore, clock: Clock, receiver: Receiver) -> Notifier:
    """Return what tells the webhook; its first tick decides from where on."""
    config = WebhookConfig(url=receiver.url, setting="notification.webhook.url", secret="signed")
    return Notifier(store, clock, Webhook(config))


async def seal_all(store: SqlStore) -> None:
    """Seal what was written, so that it is told."""
    sealed = 1
    while sealed:
        async with store.begin() as tx:
            sealed = (await tx.audit.seal()).count


# --- what was kept ----------------------------------------------------------------------------


def kept_bytes(folder: Path) -> tuple[bytes, bytes]:
    """Return every byte of the database's files, and what its compressed values really say."""
    raw = b"".join(path.read_bytes() for path in sorted(folder.glob("bot.db*")))
    unpacked: list[bytes] = []
    with closing(sqlite3.connect(folder / "bot.db")) as database:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
        for (table,) in database.execute(tables).fetchall():
            for row in database.execute(f'SELECT * FROM "{table}"'):  # noqa: S608 - its own tables
                packed = [v for v in row if isinstance(v, str) and v.startswith(_PACKED)]
                unpacked += [zlib.decompress(base64.b64decode(v[len(_PACKED) :])) for v in packed]
    return raw, b"\n".join(unpacked)
