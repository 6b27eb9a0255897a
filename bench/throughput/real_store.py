"""`--stage store`: 20,000 series in a real VictoriaMetrics, read and judged minute by minute.

    generated series ─import─> victoria-metrics (Debian) ─the real client─> intake ─> judging

What is measured is a cycle from the question to the verdicts, with the limits as shipped: at most
1,000 series an answer, so each metric is asked for in parts.
"""

from __future__ import annotations

import asyncio
import json
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np

from bench.report import Aim, Report
from bot.core.detection.intake import Intake
from bot.core.detection.judging import Judging
from bot.core.detection.remembering import Remembering
from tests.fakes.baselines import FakeBaselines
from tests.fakes.clock import FakeClock
from tests.fakes.workers import InlineWorkers
from tests.fixtures.many_series import SPECS, Platform, platform
from tests.fixtures.real_prometheus import free_address, program
from tools.analysis.state.detector import Classic
from tools.analysis.state.recent import KEPT
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.world import Catalogue

SERIES = 20_000
CYCLES = 8
BATCH = 500  # series of one import


class CountingTransport(httpx.AsyncHTTPTransport):
    """The usual transport, which counts questions and bytes of answers."""

    def __init__(self) -> None:
        super().__init__()
        self.requests = self.bytes = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one question; its answer is counted while it is read."""
        self.requests += 1
        response = await super().handle_async_request(request)
        stream = response.stream
        if isinstance(stream, httpx.AsyncByteStream):
            response.stream = _Counted(stream, self)
        return response


class _Counted(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, counts: CountingTransport) -> None:
        self._inner, self._counts = inner, counts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._counts.bytes += len(part)
            yield part

    async def aclose(self) -> None:
        """Close the answer."""
        await self._inner.aclose()


def run_store(series: int = SERIES) -> Report:
    """Measure cycles against a real store."""
    world = platform(series, KEPT + CYCLES)
    with tempfile.TemporaryDirectory() as name:
        folder, address = Path(name), free_address()
        url = f"http://{address}"
        command = [
            "victoria-metrics", f"-httpListenAddr={address}", f"-storageDataPath={folder / 'data'}",
            "-retentionPeriod=100y", "-search.latencyOffset=0s",
        ]  # fmt: skip
        with program(command, folder / "log", f"{url}/health"):
            _fill(url, world)
            figures, rows = asyncio.run(_cycles(url, world))
    return Report(
        bench="throughput",
        data=f"{series:,} generated series in a real VictoriaMetrics",
        ours=figures,
        peers={},
        aims={"checked": Aim.exactly(series)},
        details=rows,
        notes=("seconds are of the clock, `cpu` those of this process; the store has its own",),
    )


def _fill(url: str, world: Platform) -> None:
    stamps = [round(each * 1000) for each in world.times.tolist()]
    with httpx.Client(timeout=60.0) as client:
        for begin in range(0, len(world.metrics), BATCH):
            lines = []
            for row in range(begin, min(begin + BATCH, len(world.metrics))):
                known = ~np.isnan(world.values[row])
                labels = {"__name__": f"bench_{world.metrics[row]}", **dict(world.labels[row])}
                values = world.values[row][known].tolist()
                at = [stamp for stamp, there in zip(stamps, known.tolist(), strict=True) if there]
                lines.append(json.dumps({"metric": labels, "values": values, "timestamps": at}))
            client.post(f"{url}/api/v1/import", content="\n".join(lines)).raise_for_status()
        client.get(f"{url}/internal/force_flush").raise_for_status()


async def _cycles(
    url: str, world: Platform
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    clock = FakeClock()
    baselines = FakeBaselines()
    learned = (world.baseline(row) for row in range(len(world.metrics)))
    await baselines.save([each for each in learned if each is not None])
    counting = CountingTransport()
    metrics = Prometheus(PrometheusConfig(url=url, queries_per_minute=0), counting, clock)
    catalogue = Catalogue({spec.name: spec for spec in SPECS.values()}, {})
    intake = Intake(metrics, clock, baselines, Remembering(clock, None))
    judging = Judging(InlineWorkers(), Classic())
    rows: list[dict[str, float]] = []
    for number in range(CYCLES + 1):
        at = datetime.fromtimestamp(float(world.times[KEPT - 1 + number]), tz=UTC)
        clock.advance(at - clock.now() if number == 0 else timedelta(minutes=1))
        since, spent = time.monotonic(), time.process_time()
        asked, read = counting.requests, counting.bytes
        got = await intake.read(catalogue)
        reading = time.monotonic() - since
        judged = await judging.judge(intake.table, ())
        if got.failed:
            raise ValueError(f"the store did not answer: {dict(got.failed)}")
        rows.append(
            {
                "seconds": time.monotonic() - since,
                "of it reading": reading,
                "cpu": time.process_time() - spent,
                "queries": counting.requests - asked,
                "megabytes": (counting.bytes - read) / 1e6,
                "checked": judged.checked,
                "abnormal": sum(v.anomalous for v in judged.verdicts),
            }
        )
    await metrics.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    usual = {name: _median(rows[2:], name) for name in rows[0]}
    figures = {
        "series": float(len(world.metrics)),
        **usual,
        "bytes_per_series": intake.table.nbytes / len(world.metrics),
        "peak_mb": peak,
    }
    return figures, {"first (four hours)": rows[0], "usual": usual}


def _median(rows: Sequence[dict[str, float]], name: str) -> float:
    return float(np.median([row[name] for row in rows]))
