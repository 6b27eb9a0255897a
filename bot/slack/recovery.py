"""After a start: answers that were stored but never shown to the end are finished.

answered lately ──> its message carries the mark of a finished answer? ──no──> completed, or posted
"""

from __future__ import annotations

from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.core.investigation.unshown_answers import lately_answered, leave_to_outbox
from bot.core.ports import Clock, Store
from bot.domain.run import Done
from bot.slack.metadata import METADATA_ANSWER
from bot.slack.replies import SlackReplies
from bot.slack.workspace import Workspace

log = structlog.get_logger(__name__)


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
        for run in await lately_answered(self._store, self._clock):
            if await self._shown(run):
                continue
            count += 1
            log.info("answer.completed_after_restart", run_id=run.id)
            if run.stream_ts is None:
                await leave_to_outbox(self._store, run)
            else:
                await self._replies.complete(run)
        return count

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
