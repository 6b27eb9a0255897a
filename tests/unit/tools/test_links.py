"""Where a person goes on from evidence: the same query and window, at a host links may name."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from bot.settings import ConfigError, load_settings, slack_config
from bot.slack.blocks.markdown import is_known
from tools.backends.loki import Loki
from tools.backends.prometheus.adapter import Prometheus
from tools.world import Window

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
WINDOW = Window(NOW - timedelta(hours=1), NOW)
QUERY = 'sum by (service) (rate(http_requests_total{path=~"/a|b&c"}[5m]))'
CONFIG = """
links: {grafana_url: "https://grafana.example:3000/team/"}
prometheus: {url: "http://prometheus:9090", grafana_datasource: P1, instances: {
  eu: {url: "http://eu:9090", grafana_datasource: P2}, us: {url: "http://us:9090"}}}
loki: {url: "http://loki:3100", grafana_datasource: L1}
"""


def settings_of(folder: Path, text: str) -> Any:
    path = folder / "config.yaml"
    path.write_text(text, encoding="utf-8")
    slack = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    return load_settings({"SRE_AGENT_CONFIG": str(path), **slack})


def pane(link: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(parse_qs(urlsplit(link).query)["panes"][0])["sre"]
    return found


def test_a_metric_opens_in_explore_with_its_query_and_window(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, CONFIG)
    link = Prometheus(next(iter(settings.prometheus.values()))).link(QUERY, WINDOW)
    assert link.startswith("https://grafana.example:3000/team/explore?schemaVersion=1&panes=")
    shown = pane(link)
    assert shown["datasource"] == "P1"
    assert shown["queries"][0]["expr"] == QUERY
    assert shown["range"] == {"from": "1795172400000", "to": "1795176000000"}
    assert is_known(link, slack_config(settings, "test:1").link_hosts)


def test_each_instance_leads_to_its_own_data_source_and_else_to_prometheus(tmp_path: Path) -> None:
    stores = settings_of(tmp_path, CONFIG).prometheus
    eu, us = stores["eu"], stores["us"]
    assert pane(Prometheus(eu).link("up", WINDOW))["datasource"] == "P2"
    assert Prometheus(us).link("up", WINDOW).startswith("http://us:9090/graph?g0.expr=up&")


async def test_log_lines_open_in_explore(tmp_path: Path) -> None:
    empty = {"status": "success", "data": {"resultType": "streams", "result": []}}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=empty))
    settings = settings_of(tmp_path, CONFIG)
    page = await Loki(next(iter(settings.loki.values())), transport).search(
        WINDOW, service="order-api"
    )
    shown = pane(page.link)
    assert shown["queries"][0]["expr"] == page.query == '{service="order-api"}'
    assert shown["queries"][0]["datasource"] == {"type": "loki", "uid": "L1"}
    bare = settings_of(tmp_path, 'loki: {url: "http://loki:3100", grafana_datasource: L1}')
    assert (await Loki(next(iter(bare.loki.values())), transport).search(WINDOW)).link == ""


def test_an_address_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"links.grafana_url must be .* got 'grafana:3000'"):
        settings_of(tmp_path, "links: {grafana_url: 'grafana:3000'}")
