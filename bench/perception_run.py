"""One run of one client for `bench perception`, in a process of its own: prints JSON.

python -m bench.perception_run ours http://127.0.0.1:9090
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from bench.perception import METRIC, POINTS, SIDES, START, STEP_SECONDS
from tools.world import Floats, Window

BEGIN = datetime.fromtimestamp(START, UTC)
END = datetime.fromtimestamp(START + STEP_SECONDS * (POINTS - 1), UTC)


def ours(url: str) -> list[Floats]:
    """Read by our client, normalised."""
    from tools.analysis.normalise import normalise_series
    from tools.backends.prometheus import Prometheus, PrometheusConfig

    async def ask() -> list[Floats]:
        backend = Prometheus(PrometheusConfig(url=url))
        try:
            step = timedelta(seconds=STEP_SECONDS)
            found = await backend.query_range(METRIC, Window(BEGIN, END), step)
        finally:
            await backend.close()
        return [normalise_series(series).series.values for series in found]

    return asyncio.run(ask())


def theirs(url: str, headers: dict[str, str] | None = None) -> list[Floats]:
    """Read by prometheus-api-client, into arrays."""
    from prometheus_api_client import PrometheusConnect

    connection = PrometheusConnect(url, headers=headers)
    rows = connection.custom_query_range(METRIC, BEGIN, END, str(STEP_SECONDS))
    return [np.array(row["values"], dtype=float)[:, 1] for row in rows]


def main() -> None:
    """Time one run; importing is not part of it."""
    side, url = sys.argv[1:]
    import prometheus_api_client  # noqa: F401

    import tools.backends.prometheus  # noqa: F401

    plain = {"Accept-Encoding": "identity"}
    read: Callable[[str], list[Floats]] = {
        SIDES[0]: ours,
        SIDES[1]: theirs,
        SIDES[2]: lambda url: theirs(url, plain),
    }[side]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.perf_counter(), time.process_time()
    found = read(url)
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mb": peak / 1024,
        "grown_mb": (peak - before) / 1024,
        "sum": round(sum(float(np.sum(values)) for values in found), 3),
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main()
