"""One part that fails costs itself alone: it is named, and everything else goes on.

    found = await isolated("chart", draw(group), gaps, otherwise="")
              └ draw raises ──> gaps["chart"] = why; "" is returned

What must be told is never held back by its decoration, and no group of anomalies by another one.
"""

from __future__ import annotations

from collections.abc import Awaitable, MutableMapping
from typing import TypeVar

import structlog

from tools.errors import ToolError

log = structlog.get_logger(__name__)
T = TypeVar("T")


async def isolated(
    part: str, asked: Awaitable[T], failed: MutableMapping[str, str], otherwise: T
) -> T:
    """Await one part; whatever it raises is noted in `failed` under its name, and reported.

    A ToolError is told in its own words. What nobody expected is told by its kind alone: its words
    are for whoever reads the log, and may hold anything.
    """
    try:
        return await asked
    except ToolError as error:
        failed[part] = str(error)
        log.warning("part.missing", part=part, why=str(error))
    except Exception as error:  # the boundary of one part: reported, named, and the rest goes on
        failed[part] = unexpected(error)
        log.exception("part.crashed", part=part)
    return otherwise


def unexpected(error: BaseException) -> str:
    """Return what people are told of an error that nobody foresaw."""
    return f"failed unexpectedly ({type(error).__name__})"
