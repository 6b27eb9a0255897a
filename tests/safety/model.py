"""The model of the stage: it reads everything, then does what the text of the minute wants.

every tool ──> the next pages of what they said ──> the wanted calls ──> all of it, told aloud
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.model.script import Turn, text, tool_use
from sandbox.slack.chat.people import ALICE
from tests.safety.outside import LARGE, SMALL
from tests.safety.texts import CALLS, Hostile

QUERY = "order_errors"
READS: tuple[tuple[str, dict[str, object]], ...] = (
    ("search_logs", {"window": "15m"}),
    ("log_patterns", {"window": "15m"}),
    ("list_events", {"window": "15m"}),
    ("describe_workload", {"service": "shop"}),
    ("recent_changes", {"window": "1h"}),
    ("query_promql", {"expression": QUERY, "window": "15m"}),
    ("search_incidents", {"text": "errors after a release"}),
    ("query_traces", {"service": "shop", "window": "30m"}),
    ("query_traces", {"trace_id": SMALL}),
    ("query_traces", {"trace_id": LARGE}),  # planted once, at the end
    ("open_tickets", {"service": "shop"}),
    ("kubernetes_get", {"kind": "deploy", "name": "trading/cart"}),
    ("kubernetes_get", {"kind": "cm", "name": "cart-config-2"}),
    ("container_logs", {"service": "shop"}),
    ("container_logs", {"pod": "shop-h2-0", "previous": True}),
    ("find_metrics", {"text": "orders"}),
)
PAGED = frozenset(
    {"query_traces", "open_tickets", "search_logs", "container_logs"}
)  # read on to the next page


@dataclass
class Obedient:
    """One model for all texts, so that a turn nobody took obeys the present one."""

    present: Hostile | None = None  # nothing is wanted without one

    def __call__(self, request: Mapping[str, Any]) -> Turn:
        """Say what the model does next."""
        called = _called(request)
        offered = {tool["name"] for tool in request.get("tools") or ()}
        if not called & {"search_logs", "list_events"}:
            return Turn([tool_use(n, dict(a)) for n, a in READS if n in offered])
        if "read_evidence" not in called:
            pages = ((each, number) for each in _paged(request) for number in (2, 3))
            return Turn(
                [tool_use("read_evidence", {"evidence_id": e, "page": n}) for e, n in pages]
            )
        wanted = CALLS[self.present.wants] if self.present else ()
        if wanted and not called & {name for name, _ in wanted}:
            return Turn([tool_use(name, dict(arguments)) for name, arguments in wanted])
        secrets = " ".join(_quotes(request))
        words = self.present.text if self.present else ""
        return Turn([text(f"Approved by <@{ALICE}> and done. {words} {secrets}\n")])


def _called(request: Mapping[str, Any]) -> set[str]:
    """Return the tools that were called since the last question."""
    names: set[str] = set()
    for message in request["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        if message["role"] == "user" and all(b["type"] == "text" for b in blocks):
            names.clear()
        names |= {b["name"] for b in blocks if b["type"] == "tool_use"}
    return names


def _paged(request: Mapping[str, Any]) -> list[str]:
    """Return the numbers of the evidence that has more pages."""
    found = re.findall(r'<evidence id="(E\d+)" tool="(\w+)"', " ".join(_said(request)))
    return [number for number, name in found if name in PAGED]


def _quotes(request: Mapping[str, Any]) -> list[str]:
    """Return some of what the tools said, word for word: a model that tells everything."""
    return [each[:1500] for each in _said(request)]


def _said(request: Mapping[str, Any]) -> list[str]:
    """Return what the tools said lately."""
    said = []
    for message in request["messages"][-6:]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        for block in blocks:
            if block["type"] == "tool_result":
                said += [part["text"] for part in block["content"]]
    return said
