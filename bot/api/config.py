"""Where the API listens."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Where the API listens. Port 0 takes a free one."""

    host: str = "127.0.0.1"
    port: int = 8000
