"""What config.yaml may say, key by key; `backend_sections` holds the backends' keys.

Nothing here has a default: None is "nobody wrote it", and then the dataclass that a key fills in
applies its own. What stands here is a key's name, its type and its bounds; docs/configure.md says
what each means.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from bot.core.ports import Environment
from bot.domain.plans.policy import AutoTier, OwnProtection
from bot.settings.backend_sections import Section
from tools.world import ModelData, Severity, is_namespace


def _known_zone(name: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(
            f"{name!r} is no time zone; use an IANA name such as Europe/Berlin"
        ) from error
    return name


LABEL = re.compile(r"([a-z0-9.-]{1,253}/)?[A-Za-z0-9][\w.-]{0,62}(=[\w.-]{0,63})?", re.ASCII)


def _namespace(name: str) -> str:
    """Refuse what no namespace is called: it would protect nothing, and nobody would know."""
    if not is_namespace(name):
        raise ValueError(f"{name!r} is no namespace's name; write each in full, in small letters")
    return name


def _label(text: str) -> str:
    """Refuse what no object carries: see `_namespace`."""
    if LABEL.fullmatch(text) is None:
        raise ValueError(f"{text!r} is no label; write name=value, or name for any value")
    return text


def _host(text: str) -> str:
    """Refuse what allows no host: nobody would know until a step is refused."""
    from tools.backends.http_hosts import AllowedHost

    AllowedHost.parse(text)
    return text


TimeZone = Annotated[str, AfterValidator(_known_zone)]
Host = Annotated[str, AfterValidator(_host)]
Ratio = Annotated[float, Field(ge=0, le=1)]
HoldersByRole = dict[str, tuple[str, ...]]


class AppSection(Section):
    """The process itself."""

    name: str | None = None
    version: str | None = None
    environment: Environment | None = None
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] | None = None
    platform: str | None = Field(None, max_length=200)  # what it looks after, in a few words
    locale: Literal["en", "zh"] | None = None


class LlmSection(Section):
    """The language model."""

    provider: Literal["anthropic"] | None = None
    model: str | None = None
    api_key: SecretStr | None = None
    max_tokens: int | None = Field(None, ge=256)
    temperature: float | None = None  # accepted, can no longer act: see RETIRED
    timeout_seconds: float | None = Field(None, gt=0)
    model_data: ModelData | None = None  # of services that do not say, and of what has none


class BaselineSection(Section):
    """How baselines are learned."""

    min_history_days: float | None = Field(None, gt=0)
    optimal_history_days: float | None = Field(None, gt=0)
    learning_interval_hours: float | None = Field(None, gt=0)
    holidays: tuple[date, ...] | None = None  # days that nothing is learned from


class AnomalyDetectionSection(Section):
    """The detector."""

    check_interval_seconds: float | None = Field(None, ge=5)
    zscore_threshold: float | None = Field(None, gt=0)
    mad_threshold: float | None = Field(None, gt=0)
    ensemble_min_votes: int | None = Field(None, ge=1)
    algorithms: tuple[str, ...] | None = None


class AlertsSection(Section):
    """What is made of alerts that the webhook tells."""

    severity: dict[str, Severity] | None = None  # words of a platform, besides the usual ones
    unknown_severity: Severity | None = None  # of a word in no table, and of none at all
    expire_after_hours: float | None = Field(None, gt=0)
    heartbeats: tuple[str, ...] | None = None  # names of alerts that always fire
    heartbeat_silent_minutes: float | None = Field(None, gt=0)


class WeightsSection(Section):
    """Weights of the four risk dimensions; they sum to 1."""

    severity: Ratio | None = None
    urgency: Ratio | None = None
    impact: Ratio | None = None
    complexity: Ratio | None = None


class ThresholdsSection(Section):
    """Cuts between the tiers."""

    auto: Ratio | None = None
    semi_auto: Ratio | None = None
    manual: Ratio | None = None


class RiskAssessmentSection(Section):
    """How risk becomes a tier."""

    weights: WeightsSection = WeightsSection()
    thresholds: ThresholdsSection = ThresholdsSection()
    categories: dict[str, Ratio] | None = None  # of metrics: how much rides on each


class BlacklistSection(Section):
    """What no action may touch."""

    namespaces: tuple[Annotated[str, AfterValidator(_namespace)], ...] | None = None
    labels: tuple[Annotated[str, AfterValidator(_label)], ...] | None = None
    own: OwnProtection | None = None  # how much of what the bot itself stands on


class AutoRemediationSection(Section):
    """Whether and how actions run."""

    enabled: bool | None = None
    dry_run: bool | None = None
    auto_tier: AutoTier | None = None
    max_concurrent_actions: int | None = Field(None, ge=1)
    cooldown_minutes: float | None = Field(None, ge=0)
    blacklist: BlacklistSection = BlacklistSection()
    requester_counts: bool | None = None
    break_glass: bool | None = None
    expiry_minutes: float | None = Field(None, gt=0)  # wall time
    max_pods_affected: int | None = Field(None, ge=1)
    http_hosts: tuple[Host, ...] | None = None  # hosts that http_call may reach
    http_private_hosts: tuple[Host, ...] | None = None  # of those, the ones with private addresses


class WebhookSection(Section):
    """A webhook told besides Slack."""

    url: SecretStr | None = None
    timeout_seconds: float | None = Field(None, gt=0)


class HeartbeatSection(Section):
    """A monitor elsewhere that notices when nothing comes any more."""

    url: SecretStr | None = None
    every_seconds: float | None = Field(None, ge=10)
    timeout_seconds: float | None = Field(None, gt=0)


class NotificationSection(Section):
    """Notifications outside Slack."""

    webhook: WebhookSection = WebhookSection()
    heartbeat: HeartbeatSection = HeartbeatSection()


class AnchorSection(Section):
    """Where the end of the audit chain is written down besides the database."""

    head_file: str | None = None  # the newest end alone; "off": nowhere
    file: str | None = None  # appended to; best on a disk that the bot's host cannot rewrite
    config_map: str | None = None  # namespace/name
    webhook_url: SecretStr | None = None  # gets a POST signed with AUDIT_ANCHOR_SECRET
    every_minutes: float | None = Field(None, gt=0)  # wall time


class AuditSection(Section):
    """The audit chain."""

    anchor: AnchorSection = AnchorSection()


class ApiSection(Section):
    """The HTTP server."""

    host: str | None = None
    port: int | None = Field(None, ge=0, le=65535)
    live_port: int | None = Field(None, ge=0, le=65535)
    workers: int | None = None  # accepted, can no longer act: see RETIRED


class SlackChannelsSection(Section):
    """Where the bot speaks by itself."""

    default_incidents: str | None = None
    digest: str | None = None
    status: str | None = None  # where stakeholders read
    locales: dict[str, Literal["en", "zh"]] = Field(default_factory=dict)  # "#channel": language


class IncidentsSection(Section):
    """How incidents are told."""

    on_call: tuple[str, ...] | None = None  # user groups (S…) and people (U…) to mention
    own_channel_from: Literal["off", "P0", "P1", "P2", "P3"] | None = None


class SlackDigestSection(Section):
    """When the digest is told."""

    cron: str | None = None
    timezone: TimeZone | None = None


class SlackSection(Section):
    """Slack."""

    channels: SlackChannelsSection = SlackChannelsSection()
    digest: SlackDigestSection = SlackDigestSection()
    link_hosts: tuple[str, ...] | None = None  # hosts that links in messages may name


class AccessSection(Section):
    """Who holds which role: user groups (S…), people (U…) or "*" for every full member."""

    viewer: tuple[str, ...] | None = None
    responder: tuple[str, ...] | None = None
    approver: tuple[str, ...] | None = None
    admin: tuple[str, ...] | None = None
    channels: dict[str, HoldersByRole] = Field(default_factory=dict)
    services: dict[str, HoldersByRole] = Field(default_factory=dict)


class TurnBudgetSection(Section):
    """What one question may cost."""

    max_steps: int | None = Field(None, ge=2)
    max_tokens: int | None = Field(None, ge=1000)
    seconds: float | None = Field(None, gt=0)
    usd: float | None = Field(None, ge=0)


class BudgetsSection(Section):
    """What all questions may cost."""

    turn: TurnBudgetSection = TurnBudgetSection()
    person_usd_per_day: float | None = Field(None, ge=0)
    team_usd_per_day: float | None = Field(None, ge=0)
    day_usd: float | None = Field(None, ge=0)


class KnowledgeSection(Section):
    """The knowledge base."""

    export_dir: str | None = None  # where published postmortems are written


class PathsSection(Section):
    """Files the bot reads besides config.yaml."""

    metrics: str | None = None
    services: str | None = None
    rca_rules: str | None = None
    playbooks: tuple[str, ...] | None = None
    knowledge: tuple[str, ...] | None = None  # folders of Markdown that fill an empty index
    words: str | None = None  # what people call things in questions
    tools: tuple[str, ...] | None = None  # folders of modules with tools of your own
    actions: tuple[str, ...] | None = None  # folders of modules with actions of your own
