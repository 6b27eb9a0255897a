"""Socket Mode: tickets, connections, envelopes, and the three seconds in which to acknowledge.

    events_api        acked in time ──> done
                      not acked     ──> sent again (at once, after 1 min, after 5 min), then dropped
                      nobody there  ──> waits for a connection
    interactive,
    slash_commands    acked in time ──> the ack's payload goes back to the person
                      otherwise     ──> the person sees a warning; never sent again

An ack may come over another connection than its envelope: clients answer on their newest one.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from aiohttp import ClientConnectionResetError, WSMsgType, web

from sandbox.slack.chat.people import APP_ID
from sandbox.slack.chat.wire import Json, mint

ACK_SECONDS = 3.0
RETRY_SECONDS = (0.0, 60.0, 300.0)  # Slack's: nearly at once, one minute, five minutes
MOST_CONNECTIONS = 10
_TICKET_SECONDS = 30.0
_LINGER_SECONDS = 10.0  # how long a connection told to go may stay


class NotAcknowledgedError(Exception):
    """The bot did not answer; the message says why, for the person who clicked."""


@dataclass(eq=False)
class Connection:
    """One open websocket. `leaving` ones get nothing new."""

    socket: web.WebSocketResponse
    leaving: bool = False


@dataclass
class SocketMode:
    """All connections of the app and what waits for an acknowledgement.

    Attributes:
        ack_seconds: wall seconds the app has to acknowledge.
        retry_scale: factor on the waits between redeliveries (0 makes them immediate).
        delivered: the latest envelopes sent, for inspection.
        late_acks: envelope ids acknowledged after the time was over.
    """

    ack_seconds: float = ACK_SECONDS
    retry_scale: float = 1.0
    on_connected: Callable[[bool], None] = lambda _connected: None
    on_settled: Callable[[], None] = lambda: None
    on_dropped: Callable[[Json], None] = lambda _payload: None
    delivered: deque[Json] = field(default_factory=lambda: deque(maxlen=2_000))
    late_acks: deque[str] = field(default_factory=lambda: deque(maxlen=2_000))
    connections: list[Connection] = field(default_factory=list)
    _tickets: dict[str, float] = field(default_factory=dict)
    _waiting: dict[str, "asyncio.Future[Json]"] = field(default_factory=dict)
    _came: asyncio.Condition = field(default_factory=asyncio.Condition)
    _tasks: set["asyncio.Task[None]"] = field(default_factory=set)
    _turn: "count[int]" = field(default_factory=count)

    @property
    def undelivered(self) -> int:
        """Events not yet acknowledged."""
        return len(self._tasks)

    @property
    def is_connected(self) -> bool:
        """Whether at least one connection takes envelopes."""
        return any(self._open())

    def ticket(self) -> str:
        """A one-use ticket for a websocket address, good for half a minute."""
        now = asyncio.get_running_loop().time()
        self._tickets = {t: until for t, until in self._tickets.items() if until > now}
        ticket = mint("", 32).lower()
        self._tickets[ticket] = now + _TICKET_SECONDS
        return ticket

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one websocket until it closes. aiohttp answers the pings."""
        until = self._tickets.pop(request.query.get("ticket", ""), 0.0)
        if until < asyncio.get_running_loop().time():
            raise web.HTTPUnauthorized(text="ticket unknown, used or expired")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        if len(self.connections) >= MOST_CONNECTIONS:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            await socket.close()
            return socket
        connection = Connection(socket)
        await socket.send_json(
            {
                "type": "hello",
                "num_connections": len(self.connections) + 1,
                "connection_info": {"app_id": APP_ID},
                "debug_info": {
                    "host": "local-slack", "build_number": 1, "approximate_connection_time": 18060,
                },
            }
        )  # fmt: skip
        await self._join(connection)
        try:
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._hear(frame.data)
        finally:
            self._leave(connection)
        return socket

    def send_event(self, payload: Json) -> None:
        """Deliver an event in the background, again and again as Slack would."""
        task = asyncio.get_running_loop().create_task(self._deliver(payload))
        self._tasks.add(task)
        task.add_done_callback(self._settle)

    async def ask(self, kind: str, payload: Json) -> Json:
        """Deliver a click, form or command once and return the payload of its ack.

        Raises:
            NotAcknowledgedError: nobody is connected, or no ack came in time.
        """
        if not self.is_connected:
            message = "SRE Agent is not connected. Start the bot, then try again."
            raise NotAcknowledgedError(message)
        answer = await self._send({"type": kind, "payload": payload}, accepts_response=True)
        if answer is None:
            message = f"SRE Agent did not answer within {self.ack_seconds:g} seconds. Try again."
            raise NotAcknowledgedError(message)
        return answer

    async def disconnect_all(self, reason: str = "refresh_requested") -> None:
        """Ask every client to connect anew, as Slack does every few hours."""
        for connection in list(self._open()):
            connection.leaving = True
            await connection.socket.send_json({"type": "disconnect", "reason": reason})
            loop = asyncio.get_running_loop()
            loop.call_later(_LINGER_SECONDS, self._hang_up, connection)
        self.on_connected(self.is_connected)

    async def drop_all(self) -> None:
        """Cut every connection without a word, as a network fault does."""
        for connection in list(self.connections):
            await connection.socket.close()

    async def close(self) -> None:
        """Stop deliveries and close every connection."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.drop_all()

    # ------------------------------------------------------------------ inside

    def _open(self) -> list[Connection]:
        return [c for c in self.connections if not c.leaving and not c.socket.closed]

    async def _join(self, connection: Connection) -> None:
        async with self._came:
            self.connections.append(connection)
            self._came.notify_all()
        self.on_connected(self.is_connected)

    def _leave(self, connection: Connection) -> None:
        if connection in self.connections:
            self.connections.remove(connection)
        self.on_connected(self.is_connected)

    def _settle(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        self.on_settled()

    def _hang_up(self, connection: Connection) -> None:
        if connection in self.connections and not connection.socket.closed:
            task = asyncio.get_running_loop().create_task(self._close(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _close(self, connection: Connection) -> None:
        await connection.socket.close()

    def _hear(self, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError:
            return
        envelope_id = frame.get("envelope_id") if isinstance(frame, dict) else None
        waiting = self._waiting.get(str(envelope_id))
        if waiting is None or waiting.done():
            self.late_acks.append(str(envelope_id))
            return
        payload = frame.get("payload")
        waiting.set_result(payload if isinstance(payload, dict) else {})

    async def _deliver(self, payload: Json) -> None:
        reason = ""
        for attempt, wait in enumerate((None, *RETRY_SECONDS)):
            if wait is not None:
                await asyncio.sleep(wait * self.retry_scale)
            async with self._came:
                await self._came.wait_for(lambda: self.is_connected)
            retry = {"retry_attempt": attempt, "retry_reason": reason}
            envelope = {"type": "events_api", "payload": payload, **retry}
            if await self._send(envelope, accepts_response=False) is not None:
                return
            reason = "timeout"
        self.on_dropped(payload)

    async def _send(self, envelope: Json, *, accepts_response: bool) -> Json | None:
        """Send over one connection and wait for the ack; None when none came."""
        connections = self._open()
        if not connections:
            return None
        connection = connections[next(self._turn) % len(connections)]
        envelope_id = f"{mint('', 8)}-{mint('', 12)}".lower()
        full = {
            **envelope,
            "envelope_id": envelope_id,
            "accepts_response_payload": accepts_response,
        }
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[envelope_id] = waiting
        self.delivered.append(full)
        try:
            await connection.socket.send_json(full)
            return await asyncio.wait_for(waiting, self.ack_seconds)
        except (TimeoutError, ClientConnectionResetError):
            return None
        finally:
            del self._waiting[envelope_id]
