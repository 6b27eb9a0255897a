"""Posts what must be posted exactly once, and keeps it in step with its subject.

    claim ──> render ──> upload chart ──> sending ──> chat.postMessage ──> posted (ts)
                                             └─ fate unknown? look through the thread first
    dirty ──> render ──> chat.update ──> updated

A chart that Slack cannot show yet holds nothing back: the message goes without it, and is drawn
again with it a little later.

Every post carries its row's id as metadata, so that after a crash between post and commit the
message is found instead of posted again.
"""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.core.ports import Clock, OutboxRow, StaleError, Store
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain.ids import ChannelId, Ts
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import MOST_FALLBACK, Block, context, cut, fit, image
from bot.slack.failures import failure_of
from bot.slack.metadata import METADATA_POST
from bot.slack.renderers import Renderers
from bot.slack.reporting import report
from bot.slack.uploads import is_usable, upload_chart
from bot.slack.workspace import Workspace
from foundation.nearest import nearest
from tools.errors import BackendError, NotFoundError

log = structlog.get_logger(__name__)

LOOPS = 3  # channels posted to at once
LOOK_BACK = timedelta(minutes=10)  # how far before the attempt a lost post is looked for
DRAIN = timedelta(seconds=5)
CHART_LATER = timedelta(seconds=3)  # wall time until a late chart is tried again
CHART_MISSED = timedelta(minutes=10)  # world time after which none is waited for
_SLACK_ERRORS = (SlackClientError, OSError, TimeoutError)


class OutboxWorker:
    """Works the outbox off."""

    def __init__(
        self, workspace: Workspace, store: Store, clock: Clock, renderers: Renderers
    ) -> None:
        self._config, self._client = workspace.config, workspace.poster
        self._book, self._channels = workspace.book, workspace.channels
        self._store, self._clock, self._renderers = store, clock, renderers
        self._wake = asyncio.Event()
        self._stopping = False
        self._loops: KeyedTasks[int] = KeyedTasks("outbox")

    def start(self) -> None:
        """Begin to work."""
        self._stopping = False
        for n in range(LOOPS):
            self._loops.spawn(n, self._loop(f"{self._config.owner}/outbox-{n}"))

    async def stop(self) -> None:
        """Finish the posts under way and stop."""
        self._stopping = True
        self._wake.set()
        await self._loops.drain(DRAIN)

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    async def drain(self) -> int:
        """Work off everything that is due now; returns how many rows were worked on."""
        count = 0
        while await self.once(f"{self._config.owner}/outbox"):
            count += 1
        return count

    async def _loop(self, owner: str) -> None:
        while not self._stopping:
            try:
                worked = await self.once(owner)
            except (BackendError, StaleError) as error:  # the database is away: wait for it
                log.warning("outbox.waits", why=str(error))
                worked = False
            except Exception as error:  # noqa: BLE001 - a loop that ends posts nothing any more
                report("outbox.failed", error)
                worked = False
            if not worked:
                self._wake.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._config.poll.total_seconds())

    async def once(self, owner: str) -> bool:
        """Work on one row; False when none is due."""
        lease = self._config.lease * 2  # a client may wait out a rate limit twice
        async with self._store.begin() as tx:
            row = await tx.outbox.claim(owner, self._clock.wall(), lease)
        if row is None:
            return False
        try:
            await self._work(row)
        except (NotFoundError, KeyError, ValueError) as error:
            await self._failed(row, f"{type(error).__name__}: {error}", None)
        except (*_SLACK_ERRORS, BackendError) as error:
            await self._trouble(row, error)
        return True

    async def _work(self, row: OutboxRow) -> None:
        renderer = self._renderers.get(row.view)
        if renderer is None:
            raise NotFoundError(
                f"no view {row.view!r} draws messages.{nearest(row.view, self._renderers)}"
            )
        channel = await self._book.id_of(row.channel)
        texts = self._channels.texts_of(channel)
        async with self._store.begin() as tx:
            rendered = await renderer(row, tx, texts)
        show = self._post if row.ts is None else self._update
        if not rendered.chart_id:
            await show(row, channel, rendered, fit(rendered.blocks, texts))
            return
        async with self._store.begin() as tx:
            png, alt = await tx.charts.get(rendered.chart_id)
        file_id = await self._usable(row, png, rendered.chart_id, alt)
        if file_id:
            try:
                await show(
                    row, channel, rendered, fit(_insert(rendered, image(file_id, alt)), texts)
                )
            except SlackApiError as error:
                if failure_of(error).code != "invalid_blocks":
                    raise
                log.warning("chart.refused", row=row.id, why=failure_of(error).text)
            else:
                return
        missed = row.sent_at is not None and self._clock.now() - row.sent_at > CHART_MISSED
        note = [context(texts.say("slack.chart_missing", alt=alt))] if missed else []
        await show(row, channel, rendered, fit(_insert(rendered, *note), texts))
        if not missed:
            async with self._store.begin() as tx:
                await tx.outbox.again(row.id, self._clock.wall() + CHART_LATER)

    async def _usable(self, row: OutboxRow, png: bytes, name: str, alt: str) -> str:
        """Return the chart's file once Slack can show it, else an empty text."""
        try:
            file_id = row.file_id or await upload_chart(self._client, png, name, alt)
            if not row.file_id:
                async with self._store.begin() as tx:
                    await tx.outbox.uploaded(row.id, file_id)
            return file_id if await is_usable(self._client, file_id) else ""
        except _SLACK_ERRORS as error:
            log.warning("chart.late", row=row.id, why=failure_of(error).text)
            return ""

    async def _post(
        self, row: OutboxRow, channel: ChannelId, rendered: Rendered, blocks: list[Block]
    ) -> None:
        if row.sent_at is not None:
            there = await self._find(row, channel, row.sent_at)
            if there is not None:
                log.info("outbox.found", row=row.id, ts=there)
                await self._posted(row, channel, there)
                return
        async with self._store.begin() as tx:
            await tx.outbox.sending(row.id, self._clock.now())
        answer = await self._client.chat_postMessage(
            channel=channel,
            thread_ts=row.thread_ts,
            text=cut(rendered.text, MOST_FALLBACK),
            blocks=blocks or None,
            unfurl_links=False,
            unfurl_media=False,
            metadata={"event_type": METADATA_POST, "event_payload": {"id": row.id}},
        )
        await self._posted(row, channel, Ts(answer["ts"]))

    async def _posted(self, row: OutboxRow, channel: ChannelId, ts: Ts) -> None:
        try:
            async with self._store.begin() as tx:
                await tx.outbox.posted(row.id, ts, self._clock.wall())
        except StaleError:
            log.warning("outbox.posted_twice", row=row.id, ts=ts)
            await self._client.chat_delete(channel=channel, ts=ts)
        log.info("outbox.posted", row=row.id, view=row.view, ref=row.ref, channel=channel, ts=ts)
        self._wake.set()

    async def _update(
        self, row: OutboxRow, channel: ChannelId, rendered: Rendered, blocks: list[Block]
    ) -> None:
        try:
            await self._client.chat_update(
                channel=channel,
                ts=str(row.ts),
                text=cut(rendered.text, MOST_FALLBACK),
                blocks=blocks or None,
                metadata={"event_type": METADATA_POST, "event_payload": {"id": row.id}},
            )
        except SlackApiError as error:
            if not failure_of(error).gone:
                raise
            log.warning("outbox.message_deleted", row=row.id, channel=channel, ts=row.ts)
        async with self._store.begin() as tx:
            await tx.outbox.updated(row.id, self._clock.wall())

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

    async def _trouble(self, row: OutboxRow, error: Exception) -> None:
        failure = failure_of(error)
        if failure.lasting:
            await self._failed(row, f"{failure.text} (channel {row.channel!r})", None)
            return
        # What may pass is tried for ever: what must be told is never given up for it.
        wait = failure.retry_after or self._config.retry.wait_after(row.attempts)
        await self._failed(row, failure.text, self._clock.wall() + wait)

    async def _failed(self, row: OutboxRow, why: str, retry_at: datetime | None) -> None:
        event = "outbox.parked" if retry_at is None else "outbox.retry"
        log.warning(event, row=row.id, view=row.view, ref=row.ref, channel=row.channel, why=why)
        async with self._store.begin() as tx:
            await tx.outbox.failed(row.id, why, retry_at)


def _insert(rendered: Rendered, *chart: Block) -> list[Block]:
    at = rendered.chart_at
    return [*rendered.blocks[:at], *chart, *rendered.blocks[at:]]
