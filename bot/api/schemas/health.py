"""How the process and what it depends on are."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from bot.api.schemas.common import Out


class Alive(Out):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Dependency(Out):
    """One backend as last seen."""

    name: str
    up: bool
    configured: bool
    detail: str
    state: str = "up"  # up, degraded, down, off
    since: datetime | None = None  # since when it is degraded or down, or well again


class HealthOut(Out):
    """The process and what it depends on."""

    status: Literal["ok", "degraded", "down"]
    version: str
    dependencies: list[Dependency]


class ReadyOut(Out):
    """Whether the process may take work."""

    ready: bool
    detail: str
