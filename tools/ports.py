"""What the tools need from outside: small Protocols that state how they fail.

Every method that talks to a backend raises a `tools.errors.BackendError` subclass when the
backend is down, denies or refuses; a missing object is `NotFoundError`; an empty answer is
an empty list. Adapter and fake of a port pass the same contract tests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar, runtime_checkable

from tools.paging import Page
from tools.tracing import Trace, TraceHead
from tools.world import (
    Baseline,
    Change,
    ClusterEvent,
    FiringAlert,
    Labels,
    LogLine,
    MetricName,
    PodStatus,
    ProposalDraft,
    ProposalReceipt,
    Series,
    SimilarCase,
    Window,
    WorkloadRef,
)
from tools.world.conclusions import LearnedBatch

T = TypeVar("T")
MOST_LOG_BYTES = 1_000_000  # of one container's log in one answer


class Clock(Protocol):
    """World and wall time; tools ask for world time alone.

    World time is what the metrics, the schedule and the audit are dated with; wall time is what
    people and networks live in (expiry, leases, timeouts).
    """

    def now(self) -> datetime:
        """Return the aware UTC world time."""
        ...

    def wall(self) -> datetime:
        """Return the aware UTC wall time."""
        ...

    def monotonic(self) -> float:
        """Return seconds that only ever rise, for durations."""
        ...


@dataclass(frozen=True, slots=True)
class Health:
    """State of one backend as last seen."""

    name: str
    up: bool
    detail: str = ""
    since: datetime | None = None  # wall time: since when it is as it is
    configured: bool = True
    degraded: bool = False  # it answers, but not always

    @property
    def word(self) -> str:
        """Return up, degraded, down or off."""
        if not self.configured:
            return "off"
        if not self.up:
            return "down"
        return "degraded" if self.degraded else "up"


class HasHealth(Protocol):
    """Something that can say how it is."""

    async def health(self) -> Health:
        """Return the health now; never raises for a dead backend."""
        ...


class Reading(list[Series]):
    """The series of one answer, and in `warnings` what must be said with them.

    An answer that is only part of the truth (a store that did not answer, a shortened result, no
    recent sample) says so here.
    """

    def __init__(self, series: Iterable[Series] = (), warnings: Iterable[str] = ()) -> None:
        """Keep each warning once, in order."""
        super().__init__(series)
        self.warnings = tuple(dict.fromkeys(warnings))


def warnings_of(answer: Sequence[Series]) -> tuple[str, ...]:
    """Return what must be said with an answer; nothing for a plain list."""
    return answer.warnings if isinstance(answer, Reading) else ()


@dataclass(frozen=True, slots=True)
class MetricAbout:
    """What the store itself says of one metric."""

    name: str
    type: str = ""  # counter, gauge, histogram, summary; empty when unknown
    help: str = ""
    unit: str = ""


class Metrics(HasHealth, Protocol):
    """A Prometheus-compatible metrics store."""

    async def query_range(
        self, promql: str, window: Window, step: timedelta | None = None
    ) -> list[Series]:
        """Evaluate over a window on a regular grid (step chosen ≤ 11,000 points if None).

        Returns a `Reading` where there is something to say with the answer.
        """
        ...

    async def query(self, promql: str, at: datetime) -> list[tuple[Labels, float]]:
        """Evaluate at one instant."""
        ...

    async def metric_names(self) -> list[str]:
        """Return the names of all metrics the store knows, sorted."""
        ...

    async def about(self, metric: str) -> MetricAbout | None:
        """Return type, help and unit of one metric, None when the store says nothing of it."""
        ...

    def link(self, promql: str, window: Window) -> str:
        """Return a URL where a person sees the same graph; empty when none is configured."""
        ...


class PartedReading(Reading):
    """A `Reading` that several questions were asked for; `queries` counts them."""

    queries = 1


@runtime_checkable
class ReadsInParts(Protocol):
    """A metrics store that can ask for more series than it takes in one answer."""

    async def query_range_in_parts(
        self, promql: str, label: str, window: Window, step: timedelta
    ) -> PartedReading:
        """Evaluate as `query_range` does, a few values of one label at a time.

        Raises AnswerTooLargeError where the parts are not the whole, or one value is too large.
        """
        ...


@runtime_checkable
class SpeaksMetricsQL(Protocol):
    """A metrics store that may read VictoriaMetrics' superset of PromQL."""

    async def speaks_metricsql(self) -> bool:
        """Say whether it does. Raises BackendError when it cannot be asked."""
        ...


@runtime_checkable
class SaysAllMetadata(Protocol):
    """A metrics store that tells of all its metrics in one answer."""

    async def every_about(self) -> list[MetricAbout]:
        """Return type, help and unit of every metric it keeps them for; empty when of none."""
        ...


@dataclass(frozen=True, slots=True)
class LogPage:
    """Lines newest first (or as asked) and whether more matched than were returned."""

    lines: tuple[LogLine, ...]
    truncated: bool
    query: str
    note: str = ""  # why only part of the window was searched; empty: all of it
    link: str = ""  # where a person sees the same lines; empty when none is configured


class Logs(HasHealth, Protocol):
    """A Loki-compatible log store."""

    async def search(
        self,
        window: Window,
        *,
        service: str = "",
        text: str = "",
        pattern: str = "",
        level: str = "",
        trace_id: str = "",
        oldest_first: bool = False,
        limit: int = 200,
    ) -> LogPage:
        """Return lines that contain `text` (taken literally, any case), newest first by default.

        `pattern` is an RE2 expression that a part of a line matches, any case. `trace_id` keeps
        the lines of one trace: named by a label, by structured metadata or in the text. Raises
        BackendRefusedError for what reads too much; the message says how to narrow it.
        """
        ...


@runtime_checkable
class TellsLabels(Protocol):
    """A log store that says how its streams are labelled (for `init`)."""

    async def label_values(self, window: Window) -> Mapping[str, tuple[str, ...]]:
        """Return each label that streams had in the window, with its values."""
        ...


class Traces(HasHealth, Protocol):
    """A trace store (Tempo, Jaeger)."""

    async def find(
        self,
        service: str,
        window: Window,
        *,
        minimum_duration: timedelta = timedelta(0),
        errors_only: bool = False,
        limit: int = 20,
    ) -> list[TraceHead]:
        """Return traces in which `service` took part, slowest first.

        `minimum_duration` and `errors_only` speak of the spans of that service.
        """
        ...

    async def get(self, trace_id: str) -> Trace:
        """Return one trace. Raises NotFoundError."""
        ...

    async def services(self) -> list[str]:
        """Return the services that sent spans, sorted."""
        ...

    def link(self, trace_id: str) -> str:
        """Return a URL where a person sees the trace; empty when none is configured."""
        ...


class Cluster(HasHealth, Protocol):
    """Reading a Kubernetes cluster. Identity: the reading one."""

    async def events(self, window: Window, namespace: str = "") -> list[ClusterEvent]:
        """Return the events kept in a namespace that happened within the window, newest first.

        What lasted is an interval: it is returned when any part of it lies in the window. Events
        about objects without a namespace, such as nodes, are kept in `default`.
        """
        ...

    async def pods(self, workload: WorkloadRef) -> list[PodStatus]:
        """Return the pods a workload owns."""
        ...

    async def get(self, ref: WorkloadRef) -> Mapping[str, Any]:
        """Return one object as the API serves it. Raises NotFoundError."""
        ...

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Any]]:
        """Return objects of one kind (labels selected by equality)."""
        ...

    async def log_of(
        self, pod: WorkloadRef, container: str = "", *, previous: bool = False, lines: int = 100
    ) -> str:
        """Return the last lines of a container (empty: the first), each behind its time (RFC 3339).

        `previous` is the one that ended before it. At most `MOST_LOG_BYTES`. Raises NotFoundError.
        """
        ...


@runtime_checkable
class SaysMissingRules(Protocol):
    """A cluster that can say what its identity may not read (for `doctor`)."""

    async def missing_rules(self, kinds: Collection[str] = ()) -> list[str]:
        """Return the RBAC rules that reading needs and the identity lacks.

        `kinds` are those of the catalogue's workloads, some of which not every cluster serves.
        """
        ...


class ClusterActor(Protocol):
    """Changing a Kubernetes cluster. Identity: the acting one, `KUBECONFIG_ACT`.

    Raises LostRaceError on 409 and on a failed JSON-patch `test` (422), BackendDeniedError
    with verb and resource on 403, TryLaterError on 429 (an eviction that a disruption budget
    holds; the message names the budget), OutcomeUnknownError when a request was sent and no
    answer came. `dry_run` asks the server to validate and change nothing.
    """

    async def get(self, ref: WorkloadRef) -> Mapping[str, Any]:
        """Read one object with the acting identity. Raises NotFoundError."""
        ...

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> list[Mapping[str, Any]]:
        """List objects of one kind with the acting identity."""
        ...

    async def logs(self, pod: WorkloadRef, lines: int) -> str:
        """Return the last lines a pod's only or first container wrote."""
        ...

    async def ask_pod(self, pod: WorkloadRef, port: int, path: str) -> Mapping[str, Any]:
        """GET a JSON object from a pod's own HTTPS endpoint, through the API server's proxy."""
        ...

    async def patch(
        self,
        ref: WorkloadRef,
        operations: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool,
        subresource: str = "",
    ) -> Mapping[str, Any]:
        """Apply a JSON patch (RFC 6902) and return the object after it."""
        ...

    async def delete(
        self, ref: WorkloadRef, *, dry_run: bool, grace_seconds: int = 30, uid: str = ""
    ) -> None:
        """Delete an object, with `uid` as precondition when given."""
        ...

    async def create(
        self, ref: WorkloadRef, body: Mapping[str, Any], *, dry_run: bool, subresource: str = ""
    ) -> Mapping[str, Any]:
        """Create an object (a Job, an Eviction) and return it."""
        ...


@dataclass(frozen=True, slots=True)
class HttpReply:
    """What a called endpoint answered."""

    status: int
    text: str  # at most the first 4,000 characters


class HttpCaller(Protocol):
    """Calling an allow-listed HTTP endpoint (`tools.backends.http`).

    Raises ActionRefusedError before anything is sent (host not allowed, private address),
    BackendUnavailableError when the connection was never made, BackendRefusedError on 4xx and
    OutcomeUnknownError when the request was sent and no usable answer came (timeout, 5xx).
    """

    async def check(self, method: str, url: str) -> None:
        """Raise ActionRefusedError unless this call would be allowed; sends nothing."""
        ...

    async def call(
        self, method: str, url: str, body: Mapping[str, Any] | None, key: str
    ) -> HttpReply:
        """Send once, signed, `key` as Idempotency-Key; never redirected to another host."""
        ...


@dataclass(frozen=True, slots=True)
class ConfigVersion:
    """What a config map held at one time."""

    ref: WorkloadRef  # with the uid it had then
    at: datetime  # when the watch saw it
    sha256: str  # of the map's data and binaryData
    data: Mapping[str, str] | None  # None: not stored
    withheld: str = ""  # why it is not stored, as a person reads it


class ConfigHistory(Protocol):
    """Earlier versions of config maps, which Kubernetes does not keep."""

    async def save(self, ref: WorkloadRef, item: Mapping[str, Any], at: datetime) -> bool:
        """Keep what a config map holds now, `item` as the API serves it.

        False when that is the newest version already. Data that redaction would change is not
        kept, only that it was withheld. Raises BackendUnavailableError when the store is down.
        """
        ...

    async def versions_of(self, ref: WorkloadRef, limit: int = 20) -> list[ConfigVersion]:
        """Return the kept versions of a map by cluster, namespace and name, newest first."""
        ...


class AlertFeed(Protocol):
    """Alerts that others told of."""

    async def firing(self) -> list[FiringAlert]:
        """Return the alerts that fire now, the gravest first, then the oldest."""
        ...


class AlertSource(HasHealth, Protocol):
    """Whoever knows which alerts fire: Alertmanager's `/api/v2/alerts`."""

    async def firing(self) -> Collection[Labels]:
        """Return the labels of each alert that is active, `alertname` among them.

        Raises BackendError.
        """
        ...


class Changes(Protocol):
    """What changed in production: deploys, configuration, scaling."""

    async def recent(self, window: Window, services: Sequence[str] = ()) -> list[Change]:
        """Return changes in the window, newest first; all services when none is named."""
        ...


class Baselines(Protocol):
    """Learned baselines."""

    async def find(self, metric: MetricName, labels: Labels) -> Baseline | None:
        """Return the newest baseline of a series, or None."""
        ...

    async def save(self, baselines: Sequence[Baseline]) -> None:
        """Replace the baselines of the same series."""
        ...

    async def all(self) -> list[Baseline]:
        """Return every baseline."""
        ...

    async def after(self, revision: int) -> LearnedBatch | None:
        """Return what the first save after a revision left; None: there was none since.

        Begin with −1 and go on with the batch's own to read everything, a save at a time.
        """
        ...


class History(Protocol):
    """Past incidents, postmortems and runbooks."""

    async def similar(self, text: str, limit: int = 5) -> list[SimilarCase]:
        """Return the nearest documents, best first."""
        ...


class EvidenceShelf(Protocol):
    """The evidence of one thread: what its tool calls returned, page by page."""

    async def page(self, evidence_id: str, number: int) -> Page:
        """Return one page of E1, E2 …; page 1 is its summary. Raises NotFoundError."""
        ...


class PlanDesk(Protocol):
    """Where a proposal goes. It mints a plan for people to judge; it never runs one."""

    async def propose(self, draft: ProposalDraft) -> ProposalReceipt:
        """Turn a draft into a plan card, or say which guard refused it."""
        ...


class Workers(Protocol):
    """A process pool: heavy maths never runs on the event loop."""

    async def run(self, function: Callable[..., T], *args: object) -> T:
        """Run a picklable module-level function and return its result or raise its error."""
        ...
