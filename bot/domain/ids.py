"""Readable ids: `ANO-7f3a21`, `ALR-…`, `INC-2026-0007`, `PLAN-9c01d4`, `RUN-…`, `FND-…`, `PM-…`."""

from __future__ import annotations

import secrets
from typing import NewType

AlertId = NewType("AlertId", str)
AnomalyId = NewType("AnomalyId", str)
FindingId = NewType("FindingId", str)
IncidentId = NewType("IncidentId", str)
PlanId = NewType("PlanId", str)
RunId = NewType("RunId", str)
PostmortemId = NewType("PostmortemId", str)
EvidenceId = NewType("EvidenceId", str)  # "E1", numbered per thread by the store
UserId = NewType("UserId", str)  # a Slack user id, at every door
ChannelId = NewType("ChannelId", str)
Ts = NewType("Ts", str)  # a Slack message timestamp, "1732099200.000100"


def mint(prefix: str) -> str:
    """Return a new readable id: the prefix and eight random hex digits."""
    return f"{prefix}-{secrets.token_hex(4)}"
