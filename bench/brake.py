"""What the brake and the doors cost: a halt's wait behind a crowd, memory for too large an answer.

    halt_seconds_behind(600)   600 people mention the bot; then somebody types `/sre halt`
    peak_mb(50_000)            our Prometheus client asks a server that answers 50,000 series

The first is the whole bot over the local Slack's websocket, from the keystroke to the committed
halt. The second is a process of its own, which reads with the real client as it is shipped.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

SAMPLES = 60  # of each series: an hour by the minute
CHILD = """
import asyncio, resource, sys
from datetime import UTC, datetime, timedelta
from tools.backends.prometheus import Prometheus, PrometheusConfig
from tools.errors import AnswerTooLargeError
from tools.world import Window

async def ask():
    client = Prometheus(PrometheusConfig(url=sys.argv[1], max_series=1_000))
    end = datetime(2026, 11, 20, 14, 0, tzinfo=UTC)
    try:
        await client.query_range("up", Window(end - timedelta(hours=1), end))
    except AnswerTooLargeError:
        pass
    else:
        raise SystemExit("an answer above the limit was taken")
    finally:
        await client.close()

asyncio.run(ask())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def halt_seconds_behind(events: int) -> float:
    """Return seconds from `/sre halt` to the committed halt, behind so many mentions."""
    return asyncio.run(_halt_behind(events))


def peak_mb(series: int) -> float:
    """Return the peak memory of a process that asks for so many series, in MB."""
    with _prometheus(series) as url:
        environment = {**os.environ, "NO_PROXY": "127.0.0.1"}
        done = subprocess.run(
            [sys.executable, "-c", CHILD, url],
            capture_output=True, text=True, check=True, env=environment,
            cwd=Path(__file__).parent.parent,
        )  # fmt: skip
    return float(done.stdout)


async def _halt_behind(events: int) -> float:
    from bot.core.remediation.guarding.halts import HALT
    from bot.domain.access import AccessConfig, Role
    from sandbox.slack.chat.people import ALICE, BOT_USER_ID
    from tests.fakes.clock import FakeClock
    from tests.fixtures.database import sqlite_store
    from tests.fixtures.shift import Shift, local_slack

    with tempfile.TemporaryDirectory() as name:
        folder, clock = Path(name), FakeClock()
        async with sqlite_store(folder / "bot.db") as store, local_slack(clock) as slack:
            shift = Shift(store, folder, slack, clock)
            access = AccessConfig({Role.VIEWER: ("*",), Role.RESPONDER: (ALICE,)})
            shift.stand.configure(access=access)
            async with shift.running() as room:
                room.door.limit_asking(events)  # three people stand for a crowd
                people = ("alice", "bob", "carol")
                for number in range(events):
                    text = f"<@{BOT_USER_ID}> why is shop slow, try {number}?"
                    slack.post_as(people[number % len(people)], "#incidents", text)
                began = time.perf_counter()
                await slack.command(ALICE, "#incidents", "/sre halt it burns")
                while True:
                    async with store.begin() as tx:
                        if await tx.flags.get(HALT):
                            return time.perf_counter() - began
                    await asyncio.sleep(0.01)


@contextmanager
def _prometheus(series: int) -> Iterator[str]:
    """Serve one answer in the spacing of Python's own JSON, as proxies and stand-ins write it."""
    values = [[1_763_640_000 + 60 * at, "0.25"] for at in range(SAMPLES)]

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.end_headers()
            try:
                start = b'{"status": "success", "data": {"resultType": "matrix", "result": ['
                self.wfile.write(start)
                for number in range(series):
                    row = {"metric": {"pod": f"pod-{number}"}, "values": values}
                    comma = b", " if number else b""
                    self.wfile.write(comma + json.dumps(row).encode())
                self.wfile.write(b"]}}")
            except OSError:
                return  # the client has read enough

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
