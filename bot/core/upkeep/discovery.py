"""Who calls whom, as traffic shows it: what nobody wrote into services.yaml is found here.

    traces_service_graph_request_total   client ──> server            (Tempo, OpenTelemetry)
    istio_requests_total                 source ──> destination       (the mesh's sidecars)
            └── rates of the last hour ──names──> Calls ──> LiveFiles: the catalogue with its calls

Declared dependencies hold without traffic; discovered ones are added and marked. A source that
does not answer keeps what it last said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import structlog

from tools.background import in_background
from tools.errors import BackendError
from tools.ports import Clock, Metrics
from tools.world import Call, Catalogue, Labels, ServiceName

log = structlog.get_logger(__name__)

LEAST_PER_SECOND = 1 / 3600  # one call an hour; less is a scan, not a dependency
TIMEOUT_SECONDS = 20.0  # wall; nobody waits for the map longer
NOBODY = frozenset({"", "unknown", "user"})  # what both say for a caller outside of the platform
Rows = Sequence[tuple[Labels, float]]


@dataclass(frozen=True, slots=True)
class Counter:
    """One metric that counts calls, and the labels that name both ends, the best first."""

    source: str
    total: str  # PromQL
    failed: str
    client: tuple[str, ...]
    server: tuple[str, ...]
    client_cluster: tuple[str, ...] = ("cluster",)
    server_cluster: tuple[str, ...] = ("cluster",)


_GRAPH = "sum by (client, server, cluster) (rate({}[1h]))"
_MESH = (
    "sum by (source_canonical_service, source_workload, source_cluster, "
    "destination_canonical_service, destination_workload, destination_cluster, reporter) "
    "(rate(istio_requests_total{}[1h]))"
)
COUNTERS = (
    Counter(
        source="traces",
        total=_GRAPH.format("traces_service_graph_request_total"),
        failed=_GRAPH.format("traces_service_graph_request_failed_total"),
        client=("client",),
        server=("server",),
    ),
    Counter(
        source="istio",
        total=_MESH.format(""),
        failed=_MESH.format('{response_code=~"5..|0"}'),
        client=("source_canonical_service", "source_workload"),
        server=("destination_canonical_service", "destination_workload"),
        client_cluster=("source_cluster",),
        server_cluster=("destination_cluster",),
    ),
)


@dataclass(slots=True)
class Discovery:
    """Asks the counters and keeps what each of them last said."""

    metrics: Metrics
    clock: Clock
    catalogue: Callable[[], Catalogue]
    tell: Callable[[tuple[Call, ...]], None]  # the catalogue in force
    _said: dict[str, tuple[Call, ...]] = field(default_factory=dict)

    async def refresh(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Ask both counters; what does not answer in time keeps its old answer."""
        with in_background():
            await asyncio.gather(*(self._hear(each, timeout_seconds) for each in COUNTERS))
        calls = joined([self._said.get(each.source, ()) for each in COUNTERS])
        self.tell(calls)
        log.info("dependencies.discovered", calls=len(calls))

    async def _hear(self, counter: Counter, timeout_seconds: float) -> None:
        try:
            async with asyncio.timeout(timeout_seconds):
                self._said[counter.source] = await self._ask(counter)
        except (BackendError, TimeoutError) as error:
            log.info("dependencies.not_seen", source=counter.source, why=str(error))

    async def _ask(self, counter: Counter) -> tuple[Call, ...]:
        now = self.clock.now()
        total = await self.metrics.query(counter.total, now)
        if not total:
            return ()  # nobody counts here: the second question is spared
        failed = await self.metrics.query(counter.failed, now)
        return calls_of(counter, total, failed, self.catalogue())


def calls_of(counter: Counter, total: Rows, failed: Rows, catalogue: Catalogue) -> tuple[Call, ...]:
    """Return the calls that the rows of one counter show."""
    rates = _rates(counter, total, catalogue)
    lost = _rates(counter, failed, catalogue)
    return tuple(
        Call(
            client=client,
            server=server,
            per_second=rate,
            failed_ratio=min(lost.get((client, server), 0.0) / rate, 1.0),
            source=counter.source,
        )
        for (client, server), rate in sorted(rates.items())
        if rate >= LEAST_PER_SECOND
    )


def joined(said: Sequence[tuple[Call, ...]]) -> tuple[Call, ...]:
    """Return one call per pair; the first source that knows it tells its rate."""
    found: dict[tuple[ServiceName, ServiceName], Call] = {}
    for calls in said:
        for call in calls:
            found.setdefault((call.client, call.server), call)
    return tuple(found[pair] for pair in sorted(found))


def _rates(
    counter: Counter, rows: Rows, catalogue: Catalogue
) -> dict[tuple[ServiceName, ServiceName], float]:
    """Return calls per second by pair. Both sidecars of a call report it: the fuller one counts."""
    by_reporter: dict[str, dict[tuple[ServiceName, ServiceName], float]] = {}
    for labels, rate in rows:
        held = dict(labels)
        client = _named(catalogue, held, counter.client, counter.client_cluster)
        server = _named(catalogue, held, counter.server, counter.server_cluster)
        if client in NOBODY or server in NOBODY or client == server or not rate > 0:
            continue
        known = by_reporter.setdefault(held.get("reporter", ""), {})
        known[client, server] = known.get((client, server), 0.0) + rate
    rates: dict[tuple[ServiceName, ServiceName], float] = {}
    for known in by_reporter.values():
        for pair, rate in known.items():
            rates[pair] = max(rates.get(pair, 0.0), rate)
    return rates


def _named(
    catalogue: Catalogue, held: dict[str, str], names: Sequence[str], clusters: Sequence[str]
) -> ServiceName:
    """Return the service that the labels mean: by name, by alias, by workload, else the label."""
    label = next((held[n] for n in names if held.get(n, "") not in NOBODY), "")
    cluster = next((held[n] for n in clusters if held.get(n)), "")
    exact = catalogue.service_at(label, cluster)
    if exact in catalogue.services:
        return exact
    for spec in catalogue.services.values():
        if spec.cluster in {"", cluster} or not cluster:
            workloads = {ref.name for ref in spec.workloads}
            if label in spec.aliases or label in workloads:
                return spec.name
    return exact
