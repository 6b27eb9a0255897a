"""What of the past is known to have been no ordinary day, by service and by series.

findings (incidents)          their service, from the first symptom to the end
anomalies, not false alarms   their series, while they lasted and once they were acknowledged
deploys                       their service, a quarter of an hour
holidays                      everybody, the whole day
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.core.ports import Transaction
from bot.domain.anomaly import Acknowledged, Anomaly, Resolved
from tools.analysis.known_bad import BadSpan
from tools.world import Labels, ServiceName, Window

SETTLING = timedelta(minutes=15)  # what a deploy itself stirs up
MOST_ANOMALIES = 5_000


@dataclass(slots=True)
class Exceptions:
    """Spans that no baseline is learned from."""

    everybody: list[BadSpan] = field(default_factory=list)
    services: dict[str, list[BadSpan]] = field(default_factory=dict)
    series: dict[tuple[str, Labels], list[BadSpan]] = field(default_factory=dict)

    def of(self, metric: str, labels: Labels, service: ServiceName) -> Sequence[BadSpan]:
        """Return what concerns one series."""
        own = self.series.get((metric, labels), [])
        return [*self.everybody, *self.services.get(service, []), *own]


async def exceptions_in(
    tx: Transaction, window: Window, holidays: Sequence[date], zone: str
) -> Exceptions:
    """Return what is known of a window."""
    found = Exceptions(everybody=[_day(each, zone) for each in holidays])
    for finding in await tx.findings.list(window.start, window.end):
        end = finding.resolved_at or window.end
        span = BadSpan(finding.opened_at - SETTLING, end)
        found.services.setdefault(finding.service, []).append(span)
    anomalies = await tx.anomalies.list(active_only=False, since=window.start, limit=MOST_ANOMALIES)
    for anomaly in anomalies:
        if (end_of := _end(anomaly, window.end)) is not None:
            key = (anomaly.metric, anomaly.first.labels)
            found.series.setdefault(key, []).append(BadSpan(anomaly.started_at, end_of))
    for change in await tx.changes.recent(window):
        span = BadSpan(change.at, change.at + SETTLING)
        found.services.setdefault(change.service, []).append(span)
    return found


def _end(anomaly: Anomaly, now: datetime) -> datetime | None:
    """Return until when a series was abnormal; None for a false alarm, and for what may be normal.

    What is open and nobody has looked at may be the new normal; what a person took on is not.
    """
    if isinstance(anomaly.state, Resolved):
        return anomaly.state.at
    return now if isinstance(anomaly.state, Acknowledged) else None


def _day(day: date, zone: str) -> BadSpan:
    begin = datetime.combine(day, time(), tzinfo=ZoneInfo(zone))
    return BadSpan(begin, begin + timedelta(days=1))
