"""How each backend is reached: its section filled into the configuration its adapter owns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from bot.settings.arguments import configured, converted
from bot.settings.backend_sections import (
    AlertmanagerSection,
    HttpBackendSection,
    KubernetesSection,
    LokiInstanceSection,
    PrometheusInstanceSection,
    TracingSection,
)
from bot.settings.document import ConfigDocument
from bot.settings.errors import ConfigError
from tools.backends.grafana import GrafanaExplore
from tools.backends.kubernetes.config import KubernetesConfig
from tools.backends.loki import LokiConfig
from tools.backends.prometheus.config import PrometheusConfig
from tools.backends.tracing import TracingConfig
from tools.backends.transport import Connection

DEFAULT_INSTANCE = "default"  # what `prometheus.url` and `loki.url` are called beside others
MEGABYTE = 1024 * 1024
S = TypeVar("S", bound=HttpBackendSection)


# --- over HTTP ------------------------------------------------------------------------------


def reach(key: str, section: HttpBackendSection) -> dict[str, Any]:
    """Return the fields of a `Connection` that are set. Raises ConfigError with key and value.

    `key` is the section's place in config.yaml, which errors tell a person to look at.
    """
    basic, tls = section.basic, section.tls
    if section.bearer_token and basic.username:
        raise ConfigError(
            f"{key}.bearer_token and {key}.basic are both set; a request carries only one of them"
        )
    if bool(basic.username) != bool(basic.password):
        raise ConfigError(
            f"{key}.basic needs username and password, got username {basic.username!r} and "
            f"{'a' if basic.password else 'no'} password"
        )
    if tls.client_key_file and not tls.client_cert_file:
        raise ConfigError(f"{key}.tls.client_key_file is set without {key}.tls.client_cert_file")
    return configured(
        section=key,
        url=http_url(f"{key}.url", section.url or ""),
        timeout_seconds=section.timeout_seconds,
        retry_attempts=section.retry_attempts,
        max_concurrency=section.max_concurrency,
        queries_per_minute=section.queries_per_minute,
        max_response_bytes=converted(_megabytes, section.max_response_megabytes),
        compression=section.compression,
        tenant=section.tenant,
        bearer_token=converted(SecretStr.get_secret_value, section.bearer_token),
        username=basic.username,
        password=converted(SecretStr.get_secret_value, basic.password),
        ca_file=tls.ca_file,
        client_cert_file=tls.client_cert_file,
        client_key_file=tls.client_key_file,
        verify_tls=tls.verify,
        proxy=converted(SecretStr.get_secret_value, section.proxy),
    )


def http_url(key: str, url: str) -> str:
    """Return the address without a slash at its end. Raises ConfigError for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"{key} must be an http(s) address, got {url!r}")
    if parts.password:
        raise ConfigError(
            f"{key} holds a password; put it in {key.removesuffix('.url')}.basic.password as a "
            "${VAR} reference"
        )
    return url.rstrip("/")


def _megabytes(number: float) -> int:
    return round(number * MEGABYTE)


def alertmanager_config(section: AlertmanagerSection) -> Connection | None:
    """Return where Alertmanager is; None without an address."""
    return Connection(**reach("alertmanager", section)) if section.url else None


def tracing_config(section: TracingSection) -> TracingConfig | None:
    """Return where traces are; None without an address."""
    if not section.url:
        return None
    config = TracingConfig(
        **reach("tracing", section),
        **configured(provider=section.provider, link_template=section.link_url),
    )
    if not config.link_template and config.provider == "jaeger":  # its API and page share one
        return replace(config, link_template=f"{config.url}/trace/{{trace_id}}")
    if config.link_template and "{trace_id}" not in config.link_template:
        raise ConfigError(
            "tracing.link_url must hold {trace_id} where the trace's id stands, got "
            f"{config.link_template!r}"
        )
    return config


# --- stores with several instances ----------------------------------------------------------


def prometheus_instances(document: ConfigDocument) -> dict[str, PrometheusConfig]:
    """Return every metrics store by name, the default one first."""
    section, grafana = document.prometheus, _grafana_url(document)
    found = {
        name: _prometheus(key, each, grafana)
        for name, (key, each) in _named("prometheus", section, section.instances).items()
    }
    return {name: config for name, config in found.items() if config is not None}


def loki_instances(document: ConfigDocument) -> dict[str, LokiConfig]:
    """Return every log store by name, the default one first."""
    section, grafana = document.loki, _grafana_url(document)
    found = {
        name: _loki(key, each, grafana)
        for name, (key, each) in _named("loki", section, section.instances).items()
    }
    return {name: config for name, config in found.items() if config is not None}


def _named(backend: str, default: S, others: Mapping[str, S]) -> dict[str, tuple[str, S]]:
    """Return every section of a backend by its instance's name, with its place in config.yaml."""
    if default.url and DEFAULT_INSTANCE in others:
        raise ConfigError(
            f"{backend}.instances.{DEFAULT_INSTANCE}: {backend}.url is the instance "
            f"{DEFAULT_INSTANCE!r} already; give this one another name"
        )
    known = {DEFAULT_INSTANCE: (backend, default)}
    return known | {name: (f"{backend}.instances.{name}", each) for name, each in others.items()}


def _prometheus(
    key: str, section: PrometheusInstanceSection, grafana_url: str
) -> PrometheusConfig | None:
    if not section.url:
        return None
    return PrometheusConfig(
        **reach(key, section),
        **configured(
            max_series=section.max_series,
            cluster=section.cluster,
            grafana=_explore(grafana_url, section.grafana_datasource, "prometheus"),
        ),
        link_base=section.link_url or section.url,
    )


def _loki(key: str, section: LokiInstanceSection, grafana_url: str) -> LokiConfig | None:
    if not section.url:
        return None
    return LokiConfig(
        **reach(key, section),
        **configured(
            cluster=section.cluster,
            service_label=section.service_label,
            level_label=section.level_label,
            max_scan_bytes=section.max_scan_bytes,
            grafana=_explore(grafana_url, section.grafana_datasource, "loki"),
        ),
    )


def _explore(
    grafana_url: str, datasource: str | None, kind: Literal["prometheus", "loki"]
) -> GrafanaExplore | None:
    return GrafanaExplore(grafana_url, datasource, kind) if grafana_url and datasource else None


def _grafana_url(document: ConfigDocument) -> str:
    url = (document.links.grafana_url or "").rstrip("/")
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ConfigError(f"links.grafana_url must be an http(s) address, got {url!r}")
    return url


# --- clusters -------------------------------------------------------------------------------


def default_cluster(section: KubernetesSection, found: Mapping[str, str]) -> KubernetesConfig:
    """Return the cluster of KUBECONFIG; without an identity it is a name alone."""
    return KubernetesConfig(
        kubeconfig=found.get("KUBECONFIG", ""),
        kubeconfig_act=found.get("KUBECONFIG_ACT", ""),
        in_cluster=found.get("K8S_IN_CLUSTER", "").lower() in {"1", "true", "yes"},
        **configured(name=section.cluster, namespaces=section.namespaces),
    )


def kubernetes_clusters(
    section: KubernetesSection, default: KubernetesConfig
) -> dict[str, KubernetesConfig]:
    """Return every cluster with an identity by name, the default one first."""
    known = {default.name: default} if default.readable or default.actionable else {}
    for name, each in section.clusters.items():
        if name in known:
            raise ConfigError(
                f"kubernetes.clusters.{name}: KUBECONFIG's cluster has this name already; give "
                "one of them another (kubernetes.cluster)"
            )
        if not each.kubeconfig and not each.act_kubeconfig:
            raise ConfigError(f"kubernetes.clusters.{name} needs a kubeconfig to be read with")
        known[name] = KubernetesConfig(
            name=name,
            **configured(
                kubeconfig=each.kubeconfig,
                context=each.context,
                kubeconfig_act=each.act_kubeconfig,
                context_act=each.act_context,
                namespaces=each.namespaces,
            ),
            setting=f"kubernetes.clusters.{name}.kubeconfig",
            setting_act=f"kubernetes.clusters.{name}.act_kubeconfig",
            setting_namespaces=f"kubernetes.clusters.{name}.namespaces",
        )
    return known
