"""A reply that keeps everything it was told, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bot.core.ports import StepUpdate
from bot.domain.answer import Answer
from bot.domain.run import Running


class KeptReply:
    """Implements `bot.core.ports.Reply`; `on_step` lets a test act in the middle of a run."""

    def __init__(self, on_step: Callable[[StepUpdate], None] | None = None) -> None:
        self.steps: list[StepUpdate] = []
        self.said: list[str] = []
        self.taken_back: list[str] = []  # prose that was shown and withdrawn
        self.answer: Answer | None = None
        self.failure = ""
        self.ended = asyncio.Event()
        self._on_step = on_step

    @property
    def text(self) -> str:
        return "".join(self.said)

    async def step(self, update: StepUpdate) -> None:
        self.steps.append(update)
        if self._on_step is not None:
            self._on_step(update)

    async def say(self, text: str) -> None:
        self.said.append(text)

    async def take_back(self) -> None:
        if self.said:
            self.taken_back.append(self.text)
            self.said.clear()

    async def finish(self, run: Running, answer: Answer) -> None:
        self.answer = answer
        self.ended.set()

    async def fail(self, run: Running, text: str) -> None:
        self.failure = text
        self.ended.set()
