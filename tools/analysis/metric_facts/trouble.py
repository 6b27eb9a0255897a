"""How bad each series of some readings was in a window, in one number that services share."""

from __future__ import annotations

import numpy as np

from tools.analysis.metric_facts.own import Distress
from tools.analysis.metric_facts.readings import Readings
from tools.analysis.metric_facts.unusual import LEAST_SHARE, WHOLES
from tools.analysis.metric_facts.usual import Usual
from tools.world import Floats

COUNTS = 3.0  # σ from which a sample counts; one alone is no alarm


def distress_of(readings: Readings, usual: Usual, since: float, until: float) -> list[Distress]:
    """Return each series' trouble between two times: the mean of the worse half of its samples.

    Of a share that should be small half a percent stands in for what is usual where that is
    nothing: else one failed request would be endless trouble. Samples within three σ are usual.
    """
    inside = (readings.times >= since) & (readings.times <= until)
    badness = readings.badness[:, inside]
    center, scale = usual.center[:, inside], usual.scale[:, inside]
    whole = WHOLES.get(readings.spec.unit)
    least = LEAST_SHARE * whole if whole else 0.0
    scale = np.maximum(scale, least)
    excess = badness - center
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log((np.abs(badness) + scale) / (np.abs(center) + scale))
    counted = np.where(excess > COUNTS * scale, ratio, 0.0)
    counted = np.where(np.isnan(badness), np.nan, counted)
    return [
        Distress(max(_worse_half(counted[row]), 0.0), _worse_half(excess[row]))
        for row in range(badness.shape[0])
    ]


def _worse_half(values: Floats) -> float:
    known = np.sort(values[~np.isnan(values)])
    return float(known[known.size // 2 :].mean()) if known.size else 0.0
