"""The decision's own configuration, filled in from the document: risk, policy, access."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from bot.domain.access import AccessConfig, Role
from bot.domain.policy import AutoTier, PolicyConfig
from bot.domain.risk import RiskConfig
from bot.settings.document import Access, ConfigError, Document
from bot.store.anchors import AnchorConfig
from tools.backends.webhook import WebhookConfig


def risk_config(document: Document) -> RiskConfig:
    """Return weights and cuts. Raises ConfigError for weights that do not sum to 1."""
    weights = document.risk_assessment.weights
    cuts = document.risk_assessment.thresholds
    try:
        return RiskConfig(
            severity_weight=weights.severity,
            urgency_weight=weights.urgency,
            impact_weight=weights.impact,
            complexity_weight=weights.complexity,
            auto_below=cuts.auto,
            semi_auto_below=cuts.semi_auto,
            manual_below=cuts.manual,
        )
    except ValueError as error:
        raise ConfigError(f"risk_assessment: {error}") from error


def webhook_config(document: Document) -> WebhookConfig | None:
    """Return the webhook told besides Slack. Raises ConfigError; it never quotes the address."""
    section = document.notification.webhook
    url = section.url.get_secret_value() if section.url is not None else ""
    _check_address(url, "notification.webhook.url")
    setting = "notification.webhook.url (WEBHOOK_URL)"
    return (
        WebhookConfig(url=url, setting=setting, timeout_seconds=section.timeout_seconds)
        if url
        else None
    )


def _check_address(url: str, key: str) -> None:
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ConfigError(f"{key} must be an http(s) address")


def anchor_config(document: Document, secret: str) -> AnchorConfig:
    """Return where the audit chain is anchored. Raises ConfigError; it never quotes the address."""
    section = document.audit.anchor
    url = section.webhook_url.get_secret_value() if section.webhook_url is not None else ""
    _check_address(url, "audit.anchor.webhook_url")
    if url and not secret:
        raise ConfigError(
            "audit.anchor.webhook_url is set, but AUDIT_ANCHOR_SECRET (or …_FILE) is not: what is "
            "posted there is signed with it; share one with the receiver"
        )
    return AnchorConfig(Path(section.file) if section.file else None, url, secret)


def policy_config(document: Document) -> PolicyConfig:
    """Return what may run, how often and for how long a question stands."""
    section = document.auto_remediation
    return PolicyConfig(
        enabled=section.enabled,
        dry_run=section.dry_run,
        auto_tier=AutoTier(section.auto_tier),
        requester_counts=section.requester_counts,
        break_glass=section.break_glass,
        max_concurrent=section.max_concurrent_actions,
        cooldown=timedelta(minutes=section.cooldown_minutes),
        expiry=timedelta(minutes=section.expiry_minutes),
        max_pods_affected=section.max_pods_affected,
        protected_namespaces=section.blacklist.namespaces,
        protected_labels=section.blacklist.labels,
    )


def access_config(access: Access, channel_id: Callable[[str], str]) -> AccessConfig:
    """Return who holds which role; channels are named `#incidents` and looked up by id."""
    return AccessConfig(
        holders={
            Role.VIEWER: access.viewer,
            Role.RESPONDER: access.responder,
            Role.APPROVER: access.approver,
            Role.ADMIN: access.admin,
        },
        channels={channel_id(name): _holders(held) for name, held in access.channels.items()},
        services={name: _holders(held) for name, held in access.services.items()},
    )


def _holders(held: Mapping[str, tuple[str, ...]]) -> dict[Role, tuple[str, ...]]:
    try:
        return {Role(name): holders for name, holders in held.items()}
    except ValueError as error:
        known = ", ".join(role.value for role in Role)
        raise ConfigError(f"access: {error}; known roles: {known}") from error
