"""What is raised when the configuration is wrong."""

from __future__ import annotations


class ConfigError(ValueError):
    """The configuration is wrong; the message names the place, the value and the next step."""
