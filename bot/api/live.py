"""`/live` alone: whether the event loop turns, answered by somebody else than that loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response


@dataclass(frozen=True, slots=True)
class Liveness:
    """How the event loop is: seconds since it last turned, and whether that is too long."""

    silent_seconds: float
    alive: bool


def live_app(liveness: Callable[[], Liveness]) -> Starlette:
    """Return an application that answers `GET /live`, and 404 to everything else."""
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def live(_: Request) -> Response:
        found = liveness()
        body = {
            "status": "alive" if found.alive else "stuck",
            "loop_silent_seconds": round(found.silent_seconds, 1),
        }
        return JSONResponse(body, status_code=200 if found.alive else 503)

    return Starlette(routes=[Route("/live", live)])
