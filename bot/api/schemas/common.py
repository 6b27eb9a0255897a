"""What every answer has in common."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict


class Out(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True)


def number(value: float) -> float | None:
    """Return a figure as JSON knows it: not-a-number and infinities are null."""
    return value if math.isfinite(value) else None
