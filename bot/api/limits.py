"""A request's body has a size limit, told before or while it is read."""

from __future__ import annotations

import contextlib

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.api.problems import problem_response

MOST_BYTES = 1_000_000


class TooLargeError(Exception):
    """The body went beyond the limit while it was read."""


class BodyLimit:
    """ASGI middleware that answers 413."""

    def __init__(self, app: ASGIApp, most_bytes: int = MOST_BYTES) -> None:
        """Wrap an application."""
        self._app, self._most = app, most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what is received."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        told = dict(scope["headers"]).get(b"content-length", b"0")
        if told.isdigit() and int(told) > self._most:
            await self._refuse(scope, receive, send)
            return
        seen, started = 0, False

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._most:
                raise TooLargeError
            return message

        async def noted(message: Message) -> None:
            nonlocal started
            if seen > self._most and not started:
                return  # the framework's own words for a body it could not read
            started = True
            await send(message)

        with contextlib.suppress(TooLargeError):
            await self._app(scope, counted, noted)
        if seen > self._most and not started:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = f"the body is larger than {self._most} bytes; send it in smaller parts"
        await problem_response(413, text)(scope, receive, send)
