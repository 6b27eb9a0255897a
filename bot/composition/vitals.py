"""How the process and what it depends on are: for health, readiness, status and self metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.api.deps import Pulse
from bot.composition.parts import Parts
from bot.core.detection.cycle import CycleReport
from bot.core.investigation.model.limits import Limits
from bot.locale import Texts
from bot.scheduler import Scheduler
from bot.telemetry import SelfMetrics
from tools.fleet import healths_of
from tools.ports import HasHealth, Health


class Vitals:
    """How the process is."""

    def __init__(self, parts: Parts, texts: Texts) -> None:
        """Not ready until the start-up says so."""
        self._parts, self._texts = parts, texts
        self.ready = False
        self.more: Callable[[], Awaitable[Sequence[Health]]] = _nothing_more  # Slack's part
        self.scheduler: Scheduler | None = None
        self.last_cycle_at: datetime | None = None

    def leads(self) -> bool:
        """Say whether this process is the leader now."""
        return self.scheduler is not None and self.scheduler.leading

    def beat(self, metrics: SelfMetrics) -> Callable[[CycleReport], None]:
        """Return what is called after every detection cycle."""

        def on_cycle(report: CycleReport) -> None:
            self.last_cycle_at = self._parts.clock.now()
            metrics.cycle_finished(report.seconds)

        return on_cycle

    async def backends(self) -> Sequence[Health]:
        """Ask every instance of every configured backend how it is."""
        asked = await asyncio.gather(*(healths_of(each) for each in _backends(self._parts)))
        cut = self._parts.settings.redactor.text
        found = [each for healths in asked for each in healths]
        told = [replace(each, detail=cut(each.detail)) for each in [*found, *await self.more()]]
        if refused := self._parts.live_files.refused():
            detail = cut(f"{len(refused)} not taken: " + "; ".join(refused.values()))
            told.append(Health("playbooks", up=True, detail=detail, degraded=True))
        return told

    async def status(self) -> Mapping[str, str]:
        """Return the lines of `/sre status`."""
        lines = {h.name: told_health(h, self._texts) for h in await self.backends()}
        if self._parts.model is not None:
            limits = Limits(self._parts.live_files.catalogue())
            if not limits.none:
                others = self._texts.say("gap.model_data_unplaced")
                lines[self._texts.say("slack.status.model_data")] = limits.told(others)
        return lines | {name: f"off ({how})" for name, how in self._parts.settings.off.items()}

    def pulse(self) -> Pulse:
        """Return the state of the process."""
        scheduler = self.scheduler
        states, cut = scheduler.states if scheduler else {}, self._parts.settings.redactor.text
        failing = {name: cut(state.error) for name, state in states.items() if state.error}
        return Pulse(
            ready=self.ready,
            leading=self.leads(),
            last_cycle_at=self.last_cycle_at,
            mode="claude" if self._parts.model is not None else "deterministic",
            off=tuple(sorted(self._parts.settings.off)),
            failing_jobs=failing,
        )


async def _nothing_more() -> Sequence[Health]:
    return ()


def told_health(health: Health, texts: Texts) -> str:
    """Return how a backend is, as a person reads it."""
    since = f"{health.since:%Y-%m-%d %H:%M} UTC" if health.since else ""
    if health.word not in {"down", "degraded"}:
        return texts.say("slack.status.up")
    if not since:
        return texts.say(f"slack.status.{health.word}", why=health.detail)
    return texts.say(f"slack.status.{health.word}_since", since=since, why=health.detail)


def _backends(parts: Parts) -> Sequence[HasHealth]:
    configured = (parts.metrics, parts.logs, parts.traces, parts.cluster, parts.alert_source)
    return [each for each in configured if each is not None]
