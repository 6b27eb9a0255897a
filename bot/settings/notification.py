"""Whom the bot tells, and when: the digest, the webhook, the anchors of the audit chain."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.core.reports.digests import DigestSchedule
from bot.settings.arguments import configured, converted, minutes
from bot.settings.document import ConfigDocument
from bot.settings.errors import ConfigError
from bot.store.anchors import AnchorConfig
from tools.backends.webhook import WebhookConfig


def digest_schedule(document: ConfigDocument) -> DigestSchedule:
    """Return when the digest is told."""
    section = document.slack.digest
    return DigestSchedule(**configured(cron=section.cron, timezone=section.timezone))


def webhook_config(document: ConfigDocument) -> WebhookConfig | None:
    """Return the webhook told besides Slack. Raises ConfigError; it never quotes the address."""
    section = document.notification.webhook
    url = _secret_address(section.url, "notification.webhook.url")
    if not url:
        return None
    return WebhookConfig(
        url=url,
        setting="notification.webhook.url (WEBHOOK_URL)",
        **configured(timeout_seconds=section.timeout_seconds),
    )


def anchor_config(document: ConfigDocument, secret: str) -> AnchorConfig:
    """Return where the audit chain is anchored. Raises ConfigError; it never quotes the address."""
    section = document.audit.anchor
    url = _secret_address(section.webhook_url, "audit.anchor.webhook_url")
    if url and not secret:
        raise ConfigError(
            "audit.anchor.webhook_url is set, but AUDIT_ANCHOR_SECRET (or …_FILE) is not: what is "
            "posted there is signed with it; share one with the receiver"
        )
    return AnchorConfig(
        webhook_url=url,
        secret=secret,
        **configured(
            file=converted(Path, section.file or None),
            every=converted(minutes, section.every_minutes),
        ),
    )


def _secret_address(url: SecretStr | None, key: str) -> str:
    plain = url.get_secret_value() if url is not None else ""
    parts = urlsplit(plain)
    if plain and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ConfigError(f"{key} must be an http(s) address")
    return plain
