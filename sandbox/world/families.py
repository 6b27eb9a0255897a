"""What a series is before it is asked: names, labels, a lifetime and a function of time.

A *family* is one metric name; its *rows* are the series. Nothing is computed before a row is asked
for.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sandbox.prometheus.samples import NAME, Labels, labels_of
from sandbox.world.noise import STEP_SECONDS, Floats
from sandbox.world.pods import Pod, pods_of
from sandbox.world.signals import Signals

Values = Callable[[Floats], Floats]  # on grid times, seconds


@dataclass(frozen=True, eq=False)
class Row:
    """One series."""

    labels: Labels
    values: Values
    begins: float = -math.inf
    ends: float = math.inf


@dataclass(frozen=True, eq=False)
class Family:
    """One metric name."""

    name: str
    kind: str  # counter | gauge | histogram | summary
    help: str
    rows: Callable[[Signals], Iterator[Row]]


def row(name: str, values: Values, labels: Mapping[str, str], pod: Pod | None = None) -> Row:
    """Return a series that lives as long as a pod, or for ever."""
    named = labels_of([(NAME, name), *labels.items()])
    return Row(named, values) if pod is None else Row(named, values, pod.begins, pod.ends)


def filled(templates: Mapping[str, str], words: Mapping[str, object]) -> dict[str, str]:
    """Return labels with their blanks filled; what is empty is no label."""
    made = {key: text.format(**words) for key, text in templates.items()}
    return {key: text for key, text in made.items() if text}


def pods_in(signals: Signals, service: str) -> list[Pod]:
    """Return the pods of a service over the whole history."""
    timeline = signals.timeline
    return pods_of(timeline.view, signals.blueprint.services[service], timeline.origin)


def whole(values: Floats) -> Floats:
    """Return what a counter of whole things shows."""
    floored: Floats = np.floor(values)
    return floored


def serving(signals: Signals, service: str, times: Floats) -> Floats:
    """How many replicas serve at each time, at least one."""
    who = signals.blueprint.services[service]
    history = signals.timeline.view.replicas_history(who.workload)
    changes = [(-math.inf, who.replicas), *history]
    moments = np.array([moment for moment, _ in changes])
    counts = np.array([max(1, count) for _, count in changes], dtype=float)
    found: Floats = counts[np.searchsorted(moments, times, side="right") - 1]
    return found


def started(pod: Pod, times: Floats) -> Floats:
    """Return the start of the container that runs at each time."""
    starts = np.array([life[0] for life in pod.lives])
    index = np.clip(np.searchsorted(starts, times, side="right") - 1, 0, None)
    found: Floats = starts[index]
    return found


def since_start(signals: Signals, pod: Pod, times: Floats, total: Values) -> Floats:
    """Return how far a running sum has come since the start of the pod's container."""
    now, starts = total(times), started(pod, times)
    result: Floats = np.zeros(times.shape)
    for begin, _ in pod.lives:
        inside = starts == begin
        if inside.any():
            edge = np.ceil(max(begin, signals.timeline.origin) / STEP_SECONDS) * STEP_SECONDS
            base = total(np.array([edge]))[0]
            result = np.where(inside, np.maximum(now - base, 0.0), result)
    return result
