"""anomalies: abnormal spells by fingerprint; the schema admits one active spell of each."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Index, Row, select
from sqlalchemy import text as sql

from bot.domain.anomaly import Acknowledged, Anomaly, AnomalyState, FalseAlarm, Open, Resolved
from bot.domain.ids import AnomalyId
from bot.domain.keyring import Keyring, Purpose
from bot.store.codec import decode, decode_state, encode, encode_state
from bot.store.row_seals import RowSeal
from bot.store.schema import Base, table_of, text_column, time_column
from bot.store.session import Session

STATES: tuple[type[AnomalyState], ...] = (Open, Acknowledged, Resolved, FalseAlarm)
ACTIVE = sql("active")


class AnomalyRow(Base, table=True):
    """One anomaly. `state` names the class whose facts are in `state_body`."""

    __tablename__ = "anomalies"
    __table_args__ = (
        Index(
            "ux_anomalies_active",
            "fingerprint",
            unique=True,
            sqlite_where=ACTIVE,
            postgresql_where=ACTIVE,
        ),
    )
    id: str = text_column(primary_key=True)
    fingerprint: str = text_column()
    service: str = text_column(index=True)
    category: str = text_column()
    metric: str = text_column()
    severity: str = text_column()
    active: bool
    state: str = text_column()
    state_body: str = text_column()
    started_at: datetime = time_column(index=True)
    latest_at: datetime = time_column()
    body: str = text_column()
    mac: str | None = text_column()  # NULL: nothing proves it; so before `0010_more_seals`


T = table_of(AnomalyRow)
SEALED = "id fingerprint service category metric severity active state state_body started_at"
SEAL = RowSeal(T, Purpose.ANOMALY, "id", (*SEALED.split(), "latest_at", "body"))


def _values(anomaly: Anomaly) -> dict[str, Any]:
    state, state_body = encode_state(anomaly.state)
    return {
        "id": anomaly.id,
        "fingerprint": anomaly.fingerprint,
        "service": anomaly.service,
        "category": anomaly.category,
        "metric": anomaly.metric,
        "severity": anomaly.severity.value,
        "active": anomaly.active,
        "state": state,
        "state_body": state_body,
        "started_at": anomaly.started_at,
        "latest_at": anomaly.latest.at,
        # The state is kept apart: `Acknowledged` and `FalseAlarm` have the same fields.
        "body": encode(replace(anomaly, state=Open())),
    }


def _anomaly(row: Row[Any]) -> Anomaly:
    state = decode_state(STATES, row.state, row.state_body)
    return replace(decode(Anomaly, row.body), state=state)


class SqlAnomalies:
    """The port `Anomalies`."""

    def __init__(self, session: Session, keyring: Keyring) -> None:
        self._session, self._keyring = session, keyring

    async def active(self) -> list[Anomaly]:
        """Return every active anomaly, oldest first."""
        query = select(T).where(T.c.active).order_by(T.c.started_at, T.c.id)
        return [_anomaly(row) for row in await self._session.all(query)]

    async def get(self, anomaly_id: AnomalyId) -> Anomaly:
        """Return one anomaly."""
        ids = select(T.c.id).order_by(T.c.started_at.desc())
        query = select(T).where(T.c.id == anomaly_id)
        return _anomaly(await self._session.get(query, "anomaly", anomaly_id, ids))

    async def save(self, anomaly: Anomaly) -> None:
        """Insert or replace. At most one active per fingerprint: StaleError otherwise."""
        async with self._session.sole(
            f"{anomaly.metric} has another active anomaly (fingerprint {anomaly.fingerprint})"
        ):
            sealed = await SEAL.resealed(self._session, self._keyring, _values(anomaly))
            await self._session.put(T, [sealed], ["id"])

    async def is_genuine(self, anomaly_id: AnomalyId) -> bool:
        """Say whether we wrote an anomaly as it stands."""
        return await SEAL.is_genuine(self._session, self._keyring, anomaly_id)

    async def list(
        self,
        *,
        active_only: bool = True,
        category: str = "",
        severity: str = "",
        since: datetime | None = None,
        limit: int = 200,
    ) -> list[Anomaly]:
        """Return anomalies, newest first; `since` asks when they were last seen abnormal."""
        query = select(T).order_by(T.c.started_at.desc(), T.c.id.desc()).limit(limit)
        if active_only:
            query = query.where(T.c.active)
        if category:
            query = query.where(T.c.category == category)
        if severity:
            query = query.where(T.c.severity == severity)
        if since is not None:
            query = query.where(T.c.latest_at >= since)
        return [_anomaly(row) for row in await self._session.all(query)]
