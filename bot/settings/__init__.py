"""Settings: config.yaml and environment become frozen dataclasses."""

from bot.settings.document import ConfigError
from bot.settings.loading import Settings, audit_key, load_settings

__all__ = ["ConfigError", "Settings", "audit_key", "load_settings"]
