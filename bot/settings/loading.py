"""Settings: config.yaml and environment become frozen dataclasses; the only reader of os.environ.

    config/config.yaml --expand, override, validate--> Document --+--> Settings
    environment: secrets, addresses, *_FILE ----------------------+

Each adapter owns its configuration dataclass; this file only fills them in. What is not
configured is None, which means off, and stands in `off` with what would switch it on.
"""

from __future__ import annotations

import os
import secrets as randomness
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bot.claude.model import ClaudeConfig
from bot.clock import WorldClock
from bot.core.ports import Budget
from bot.domain.redaction import Redactor
from bot.settings.backend_sections import (
    HttpBackend,
    Kubernetes,
    LokiInstance,
    PrometheusInstance,
    Tracing,
    reach,
)
from bot.settings.document import (
    ConfigError,
    Document,
    read_document,
    retired_keys,
    secrets_of,
    variables_of,
)
from bot.settings.policies import anchor_config, webhook_config
from bot.store.anchors import AnchorConfig
from tools.backends.grafana import GrafanaExplore
from tools.backends.http import HttpConfig
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.loki import LokiConfig
from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.tracing import TracingConfig
from tools.backends.webhook import WebhookConfig

SLACK_API_URL = "https://slack.com/api/"
PRODUCTION = "production"
DEFAULT_CONFIG = "config/config.yaml"
DEFAULT_INSTANCE = "default"  # what `prometheus.url` and `loki.url` are called beside others
DEFAULT_DATABASE = "sqlite+aiosqlite:///var/sre-agent.db"
_SECRET_NAMES = (
    "SLACK_BOT_TOKEN",
    "SLACK_APP_TOKEN",
    "SLACK_SIGNING_SECRET",
    "ANTHROPIC_API_KEY",
    "AUDIT_KEY",
    "WEBHOOK_URL",
    "HTTP_ACTION_SECRET",
    "AUDIT_ANCHOR_URL",
    "AUDIT_ANCHOR_SECRET",
)


@dataclass(frozen=True, slots=True)
class SlackSettings:
    """How Slack is reached; tokens are secrets."""

    bot_token: str = field(repr=False)
    app_token: str = field(repr=False)  # present: Socket Mode
    signing_secret: str = field(repr=False)  # HTTP mode
    api_url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the composition root needs. None is off."""

    document: Document
    config_path: Path
    clock: WorldClock
    database_url: str = field(repr=False)
    knowledge_uri: str
    slack: SlackSettings | None
    claude: ClaudeConfig | None
    prometheus: Mapping[str, PrometheusConfig]  # by instance, the default first; empty is off
    loki: Mapping[str, LokiConfig]
    tracing: TracingConfig | None
    clusters: Mapping[str, KubernetesConfig]  # by the cluster's name, the default first
    http_actions: HttpConfig
    webhook: WebhookConfig | None
    api_host: str
    api_port: int
    log_level: str
    budget: Budget
    export_dir: Path
    halt_file: Path  # the kill switch: while it exists no step begins
    audit_key_path: Path
    audit_key: bytes = field(repr=False)  # empty: read or generate `audit_key_path`
    audit_anchor: AnchorConfig
    redactor: Redactor = field(repr=False)
    off: Mapping[str, str]  # what is not configured: what would switch it on
    retired: Mapping[str, str]  # keys that are set and can no longer act: why

    @property
    def default_cluster(self) -> str:
        """Where a service runs that does not say."""
        return next(iter(self.clusters), self.document.kubernetes.cluster)

    @property
    def cluster_names(self) -> tuple[str, ...]:
        """Every cluster that is read or observed."""
        observed = [each.cluster for each in self.prometheus.values()]
        observed += [each.cluster for each in self.loki.values()]
        return tuple(dict.fromkeys([self.default_cluster, *self.clusters, *filter(None, observed)]))

    @property
    def production(self) -> bool:
        """Whether this is production, where more is refused."""
        return self.document.app.environment == PRODUCTION


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the environment and the file it names. Raises ConfigError with one clear line."""
    given = dict(os.environ if environ is None else environ)
    path = Path(given.get("SRE_AGENT_CONFIG") or DEFAULT_CONFIG)
    found = {**given, **_from_files(given, variables_of(path))}
    document = read_document(path, found)
    database = found.get("DATABASE_URL") or DEFAULT_DATABASE
    known = [found.get(name, "") for name in _SECRET_NAMES]
    known += [urlsplit(database).password or "", *secrets_of(document)]
    slack = _slack(found, production=document.app.environment == PRODUCTION)
    instances = _instances(document)
    settings = Settings(
        document=document,
        config_path=path,
        clock=_clock(found),
        database_url=database,
        knowledge_uri=found.get("KNOWLEDGE_URI") or "var/knowledge",
        slack=slack,
        claude=_claude(document, found),
        prometheus=instances["prometheus"],
        loki=instances["loki"],
        tracing=_tracing(document.tracing),
        clusters=_clusters(found, document),
        http_actions=HttpConfig(
            hosts=document.auto_remediation.http_hosts,
            private_hosts=document.auto_remediation.http_private_hosts,
            secret=found.get("HTTP_ACTION_SECRET", ""),
        ),
        webhook=webhook_config(document),
        api_host=found.get("API_HOST") or document.api.host,
        api_port=_port(found, document),
        log_level=found.get("LOG_LEVEL") or document.app.log_level,
        budget=_budget(document),
        export_dir=Path(document.knowledge.export_dir or "knowledge"),
        halt_file=Path("var/halt"),
        audit_key_path=Path("var/audit.key"),
        audit_key=found.get("AUDIT_KEY", "").encode(),
        audit_anchor=anchor_config(document, found.get("AUDIT_ANCHOR_SECRET", "")),
        redactor=Redactor(known),
        off={},
        retired=retired_keys(document),
    )
    _refuse_in_production(settings)
    return _with_off(settings)


def _from_files(environ: Mapping[str, str], referred: set[str]) -> dict[str, str]:
    """Read `*_FILE` for every secret and every `${NAME}` that the configuration refers to.

    Raises ConfigError for a file that cannot be read.
    """
    found = {}
    for name in sorted({*_SECRET_NAMES, "DATABASE_URL", *referred}):
        path = environ.get(f"{name}_FILE")
        if not path or environ.get(name):
            continue
        try:
            found[name] = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not text"
            raise ConfigError(
                f"{name}_FILE names {path!r}, which cannot be read ({why}); "
                "mount the secret or unset the variable"
            ) from error
    return found


def _clock(found: Mapping[str, str]) -> WorldClock:
    try:
        return WorldClock.parse(found.get("SRE_AGENT_CLOCK", ""))
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _port(found: Mapping[str, str], document: Document) -> int:
    text = found.get("API_PORT")
    if not text:
        return document.api.port
    if not text.isdigit() or int(text) > 65535:
        raise ConfigError(f"API_PORT must be a port number (0–65535), got {text!r}")
    return int(text)


def _slack(found: Mapping[str, str], *, production: bool) -> SlackSettings | None:
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
    url = found.get("SLACK_API_URL") or SLACK_API_URL
    if production and url != SLACK_API_URL:
        raise ConfigError(
            f"SLACK_API_URL is {url!r}, which app.environment 'production' refuses; unset it, or "
            "set app.environment to 'development'"
        )
    return SlackSettings(token, app_token, secret, url if url.endswith("/") else f"{url}/")


def _claude(document: Document, found: Mapping[str, str]) -> ClaudeConfig | None:
    key = document.llm.api_key
    secret = key.get_secret_value() if key is not None else found.get("ANTHROPIC_API_KEY", "")
    if not secret:
        return None
    return ClaudeConfig(
        api_key=secret,
        model=document.llm.model,
        base_url=found.get("ANTHROPIC_BASE_URL", ""),
        timeout_seconds=document.llm.timeout_seconds,
    )


def _prometheus(
    section: PrometheusInstance, key: str = "prometheus", grafana_url: str = ""
) -> PrometheusConfig | None:
    if not section.url:
        return None
    uid = section.grafana_datasource
    return PrometheusConfig(
        **_reach(key, section),
        max_series=section.max_series,
        link_base=section.link_url or section.url,
        grafana=GrafanaExplore(grafana_url, uid, "prometheus") if grafana_url and uid else None,
        cluster=section.cluster,
    )


def _loki(section: LokiInstance, key: str = "loki", grafana_url: str = "") -> LokiConfig | None:
    if not section.url:
        return None
    uid = section.grafana_datasource
    return LokiConfig(
        **_reach(key, section),
        cluster=section.cluster,
        service_label=section.service_label,
        level_label=section.level_label,
        max_scan_bytes=section.max_scan_bytes,
        grafana=GrafanaExplore(grafana_url, uid, "loki") if grafana_url and uid else None,
    )


def _grafana_url(document: Document) -> str:
    url = (document.links.grafana_url or "").rstrip("/")
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ConfigError(f"links.grafana_url must be an http(s) address, got {url!r}")
    return url


def _tracing(section: Tracing) -> TracingConfig | None:
    if not section.url:
        return None
    link = section.link_url or ""
    if not link and section.provider == "jaeger":  # its API and its page share one address
        link = f"{section.url.rstrip('/')}/trace/{{trace_id}}"
    if link and "{trace_id}" not in link:
        raise ConfigError(
            f"tracing.link_url must hold {{trace_id}} where the trace's id stands, got {link!r}"
        )
    return TracingConfig(
        **_reach("tracing", section), provider=section.provider, link_template=link
    )


def _instances(document: Document) -> dict[str, dict[str, Any]]:
    """Return every instance of each backend by name, the default one first."""
    stores: dict[str, Any] = {"prometheus": _prometheus, "loki": _loki}
    grafana = _grafana_url(document)
    found: dict[str, dict[str, Any]] = {}
    for backend, build in stores.items():
        section = getattr(document, backend)
        known = {DEFAULT_INSTANCE: build(section, backend, grafana)}
        for name, each in section.instances.items():
            if name == DEFAULT_INSTANCE and section.url:
                raise ConfigError(
                    f"{backend}.instances.{name}: {backend}.url is the instance {name!r} already; "
                    "give this one another name"
                )
            known[name] = build(each, f"{backend}.instances.{name}", grafana)
        found[backend] = {name: config for name, config in known.items() if config is not None}
    return found


def _clusters(found: Mapping[str, str], document: Document) -> dict[str, KubernetesConfig]:
    """Return every cluster by name, the default one first."""
    section, known = document.kubernetes, {}
    default = _kubernetes(found, section)
    if default is not None:
        known[section.cluster] = default
    for name, each in section.clusters.items():
        if name in known:
            raise ConfigError(
                f"kubernetes.clusters.{name}: KUBECONFIG's cluster has this name already; give "
                "one of them another (kubernetes.cluster)"
            )
        if not each.kubeconfig and not each.act_kubeconfig:
            raise ConfigError(f"kubernetes.clusters.{name} needs a kubeconfig to be read with")
        known[name] = KubernetesConfig(
            kubeconfig=each.kubeconfig,
            context=each.context,
            kubeconfig_act=each.act_kubeconfig,
            context_act=each.act_context,
            name=name,
            namespaces=each.namespaces,
            setting=f"kubernetes.clusters.{name}.kubeconfig",
            setting_act=f"kubernetes.clusters.{name}.act_kubeconfig",
            setting_namespaces=f"kubernetes.clusters.{name}.namespaces",
        )
    return known


def _reach(key: str, section: HttpBackend) -> dict[str, Any]:
    """Return the fields of a connection; `key` is the section's place in config.yaml."""
    try:
        return reach(key, section)
    except ValueError as error:
        raise ConfigError(str(error)) from error


def _kubernetes(found: Mapping[str, str], section: Kubernetes) -> KubernetesConfig | None:
    in_cluster = found.get("K8S_IN_CLUSTER", "").lower() in {"1", "true", "yes"}
    reading, acting = found.get("KUBECONFIG", ""), found.get("KUBECONFIG_ACT", "")
    if not reading and not in_cluster and not acting:
        return None
    return KubernetesConfig(
        kubeconfig=reading,
        kubeconfig_act=acting,
        in_cluster=in_cluster,
        name=section.cluster,
        namespaces=section.namespaces,
    )


def _budget(document: Document) -> Budget:
    turn, limits = document.budgets.turn, document.budgets
    return Budget(
        max_steps=turn.max_steps,
        max_tokens=turn.max_tokens,
        seconds=turn.seconds,
        usd_micros_per_turn=round(turn.usd * 1e6),
        usd_micros_per_person_day=round(limits.person_usd_per_day * 1e6),
        usd_micros_per_day=round(min(limits.day_usd, limits.team_usd_per_day) * 1e6),
    )


def _refuse_in_production(settings: Settings) -> None:
    needs_key = settings.production or not settings.database_url.startswith("sqlite")
    if needs_key and not settings.audit_key:
        raise ConfigError(
            "AUDIT_KEY (or AUDIT_KEY_FILE) must be set in production and on PostgreSQL: replicas "
            "share one audit chain; generate one with `openssl rand -hex 32`"
        )


def _with_off(settings: Settings) -> Settings:
    from dataclasses import replace

    off = {
        "slack": ("SLACK_BOT_TOKEN and SLACK_APP_TOKEN", settings.slack),
        "claude": ("ANTHROPIC_API_KEY", settings.claude),
        "prometheus": ("PROMETHEUS_URL", settings.prometheus),
        "loki": ("LOKI_URL", settings.loki),
        "tracing": ("TRACING_URL", settings.tracing),
        "kubernetes": ("KUBECONFIG or K8S_IN_CLUSTER=true", settings.clusters),
        "kubernetes actions": (
            "KUBECONFIG_ACT",
            any(each.actionable for each in settings.clusters.values()),
        ),
        "http actions": ("auto_remediation.http_hosts", settings.http_actions.hosts),
        "webhook": ("WEBHOOK_URL", settings.webhook),
    }
    return replace(
        settings, off={name: f"set {how}" for name, (how, value) in off.items() if not value}
    )


def audit_key(settings: Settings) -> bytes:
    """Return the audit key; outside production it is generated once as a mode 0600 file."""
    if settings.audit_key:
        return settings.audit_key
    path = settings.audit_key_path
    if path.is_file():
        return path.read_bytes().strip()
    path.parent.mkdir(parents=True, exist_ok=True)
    key = randomness.token_hex(32).encode()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_bytes().strip()
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
    return key
