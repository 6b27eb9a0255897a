"""The room's channels: their ids, which one is whose, language and time zone of each.

Configuration names a channel by its id or by its name; names are looked up in the channel book.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.ids import ChannelId
from bot.domain.question import Voice
from bot.locale import Texts
from bot.slack.config import SlackConfig
from bot.slack.directory import ChannelBook
from tools.world import ServiceSpec


class SlackChannels:
    """The Channels port over Slack."""

    def __init__(self, config: SlackConfig, book: ChannelBook) -> None:
        self._config, self._book = config, book

    def known(self, name: str) -> ChannelId:
        """Return a channel's id if its name is known by now, else the name as it is."""
        return self._book.known(name)

    def of_service(self, service: ServiceSpec | None) -> ChannelId:
        """Return the channel a service's findings and plans go to."""
        name = service.channel if service is not None and service.channel else ""
        return self._book.known(name or self._config.incidents_channel)

    def of_digest(self) -> ChannelId:
        """Return the channel of the digest."""
        return self._book.known(self._config.digest_channel)

    def of_status(self) -> ChannelId:
        """Return the channel where stakeholders read of incidents; empty for none."""
        name = self._config.status_channel
        return self._book.known(name) if name else ChannelId("")

    def voice_of(self, channel: ChannelId) -> Voice:
        """Return how a channel is spoken to."""
        config = self._config
        return Voice(
            locale=self._find(config.locales, channel) or config.default_locale,
            timezone=self._find(config.timezones, channel) or config.default_timezone,
        )

    def texts_of(self, channel: ChannelId) -> Texts:
        """Return the texts in a channel's language."""
        return Texts(self.voice_of(channel).locale)

    def _find(self, table: Mapping[str, str], channel: ChannelId) -> str:
        for name, value in table.items():
            if channel and channel in {name, self._book.known(name)}:
                return value
        return ""
