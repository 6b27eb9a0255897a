"""Health and metrics: the only routes without a token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import generate_latest

from bot.api.access import Caller, reader
from bot.api.deps import Deps
from bot.api.schemas.health import Alive, Dependency, HealthOut, ReadyOut
from tools.ports import Health

router = APIRouter(tags=["health"])
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def told(backends: Sequence[Health], *, details: bool = True) -> list[Dependency]:
    """Return backends as they are answered; details name addresses inside."""
    return [
        Dependency(
            name=h.name,
            up=h.up,
            configured=h.configured,
            detail=h.detail if details else "",
            state=h.word,
            since=h.since,
        )
        for h in backends
    ]


@router.get("/live")
async def live() -> Alive:
    """Say that the process answers."""
    return Alive()


@router.get("/ready", responses={503: {"model": ReadyOut}})
async def ready(deps: Deps, response: Response) -> ReadyOut:
    """Say whether the process may take work: started, not stopping, the database takes writes."""
    if not deps.pulse().ready:
        response.status_code = 503
        return ReadyOut(ready=False, detail="starting or stopping")
    if not await deps.store.healthy():
        response.status_code = 503
        return ReadyOut(ready=False, detail="the database does not answer")
    if not await deps.store.writable():
        response.status_code = 503
        detail = "the database takes no writes: its disk is full, or somebody holds it locked"
        return ReadyOut(ready=False, detail=detail)
    return ReadyOut(ready=True, detail="ready")


@router.get("/health", responses={503: {"model": HealthOut}})
async def health(
    deps: Deps, response: Response, caller: Annotated[Caller | None, Depends(reader)]
) -> HealthOut:
    """Say how the process and its dependencies are; 503 only when it cannot work at all.

    Why one is not well, with its address, is told with a token for reading.
    """
    backends = told(await deps.backends(), details=caller is not None)
    store = await deps.store.healthy()
    detail = "answers" if store else "does not answer"
    database = Dependency(name="database", up=store, configured=True, detail=detail)
    if not store:
        response.status_code = 503
        return HealthOut(status="down", version=deps.version, dependencies=[database, *backends])
    well = all(d.state == "up" for d in backends if d.configured)
    return HealthOut(
        status="ok" if well else "degraded",
        version=deps.version,
        dependencies=[database, *backends],
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {TEXT: {}}}})
async def metrics(deps: Deps) -> Response:
    """Return the bot's own metrics in Prometheus text."""
    await deps.before_scrape()
    return Response(generate_latest(deps.registry), media_type=TEXT)
