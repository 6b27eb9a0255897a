"""What of a world is exposed, by what conventions, and its samples as a scraper keeps them.

Track (steps) ──hold, integrate, noise──> one grid of scrapes ──gaps, resets──> series
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from bench.incidents.graph import Part, Random, What
from bench.incidents.incident import Incident
from bench.incidents.parameters import Floats
from bench.incidents.pods import Bools, Phase
from bench.incidents.stage import HOURS
from tools.world import MetricSpec

SCRAPE_SECONDS = 60.0
Labels = Mapping[str, str]
Row = tuple[Labels, Floats, Bools]  # labels, values and where there are any, on the grid


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: what the store says of it, and its rows, made when somebody asks."""

    kind: str  # counter | gauge | histogram | summary
    help: str
    rows: Callable[[], Iterator[Row]]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod: a place of a part for as long as one generation had it."""

    name: str
    part: Part
    place: int
    generation: int
    revision: int  # of its workload
    alive: Bools  # (T,) it is there
    running: Bools  # (T,) it serves
    machine: str
    address: str


@dataclass
class Exposure:
    """The plan of what is told, and the grid it is told on."""

    incident: Incident
    random: Random
    label: str  # that names the service in series
    watched: dict[int, str]  # part -> all | platform | nothing
    style: dict[int, str]  # part -> convention of its metrics
    tongue: dict[int, str]  # part -> convention of its log lines
    machines: dict[tuple[int, int], str]
    parts_of_platform: frozenset[str]  # cadvisor, kube_state, node, mesh, graph, ingress, …
    limits: bool  # the team wrote limits down
    skew: dict[int, float]  # seconds its machine's clock is ahead
    _pods: dict[int, list[Pod]] = field(default_factory=dict)

    @cached_property
    def grid(self) -> Floats:
        """Return the times of scrapes, seconds since the world began."""
        end = self.incident.stage.now - float(self.random.uniform(0, SCRAPE_SECONDS - 1))
        return np.arange(end, 600.0, -SCRAPE_SECONDS)[::-1].copy()

    @cached_property
    def step(self) -> np.ndarray:
        """Return which step of the track each scrape sees."""
        return np.minimum(np.searchsorted(self.incident.track.times, self.grid), self.last)

    @property
    def last(self) -> int:
        """The newest step."""
        return len(self.incident.track.times) - 1

    def hold(self, values: Floats) -> Floats:
        """Return a level at each scrape."""
        held: Floats = values[self.step]
        return held

    def noisy(self, values: Floats, share: float = 0.02) -> Floats:
        """Return levels as a gauge shows them."""
        return np.maximum(values * self.random.normal(1.0, share, values.shape), 0.0)

    def counted(self, rate: Floats, resets: Floats | None = None) -> Floats:
        """Return a counter of events per second, starting anew where `resets` (T,) rises."""
        track = self.incident.track
        whole = np.concatenate([[0.0], np.cumsum(rate * track.lengths)])
        ends = np.concatenate([[0.0], track.times])
        at = np.interp(self.grid, ends, whole)
        more = np.diff(at, prepend=at[0])
        more = np.maximum(
            more + np.sqrt(np.maximum(more, 0.0)) * self.random.normal(0.0, 0.7, more.shape), 0.0
        )
        counter = np.cumsum(more) + (self.random.uniform(1e3, 1e6) if whole[-1] > 0 else 0.0)
        if resets is None:
            return np.floor(counter) if whole[-1] > len(self.grid) else counter
        held = resets[self.step]
        again = np.concatenate([[False], np.diff(held) > 0])
        base = np.maximum.accumulate(np.where(again, counter, 0.0))
        counted: Floats = counter - base
        return counted

    def pods(self, part: int) -> list[Pod]:
        """Return every pod a part had in these hours."""
        if part not in self._pods:
            self._pods[part] = list(self._made(part))
        return self._pods[part]

    def _made(self, number: int) -> Iterator[Pod]:
        incident = self.incident
        part = incident.stage.graph.parts[number]
        track = incident.track
        stable = part.what is not What.SERVICE
        for place in range(track.phase.shape[2]):
            phase = track.phase[:, number, place]
            made = (phase != Phase.ABSENT) & (phase != Phase.NO_QUOTA)
            if not made.any():
                continue
            for generation in np.unique(track.generation[made, number, place]):
                alive = made & (track.generation[:, number, place] == generation)
                named = np.random.default_rng([incident.seed, number, place, int(generation)])
                suffix = "".join(named.choice(list("bcdfghjklmnpqrstvwxz2456789"), 5))
                begun = float(track.times[np.flatnonzero(alive)[0]]) if not alive[0] else -1.0
                revision = sum(d.part == number and d.when <= begun for d in incident.deploys)
                set_ = replica_set(incident.seed, part, revision)
                name = f"{part.name}-{place}" if stable else f"{set_}-{suffix}"
                a, b = named.integers(2, 250, 2)
                yield Pod(
                    name,
                    part,
                    place,
                    int(generation),
                    revision,
                    alive,
                    alive & (phase == Phase.RUNNING),
                    self.machines[number, place],
                    f"10.{number % 200}.{a}.{b}",
                )

    @cached_property
    def serving(self) -> Floats:
        """Return how many replicas of each part serve, (T, N)."""
        count: Floats = (self.incident.track.phase == Phase.RUNNING).sum(axis=2).astype(float)
        return count

    def share(self, pod: Pod) -> Floats:
        """Return which share of its part's requests a pod serves, (T,)."""
        served: Floats = pod.running / np.maximum(self.serving[:, pod.part.number], 1.0)
        return served

    def resets(self, pod: Pod) -> Floats:
        """Return how often a pod's container was begun again, (T,)."""
        values: Floats = self.incident.track.restarts[:, pod.part.number, pod.place]
        return values

    def seen(self, running: Bools) -> Bools:
        """Return at which scrapes a target answered: some are missed."""
        kept: Bools = running[self.step] & self.answered()
        return kept

    def answered(self) -> Bools:
        """Return which scrapes came through; a few targets have a hole of minutes."""
        kept: Bools = self.random.random(len(self.grid)) > 0.003
        if self.random.random() < 0.05:
            begin = int(self.random.integers(0, len(kept) - 30))
            kept[begin : begin + int(self.random.integers(3, 30))] = False
        return kept

    def watched_by(self, *styles: str) -> list[int]:
        """Return the parts that expose metrics of these conventions."""
        return [n for n, s in self.style.items() if s in styles and self.watched[n] == "all"]


def replica_set(seed: int, part: Part, revision: int) -> str:
    """Return the name of the ReplicaSet of a revision."""
    named = np.random.default_rng([seed, part.number, revision, 5])
    return f"{part.name}-" + "".join(named.choice(list("0123456789abcdef"), 9))


def shares_below(bounds: Sequence[float], mean: Floats, spread: float) -> Floats:
    """Return which share of requests takes at most each bound, (K, …); times are log-normal."""
    middle = np.log(np.maximum(mean, 1e-7)) - spread**2 / 2
    z = (np.log(np.array(bounds))[:, None] - middle[None, :]) / spread
    below: Floats = 1.0 / (1.0 + np.exp(np.clip(-1.702 * z, -60, 60)))
    return below


WATCHED = ("all", "platform", "nothing")
STYLES = ("go", "otel", "micrometer", "aspnet", "flask", "gauges")
HELD_STYLES = ("dropwizard", "envoy", "summary_ms")
TONGUES = ("logfmt", "zap", "klog", "logback", "python", "pino", "dotnet", "chinese")
HELD_TONGUES = ("log4j_json", "ruby", "glog_cpp")
OF_PRODUCT = {
    "redis": "redis",
    "kafka": "kafka",
    "rabbitmq": "rabbitmq",
    "postgres": "postgres",
    "mysql": "mysql",
}
SPOKEN = {  # what programs of a language log like
    "go": ("logfmt", "zap", "klog"),
    "otel": ("pino", "zap", "python"),
    "micrometer": ("logback", "logback", "chinese"),
    "aspnet": ("dotnet",),
    "flask": ("python",),
    "gauges": ("pino", "logfmt"),
    "dropwizard": ("log4j_json",),
    "envoy": ("glog_cpp",),
    "summary_ms": ("ruby",),
}


def expose(incident: Incident, *, held_out: bool) -> Exposure:
    """Draw what of an incident is told, and how."""
    random = np.random.default_rng([incident.seed, 23, int(held_out)])
    graph = incident.stage.graph
    words = list(WATCHED)
    least = random.uniform(0.6, 0.8)  # 20 to 40 % are watched in part or not at all
    shares = [least, (1 - least) * 0.6, (1 - least) * 0.4]
    watched, style, tongue = {}, {}, {}
    styles = HELD_STYLES if held_out else STYLES
    ours = list(random.choice(styles, size=min(3, len(styles)), replace=False))
    for part in graph.parts:
        n = part.number
        watched[n] = str(random.choice(words, p=shares))
        if part.what is What.OUTSIDE:
            watched[n], style[n], tongue[n] = "nothing", "", ""
        elif part.what is What.SERVICE:
            style[n] = str(random.choice(ours))
            tongue[n] = str(random.choice(SPOKEN[style[n]]))
        else:
            style[n] = tongue[n] = OF_PRODUCT[part.product]
    if random.random() < 0.93:
        watched[graph.asked] = "all"  # mostly people ask about what they see
    platform = {
        name
        for name, odds_ in (
            ("cadvisor", 0.85),
            ("kube_state", 0.85),
            ("node", 0.75),
            ("mesh", 0.3),
            ("graph", 0.5),
            ("ingress", 0.4),
            ("volumes", 0.8),
            ("coredns", 0.5),
            ("probes", 0.35),
        )
        if random.random() < odds_
    }
    machines: dict[tuple[int, int], str] = {}
    where = placed(incident)
    for (n, r), m in where.items():
        machines[n, r] = incident.stage.machine_names[m]
    return Exposure(
        incident,
        random,
        str(random.choice(["service", "app", "job"])),
        watched,
        style,
        tongue,
        machines,
        frozenset(platform),
        bool(random.random() < 0.4),
        {p.number: float(random.uniform(-30, 30)) for p in graph.parts},
    )


def placed(incident: Incident) -> dict[tuple[int, int], int]:
    """Return the machine of every replica's place at the end."""
    track = incident.track
    return {
        (n, r): int(track.placed[n, r])
        for n in range(track.phase.shape[1])
        for r in range(track.phase.shape[2])
    }


def spec(  # noqa: PLR0913 - the columns of a catalogue's entry
    name: str,
    category: str,
    query: str,
    unit: str,
    role: str,
    *,
    resource: str = "",
    group_by: str,
    threshold: float | None = None,
    description: str = "",
    down: bool = False,
) -> MetricSpec:
    """Return an entry of the team's catalogue."""
    from tools.world import Direction, MetricName, MetricRole

    is_down = down or MetricRole(role).bad_direction is Direction.DOWN
    return MetricSpec(
        MetricName(name),
        category,
        " ".join(query.split()),
        unit,
        description or name.replace("_", " "),
        Direction.DOWN if is_down else Direction.UP,
        threshold,
        group_by,
        MetricRole(role),
        resource,
    )


__all__ = ["HOURS", "Exposure", "Family", "Pod", "expose", "shares_below", "spec"]
