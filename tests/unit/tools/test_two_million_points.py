"""Two million points from a real HTTP server: they reach neither the model nor fill the memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from tests.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[3]
SERIES, POINTS = 200, 10_000
MOST_MIB = 250  # of peak memory for the one question; 106 measured, and the answer alone is 46 MB
END = 1_795_176_000
ASK = Path(__file__).with_name("ask_for_two_million_points.py")


@pytest.fixture(scope="module")
def prometheus() -> Iterator[str]:
    """A server that answers every range question with all it has."""
    times = END - 60 * np.arange(POINTS - 1, -1, -1)
    noise = np.random.default_rng(7)
    courses = [
        ",".join(f'[{at},"{v:.6f}"]' for at, v in zip(times, noise.random(POINTS), strict=True))
        for _ in range(5)
    ]
    rows = [
        f'{{"metric":{{"service":"shop-{n:03}"}},"values":[{courses[n % 5]}]}}'
        for n in range(SERIES)
    ]
    text = '{{"status":"success","data":{{"resultType":"matrix","result":[{}]}}}}'
    body = text.format(",".join(rows)).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", "0")))
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_neither_the_model_nor_the_memory_holds_two_million_points(
    prometheus: str, tmp_path: Path
) -> None:
    asked = [sys.executable, str(ASK), prometheus, str(END), str(tmp_path)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        asked, cwd=ROOT, env=env, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["mib"] < MOST_MIB
    assert max(told["model"]) <= 4_000
    assert "… 190 more series" in told["summary"]
    assert told["page"][0].startswith("E1, page 2: lines 1 to ")
    assert 10_000 < told["points"] <= 100_000
    assert told["database"] < 6_000_000
