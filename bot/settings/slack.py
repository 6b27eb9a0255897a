"""Slack: the tokens that the environment holds, and the room's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from bot.settings.arguments import configured
from bot.settings.errors import ConfigError
from bot.settings.settings import Settings, SlackCredentials
from bot.slack.config import API_URL, SlackConfig


def slack_credentials(found: Mapping[str, str], *, production: bool) -> SlackCredentials | None:
    """Return the tokens; None without a bot token. Raises ConfigError."""
    token = found.get("SLACK_BOT_TOKEN", "")
    if not token:
        return None
    if not token.startswith("xoxb-"):
        raise ConfigError(
            "SLACK_BOT_TOKEN must be a bot token (it starts with 'xoxb-'); "
            "copy it from your Slack app's page 'OAuth & Permissions'"
        )
    app_token, secret = found.get("SLACK_APP_TOKEN", ""), found.get("SLACK_SIGNING_SECRET", "")
    if not app_token and not secret:
        raise ConfigError(
            "SLACK_BOT_TOKEN is set, but neither SLACK_APP_TOKEN (Socket Mode) nor "
            "SLACK_SIGNING_SECRET (HTTP mode) is; set one of them"
        )
    if app_token and not app_token.startswith("xapp-"):
        raise ConfigError(
            "SLACK_APP_TOKEN must be an app-level token (it starts with 'xapp-'); "
            "generate it on your Slack app's page 'Basic Information'"
        )
    url = found.get("SLACK_API_URL") or API_URL
    if production and url != API_URL:
        raise ConfigError(
            f"SLACK_API_URL is {url!r}, which app.environment 'production' refuses; unset it, or "
            "set app.environment to 'development'"
        )
    return SlackCredentials(token, app_token, secret, url if url.endswith("/") else f"{url}/")


def slack_config(settings: Settings, owner: str) -> SlackConfig:
    """Return how the Slack room is reached; `owner` is this process, for leases.

    Raises ValueError when Slack is not configured.
    """
    slack, section = settings.slack, settings.document.slack
    if slack is None:
        raise ValueError(f"slack is not configured: {settings.off['slack']}")
    return SlackConfig(
        bot_token=slack.bot_token,
        owner=owner,
        app_token=slack.app_token,
        signing_secret=slack.signing_secret,
        api_url=slack.api_url,
        default_locale=settings.installation.locale,
        locales=section.channels.locales,
        default_timezone=settings.digest.timezone,
        link_hosts=(*(section.link_hosts or ()), *_own_hosts(settings)),
        **configured(
            incidents_channel=section.channels.default_incidents,
            digest_channel=section.channels.digest,
            status_channel=section.channels.status,
        ),
    )


def _own_hosts(settings: Settings) -> tuple[str, ...]:
    """Return the hosts our own links to Explore and to traces name: an operator wrote them down."""
    traces = settings.tracing.link_template if settings.tracing else ""
    urls = (settings.document.links.grafana_url, traces)
    return tuple(urlsplit(url).netloc for url in urls if url)
