"""Which signals are told together: those of one service, or of services that call each other.

Pure. Time does the rest: an anomaly or alert joins an open finding of its neighbourhood instead of
becoming a second post.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeGuard

from bot.domain.alert import Alert
from bot.domain.finding import Finding
from bot.domain.signal import Signal, badness
from tools.world import Catalogue, ServiceName, Severity

JOIN_WITHIN = timedelta(minutes=20)  # world time: a neighbour's later symptom is the same story
TOLD_FROM = Severity.HIGH  # lesser signals are kept, not posted


@dataclass(frozen=True, slots=True)
class JoiningSignals:
    """New signals of a finding that is open already."""

    finding: Finding
    signals: tuple[Signal, ...]


def neighbours(catalogue: Catalogue) -> Mapping[ServiceName, frozenset[ServiceName]]:
    """Return each service with the services it calls and that call it."""
    return {
        name: frozenset({name, *catalogue.dependencies(name), *catalogue.dependants(name)})
        for name in catalogue.services
    }


def join(
    loose: Iterable[Signal],
    findings: Sequence[Finding],
    services_of: Mapping[str, ServiceName],
    catalogue: Catalogue,
    now: datetime,
) -> tuple[list[JoiningSignals], list[Signal]]:
    """Split loose signals into those that join an open finding and the rest."""
    near = neighbours(catalogue)
    taken: dict[str, list[Signal]] = {}
    rest = []
    for signal in loose:
        around = near.get(signal.service, frozenset({signal.service}))
        home = next((f for f in findings if _belongs(f, signal, around, services_of, now)), None)
        if home is None:
            rest.append(signal)
        else:
            taken.setdefault(home.id, []).append(signal)
    by_id = {f.id: f for f in findings}
    return [JoiningSignals(by_id[k], tuple(v)) for k, v in taken.items()], rest  # type: ignore[index]


def _belongs(
    finding: Finding,
    signal: Signal,
    around: frozenset[ServiceName],
    services_of: Mapping[str, ServiceName],
    now: datetime,
) -> bool:
    told = (*finding.anomalies, *finding.alerts)
    members = {services_of[each] for each in told if each in services_of} | {finding.service}
    if signal.service in members:
        return True
    return bool(members & around) and now - finding.opened_at <= JOIN_WITHIN


def groups(signals: Sequence[Signal], catalogue: Catalogue) -> list[tuple[Signal, ...]]:
    """Return connected groups of signals, worst group first, worst signal first in each."""
    near = neighbours(catalogue)
    left = sorted(signals, key=badness)
    found: list[tuple[Signal, ...]] = []
    while left:
        members = [left.pop(0)]
        grew = True
        while grew:
            around = {s for m in members for s in near.get(m.service, frozenset({m.service}))}
            keys = {m.group_key for m in members if _stray(m, catalogue)}
            more: list[Signal] = []
            rest: list[Signal] = []
            for each in left:
                near_it = each.service in around or _kin(each, keys, catalogue)
                (more if near_it else rest).append(each)
            left = rest
            members += more
            grew = bool(more)
        found.append(tuple(sorted(members, key=badness)))
    return found


def worth_telling(group: Sequence[Signal]) -> bool:
    """Whether a group holds a signal serious enough to be posted."""
    return any(each.severity.rank >= TOLD_FROM.rank for each in group)


def _stray(signal: Signal, catalogue: Catalogue) -> TypeGuard[Alert]:
    """Whether it is an alert of something that the catalogue does not know, in a group of its own.

    Who calls whom is not known of it; then Alertmanager's own grouping is what there is.
    """
    if not isinstance(signal, Alert) or signal.service in catalogue.services:
        return False
    return bool(signal.group_key)


def _kin(signal: Signal, keys: Collection[str], catalogue: Catalogue) -> bool:
    return _stray(signal, catalogue) and signal.group_key in keys
