"""Puts one message of the outbox into Slack, once, and rewrites it.

    post ──sent before?──> look through the channel ──found──> its ts is committed
      └──> sending committed ──> chat.postMessage ──> posted committed
    update ──> chat.update ──> updated committed

Every post carries its row's id as metadata, so that after a crash between post and commit the
message is found instead of posted again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.core.ports import Clock, OutboxRow, StaleError, Store
from bot.core.shared import incident_book
from bot.domain.ids import ChannelId, PlanId, Ts
from bot.slack.blocks.text import MOST_FALLBACK, Block, cut
from bot.slack.failures import IN_TROUBLE, failure_of
from bot.slack.metadata import METADATA_POST
from bot.slack.workspace import Workspace

log = structlog.get_logger(__name__)

LOOK_BACK = timedelta(minutes=10)  # how far before the attempt a lost post is looked for


class Poster:
    """Posts and rewrites. Raises what the Slack client and the store raise."""

    def __init__(self, workspace: Workspace, store: Store, clock: Clock) -> None:
        self._client, self._store, self._clock = workspace.poster, store, clock

    async def show(
        self,
        row: OutboxRow,
        channel: ChannelId,
        text: str,
        blocks: list[Block],
        again_at: datetime | None = None,
    ) -> None:
        """Post a row, or rewrite its message when it is there.

        `again_at` (wall): a part of it is late, and it is drawn again then.
        """
        if row.ts is not None:
            await self._update(row, channel, text, blocks, again_at)
        elif not await self.is_there(row, channel, again_at):
            await self._post(row, channel, text, blocks, again_at)

    async def is_there(
        self, row: OutboxRow, channel: ChannelId, again_at: datetime | None = None
    ) -> bool:
        """Look for a post whose fate is unknown; one that is found is committed."""
        if row.sent_at is None:
            return False
        try:
            there = await self._find(row, channel, row.sent_at)
        except SlackApiError as error:
            failure = failure_of(error)
            if not failure.answered or failure.retry_after or failure.code in IN_TROUBLE:
                raise
            log.warning("outbox.not_looked_for", row=row.id, why=failure.text)
            return False  # told twice is better than not at all
        if there is None:
            return False
        log.info("outbox.found", row=row.id, ts=there)
        await self._posted(row, channel, there, again_at)
        return True

    async def _post(
        self,
        row: OutboxRow,
        channel: ChannelId,
        text: str,
        blocks: list[Block],
        again_at: datetime | None,
    ) -> None:
        async with self._store.begin() as tx:
            await tx.outbox.sending(row.id, self._clock.now())
        answer = await self._client.chat_postMessage(
            channel=channel,
            thread_ts=row.thread_ts,
            text=cut(text, MOST_FALLBACK),
            blocks=blocks or None,
            unfurl_links=False,
            unfurl_media=False,
            metadata={"event_type": METADATA_POST, "event_payload": {"id": row.id}},
        )
        await self._posted(row, channel, Ts(answer["ts"]), again_at)

    async def _posted(
        self, row: OutboxRow, channel: ChannelId, ts: Ts, again_at: datetime | None
    ) -> None:
        try:
            async with self._store.begin() as tx:
                await tx.outbox.posted(row.id, ts, self._clock.wall())
                if again_at is not None:
                    await tx.outbox.again(row.id, again_at)
                if row.view == "plan" and not row.body.get("brief"):
                    await incident_book.plan_posted(tx, PlanId(row.ref))
        except StaleError:
            log.warning("outbox.posted_twice", row=row.id, ts=ts)
            await self._client.chat_delete(channel=channel, ts=ts)
        log.info("outbox.posted", row=row.id, view=row.view, ref=row.ref, channel=channel, ts=ts)

    async def _update(
        self,
        row: OutboxRow,
        channel: ChannelId,
        text: str,
        blocks: list[Block],
        again_at: datetime | None,
    ) -> None:
        try:
            await self._client.chat_update(
                channel=channel,
                ts=str(row.ts),
                text=cut(text, MOST_FALLBACK),
                blocks=blocks,  # none takes away those that are there
                metadata={"event_type": METADATA_POST, "event_payload": {"id": row.id}},
            )
        except SlackApiError as error:
            if not failure_of(error).gone:
                raise
            log.warning("outbox.message_deleted", row=row.id, channel=channel, ts=row.ts)
            again_at = None
        async with self._store.begin() as tx:
            await tx.outbox.updated(row.id, self._clock.wall())
            if again_at is not None:
                await tx.outbox.again(row.id, again_at)

    async def _find(self, row: OutboxRow, channel: ChannelId, sent_at: datetime) -> Ts | None:
        """Look for a post whose fate is unknown: our own message that carries the row's id."""
        cursor = ""
        oldest = sent_at - LOOK_BACK
        while True:
            arguments: dict[str, Any] = {
                "channel": channel, "include_all_metadata": True, "limit": 200,
                "oldest": f"{oldest.astimezone(UTC).timestamp():.6f}",
            }  # fmt: skip
            if cursor:
                arguments["cursor"] = cursor
            if row.thread_ts is None:
                answer: Any = await self._client.conversations_history(**arguments)
            else:
                answer = await self._client.conversations_replies(ts=row.thread_ts, **arguments)
            for message in answer["messages"]:
                metadata = message.get("metadata") or {}
                payload = metadata.get("event_payload") or {}
                if metadata.get("event_type") == METADATA_POST and payload.get("id") == row.id:
                    return Ts(message["ts"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor", "")
            if not cursor:
                return None
