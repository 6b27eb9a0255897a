"""Where in Slack something lives."""

from __future__ import annotations

from dataclasses import dataclass

from bot.domain.ids import ChannelId, Ts


@dataclass(frozen=True, slots=True)
class Place:
    """A thread of a channel; `thread_ts` is None for the channel itself."""

    channel: ChannelId
    thread_ts: Ts | None = None

    def key(self) -> str:
        """Return one text that names the thread, for leases and conversations."""
        return f"{self.channel}:{self.thread_ts or ''}"


TERMINAL = Place(ChannelId("terminal"))  # where `python -m bot ask` talks
