"""Workers that run the task in this process; they pickle like the real ones."""

from __future__ import annotations

import base64
import os
import pickle
import signal
from collections.abc import Callable
from typing import TypeVar, cast

from bot.slack.charts import render_chart
from bot.workers import WorkerDiedError

T = TypeVar("T")
PNG = base64.b64decode(  # one white pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAwS2cUAAAAABJRU5ErkJggg=="
)


class InlineWorkers:
    """Implements `tools.ports.Workers`; `ran` lists the names of the functions it was given."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def run(self, function: Callable[..., T], *args: object) -> T:
        call, arguments = pickle.loads(pickle.dumps((function, args)))  # noqa: S301 - our own bytes
        self.ran.append(function.__qualname__)
        result: T = pickle.loads(pickle.dumps(call(*arguments)))  # noqa: S301 - our own bytes
        return result

    async def warm(self) -> None:
        """Nothing to wait for."""

    async def close(self) -> None:
        """Nothing to stop."""


class QuickWorkers(InlineWorkers):
    """The same, but a chart is a ready picture: drawing one takes longer than any other task."""

    async def run(self, function: Callable[..., T], *args: object) -> T:
        if function.__qualname__ != render_chart.__qualname__:
            return await super().run(function, *args)
        self.ran.append(function.__qualname__)
        return cast("T", PNG)


class MortalWorkers(InlineWorkers):
    """Workers whose process dies, every time, in the functions that are named."""

    def __init__(self, *dies_in: str) -> None:
        super().__init__()
        self.dies_in = set(dies_in)

    async def run(self, function: Callable[..., T], *args: object) -> T:
        if function.__qualname__ in self.dies_in:
            raise WorkerDiedError(f"worker processes died twice while running {function.__name__}")
        return await super().run(function, *args)


def die_drawing(_spec: object) -> bytes:
    """Draw a chart as the kernel lets it when memory is short: the process is killed."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process went on")
