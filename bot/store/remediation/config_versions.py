"""config_versions: what a config map held, as the watch saw it; the newest few of each map."""

from __future__ import annotations

import json
from datetime import datetime

from sqlalchemy import ColumnElement, Index, delete, select

from bot.store.schema import Base, number_column, table_of, text_column, time_column
from bot.store.session import Session
from tools.ports import ConfigVersion
from tools.world import WorkloadRef

KEPT = 20  # versions of one config map; enough for a month of ordinary changes


class ConfigVersionRow(Base, table=True):
    """One version of one config map."""

    __tablename__ = "config_versions"
    __table_args__ = (Index("ix_config_versions_map", "cluster", "namespace", "name", "id"),)
    id: int | None = number_column(default=None, primary_key=True)
    cluster: str = text_column()
    namespace: str = text_column()
    name: str = text_column()
    uid: str = text_column()
    sha256: str = text_column()
    at: datetime = time_column()
    data: str | None = text_column(nullable=True)
    withheld: str = text_column()


T = table_of(ConfigVersionRow)


class SqlConfigVersions:
    """The port `ConfigVersions`."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self, version: ConfigVersion) -> bool:
        """Store a version; False when it is the newest already. Only the newest few are kept."""
        ref = version.ref
        await self._session.lock(f"config map {ref}")
        newest = await self.versions(ref, 1)
        if newest and newest[0].sha256 == version.sha256:
            return False
        values = {
            "cluster": ref.cluster,
            "namespace": ref.namespace,
            "name": ref.name,
            "uid": ref.uid,
            "sha256": version.sha256,
            "at": version.at,
            "data": None if version.data is None else json.dumps(dict(version.data)),
            "withheld": version.withheld,
        }
        await self._session.run(self._session.insert(T).values(**values))
        old = select(T.c.id).where(*_same(ref)).order_by(T.c.id.desc()).offset(KEPT).limit(KEPT)
        ids = [row.id for row in await self._session.all(old)]
        if ids:
            await self._session.run(delete(T).where(T.c.id.in_(ids)))
        return True

    async def versions(self, ref: WorkloadRef, limit: int) -> list[ConfigVersion]:
        """Return the versions of a map, newest first."""
        query = select(T).where(*_same(ref)).order_by(T.c.id.desc()).limit(limit)
        return [
            ConfigVersion(
                ref=WorkloadRef(row.cluster, row.namespace, "ConfigMap", row.name, row.uid),
                at=row.at,
                sha256=row.sha256,
                data=None if row.data is None else json.loads(row.data),
                withheld=row.withheld,
            )
            for row in await self._session.all(query)
        ]


def _same(ref: WorkloadRef) -> tuple[ColumnElement[bool], ...]:
    return (T.c.cluster == ref.cluster, T.c.namespace == ref.namespace, T.c.name == ref.name)
