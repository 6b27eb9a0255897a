"""The first start on a database: its chain begins with a signed row, once and for all.

    empty database              -> audit.began
    rows of an older version    -> sealed into the chain as they stand -> audit.upgraded
                                   what waits in the inbox and the tokens are sealed with them
    a chain, rows without seals    -> those of 0010 are sealed as they stand -> audit.rows_sealed

Older rows prove nothing by themselves; what is vouched for is only that they stood so at this
moment. Plans and approvals are not sealed: one of them could have been written into the database
while the older version, which asked for no proof, was at work or down.

It happens where no row has a seal of its own, no signed row is there, and no anchor outside of the
database knows of a chain. Whoever strips the seals of a database to have forged rows adopted at the
next start would have to take the anchor away, too.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import func, select

from bot.core.ports import AuditBrokenError
from bot.domain.audit import BOT, Anchor, Event
from bot.domain.keyring import Keyring
from bot.store.audit import SqlAudit
from bot.store.audit_chain import BEGAN, UPGRADED, AuditChain
from bot.store.audit_rows import T
from bot.store.detection import alerts, anomalies, findings
from bot.store.investigation import runs
from bot.store.session import Session
from bot.store.slack import outbox
from bot.store.slack.inbox import adopt_envelopes
from bot.store.tokens import adopt_tokens

# Since `0010_more_seals`.
SEALS = (alerts.SEAL, anomalies.SEAL, findings.SEAL, runs.SEAL, outbox.SEAL)
ROWS_SEALED, ROWS = "audit.rows_sealed", "rows"  # kind, and the fact that says it was done
OLD_TOKENS_LIVE = timedelta(days=90)  # wall time, from the upgrade on


async def begin_chain(
    session: Session, keyring: Keyring, known: Anchor | None, now: datetime, wall: datetime
) -> bool:
    """Begin the chain of a database that has none yet; returns whether it did.

    `now` is world time. Raises AuditBrokenError when rows without seals stand where the anchor
    knows of a chain, or when the chain of an older version is broken.
    """
    await session.lock("audit.seal")
    if await session.first(select(T.c.seq).where(T.c.mac.is_not(None)).limit(1)) is not None:
        await _adopt_later_seals(session, keyring, known, now)
        return False
    if known is not None:
        raise AuditBrokenError(
            f"the database knows of no audit that proves itself, and the anchor of "
            f"{known.sealed_at.isoformat()} saw {known.count} sealed rows of one; was a backup put "
            "back, or the database emptied? Nothing of it is vouched for"
        )
    chain = AuditChain(session, keyring)
    count = int(await session.value(select(func.count()).select_from(T)))
    rows = await _adopt_rows(session, keyring)
    facts = {"covered": 0, "wall": wall.isoformat(), ROWS: rows}
    event = Event(BEGAN, now, BOT, "audit", facts=facts)
    while (await chain.seal(None, 2000, adopting=True)).count:
        pass
    seal_no, seal = await chain.newest()
    tokens = await adopt_tokens(session, keyring, wall + OLD_TOKENS_LIVE)
    envelopes = await adopt_envelopes(session, keyring)
    if count or tokens or envelopes or rows:
        facts = {
            **event.facts,
            "covered": seal_no,
            "seal": seal,
            "tokens": list(tokens),
            "envelopes": envelopes,
        }
        event = replace(event, kind=UPGRADED, facts=facts)
    await chain.sign(event, seal_no, seal)
    return True


async def _adopt_later_seals(
    session: Session, keyring: Keyring, known: Anchor | None, now: datetime
) -> None:
    """Seal, once, the rows of tables that a version after `0006_seals` began to seal.

    Only on a chain that holds: else somebody took away the row that says it was done.
    """
    audit, chain = SqlAudit(session, keyring), AuditChain(session, keyring)
    if any(ROWS in each.facts for each in await audit.proved("audit")):
        return
    report = await chain.verify([known] if known is not None else [])
    if report.broken_at is not None:
        raise AuditBrokenError(f"rows of an older version are not vouched for: {report.reason}")
    rows = await _adopt_rows(session, keyring)
    await audit.append(Event(ROWS_SEALED, now, BOT, "audit", facts={ROWS: rows}))


async def _adopt_rows(session: Session, keyring: Keyring) -> int:
    return sum([await each.adopt(session, keyring) for each in SEALS])
