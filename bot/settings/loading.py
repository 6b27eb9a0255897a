"""Loading: environment and config.yaml become Settings, or one clear line of what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bot.api.config import ApiConfig
from bot.core.ports import FileLayout
from bot.domain.secrets.redaction import Redactor
from bot.settings.access import access_config
from bot.settings.arguments import configured
from bot.settings.audit_key import given_key, refuse_weak_key
from bot.settings.backends import (
    alertmanager_config,
    default_cluster,
    kubernetes_clusters,
    loki_instances,
    prometheus_instances,
    tracing_config,
)
from bot.settings.detection import (
    alert_config,
    cycle_config,
    detector_settings,
    learning_config,
)
from bot.settings.document import ConfigDocument, retired_keys
from bot.settings.document_reader import read_document
from bot.settings.environment import (
    SECRET_NAMES,
    clock_of,
    environment,
    port_of,
    with_files,
)
from bot.settings.installation import file_layout, installation_of
from bot.settings.investigation import budget_of, claude_config, model_data_of
from bot.settings.notification import (
    anchor_config,
    digest_schedule,
    heartbeat_config,
    incident_config,
    webhook_config,
)
from bot.settings.own_ground import own_ground
from bot.settings.remediation import http_config, policy_config, risk_config
from bot.settings.secret_keys import secrets_of
from bot.settings.settings import Settings
from bot.settings.slack import slack_credentials
from bot.settings.variables import variables_of
from bot.telemetry import LogConfig


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment and the file it names. Raises ConfigError with one clear line."""
    given = environment() if environ is None else environ
    named = given.get("SRE_AGENT_CONFIG")
    path = Path(named) if named else FileLayout().config
    found = with_files(given, variables_of(path))
    document = read_document(path, found)
    installed = installation_of(document)
    cluster = default_cluster(document.kubernetes, found)
    clusters = kubernetes_clusters(document.kubernetes, cluster)
    files = file_layout(document, path, found)
    settings = Settings(
        document=document,
        installation=installed,
        files=files,
        clock=clock_of(found),
        log=LogConfig(**configured(level=found.get("LOG_LEVEL") or document.app.log_level)),
        slack=slack_credentials(found, production=installed.production),
        claude=claude_config(document, found),
        model_data=model_data_of(document),
        prometheus=prometheus_instances(document),
        loki=loki_instances(document),
        tracing=tracing_config(document.tracing),
        alertmanager=alertmanager_config(document.alertmanager),
        clusters=clusters,
        default_cluster=next(iter(clusters), cluster.name),
        api=_api(document, found),
        webhook=webhook_config(document),
        heartbeat=heartbeat_config(document),
        digest=digest_schedule(document),
        incidents=incident_config(document),
        detector=detector_settings(document),
        cycle=cycle_config(document),
        alerts=alert_config(document),
        learning=learning_config(document),
        policy=policy_config(document, own_ground(document, found, clusters)),
        risk=risk_config(document),
        access=access_config(document.access),
        budget=budget_of(document),
        http_actions=http_config(document, found),
        audit_key=given_key(found),
        audit_anchor=anchor_config(document, files, found.get("AUDIT_ANCHOR_SECRET", "")),
        redactor=_redactor(document, files, found),
        retired=retired_keys(document),
    )
    _refuse_in_production(settings)
    return settings


def _api(document: ConfigDocument, found: Mapping[str, str]) -> ApiConfig:
    section = document.api
    port, live_port = port_of(found, "API_PORT"), port_of(found, "API_LIVE_PORT")
    return ApiConfig(
        **configured(
            host=found.get("API_HOST") or section.host,
            port=section.port if port is None else port,
            live_port=section.live_port if live_port is None else live_port,
        )
    )


def _redactor(document: ConfigDocument, files: FileLayout, found: Mapping[str, str]) -> Redactor:
    """Return what cuts every secret that we were given out of everything that is told."""
    known = [found.get(name, "") for name in SECRET_NAMES]
    return Redactor([*known, urlsplit(files.database_url).password or "", *secrets_of(document)])


def _refuse_in_production(settings: Settings) -> None:
    shared = not settings.files.database_url.startswith("sqlite")
    if settings.installation.production or shared:
        refuse_weak_key(settings.audit_key)
