"""The sections of backends that are reached over HTTP, and the connection each one describes.

    prometheus: ──┐
    loki:         ├── HttpBackend: address, identity, TLS, proxy, limits ──reach()──> a Connection
    …          ───┘

A secret key (`SecretStr`) accepts only a `${VAR}` reference; `document` sees to that by
the field's type, so a new secret needs no second list.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr

MEGABYTE = 1024 * 1024


class Section(BaseModel):
    """Base of every section: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Basic(Section):
    """Basic authentication."""

    username: str | None = None
    password: SecretStr | None = None


class Tls(Section):
    """How the server proves itself, and how we do."""

    ca_file: str | None = None  # PEM of a private authority; default: the system's
    client_cert_file: str | None = None
    client_key_file: str | None = None
    verify: bool = True


class HttpBackend(Section):
    """A backend that is asked over HTTP."""

    url: str | None = None
    timeout_seconds: float = Field(30, gt=0)  # of one attempt
    retry_attempts: int = Field(3, ge=0, le=10)
    max_concurrency: int = Field(8, ge=1)
    queries_per_minute: int = Field(0, ge=0)  # 0: no budget
    max_response_megabytes: float = Field(64, gt=0)
    compression: bool = False
    tenant: str | None = None  # X-Scope-OrgID
    bearer_token: SecretStr | None = None
    basic: Basic = Basic()
    tls: Tls = Tls()
    proxy: SecretStr | None = None  # may carry a password, so it is a secret


Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]  # of an instance or a cluster


Label = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class PrometheusInstance(HttpBackend):
    """One metrics store. New keys stand here, so that every instance has them."""

    queries_per_minute: int = Field(1200, ge=0)  # 0: no budget
    max_series: int = Field(1000, ge=1)  # in one answer
    link_url: str | None = None  # what a person opens; default: url
    grafana_datasource: str = ""  # uid in Grafana; with links.grafana_url links lead there
    cluster: str = ""  # the cluster it observes; empty: its series say so, or it is not known


class Prometheus(PrometheusInstance):
    """Where metrics come from: the default instance, and others by name."""

    instances: dict[Name, PrometheusInstance] = Field(default_factory=dict)


class LokiInstance(HttpBackend):
    """One log store. New keys stand here, so that every instance has them."""

    grafana_datasource: str = ""  # uid in Grafana; with links.grafana_url links lead there
    cluster: str = ""  # the cluster whose logs it keeps
    service_label: Label = "service"  # of streams, naming the service as services.yaml does
    level_label: Label = "level"
    max_scan_bytes: int = Field(5 * 1024**3, ge=0)  # a search in the text may read; 0: any


class Loki(LokiInstance):
    """Where logs come from: the default instance, and others by name."""

    instances: dict[Name, LokiInstance] = Field(default_factory=dict)


class Links(Section):
    """Where people look further."""

    grafana_url: str | None = None  # links to Explore; its host may be linked to


class Tracing(HttpBackend):
    """Where traces come from."""

    provider: Literal["tempo", "jaeger"] = "tempo"
    link_url: str | None = None  # what a person opens; {trace_id} stands for the trace


class KubernetesCluster(Section):
    """One more cluster: files of the two identities, and where we may look."""

    kubeconfig: str = ""  # of the reading identity
    context: str = ""  # of that file; empty: its current context
    act_kubeconfig: str = ""  # of the acting identity; empty: nothing is changed there
    act_context: str = ""
    namespaces: tuple[str, ...] = ()  # empty: all the identity may read


class Kubernetes(Section):
    """The default cluster (its identities come from the environment), and others by name."""

    cluster: Name = "default"  # what the default cluster is called
    namespaces: tuple[str, ...] = ()
    clusters: dict[Name, KubernetesCluster] = Field(default_factory=dict)


def reach(key: str, section: HttpBackend) -> dict[str, Any]:
    """Return the fields of a `Connection`. Raises ValueError that names the key and the value.

    `key` is the section's name in config.yaml, which errors tell a person to look at.
    """
    basic, tls = section.basic, section.tls
    if section.bearer_token and basic.username:
        raise ValueError(
            f"{key}.bearer_token and {key}.basic are both set; a request carries only one of them"
        )
    if bool(basic.username) != bool(basic.password):
        raise ValueError(
            f"{key}.basic needs username and password, got username {basic.username!r} and "
            f"{'a' if basic.password else 'no'} password"
        )
    if tls.client_key_file and not tls.client_cert_file:
        raise ValueError(f"{key}.tls.client_key_file is set without {key}.tls.client_cert_file")
    return {
        "section": key,
        "url": http_url(f"{key}.url", section.url or ""),
        "timeout_seconds": section.timeout_seconds,
        "retry_attempts": section.retry_attempts,
        "max_concurrency": section.max_concurrency,
        "queries_per_minute": section.queries_per_minute,
        "max_response_bytes": round(section.max_response_megabytes * MEGABYTE),
        "compression": section.compression,
        "tenant": section.tenant or "",
        "bearer_token": _plain(section.bearer_token),
        "username": basic.username or "",
        "password": _plain(basic.password),
        "ca_file": tls.ca_file or "",
        "client_cert_file": tls.client_cert_file or "",
        "client_key_file": tls.client_key_file or "",
        "verify_tls": tls.verify,
        "proxy": _plain(section.proxy),
    }


def http_url(key: str, url: str) -> str:
    """Return the address without a slash at its end. Raises ValueError for what is none."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{key} must be an http(s) address, got {url!r}")
    if parts.password:
        raise ValueError(
            f"{key} holds a password; put it in {key.removesuffix('.url')}.basic.password as a "
            "${VAR} reference"
        )
    return url.rstrip("/")


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""
