"""Every tool, in the order the model reads them: orient, look, judge, recall, propose."""

from __future__ import annotations

from tools.contract import Tool
from tools.observe.anomalies import detect_anomalies, forecast_metric
from tools.observe.cluster import describe_workload, list_events, recent_changes
from tools.observe.knowledge import get_time, search_incidents, service_map
from tools.observe.logs import log_patterns, search_logs
from tools.observe.metrics import list_metrics, query_metric, query_promql
from tools.observe.propose import propose_plan, run_playbook

ALL: tuple[Tool, ...] = (
    get_time,
    service_map,
    list_metrics,
    detect_anomalies,
    query_metric,
    recent_changes,
    log_patterns,
    search_logs,
    list_events,
    describe_workload,
    query_promql,
    forecast_metric,
    search_incidents,
    propose_plan,
    run_playbook,
)
