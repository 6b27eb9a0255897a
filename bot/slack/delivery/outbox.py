"""Posts what must be posted exactly once, and keeps it in step with its subject.

    claim ──> render ──> upload chart ──> sending ──> chat.postMessage ──> posted (ts)
      ^                                      └─ fate unknown? look through the thread first
      └── refused: without its chart, then without its blocks, then another way (`ways`)
    dirty ──> render ──> chat.update ──> updated
      └── refused: told anew in a message of its own

Nothing that must be told waits for its decoration. A chart that Slack cannot show yet holds nothing
back: the message goes without it, and is drawn again with it a little later.

Every post carries its row's id as metadata, so that after a crash between post and commit the
message is found instead of posted again.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from aiohttp import ClientError
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.core.ports import Clock, OutboxRow, StaleError, Store
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain.ids import ChannelId
from bot.domain.place import Place
from bot.locale import Texts
from bot.slack.blocks.plain import plain
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import channel_named, context, cut, escape, fit, image
from bot.slack.delivery.posting import Poster
from bot.slack.delivery.renderers import Renderers
from bot.slack.delivery.uploads import CHART_ERRORS, is_usable, upload_chart
from bot.slack.delivery.ways import Ways
from bot.slack.failures import IN_TROUBLE, Failure, failure_of
from bot.slack.reporting import report
from bot.slack.workspace import Workspace
from foundation.nearest import nearest
from tools.errors import BackendError, NotFoundError

log = structlog.get_logger(__name__)

LOOPS = 3  # channels posted to at once
DRAIN = timedelta(seconds=5)
CHART_LATER = timedelta(seconds=3)  # wall time until a late chart is tried again
CHART_MISSED = timedelta(minutes=10)  # world time after which none is waited for
HELD_AGAIN = timedelta(minutes=5)  # wall time until what no way was found for is tried again
MOST_SURPRISES = 2  # failures that nobody expected, before a row is held
_SLACK_ERRORS = (SlackClientError, ClientError, OSError, TimeoutError)


class OutboxWorker:
    """Works the outbox off."""

    def __init__(
        self, workspace: Workspace, store: Store, clock: Clock, renderers: Renderers, ways: Ways
    ) -> None:
        self._config, self._client = workspace.config, workspace.poster
        self._book, self._channels = workspace.book, workspace.channels
        self._store, self._clock, self._renderers = store, clock, renderers
        self._ways = ways
        self._poster = Poster(workspace, store, clock)
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
            self._wake.set()  # what waits behind it is due
        except (*_SLACK_ERRORS, BackendError) as error:
            await self._trouble(row, error)
        except StaleError:
            raise
        except Exception as error:  # noqa: BLE001 - a row's outer boundary: kept, told in the status
            await self._surprised(row, error)
        return True

    async def _work(self, row: OutboxRow) -> None:
        try:
            channel = await self._book.id_of(row.channel)
        except NotFoundError as error:  # a name that is no channel's, or not one the bot may see
            await self._elsewhere(row, str(error))
            return
        texts = self._channels.texts_of(channel)
        rendered = await self._rendered(row, texts)
        if not rendered.chart_id:
            await self._show(row, channel, rendered, texts)
            return
        chart = await self._chart(row, rendered.chart_id)
        if chart.file_id and await self._with_chart(row, channel, rendered, chart, texts):
            return
        missed = row.sent_at is not None and self._clock.now() - row.sent_at > CHART_MISSED
        note = context(texts.say("slack.chart_missing", alt=escape(chart.alt)))
        without = rendered.with_chart(note) if missed else rendered
        again_at = None if missed else self._clock.wall() + CHART_LATER
        await self._show(row, channel, without, texts, again_at)

    async def _show(
        self,
        row: OutboxRow,
        channel: ChannelId,
        rendered: Rendered,
        texts: Texts,
        again_at: datetime | None = None,
    ) -> None:
        """Show a message, as text alone where its blocks are refused.

        `again_at`: then it is drawn again, with what is late; what is refused is not.
        """
        blocks = fit(rendered.blocks, texts)
        try:
            await self._poster.show(row, channel, rendered.text, blocks, again_at)
        except SlackApiError as error:
            failure = failure_of(error)
            if failure.of_the_place or not self._is_refused(row, failure):
                raise
            note = texts.say("slack.plain", why=escape(cut(failure.text, 200)))
            try:
                await self._poster.show(row, channel, plain(rendered, note), [])
            except SlackApiError as again:
                log.info("outbox.plain_refused", row=row.id, why=failure_of(again).text)
                raise error from again
            log.warning("outbox.plain", row=row.id, view=row.view, why=failure.text)

    async def _rendered(self, row: OutboxRow, texts: Texts) -> Rendered:
        """Draw a row's subject; one that goes elsewhere says where it belongs."""
        renderer = self._renderers.get(row.view)
        if renderer is None:
            raise NotFoundError(
                f"no view {row.view!r} draws messages.{nearest(row.view, self._renderers)}"
            )
        async with self._store.begin() as tx:
            rendered = await renderer(row, tx, texts)
        if row.meant is None:
            return rendered
        key = "slack.meant.thread" if row.meant.thread_ts else "slack.meant.channel"
        where, why = channel_named(row.meant.channel), escape(cut(row.meant.why, 200))
        return rendered.under(context(texts.say(key, channel=where, why=why)))

    # ------------------------------------------------------------------ charts

    async def _with_chart(
        self, row: OutboxRow, channel: ChannelId, rendered: Rendered, chart: _Chart, texts: Texts
    ) -> bool:
        """Show a message with its chart; False when Slack refuses it so."""
        drawn = rendered.with_chart(image(chart.file_id, chart.alt))
        try:
            await self._poster.show(row, channel, drawn.text, fit(drawn.blocks, texts))
        except SlackApiError as error:
            failure = failure_of(error)
            if not failure.answered or failure.code in IN_TROUBLE or failure.of_the_place:
                raise
            log.warning("chart.refused", row=row.id, why=failure.text)
            return False
        return True

    async def _chart(self, row: OutboxRow, name: str) -> _Chart:
        """Return the chart's file once Slack can show it, else an empty one."""
        alt = name
        try:
            async with self._store.begin() as tx:
                png, alt = await tx.charts.get(name)
            file_id = row.file_id
            if not file_id:
                file_id = await upload_chart(self._client, png, name, alt)
                async with self._store.begin() as tx:
                    await tx.outbox.uploaded(row.id, file_id)
            return _Chart(file_id if await is_usable(self._client, file_id) else "", alt)
        except CHART_ERRORS as error:
            log.warning("chart.late", row=row.id, why=failure_of(error).text)
            return _Chart("", alt)

    # ------------------------------------------------------------------ what does not get through

    def _is_refused(self, row: OutboxRow, failure: Failure) -> bool:
        """Say whether Slack has said no often enough: what may pass is tried for ever."""
        return failure.answered and row.refused + 1 >= failure.patience

    async def _trouble(self, row: OutboxRow, error: Exception) -> None:
        failure, now = failure_of(error), self._clock.wall()
        if self._is_refused(row, failure):
            if failure.of_us:
                await self._hold(row, failure.text)
            elif failure.code not in IN_TROUBLE or not await self._is_there(row):
                await self._elsewhere(row, failure.text)
            return
        wait = failure.retry_after or self._config.retry.wait_after(row.attempts)
        log.warning("outbox.retry", row=row.id, channel=row.channel, why=failure.text)
        async with self._store.begin() as tx:
            await tx.outbox.failed(row.id, failure.text, now, now + wait, refused=failure.answered)

    async def _is_there(self, row: OutboxRow) -> bool:
        """Say whether a post that Slack said no to in its trouble is there all the same."""
        try:
            return await self._poster.is_there(row, await self._book.id_of(row.channel))
        except (*_SLACK_ERRORS, BackendError, NotFoundError) as error:
            log.info("outbox.not_looked_for", row=row.id, why=failure_of(error).text)
            return False

    async def _elsewhere(self, row: OutboxRow, why: str) -> None:
        """Send what Slack refuses another way; what there is none for is held, and told so."""
        if row.ts is not None:
            await self._anew(row, why)
            return
        way = await self._ways.next(row, why)
        if way is None:
            await self._hold(row, why)
            return
        log.warning("outbox.moved", row=row.id, view=row.view, ref=row.ref, to=way.place.key(),
                    meant_for=way.meant.channel, why=why)  # fmt: skip
        async with self._store.begin() as tx:
            await tx.outbox.moved(row.id, way.place, way.meant, self._clock.wall(), why)
            for place in way.copies:
                key = f"{row.key} for {place.channel}"
                await tx.outbox.post(key, row.view, row.ref, place, row.body, meant=way.meant)

    async def _anew(self, row: OutboxRow, why: str) -> None:
        """Tell what Slack does not let us rewrite in a message of its own."""
        log.warning("outbox.told_anew", row=row.id, view=row.view, ref=row.ref, why=why)
        async with self._store.begin() as tx:
            place = Place(row.channel, row.thread_ts)
            await tx.outbox.post(f"{row.key} anew", row.view, row.ref, place, row.body)
            await tx.outbox.updated(row.id, self._clock.wall())

    async def _hold(self, row: OutboxRow, why: str) -> None:
        """Keep a message that no way is left for; it is tried again from where it belongs."""
        log.error("outbox.held", row=row.id, view=row.view, ref=row.ref, channel=row.channel,
                  why=why)  # fmt: skip
        now = self._clock.wall()
        async with self._store.begin() as tx:
            if row.meant is not None and row.ts is None:  # what is posted stays where it is
                home = Place(row.meant.channel, row.meant.thread_ts)
                await tx.outbox.moved(row.id, home, None, now, why)
            await tx.outbox.held(row.id, why, now, now + HELD_AGAIN)

    async def _surprised(self, row: OutboxRow, error: Exception) -> None:
        """Keep a message that cannot be drawn: a fault of ours, or a subject nobody proves."""
        why = f"{type(error).__name__}: {error}"
        expected = isinstance(error, NotFoundError | ValueError)
        if not expected:
            report("outbox.failed", error)
        now = self._clock.wall()
        async with self._store.begin() as tx:
            if expected or row.attempts >= MOST_SURPRISES:
                log.error("outbox.parked", row=row.id, view=row.view, ref=row.ref,
                          channel=row.channel, why=why)  # fmt: skip
                await tx.outbox.held(row.id, why, now, None if expected else now + HELD_AGAIN)
            else:
                wait = self._config.retry.wait_after(row.attempts)
                await tx.outbox.failed(row.id, why, now, now + wait)


@dataclass(frozen=True, slots=True)
class _Chart:
    file_id: str  # empty: Slack cannot show it now
    alt: str
