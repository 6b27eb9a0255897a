"""The sections of backends: where they are, how they are reached, what one question may cost.

    prometheus: ──┐
    loki:         ├── HttpBackendSection: address, identity, TLS, proxy, limits
    tracing:      ┘

A secret key (`SecretStr`) accepts only a `${VAR}` reference; `secret_keys` sees to that by the
field's type, so a new secret needs no second list.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from foundation.numbers import refuse_flag


class Section(BaseModel):
    """Base of every section: unknown keys are errors, and what nobody wrote is None."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _null_is_unset_and_a_flag_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Take `key:` without a value, or an unset `${VAR}`, as a key that is not there."""
        if info.field_name is None:
            return value
        field = cls.model_fields[info.field_name]
        if value is None:
            return field.get_default(call_default_factory=True)
        return refuse_flag(value, field.annotation)


InstanceName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]  # or a cluster's
LabelName = Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")]


class BasicAuthSection(Section):
    """Basic authentication."""

    username: str | None = None
    password: SecretStr | None = None


class TlsSection(Section):
    """How the server proves itself, and how we do."""

    ca_file: str | None = None  # PEM of a private authority; unset: the system's
    client_cert_file: str | None = None
    client_key_file: str | None = None
    verify: bool | None = None


class HttpBackendSection(Section):
    """A backend that is asked over HTTP."""

    url: str | None = None
    timeout_seconds: float | None = Field(None, gt=0)  # of one attempt
    retry_attempts: int | None = Field(None, ge=0, le=10)
    max_concurrency: int | None = Field(None, ge=1)
    queries_per_minute: int | None = Field(None, ge=0)  # 0: no budget
    max_response_megabytes: float | None = Field(None, gt=0)
    compression: bool | None = None
    tenant: str | None = None  # X-Scope-OrgID
    bearer_token: SecretStr | None = None
    basic: BasicAuthSection = BasicAuthSection()
    tls: TlsSection = TlsSection()
    proxy: SecretStr | None = None  # may carry a password, so it is a secret


class PrometheusInstanceSection(HttpBackendSection):
    """One metrics store. New keys stand here, so that every instance has them."""

    max_series: int | None = Field(None, ge=1)  # in one answer
    link_url: str | None = None  # what a person opens; unset: url
    grafana_datasource: str | None = None  # uid in Grafana; with links.grafana_url links lead there
    cluster: str | None = None  # the cluster it observes; unset: its series say so, or nobody


class PrometheusSection(PrometheusInstanceSection):
    """Where metrics come from: the default instance, and others by name."""

    instances: dict[InstanceName, PrometheusInstanceSection] = Field(default_factory=dict)


class LokiInstanceSection(HttpBackendSection):
    """One log store. New keys stand here, so that every instance has them."""

    grafana_datasource: str | None = None  # uid in Grafana; with links.grafana_url links lead there
    cluster: str | None = None  # the cluster whose logs it keeps
    service_label: LabelName | None = None  # of streams, naming the service as services.yaml does
    level_label: LabelName | None = None
    max_scan_bytes: int | None = Field(None, ge=0)  # a search in the text may read; 0: any


class LokiSection(LokiInstanceSection):
    """Where logs come from: the default instance, and others by name."""

    instances: dict[InstanceName, LokiInstanceSection] = Field(default_factory=dict)


class AlertmanagerSection(HttpBackendSection):
    """Who knows which alerts fire; asked so that one without a resolve ends."""


class LinksSection(Section):
    """Where people look further."""

    grafana_url: str | None = None  # links to Explore; its host may be linked to


class TracingSection(HttpBackendSection):
    """Where traces come from."""

    provider: Literal["tempo", "jaeger"] | None = None
    link_url: str | None = None  # what a person opens; {trace_id} stands for the trace


class KubernetesClusterSection(Section):
    """One more cluster: files of the two identities, and where we may look."""

    kubeconfig: str | None = None  # of the reading identity
    context: str | None = None  # of that file; unset: its current context
    act_kubeconfig: str | None = None  # of the acting identity; unset: nothing is changed there
    act_context: str | None = None
    namespaces: tuple[str, ...] | None = None  # unset: all the identity may read


class KubernetesSection(Section):
    """The default cluster (its identities come from the environment), and others by name."""

    cluster: InstanceName | None = None  # what the default cluster is called
    namespaces: tuple[str, ...] | None = None
    clusters: dict[InstanceName, KubernetesClusterSection] = Field(default_factory=dict)
