"""The dumb ladder: rules that know nothing, and which service each of them names.

Each gets the subject right or not; the mechanism is spared it. A rule above a half means that the
worlds are too easy. And whether a fault can be identified at all: did any of its writers write?
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import timedelta

import numpy as np

from bench.incidents.graph import What
from bench.incidents.incident import Truth
from bench.incidents.ports import Served
from bench.incidents.scoring import judged
from tools.world import Series, Window

BEFORE_STEPS = 90


async def named(served: Served) -> Mapping[str, bool]:
    """Return for each rule whether it names the subject of a truth."""
    incident = served.incident
    names = {p.name for p in incident.stage.graph.parts}
    sigma: dict[str, float] = {}
    onset: dict[str, float] = {}
    window = Window.ending(incident.now, timedelta(hours=2))
    for entry in served.entries:
        for series in await served.metrics.query_range(entry.query, window, timedelta(minutes=1)):
            who = series.label(entry.group_by).split(":")[0]
            if who not in names:
                continue
            found = _judge(series)
            if found is not None:
                size, began = found
                sigma[who] = max(sigma.get(who, 0.0), size)
                onset[who] = min(onset.get(who, np.inf), began)
    picks = {
        "largest_sigma": max(sigma, key=lambda n: sigma[n], default=""),
        "first_onset": min(onset, key=lambda n: (onset[n], -sigma[n]), default=""),
        "last_deploy": await _last_deploy(served),
        "deepest_abnormal": _deepest(served, set(onset)),
        "loudest_new_line": _loudest(served),
    }
    subjects = {name for truth in judged(incident) for name in truth.subjects}
    return {rule: pick in subjects for rule, pick in picks.items()}


def _judge(series: Series) -> tuple[float, float] | None:
    """Return how abnormal the end is, in robust deviations, and since when; None: it is not."""
    values = series.values
    before = values[:BEFORE_STEPS]
    if np.isnan(before).mean() > 0.5 or np.isnan(values[-4:]).all():
        return None
    middle = float(np.nanmedian(before))
    spread = 1.4826 * float(np.nanmedian(np.abs(before - middle))) + 1e-3 * abs(middle) + 1e-9
    z = np.abs(np.nan_to_num(values, nan=middle) - middle) / spread
    if np.median(z[-4:]) < 6:
        return None
    usual = np.flatnonzero(z < 4)
    began = int(usual[-1]) + 1 if usual.size else 0
    return float(np.median(z[-4:])), float(series.times[min(began, len(z) - 1)])


async def _last_deploy(served: Served) -> str:
    told = await served.deploys(Window.ending(served.incident.now, timedelta(hours=3)))
    return max(told, key=lambda c: c.at).service if told else ""


def _deepest(served: Served, abnormal: set[str]) -> str:
    graph = served.incident.stage.graph
    far = {graph.asked: 0}
    for link in sorted(graph.links, key=lambda each: each.caller):
        if link.caller in far:
            far[link.callee] = max(far.get(link.callee, 0), far[link.caller] + 1)
    found = [(d, graph.parts[n].name) for n, d in far.items() if graph.parts[n].name in abnormal]
    return max(found)[1] if found else ""


def _loudest(served: Served) -> str:
    """Return whose line of the last half hour, not seen before, comes most often."""
    now = served.incident.now
    new: Counter[tuple[str, str]] = Counter()
    old: set[tuple[str, str]] = set()
    for part in served.incident.stage.graph.parts:
        for line in served.lines.of(part.number):
            shape = part.name, re.sub(r"\d+", "#", line.text)[:120]
            if line.at > now - timedelta(minutes=30):
                new[shape] += 1
            elif line.at < now - timedelta(hours=2):
                old.add(shape)
    fresh = {shape: count for shape, count in new.items() if shape not in old}
    return max(fresh, key=lambda s: fresh[s])[0] if fresh else ""


async def identifiable(served: Served) -> bool:
    """Say whether deciding evidence of a truth was told by any of its writers and can be read."""
    return any([await _told(served, truth) for truth in judged(served.incident)])


async def _told(served: Served, truth: Truth) -> bool:  # noqa: PLR0911 - a writer each
    x, incident = served.x, served.incident
    kinds = {f.kind.name: f for f in (*incident.faults, *incident.past)}
    fault = kinds.get(truth.kind)
    if fault is None:
        return False
    graph = incident.stage.graph
    numbers = {p.name: p.number for p in graph.parts}
    own = [numbers[n] for n in truth.subjects if n in numbers]
    around = set(own) | {each.caller for each in graph.links if each.callee in own}
    writers = fault.kind.writers
    since = incident.at(fault.began)
    if "objects" in writers:
        return True  # the cluster says it to everybody who may read it
    if "logs" in writers:
        everybody = around if own else {p.number for p in graph.parts}
        for n in everybody:
            if any(line.level == "error" and line.at >= since for line in served.lines.of(n)):
                return True
    if "statements" in writers and any(x.watched[n] == "all" for n in own):
        return True
    if "changes" in writers:
        told = await served.deploys(Window.ending(incident.now, timedelta(hours=3)))
        if own and any(c.service in truth.subjects for c in told):
            return True
    if "metrics" in writers:
        seen = {n for n in around if x.watched[n] == "all"}
        if any(graph.parts[n].what is not What.OUTSIDE and n in seen for n in own):
            return True
        if not own:
            return "node" in x.parts_of_platform
        return any(graph.parts[n].what is What.OUTSIDE for n in own) and bool(seen - set(own))
    return False
