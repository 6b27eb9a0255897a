"""A small production full of marked words, and a model that asks every tool about all of it.

shop    model_data: all          cart    model_data: figures        vault   model_data: nothing

Each source holds a mark per service, `cnr` + source + service; `ingress` is nobody's we know.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bot.claude.model import Claude
from bot.composition.process import Bot
from bot.core.ports import Budget
from bot.domain.answer import Answer
from bot.domain.ids import ChannelId, Ts, UserId
from bot.domain.place import Place
from bot.domain.question import Question
from bot.store.store import SqlStore
from sandbox.model.script import SpokenTurn, Turn, text, tool_use
from sandbox.model.server import ModelServer
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import populate, service
from tests.fakes.logs import FakeLogs
from tests.fakes.metrics import FakeMetrics
from tests.fakes.reply import KeptReply
from tests.fakes.traces import FakeTraces, span
from tests.fixtures.bot import BotStand
from tests.fixtures.nouns import an_alert
from tests.patience import PATIENCE
from tools.catalog import ALL
from tools.contract import Risk, ToolResult, tool
from tools.errors import BackendRefusedError, NotFoundError
from tools.ports import Clock
from tools.tracing import Trace
from tools.world import (
    Catalogue,
    Change,
    ChangeKind,
    ClusterEvent,
    LogLine,
    MetricName,
    MetricSpec,
    ModelData,
    PodStatus,
    ServiceName,
    SimilarCase,
    WorkloadRef,
    labels_of,
)

LEVELS = {"shop": ModelData.ALL, "cart": ModelData.FIGURES, "vault": ModelData.NOTHING}
WHOSE = (*LEVELS, "ingress")
SOURCES = (
    "log", "loglabel", "event", "label", "change", "before", "author", "annotation", "spanname",
    "spansaid", "spannoted", "title", "snippet", "own",
    "alertsummary", "alertdescription", "alertrunbook", "setting", "written",
)  # fmt: skip
SETTINGS = {"ingress": "settings-of-nobody"} | {name: f"{name}-settings" for name in LEVELS}
QUERY = "failed_orders"
THREAD = Place(ChannelId("C1"), Ts("1732099200.000100"))


def mark(source: str, whose: str) -> str:
    """Return the word that tells where a text came from."""
    return f"cnr{source}{whose}"


def words(source: str, whose: str) -> str:
    """Return a text as a program or a person would write it."""
    return f"sorry, {mark(source, whose)} could not be found"


def catalogue(levels: Mapping[str, ModelData]) -> Catalogue:
    """Return the three services under some settings."""
    metric = MetricSpec(
        MetricName("order_errors"), "trading", QUERY, "ratio", "Failed orders", threshold=0.02
    )
    specs = {ServiceName(n): service(n, model_data=level) for n, level in levels.items()}
    return Catalogue({metric.name: metric}, specs)


@tool(risk=Risk.READ)
async def open_tickets(clock: Clock, /, service: str = "") -> ToolResult:
    """Return the open tickets of a service.

    Args:
        service: Name of the service; empty for all.
    """
    if service and service not in LEVELS:
        raise NotFoundError(words("error", "vault"))
    said = words("own", service or "ingress")
    rows = [{"service": each, "said": words("own", each)} for each in LEVELS if not service]
    return ToolResult(
        said, {"said": said, "open": 3, "rows": rows, said: 1}, query=f"{clock.now()}"
    )


@dataclass
class Production:
    """What the bot stands on."""

    store: SqlStore
    folder: Path
    model: ModelServer
    levels: dict[str, ModelData] = field(default_factory=lambda: dict(LEVELS))

    def __post_init__(self) -> None:
        self.logs, self.metrics, self.traces = FakeLogs(), FakeMetrics(), FakeTraces()
        self.cluster = FakeCluster()
        populate(self.cluster)
        self.stand = BotStand(
            self.store,
            self.folder,
            logs=self.logs,
            metrics=self.metrics,
            traces=self.traces,
            cluster=self.cluster,
            tools=(*ALL, open_tickets),
            environment={
                "ANTHROPIC_API_KEY": "sandbox-model",
                "ANTHROPIC_BASE_URL": self.model.url,
            },
        )
        claude = self.stand.settings.claude
        assert claude is not None
        self.claude = Claude(replace(claude, timeout_seconds=PATIENCE))
        self.stand.model = self.claude
        self.stand.configure(budget=Budget(40, 10_000_000, 120.0, None, None, None, None))
        self.now = self.stand.clock.now()

    async def plant(self) -> None:
        """Write a marked text wherever somebody else's words may stand."""
        at, minutes = self.now - timedelta(minutes=3), range(90)
        times = [self.now.timestamp() - 60.0 * (90 - each) for each in minutes]
        for whose in WHOSE:
            ref = WorkloadRef("default", "trading", "Deployment", whose)
            labels = (("note", words("loglabel", whose)),)
            said = words("log", whose)
            self.logs.lines += [
                LogLine(at + timedelta(seconds=n), whose, f"{said} {n}", "error", labels)
                for n in range(8)
            ]
            self.cluster.event_list.append(
                ClusterEvent(at, ref, "Warning", "BackOff", words("event", whose))
            )
            told = {"note": words("label", whose)} | ({"service": whose} if whose in LEVELS else {})
            self.metrics.put(QUERY, told, times, [0.1] * len(times))
            change = Change(
                at, ChangeKind.CONFIG, whose, words("change", whose), before=words("before", whose),
                author=words("author", whose),
            )  # fmt: skip
            rule = {n: words(f"alert{n}", whose) for n in ("summary", "description", "runbook")}
            alert = replace(
                an_alert(f"ALR-{whose}"), service=ServiceName(whose), subject=str(ref),
                started_at=at, heard_at=at, annotations=labels_of(rule),
                labels=labels_of({"service": whose}),
            )  # fmt: skip
            async with self.store.begin() as tx:
                await tx.alerts.save(alert)
                await tx.changes.add(change, f"planted:{whose}")
            title, snippet = words("title", whose), words("snippet", whose)
            self.stand.history.cases.append(
                SimilarCase(f"PM-{whose}", title, "postmortem", snippet, 1.0, "", (whose,))
            )
        for name in ("shop", "cart"):
            item = self.cluster.objects["Deployment", "trading", name]
            item["metadata"].setdefault("annotations", {})["kubernetes.io/change-cause"] = words(
                "annotation", name
            )
        for whose in WHOSE:
            self.cluster.put({
                "kind": "ConfigMap", "metadata": {"namespace": "trading", "name": SETTINGS[whose]},
                "data": {"said": words("setting", whose)},
            })  # fmt: skip
            self._plant_pod(whose, "pod-of-nobody" if whose == "ingress" else f"{whose}-h2-0")
        self._plant_traces()

    def _plant_pod(self, whose: str, name: str) -> None:
        ref = WorkloadRef("default", "trading", "Pod", name)
        item = {"kind": "Pod", "metadata": {"namespace": "trading", "name": name}}
        if ("Pod", "trading", name) not in self.cluster.objects:
            self.cluster.put(item)
        self.cluster.pod_list.append(
            PodStatus(ref, "Running", ready=True, restarts=0, started_at=None, image="")
        )
        self.cluster.pod_logs[name] = self.cluster.previous_logs[name] = words("written", whose)

    def _plant_traces(self) -> None:
        begun = self.now - timedelta(minutes=5)
        spans = []
        for number, whose in enumerate(WHOSE):
            above = f"s{number - 1}" if number else ""
            made = span(
                begun, f"s{number}", above, whose, number, 900, failed=words("spansaid", whose)
            )
            noted = (("note", words("spannoted", whose)),)
            spans.append(replace(made, name=words("spanname", whose), attributes=noted))
        self.traces.traces["a" * 32] = Trace("a" * 32, tuple(spans))

    def break_everything(self) -> None:
        """Let every backend fail in words that quote somebody."""
        error = BackendRefusedError("backend", words("error", "vault"))
        self.logs.broken = self.metrics.broken = self.traces.broken = error
        down = SimpleNamespace(word="down", since=None, why=words("down", "vault"))
        setattr(self.logs, "condition", down)  # noqa: B010 - as real adapters have one

    def measure(self, expression: str, labels: Mapping[str, str], value: float) -> None:
        """Let an expression have one series."""
        times = [self.now.timestamp() - 60.0 * (90 - each) for each in range(90)]
        self.metrics.put(expression, labels, times, [value] * len(times))

    def join(self) -> Bot:
        """Start the bot under the settings of the moment."""
        self.stand.catalogue = catalogue(self.levels)
        return self.stand.join()

    async def ask(self, question: str, *turns: SpokenTurn) -> tuple[Answer, str]:
        """Ask in the thread; returns the answer and all that went to Claude for it."""
        seen = len(self.model.raw_requests)
        self.model.push(turns or [curious] * 6)
        desk = self.join().desk
        run = await desk.open(Question(question, THREAD, "mention", UserId("UALICE"), "Alice"))
        assert run is not None
        answer = await desk.answer(run, KeptReply())
        assert answer is not None
        sent = b"".join(self.model.raw_requests[seen:]).decode()
        return answer, sent


def curious(request: Mapping[str, Any]) -> Turn:
    """Ask every tool about everybody, then read on in all of it, then answer."""
    called = _called(request)
    offered = {tool["name"] for tool in request.get("tools") or ()}
    wanted = [(n, dict(a)) for n, a in (*ABOUT_SERVICES, *ASKED_ONCE) if n in offered]
    done = len(called) - called.count("read_evidence")
    if done < len(wanted):
        return Turn([tool_use(*each) for each in wanted[done : done + AT_ONCE]])
    found = sorted(
        set(re.findall(r'<evidence id=\\?"(E\d+)', str(request["messages"]))), key=_number
    )
    read = called.count("read_evidence")
    if read < done:
        rest = found[read : read + AT_ONCE]
        return Turn([tool_use("read_evidence", {"evidence_id": e, "page": 2}) for e in rest])
    return Turn([text("**It is as it is.**\nConfidence: low")])


def _number(evidence: str) -> int:
    return int(evidence[1:])


AT_ONCE = 60  # calls of one turn; more than 64 are refused
Asked = tuple[tuple[str, dict[str, Any]], ...]
ASKED_ABOUT_SERVICES: Asked = (
    ("detect_anomalies", {"window": "1h"}), ("query_metric", {"metric": "order_errors"}),
    ("list_alerts", {}), ("recent_changes", {}), ("log_patterns", {}), ("search_logs", {}),
    ("list_events", {}),
    ("service_map", {}), ("query_traces", {}), ("open_tickets", {}), ("describe_workload", {}),
    ("examine_objects", {}), ("examine_metrics", {}), ("kubernetes_get", {"kind": "deploy"}),
    ("kubernetes_get", {"kind": "po"}), ("kubernetes_get", {"kind": "cm"}),
    ("container_logs", {}), ("find_metrics", {}),
    ("resource_usage", {}), ("resource_usage", {"what": "nodes"}),
    ("forecast_metric", {"metric": "order_errors"}),
    ("propose_plan", {"playbook": "pod_restart", "reason": "it fails"}),
    ("run_playbook", {"playbook_id": "pod_restart", "reason": "it fails"}),
)  # fmt: skip
NEEDS_ONE = {
    "container_logs",
    "find_metrics",
    "query_traces",
    "describe_workload",
    "forecast_metric",
    "propose_plan",
    "run_playbook",
}
ASKED_ONCE: Asked = (
    ("get_time", {}), ("list_metrics", {}), ("search_incidents", {"text": "could not be found"}),
    ("query_promql", {"expression": QUERY}), ("query_traces", {"trace_id": "a" * 32}),
    ("record_causes", {"causes": []}),
    ("query_metric", {"metric": "order_errors_of_nobody"}),
    *(("kubernetes_get", {"kind": "deploy", "name": who}) for who in ("shop", "cart", "vault")),
    ("container_logs", {"pod": "trading/pod-of-nobody", "previous": True}),
    *(("list_events", {"service": f"deploy/{who}"}) for who in WHOSE),
    ("find_metrics", {"text": "orders"}), ("find_metrics", {"text": "/failed/"}),
    ("search_logs", {"text": "/could.*found/"}),
    *(("kubernetes_get", {"kind": "cm", "name": name}) for name in SETTINGS.values()),
)  # fmt: skip


ABOUT_SERVICES = [
    (name, {**given, **({"service": who} if who else {})})
    for name, given in ASKED_ABOUT_SERVICES
    for who in ("", *LEVELS)
    if who or name not in NEEDS_ONE
]


def _called(request: Mapping[str, Any]) -> list[str]:
    """Return the tools that were called since the last question, call by call."""
    names: list[str] = []
    for message in request["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        if message["role"] == "user" and all(b["type"] == "text" for b in blocks):
            names.clear()
        names += [b["name"] for b in blocks if b["type"] == "tool_use"]
    return names
