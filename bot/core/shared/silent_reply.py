"""The reply that shows nothing: for runs that nobody watches while they are made."""

from __future__ import annotations

from bot.core.ports import StepUpdate
from bot.domain.answer import Answer
from bot.domain.run import Running


class SilentReply:
    """The Reply port without a place to show anything; the answer is in the store."""

    async def step(self, update: StepUpdate) -> None:
        """Show nothing."""

    async def say(self, text: str) -> None:
        """Show nothing."""

    async def take_back(self) -> None:
        """Nothing was shown."""

    async def finish(self, run: Running, answer: Answer) -> None:
        """Show nothing."""

    async def fail(self, run: Running, text: str) -> None:
        """Show nothing."""
