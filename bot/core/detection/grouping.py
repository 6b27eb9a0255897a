"""Which anomalies are told together: those of one service, or of services that call each other.

Pure. Time does the rest: an anomaly joins an open finding of its neighbourhood instead of
becoming a second post.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.anomaly import Anomaly
from bot.domain.finding import Finding
from bot.domain.ids import AnomalyId
from tools.world import Catalogue, ServiceName, Severity

JOIN_WITHIN = timedelta(minutes=20)  # world time: a neighbour's later symptom is the same story
TOLD_FROM = Severity.HIGH  # lesser anomalies are kept, not posted


@dataclass(frozen=True, slots=True)
class JoiningAnomalies:
    """New anomalies of a finding that is open already."""

    finding: Finding
    anomalies: tuple[Anomaly, ...]


def neighbours(catalogue: Catalogue) -> Mapping[ServiceName, frozenset[ServiceName]]:
    """Return each service with the services it calls and that call it."""
    return {
        name: frozenset({name, *catalogue.dependencies(name), *catalogue.dependants(name)})
        for name in catalogue.services
    }


def join(
    loose: Iterable[Anomaly],
    findings: Sequence[Finding],
    services_of: Mapping[AnomalyId, ServiceName],
    catalogue: Catalogue,
    now: datetime,
) -> tuple[list[JoiningAnomalies], list[Anomaly]]:
    """Split loose anomalies into those that join an open finding and the rest."""
    near = neighbours(catalogue)
    taken: dict[str, list[Anomaly]] = {}
    rest = []
    for anomaly in loose:
        around = near.get(anomaly.service, frozenset({anomaly.service}))
        home = next((f for f in findings if _belongs(f, anomaly, around, services_of, now)), None)
        if home is None:
            rest.append(anomaly)
        else:
            taken.setdefault(home.id, []).append(anomaly)
    by_id = {f.id: f for f in findings}
    return [JoiningAnomalies(by_id[k], tuple(v)) for k, v in taken.items()], rest  # type: ignore[index]


def _belongs(
    finding: Finding,
    anomaly: Anomaly,
    around: frozenset[ServiceName],
    services_of: Mapping[AnomalyId, ServiceName],
    now: datetime,
) -> bool:
    members = {services_of[a] for a in finding.anomalies if a in services_of} | {finding.service}
    if anomaly.service in members:
        return True
    return bool(members & around) and now - finding.opened_at <= JOIN_WITHIN


def groups(anomalies: Sequence[Anomaly], catalogue: Catalogue) -> list[tuple[Anomaly, ...]]:
    """Return connected groups of anomalies, worst group first, worst anomaly first in each."""
    near = neighbours(catalogue)
    left = sorted(anomalies, key=_badness)
    found: list[tuple[Anomaly, ...]] = []
    while left:
        members = [left.pop(0)]
        grew = True
        while grew:
            around = {s for m in members for s in near.get(m.service, frozenset({m.service}))}
            more = [a for a in left if a.service in around]
            left = [a for a in left if a.service not in around]
            members += more
            grew = bool(more)
        found.append(tuple(sorted(members, key=_badness)))
    return found


def worth_telling(group: Sequence[Anomaly]) -> bool:
    """Whether a group holds an anomaly serious enough to be posted."""
    return any(a.severity.rank >= TOLD_FROM.rank for a in group)


def _badness(anomaly: Anomaly) -> tuple[float, str]:
    return -abs(anomaly.worst.deviation_sigma), anomaly.id
