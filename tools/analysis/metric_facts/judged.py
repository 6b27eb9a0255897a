"""One metric as it was read for a question: what is unusual in it, what grows, whose it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tools.analysis.metric_facts.growth import Growth, growing
from tools.analysis.metric_facts.own import Distress
from tools.analysis.metric_facts.readings import Readings
from tools.analysis.metric_facts.roles import role_of
from tools.analysis.metric_facts.trouble import distress_of
from tools.analysis.metric_facts.twins import Replicas, replicas_of, with_twins
from tools.analysis.metric_facts.unusual import (
    SHARE,
    SIGMAS,
    Stretch,
    crossed_for_long,
    unusual,
)
from tools.analysis.metric_facts.usual import Rung, Usual, same_hours_yesterday, usual_of
from tools.world import Baseline, Direction, MetricRole, MetricSpec, Series


@dataclass(frozen=True, slots=True, eq=False)
class JudgedMetric:
    """One metric over a window, each series with whom it tells of."""

    spec: MetricSpec
    readings: Readings
    usual: Usual
    subjects: tuple[str, ...]  # by series; empty: nobody that is known
    stretches: tuple[Stretch, ...]
    surges: tuple[Stretch, ...]  # of traffic, the way that is no trouble by itself
    growths: tuple[Growth, ...]
    chronic: tuple[tuple[int, float], ...]  # series and value, beyond the limit as ever
    distress: tuple[Distress, ...]  # by series
    replicas: tuple[Replicas, ...]  # by series
    since: float = 0.0  # epoch seconds: where the window begins

    @property
    def role(self) -> MetricRole | None:
        """What the metric tells."""
        return role_of(self.spec)

    @property
    def young(self) -> list[int]:
        """The series that nothing can be said of: no past, no twin, no limit."""
        if self.spec.threshold is not None:
            return []
        return [row for row, rung in enumerate(self.usual.rungs) if rung is Rung.YOUNG]

    @property
    def to_be_vetted(self) -> bool:
        """Whether yesterday has a say: something is unusual against the last hours alone."""
        return any(each.rung is Rung.LATELY for each in (*self.stretches, *self.surges))


def measure(
    spec: MetricSpec,
    series: Sequence[Series],
    subjects: Sequence[str],
    since: float,
    profiles: Mapping[int, Baseline] | None = None,
) -> JudgedMetric:
    """Judge every series of one metric from `since` (epoch seconds) to its end."""
    kept = [place for place, each in enumerate(series) if each.times.size]
    readings = Readings.of(spec, [series[place] for place in kept])
    whose = tuple(subjects[place] for place in kept)
    known = {new: profiles[old] for new, old in enumerate(kept) if profiles and old in profiles}
    usual = with_twins(readings, usual_of(readings, since, known), whose)
    found = unusual(readings, usual, since)
    until = float(readings.times[-1]) if readings.times.size else since
    surges: list[Stretch] = []
    if role_of(spec) is MetricRole.TRAFFIC and spec.bad_direction is Direction.DOWN:
        up = replace(spec, bad_direction=Direction.UP, threshold=None)
        risen = replace(readings, spec=up)
        surges = unusual(risen, with_twins(risen, usual_of(risen, since), whose), since)
    grows = role_of(spec) in {MetricRole.LAG, MetricRole.SATURATION}
    return JudgedMetric(
        spec=spec,
        readings=readings,
        usual=usual,
        subjects=whose,
        stretches=tuple(found),
        surges=tuple(surges),
        growths=tuple(growing(readings, since)) if grows else (),
        chronic=tuple(crossed_for_long(readings, usual)),
        distress=tuple(distress_of(readings, usual, since, until)),
        replicas=tuple(replicas_of(readings, whose, [each.row for each in found])),
        since=since,
    )


def vetted(judged: JudgedMetric, yesterday: Sequence[Series]) -> JudgedMetric:
    """Return the same without what the same hours of yesterday show as well."""
    before = Readings.of(judged.spec, yesterday)
    rows = {labels: row for row, labels in enumerate(before.labels)}
    times = judged.readings.times

    def is_news(stretch: Stretch) -> bool:
        row = rows.get(stretch.labels)
        if stretch.rung is not Rung.LATELY or row is None:
            return True
        until = float(times[-1]) if stretch.until is None else stretch.until
        past = same_hours_yesterday(before, row, stretch.since, until)
        if past is None:
            return True
        center, scale = past
        turned = -1.0 if judged.readings.back(1.0) < judged.readings.back(0.0) else 1.0
        away = turned * (stretch.value - judged.readings.back(center))
        if stretch in judged.surges:
            away = -away
        return away > max(SIGMAS * scale, SHARE * abs(center))

    kept = tuple(each for each in judged.stretches if is_news(each))
    gone = {each.row for each in judged.stretches} - {each.row for each in kept}
    calm = tuple(
        replace(each, strength=0.0) if row in gone else each
        for row, each in enumerate(judged.distress)
    )
    return replace(
        judged,
        stretches=kept,
        surges=tuple(each for each in judged.surges if is_news(each)),
        distress=calm,
    )
