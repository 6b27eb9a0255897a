"""How long a connection may take over its request, and how many there may be.

    connected ──first byte or none──> the request, header and body ──whole in time──> answered
                                          └ not whole after `request_seconds`: cut off

A crowd that opens connections and says nothing takes no place from who asks: where there are as
many as may be, the one that has kept us waiting longest for its request makes room.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import h11
import structlog
from uvicorn.protocols.http.h11_impl import H11Protocol

from bot.api.config import ApiConfig

log = structlog.get_logger(__name__)


class PatientProtocol(H11Protocol):
    """uvicorn's protocol, with a deadline for each request and a place for so many."""

    api = ApiConfig()

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a request, or refuse where all places are taken."""
        self.since = asyncio.get_running_loop().time()
        self._deadline: asyncio.TimerHandle | None = None
        self.pushed_out = self._refused = False
        places = [each for each in self.connections if isinstance(each, PatientProtocol)]
        places = [each for each in places if not each.pushed_out]
        if len(places) >= self.api.most_connections and not _room_made(places):
            log.warning("api.connection_refused", most=self.api.most_connections)
            self._refused = True
            transport.abort()
            self.transport = transport
            return
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._wait_no_more()
        if not self._refused:  # uvicorn never heard of one that was
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on; a whole request ends the wait."""
        if self._deadline is None and self.waits:
            self._wait()  # the next request of a connection that was kept
        super().data_received(data)
        if not self.waits:
            self._wait_no_more()

    @property
    def waits(self) -> bool:
        """Whether the request is not whole yet."""
        return self.conn.their_state in (h11.IDLE, h11.SEND_BODY)

    def _wait(self) -> None:
        self.since = self.loop.time()
        self._deadline = self.loop.call_later(self.api.request_seconds, self._too_slow)

    def _wait_no_more(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.waits:
            self.transport.abort()


def _room_made(places: Sequence[PatientProtocol]) -> bool:
    """Push out whoever has kept us waiting longest; False when nobody does."""
    longest = min((each for each in places if each.waits), key=lambda e: e.since, default=None)
    if longest is None:
        return False
    longest.pushed_out = True  # it is lost at the loop's next turn, and its task hears of it
    longest.transport.abort()
    return True


def protocol_of(config: ApiConfig) -> type[PatientProtocol]:
    """Return the protocol with the limits of a configuration."""
    return type("Protocol", (PatientProtocol,), {"api": config})
