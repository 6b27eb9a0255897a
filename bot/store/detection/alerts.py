"""alerts: spells of alerts by fingerprint; heartbeats: those that must never fall silent.

The schema admits one active spell of each alert.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Row, select
from sqlalchemy import text as sql

from bot.domain.alert import Alert, AlertState, Firing, Over
from bot.domain.anomaly import Acknowledged, FalseAlarm
from bot.domain.heartbeat import Heartbeat
from bot.domain.ids import AlertId
from bot.domain.keyring import Keyring, Purpose
from bot.store.codec import decode, decode_state, encode, encode_state
from bot.store.row_seals import RowSeal
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session

STATES: tuple[type[AlertState], ...] = (Firing, Acknowledged, Over, FalseAlarm)
ACTIVE = sql("active")


class AlertRow(Base, table=True):
    """One spell of an alert. `state` names the class whose facts are in `state_body`."""

    __tablename__ = "alerts"
    __table_args__ = (
        Index(
            "ux_alerts_active",
            "fingerprint",
            unique=True,
            sqlite_where=ACTIVE,
            postgresql_where=ACTIVE,
        ),
    )
    id: str = text_column(primary_key=True)
    fingerprint: str = text_column(index=True)
    service: str = text_column(index=True)
    severity: str = text_column()
    active: bool
    state: str = text_column()
    state_body: str = text_column()
    started_at: datetime = time_column(index=True)
    heard_at: datetime = time_column()
    body: str = text_column()
    mac: str | None = text_column()  # NULL: nothing proves it


class HeartbeatRow(Base, table=True):
    """One heartbeat."""

    __tablename__ = "heartbeats"
    key: str = text_column(primary_key=True)
    heard_at: datetime = time_column()
    body: str = text_column()


T = table_of(AlertRow)
SEALED = "id fingerprint service severity active state state_body started_at heard_at body"
SEAL = RowSeal(T, Purpose.ALERT, "id", tuple(SEALED.split()))
BEATS = table_of(HeartbeatRow)


class SqlAlerts:
    """The port `Alerts`."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self._session, self._keyring = session, keyring

    async def active(self) -> list[Alert]:
        """Return every alert that fires, oldest first."""
        query = select(T).where(T.c.active).order_by(T.c.started_at, T.c.id)
        return [_alert(row) for row in await self._session.all(query)]

    async def get(self, alert_id: AlertId) -> Alert:
        """Return one spell. Raises NotFoundError."""
        ids = select(T.c.id).order_by(T.c.started_at.desc())
        query = select(T).where(T.c.id == alert_id)
        return _alert(await self._session.get(query, "alert", alert_id, ids))

    async def latest(self, fingerprint: str) -> Alert | None:
        """Return the newest spell of an alert."""
        newest = select(T).where(T.c.fingerprint == fingerprint)
        newest = newest.order_by(T.c.active.desc(), T.c.started_at.desc(), T.c.id.desc()).limit(1)
        row = await self._session.first(newest)
        return None if row is None else _alert(row)

    async def save(self, alert: Alert) -> None:
        """Insert or replace. At most one active per fingerprint: StaleError otherwise."""
        state, state_body = encode_state(alert.state)
        values = {
            "id": alert.id,
            "fingerprint": alert.fingerprint,
            "service": alert.service,
            "severity": alert.severity.value,
            "active": alert.active,
            "state": state,
            "state_body": state_body,
            "started_at": alert.started_at,
            "heard_at": alert.heard_at,
            # The state is kept apart: `Acknowledged` and `FalseAlarm` have the same fields.
            "body": encode(replace(alert, state=Firing())),
        }
        said = f"{alert.name} fires already (fingerprint {alert.fingerprint})"
        async with self._session.sole(said):
            sealed = await SEAL.resealed(self._session, self._keyring, values)
            await self._session.put(T, [sealed], ["id"])

    async def is_genuine(self, alert_id: AlertId) -> bool:
        """Say whether we wrote an alert as it stands."""
        return await SEAL.is_genuine(self._session, self._keyring, alert_id)

    async def heartbeats(self) -> list[Heartbeat]:
        """Return every heartbeat that was ever heard."""
        rows = await self._session.all(select(BEATS.c.body).order_by(BEATS.c.key))
        return [decode(Heartbeat, row.body) for row in rows]

    async def save_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Insert or replace."""
        values = {
            "key": heartbeat.key,
            "heard_at": heartbeat.heard_at,
            "body": encode(heartbeat),
        }
        await self._session.put(BEATS, [values], ["key"])

    async def list(
        self, *, active_only: bool = True, severity: str = "", limit: int = 200
    ) -> list[Alert]:
        """Return alerts, newest first."""
        query = select(T).order_by(T.c.started_at.desc(), T.c.id.desc()).limit(limit)
        if active_only:
            query = query.where(T.c.active)
        if severity:
            query = query.where(T.c.severity == severity)
        return [_alert(row) for row in await self._session.all(query)]


def _alert(row: Row[Any]) -> Alert:
    state = decode_state(STATES, row.state, row.state_body)
    return replace(decode(Alert, row.body), state=state)
