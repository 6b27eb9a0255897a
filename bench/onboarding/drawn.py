"""What a run rewrites: the names of services and programs, the label that tells them, the jobs.

    seed + a stage's keys ──draw──> names, shape ──scrape_config──> what Prometheus is told

Five shapes, as people's configurations have them: a job for each service, or a few jobs for many
and the service in a label. What exporters tell is scraped in the same shape or in jobs of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bench.onboarding.programs import HERE, Target

IDENTITIES = ("job", "app", "service_name", "component", "service")
WORDS = (
    "alder", "birch", "cedar", "dahlia", "elm", "fern", "gorse", "hazel", "iris", "juniper",
    "kapok", "larch", "maple", "nettle", "oak", "poplar", "quince", "rowan", "sorrel", "thistle",
    "umbra", "violet", "willow", "yarrow", "zinnia",
)  # fmt: skip
ENDINGS = ("", "", "-api", "-svc", "-service", "_srv")
JOBS = ("workloads", "pods", "platform", "tier-a", "tier-b", "static", "metrics")
EXTRAS = (("env", "prod"), ("region", "north-1"), ("cluster", "blue"), ("team", "core"))
SCRAPE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Drawn:
    """One run's names and labels."""

    seed: int
    names: Mapping[str, str]  # a stage's key -> the name of this run
    identity: str  # the label that names a service
    exporters_identity: str  # the one that names what an exporter tells of
    extras: Mapping[str, str]  # labels that every series has besides
    prefixes: Mapping[str, str]  # of metrics whose names nobody knows
    is_fault_first: bool  # whether init already meets a fault
    fault_kind: str  # errors | slow
    faulty: str  # the key of the service

    def label_of(self, key: str, exporters: Iterable[str]) -> tuple[str, str]:
        """Return label and value that name a target."""
        is_exporter = key in set(exporters)
        return (self.exporters_identity if is_exporter else self.identity), self.names[key]

    def told(self) -> str:
        """Say it in one line, as the report prints it."""
        when = "before init" if self.is_fault_first else "after init"
        return (
            f"seed {self.seed}: services named by {self.identity!r}, exporters by "
            f"{self.exporters_identity!r}, besides {dict(self.extras)}; {self.fault_kind} {when}"
        )


def draw(seed: int, keys: Iterable[str], faulty: Iterable[str]) -> Drawn:
    """Draw a run."""
    dice = random.Random(seed)
    given = list(keys)
    words, ending = dice.sample(WORDS, len(given)), dice.choice(ENDINGS)
    identity = dice.choice(IDENTITIES)
    extras = dict(dice.sample(EXTRAS, dice.randrange(3)))
    return Drawn(
        seed=seed,
        names={key: f"{word}{ending}" for key, word in zip(given, words, strict=True)},
        identity=identity,
        exporters_identity=dice.choice((identity, "job")),
        extras=extras,
        prefixes={
            key: dice.choice(WORDS) for key in given
        },
        is_fault_first=dice.random() < 0.5,
        fault_kind=dice.choice(("errors", "slow")),
        faulty=dice.choice(list(faulty)),
    )  # fmt: skip


def scrape_config(drawn: Drawn, targets: Mapping[str, Target], exporters: Iterable[str]) -> str:
    """Return what a Prometheus or a VictoriaMetrics is told to scrape."""
    dice, outside = random.Random(drawn.seed + 1), set(exporters)
    jobs: dict[str, list[tuple[str, Target]]] = {}
    for key, target in targets.items():
        label, name = drawn.label_of(key, outside)
        # A job has one path: what is scraped elsewhere is a job of its own, as people have it.
        shared = f"{dice.choice(JOBS)}{target.path.replace('/', '-')}"
        jobs.setdefault(name if label == "job" else shared, []).append((key, target))
    lines = [f"global:\n  scrape_interval: {SCRAPE_SECONDS}s\nscrape_configs:"]
    for job, members in jobs.items():
        path, parameters = members[0][1].path, members[0][1].parameters
        lines += [f"- job_name: '{job}'\n  metrics_path: '{path}'"]
        if parameters:
            asked = ", ".join(f"'{name}': ['{value}']" for name, value in parameters.items())
            lines += [f"  params: {{{asked}}}"]
        lines += ["  static_configs:"]
        for key, target in members:
            label, name = drawn.label_of(key, outside)
            own = {} if label == "job" else {label: name}
            labels = ", ".join(f"{k}: '{v}'" for k, v in {**drawn.extras, **own}.items())
            lines += [f"  - targets: ['{HERE}:{target.port}']\n    labels: {{{labels}}}"]
    return "\n".join(lines) + "\n"
