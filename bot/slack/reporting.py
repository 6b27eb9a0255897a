"""How an outer boundary reports what nobody expected: with its traceback, once."""

from __future__ import annotations

import structlog

log = structlog.get_logger(__name__)


def report(event: str, error: Exception, **fields: object) -> None:
    """Log an unexpected error with its traceback."""
    log.error(event, error=repr(error), exc_info=error, **fields)
