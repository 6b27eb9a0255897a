"""What can be set about a Prometheus backend."""

from __future__ import annotations

from dataclasses import dataclass

from tools.backends.grafana import GrafanaExplore
from tools.backends.transport import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class PrometheusConfig(Connection):
    """A connection and the limits of one question."""

    queries_per_minute: int = 1200  # attempts in any 60 s; 0: no budget
    max_points: int = 11_000  # per series and request; Prometheus refuses more
    max_series: int = 1_000  # in one answer; more is a question that should be aggregated
    max_chunks: int = 50  # requests one long range may be split into
    min_step_seconds: float = 15.0  # the usual scrape interval: finer steps show nothing new
    link_base: str = ""  # where people open Prometheus; empty: no links
    grafana: GrafanaExplore | None = None  # where links lead instead
    cluster: str = ""  # the cluster it observes; empty: its series say so, or it is not known
