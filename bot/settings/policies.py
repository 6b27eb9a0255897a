"""What may run, who may say so, what it may cost, how strictly is judged: each its own dataclass.

A function fills in what the document says of one subject and checks it; the rest is the
dataclass's default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.core.detection.cycle import CycleConfig
from bot.core.detection.learning import LearningConfig
from bot.core.ports import Budget, FileLayout, Installation
from bot.core.reports.digests import DigestSchedule
from bot.domain.access import OPEN_TO_READ, AccessConfig, Holders, Role
from bot.domain.policy import PolicyConfig
from bot.domain.risk import RiskConfig
from bot.settings.document import ConfigDocument
from bot.settings.errors import ConfigError
from bot.settings.said import converted, hours, minutes, said, seconds, usd_micros
from bot.settings.sections import AccessSection
from bot.store.anchors import AnchorConfig
from tools.analysis.detect import DetectorSettings
from tools.backends.http import HttpConfig
from tools.backends.webhook import WebhookConfig
from tools.errors import BadArgumentError

# --- the process ----------------------------------------------------------------------------


def installation_of(document: ConfigDocument) -> Installation:
    """Return name, version, environment and language."""
    section = document.app
    return Installation(
        **said(
            name=section.name,
            version=section.version,
            environment=section.environment,
            locale=section.locale,
        )
    )


def file_layout(document: ConfigDocument, config: Path, found: Mapping[str, str]) -> FileLayout:
    """Return where files are; `config` is where the document was read."""
    section = document.paths
    return FileLayout(
        config=config,
        **said(
            metrics=converted(Path, section.metrics),
            services=converted(Path, section.services),
            rca_rules=converted(Path, section.rca_rules),
            playbooks=converted(_paths, section.playbooks),
            tools=converted(_paths, section.tools),
            actions=converted(_paths, section.actions),
            export_dir=converted(Path, document.knowledge.export_dir or None),
            database_url=found.get("DATABASE_URL") or None,
            knowledge_uri=found.get("KNOWLEDGE_URI") or None,
        ),
    )


def _paths(names: tuple[str, ...]) -> tuple[Path, ...]:
    return tuple(Path(name) for name in names)


# --- detection ------------------------------------------------------------------------------


def detector_settings(document: ConfigDocument) -> DetectorSettings:
    """Return how strict the detector is. Raises ConfigError for an unknown algorithm."""
    section = document.anomaly_detection
    try:
        return DetectorSettings(
            **said(
                zscore_threshold=section.zscore_threshold,
                mad_threshold=section.mad_threshold,
                ensemble_min_votes=section.ensemble_min_votes,
                algorithms=section.algorithms,
            )
        )
    except BadArgumentError as error:
        raise ConfigError(f"anomaly_detection: {error}") from error


def cycle_config(document: ConfigDocument) -> CycleConfig:
    """Return when a detection cycle begins."""
    section = document.anomaly_detection
    return CycleConfig(**said(every=converted(seconds, section.check_interval_seconds)))


def learning_config(document: ConfigDocument) -> LearningConfig:
    """Return from how much history baselines are learned, and how often."""
    section = document.baseline
    return LearningConfig(
        **said(
            min_history_days=section.min_history_days,
            optimal_history_days=section.optimal_history_days,
            every=converted(hours, section.learning_interval_hours),
        )
    )


# --- remediation ----------------------------------------------------------------------------


def risk_config(document: ConfigDocument) -> RiskConfig:
    """Return weights and cuts. Raises ConfigError for weights that do not sum to 1."""
    weights = document.risk_assessment.weights
    cuts = document.risk_assessment.thresholds
    try:
        return RiskConfig(
            **said(
                severity_weight=weights.severity,
                urgency_weight=weights.urgency,
                impact_weight=weights.impact,
                complexity_weight=weights.complexity,
                auto_below=cuts.auto,
                semi_auto_below=cuts.semi_auto,
                manual_below=cuts.manual,
            )
        )
    except ValueError as error:
        raise ConfigError(f"risk_assessment: {error}") from error


def policy_config(document: ConfigDocument) -> PolicyConfig:
    """Return what may run, how often and for how long a question stands."""
    section = document.auto_remediation
    return PolicyConfig(
        **said(
            enabled=section.enabled,
            dry_run=section.dry_run,
            auto_tier=section.auto_tier,
            requester_counts=section.requester_counts,
            break_glass=section.break_glass,
            max_concurrent=section.max_concurrent_actions,
            cooldown=converted(minutes, section.cooldown_minutes),
            expiry=converted(minutes, section.expiry_minutes),
            max_pods_affected=section.max_pods_affected,
            protected_namespaces=section.blacklist.namespaces,
            protected_labels=section.blacklist.labels,
        )
    )


def http_config(document: ConfigDocument, found: Mapping[str, str]) -> HttpConfig:
    """Return which hosts `http_call` may reach."""
    section = document.auto_remediation
    return HttpConfig(
        secret=found.get("HTTP_ACTION_SECRET", ""),
        **said(hosts=section.http_hosts, private_hosts=section.http_private_hosts),
    )


# --- people ---------------------------------------------------------------------------------


def access_config(section: AccessSection) -> AccessConfig:
    """Return who holds which role, channels by the names they are given (`#incidents`)."""
    general = said(
        viewer=section.viewer,
        responder=section.responder,
        approver=section.approver,
        admin=section.admin,
    )
    return AccessConfig(
        holders={**OPEN_TO_READ, **_holders("", general)},
        channels={
            name: _holders(f".channels.{name}", held) for name, held in section.channels.items()
        },
        services={
            name: _holders(f".services.{name}", held) for name, held in section.services.items()
        },
    )


def with_channel_ids(access: AccessConfig, channel_id: Callable[[str], str]) -> AccessConfig:
    """Return the same with channels by their ids, which only Slack knows."""
    return replace(
        access, channels={channel_id(name): held for name, held in access.channels.items()}
    )


def _holders(place: str, held: Mapping[str, tuple[str, ...]]) -> Holders:
    try:
        return {Role(name): holders for name, holders in held.items()}
    except ValueError as error:
        known = ", ".join(role.value for role in Role)
        raise ConfigError(f"access{place}: {error}; known roles: {known}") from error


def budget_of(document: ConfigDocument) -> Budget:
    """Return what questions may cost."""
    turn, limits = document.budgets.turn, document.budgets
    return Budget(
        **said(
            max_steps=turn.max_steps,
            max_tokens=turn.max_tokens,
            seconds=turn.seconds,
            usd_micros_per_turn=converted(usd_micros, turn.usd),
            usd_micros_per_person_day=converted(usd_micros, limits.person_usd_per_day),
            usd_micros_per_team_day=converted(usd_micros, limits.team_usd_per_day),
            usd_micros_per_day=converted(usd_micros, limits.day_usd),
            max_output_tokens=document.llm.max_tokens,
        )
    )


def digest_schedule(document: ConfigDocument) -> DigestSchedule:
    """Return when the digest is told."""
    section = document.slack.digest
    return DigestSchedule(**said(cron=section.cron, timezone=section.timezone))


# --- who else is told -----------------------------------------------------------------------


def webhook_config(document: ConfigDocument) -> WebhookConfig | None:
    """Return the webhook told besides Slack. Raises ConfigError; it never quotes the address."""
    section = document.notification.webhook
    url = _secret_address(section.url, "notification.webhook.url")
    if not url:
        return None
    return WebhookConfig(
        url=url,
        setting="notification.webhook.url (WEBHOOK_URL)",
        **said(timeout_seconds=section.timeout_seconds),
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
        **said(
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
