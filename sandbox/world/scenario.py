"""Incident stories with known truth, read from `sandbox/scenarios/*.yaml`.

A *scenario* is the text; a *story* is a scenario that begins at a moment of world time.

    changes   what people did to the cluster, seconds after the story begins
    faults    what a change carries: attached to an image, a config map or the age of a pod
    effects   what an open fault does to a signal of a service
    truth     the answer a perfect investigator would give
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

SCENARIO_DIR = Path(__file__).resolve().parent.parent / "scenarios"
SIGNALS = ("latency", "errors", "load", "cpu", "memory", "noise", "queue", "breaches")


class ScenarioError(ValueError):
    """A scenario file or name is wrong; the message names the value."""


@dataclass(frozen=True)
class Truth:
    """The answer key of a scenario."""

    healthy: bool
    cause: str = ""
    service: str = ""
    kind: str = ""  # e.g. "bad_deploy", "memory_leak"
    remedy: str = ""  # action name, e.g. "deployment_rollback"


@dataclass(frozen=True)
class Effect:
    """What a fully developed fault does to one signal of one service."""

    service: str
    signal: str  # one of SIGNALS
    multiply: float = 1.0  # factor at full strength
    add: float = 0.0  # ratio points added at full strength (errors, memory)


@dataclass(frozen=True)
class LogEffect:
    """Lines an open fault adds to one service's log."""

    service: str
    level: str
    per_minute: float
    template: str  # {request_id}, {ms}, {account}, {pod}, {version}


@dataclass(frozen=True)
class Spike:
    """A one-off bump of a signal that means nothing."""

    service: str
    signal: str
    at_seconds: float  # after the story begins, may be negative
    width_seconds: float
    multiply: float


@dataclass(frozen=True)
class Leak:
    """Memory that grows with the age of each container of a workload."""

    workload: str
    base_ratio: float  # share of the limit right after a start
    seconds_to_limit: float  # from a start to the OOM kill
    started_before_seconds: tuple[float, ...]  # ages of the pods when the story begins, one per pod

    def ratio_at_age(self, age_seconds: float) -> float:
        """Share of the memory limit used by a container of this age, at most 1."""
        grown = (1.0 - self.base_ratio) * age_seconds / self.seconds_to_limit
        return min(1.0, self.base_ratio + grown)


@dataclass(frozen=True)
class Fault:
    """A defect, what carries it, and what it does while open."""

    id: str
    image: str | None = None  # carried by pods that run this image …
    config_map: str | None = None  # … or that mount this config map …
    leak: Leak | None = None  # … or by every container of a workload as it ages
    onset_seconds: float = 20.0  # time constant after opening
    recovery_seconds: float = 45.0  # time constant after closing
    effects: tuple[Effect, ...] = ()
    logs: tuple[LogEffect, ...] = ()


@dataclass(frozen=True)
class Change:
    """Something done to a workload on purpose."""

    at_seconds: float  # after the story begins
    action: str  # "deploy" | "config"
    workload: str
    image: str | None = None  # for "deploy", e.g. "order-api:2.14.0"
    config_map: str | None = None  # for "config": the map the new template references
    cause: str = ""  # kubernetes.io/change-cause


@dataclass(frozen=True)
class Scenario:
    """One incident story, or a quiet one."""

    name: str
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


def scenario_names(directory: Path = SCENARIO_DIR) -> tuple[str, ...]:
    """Return the names of the scenarios that exist."""
    return tuple(sorted(path.stem for path in directory.glob("*.yaml")))


def load_scenario(name: str, directory: Path = SCENARIO_DIR) -> Scenario:
    """Read one scenario; ScenarioError names what is wrong."""
    if name not in scenario_names(directory):
        msg = f"no scenario {name!r}; there are {', '.join(scenario_names(directory))}"
        raise ScenarioError(msg)
    raw = yaml.safe_load((directory / f"{name}.yaml").read_text(encoding="utf-8"))
    try:
        return _scenario(name, raw)
    except (TypeError, KeyError, AttributeError) as error:
        msg = f"scenario {name!r} cannot be read: {error}"
        raise ScenarioError(msg) from error


def _scenario(name: str, raw: dict[str, Any]) -> Scenario:
    rest = dict(raw)
    effects = [row for fault in raw.get("faults", ()) for row in fault.get("effects", ())]
    for row in [*effects, *raw.get("spikes", ())]:
        if row["signal"] not in SIGNALS:
            msg = f"scenario {name!r}: no signal {row['signal']!r}; use {', '.join(SIGNALS)}"
            raise ScenarioError(msg)
    return Scenario(
        name=name,
        truth=Truth(**rest.pop("truth")),
        changes=tuple(Change(**row) for row in rest.pop("changes", ())),
        faults=tuple(_fault(row) for row in rest.pop("faults", ())),
        spikes=tuple(Spike(**row) for row in rest.pop("spikes", ())),
        log_noise=tuple(LogEffect(**row) for row in rest.pop("log_noise", ())),
        **rest,
    )


def _fault(raw: Mapping[str, Any]) -> Fault:
    rest = dict(raw)
    leak = rest.pop("leak", None)
    if leak is not None:
        ages = tuple(float(age) for age in leak["started_before_seconds"])
        leak = Leak(**{**leak, "started_before_seconds": ages})
    return Fault(
        leak=leak,
        effects=tuple(Effect(**row) for row in rest.pop("effects", ())),
        logs=tuple(LogEffect(**row) for row in rest.pop("logs", ())),
        **MappingProxyType(rest),
    )
