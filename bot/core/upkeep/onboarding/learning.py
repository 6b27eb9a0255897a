"""Learning: from a store to a catalogue that can be proposed.

survey ──> drafts of conventions ──verify──> what services have
       ──> unknown families for what they lack ──verify──> …   (twice at most)
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from bot.core.upkeep.onboarding.survey import Survey, Surveyor, Tell
from bot.core.upkeep.onboarding.verifying import DraftCheck, Proposal, Silent
from tools.errors import BackendError, BackendUnavailableError
from tools.onboarding.conventions import Conventions, Tells, load_conventions
from tools.onboarding.drafts import (
    Alternatives,
    Counted,
    Draft,
    asked_drafts,
    errors_over,
    red_drafts,
)
from tools.onboarding.families import Family, stem_of, words_of
from tools.onboarding.subjects import Subject, subject_of
from tools.onboarding.unknown import RED, choose, counts_good, filled, is_behind
from tools.onboarding.vocabulary import listed
from tools.ports import Clock, Metrics
from tools.world import MetricRole

ROUNDS = 3  # a family without data is replaced by the next likeliest
MOST_GAUGES = 40  # pairs and queues that nobody described


@dataclass(slots=True)
class Learned:
    """What was learned of a platform's metrics."""

    survey: Survey
    proposals: list[Proposal] = field(default_factory=list)
    silent: list[Silent] = field(default_factory=list)

    def roles(self) -> dict[str, set[MetricRole]]:
        """Return what is told of each service."""
        found: dict[str, set[MetricRole]] = {}
        for each in self.proposals:
            for service in each.services:
                found.setdefault(service, set()).add(each.draft.role)
        return found

    def services(self) -> set[str]:
        """Return who is told of and is a service: no machine, and no exporter that only runs."""
        tells = {each.name: each.convention.tells for each in self.survey.recognised}
        said: dict[str, set[Tells]] = {}
        for each in self.proposals:
            for name in each.services:
                said.setdefault(name, set()).add(tells.get(each.draft.category, Tells.SERVICE))
        return {
            name
            for name, found in said.items()
            if Tells.SERVICE in found
            or (Tells.MACHINE not in found and "exporter" not in words_of(name))
        }

    def served(self) -> dict[str, set[MetricRole]]:
        """Return the services that take requests, with the roles of RED that are told of them."""
        red = {name: roles & set(RED) for name, roles in self.roles().items()}
        counts = {s for c in self.survey.counted for s in c.services}
        return {
            name: roles
            for name, roles in sorted(red.items())
            if MetricRole.TRAFFIC in roles or name in counts
        }


async def learn(
    metrics: Metrics, clock: Clock, tell: Tell, conventions: Conventions | None = None
) -> Learned:
    """Learn a catalogue from a store. Raises BackendError when it does not answer."""
    survey = await Surveyor(metrics, clock, tell).survey(conventions or load_conventions())
    verifier = DraftCheck(metrics, clock, tell)
    learned = Learned(survey)
    await _take(learned, verifier, [*_spelled_out(survey), *await _gauges(survey, metrics, clock)])
    failed: set[str] = set()
    for _ in range(ROUNDS):
        drafts, families = _requests(survey, learned.roles(), failed)
        if not drafts:
            break
        before = {each.name for each in learned.proposals}
        silent = await _take(learned, verifier, drafts)
        failed |= {families[each.draft.name] for each in silent}
        if not silent or before == {each.name for each in learned.proposals}:
            break
    if any(isinstance(each.error, BackendUnavailableError) for each in learned.silent):
        await metrics.query("max(up)", clock.now())  # raises: half a platform is no catalogue
    return learned


async def _take(
    learned: Learned, verifier: DraftCheck, drafts: Sequence[Alternatives]
) -> list[Silent]:
    taken = {each.name for each in learned.proposals}
    good, silent = await verifier.verify([each for each in drafts if each[0].name not in taken])
    learned.proposals += good
    learned.silent += silent
    return silent


def _spelled_out(survey: Survey) -> list[Alternatives]:
    """Return the drafts that conventions spell out."""
    return [
        asked_drafts(name, each.name, asked, each.subject, survey.window, each.convention.title)
        for each in survey.recognised
        if each.subject is not None
        for name, asked in each.convention.metrics.items()
    ]


def _requests(
    survey: Survey, known: Mapping[str, Collection[MetricRole]], failed: Collection[str]
) -> tuple[list[Alternatives], dict[str, str]]:
    """Return drafts of what services lack, and the family each draft is of."""
    usable = [each for each in survey.counted if each.family.name not in failed]
    chosen = choose(usable, known)
    drafts: dict[str, Alternatives] = {}
    families: dict[str, str] = {}

    def add(alternatives: Alternatives, family: str) -> None:
        name = alternatives[0].name
        if name in drafts:  # two families of one convention ask the same of different services
            name = f"{name}_{family}"
            alternatives = tuple(replace(each, name=name) for each in alternatives)
        drafts[name] = alternatives
        families[name] = family

    for counted, roles in chosen.families:
        category = survey.category[counted.family.name]
        for alternatives in red_drafts(counted, roles, category, survey.window).values():
            add(alternatives, counted.family.name)
    for errors, traffic in chosen.errors:
        add((_errors(errors, traffic, survey),), errors.family.name)
    return list(drafts.values()), families


def _errors(errors: Counted, traffic: Counted, survey: Survey) -> Draft:
    name = "_".join(stem_of(traffic.told.name, listed("goods"))) or errors.told.name
    return Draft(
        name=f"{name}_errors",
        category=survey.category[traffic.family.name],
        role=MetricRole.ERRORS,
        query=errors_over(errors, traffic, survey.window, apart=counts_good(traffic.family)),
        unit="ratio",
        description=f"{errors.family.name}, as a share of {traffic.family.sampled}",
        group_by=traffic.subject.group_by,
        source="",
    )


async def _gauges(survey: Survey, metrics: Metrics, clock: Clock) -> list[Alternatives]:
    """Return drafts of unknown gauges: those with a maximum, and those that tell what waits."""
    surveyor = Surveyor(metrics, clock, lambda _: None)
    free = [f for f in survey.families.values() if not survey.owned(f.name)]
    pairs = filled(free)[:MOST_GAUGES]
    paired = {pair.part.name for pair in pairs}
    behind = [f for f in free if is_behind(f) and f.name not in paired][:MOST_GAUGES]
    names = [*(pair.part.name for pair in pairs), *(family.name for family in behind)]
    subjects = await asyncio.gather(*(_subject(surveyor, n, survey.rule) for n in names))
    found: list[Alternatives] = []
    for pair, subject in zip(pairs, subjects, strict=False):
        if subject is not None:
            found.append(_saturation(pair.name, pair.part, pair.whole, subject, free=pair.free))
    for family, subject in zip(behind, subjects[len(pairs) :], strict=True):
        if subject is not None:
            found.append((_lag(family, subject),))
    return found


async def _subject(surveyor: Surveyor, name: str, rule: Subject | None) -> Subject | None:
    try:
        rows = await surveyor.sample(name)
    except BackendError:  # what nobody described is left out without a word
        return None
    return subject_of(rows, rule) if rows else None


def _saturation(
    name: str, part: Family, whole: Family, subject: Subject, *, free: bool
) -> Alternatives:
    by, one = subject.group_by, "1 - " if free else ""
    least = "min" if free else "max"
    each = f"{least} by ({by}) ({subject.named(f'{part.name} / ({whole.name} > 0)')})"
    above, below = (f"sum by ({by}) ({subject.named(x)})" for x in (part.name, whole.name))
    return tuple(
        Draft(
            name=f"{name}_full",
            category="resources",
            role=MetricRole.SATURATION,
            query=f"{one}{query}",
            unit="ratio",
            description=f"{part.name}, as a share of {whole.name}",
            group_by=by,
            source="",
            resource=_resource(name),
        )
        for query in (each, f"{above} / ({below} > 0)")
    )


def _lag(family: Family, subject: Subject) -> Draft:
    timely = family.unit.endswith("seconds")
    over = "max" if timely else "sum"
    return Draft(
        name=family.name,
        category="resources",
        role=MetricRole.LAG,
        query=f"{over} by ({subject.group_by}) ({subject.named(family.name)})",
        unit=family.unit or "waiting",
        description=_shortened(family.help) or f"What waits ({family.name})",
        group_by=subject.group_by,
        source="",
    )


def _resource(name: str) -> str:
    """Return a resource as the catalogue may call it."""
    kept: Iterable[str] = (c if c.isascii() and c.isalnum() else "_" for c in name.lower())
    text = "".join(kept).strip("_")
    return text if text[:1].isalpha() else "capacity"


def _shortened(text: str) -> str:
    return text if len(text) <= 120 else text[:119].rstrip() + "…"
