"""What a world file says of metrics: conventions, and the shapes a metric can have.

A *convention* is how one kind of program is instrumented: a few labels and the metrics that come
with them. A service lists the conventions it follows.

    requests      counter    what was served, split by labels and outcome
    durations     histogram  or summary (count, sum and max) of how long it took
    events        counter    that rises at a rate of its own
    gauge         gauge      (base + mean x load x effect) x noise
    memory        gauge      bytes of each container, or a share of them
    cpu_seconds   counter    processor time of each container

    labels   are templates: {name} {namespace} {team} {port} {version} of the service, {pod} of what
             is told per pod; {client} {server} {client_namespace} {server_namespace} of calls
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Annotated, Literal

from pydantic import Field
from pydantic.dataclasses import dataclass

from sandbox.world.scenario import STRICT

Outcome = Literal["all", "well", "failed"]
Labelled = Mapping[str, str]


@dataclass(frozen=True, config=STRICT)
class Part:
    """A share of what is counted, under labels of its own."""

    labels: Labelled = field(default_factory=dict)
    share: float = 1.0  # of the outcome's requests
    outcome: Outcome = "all"
    slower: float = 1.0  # factor on the service's latency


@dataclass(frozen=True, config=STRICT)
class Requests:
    """A counter of requests."""

    type: Literal["requests"]
    name: str
    help: str
    of: Literal["services", "calls"] = "services"  # of whom; calls: as one side of a call sees them
    side: Literal["client", "server"] = "client"  # of a call: who follows the convention
    over: str = ""  # of which protocol's calls; empty: of all
    services: tuple[str, ...] = ()  # empty: all that follow the convention
    labels: Labelled = field(default_factory=dict)
    split: tuple[tuple[Part, ...], ...] = ()  # each part of one list with each of the next
    per_pod: bool = False


@dataclass(frozen=True, config=STRICT)
class Durations:
    """How long requests take."""

    type: Literal["durations"]
    name: str  # without _bucket, _count, _sum
    help: str
    bounds: tuple[float, ...] = ()  # seconds, rising; empty: a summary with count, sum and max
    of: Literal["services", "calls"] = "services"
    side: Literal["client", "server"] = "client"
    over: str = ""
    services: tuple[str, ...] = ()
    labels: Labelled = field(default_factory=dict)
    split: tuple[tuple[Part, ...], ...] = ()
    per_pod: bool = False
    unit_seconds: float = 1.0  # 0.001: told in milliseconds, the bounds too


@dataclass(frozen=True, config=STRICT)
class Level:
    """One series of a gauge, or the rate of one counter."""

    mean: float  # at average load; of a counter: per second
    service: str = ""  # empty: each that follows the convention
    labels: Labelled = field(default_factory=dict)
    base: float = 0.0  # what is there without any load
    with_load: float = 0.0  # share of the mean that follows the load
    load_of: str = ""  # whose load; empty: the service's
    noise: str = ""  # name of its noise; empty: the metric and the labels
    noise_of: str = ""  # whose noise; empty: the service's
    slow: float = 0.0  # deviation of the drift
    fast: float = 0.0  # deviation from sample to sample
    moved_by: str = ""  # signal that moves it, see the effects of stories
    moved_at: str = ""  # whose signal; empty: the service's
    at_most: float | None = None


@dataclass(frozen=True, config=STRICT)
class Gauge:
    """Levels that go up and down."""

    type: Literal["gauge"]
    name: str
    help: str
    levels: tuple[Level, ...]
    labels: Labelled = field(default_factory=dict)
    per_pod: bool = False  # each pod its own, of that height
    whole: bool = True  # rounded


@dataclass(frozen=True, config=STRICT)
class Events:
    """Counters that rise at a rate of their own."""

    type: Literal["events"]
    name: str
    help: str
    levels: tuple[Level, ...]
    labels: Labelled = field(default_factory=dict)
    per_pod: bool = False  # each pod its own, at that rate


@dataclass(frozen=True, config=STRICT)
class PodMemory:
    """Bytes that each container holds."""

    type: Literal["memory"]
    name: str
    help: str
    labels: Labelled = field(default_factory=dict)
    share: float = 1.0


@dataclass(frozen=True, config=STRICT)
class PodCpu:
    """Processor time of each container."""

    type: Literal["cpu_seconds"]
    name: str
    help: str
    labels: Labelled = field(default_factory=dict)


Metric = Annotated[
    Requests | Durations | Gauge | Events | PodMemory | PodCpu, Field(discriminator="type")
]


@dataclass(frozen=True, config=STRICT)
class Convention:
    """How one kind of program is instrumented."""

    labels: Labelled = field(default_factory=dict)  # of every series
    target: Labelled | None = None  # labels of `up`, one per pod; none: nothing is scraped
    metrics: tuple[Metric, ...] = ()
