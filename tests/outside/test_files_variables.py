"""Variables and secrets as platforms hand them over: service links, line ends, marks, quotes.

Each case names whom it went wrong for in public (read on 27 November 2026), in our words.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.settings import ConfigError, Settings, load_settings

CONFIG = "prometheus: {url: '${PROM_URL:-http://p}', bearer_token: '${PROM_TOKEN}'}\n"


def load(folder: Path, text: str = CONFIG, **environ: str) -> Settings:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings({"SRE_AGENT_CONFIG": str(path), **environ})


@pytest.mark.parametrize("service", ["SRE_AGENT", "SRE_AGENT_API", "PROMETHEUS", "SLACK"])
def test_the_links_of_a_service_of_our_name_are_no_settings(tmp_path: Path, service: str) -> None:
    """cloud-on-k8s #1987, opal-helm-chart #30: NAME_PORT=tcp://… was read as the port."""
    link = "tcp://10.0.48.109:8080"
    names = ("PORT", "SERVICE_PORT", "SERVICE_HOST", "PORT_8080_TCP", "PORT_8080_TCP_ADDR")
    found = load(tmp_path, **{f"{service}_{name}": link for name in names})
    assert found.api == load(tmp_path).api
    assert found.prometheus["default"].url == "http://p"


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_line_end_of_a_secret_is_none_of_it(tmp_path: Path, end: str) -> None:
    """kubernetes #52919, external-dns #5400: a token made by `echo` was an invalid header."""
    found = load(tmp_path, PROM_TOKEN=f"token-1{end}", PROM_URL=f"http://q:9090{end}")
    assert found.prometheus["default"].bearer_token == "token-1"
    assert found.prometheus["default"].url == "http://q:9090"


def test_a_mark_before_a_secret_is_none_of_it(tmp_path: Path) -> None:
    """python-dotenv #637, deno #36701: an editor's byte order mark became part of the text."""
    (tmp_path / "token").write_bytes(b"\xef\xbb\xbftoken-1\r\n")
    found = load(tmp_path, PROM_TOKEN_FILE=str(tmp_path / "token"))
    assert found.prometheus["default"].bearer_token == "token-1"


def test_a_variable_left_blank_in_a_copied_example_is_as_if_not_set(tmp_path: Path) -> None:
    """streetmerchant #1059: who began with the example's blank values got none of the defaults."""
    found = load(tmp_path, PROM_URL="", PROM_TOKEN="", SRE_AGENT_API__PORT="")
    assert found.api == load(tmp_path).api
    assert found.prometheus["default"].url == "http://p"


REFUSED = {
    "ansible-collection-hardening #87: digits with a colon are a number of base sixty to some": (
        "api: {port: 1:30}", {}, "api.port"),
    "moby #46773, docker/cli #3630: quotes of an env file are part of the value": (
        CONFIG, {"PROM_URL": '"http://p:9090"'}, r"got '\"http://p:9090\"'"),
    "krakend-helm #8: a port that is an address": (
        CONFIG, {"SRE_AGENT_API__PORT": "tcp://10.43.126.100:80"}, "api.port"),
    "r-lib/yaml #103, YACYAML #9: a key of one letter became false": (
        "app: {n: 1}", {}, "unknown key 'app.n'"),
    "pyyaml #613: the key `on` became true": ("on: 1", {}, "unknown key 'on'"),
}  # fmt: skip


@pytest.mark.parametrize("source", REFUSED)
def test_what_would_be_taken_for_something_else_is_refused_by_name(
    tmp_path: Path, source: str
) -> None:
    text, environ, why = REFUSED[source]
    with pytest.raises(ConfigError, match=why):
        load(tmp_path, text, **environ)
