"""Heavy maths in a process pool, behind the `Workers` port.

    run(function, *args) --pickle--> worker process (one BLAS/torch thread each) --> result

A worker that dies (killed, out of memory) breaks the whole pool: it is replaced once and the task
tried again; a second death is `WorkerDiedError`. A task that exceeds its time is
`WorkerTimeoutError`; its pool is replaced, because a running task cannot be cancelled otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import multiprocessing
import os
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import timedelta
from typing import TypeVar

import structlog

from tools.errors import ToolError

log = structlog.get_logger(__name__)
T = TypeVar("T")
DEFAULT_TIMEOUT = timedelta(seconds=120)  # of one task, its time in the queue included
WARM = (  # what baselines, detection, forecasts and charts import, seconds each
    "scipy.stats",
    "statsmodels.tsa.holtwinters",
    "statsmodels.tsa.seasonal",
    "sklearn.ensemble",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.dates",
)
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)


class WorkerError(ToolError):
    """The worker pool could not do a task; the task's own errors are raised as they are."""


class WorkerDiedError(WorkerError):
    """Worker processes died twice while doing this task."""


class WorkerTimeoutError(WorkerError):
    """The task ran longer than it may."""


def _one_thread() -> None:
    """Keep numeric libraries to one thread: more of them fight over few cores (measured 8×)."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business
    _die_with_parent()
    for name in THREAD_VARIABLES:
        os.putenv(name, "1")  # for the C libraries, which read it when they load
    with contextlib.suppress(ImportError):
        importlib.import_module("threadpoolctl").threadpool_limits(1)


def _die_with_parent() -> None:
    """Ask Linux to end this process when the bot is killed: its queue would never tell it."""
    import ctypes
    import signal

    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of prctl(2)
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def _load(modules: tuple[str, ...]) -> None:
    """Import modules in a worker."""
    for name in modules:
        importlib.import_module(name)


class ProcessWorkers:
    """A pool of worker processes; close it when the process ends."""

    def __init__(self, processes: int = 2, timeout: timedelta = DEFAULT_TIMEOUT) -> None:
        """Start nothing yet: processes come with the first task."""
        if processes < 1:
            raise ValueError(f"processes must be at least 1, got {processes!r}")
        self._processes = processes
        self._timeout = timeout
        self._pool: ProcessPoolExecutor | None = None
        self._closed = False

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Run a picklable module-level function and return its result or raise its error.

        Raises WorkerTimeoutError and WorkerDiedError.
        """
        try:
            return await self._once(function, args)
        except BrokenProcessPool:
            pass  # replaced by _once; one more try
        try:
            return await self._once(function, args)
        except BrokenProcessPool as error:
            raise WorkerDiedError(
                f"worker processes died twice while running {_name(function)}; "
                "look for an out-of-memory kill in the host's log"
            ) from error

    async def warm(self) -> None:
        """Start every process and load the heavy libraries, so that the first answer is quick."""
        loads = (self.run(_load, WARM) for _ in range(self._processes))
        for failed in await asyncio.gather(*loads, return_exceptions=True):
            if isinstance(failed, BaseException):
                log.warning("workers.not_warm", why=str(failed))

    async def close(self) -> None:
        """Stop the processes, whatever they are at: nobody waits for it, and one may hang."""
        self._closed = True
        pool, self._pool = self._pool, None
        if pool is not None:
            _terminate(pool)
            await asyncio.to_thread(pool.shutdown, wait=True, cancel_futures=True)

    async def _once(self, function: Callable[..., T], args: tuple[object, ...]) -> T:
        pool = self._open()
        try:
            future = asyncio.get_running_loop().run_in_executor(pool, function, *args)
        except BrokenProcessPool:  # a process died while none of them had anything to do
            self._discard(pool)
            raise
        try:
            return await asyncio.wait_for(future, self._timeout.total_seconds())
        except BrokenProcessPool:
            self._discard(pool)
            raise
        except TimeoutError as error:
            if future.done() and not future.cancelled():
                raise  # the function's own TimeoutError
            self._discard(pool, terminate=True)
            raise WorkerTimeoutError(
                f"{_name(function)} took longer than {self._timeout.total_seconds():g} s "
                "and was stopped; ask for a shorter window or a longer step"
            ) from error

    def _open(self) -> ProcessPoolExecutor:
        if self._closed:
            raise WorkerError("the worker pool is closed")
        if self._pool is None:
            # Not fork: a child would inherit the parent's threads (pyarrow, sqlite) dead.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(
                self._processes, mp_context=context, initializer=_one_thread
            )
        return self._pool

    def _discard(self, pool: ProcessPoolExecutor, *, terminate: bool = False) -> None:
        """Forget a pool unless another task already did; other tasks of it see it broken."""
        if self._pool is pool:
            self._pool = None
        if terminate:
            _terminate(pool)
        pool.shutdown(wait=False, cancel_futures=True)


def _terminate(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool: it has no public way to stop a task before Python 3.14."""
    for process in list((pool._processes or {}).values()):  # noqa: SLF001
        process.terminate()


def _name(function: Callable[..., object]) -> str:
    return getattr(function, "__qualname__", repr(function))
