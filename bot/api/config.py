"""Where the API listens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Where the API listens. Port 0 takes a free one.

    `/live` has a port of its own as well, which answers while the event loop does not.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    live_port: int = 8001
    request_seconds: float = 10.0  # for a request to be whole, its body included
    most_connections: int = 256  # at once; who has kept us waiting longest makes room
