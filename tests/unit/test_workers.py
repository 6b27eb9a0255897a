"""Worker processes that die, hang or raise are told apart."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.workers import ProcessWorkers, WorkerDiedError, WorkerError, WorkerTimeoutError
from tests.fakes.workers import InlineWorkers
from tests.patience import PATIENCE


@pytest.fixture
async def workers() -> AsyncIterator[ProcessWorkers]:
    pool = ProcessWorkers(1, timeout=timedelta(seconds=PATIENCE))
    yield pool
    await pool.close()


async def test_a_task_runs_in_another_process_with_one_thread(workers: ProcessWorkers) -> None:
    assert await workers.run(os.getpid) != os.getpid()
    assert await workers.run(seen_by_c_libraries, b"OMP_NUM_THREADS") == b"1"


def seen_by_c_libraries(name: bytes) -> bytes | None:
    getenv = ctypes.CDLL(None).getenv
    getenv.restype = ctypes.c_char_p
    value: bytes | None = getenv(name)
    return value


async def test_the_tasks_own_error_is_raised_as_it_is(workers: ProcessWorkers) -> None:
    with pytest.raises(ValueError, match="invalid literal"):
        await workers.run(int, "seven")
    assert await workers.run(int, "7") == 7


async def test_a_death_that_repeats_is_reported_and_the_next_task_works(
    workers: ProcessWorkers,
) -> None:
    with pytest.raises(WorkerDiedError, match="died twice"):
        await workers.run(os._exit, 3)
    assert await workers.run(abs, -2) == 2


async def test_a_task_is_tried_again_in_a_new_pool_when_its_worker_was_killed(
    workers: ProcessWorkers,
) -> None:
    victim = await workers.run(os.getpid)
    os.kill(victim, 9)
    assert await workers.run(os.getpid) != victim


async def test_a_worker_that_dies_while_it_has_nothing_to_do_costs_nothing(
    workers: ProcessWorkers,
) -> None:
    victim = await workers.run(os.getpid)
    assert workers._pool is not None
    manager: Any = workers._pool._executor_manager_thread
    os.kill(victim, 9)
    await asyncio.to_thread(manager.join, PATIENCE)  # now the pool knows it
    for _ in range(2):
        assert await workers.run(os.getpid) != victim


async def test_a_task_that_hangs_is_stopped_and_the_next_one_works(workers: ProcessWorkers) -> None:
    await workers.run(os.getpid)  # the start of a process must not count
    hasty = ProcessWorkers(1, timeout=timedelta(seconds=PATIENCE))
    try:
        await hasty.run(os.getpid)
        hasty._timeout = timedelta(seconds=0.3)
        with pytest.raises(WorkerTimeoutError, match=r"took longer than 0\.3 s"):
            await hasty.run(input_that_never_comes)
        hasty._timeout = timedelta(seconds=PATIENCE)
        assert await hasty.run(abs, -1) == 1
    finally:
        await hasty.close()


def input_that_never_comes() -> None:
    threading.Event().wait()


async def test_the_loop_stays_free_while_a_task_runs(workers: ProcessWorkers) -> None:
    task = asyncio.create_task(workers.run(sum, range(100)))
    await asyncio.sleep(0)
    assert not task.done()
    assert await task == 4950


async def test_a_closed_pool_says_so() -> None:
    pool = ProcessWorkers()
    await pool.close()
    with pytest.raises(WorkerError, match="closed"):
        await pool.run(abs, -1)
    with pytest.raises(ValueError, match="at least 1, got 0"):
        ProcessWorkers(0)


async def test_the_fake_takes_only_what_can_travel() -> None:
    fake = InlineWorkers()
    assert await fake.run(abs, -3) == 3
    assert fake.ran == ["abs"]
    with pytest.raises(Exception, match="pickle"):
        await fake.run(lambda: 1)


PARENT = """
import asyncio, os
from bot.workers import ProcessWorkers

async def main():
    print(await ProcessWorkers(1).run(os.getpid), flush=True)
    await asyncio.Event().wait()

if __name__ == "__main__":
    asyncio.run(main())
"""


async def test_a_killed_bot_leaves_no_worker_behind(tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(PARENT, encoding="utf-8")
    parent = await asyncio.create_subprocess_exec(
        sys.executable, str(script), stdout=asyncio.subprocess.PIPE, env=with_this_checkout()
    )
    assert parent.stdout is not None
    worker = os.pidfd_open(int(await parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(worker, ended.set)
    await asyncio.wait_for(ended.wait(), PATIENCE)
    asyncio.get_running_loop().remove_reader(worker)
    os.close(worker)


def with_this_checkout() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
