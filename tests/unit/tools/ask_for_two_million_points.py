"""Asks one question of a server that answers with two million points; prints what that cost."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import promql_parser  # noqa: F401 - heavy ones first: what they take is no answer's

from bot.core.investigation.evidence_pages import ThreadEvidence
from bot.core.investigation.recorder import Recorder, for_model
from bot.domain.place import TERMINAL
from bot.domain.secrets.redaction import Redactor
from bot.store.store import SqlStore
from tests.fakes.baselines import FakeBaselines
from tests.fakes.clock import FakeClock
from tests.fakes.reply import KeptReply
from tests.fixtures.database import sqlite_store
from tests.fixtures.nouns import a_run
from tools import tokens
from tools.backends.prometheus.adapter import Prometheus
from tools.backends.prometheus.config import PrometheusConfig
from tools.catalog import ALL
from tools.contract import Toolbox
from tools.ports import Baselines, Clock, EvidenceShelf, Metrics
from tools.world import Catalogue, Direction, MetricName, MetricSpec


def peak_mib() -> float:
    """The most this program's own memory held; ru_maxrss would begin with our parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


async def main(url: str, end: str, folder: Path) -> None:
    clock = FakeClock(datetime.fromtimestamp(int(end), tz=UTC))
    async with sqlite_store(folder / "bot.db") as store:
        await ask(store, clock, url, folder)


async def ask(store: SqlStore, clock: FakeClock, url: str, folder: Path) -> None:
    metrics = Prometheus(PrometheusConfig(url=url))
    name = MetricName("load")
    spec = MetricSpec(name, "x", "up", "ratio", "Load", Direction.UP, 0.9, "service")
    run = a_run(place=TERMINAL, asked_by=None)
    ports: dict[type, object] = {
        Metrics: metrics,
        Clock: clock,
        Baselines: FakeBaselines(),
        Catalogue: Catalogue({name: spec}, {}),
        EvidenceShelf: ThreadEvidence(store, TERMINAL),
    }
    reply: Any = KeptReply()
    recorder = Recorder(store, clock, Toolbox(ALL, ports), Redactor(), run, reply)
    before = peak_mib()
    called = await recorder.call("query_metric", {"metric": "load", "window": "7d"})
    after = peak_mib()
    page = await recorder.call("read_evidence", {"evidence_id": "E1"})
    rows = called.evidence.payload["series"] if called.result else []
    told = {
        "mib": after - before,
        "model": [tokens.estimate(for_model(each)) for each in recorder.evidence],
        "summary": called.evidence.summary,
        "page": page.evidence.summary.splitlines()[:2],
        "points": sum(len(row["points"]) for row in rows),
        "database": sum(each.stat().st_size for each in folder.glob("bot.db*")),
    }
    sys.stdout.write(json.dumps(told))
    await metrics.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
