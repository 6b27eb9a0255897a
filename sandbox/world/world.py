"""The world: clock, stories, faults and cluster joined into one source of samples.

It answers as a scraper that has run since `origin` every 15 seconds: samples lie on the grid, none
in the future, and a series whose pod is gone ends with a stale marker.
"""

from collections.abc import Sequence

import numpy as np

from sandbox.clock import Clock
from sandbox.prometheus.samples import NAME, STALE, Floats, Labels, Matcher, Series, Times
from sandbox.world.application import families_of
from sandbox.world.blueprint import Blueprint
from sandbox.world.families import Family, Row
from sandbox.world.faults import FaultLog
from sandbox.world.files import load_world
from sandbox.world.infrastructure import infrastructure_of
from sandbox.world.noise import STEP_SECONDS
from sandbox.world.scenario import Story
from sandbox.world.signals import CHUNK_SECONDS, Signals
from sandbox.world.timeline import Timeline
from sandbox.world.view import ClusterView

HISTORY_SECONDS = 14 * 86400
SEED = 20251
_STEP_MS = STEP_SECONDS * 1000
Grid = tuple[Times, Floats]  # milliseconds, with the stale marker's; seconds, without it


def origin_before(moment: float) -> float:
    """Return the start of a history that holds 14 full days before `moment`."""
    return float((moment - HISTORY_SECONDS) // CHUNK_SECONDS * CHUNK_SECONDS)


class World:
    """The simulated production, seen by its instruments."""

    def __init__(
        self,
        clock: Clock,
        faults: FaultLog,
        cluster: ClusterView,
        *,
        origin: float | None = None,
        seed: int = SEED,
        blueprint: Blueprint | None = None,
    ) -> None:
        """Begin the history at `origin` (default: 14 days before now)."""
        self.blueprint = blueprint or load_world()
        self.families: dict[str, Family] = {
            family.name: family
            for family in [*families_of(self.blueprint), *infrastructure_of(self.blueprint)]
        }
        self.clock = clock
        self.origin = origin_before(clock.now()) if origin is None else origin
        self.timeline = Timeline(faults, cluster, self.origin, blueprint=self.blueprint)
        self.signals = Signals(self.timeline, seed)

    def cpu_of_request(self, workload: str, at: float) -> float:
        """Share of their request that the pods serving now use, for an autoscaler."""
        serving = self.timeline.view.replicas_history(workload)[-1][1]
        return self.signals.cpu_of_request(workload, max(serving, 1), at)

    @property
    def stories(self) -> tuple[Story, ...]:
        """Every story told so far, oldest first."""
        return tuple(self.timeline.stories)

    def tell(self, story: Story) -> None:
        """Begin a story; the cluster returns to health and applies the story's changes."""
        self.timeline.stories.append(story)
        self.timeline.view.begin(story)

    def resume(self, stories: Sequence[Story]) -> None:
        """Remember stories told before a restart, without touching the cluster."""
        self.timeline.stories[:] = stories

    def select(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Series]:
        """Return the matching series with their samples in the window."""
        begin = max(start_ms, round(self.origin * 1000))
        end = min(end_ms, round(self.clock.now() * 1000))
        found = []
        grids: dict[object, Grid] = {}
        for row in self.rows(matchers):
            series = _sampled(row, begin, end, grids)
            if series is not None:
                found.append(series)
        return found

    def labels(self, matchers: Sequence[Matcher], start_ms: int, end_ms: int) -> list[Labels]:
        """Return the label sets of the matching series that live in the window."""
        begin = max(start_ms / 1000, self.origin)
        end = min(end_ms / 1000, self.clock.now())
        return [
            row.labels
            for row in self.rows(matchers)
            if row.begins <= end and row.ends >= begin and begin <= end
        ]

    def rows(self, matchers: Sequence[Matcher]) -> list[Row]:
        """Return the matching rows without computing any sample."""
        of_name = [matcher for matcher in matchers if matcher.name == NAME]
        rest = [matcher for matcher in matchers if matcher.name != NAME]
        exact = next((m.value for m in of_name if m.op == "="), None)
        known = self.families
        names = known if exact is None else [exact] if exact in known else []
        found = []
        for name in names:
            if not all(matcher.accepts(name) for matcher in of_name):
                continue
            for row in known[name].rows(self.signals):
                held = dict(row.labels)
                if all(matcher.accepts(held.get(matcher.name, "")) for matcher in rest):
                    found.append(row)
        return found


def _sampled(row: Row, begin_ms: int, end_ms: int, grids: dict[object, Grid]) -> Series | None:
    """Sample a row; rows that live as long share one grid, and are then worked on together."""
    first = -(-max(begin_ms, row.begins * 1000) // _STEP_MS)
    last = min(end_ms, row.ends * 1000) // _STEP_MS
    if last < first:
        return None
    ended = row.ends * 1000 <= end_ms - _STEP_MS
    key = (first, last, ended)
    if key not in grids:
        grids[key] = _grid(int(first), int(last), ended=ended)
    times, seconds = grids[key]
    values = row.values(seconds)
    if ended:
        values = np.append(values, STALE)
    return Series(row.labels, times, values)


def _grid(first: int, last: int, *, ended: bool) -> Grid:
    times = np.arange(first, last + 1 + ended, dtype=np.int64) * _STEP_MS
    return times, times[: last + 1 - first] / 1000.0
