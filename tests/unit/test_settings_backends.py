"""How a backend is reached: every key arrives, secrets come only by reference and stay hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import ConfigError, Settings, load_settings
from tools.backends.prometheus import PrometheusConfig

ALL_KEYS = """
prometheus:
  url: https://mimir.example/prometheus/
  timeout_seconds: 12
  retry_attempts: 5
  max_concurrency: 3
  queries_per_minute: 90
  max_response_megabytes: 2
  max_series: 50
  compression: true
  tenant: team-a
  bearer_token: ${PROM_TOKEN}
  tls: {ca_file: ca.pem, client_cert_file: cert.pem, client_key_file: key.pem, verify: false}
  proxy: ${PROM_PROXY}
"""


def settings(folder: Path, text: str, **environ: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings({"SRE_AGENT_CONFIG": str(path), **environ})


def prometheus(found: Settings, name: str = "default") -> PrometheusConfig:
    config = found.prometheus[name]
    assert config is not None
    return config


def test_every_key_reaches_the_connection(tmp_path: Path) -> None:
    found = settings(
        tmp_path, ALL_KEYS, PROM_TOKEN="s3cret-token", PROM_PROXY="http://u:pw@proxy:1"
    )
    assert prometheus(found) == PrometheusConfig(
        url="https://mimir.example/prometheus",
        section="prometheus",
        timeout_seconds=12,
        retry_attempts=5,
        max_concurrency=3,
        queries_per_minute=90,
        max_response_bytes=2 * 1024 * 1024,
        max_series=50,
        compression=True,
        tenant="team-a",
        bearer_token="s3cret-token",
        ca_file="ca.pem",
        client_cert_file="cert.pem",
        client_key_file="key.pem",
        verify_tls=False,
        proxy="http://u:pw@proxy:1",
        link_base="https://mimir.example/prometheus/",
    )


def test_secrets_are_in_no_repr_and_known_to_the_redactor(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "prometheus: {url: http://p, basic: {username: bot, password: '${PW}'}}\n"
        "loki: {url: http://l, bearer_token: '${LT}'}",
        PW="correct-horse-battery",
        LT="loki-token-123456",
    )
    assert prometheus(found).password == "correct-horse-battery"
    shown = repr(found) + repr(found.document)
    assert "correct-horse" not in shown
    assert "loki-token" not in shown
    told = found.redactor.text("pw correct-horse-battery and loki-token-123456")
    assert "correct-horse" not in told
    assert "loki-token" not in told


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("prometheus:\n  bearer_token: abc", ":2: prometheus.bearer_token holds a literal"),
        ("prometheus:\n  basic:\n    password: abc", ":3: prometheus.basic.password holds a"),
        ("loki: {proxy: 'http://p'}", "loki.proxy holds a literal secret"),
        ("prometheus: {bearer_token: '${T:-abc}'}", "prometheus.bearer_token holds a literal"),
        (
            "prometheus:\n  instances:\n    eu: {url: http://p, bearer_token: abc}",
            ":3: prometheus.instances.eu.bearer_token holds a literal secret",
        ),
        ("llm: {api_key: sk-abc}", "llm.api_key holds a literal secret"),
    ],
)
def test_a_literal_secret_is_refused_where_it_stands(tmp_path: Path, text: str, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, text)
    assert where in str(caught.value)
    assert "abc" not in str(caught.value)
    assert "write a reference such as ${" in str(caught.value)


def test_a_variable_the_file_refers_to_may_be_given_as_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file\n", encoding="utf-8")
    text = "prometheus: {url: http://p, bearer_token: '${PROM_TOKEN}'}"
    found = settings(tmp_path, text, PROM_TOKEN_FILE=str(tmp_path / "token"))
    assert prometheus(found).bearer_token == "from-a-file"
    with pytest.raises(ConfigError, match="PROM_TOKEN_FILE names 'gone', which cannot be read"):
        settings(tmp_path, text, PROM_TOKEN_FILE="gone")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{url: 'ftp://p'}", "prometheus.url must be an http(s) address, got 'ftp://p'"),
        ("{url: 'http://a:b@p'}", "prometheus.url holds a password; put it in prometheus.basic"),
        ("{url: http://p, basic: {username: bot}}", "needs username and password, got username"),
        (
            "{url: http://p, bearer_token: '${T}', basic: {username: b, password: '${T}'}}",
            "prometheus.bearer_token and prometheus.basic are both set",
        ),
        (
            "{url: http://p, tls: {client_key_file: k.pem}}",
            "prometheus.tls.client_key_file is set without prometheus.tls.client_cert_file",
        ),
        ("{url: http://p, tls: {ca_fil: k.pem}}", "unknown key 'prometheus.tls.ca_fil'. Did you"),
        ("{url: http://p, queries_per_minute: -1}", "prometheus.queries_per_minute"),
    ],
)
def test_what_cannot_work_is_named_with_its_value(
    tmp_path: Path, text: str, complaint: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        settings(tmp_path, f"prometheus: {text}", T="token")
    assert complaint in str(caught.value)


def test_traces_are_off_without_an_address_and_doctor_says_what_switches_them_on(
    tmp_path: Path,
) -> None:
    found = settings(tmp_path, "app: {name: x}")
    assert found.tracing is None
    assert found.off["tracing"] == "set TRACING_URL"


def test_every_key_of_tracing_reaches_its_connection(tmp_path: Path) -> None:
    text = "tracing: {url: '${TRACING_URL}', tenant: a, bearer_token: '${T}', provider: tempo}"
    found = settings(tmp_path, text, TRACING_URL="http://tempo:3200/", T="s3cret")
    assert found.tracing is not None
    assert found.tracing.url == "http://tempo:3200"
    assert (found.tracing.tenant, found.tracing.bearer_token) == ("a", "s3cret")
    assert found.tracing.link_template == ""


def test_jaegers_page_is_linked_to_by_itself_and_a_link_needs_a_place_for_the_trace(
    tmp_path: Path,
) -> None:
    jaeger = settings(tmp_path, "tracing: {url: 'http://jaeger:16686', provider: jaeger}")
    assert jaeger.tracing is not None
    assert jaeger.tracing.link_template == "http://jaeger:16686/trace/{trace_id}"
    with pytest.raises(ConfigError, match=r"must hold \{trace_id\}.*'http://ui/x'"):
        settings(tmp_path, "tracing: {url: 'http://t', link_url: 'http://ui/x'}")


def test_the_labels_and_the_limit_of_a_loki_are_its_own(tmp_path: Path) -> None:
    text = """
loki:
  url: http://loki
  service_label: app
  instances: {us: {url: 'http://loki-us', max_scan_bytes: 7}}
"""
    found = settings(tmp_path, text)
    assert (found.loki["default"].service_label, found.loki["us"].service_label) == (
        "app",
        "service",
    )
    assert found.loki["us"].max_scan_bytes == 7
    with pytest.raises(ConfigError, match="service_label"):
        settings(tmp_path, "loki: {url: 'http://l', service_label: 'app\"}'}")
