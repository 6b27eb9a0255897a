"""Choosing a step and splitting a range so that no request exceeds the point limit.

A grid ends at the window's end and goes back in whole steps, so that the newest sample is as new as
possible; all chunks of a split range lie on one grid.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

from tools.errors import BadArgumentError
from tools.world import Window

NICE_SECONDS = (15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400)
USUAL_POINTS = 1_440  # one day by the minute: enough for a chart and for a verdict


@dataclass(frozen=True, slots=True)
class Grid:
    """A regular grid of evaluation times, both ends included, in epoch seconds."""

    start: float
    step: float
    points: int

    @property
    def end(self) -> float:
        return self.start + (self.points - 1) * self.step


def choose_step(window: Window, min_step_seconds: float, max_points: int) -> float:
    """Return the smallest nice step that keeps the window at about a day's worth of points."""
    span = window.duration.total_seconds()
    least = max(min_step_seconds, span / min(USUAL_POINTS, max_points - 1))
    for nice in NICE_SECONDS:
        if nice >= least:
            return float(nice)
    return math.ceil(least / 86400) * 86400.0


def plan(
    window: Window,
    step: timedelta | None,
    *,
    min_step_seconds: float,
    max_points: int,
    max_chunks: int,
) -> list[Grid]:
    """Return the grids to ask for, oldest first. Raises BadArgumentError for absurd steps."""
    if step is not None and step.total_seconds() <= 0:
        raise BadArgumentError(f"the step must be positive, got {step}")
    width = (
        choose_step(window, min_step_seconds, max_points) if step is None else step.total_seconds()
    )
    end = math.floor(window.end.timestamp())
    points = int((end - window.start.timestamp()) // width) + 1
    if points > max_points * max_chunks:
        raise BadArgumentError(
            f"{window.duration} in steps of {width:g} s is {points:,} points per series; "
            f"use a step of at least {math.ceil(points * width / (max_points * max_chunks))} s"
        )
    first = end - (points - 1) * width
    grids = []
    for offset in range(0, points, max_points):
        size = min(max_points, points - offset)
        grids.append(Grid(first + offset * width, width, size))
    return grids
