"""Settings: everything the composition root needs, checked and frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.api.config import ApiConfig
from bot.claude.model import ClaudeConfig
from bot.core.detection.alert_config import AlertConfig
from bot.core.detection.cycle import CycleConfig
from bot.core.detection.learning import LearningConfig
from bot.core.incidents.config import IncidentConfig
from bot.core.ports import Budget, Clock, FileLayout, Installation
from bot.core.reports.digests import DigestSchedule
from bot.domain.access import AccessConfig, Role
from bot.domain.plans.policy import PolicyConfig
from bot.domain.plans.risk import RiskConfig
from bot.domain.secrets.redaction import Redactor
from bot.settings.document import ConfigDocument
from bot.settings.heartbeat import HeartbeatOut
from bot.store.anchors import AnchorConfig
from bot.telemetry import LogConfig
from tools.analysis.detect import DetectorSettings
from tools.backends.http import HttpConfig
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.loki import LokiConfig
from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.tracing import TracingConfig
from tools.backends.transport import Connection
from tools.backends.webhook import WebhookConfig
from tools.world import ModelData


@dataclass(frozen=True, slots=True)
class SlackCredentials:
    """How Slack knows us; tokens are secrets."""

    bot_token: str = field(repr=False)
    app_token: str = field(repr=False)  # present: Socket Mode
    signing_secret: str = field(repr=False)  # HTTP mode
    api_url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the composition root needs. None is off."""

    document: ConfigDocument  # what was written; all below is what follows from it
    installation: Installation
    files: FileLayout
    clock: Clock
    log: LogConfig
    # what is asked
    slack: SlackCredentials | None
    claude: ClaudeConfig | None
    model_data: ModelData  # what Claude may read of a service that does not say
    prometheus: Mapping[str, PrometheusConfig]  # by instance, the default first; empty is off
    loki: Mapping[str, LokiConfig]
    tracing: TracingConfig | None
    alertmanager: Connection | None
    clusters: Mapping[str, KubernetesConfig]  # by the cluster's name, the default first
    default_cluster: str  # where a service runs that does not say
    # what is told
    api: ApiConfig
    webhook: WebhookConfig | None
    heartbeat: HeartbeatOut | None
    digest: DigestSchedule
    incidents: IncidentConfig
    # what is judged, decided and done
    detector: DetectorSettings
    cycle: CycleConfig
    alerts: AlertConfig
    learning: LearningConfig
    policy: PolicyConfig
    risk: RiskConfig
    access: AccessConfig  # channels by the names they are given; see `with_channel_ids`
    budget: Budget
    http_actions: HttpConfig
    # what is kept
    audit_key: bytes = field(repr=False)  # empty: read or generate `files.audit_key`
    audit_anchor: AnchorConfig
    redactor: Redactor = field(repr=False)
    retired: Mapping[str, str]  # keys that are set and can no longer act: why

    @property
    def cluster_names(self) -> tuple[str, ...]:
        """Every cluster that is read or observed."""
        observed = [each.cluster for each in self.prometheus.values()]
        observed += [each.cluster for each in self.loki.values()]
        return tuple(dict.fromkeys([self.default_cluster, *self.clusters, *filter(None, observed)]))

    @property
    def off(self) -> dict[str, str]:
        """Return what is not configured, and what would switch it on."""
        ways = {
            "slack": ("SLACK_BOT_TOKEN and SLACK_APP_TOKEN", self.slack),
            "claude": ("ANTHROPIC_API_KEY", self.claude),
            "prometheus": ("PROMETHEUS_URL", self.prometheus),
            "loki": ("LOKI_URL", self.loki),
            "tracing": ("TRACING_URL", self.tracing),
            "kubernetes": ("KUBECONFIG or K8S_IN_CLUSTER=true", self.clusters),
            "kubernetes actions": (
                "KUBECONFIG_ACT",
                any(each.actionable for each in self.clusters.values()),
            ),
            "http actions": ("auto_remediation.http_hosts", self.http_actions.hosts),
            "webhook": ("WEBHOOK_URL", self.webhook),
            "approvals": (
                "access.approver to a user group (S…) or a person (U…): nobody can answer a plan",
                self.access.who_holds(Role.APPROVER),
            ),
        }
        return {name: f"set {how}" for name, (how, value) in ways.items() if not value}
