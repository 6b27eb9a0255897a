"""Our ranking and its cheap peers, all of the same tables.

Ours is what the product does with latency or failures of services that call each other: usual,
trouble, own. Nothing here knows the set's services.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr

from bench.petshop.dataset import SPECS, STEP, WATCHING, Table, series_of
from tools.analysis.baseline import robust_scale, scale_floor
from tools.analysis.metric_facts.own import OwnTrouble, own_troubles
from tools.analysis.metric_facts.readings import Readings
from tools.analysis.metric_facts.trouble import distress_of
from tools.analysis.metric_facts.unusual import unusual
from tools.analysis.metric_facts.usual import usual_of
from tools.world import Floats

Calls = dict[str, tuple[str, ...]]
LATELY = 24  # rows before, for what correlates


def ours(
    past: Table, now: Table, calls: Calls, asked: str, metric: str, statistic: str
) -> tuple[bool, list[OwnTrouble]]:
    """Return whether the asked quantity is unusual, and the services that may have begun it."""
    since = STEP * past.rows
    readings = Readings.of(SPECS[metric], series_of(metric, statistic, past, now))
    usual = usual_of(readings, since)
    names = [dict(labels)["service"] for labels in readings.labels]
    felt = any(names[each.row] == asked for each in unusual(readings, usual, since))
    requests = now.of("requests", "Sum")
    troubles = {
        who: replace(trouble, traffic=float(np.nansum(requests.get(who, np.zeros(1)))))
        for who, trouble in zip(
            names, distress_of(readings, usual, since, since + STEP * now.rows), strict=True
        )
    }
    watching = [who for who in names if who.endswith(WATCHING)]
    found = own_troubles(troubles, calls, asked=asked, watching=watching)
    return felt, [each for each in found if each.rank > 0]


def largest_z(past: Table, now: Table) -> list[str]:
    """Return services by the largest robust z of any of their figures."""
    best: dict[str, float] = {}
    for (who, metric, statistic), before in past.columns.items():
        after = now.columns.get((who, metric, statistic))
        if metric == "requests" or after is None or np.isnan(before).all():
            continue
        scale = max(robust_scale(before), scale_floor(before))
        best[who] = max(best.get(who, 0.0), _worst(after, float(np.nanmedian(before)), scale))
    return sorted(best, key=lambda who: (-best[who], who))


def ranked_correlation(
    past: Table, now: Table, asked: str, metric: str, statistic: str
) -> list[str]:
    """Return services by how their figure's order agrees with the asked one's, lately and now."""
    before, after = past.of(metric, statistic), now.of(metric, statistic)
    joined = {
        who: np.concatenate((before[who][-LATELY:], after[who])) for who in before if who in after
    }
    target = joined[asked]
    found = {who: _agrees(values, target) for who, values in joined.items() if who != asked}
    return sorted(found, key=lambda who: (-found[who], who))


def _worst(values: Floats, center: float, scale: float) -> float:
    known = values[~np.isnan(values)]
    return float(np.abs(known - center).max()) / scale if known.size else 0.0


def _agrees(values: Floats, target: Floats) -> float:
    both = ~np.isnan(values) & ~np.isnan(target)
    if both.sum() < 5 or np.ptp(values[both]) == 0 or np.ptp(target[both]) == 0:
        return 0.0
    return float(abs(spearmanr(values[both], target[both]).statistic))
