"""Whom the bot tells, and when: the digest, the webhook, the anchors of the audit chain."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.core.incidents.config import IncidentConfig
from bot.core.ports import FileLayout
from bot.core.reports.digests import DigestSchedule
from bot.domain.incident import Priority
from bot.settings.arguments import configured, converted, minutes, seconds
from bot.settings.document import ConfigDocument
from bot.settings.errors import ConfigError
from bot.settings.heartbeat import HeartbeatOut
from bot.store.anchors import AnchorConfig, head_file_beside
from tools.backends.webhook import WebhookConfig

CONFIG_MAP = re.compile(r"[a-z0-9-]+/[a-z0-9.-]+")
OFF = "off"


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


def heartbeat_config(document: ConfigDocument) -> HeartbeatOut | None:
    """Return who notices that we are dead. Raises ConfigError; it never quotes the address."""
    section = document.notification.heartbeat
    url = _secret_address(section.url, "notification.heartbeat.url")
    if not url:
        return None
    webhook = WebhookConfig(
        url=url,
        setting="notification.heartbeat.url (HEARTBEAT_URL)",
        backend="heartbeat",
        **configured(timeout_seconds=section.timeout_seconds),
    )
    every = configured(every=converted(seconds, section.every_seconds))
    return HeartbeatOut(webhook, **every)


def incident_config(document: ConfigDocument) -> IncidentConfig:
    """Return how incidents are told."""
    section = document.incidents
    own = None if section.own_channel_from in {None, OFF} else Priority(section.own_channel_from)
    return IncidentConfig(**configured(on_call=section.on_call, own_channel_from=own))


def anchor_config(document: ConfigDocument, files: FileLayout, secret: str) -> AnchorConfig:
    """Return where the audit chain is anchored. Raises ConfigError; it never quotes the address."""
    section = document.audit.anchor
    if section.config_map and not CONFIG_MAP.fullmatch(section.config_map):
        raise ConfigError(
            f"audit.anchor.config_map must be namespace/name, got {section.config_map!r}"
        )
    url = _secret_address(section.webhook_url, "audit.anchor.webhook_url")
    if url and not secret:
        raise ConfigError(
            "audit.anchor.webhook_url is set, but AUDIT_ANCHOR_SECRET (or …_FILE) is not: what is "
            "posted there is signed with it; share one with the receiver"
        )
    return AnchorConfig(
        webhook_url=url,
        secret=secret,
        head_file=_head_file(section.head_file, files),
        **configured(
            config_map=section.config_map or None,
            file=converted(Path, section.file or None),
            every=converted(minutes, section.every_minutes),
        ),
    )


def _head_file(named: str | None, files: FileLayout) -> Path | None:
    if named:
        return None if named == OFF else Path(named)
    try:
        return head_file_beside(files.audit_key, files.database_url)
    except ValueError:
        return None  # who opens the database tells what is wrong with its address


def _secret_address(url: SecretStr | None, key: str) -> str:
    plain = url.get_secret_value() if url is not None else ""
    parts = urlsplit(plain)
    if plain and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ConfigError(f"{key} must be an http(s) address")
    return plain
