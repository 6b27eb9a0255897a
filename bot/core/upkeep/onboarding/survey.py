"""The survey: what the store knows, whom it scrapes, and which conventions are there.

Few questions, each bounded: all names, all metadata, all targets, then one sample of label sets for
each sign and each family that could matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from tools.errors import BackendError, NotFoundError
from tools.onboarding.conventions import Convention, Conventions, Requests, Whom
from tools.onboarding.drafts import Counted, counted_of, selector, unknown_requests
from tools.onboarding.families import (
    Family,
    FamilyShape,
    families_of,
    is_timely,
    unit_of_bounds,
)
from tools.onboarding.label_shapes import mappings, pod_label
from tools.onboarding.subjects import (
    Subject,
    choose,
    learned_from,
    named_by,
    subject_of,
    target_of,
)
from tools.onboarding.unknown import worth_asking
from tools.ports import Clock, MetricAbout, Metrics, SaysAllMetadata
from tools.world import Labels

Tell = Callable[[str], None]  # a line of progress

SAMPLED_SERIES = 400  # of a family: enough to see its labels, few enough to ask for hundreds
MOST_UNKNOWN = 300  # families that nobody described, the likeliest first
AT_ONCE = 6  # questions in flight
_WITHOUT = "le, quantile, vmrange, uid, container_id, path, uri, url, route, http_route, handler"
_USUAL_WINDOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Recognised:
    """A convention that is there, and whom its series tell of."""

    name: str
    convention: Convention
    subject: Subject | None  # None: no label says it


@dataclass(slots=True)
class Survey:
    """What was found."""

    families: Mapping[str, Family]
    targets: list[dict[str, str]]  # labels of everything that is scraped
    rule: Subject | None  # what names services on this platform
    window: str  # of rates
    recognised: list[Recognised] = field(default_factory=list)
    counted: list[Counted] = field(default_factory=list)
    category: dict[str, str] = field(default_factory=dict)  # of a counted family
    gaps: list[str] = field(default_factory=list)  # what could not be told

    @property
    def owned(self) -> Callable[[str], bool]:
        """Say whether a family belongs to a convention that is there."""
        present = [each.convention for each in self.recognised]
        return lambda name: any(each.owns_name(name) for each in present)


class Surveyor:
    """Asks a store."""

    def __init__(self, metrics: Metrics, clock: Clock, tell: Tell) -> None:
        self._metrics, self._clock, self._tell = metrics, clock, tell
        self._slots = asyncio.Semaphore(AT_ONCE)

    async def survey(self, conventions: Conventions) -> Survey:
        """Look at everything. Raises BackendError when the store does not answer at all."""
        names = await self._metrics.metric_names()
        if not names:
            raise NotFoundError(
                "the metrics store knows no metric at all; look whether it scrapes anything "
                "(its page /targets), then run init again"
            )
        about = await self._about()
        self._tell(f"{len(names):,} metric names; metadata of {len(about):,}")
        targets = mappings(await self._rows("up")) if "up" in names else []
        rule = choose(targets) if targets else None
        found = Survey(families_of(names, about), targets, rule, await self._window())
        if rule is not None:
            told = ", else ".join(rule.labels)
            self._tell(f"{len(targets)} targets; services are named by {told}")
        else:
            found.gaps.append(
                "the store scrapes no targets itself (no `up`): services are named by "
                "the labels of each metric alone"
            )
        if not about:
            found.gaps.append("the store keeps no metadata: types and units are read from names")
        await self._recognise(found, conventions, names)
        await self._look_at_requests(found)
        return found

    async def sample(self, name: str, where: str = "") -> list[dict[str, str]]:
        """Return some label sets of a metric; empty when it has no series now."""
        query = f"topk({SAMPLED_SERIES}, count without ({_WITHOUT}) ({selector(name, where)}))"
        return mappings(await self._rows(query))

    async def _about(self) -> Mapping[str, MetricAbout]:
        if not isinstance(self._metrics, SaysAllMetadata):
            return {}
        try:
            return {each.name: each for each in await self._metrics.every_about()}
        except BackendError as error:
            self._tell(f"no metadata: {error}")
            return {}

    async def _rows(self, query: str) -> list[Labels]:
        async with self._slots:
            found = await self._metrics.query(query, self._clock.now())
        return [labels for labels, _ in found]

    async def _window(self) -> str:
        """Return the range of rates: five minutes, more where targets are scraped more rarely."""
        minutes = _USUAL_WINDOW.total_seconds() / 60
        found = await self._metrics.query("min(count_over_time(up[30m]))", self._clock.now())
        fresh = await self._metrics.query("max(count_over_time(up[5m]))", self._clock.now())
        if not found or (fresh and fresh[0][1] >= 4):
            return f"{minutes:g}m"
        apart = 30 / max(1.0, found[0][1])  # minutes between two scrapes
        return f"{max(minutes, min(60, round(apart * 4))):g}m"

    async def _recognise(
        self, found: Survey, conventions: Conventions, names: Sequence[str]
    ) -> None:
        signs = {name: each.sign_in(names) for name, each in conventions.items()}
        present = [(name, conventions[name], sign) for name, sign in signs.items() if sign]
        samples = await asyncio.gather(
            *(self.sample(sign) for _, _, sign in present), return_exceptions=True
        )
        for (name, convention, sign), rows in zip(present, samples, strict=True):
            if isinstance(rows, BackendError):  # one dear question stops no other
                found.gaps.append(f"{convention.title}: {sign} could not be sampled: {rows}")
                continue
            if isinstance(rows, BaseException):
                raise rows
            if not rows:
                found.gaps.append(f"{convention.title}: {sign} is known but has no series now")
                continue
            subject = whom(convention, rows, found.rule)
            if subject is None and not convention.quiet:
                found.gaps.append(f"{convention.title}: no label of {sign} names a service")
            found.recognised.append(Recognised(name, convention, subject))
            if not convention.quiet:
                self._tell(f"recognised {convention.title}")

    async def _look_at_requests(self, found: Survey) -> None:
        """Sample every family that counts requests, described or not."""
        asked: list[tuple[Family, Requests, str, Recognised | None]] = [
            (found.families[name], told, each.name, each)
            for each in found.recognised
            for told in each.convention.requests
            for name in told.family
            if name in found.families
        ]
        known = {family.name for family, _, _, _ in asked}
        free = [f for n, f in found.families.items() if n not in known and not found.owned(n)]
        asked += [
            (family, unknown_requests(family), "requests", None)
            for family in worth_asking(free, MOST_UNKNOWN)
        ]
        self._tell(f"looking at {len(asked)} families that may count requests")
        samples = await asyncio.gather(
            *(self.sample(family.sampled, told.where) for family, told, _, _ in asked),
            return_exceptions=True,
        )
        self._learn_names(found, [each for each in samples if isinstance(each, list)])
        for (family, told, category, by), rows in zip(asked, samples, strict=True):
            if isinstance(rows, BackendError):
                found.gaps.append(f"{family.name} could not be sampled: {rows}")
                continue
            if isinstance(rows, BaseException):
                raise rows
            subject = self._subject(rows, found.rule, by)
            if rows and subject is not None:
                timed = await self._with_unit(family, told, found)
                title = by.convention.title if by is not None else ""
                found.counted.append(counted_of(timed, rows, subject, told, title))
                found.category[family.name] = category

    def _learn_names(self, found: Survey, samples: Sequence[list[dict[str, str]]]) -> None:
        """Add to the rule what programs call themselves where no target's label says it."""
        if found.rule is None:
            return
        before = found.rule
        found.rule, found.targets = learned_from(samples, found.targets, before)
        if found.rule != before:
            self._tell(f"programs name themselves by {found.rule.labels[0]}")

    async def _with_unit(self, family: Family, told: Requests, found: Survey) -> Family:
        """Return a family whose durations have a unit: where nobody says it, its bounds do."""
        silent = not family.unit and not told.unit and is_timely(family)
        if not silent or family.shape is not FamilyShape.HISTOGRAM:
            return family
        bounds = mappings(await self._rows(f"count by (le) ({family.name}_bucket)"))
        unit = unit_of_bounds([row.get("le", "") for row in bounds])
        found.gaps.append(f"{family.name} does not say its unit: {unit}, by its bounds")
        return replace(family, unit=unit)

    @staticmethod
    def _subject(
        rows: list[dict[str, str]], rule: Subject | None, by: Recognised | None
    ) -> Subject | None:
        if not rows:
            return None
        return subject_of(rows, rule) if by is None else whom(by.convention, rows, rule)


def whom(
    convention: Convention, rows: list[dict[str, str]], rule: Subject | None
) -> Subject | None:
    """Return what names the subject of a convention in the labels of its series."""
    if convention.subject is Whom.TARGET:
        return target_of(rows, rule)
    if convention.subject is Whom.POD:
        pod = pod_label(rows)
        return Subject((pod,), pod) if pod else subject_of(rows, rule)
    if convention.subject is Whom.LABEL:
        label = next((x for x in convention.labels if any(row.get(x) for row in rows)), "")
        return named_by((label,), rows) if label else subject_of(rows, rule)
    return subject_of(rows, rule)
