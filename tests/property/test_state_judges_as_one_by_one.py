"""A table of all series says of each what the detector says of it alone.

Compared verdict by verdict, over a night of cycles: shapes of which none is Gaussian, holes,
samples that come late, resets, series that are flat, mostly zero, new, young or gone.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from tests.fixtures.many_series import SPECS, STEP, Platform, platform
from tools.analysis.detect import DetectorSettings, local_noise, score_service
from tools.analysis.state.classic import local_noises
from tools.analysis.state.detector import Classic
from tools.analysis.state.recent import KEPT, SlotGrid
from tools.analysis.state.table import Key, SeriesTable, Source
from tools.world import Direction, Floats, MetricName, MetricSpec, Series, Verdict

CYCLES = 4
VOTES = DetectorSettings(algorithms=("zscore", "mad"))


@dataclass
class Night:
    """A platform whose samples come as stores bring them, and a table that reads them."""

    count: int
    settings: DetectorSettings
    seed: int
    table: SeriesTable = field(init=False)
    world: Platform = field(init=False)

    def __post_init__(self) -> None:
        made = platform(self.count, KEPT + CYCLES, seed=self.seed, troubled=0.06)
        self.world = replace(made, values=disturbed(made.values, self.seed))
        self.table = SeriesTable(SlotGrid(STEP, float(made.times[0] % STEP)), block_size=256)
        self.specs = dict(SPECS) | {
            "wandering": replace(SPECS["wandering"], bad_direction=Direction.BOTH, threshold=None),
            "replicas": replace(SPECS["replicas"], threshold=3.0),
        }

    def cycle(self, number: int, *, late: bool) -> None:
        """Read what is new; what is late leaves its newest two minutes out this time."""
        end = KEPT + number
        newest = self.table.grid.slot_at(self.world.times[end - 1])
        self.table.advance(newest)
        for metric, spec in self.specs.items():
            source = Source("", MetricName(metric))
            self.table.reach(source, spec)
            first = self.table.first_unread(source, 2) - (newest - end + 1)
            rows = [r for r in range(self.count) if self.world.metrics[r] == metric]
            answer = [self.world.series(row, first, end) for row in rows]
            if late:
                answer = [without_its_end(s) if n % 3 == 0 else s for n, s in enumerate(answer)]
            self.table.take(source, answer, newest)
        fresh = set(self.table.fresh)  # whoever reads looks up what is known of what is new
        rows = [r for r in range(self.count) if self.key(r) in fresh]
        learned = (self.world.baseline(row) for row in rows)
        self.table.learn([each for each in learned if each is not None])

    def key(self, row: int) -> Key:
        return self.world.metrics[row], self.world.labels[row]

    def one_by_one(self, number: int) -> dict[tuple[str, object], Verdict]:
        """Judge four hours of every series as if nothing was known before."""
        end = KEPT + number
        groups: dict[str, list[tuple[Series, object, MetricSpec]]] = {}
        for row in range(self.count):
            series, spec = self.world.series(row, number, end), self.specs[self.world.metrics[row]]
            if np.isnan(series.values).all():
                continue  # no store answers with a series of which it has nothing
            each = (series, self.world.baseline(row), spec)
            groups.setdefault(spec.service_of(series.labels), []).append(each)
        found: list[Verdict] = []
        for group in groups.values():
            found += score_service(group, self.settings)  # type: ignore[arg-type]
        return {(v.metric, v.labels): v for v in found}

    def at_once(self) -> tuple[dict[tuple[str, object], Verdict], int]:
        """Judge the table, and say how many series it judged."""
        detector, judged = Classic(self.settings), 0
        found: dict[tuple[str, object], Verdict] = {}
        for number, block in enumerate(self.table.blocks):
            seen = detector.screen(block)
            judged += int(seen.judged.sum())
            for within in np.flatnonzero(seen.candidate).tolist():
                row = number * self.table.block_size + within
                mates = dict.fromkeys([row, *self.table.mates(row)])
                observed = [
                    (self.table.series(m), self.table.baseline(m), self.table.spec(m))
                    for m in mates
                ]
                (verdict,) = detector.judge(observed, 1)
                if verdict.anomalous:
                    found[self.table.keys[row]] = verdict
        return found, judged


def disturbed(values: Floats, seed: int) -> Floats:
    """Return values with outages, resets to nothing, and series that are gone or only begin."""
    rng = np.random.default_rng([seed, 5])
    values = values.copy()
    count, minutes = values.shape
    for row in rng.choice(count, count // 10, replace=False).tolist():
        begin = int(rng.integers(0, minutes - 20))
        values[row, begin : begin + int(rng.integers(5, 120))] = np.nan
    resets = rng.choice(count, count // 20, replace=False)
    values[resets, minutes - 40 : minutes - 38] = 0.0
    begun = rng.choice(count, count // 25, replace=False)
    values[begun, : minutes - 15] = np.nan
    few = rng.choice(count, count // 50, replace=False)
    values[few, :-2] = np.nan
    gone = rng.choice(count, count // 25, replace=False)
    values[gone, minutes - 12 :] = np.nan
    return values


def without_its_end(series: Series) -> Series:
    values = series.values.copy()
    values[-2:] = np.nan
    return replace(series, values=values)


def same(one: Verdict, other: Verdict) -> bool:
    return repr(one) == repr(other)  # to the last bit; NaN equals NaN


@pytest.mark.parametrize(
    ("count", "settings", "seed"),
    [
        (2_400, VOTES, 1),
        (600, replace(VOTES, ensemble_min_votes=1, mad_threshold=2.5), 2),
        (300, DetectorSettings(), 3),
    ],
    ids=["two votes", "one vote", "with forests"],
)
def test_every_verdict_of_a_night_is_that_of_the_series_alone(
    count: int, settings: DetectorSettings, seed: int
) -> None:
    night = Night(count, settings, seed)
    seen = 0
    for number in range(CYCLES):
        night.cycle(number, late=number == 1)  # the cycle after reads what was late
        if number in {1, 2}:
            continue
        alone = night.one_by_one(number)
        abnormal = {key: each for key, each in alone.items() if each.anomalous}
        found, judged = night.at_once()
        assert judged == len(alone)
        assert found.keys() == abnormal.keys()
        assert all(same(found[key], abnormal[key]) for key in abnormal)
        seen += len(abnormal)
    assert seen > count / 50


def test_noise_is_measured_alike_with_holes_and_without() -> None:
    world = platform(300, KEPT, seed=9)
    values = disturbed(world.values, 9)
    together = local_noises(values, STEP)
    for row in range(300):
        alone = local_noise(replace(world.series(row, 0, KEPT), values=values[row]))
        assert together[row] == alone


@pytest.mark.parametrize("seed", range(3))
def test_a_sample_that_comes_late_is_judged_as_if_it_had_come_in_time(seed: int) -> None:
    punctual, tardy = Night(200, VOTES, seed), Night(200, VOTES, seed)
    for number in range(CYCLES):
        punctual.cycle(number, late=False)
        tardy.cycle(number, late=number == 2)
    assert same_points(punctual.table, tardy.table)


def same_points(one: SeriesTable, other: SeriesTable) -> bool:
    if one.rows.keys() != other.rows.keys():
        return False
    pairs = ((one.series(one.rows[key]), other.series(other.rows[key])) for key in one.rows)
    return all(np.array_equal(a.values, b.values, equal_nan=True) for a, b in pairs)
