"""Addresses of Grafana Explore: the very query and window of an answer, for a person to go on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode

from tools.world import Window


@dataclass(frozen=True, slots=True)
class GrafanaExplore:
    """One data source of one Grafana. Grafana 10 and newer read these addresses."""

    url: str  # base address, without a slash at its end
    datasource: str  # its uid: the last part of the address of its settings page
    kind: Literal["prometheus", "loki"]

    def link(self, expression: str, window: Window) -> str:
        """Return the address that opens a query over a window."""
        source = {"type": self.kind, "uid": self.datasource}
        query: dict[str, object] = {"refId": "A", "datasource": source, "expr": expression}
        if self.kind == "prometheus":
            query |= {"range": True, "instant": False}
        pane = {
            "datasource": self.datasource,
            "queries": [query],
            "range": {"from": _milliseconds(window.start), "to": _milliseconds(window.end)},
        }
        panes = json.dumps({"sre": pane}, ensure_ascii=False, separators=(",", ":"))
        return f"{self.url}/explore?{urlencode({'schemaVersion': '1', 'panes': panes})}"


def _milliseconds(at: datetime) -> str:
    return str(round(at.timestamp() * 1000))
