"""The database: every repository inside one transaction, flags, audit chain and leases.

    async with store.begin() as tx:          one database transaction
        await tx.plans.move(record)          state …
        await tx.outbox.refresh("plan", id)  … what Slack must show …
        await tx.audit.append(event)         … and the audit row: all or nothing

An exception inside the block rolls everything back. Repositories raise `NotFoundError` for
`get`, return None for `find`, and `StaleError` when a compare-and-set lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bot.core.ports.detection import (
    Alerts,
    Anomalies,
    BaselineRows,
    ChangeRows,
    Findings,
    Incidents,
    Mutes,
)
from bot.core.ports.investigation import (
    Charts,
    Conversation,
    EvidenceStore,
    FeedbackRows,
    Runs,
    UsageLedger,
)
from bot.core.ports.people import ApiTokens
from bot.core.ports.remediation import ConfigVersions, Plans
from bot.core.ports.reports import Digests, Postmortems
from bot.core.ports.slack import Inbox, Outbox
from bot.domain.audit import Anchor, Event


class AuditBrokenError(Exception):
    """The audit is not the one we wrote; nothing more is sealed onto it."""


class StaleError(Exception):
    """A compare-and-set lost: somebody changed the row first. Re-read and decide again."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One switch as it was last set."""

    value: str
    by: str
    at: datetime  # world time


class Flags(Protocol):
    """Switches that people set at run time: halt, freeze, dry run."""

    async def find(self, name: str) -> Flag | None:
        """Return a flag with who set it and when, None when unset."""
        ...

    async def get(self, name: str) -> str:
        """Return a flag's value, empty when unset."""
        ...

    async def set(self, name: str, value: str, by: str, at: datetime) -> None:
        """Set a flag; an empty value clears it."""
        ...


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One audit row as stored; `seal` is empty and `seal_no` 0 until the leader sealed it."""

    seq: int
    event: Event
    private_sha256: str
    seal: str
    seal_no: int = 0  # its place in the chain, counted from 1 without gaps


@dataclass(frozen=True, slots=True)
class ChainReport:
    """Result of verifying the chain. `broken_at` is the first bad row, None when all are good."""

    rows: int
    sealed: int
    broken_at: int | None
    reason: str = ""
    anchors: int = 0  # anchors kept outside that the chain was found to agree with
    notes: tuple[str, ...] = ()  # what a person must know of a chain that holds


@dataclass(frozen=True, slots=True)
class Sealed:
    """What sealing came to."""

    count: int  # rows sealed
    refused: tuple[str, ...] = ()  # rows that nothing proves, the first few: which, and why not


class Audit(Protocol):
    """The audit chain."""

    async def append(self, event: Event) -> None:
        """Add a row in this transaction; it proves itself from now on."""
        ...

    async def seal(self, known: Anchor | None = None, limit: int = 2000) -> Sealed:
        """Seal open rows that prove themselves, in order (leader only).

        `known` is the end of the chain as it is known from outside of the database. Raises
        AuditBrokenError on a chain that does not reach it, or whose end is false.
        """
        ...

    async def begin_anew(self, known: Anchor, event: Event, wall: datetime) -> None:
        """Go on behind what a restore left, with a signed row that names both ends.

        `event` tells who restored, when and why.
        """
        ...

    async def head(self, at: datetime) -> Anchor | None:
        """Return where the sealed chain ends now, `at` in wall time; None while it is empty."""
        ...

    async def verify(
        self, anchors: Sequence[Anchor] = (), older_than: datetime | None = None
    ) -> ChainReport:
        """Walk the chain from its start, and compare it with anchors kept elsewhere.

        Open rows from before `older_than` (world time) are a fault: sealing takes a second.
        """
        ...

    async def fault_since(self, subject: str, known: Anchor | None) -> str:
        """Say why the chain is not ours from before a subject's first row on; empty when it is.

        `known` is its end as it is known from outside of the database.
        """
        ...

    async def proved(self, subject: str, kind: str = "") -> list[Event]:
        """Return what we wrote about a subject, oldest first, without what nothing proves.

        Of one kind of event, if that is named.
        """
        ...

    async def happened(self, kind: str, after: datetime) -> list[Event]:
        """Return what we wrote of one kind after a moment of world time, oldest first."""
        ...

    async def tail(self, limit: int = 50, subject: str = "") -> list[AuditRow]:
        """Return the newest rows, oldest first, about one subject if named."""
        ...

    async def sealed_after(self, seal_no: int, limit: int) -> list[AuditRow]:
        """Return the sealed rows behind a place in the chain, in its order."""
        ...

    async def since(self, start: datetime, end: datetime) -> list[AuditRow]:
        """Return rows of a span of world time, oldest first."""
        ...


class Leases(Protocol):
    """Named leases in wall time: leadership, thread locks."""

    async def acquire(self, name: str, owner: str, at: datetime, ttl: timedelta) -> bool:
        """Take or renew a lease; False while another owner holds it."""
        ...

    async def renew(self, name: str, owner: str, at: datetime, ttl: timedelta) -> bool:
        """Prolong a lease that the owner still holds; one that lapsed or was given back is not."""
        ...

    async def release(self, name: str, owner: str) -> None:
        """Give a lease back."""
        ...


class Transaction(Protocol):
    """All repositories inside one transaction."""

    inbox: Inbox
    outbox: Outbox
    runs: Runs
    conversation: Conversation
    evidence: EvidenceStore
    usage: UsageLedger
    alerts: Alerts
    anomalies: Anomalies
    mutes: Mutes
    findings: Findings
    incidents: Incidents
    plans: Plans
    changes: ChangeRows
    config_versions: ConfigVersions
    baselines: BaselineRows
    digests: Digests
    postmortems: Postmortems
    feedback: FeedbackRows
    charts: Charts
    flags: Flags
    tokens: ApiTokens
    audit: Audit
    leases: Leases


class Store(Protocol):
    """The database. A transaction commits when its block ends without an exception."""

    def begin(self) -> AbstractAsyncContextManager[Transaction]:
        """Open a transaction. Write transactions on SQLite are BEGIN IMMEDIATE."""
        ...

    async def healthy(self) -> bool:
        """Say whether the database answers."""
        ...

    async def writable(self) -> bool:
        """Say whether a commit succeeds now: a full disk and a held lock still answer."""
        ...
