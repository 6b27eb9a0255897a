"""The nouns of an explanation: who, what is so of them, how they hang together, what is unknown.

    subject ──Fact (predicate, since ± tolerance, writer)──  start | carry | show
    subject ──Edge (calls, runs_on …)── subject              carries trouble one way
    Gap                                                      what nobody could look at

Only a *start* may begin a chain, a *carry* may stand within one, a *show* may end one. A role says
what a fact *can* be, not what it is in this incident.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum


class Link(StrEnum):
    """What a fact can be in a chain."""

    START = "start"  # needs nothing before it
    CARRY = "carry"  # something made it so, and it hurts others
    SHOW = "show"  # a symptom: never a cause


class StartClass(StrEnum):
    """How surely a start is where it began; what comes first ranks first."""

    TERMINAL = "terminal"  # a state that cannot lie: an exit, a refused credential, no such node
    EXHAUSTED = "exhausted"  # a resource with nothing left, a dominating statement
    DRIVER = "driver"  # what loads a resource: a surge, a holder of most of it
    UNEXPLAINED = "unexplained"  # slowness or errors that no callee explains
    MISFIT = "misfit"  # not as it should be, but perhaps for months


@dataclass(frozen=True, slots=True, order=True)
class FactSubject:
    """Whom a fact is about. Two with equal fields are the same; order is that of the fields.

    `kind` is lower case: service, workload, pod, node, namespace, volume, claim, quota, database,
    replica, statement, queue, cache, route, user, host, external, component. `scope` is the
    namespace of an object, the database of a statement, the service of a route; else empty.
    """

    kind: str
    name: str
    scope: str = ""
    cluster: str = ""

    def __str__(self) -> str:
        """Return how people call it: `api`, `node n1`, `statement SELECT … of orders`."""
        return self.name if self.kind == "service" else f"{self.kind} {self.name}"


def service(name: str) -> FactSubject:
    """Return the subject of a service of the catalogue; most metrics are about one."""
    return FactSubject("service", name)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is or was so.

    `sentence` says it in English with its figures and without its subject's name repeated by the
    reader: "web answers in 2.4 s at p99, usually 300 ms". Times are aware UTC.
    """

    subject: FactSubject
    predicate: str  # stable, kebab-case: what tables, rules and tests call it
    role: Link
    sentence: str
    source: str  # metrics | logs | objects | events | changes | alerts | traces
    writer: str  # who observed: kubelet, scheduler, exporter, "application NAME", database, mesh …
    start_class: StartClass = StartClass.UNEXPLAINED  # of a start; of others it says nothing
    value: float | None = None
    usual: float | None = None
    unit: str = ""
    log_ratio: float = 0.0  # ln of how many times as bad as usual, ≥ 0; 0: nothing is usual
    since: datetime | None = None  # None: nobody can say
    tolerance: timedelta = timedelta(0)  # by which `since` may be wrong
    until: datetime | None = None  # it has ended; None: it is so now
    evidence: str = ""  # "E3"; empty until the recorder numbered it
    also: tuple[str, ...] = ()  # further evidence, of a fact that rests on several
    metric: str = ""  # of the catalogue, where a metric says it
    names: tuple[str, ...] = ()  # other names that its words name: hosts, tables, versions
    remedies: tuple[str, ...] = ()  # kinds of remedy, nearest first
    settle: str = ""  # what would settle it while it is only suspected
    felt: bool = False  # its own subject visibly lacks what it keeps from it
    victims: tuple[
        FactSubject, ...
    ] = ()  # who suffers from it, besides the subject, by its own word
    unexplained: float | None = None  # share in [0, 1] that no callee explains; None: not computed
    explained_by: str = ""  # the callee that explains most of the rest
    rank: int = 1  # of two starts of one class the lower says why, the higher that
    kind: str = ""  # deploy, config, resource, dependency, traffic, data, object; empty: derived
    course: tuple[tuple[float, float], ...] = field(default=(), repr=False)  # (epoch s, value)

    @property
    def present(self) -> bool:
        """Whether it is so now."""
        return self.until is None

    @property
    def id(self) -> str:
        """What tells it from other facts of one snapshot."""
        since = self.since.isoformat() if self.since else "-"
        return f"{self.subject.kind}/{self.subject.scope}/{self.subject.name}:{self.predicate}:{self.metric}:{since}"  # noqa: E501 - one name


# How an edge carries trouble: True from b to a ("a calls b": b's trouble reaches a).
CARRIES: Mapping[str, bool] = {
    "calls": True,  # callee → caller
    "runs_on": True,  # node → workload
    "mounts": True,  # volume → workload
    "configured_by": True,  # configuration, quota, secret → workload
    "part_of": False,  # workload, statement, pod → its service, its database
    "consumes": False,  # consumer → queue: who is slow lets it grow
    "fed_by": True,  # queue → who waits for what comes out of it
    "replicates": True,  # primary → replica
}


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """`a` KIND `b`, with who says so: `declared`, `traces`, `environment`, `objects`, `logs`."""

    a: FactSubject
    b: FactSubject
    kind: str
    source: str = "declared"

    @property
    def way(self) -> tuple[FactSubject, FactSubject]:
        """Return (from, to): trouble of the first reaches the second."""
        return (self.b, self.a) if CARRIES[self.kind] else (self.a, self.b)


@dataclass(frozen=True, slots=True, order=True)
class Gap:
    """What nobody could look at, and what it would have shown."""

    source: str  # metrics | logs | objects | events | changes | alerts | traces | statements
    subject: str  # empty: all
    reason: str
    would_show: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Measured:
    """A quantity that was measured and is as usual: it clears its subject, and proves health."""

    subject: FactSubject
    metric: str
    role: str = ""  # latency | errors | traffic | saturation | lag | availability; empty: unknown
    evidence: str = ""


class HopResult(StrEnum):
    """What came of one test."""

    PASSED = "passed"
    FAILED = "failed"
    UNSEEN = "unseen"  # nobody could look


@dataclass(frozen=True, slots=True)
class HopTest:
    """One test of one hop."""

    name: str  # reach | order | dose | own | mechanism | still
    result: HopResult
    sentence: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Hop:
    """One step of a chain: `cause` is held to have made `effect`."""

    cause: Fact
    effect: Fact
    way: tuple[Edge, ...]  # how trouble got from the one to the other; empty: the same subject
    tests: tuple[HopTest, ...]


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A chain from a start to what was seen of it: `hops` in order of cause and effect."""

    start: Fact
    hops: tuple[Hop, ...]
    start_tests: tuple[HopTest, ...] = ()  # own, still, mechanism
    trigger: Fact | None = None  # a change that made the start
    trigger_tests: tuple[HopTest, ...] = ()
    covers: bool = True  # what was asked about is at its end
    witnesses: tuple[Fact, ...] = ()  # of other writers, who name its mechanism

    @property
    def tests(self) -> tuple[HopTest, ...]:
        """All tests of the start and of all hops."""
        of_hops = tuple(test for hop in self.hops for test in hop.tests)
        return (*self.trigger_tests, *self.start_tests, *of_hops)

    @property
    def evidence(self) -> tuple[str, ...]:
        """Ids of what it rests on, in the order of the chain."""
        told = (self.trigger, self.start, *self.witnesses, *(hop.effect for hop in self.hops))
        ids = [each for f in told if f is not None for each in (f.evidence, *f.also)]
        ids += [each for test in self.tests for each in test.evidence]
        return tuple(each for each in dict.fromkeys(ids) if each)

    @property
    def symptom(self) -> Fact:
        """Where it is felt."""
        return self.hops[-1].effect if self.hops else self.start


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that was read of one question."""

    at: datetime
    facts: tuple[Fact, ...]
    edges: tuple[Edge, ...] = ()
    gaps: tuple[Gap, ...] = ()
    measured: tuple[Measured, ...] = ()
