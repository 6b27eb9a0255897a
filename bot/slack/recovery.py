"""After a start: answers that were stored but never shown to the end are finished.

A run's answer is committed before its message is completed. A process that dies between the two
leaves a run that is done and a message that is not; the audit names such runs.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.core.ports import Clock, Store
from bot.domain.ids import RunId
from bot.domain.place import TERMINAL
from bot.domain.run import Done
from bot.slack.calls import METADATA_ANSWER
from bot.slack.stream import SlackReplies, SlackReply
from bot.slack.workspace import Workspace

log = structlog.get_logger(__name__)

LOOK_BACK = timedelta(hours=1)  # world time
MOST_RUNS = 50


class Recovery:
    """Finishes what was said only halfway."""

    def __init__(
        self, workspace: Workspace, store: Store, clock: Clock, replies: SlackReplies
    ) -> None:
        self._workspace, self._replies = workspace, replies
        self._store, self._clock = store, clock

    async def finish_what_was_said(self) -> int:
        """Complete the messages of answered runs; returns how many needed it."""
        count = 0
        for run in await self._answered():
            if await self._shown(run):
                continue
            count += 1
            log.info("answer.completed_after_restart", run_id=run.id)
            if run.stream_ts is None:
                async with self._store.begin() as tx:
                    await tx.outbox.post(f"answer:{run.id}", "answer", run.id, run.place)
            else:
                await SlackReply(self._replies, run, fresh=True).complete(run.answer)
        return count

    async def _answered(self) -> list[Done]:
        now = self._clock.now()
        runs = []
        async with self._store.begin() as tx:
            rows = await tx.audit.since(now - LOOK_BACK, now + timedelta(seconds=1))
            given = [r.event.subject for r in rows if r.event.kind == "answer.given"]
            for run_id in given[-MOST_RUNS:]:
                run = await tx.runs.get(RunId(run_id))
                if not isinstance(run, Done):
                    continue
                outside = run.place.channel == TERMINAL.channel or run.finding is not None
                if not outside and await tx.outbox.find(f"answer:{run.id}") is None:
                    runs.append(run)
        return runs

    async def _shown(self, run: Done) -> bool:
        """Say whether a run's message carries the mark of a finished answer."""
        if run.stream_ts is None:
            return False
        channel = await self._workspace.book.id_of(run.place.channel)
        try:
            answer: Any = await self._workspace.client.conversations_replies(
                channel=channel,
                ts=run.place.thread_ts or run.stream_ts,
                oldest=run.stream_ts,
                inclusive=True,
                include_all_metadata=True,
                limit=50,
            )
        except SlackApiError:
            return True  # the thread is gone: nobody waits there any more
        for message in answer["messages"]:
            if message["ts"] == run.stream_ts:
                marked = (message.get("metadata") or {}).get("event_type") == METADATA_ANSWER
                return bool(marked)
        return True  # the message was deleted by somebody
