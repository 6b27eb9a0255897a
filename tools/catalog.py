"""Every tool, in the order the model reads them: orient, look, judge, recall, propose.

A team's own tools (docs/add-a-tool.md) stand before those that propose. They are given what the
shipped ones are given, and nothing of that can act.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tools.contract import Risk, Tool
from tools.extensions import ExtensionError, load_extensions
from tools.observe.alerts import list_alerts
from tools.observe.anomalies import detect_anomalies, forecast_metric
from tools.observe.cluster import list_events, recent_changes
from tools.observe.container_logs import container_logs
from tools.observe.evidence import read_evidence
from tools.observe.find_metrics import find_metrics
from tools.observe.get_objects import kubernetes_get
from tools.observe.knowledge import get_time, search_incidents, service_map
from tools.observe.logs import log_patterns, search_logs
from tools.observe.metric_facts import examine_metrics
from tools.observe.metrics import list_metrics, query_metric, query_promql
from tools.observe.objects import examine_objects
from tools.observe.propose import propose_plan, run_playbook
from tools.observe.traces import query_traces
from tools.observe.usage import resource_usage
from tools.observe.workload import describe_workload

ALL: tuple[Tool, ...] = (
    get_time,
    service_map,
    list_metrics,
    detect_anomalies,
    examine_metrics,
    list_alerts,
    query_metric,
    recent_changes,
    log_patterns,
    search_logs,
    query_traces,
    list_events,
    describe_workload,
    examine_objects,
    kubernetes_get,
    container_logs,
    resource_usage,
    find_metrics,
    query_promql,
    forecast_metric,
    search_incidents,
    read_evidence,
    propose_plan,
    run_playbook,
)

GROUP = "sre_agent.tools"  # entry points of installed packages
GIVEN: frozenset[type] = frozenset(kind for each in ALL for kind in each.injected.values())
_PROPOSING: frozenset[type] = GIVEN - frozenset(
    kind for each in ALL if each.risk is Risk.READ for kind in each.injected.values()
)
_NAME = re.compile(r"[a-z][a-z0-9_]{1,62}")


def load_tools(folders: Sequence[Path] = ()) -> tuple[Tool, ...]:
    """Return the shipped tools and those a team added. Raises ExtensionError."""
    own = load_extensions(folders, GROUP, Tool, shipped=ALL)
    for each in own:
        _check(each)
    reading = tuple(each for each in ALL if each.risk is Risk.READ)
    proposing = tuple(each for each in ALL if each.risk is not Risk.READ)
    return (*reading, *own, *proposing)


def _check(own: Tool) -> None:
    """Refuse a tool that asks for more than tools are given."""
    if not _NAME.fullmatch(own.name):
        raise ExtensionError(f"tool {own.name!r}: a name is lower case, digits and underscores")
    if not isinstance(own.risk, Risk):
        raise ExtensionError(f"tool {own.name!r}: risk {own.risk!r} is neither READ nor PROPOSE")
    for parameter, kind in own.injected.items():
        if kind not in GIVEN:
            known = ", ".join(sorted(each.__name__ for each in GIVEN))
            raise ExtensionError(
                f"tool {own.name!r} asks for {getattr(kind, '__name__', kind)} ({parameter!r}); "
                f"a tool is given only: {known}"
            )
        if kind in _PROPOSING and own.risk is Risk.READ:
            raise ExtensionError(
                f"tool {own.name!r} asks for {kind.__name__} ({parameter!r}) and says it only "
                "reads; declare it with risk=Risk.PROPOSE"
            )
