"""How each channel is spoken to: language and time zone, by id or name."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.ids import ChannelId
from bot.domain.question import Voice
from bot.locale import Texts
from bot.slack.config import SlackConfig
from bot.slack.directory import ChannelBook


class Voices:
    """Looks up the voice of a channel."""

    def __init__(self, config: SlackConfig, book: ChannelBook) -> None:
        self._config, self._book = config, book

    def of(self, channel: ChannelId) -> Voice:
        """Return a channel's voice."""
        config = self._config
        return Voice(
            locale=self._find(config.locales, channel) or config.default_locale,
            timezone=self._find(config.timezones, channel) or config.default_timezone,
        )

    def texts(self, channel: ChannelId) -> Texts:
        """Return the texts in a channel's language."""
        return Texts(self.of(channel).locale)

    def _find(self, table: Mapping[str, str], channel: ChannelId) -> str:
        for name, value in table.items():
            if channel and channel in {name, self._book.known(name)}:
                return value
        return ""
