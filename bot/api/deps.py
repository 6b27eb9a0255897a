"""What the API needs from the bot, and how a request reaches it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Protocol

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from bot.core.detection.alerts import Alert, AlertReceipt
from bot.core.ports import VERSION, Clock, Directory, Store
from bot.core.remediation.approvals import Said
from bot.core.remediation.switches import Switch, Switched
from bot.domain.access import AccessConfig
from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.redaction import Redactor
from tools.ports import Health
from tools.world import Catalogue


class PlanAnswers(Protocol):
    """Answering plans: `bot.core.remediation.approvals`, the same as behind the buttons."""

    async def approve(
        self, plan_id: PlanId, user: UserId, channel: ChannelId, digest: str = ""
    ) -> Said: ...

    async def reject(
        self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId
    ) -> Said: ...

    async def break_glass(
        self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId, digest: str = ""
    ) -> Said: ...


class Brake(Protocol):
    """The kill switch: `bot.core.remediation.switches.Switches`, the same as behind `/sre halt`."""

    async def halt(
        self, user: UserId, reason: str, channel: ChannelId, right: str = "sre.halt"
    ) -> Switched: ...

    async def resume(
        self, user: UserId, channel: ChannelId, reason: str = "", right: str = "sre.resume"
    ) -> Switched: ...

    async def now(self) -> tuple[Switch, Switch]: ...


class AlertIntake(Protocol):
    """Taking alerts in: `bot.core.detection.alerts.AlertDesk`."""

    async def receive(self, alerts: Sequence[Alert]) -> AlertReceipt: ...


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the process is, as only the composition root knows."""

    ready: bool  # started, and not stopping
    leading: bool = True
    last_cycle_at: datetime | None = None
    mode: str = "deterministic"  # or "claude"
    off: tuple[str, ...] = ()  # what is not configured
    failing_jobs: dict[str, str] = field(default_factory=dict)


async def _nothing() -> None:
    return None


async def _no_backends() -> Sequence[Health]:
    return ()


@dataclass(frozen=True, slots=True)
class ApiDeps:
    """Everything the routes use. None is not configured."""

    store: Store
    clock: Clock
    catalogue: Callable[[], Catalogue]
    access: Callable[[], AccessConfig]
    registry: CollectorRegistry
    pulse: Callable[[], Pulse]
    version: str = VERSION
    directory: Directory | None = None  # None: people are known by the id of their token alone
    plans: PlanAnswers | None = None
    switches: Brake | None = None  # the kill switch
    alerts: AlertIntake | None = None
    backends: Callable[[], Awaitable[Sequence[Health]]] = _no_backends
    before_scrape: Callable[[], Awaitable[None]] = _nothing
    redactor: Redactor = field(default_factory=Redactor)  # for what machines tell us


def deps_of(request: Request) -> ApiDeps:
    """Return what `build_api` was given."""
    deps: ApiDeps = request.app.state.deps
    return deps


Deps = Annotated[ApiDeps, Depends(deps_of)]
