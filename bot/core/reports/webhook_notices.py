"""Telling a webhook what Slack is told: findings, incidents, plans and how they ended.

    sealed audit rows ──in their order, from where we stopped──> kind is told? ──> one POST each
                                                                  └ failed: stop here, try later

A receiver that fails is asked again later and ever more patiently, with the row it stopped at.
The place in the chain is kept in the store after every post, so that nothing is left out and,
after a crash, at most one object is posted a second time, under the same key. Personal text and
what only the audit needs stay inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bot.core.ports import AuditRow, Clock, Store, Transaction
from bot.domain.audit import BOT
from foundation.retries import RetryPolicy
from tools.errors import BackendError, BadArgumentError

log = structlog.get_logger(__name__)

PLACE = "notification.webhook.place"  # the flag that keeps the number of the last row told
PAGE = 100
RETRY = RetryPolicy(first=timedelta(seconds=10), longest=timedelta(minutes=1))  # wall time
TOLD = frozenset(
    {
        "finding.opened",
        "finding.resolved",
        "incident.declared",
        "incident.unreached",
        "incident.reminded",
        "incident.taken",
        "incident.judged",
        "incident.resolved",
        "incident.reopened",
        "incident.merged",
        "plan.proposed",
        "plan.approved",
        "plan.rejected",
        "plan.expired",
        "plan.withdrawn",
        "plan.started",
        "plan.verified",
        "plan.rolled_back",
        "plan.unverified",
        "plan.outcome_unknown",
        "plan.halted",
        "plan.failed",
        "plan.break_glass",
        "setting.changed",
    }
)


class Receiver(Protocol):
    """Where objects are posted. Raises BadArgumentError for one that is refused for good."""

    name: str

    async def post(self, body: Mapping[str, Any], key: str) -> None:
        """Post one object. Raises BackendError when it should be tried again."""
        ...


class Notifier:
    """Posts what happened; one leader calls `tick` every few seconds."""

    def __init__(self, store: Store, clock: Clock, receiver: Receiver) -> None:
        """What was written before the first tick ever is not told."""
        self._store, self._clock, self._receiver = store, clock, receiver
        self._failures = 0  # in a row
        self._due_at: datetime | None = None  # wall time; None: at once
        self._error: BackendError | None = None  # of the last try

    async def tick(self) -> int:
        """Post what is new; returns how many objects were taken.

        Raises BackendError as long as the receiver fails, so that it is told and seen: what is left
        is told when it is back.
        """
        if self._error is not None and self._due_at and self._clock.wall() < self._due_at:
            raise self._error.with_traceback(None)
        try:
            told = await self._tell_all()
        except BackendError as error:
            self._failures += 1
            self._due_at = self._clock.wall() + RETRY.wait_after(self._failures)
            self._error = error
            raise
        self._failures, self._due_at, self._error = 0, None, None
        return told

    async def _tell_all(self) -> int:
        told = 0
        while rows := await self._next():
            for row in rows:
                if row.event.kind in TOLD:
                    told += await self._tell(row)
                    await self._stop_at(row)
            await self._stop_at(rows[-1])
        return told

    async def _next(self) -> list[AuditRow]:
        async with self._store.begin() as tx:
            place = await tx.flags.get(PLACE)
            if not place:
                head = await tx.audit.head(self._clock.wall())
                await self._keep(tx, head.count if head is not None else 0)
                return []
            return await tx.audit.sealed_after(int(place), PAGE)

    async def _tell(self, row: AuditRow) -> bool:
        event = row.event
        body = {
            "kind": event.kind,
            "at": event.at.isoformat(),
            "actor": event.actor,
            "subject": event.subject,
            "why": event.why,
            "facts": event.facts,
        }
        try:
            await self._receiver.post(body, f"audit-{row.seq}")
        except BadArgumentError as error:
            log.warning("notification.refused", seq=row.seq, kind=event.kind, why=str(error))
            return False
        return True

    async def _stop_at(self, row: AuditRow) -> None:
        async with self._store.begin() as tx:
            await self._keep(tx, row.seal_no)

    async def _keep(self, tx: Transaction, seal_no: int) -> None:
        await tx.flags.set(PLACE, str(seal_no), BOT, self._clock.now())
