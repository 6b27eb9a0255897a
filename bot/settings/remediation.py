"""What may run, how its risk is weighed, and which hosts it may call."""

from __future__ import annotations

from collections.abc import Mapping

from bot.domain.plans.policy import OwnGround, PolicyConfig
from bot.domain.plans.risk import RiskConfig
from bot.settings.arguments import configured, converted, minutes
from bot.settings.document import ConfigDocument
from bot.settings.errors import ConfigError
from tools.backends.http import HttpConfig


def risk_config(document: ConfigDocument) -> RiskConfig:
    """Return weights and cuts. Raises ConfigError for weights that do not sum to 1."""
    weights = document.risk_assessment.weights
    cuts = document.risk_assessment.thresholds
    try:
        return RiskConfig(
            **configured(
                severity_weight=weights.severity,
                urgency_weight=weights.urgency,
                impact_weight=weights.impact,
                complexity_weight=weights.complexity,
                auto_below=cuts.auto,
                semi_auto_below=cuts.semi_auto,
                manual_below=cuts.manual,
                categories=document.risk_assessment.categories,
            )
        )
    except ValueError as error:
        raise ConfigError(f"risk_assessment: {error}") from error


def policy_config(document: ConfigDocument, own: OwnGround) -> PolicyConfig:
    """Return what may run, how often and for how long a question stands."""
    section = document.auto_remediation
    return PolicyConfig(
        own=own,
        **configured(
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
        ),
    )


def http_config(document: ConfigDocument, found: Mapping[str, str]) -> HttpConfig:
    """Return which hosts `http_call` may reach."""
    section = document.auto_remediation
    return HttpConfig(
        secret=found.get("HTTP_ACTION_SECRET", ""),
        **configured(hosts=section.http_hosts, private_hosts=section.http_private_hosts),
    )
