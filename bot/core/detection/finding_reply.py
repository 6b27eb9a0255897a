"""Where a detection's agent run is answered: in the finding's own post."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from bot.core.detection.findings import FindingDesk
from bot.core.ports import StepUpdate
from bot.domain.answer import Answer
from bot.domain.finding import Finding
from bot.domain.run import Done, Running

OnInvestigated = Callable[[Finding], Awaitable[object]]


class FindingReply:
    """A detection run shows nothing while it works; its conclusion updates the finding's post."""

    def __init__(self, desk: FindingDesk, on_investigated: OnInvestigated) -> None:
        """Write into findings through their desk; then `on_investigated` proposes plans."""
        self._desk, self._on_investigated = desk, on_investigated

    async def step(self, update: StepUpdate) -> None:
        """Show nothing."""

    async def say(self, text: str) -> None:
        """Show nothing."""

    async def take_back(self) -> None:
        """Nothing was shown."""

    async def finish(self, run: Running | Done, answer: Answer) -> None:
        """Write the conclusion; a run that could not judge adds nothing to what was seen."""
        if run.finding is not None:
            told = answer.text if answer.causes or answer.mode == "claude" else ""
            finding = await self._desk.conclude(run.finding, told, answer.chart, answer.plan_id)
            await self._on_investigated(finding)
            await self._desk.close_investigation(run.finding)

    async def fail(self, run: Running, text: str) -> None:
        """Write the apology where the conclusion would stand."""
        if run.finding is not None:
            await self._desk.conclude(run.finding, text, "")
            await self._desk.close_investigation(run.finding)
