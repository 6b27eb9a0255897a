"""Incident stories with known truth, as a world file tells them.

A *scenario* is the text; a *story* is a scenario that begins at a moment of world time.

    changes   what people did to the cluster, seconds after the story begins
    faults    a defect and what carries it: an image, a config map, the age of a pod, or the clock
    effects   what an open fault does to a signal of a service
    truth     the answer a perfect investigator would give
"""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from sandbox.world.errors import WorldError

STRICT = ConfigDict(extra="forbid")
SIGNALS = ("latency", "errors", "load", "cpu", "memory")  # gauges of a world may be moved by more


class ScenarioError(WorldError):
    """A scenario's name is wrong; the message names the value."""


@dataclass(frozen=True, config=STRICT)
class Truth:
    """The answer key of a scenario."""

    healthy: bool
    cause: str = ""
    service: str = ""
    kind: str = ""  # e.g. "bad_deploy", "memory_leak"
    remedy: str = ""  # action name, e.g. "deployment_rollback"; empty: nothing of ours helps


@dataclass(frozen=True, config=STRICT)
class Effect:
    """What a fully developed fault does to one signal of one service."""

    service: str
    signal: str  # one of SIGNALS, or what a gauge of the service is `moved_by`
    multiply: float = 1.0  # factor at full strength
    add: float = 0.0  # ratio points added at full strength (errors)


@dataclass(frozen=True, config=STRICT)
class LogEffect:
    """Lines an open fault adds to one service's log."""

    service: str
    level: Literal["info", "warn", "error"]
    per_minute: float
    template: str  # {request_id}, {ms}, {count}, {account} and the world's own words
    milliseconds: tuple[int, int] = (4, 94)  # what {ms} lies between


@dataclass(frozen=True, config=STRICT)
class Spike:
    """A one-off bump of a signal that means nothing."""

    service: str
    signal: str
    at_seconds: float  # its peak, after the story begins, may be negative
    width_seconds: float  # four standard deviations of its bell fill twice this
    multiply: float


@dataclass(frozen=True, config=STRICT)
class Leak:
    """Memory that grows with the age of each container of a workload."""

    workload: str
    base_ratio: float  # share of the limit right after a start
    seconds_to_limit: float  # from a start to the OOM kill
    started_before_seconds: tuple[float, ...]  # ages of the pods when the story begins, one per pod
    last_words: str = "out of memory"  # what a container writes before it is killed

    def ratio_at_age(self, age_seconds: float) -> float:
        """Share of the memory limit used by a container of this age, at most 1."""
        grown = (1.0 - self.base_ratio) * age_seconds / self.seconds_to_limit
        return min(1.0, self.base_ratio + grown)


@dataclass(frozen=True, config=STRICT)
class Hours:
    """A stretch of the story's time: the fault comes and goes with nobody's help."""

    begin_seconds: float  # after the story begins
    last_seconds: float


@dataclass(frozen=True, config=STRICT)
class Fault:
    """A defect, what carries it (exactly one of the four), and what it does while open."""

    id: str
    image: str | None = None  # carried by pods that run this image …
    config_map: str | None = None  # … or that mount this config map …
    leak: Leak | None = None  # … or by every container of a workload as it ages …
    hours: Hours | None = None  # … or by somebody else, for as long as it takes them
    onset_seconds: float = 20.0  # time constant after opening
    recovery_seconds: float = 45.0  # time constant after closing
    effects: tuple[Effect, ...] = ()
    logs: tuple[LogEffect, ...] = ()


@dataclass(frozen=True, config=STRICT)
class Change:
    """Something done to a workload on purpose."""

    at_seconds: float  # after the story begins
    action: Literal["deploy", "config"]
    workload: str
    image: str | None = None  # for "deploy", e.g. "order-api:2.14.0"
    config_map: str | None = None  # for "config": the map the new template references …
    settings: Mapping[str, str] = field(default_factory=dict)  # … and where it differs from before
    cause: str = ""  # kubernetes.io/change-cause


@dataclass(frozen=True, config=STRICT)
class Scenario:
    """One incident story, or a quiet one."""

    name: str  # the key in the world file
    title: str
    description: str
    truth: Truth
    start_after_seconds: float  # world seconds between start of the sandbox and the story's t0
    changes: tuple[Change, ...] = ()
    faults: tuple[Fault, ...] = ()
    spikes: tuple[Spike, ...] = ()
    noise: float = 1.0  # factor on every series' fast noise from t0 - noise_lead_seconds on
    noise_lead_seconds: float = 0.0
    log_noise: tuple[LogEffect, ...] = ()

    @property
    def moved(self) -> set[tuple[str, str]]:
        """The signals that the scenario moves at any time: (service, signal)."""
        spikes = {(spike.service, spike.signal) for spike in self.spikes}
        effects = {(row.service, row.signal) for fault in self.faults for row in fault.effects}
        return spikes | effects

    def get_fault(self, fault_id: str) -> Fault:
        """Return the fault called `fault_id`."""
        for fault in self.faults:
            if fault.id == fault_id:
                return fault
        msg = f"scenario {self.name!r} has no fault {fault_id!r}"
        raise ScenarioError(msg)


@dataclass(frozen=True)
class Story:
    """A scenario that begins at `begins_at`."""

    scenario: Scenario
    begins_at: float  # world seconds since 1970 UTC: t0

    def fault_key(self, fault: Fault) -> str:
        """Name of the fault in the fault log; the same story told twice keeps one name."""
        return f"{self.scenario.name}/{fault.id}"

    def due(self, change: Change) -> float:
        """World time at which the change is made."""
        return self.begins_at + change.at_seconds
