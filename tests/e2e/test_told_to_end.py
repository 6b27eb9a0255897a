"""SIGTERM ends the process whatever hangs: a process for each thing that may."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import pytest

from bot.composition.watchdog import STUCK
from tests.fixtures.hangs import HANGS

ROOT = Path(__file__).parents[2]
ORDERLY = 0
FROZEN = 1  # the timer below Python: of `faulthandler`
ENDS = {
    "nothing": ORDERLY,
    "start": ORDERLY,
    "worker": ORDERLY,
    "deaf_start": FROZEN,
    "blocked_start": FROZEN,
    "thread_of_the_loop": FROZEN,
    "own_thread": FROZEN,
    "deaf_task": FROZEN,
    "backend": STUCK,
    "listener": STUCK,
    "log": STUCK,
    "database": STUCK,
    "pattern": FROZEN,
    "pattern_and_log": FROZEN,
}


@pytest.mark.slow
async def test_a_process_that_is_told_to_end_ends_whatever_hangs(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fixtures.hangs", str(tmp_path),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    told, _ = await process.communicate()
    assert ENDS.keys() == HANGS.keys()
    assert json.loads(told) == ENDS
