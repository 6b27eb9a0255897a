"""Where an answer appears while it is made: one message that grows in the thread.

    step, say ──> chat.startStream (ts committed) ──> appendStream … ──> stopStream + footer
                     └ refused ──> chat.postMessage ──> chat.update … ──> update + footer
    Slack is dead ──> the run goes on; its answer becomes a row of the outbox

Only a finished answer carries metadata. So after a crash an own message without metadata is an
answer nobody will finish: it is deleted before the run, taken over, begins again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.core.investigation.unshown_answers import leave_to_outbox
from bot.core.ports import Clock, Reply, StepUpdate, Store
from bot.core.shared.silent_reply import SilentReply
from bot.domain.answer import Answer
from bot.domain.ids import ChannelId, Ts
from bot.domain.place import TERMINAL
from bot.domain.run import Done, Running
from bot.slack.blocks import answer as view
from bot.slack.blocks.text import Block, context, cut, escape, fit, markdown, prose
from bot.slack.failures import failure_of
from bot.slack.metadata import METADATA_ANSWER
from bot.slack.uploads import upload_chart
from bot.slack.workspace import Workspace
from tools.errors import BackendError, NotFoundError

log = structlog.get_logger(__name__)

BATCH_CHARACTERS = 160
BATCH_SECONDS = 0.6
UPDATE_SECONDS = 1.2  # of a message that is rewritten: Slack allows about one a second
MOST_PER_MESSAGE = 11_000
OFFER_STOP_AFTER_SECONDS = 4.0
MOST_FAILURES = 3
ENDED = frozenset(
    {"message_not_in_streaming_state", "message_not_found", "streaming_state_conflict"}
)
MARKS = {"in_progress": "⏳", "complete": "✓", "error": "✗"}
_ERRORS = (SlackClientError, BackendError, NotFoundError, OSError, TimeoutError)


class SlackReplies:
    """Makes the reply of any run."""

    def __init__(self, workspace: Workspace, store: Store, clock: Clock) -> None:
        self.client, self.poster = workspace.client, workspace.poster
        self.book, self.channels = workspace.book, workspace.channels
        self.hosts = workspace.config.link_hosts
        self.store, self.clock = store, clock
        self._me: Mapping[str, Any] | None = None

    def for_run(self, run: Running, *, fresh: bool) -> Reply:
        """Return a run's reply. `fresh`: nobody can have begun to answer it before."""
        if run.place.channel == TERMINAL.channel:
            return SilentReply()
        return SlackReply(self, run, fresh=fresh)

    def of_run(self, run: Running) -> Reply:
        """Return where a run's answer appears; safe for any run row, also after a restart."""
        return self.for_run(run, fresh=False)

    async def me(self) -> Mapping[str, Any]:
        """Return who the bot is (auth.test, once)."""
        if self._me is None:
            answer: Any = await self.client.auth_test()
            self._me = dict(answer.data)
        return self._me


class SlackReply:
    """The Reply port in one thread of Slack."""

    def __init__(self, around: SlackReplies, run: Running | Done, *, fresh: bool) -> None:
        self._around, self._run, self._fresh = around, run, fresh
        self._texts = around.channels.texts_of(run.place.channel)
        self._channel: ChannelId = run.place.channel
        self._thread = run.place.thread_ts
        self._ts: Ts | None = None
        self._streams = True
        self._said = ""  # everything released
        self._buffer = ""  # released but not sent
        self._shown = 0  # characters in the current message
        self._steps: dict[str, StepUpdate] = {}
        self._failures = 0
        self._doubtful = False  # a call's fate is unknown: the message may show a piece twice
        self._began = around.clock.monotonic()
        self._sent_at = 0.0
        self._stop_offered = False
        self._lock = asyncio.Lock()

    # ------------------------------------------------------------------ the port

    async def step(self, update: StepUpdate) -> None:
        """Show a step's progress."""
        self._steps[update.id] = update
        chunk: dict[str, Any] = {
            "type": "task_update",
            "id": update.id,
            "title": cut(update.title, 250),
            "status": update.status,
        }
        if update.output:
            chunk["output"] = cut(markdown(update.output), 500)
        if update.details:
            chunk["details"] = cut(markdown(update.details), 500)
        await self._send([chunk])

    async def say(self, text: str) -> None:
        """Show a released piece of prose; pieces are sent in batches."""
        self._said += text
        self._buffer += text
        waited = self._around.clock.monotonic() - self._sent_at
        if len(self._buffer) >= BATCH_CHARACTERS or waited >= BATCH_SECONDS:
            await self._send([])

    async def finish(self, run: Running, answer: Answer) -> None:
        """Complete the message with its chart and buttons."""
        if not self._said:
            await self.say(answer.text)
        blocks = view.footer(run.id, answer, self._texts, await self._chart(answer.chart))
        if await self._close(blocks):
            log.info("answer.shown", run_id=run.id, ts=self._ts)
            return
        await self._leave_to_outbox()

    async def fail(self, run: Running, text: str) -> None:
        """Complete the message with an apology that says what to do."""
        await self.say(f"\n{text}" if self._said else text)
        log.info("answer.apologised", run_id=run.id)
        if not await self._close([]):
            await self._leave_to_outbox(text)

    # ------------------------------------------------------------------ growing

    async def _send(self, chunks: list[dict[str, Any]], *, force: bool = False) -> None:
        async with self._lock:
            if self._failures >= MOST_FAILURES:
                return
            piece, self._buffer = self._buffer, ""
            try:
                await self._begin()
                await self._grow(piece, chunks, force=force)
                await self._offer_stop()
                self._failures = 0
            except _ERRORS as error:
                self._buffer = piece + self._buffer
                self._hurt(error)
            self._sent_at = self._around.clock.monotonic()

    def _hurt(self, error: Exception) -> None:
        failure = failure_of(error)
        self._failures = MOST_FAILURES if failure.lasting else self._failures + 1
        if failure.code == "unreachable":
            self._doubtful = True
        if failure.code in ENDED:
            self._ts, self._shown, self._failures = None, 0, 1
        log.warning("reply.hurt", run_id=self._run.id, why=failure.text, failures=self._failures)

    async def _grow(self, piece: str, chunks: list[dict[str, Any]], *, force: bool) -> None:
        if not self._streams:
            if force or self._around.clock.monotonic() - self._sent_at >= UPDATE_SECONDS:
                await self._rewrite([view.stop_button(self._run.id, self._texts)], marked=False)
            return
        for part in _split(markdown(piece, self._around.hosts)):
            if self._shown + len(part) > MOST_PER_MESSAGE:
                await self._turn_page()
            await self._append([{"type": "markdown_text", "text": part}])
            self._shown += len(part)
        if chunks:
            await self._append(chunks)

    async def _append(self, chunks: list[dict[str, Any]]) -> None:
        await self._around.poster.chat_appendStream(
            channel=self._channel, ts=str(self._ts), markdown_text="", chunks=chunks
        )

    async def _begin(self) -> None:
        """Start the message, once, after clearing away what a dead process left."""
        if self._ts is not None:
            return
        self._channel = await self._around.book.id_of(self._run.place.channel)
        if not self._fresh:
            await self._clear_away()
            self._fresh = True
        await self._set_status()
        await self._start()

    async def _start(self) -> None:
        arguments: dict[str, Any] = {"channel": self._channel, "thread_ts": self._thread}
        if not self._channel.startswith("D"):
            arguments["recipient_user_id"] = self._run.asked_by
            arguments["recipient_team_id"] = (await self._around.me()).get("team_id")
        can_stream = self._thread is not None and (
            self._channel.startswith("D") or self._run.asked_by is not None
        )
        if self._streams and can_stream:
            try:
                answer: Any = await self._around.poster.chat_startStream(**arguments)
                await self._began_as(Ts(answer["ts"]))
                return
            except SlackApiError as error:
                if failure_of(error).retry_after is not None:
                    raise
                log.info("reply.no_stream", run_id=self._run.id, why=failure_of(error).text)
        self._streams = False
        answer = await self._around.poster.chat_postMessage(
            channel=self._channel,
            thread_ts=self._thread,
            text=self._texts.say("slack.working"),
            unfurl_links=False,
            unfurl_media=False,
        )
        await self._began_as(Ts(answer["ts"]))

    async def _began_as(self, ts: Ts) -> None:
        """Commit where the answer is before anything else is said in it."""
        self._ts = ts
        async with self._around.store.begin() as tx:
            await tx.runs.shown_in(self._run.id, ts)

    async def _turn_page(self) -> None:
        """Finish a full message and go on in the next."""
        await self._around.poster.chat_stopStream(
            channel=self._channel, ts=str(self._ts), metadata=self._metadata()
        )
        self._ts, self._shown = None, 0
        await self._start()

    async def _offer_stop(self) -> None:
        """A stream has no buttons until it ends, so Stop is whispered to who asked."""
        waited = self._around.clock.monotonic() - self._began
        asker = self._run.asked_by
        if self._stop_offered or not self._streams or asker is None:
            return
        if waited < OFFER_STOP_AFTER_SECONDS:
            return
        self._stop_offered = True
        text = self._texts.say("slack.offer_stop")
        await self._around.client.chat_postEphemeral(
            channel=self._channel,
            user=asker,
            thread_ts=self._thread,
            text=text,
            blocks=[context(text), view.stop_button(self._run.id, self._texts)],
        )

    async def _set_status(self) -> None:
        if not self._channel.startswith("D") or self._thread is None:
            return
        try:
            await self._around.client.assistant_threads_setStatus(
                channel_id=self._channel,
                thread_ts=self._thread,
                status=self._texts.say("slack.status.thinking"),
            )
        except _ERRORS as error:
            log.debug("reply.no_status", run_id=self._run.id, why=str(error))

    # ------------------------------------------------------------------ ending

    async def _close(self, blocks: list[Block]) -> bool:
        """Send what is left and end the message; False when Slack could not be told."""
        self._failures = min(self._failures, MOST_FAILURES - 1)  # one more try at the end
        for _ in range(MOST_FAILURES):
            await self._send([], force=True)
            if not self._buffer or self._failures >= MOST_FAILURES:
                break
        if self._ts is None or (self._buffer and self._streams):
            return False
        try:
            if self._streams:
                await self._around.poster.chat_stopStream(
                    channel=self._channel,
                    ts=self._ts,
                    blocks=fit(blocks, self._texts) or None,
                    metadata=self._metadata(),
                )
            if not self._streams or self._doubtful:
                await self._rewrite(blocks, marked=True)
        except _ERRORS as error:
            if failure_of(error).code not in ENDED:
                log.warning("reply.not_closed", run_id=self._run.id, why=failure_of(error).text)
                return False
            return await self._rewritten(blocks)
        return True

    async def _rewritten(self, blocks: list[Block]) -> bool:
        """Slack ended the stream by itself: write the whole answer into its message."""
        try:
            await self._rewrite(blocks, marked=True)
        except _ERRORS as error:
            log.warning("reply.not_closed", run_id=self._run.id, why=failure_of(error).text)
            return False
        return True

    async def _rewrite(self, blocks: list[Block], *, marked: bool) -> None:
        """Show everything said so far in the message; what does not fit goes on below it."""
        parts = _split(markdown(self._said, self._around.hosts)) or [
            self._texts.say("slack.working")
        ]
        if not marked:
            parts = parts[:1]
        steps = [] if marked else self._step_lines()
        for i, part in enumerate(parts):
            last = blocks if i == len(parts) - 1 else []
            shown = part.strip("\n")
            content: dict[str, Any] = {
                "channel": self._channel,
                "text": cut(escape(shown.partition("\n")[0]), 3000),
                "blocks": fit([*steps, prose(shown), *last], self._texts),
            }
            if marked:
                content["metadata"] = self._metadata()
            if i == 0:
                await self._around.poster.chat_update(ts=str(self._ts), **content)
            else:
                await self._around.poster.chat_postMessage(thread_ts=self._thread, **content)

    def _step_lines(self) -> list[Block]:
        lines = [f"{MARKS.get(s.status, '·')} {escape(s.title)}" for s in self._steps.values()]
        return [context("\n".join(lines[-12:]))] if lines else []

    def _metadata(self) -> dict[str, Any]:
        return {"event_type": METADATA_ANSWER, "event_payload": {"run": self._run.id}}

    async def _chart(self, chart_id: str) -> tuple[str, str] | None:
        if not chart_id:
            return None
        try:
            async with self._around.store.begin() as tx:
                png, alt = await tx.charts.get(chart_id)
            return await upload_chart(self._around.client, png, chart_id, alt), alt
        except _ERRORS as error:
            log.warning("chart.upload_failed", run_id=self._run.id, why=failure_of(error).text)
            return None

    async def _leave_to_outbox(self, apology: str = "") -> None:
        """Slack does not listen now; the answer is posted when it does."""
        await leave_to_outbox(self._around.store, self._run, apology)
        log.warning("answer.left_to_outbox", run_id=self._run.id)

    # ------------------------------------------------------------------ after a restart

    async def _clear_away(self) -> None:
        """Delete the unfinished message of the process that died over this run."""
        left = {self._run.stream_ts} if self._run.stream_ts else set()
        if self._thread is not None:
            left |= set(await self.unfinished())
        for ts in left:
            await self._delete(str(ts))

    async def unfinished(self) -> list[Ts]:
        """Return own messages of the thread without metadata: answers nobody finished."""
        me = (await self._around.me()).get("user_id")
        answer: Any = await self._around.client.conversations_replies(
            channel=self._channel, ts=str(self._thread), include_all_metadata=True, limit=200
        )
        return [
            Ts(m["ts"])
            for m in answer["messages"]
            if m.get("user") == me and not m.get("metadata") and m["ts"] != self._thread
        ]

    async def _delete(self, ts: str) -> None:
        client = self._around.client
        try:
            await client.chat_stopStream(channel=self._channel, ts=ts, markdown_text="…")
        except SlackApiError as error:
            log.debug("reply.was_not_streaming", ts=ts, why=failure_of(error).text)
        try:
            await client.chat_delete(channel=self._channel, ts=ts)
            log.info("reply.unfinished_deleted", run_id=self._run.id, ts=ts)
        except SlackApiError as error:
            if not failure_of(error).gone and failure_of(error).code != "cant_delete_message":
                raise

    async def complete(self, answer: Answer) -> None:
        """Finish the message of a run whose process died after its answer was stored."""
        self._channel = await self._around.book.id_of(self._run.place.channel)
        self._ts = self._run.stream_ts
        self._said = answer.text
        blocks = view.footer(self._run.id, answer, self._texts, await self._chart(answer.chart))
        try:
            await self._around.client.chat_stopStream(channel=self._channel, ts=str(self._ts))
        except SlackApiError as error:
            log.debug("reply.was_not_streaming", ts=self._ts, why=failure_of(error).text)
        if not await self._rewritten(blocks):
            await self._leave_to_outbox()


def _split(text: str) -> list[str]:
    """Split prose at line ends into parts that fit into one message each."""
    parts: list[str] = []
    rest = text
    while len(rest) > MOST_PER_MESSAGE:
        at = rest.rfind("\n", 1, MOST_PER_MESSAGE)
        at = at if at > 0 else MOST_PER_MESSAGE
        parts.append(rest[:at])
        rest = rest[at:]
    return [*parts, rest] if rest else parts
