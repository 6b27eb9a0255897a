"""What `init` says at its end: what it found, what it could not tell, and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bot.core.upkeep.onboarding.files import ProposedFiles
from bot.core.upkeep.onboarding.learning import Learned
from bot.core.upkeep.onboarding.merging import Fate
from tools.onboarding.unknown import RED
from tools.world import MetricRole

_WHY = {
    MetricRole.ERRORS: "nothing that it counts says what failed",
    MetricRole.LATENCY: "nothing that it measures is a duration of its requests",
    MetricRole.TRAFFIC: "nothing that it counts is a request",
}


@dataclass(frozen=True, slots=True)
class Lacking:
    """A service that takes requests, and what is not told of it."""

    service: str
    roles: tuple[str, ...]
    why: str


@dataclass(frozen=True, slots=True)
class InitReport:
    """One run of `init`."""

    recognised: tuple[str, ...]
    metrics: int  # proposed, each with data
    silent: tuple[str, ...]  # of conventions, without data here
    services: int
    served: int  # services that take requests
    lacking: tuple[Lacking, ...]
    gaps: tuple[str, ...]
    diffs: tuple[str, ...]
    kept: tuple[str, ...]  # what a person wrote and what is proposed instead
    removed: tuple[str, ...]  # what a person took out
    written: tuple[Path, ...] = ()
    first: bool = True
    nothing_new: bool = False
    next: tuple[str, ...] = field(default=())  # commands
    logs: str = ""  # how the log store names services, and what to write; empty: it was not asked

    @property
    def red_ratio(self) -> float:
        """The share of services that take requests with rate, errors and duration."""
        return 1 - len(self.lacking) / self.served if self.served else 0.0


def report_of(
    learned: Learned,
    proposed: ProposedFiles,
    gaps: Sequence[str],
    written: Sequence[Path],
    next_steps: Sequence[str],
    logs: str = "",
) -> InitReport:
    """Return the report of a run."""
    served = learned.served()
    lacking = [
        Lacking(name, tuple(r.value for r in missing), "; ".join(_WHY[r] for r in missing))
        for name, roles in served.items()
        if (missing := [each for each in RED if each not in roles])
    ]
    refused = [f"{each.draft.name}: {each.why}" for each in learned.silent if each.error]
    outcomes = [(c.path.name, o) for c in proposed.changes for o in c.merged.outcomes]
    services = next((c for c in proposed.changes if c.path.name.startswith("services")), None)
    return InitReport(
        recognised=tuple(
            each.convention.title for each in learned.survey.recognised if not each.convention.quiet
        ),
        metrics=len(learned.proposals),
        silent=tuple(f"{each.draft.name}: {each.why}" for each in learned.silent if not each.error),
        services=len(services.merged.outcomes) if services else 0,
        served=len(served),
        lacking=tuple(lacking),
        gaps=(*learned.survey.gaps, *refused, *gaps),
        diffs=tuple(each.diff for each in proposed.changes if each.diff),
        kept=tuple(f"{file}: {o.name}: {o.detail}" for file, o in outcomes if o.fate is Fate.KEPT),
        removed=tuple(f"{file}: {o.name}" for file, o in outcomes if o.fate is Fate.REMOVED),
        written=tuple(written),
        first=proposed.first,
        nothing_new=proposed.nothing,
        next=tuple(next_steps),
        logs=logs,
    )
