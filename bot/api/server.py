"""uvicorn inside the bot's event loop: it starts, serves and stops with the bot."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import structlog
from starlette.applications import Starlette

from bot.api.config import ApiConfig

log = structlog.get_logger(__name__)


class PortInUseError(OSError):
    """The address cannot be listened on; the message names it and what to set."""


class ApiServer:
    """Serves an ASGI application."""

    def __init__(self, config: ApiConfig, app: Starlette, variable: str = "API_PORT") -> None:
        """Remember what to serve; `variable` names the port to people. Nothing listens yet."""
        self._config, self._app, self._variable = config, app, variable
        self._server: Any = None
        self._task: asyncio.Task[None] | None = None
        self.port = config.port  # the real one after start

    async def start(self) -> None:
        """Listen and serve. Raises PortInUseError before anything is served."""
        import uvicorn

        from bot.api.patience import protocol_of  # imports uvicorn as well

        listener = _listen(self._config, self._variable)
        self.port = listener.getsockname()[1]
        settings = uvicorn.Config(
            self._app,
            http=protocol_of(self._config),
            log_config=None,
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=5,
            server_header=False,
        )
        self._server = uvicorn.Server(settings)
        self._task = asyncio.create_task(self._server._serve([listener]), name="api")  # noqa: SLF001 - `serve` would take over SIGTERM, which is the bot's
        while not self._server.started:
            if self._task.done():
                await self._task
                raise PortInUseError(f"the API ended while it started on port {self.port}")
            await asyncio.sleep(0.01)
        log.info("api.started", host=self._config.host, port=self.port)

    async def stop(self) -> None:
        """End open requests and stop listening."""
        if self._server is None or self._task is None:
            return
        self._server.should_exit = True
        await self._task
        self._task = None


def _listen(config: ApiConfig, variable: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((config.host, config.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise PortInUseError(
            f"the API cannot listen on {config.host}:{config.port} ({error.strerror}); "
            f"stop what uses that port, or set {variable} to another one"
        ) from error
    listener.setblocking(False)
    return listener
