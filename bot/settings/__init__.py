"""Settings: config.yaml and environment become frozen dataclasses; nobody else reads either.

    config/config.yaml --document_reader--> ConfigDocument --+--loading--> Settings
    secrets, addresses, *_FILE --environment-----------------+

    sections, backend_sections   which keys there are, their types and bounds
    installation, backends, investigation, detection, remediation,
    access, notification, slack  which dataclass the keys of a subject fill in
    settings                     what comes out of it

A default stands in the dataclass that a key fills in, each of which its own room owns, and never
here: what nobody wrote is left out. What is not configured is None, which means off, and stands in
`Settings.off` with what would switch it on.
"""

from bot.settings.access import with_channel_ids
from bot.settings.audit_key import keyring_of
from bot.settings.document import ConfigDocument
from bot.settings.errors import ConfigError
from bot.settings.loading import load_settings
from bot.settings.settings import Settings, SlackCredentials
from bot.settings.slack import slack_config

__all__ = [
    "ConfigDocument",
    "ConfigError",
    "Settings",
    "SlackCredentials",
    "keyring_of",
    "load_settings",
    "slack_config",
    "with_channel_ids",
]
