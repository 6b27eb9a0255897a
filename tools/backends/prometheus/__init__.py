"""Prometheus and what speaks its API (Mimir, Thanos, VictoriaMetrics)."""

from tools.backends.prometheus.adapter import Prometheus
from tools.backends.prometheus.config import PrometheusConfig

__all__ = ["Prometheus", "PrometheusConfig"]
