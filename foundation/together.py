"""Questions asked at once: every answer, or the first error and nobody left asking.

`asyncio.gather` raises the first error too, but lets the others go on: they load a backend for an
answer that nobody waits for, and outlive the client that they ask with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def all_or_none(*asked: Coroutine[Any, Any, T]) -> list[T]:
    """Return every answer in order. Raises the first error after the others were given up."""
    tasks = [asyncio.ensure_future(each) for each in asked]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
