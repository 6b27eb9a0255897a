"""What a world file says: the nouns of a simulated production.

    services   workloads of the cluster, and what others run for us (kind External)
    calls      who asks whom, how often, and how much of the other's trouble is felt
    rhythm     the hours and days of its customers

A *service* is one workload (Deployment or StatefulSet) of the same name in one namespace.
"""

from collections.abc import Mapping
from dataclasses import field
from functools import cached_property
from typing import Literal

import numpy as np
from pydantic.dataclasses import dataclass

from sandbox.world.errors import WorldError
from sandbox.world.metrics import Convention, Labelled
from sandbox.world.noise import Floats
from sandbox.world.scenario import STRICT, Scenario, ScenarioError

GIB = 1024**3
MIB = 1024**2
_DAY, _WEEK = 86400.0, 604800.0
_MONDAY = 4 * _DAY  # 1970-01-05


@dataclass(frozen=True, config=STRICT)
class Rhythm:
    """The daily and weekly factor on load, mean about 1."""

    day: float = 0.28  # how far the day's first wave goes up and down
    peak_hour: float = 14.5  # UTC
    half_day: float = 0.08  # likewise, the wave of twelve hours
    half_peak_hour: float = 2.0
    week: float = 0.08
    peak_weekday: float = 2.5  # days since Monday 00:00

    def factor(self, times: Floats) -> Floats:
        """Return the factor at each time."""
        hour = 2 * np.pi * (times % _DAY) / _DAY
        week = 2 * np.pi * ((times - _MONDAY) % _WEEK) / _WEEK
        peak, second = 2 * np.pi * self.peak_hour / 24, 2 * np.pi * self.half_peak_hour / 24
        daily: Floats = (
            1.0 + self.day * np.cos(hour - peak) + self.half_day * np.cos(2 * (hour - second))
        )
        weekly: Floats = 1.0 + self.week * np.cos(week - 2 * np.pi * self.peak_weekday / 7)
        return daily * weekly


@dataclass(frozen=True, config=STRICT)
class Call:
    """One service asks another."""

    to: str
    share: float = 1.0  # calls per request of the caller
    over: str = "http"  # the protocol, as metrics of calls may ask for it
    felt: float = 0.0  # share of the other's extra seconds and errors that the caller feels


@dataclass(frozen=True, config=STRICT)
class Autoscaled:
    """A HorizontalPodAutoscaler on processor use."""

    least: int
    most: int
    driven: bool = False  # true: follows the use that is measured; false: keeps the usual number


@dataclass(frozen=True, config=STRICT)
class Budget:
    """A PodDisruptionBudget: exactly one of the two."""

    min_available: int | None = None
    max_unavailable: int | None = None


@dataclass(frozen=True, config=STRICT)
class Service:
    """One service and the workload that runs it."""

    name: str  # the key in the world file
    team: str
    median_seconds: float  # of a request at average load
    namespace: str = ""
    replicas: int = 0
    version: str = ""  # image tag in service when the sandbox starts
    kind: Literal["Deployment", "StatefulSet", "External"] = "Deployment"
    calls: tuple[Call, ...] = ()
    conventions: tuple[str, ...] = ()
    rps: float | None = None  # requests per second at average load; none: what its callers ask
    shape: float = 4.0  # of the log-logistic latency; larger is tighter
    error_ratio: float = 0.001
    cpu_ratio: float = 0.42  # of the limit, at average load
    memory_ratio: float = 0.46  # of the limit
    port: int = 8080
    cpu_limit_cores: float = 2.0
    memory_limit_mebibytes: int = 2048
    tier: Literal["critical", "important", "supporting"] = "critical"
    labels: Labelled = field(default_factory=dict)
    previous_versions: tuple[str, ...] = ()  # oldest first, what the older revisions ran
    config_version: int = 3  # of the config map in use
    autoscaled: Autoscaled | None = None
    budget: Budget | None = None
    argocd: bool = False  # owned by Argo CD: changes belong into Git
    operator: Literal["", "cloudnative-pg"] = ""
    log_format: str = "plain"  # a key of log_formats
    data_keys: tuple[str, ...] = ()  # names of its empty Secrets

    @property
    def workload(self) -> str:
        """Name of the Deployment or StatefulSet, of its container and of its Service object."""
        return self.name

    @property
    def image(self) -> str:
        """Image reference in service when the sandbox starts, without a registry."""
        return f"{self.name}:{self.version}"

    @property
    def memory_limit_bytes(self) -> int:
        """The memory limit of its container."""
        return self.memory_limit_mebibytes * MIB

    def words(self) -> dict[str, object]:
        """Return what label templates may name."""
        return {
            "name": self.name,
            "namespace": self.namespace,
            "team": self.team,
            "port": self.port,
            "version": self.version,
        }


@dataclass(frozen=True, config=STRICT)
class Voice:
    """One kind of line a service writes when nothing is wrong."""

    level: Literal["info", "warn", "error"]
    per_minute: float  # at average load
    template: str
    milliseconds: tuple[int, int] = (4, 94)  # what {ms} lies between


@dataclass(frozen=True, config=STRICT)
class Numbered:
    """A word of the log that is a number behind a prefix."""

    prefix: str
    least: int
    most: int


@dataclass(frozen=True, config=STRICT)
class Planted:
    """A line that pretends to give orders: data, whatever it says. It comes every 3.5 hours."""

    service: str
    text: str


@dataclass(frozen=True, config=STRICT)
class Step:
    """A call of a journey, with the calls it makes in turn."""

    service: str
    name: str
    below: tuple["Step", ...] = ()
    inside: bool = False  # work within its caller's service, not a call
    own_seconds: float | None = None  # how long it works beside its calls; none: its signal tells
    holds: bool = False  # lasts as long as the line of the log says


@dataclass(frozen=True, config=STRICT)
class Journey:
    """How one kind of request runs through the platform."""

    steps: Step
    said: tuple[str, ...] = ()  # lines with any of these texts are of such a request …
    services: tuple[str, ...] = ()  # … and those of these services; neither: all the rest


@dataclass(frozen=True, config=STRICT)
class CronJob:
    """A job that runs by the clock, and when people start it."""

    name: str
    namespaces: tuple[str, ...]
    image: str
    schedule: str
    command: tuple[str, ...]
    team: str


@dataclass(frozen=True, config=STRICT)
class KubernetesLabels:
    """What scraping adds to the cluster's own series."""

    cadvisor: Labelled = field(default_factory=lambda: {"job": "cadvisor"})
    kube_state: Labelled = field(default_factory=lambda: {"job": "kube-state-metrics"})
    node: Labelled = field(default_factory=lambda: {"job": "node-exporter"})


@dataclass(frozen=True, eq=False, config=STRICT)
class Blueprint:
    """One simulated production."""

    name: str  # the name of its file
    title: str
    description: str
    first_story: str
    profile: str  # the bot's configuration for it, from the root of the repository
    namespaces: Mapping[str, Labelled]
    nodes: tuple[str, ...]
    services: Mapping[str, Service]
    conventions: Mapping[str, Convention]
    voices: Mapping[str, tuple[Voice, ...]]
    journeys: tuple[Journey, ...]
    stories: Mapping[str, Scenario]
    rhythm: Rhythm = field(default_factory=Rhythm)
    settings: Labelled = field(default_factory=dict)  # data of every config map …
    earlier_settings: Labelled = field(default_factory=dict)  # … and what older ones said instead
    log_labels: Labelled = field(default_factory=lambda: {"service": "{name}", "level": "{level}"})
    log_formats: Mapping[str, Labelled] = field(default_factory=dict)  # keys of a JSON object
    words: Mapping[str, tuple[str, ...] | Numbered] = field(default_factory=dict)
    planted: Planted | None = None
    cron_jobs: tuple[CronJob, ...] = ()
    kubernetes_labels: KubernetesLabels = field(default_factory=KubernetesLabels)
    to_try: tuple[str, ...] = ()  # what a newcomer may ask

    @cached_property
    def workloads(self) -> tuple[Service, ...]:
        """The services that the cluster runs."""
        return tuple(each for each in self.services.values() if each.kind != "External")

    def get_service(self, name: str) -> Service:
        """Return the service called `name`."""
        try:
            return self.services[name]
        except KeyError:
            msg = f"no service {name!r}; the platform has {', '.join(self.services)}"
            raise WorldError(msg) from None

    def get_scenario(self, name: str) -> Scenario:
        """Return the story called `name`."""
        try:
            return self.stories[name]
        except KeyError:
            known = ", ".join(sorted(self.stories))
            msg = f"no scenario {name!r}; there are {known}"
            raise ScenarioError(msg) from None

    @cached_property
    def callers(self) -> Mapping[str, tuple[tuple[Service, Call], ...]]:
        """Who calls each service."""
        found: dict[str, list[tuple[Service, Call]]] = {name: [] for name in self.services}
        for service in self.services.values():
            for call in service.calls:
                found[call.to].append((service, call))
        return {name: tuple(rows) for name, rows in found.items()}

    @cached_property
    def usual_rps(self) -> Mapping[str, float]:
        """Requests per second of each service at average load."""
        known: dict[str, float] = {}

        def of(name: str) -> float:
            if name not in known:
                told = self.services[name].rps
                known[name] = (
                    sum(call.share * of(caller.name) for caller, call in self.callers[name])
                    if told is None
                    else told
                )
            return known[name]

        return {name: of(name) for name in self.services}

    def part_of_load(self, client: Service, server: Service) -> float:
        """Return the share of a service's requests that one caller makes."""
        callers = self.callers[server.name]
        if server.rps is not None:
            return 1 / len(callers)
        total = sum(call.share * self.usual_rps[caller.name] for caller, call in callers)
        asked = sum(
            call.share * self.usual_rps[caller.name]
            for caller, call in callers
            if caller.name == client.name
        )
        return asked / total
