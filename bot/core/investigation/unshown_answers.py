"""Answers from which not all has followed that should: a process died right after they were given.

A run's answer is committed before its message is completed. A process that dies between the two
leaves a run that is done and a message that is not; the audit names such runs.
"""

from __future__ import annotations

from datetime import timedelta

from bot.core.ports import Clock, Store
from bot.domain.ids import RunId
from bot.domain.place import TERMINAL
from bot.domain.run import Done, Running

LOOK_BACK = timedelta(hours=1)  # world time
MOST_RUNS = 50


async def lately_answered(store: Store, clock: Clock) -> list[Done]:
    """Return the runs answered in a channel of late, but those whose answer the outbox posts."""
    now = clock.now()
    runs = []
    async with store.begin() as tx:
        rows = await tx.audit.since(now - LOOK_BACK, now + timedelta(seconds=1))
        given = [r.event.subject for r in rows if r.event.kind == "answer.given"]
        for run_id in given[-MOST_RUNS:]:
            if not await tx.runs.is_genuine(RunId(run_id)):
                continue  # somebody else wrote what was answered
            run = await tx.runs.get(RunId(run_id))
            if not isinstance(run, Done):
                continue
            elsewhere = run.place.channel == TERMINAL.channel or run.finding is not None
            if not elsewhere and await tx.outbox.find(_key(run)) is None:
                runs.append(run)
    return runs


async def unfollowed(store: Store, clock: Clock) -> list[Done]:
    """Return the runs of findings, answered of late, from which nothing has followed yet.

    The conclusion is written into the finding, and a plan proposed, after the answer is committed.
    """
    now = clock.now()
    async with store.begin() as tx:
        findings = [each for each in await tx.findings.open() if not each.investigated]
        if not findings:
            return []
        rows = await tx.audit.since(now - LOOK_BACK, now + timedelta(seconds=1))
        given = [r.event.subject for r in rows if r.event.kind == "answer.given"]
        named = {each.id for each in findings}
        runs = []
        for run_id in given[-MOST_RUNS:]:
            if await tx.runs.is_genuine(RunId(run_id)):
                run = await tx.runs.get(RunId(run_id))
                if isinstance(run, Done) and run.finding in named:
                    runs.append(run)
    return runs


async def leave_to_outbox(store: Store, run: Running | Done, apology: str = "") -> None:
    """Have a run's answer, or an apology in its place, posted as soon as Slack listens."""
    view, body = ("notice", {"text": apology}) if apology else ("answer", {})
    async with store.begin() as tx:
        await tx.outbox.post(_key(run), view, run.id, run.place, body)


def _key(run: Running | Done) -> str:
    return f"answer:{run.id}"
