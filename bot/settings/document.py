"""The document: all sections of config.yaml, and the keys that can no longer act."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.settings.backend_sections import (
    AlertmanagerSection,
    KubernetesSection,
    LinksSection,
    LokiSection,
    PrometheusSection,
    Section,
    TracingSection,
)
from bot.settings.sections import (
    AccessSection,
    AlertsSection,
    AnomalyDetectionSection,
    ApiSection,
    AppSection,
    AuditSection,
    AutoRemediationSection,
    BaselineSection,
    BudgetsSection,
    IncidentsSection,
    KnowledgeSection,
    LlmSection,
    NotificationSection,
    PathsSection,
    RiskAssessmentSection,
    SlackSection,
)


class ConfigDocument(Section):
    """Everything config.yaml may say."""

    app: AppSection = AppSection()
    prometheus: PrometheusSection = PrometheusSection()
    loki: LokiSection = LokiSection()
    alertmanager: AlertmanagerSection = AlertmanagerSection()
    links: LinksSection = LinksSection()
    tracing: TracingSection = TracingSection()
    kubernetes: KubernetesSection = KubernetesSection()
    llm: LlmSection = LlmSection()
    baseline: BaselineSection = BaselineSection()
    anomaly_detection: AnomalyDetectionSection = AnomalyDetectionSection()
    alerts: AlertsSection = AlertsSection()
    risk_assessment: RiskAssessmentSection = RiskAssessmentSection()
    auto_remediation: AutoRemediationSection = AutoRemediationSection()
    notification: NotificationSection = NotificationSection()
    audit: AuditSection = AuditSection()
    api: ApiSection = ApiSection()
    slack: SlackSection = SlackSection()
    incidents: IncidentsSection = IncidentsSection()
    access: AccessSection = AccessSection()
    budgets: BudgetsSection = BudgetsSection()
    knowledge: KnowledgeSection = KnowledgeSection()
    paths: PathsSection = PathsSection()


RETIRED: Mapping[tuple[str, ...], str] = {
    ("llm", "temperature"): "Claude's API refuses sampling parameters since 2026-10-21",
    ("api", "workers"): "the API runs inside the bot's one process; scale with replicas",
}


def retired_keys(document: ConfigDocument) -> dict[str, str]:
    """Return the keys that are set and can no longer act, with the reason."""
    told = {}
    for keys, why in RETIRED.items():
        value: Any = document
        for key in keys:
            value = getattr(value, key)
        if value is not None:
            told[".".join(keys)] = why
    return told
