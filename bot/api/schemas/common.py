"""What every answer has in common."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from foundation.blanks import is_blank
from foundation.encodings import writable


def _said(reason: str) -> str:
    if is_blank(reason):
        raise ValueError("there is nothing to read in it; say why")
    return reason


Reason = Annotated[str, Field(min_length=1, max_length=3000), AfterValidator(_said)]


def _written(given: Any) -> Any:
    return writable(given) if isinstance(given, str) else given


Label = Annotated[str, BeforeValidator(_written)]  # half a character in it becomes `?`
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)  # before any platform of today; epoch 0 is a mistake
NEWEST = datetime(2100, 1, 1, tzinfo=UTC)


def _in_range(at: datetime) -> datetime:
    try:
        found = at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError as error:
        raise ValueError("this time is beyond every calendar") from error
    if not OLDEST <= found < NEWEST:
        raise ValueError(f"times are from {OLDEST:%Y} on and before {NEWEST:%Y}")
    return found


At = Annotated[datetime, AfterValidator(_in_range)]  # in UTC; one without a zone is taken as UTC


class Out(BaseModel):
    """Base of every answer."""

    model_config = ConfigDict(frozen=True)


def number(value: float) -> float | None:
    """Return a figure as JSON knows it: not-a-number and infinities are null."""
    return value if math.isfinite(value) else None
