"""Workers that run the task in this process; they pickle like the real ones."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class InlineWorkers:
    """Implements `tools.ports.Workers`; `ran` lists the names of the functions it was given."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    async def run(self, function: Callable[..., T], *args: object) -> T:
        call, arguments = pickle.loads(pickle.dumps((function, args)))  # noqa: S301 - our own bytes
        self.ran.append(function.__qualname__)
        result: T = pickle.loads(pickle.dumps(call(*arguments)))  # noqa: S301 - our own bytes
        return result

    async def close(self) -> None:
        """Nothing to stop."""
