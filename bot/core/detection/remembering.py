"""The detector's state outlives the process: saved every few minutes, read at the start.

    points    every ten minutes and when the bot ends     kept columns of every series
    profiles  when baselines changed since                what was learned

A snapshot that is too old, foreign or damaged is told and left aside: then everything is read from
the metrics store again, which takes longer and loses nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot.core.ports import Clock, Snapshots
from tools.analysis.state.frozen import (
    freeze_points,
    freeze_profiles,
    thaw_points,
    thaw_profiles,
)
from tools.analysis.state.table import SeriesTable
from tools.errors import BackendError, BadArgumentError
from tools.world import MetricName, MetricSpec

log = structlog.get_logger(__name__)

SAVE_EVERY = timedelta(minutes=10)  # wall time
POINTS, PROFILES = "points", "profiles"
DAMAGED = (BadArgumentError, KeyError, TypeError, ValueError, IndexError)


class Remembering:
    """Saves and loads the table; without a place for snapshots it does nothing."""

    def __init__(self, clock: Clock, snapshots: Snapshots | None) -> None:
        """`snapshots` None: every start reads everything again."""
        self._clock, self._snapshots = clock, snapshots
        self._saved_at: datetime | None = None
        self._saved_revision = -1

    async def load(
        self, specs: Mapping[MetricName, MetricSpec], now: float
    ) -> tuple[SeriesTable, int] | None:
        """Return the table that was saved and the revision of its baselines, or None."""
        self._saved_at = self._clock.wall()
        if self._snapshots is None:
            return None
        arrays = await self._snapshots.load(POINTS)
        if arrays is None:
            return None
        try:
            table = await asyncio.to_thread(thaw_points, arrays, specs)
        except DAMAGED as error:
            log.warning("detection.state_unusable", why=f"{type(error).__name__}: {error}")
            return None
        behind = table.grid.slot_at(now) - table.newest
        if not 0 <= behind < table.grid.kept:
            log.warning("detection.state_too_old", minutes=behind)
            return None
        revision = await self._profiles(table)
        log.info("detection.state_loaded", series=len(table.rows), behind=behind)
        return table, revision

    async def _profiles(self, table: SeriesTable) -> int:
        arrays = await self._snapshots.load(PROFILES) if self._snapshots else None
        if arrays is None:
            return -1  # they are all in the store
        try:
            revision = await asyncio.to_thread(thaw_profiles, arrays, table)
        except DAMAGED as error:
            log.warning("detection.profiles_unusable", why=f"{type(error).__name__}: {error}")
            return -1
        self._saved_revision = revision
        return revision

    async def save(self, table: SeriesTable, revision: int, *, at_once: bool) -> None:
        """Save what is due; a place that cannot be written is told, and detection goes on."""
        now = self._clock.wall()
        due = self._saved_at is None or now - self._saved_at >= SAVE_EVERY
        if self._snapshots is None or not (due or at_once):
            return
        self._saved_at = now
        try:
            if revision != self._saved_revision:
                learned = await asyncio.to_thread(freeze_profiles, table, revision)
                await self._snapshots.save(PROFILES, learned)
                self._saved_revision = revision
            points = await asyncio.to_thread(freeze_points, table)
            await self._snapshots.save(POINTS, points)
        except BackendError as error:
            log.warning("detection.state_not_saved", why=str(error))
