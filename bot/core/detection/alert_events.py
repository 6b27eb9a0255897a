"""How an alert's life is written into the audit."""

from __future__ import annotations

from datetime import datetime

from bot.domain.alert import Alert, Over
from bot.domain.audit import BOT, Event

LONGEST_WHY = 500


def event_of(kind: str, alert: Alert, at: datetime) -> Event:
    """Return the event of an alert, with its own words."""
    facts = {
        "alert": alert.name,
        "service": alert.service,
        "subject": alert.subject,
        "severity": alert.severity.value,
        "severity_word": alert.severity_word.text,
        "started_at": alert.started_at.isoformat(),
    }
    if isinstance(alert.state, Over):
        facts["how"] = alert.state.how.value
    return Event(kind, at, BOT, alert.id, why=alert.summary[:LONGEST_WHY], facts=facts)
