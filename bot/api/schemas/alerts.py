"""Alertmanager's webhook."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from bot.api.schemas.common import At, Out


class AlertIn(BaseModel):
    """One alert of Alertmanager's webhook, version 4; further fields are left alone."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str] = Field(default_factory=dict)
    startsAt: At  # noqa: N815 - Alertmanager's spelling


class AlertsIn(BaseModel):
    """Alertmanager's webhook, version 4."""

    version: str = "4"
    alerts: list[AlertIn] = Field(max_length=1000)


class AlertsOut(Out):
    """What became of a delivery."""

    opened: list[str]
    resolved: list[str]
    unchanged: int
