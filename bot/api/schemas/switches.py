"""The kill switch."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict

from bot.api.schemas.common import Out, Reason


class SwitchIn(BaseModel):
    """Why the kill switch is set or let go."""

    model_config = ConfigDict(extra="forbid")
    reason: Reason


class SwitchOut(Out):
    """The kill switch as it stands now. A halt file stays in force until it is removed."""

    halted: str
    halted_by: str
    halted_since: datetime | None
