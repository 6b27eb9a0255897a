"""A bot whose event loop stops: `/live` answers from beside it, then the process ends by itself.

Two ways of stopping: a call that blocks, and one that holds the whole interpreter.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from bot.clock import WorldClock
from bot.composition.watchdog import STUCK
from bot.domain.keyring import Keyring
from bot.scheduler import LEASE
from bot.store.store import open_store
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
OURS = ("SLACK_", "ANTHROPIC", "SRE_AGENT_", "PROMETHEUS_", "LOKI_", "KUBE", "API_", "AUDIT_")
BLOCKS = "time.sleep(600)"
HOLDS_THE_INTERPRETER = "re.match('(a|a)+$', 'a' * 64 + 'b')"
PROGRAM = """
import asyncio, re, signal, sys, time
from bot.main import read_settings, serve

def stops_on_purpose(*_):
    {stop}

signal.signal(signal.SIGUSR1, stops_on_purpose)
asyncio.run(serve(read_settings()))
"""

pytestmark = [pytest.mark.slow]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def stopped(folder: Path, stop: str) -> tuple[int, str, list[httpx.Response], str]:
    """Start a bot, stop its loop; returns its status, log, what `/live` said, and its database."""
    folder.mkdir()
    live, database = free_port(), f"sqlite+aiosqlite:///{folder}/bot.db"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    env = kept | {
        "DATABASE_URL": database,
        "KNOWLEDGE_URI": str(folder / "knowledge"),
        "AUDIT_KEY": "ab" * 32,
        "SRE_AGENT_AUDIT__ANCHOR__HEAD_FILE": str(folder / "audit.anchor"),
        "API_PORT": "0",
        "API_LIVE_PORT": str(live),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM.format(stop=stop),
        cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    log, said = b"", []
    try:
        async with asyncio.timeout(PATIENCE):
            while b"leader.taken" not in log or b"bot.started" not in log:
                log += await process.stdout.readline()
        reading = asyncio.create_task(process.stdout.read())
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(timeout=1.0) as client:
            # Not while it still writes the line that was just read: it would hold the log's lock.
            await client.get(f"http://127.0.0.1:{live}/live")
            await asyncio.sleep(0.5)
            process.send_signal(signal.SIGUSR1)
            while process.returncode is None:
                with contextlib.suppress(httpx.HTTPError):  # it ends, or nothing of it runs
                    said.append(await client.get(f"http://127.0.0.1:{live}/live"))
                await asyncio.sleep(0.5)
            log += await reading
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode or 0, log.decode(), said, database


async def led_by(database: str, who: str) -> bool:
    """Try to lead at once, as the next instance does."""
    store = await open_store(database, Keyring(b"ab" * 32))
    try:
        async with store.begin() as tx:
            now = WorldClock().wall()
            return await tx.leases.acquire(LEASE, who, now, timedelta(seconds=15))
    finally:
        await store.close()


async def test_a_stuck_bot_is_seen_ends_by_itself_and_is_followed_at_once(tmp_path: Path) -> None:
    blocked, held = await asyncio.gather(
        stopped(tmp_path / "blocked", BLOCKS),
        stopped(tmp_path / "held", HOLDS_THE_INTERPRETER),
    )
    status, log, said, database = blocked
    assert status == STUCK, log
    answers = [each.json() for each in said if each.status_code == 200]
    assert max(each["loop_silent_seconds"] for each in answers) > 3  # it answered while stuck
    assert "loop.stuck" in log
    assert "loop.given_up" in log
    assert "stops_on_purpose" in log  # the stack says where
    assert await led_by(database, "the next one")

    status, log, _, _ = held
    assert status == 1, log
    assert "Timeout (0:00:20)" in log
    assert "stops_on_purpose" in log
