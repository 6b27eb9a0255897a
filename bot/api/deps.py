"""What the API needs from the bot, and how a request reaches it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from bot.core.detection.alerts import AlertDesk
from bot.core.detection.baseline_import import BaselineImport
from bot.core.detection.deployments import Deployments
from bot.core.detection.triage import Triage
from bot.core.incidents.desk import IncidentDesk
from bot.core.ports import VERSION, Clock, Directory, Store
from bot.core.remediation.answers.approvals import Approvals
from bot.core.remediation.answers.switches import Switches
from bot.core.remediation.guarding.steady_wall import SteadyWall
from bot.domain.access import AccessConfig
from foundation.rates import RateLimit
from tools.ports import Health
from tools.world import Catalogue


@dataclass(frozen=True, slots=True)
class Pulse:
    """How the process is, as only the composition root knows."""

    ready: bool  # started, and not stopping
    leading: bool = True
    last_cycle_at: datetime | None = None
    mode: str = "deterministic"  # or "claude"
    off: tuple[str, ...] = ()  # what is not configured
    failing_jobs: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Rates:
    """How often one may ask, in any minute; what brakes is never refused for it."""

    per_token: RateLimit = field(default_factory=lambda: RateLimit(600))
    per_person: RateLimit = field(default_factory=lambda: RateLimit(1200))  # with every token


async def _nothing() -> None:
    return None


async def _no_backends() -> Sequence[Health]:
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiDeps:
    """Everything the routes use."""

    store: Store
    clock: Clock
    catalogue: Callable[[], Catalogue]
    access: Callable[[], AccessConfig]
    directory: Directory
    registry: CollectorRegistry
    pulse: Callable[[], Pulse]
    plans: Approvals  # the same answers as behind the buttons
    switches: Switches  # the same kill switch as behind `/sre halt`
    alerts: AlertDesk
    triage: Triage
    incidents: IncidentDesk  # the same use cases as behind `/sre incident`
    baselines: BaselineImport
    deployments: Deployments
    version: str = VERSION
    backends: Callable[[], Awaitable[Sequence[Health]]] = _no_backends
    before_scrape: Callable[[], Awaitable[None]] = _nothing
    rates: Rates = field(default_factory=Rates)
    steady: SteadyWall = field(init=False)  # what a token's end is judged by

    def __post_init__(self) -> None:
        """Read the clock from here on."""
        object.__setattr__(self, "steady", SteadyWall(self.clock))


def deps_of(request: Request) -> ApiDeps:
    """Return what `build_api` was given."""
    deps: ApiDeps = request.app.state.deps
    return deps


Deps = Annotated[ApiDeps, Depends(deps_of)]
