"""The digest: what changed in a channel since the last one, what will breach, what waits.

    slot due ─> gather (no transaction) ─> claim slot + outbox row + audit (one transaction)

A slot is told once, whoever else tries. Nothing new makes one line.

The row's body, for the view "digest":
    {"title", "quiet": bool, "since", "until", "sections": [{"title", "lines": [Markdown]}]}
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.core.ports import Clock, PlanRecord, Store
from bot.domain.audit import BOT, Event
from bot.domain.finding import BreachForecast, Finding
from bot.domain.ids import ChannelId
from bot.domain.place import Place
from bot.domain.plans.plan import FOR_A_PERSON
from bot.domain.secrets.redaction import Redactor
from bot.locale import DEFAULT_TIMEZONE, Texts
from tools.errors import ToolError
from tools.ports import Changes
from tools.units import format_value
from tools.world import Change, ChangeKind, Window

FIRST_SPAN = timedelta(days=1)  # what the first digest of a channel covers
LONGEST_SPAN = timedelta(days=7)
OPENED_BEFORE = timedelta(days=30)  # a finding resolved now was opened at most this long ago
MOST_LINES = 10  # per section; the rest is counted

TOLD_CHANGES = frozenset({ChangeKind.DEPLOY, ChangeKind.CONFIG, ChangeKind.FLAG})
Breaches = Callable[[], Awaitable[Sequence[BreachForecast]]]


@dataclass(frozen=True, slots=True)
class DigestSchedule:
    """When a digest is due; its time zone is also that of what is told in no channel of its own."""

    cron: str = "0 9 * * mon-fri"  # weekdays by name
    timezone: str = DEFAULT_TIMEZONE


@dataclass(frozen=True, slots=True)
class News:
    """Everything a digest may tell."""

    opened: tuple[Finding, ...] = ()
    resolved: tuple[Finding, ...] = ()
    still_open: tuple[Finding, ...] = ()
    plans: tuple[PlanRecord, ...] = ()
    changes: tuple[Change, ...] = ()
    breaches: tuple[BreachForecast, ...] = ()
    waiting: tuple[PlanRecord, ...] = ()
    gaps: tuple[str, ...] = ()

    @property
    def quiet(self) -> bool:
        """Whether there is nothing to tell."""
        told = (self.opened, self.resolved, self.still_open, self.plans, self.changes)
        return not any((*told, self.breaches, self.waiting, self.gaps))


class DigestDesk:
    """Writes digests."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        texts_of: Callable[[ChannelId], Texts],
        redactor: Redactor,
        *,
        changes: Changes | None = None,
        breaches: Breaches | None = None,
    ) -> None:
        """`changes` and `breaches` None are left out; one that fails is named in the digest."""
        self._store, self._clock, self._texts_of = store, clock, texts_of
        self._redactor = redactor
        self._changes, self._breaches = changes, breaches

    async def tell(self, channel: ChannelId, slot: datetime) -> bool:
        """Tell one slot's digest; False when it was told already."""
        async with self._store.begin() as tx:
            last = await tx.digests.last(channel)
        if last is not None and last >= slot:
            return False
        since = max(last or slot - FIRST_SPAN, slot - LONGEST_SPAN)
        news = await self.gather(since, self._clock.now())
        body = compose(news, since, slot, self._texts_of(channel))
        async with self._store.begin() as tx:
            if not await tx.digests.take(channel, slot, self._clock.now()):
                return False
            key = f"digest:{channel}:{slot.isoformat()}"
            await tx.outbox.post(key, "digest", key, Place(channel), body)
            await tx.audit.append(
                Event(
                    kind="digest.told",
                    at=self._clock.now(),
                    actor=BOT,
                    subject=channel,
                    facts={
                        "slot": slot.isoformat(),
                        "quiet": news.quiet,
                        "findings": [f.id for f in (*news.opened, *news.resolved)],
                        "plans": [r.plan.id for r in (*news.plans, *news.waiting)],
                    },
                )
            )
        return True

    async def preview(self, channel: ChannelId) -> dict[str, Any]:
        """Return the body of a digest up to now without telling it; no slot is claimed."""
        now = self._clock.now()
        async with self._store.begin() as tx:
            last = await tx.digests.last(channel)
        since = min(last or now - FIRST_SPAN, now - timedelta(seconds=1))
        return compose(await self.gather(since, now), since, now, self._texts_of(channel))

    async def gather(self, since: datetime, until: datetime) -> News:
        """Collect what happened in a span of world time and what waits now."""
        async with self._store.begin() as tx:
            findings = await tx.findings.list(since - OPENED_BEFORE, until)
            records = await tx.plans.list(limit=500)
        gaps: list[str] = []
        return News(
            opened=tuple(f for f in findings if f.opened_at >= since),
            resolved=tuple(f for f in findings if f.resolved_at and f.resolved_at >= since),
            still_open=tuple(f for f in findings if f.resolved_at is None and f.opened_at < since),
            plans=tuple(r for r in records if r.ended_at and since <= r.ended_at <= until),
            changes=await self._told_changes(Window(since, until), gaps),
            breaches=await self._told_breaches(gaps),
            waiting=tuple(r for r in records if r.status in FOR_A_PERSON),
            gaps=tuple(gaps),
        )

    async def _told_changes(self, window: Window, gaps: list[str]) -> tuple[Change, ...]:
        if self._changes is None:
            return ()
        try:
            found = await self._changes.recent(window)
        except ToolError as error:
            gaps.append(self._redactor.text(str(error)))
            return ()
        return tuple(self._redactor.change(c) for c in found if c.kind in TOLD_CHANGES)

    async def _told_breaches(self, gaps: list[str]) -> tuple[BreachForecast, ...]:
        if self._breaches is None:
            return ()
        try:
            return tuple(await self._breaches())
        except ToolError as error:
            gaps.append(self._redactor.text(str(error)))
            return ()


def compose(news: News, since: datetime, until: datetime, texts: Texts) -> dict[str, Any]:
    """Return the digest's body: sections that have something to say, or one quiet line."""
    span = {"since": f"{since:%Y-%m-%d %H:%M}", "until": f"{until:%Y-%m-%d %H:%M}"}
    if news.quiet:
        return {
            "title": texts.say("digest.quiet", **span),
            "quiet": True,
            "sections": [],
            **span,
        }
    parts = (
        ("digest.waiting", [_waiting(r, texts) for r in news.waiting]),
        ("digest.opened", [_opened(f, texts) for f in news.opened]),
        ("digest.still_open", [_opened(f, texts) for f in news.still_open]),
        ("digest.resolved", [_resolved(f, texts) for f in news.resolved]),
        ("digest.plans", [_plan(r, texts) for r in news.plans]),
        ("digest.changes", [_change(c, texts) for c in news.changes]),
        ("digest.breaches", [_breach(b, texts) for b in news.breaches]),
        ("digest.gaps", list(news.gaps)),
    )
    sections = [
        {"title": texts.say(key), "lines": _cut(lines, texts)} for key, lines in parts if lines
    ]
    return {
        "title": texts.say("digest.title", **span),
        "quiet": False,
        "sections": sections,
        **span,
    }


def _cut(lines: list[str], texts: Texts) -> list[str]:
    rest = len(lines) - MOST_LINES
    return lines if rest <= 0 else [*lines[:MOST_LINES], texts.say("digest.more", count=rest)]


def _opened(finding: Finding, texts: Texts) -> str:
    cause = finding.causes[0].cause if finding.causes else texts.say("digest.no_cause")
    return texts.say(
        "digest.opened_line",
        at=f"{finding.opened_at:%m-%d %H:%M}",
        severity=finding.severity.value,
        service=finding.service,
        cause=cause.rstrip("."),
        id=finding.incident or finding.id,
    )


def _resolved(finding: Finding, texts: Texts) -> str:
    end = finding.resolved_at or finding.opened_at
    minutes = round((end - finding.opened_at).total_seconds() / 60)
    return texts.say(
        "digest.resolved_line",
        service=finding.service,
        minutes=minutes,
        id=finding.incident or finding.id,
    )


def _plan(record: PlanRecord, texts: Texts) -> str:
    return texts.say(
        "digest.plan_line",
        title=record.plan.title,
        status=texts.say(f"digest.status_{record.status.value}"),
        id=record.plan.id,
    )


def _waiting(record: PlanRecord, texts: Texts) -> str:
    return texts.say(
        "digest.waiting_line",
        title=record.plan.title,
        tier=record.plan.tier.value,
        status=texts.say(f"digest.status_{record.status.value}"),
        id=record.plan.id,
    )


def _change(change: Change, texts: Texts) -> str:
    return texts.say(
        "digest.change_line",
        at=f"{change.at:%m-%d %H:%M}",
        service=change.service,
        summary=change.summary,
    )


def _breach(breach: BreachForecast, texts: Texts) -> str:
    return texts.say(
        "digest.breach_line",
        metric=breach.metric,
        at=f"{breach.at:%m-%d %H:%M}",
        value=format_value(breach.value, breach.unit),
        threshold=format_value(breach.threshold, breach.unit),
    )
