"""Where an answer appears while it is made: said in batches, and never lost when Slack is away.

step, say ──batches──> the answer's message (`bot.slack.answer_message`)
finish ──chart, footer──> its end         fail ──apology──> its end
Slack is dead ──> the run goes on; its answer becomes a row of the outbox
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.core.investigation.unshown_answers import leave_to_outbox
from bot.core.ports import Clock, Reply, StepUpdate, Store
from bot.core.shared.silent_reply import SilentReply
from bot.domain.answer import Answer
from bot.domain.place import TERMINAL
from bot.domain.run import Done, Running
from bot.slack.answer_message import (
    ENDED,
    GONE,
    PASSING,
    SLACK_ERRORS,
    UNREACHABLE,
    AnswerMessage,
)
from bot.slack.blocks import answer as view
from bot.slack.blocks.markdown import markdown, whole
from bot.slack.blocks.text import Block, context, cut, escape
from bot.slack.delivery.uploads import CHART_ERRORS, becomes_usable, upload_chart
from bot.slack.failures import failure_of
from bot.slack.workspace import Workspace

log = structlog.get_logger(__name__)

BATCH_CHARACTERS = 160
BATCH_SECONDS = 0.6
UPDATE_SECONDS = 1.2  # of a message that is rewritten: Slack allows about one a second
OFFER_STOP_AFTER_SECONDS = 4.0
MOST_FAILURES = 3
CHART_PATIENCE = timedelta(seconds=8)  # the answer is there; its buttons wait for the chart
MOST_STEP_TEXT = 256  # characters of a task's title, details and output, as Slack documents
MARKS = {"in_progress": "⏳", "complete": "✓", "error": "✗"}


class SlackReplies:
    """Makes the reply of any run."""

    def __init__(self, workspace: Workspace, store: Store, clock: Clock) -> None:
        self._workspace, self._store, self._clock = workspace, store, clock

    def for_run(self, run: Running, *, fresh: bool) -> Reply:
        """Return a run's reply. `fresh`: nobody can have begun to answer it before."""
        if run.place.channel == TERMINAL.channel:
            return SilentReply()
        return SlackReply(self._workspace, self._store, self._clock, run, fresh=fresh)

    def of_run(self, run: Running) -> Reply:
        """Return where a run's answer appears; safe for any run row, also after a restart."""
        return self.for_run(run, fresh=False)

    async def complete(self, run: Done) -> None:
        """Finish the message of a run whose process died after its answer was stored."""
        reply = SlackReply(self._workspace, self._store, self._clock, run, fresh=True)
        await reply.complete(run.answer)


class SlackReply:
    """The Reply port in one thread of Slack."""

    def __init__(
        self,
        workspace: Workspace,
        store: Store,
        clock: Clock,
        run: Running | Done,
        *,
        fresh: bool,
    ) -> None:
        self._workspace, self._store, self._clock, self._run = workspace, store, clock, run
        self._message = AnswerMessage(workspace, store, run, fresh=fresh)
        self._texts = workspace.channels.texts_of(run.place.channel)
        self._said = ""  # everything released
        self._buffer = ""  # released but not sent
        self._steps: dict[str, StepUpdate] = {}
        self._failures = 0
        self._doubtful = False  # a call's fate is unknown: the message may show a piece twice
        self._began = clock.monotonic()
        self._sent_at = 0.0
        self._stop_offered = False
        self._uploaded = ""  # the chart's file
        self._lock = asyncio.Lock()

    # ------------------------------------------------------------------ the port

    async def step(self, update: StepUpdate) -> None:
        """Show a step's progress."""
        is_first = not self._steps
        self._steps[update.id] = update
        chunk: dict[str, Any] = {
            "type": "task_update",
            "id": update.id,
            "title": cut(update.title, MOST_STEP_TEXT),
            "status": update.status,
        }
        if update.output:
            chunk["output"] = cut(markdown(update.output), MOST_STEP_TEXT)
        if update.details:
            chunk["details"] = cut(markdown(update.details), MOST_STEP_TEXT)
        named = {"type": "plan_update", "title": self._texts.say("slack.steps")}
        await self._send([named, chunk] if is_first else [chunk])

    async def say(self, text: str) -> None:
        """Show a released piece of prose; pieces are sent in batches."""
        self._said += text
        self._buffer += text
        waited = self._clock.monotonic() - self._sent_at
        if len(self._buffer) >= BATCH_CHARACTERS or waited >= BATCH_SECONDS:
            await self._send([])

    async def take_back(self) -> None:
        """Withdraw the prose shown so far; its message begins anew and grows by rewriting."""
        async with self._lock:
            if not self._said:
                return
            shown, self._said, self._buffer = self._said != self._buffer, "", ""
            if not shown or self._message.ts is None:
                return
            self._doubtful = True  # whatever Slack shows meanwhile, the end is written whole
            try:
                await self._message.restart(self._step_lines())
            except SLACK_ERRORS as error:
                await self._hurt(error)
        log.info("reply.taken_back", run_id=self._run.id)

    async def finish(self, run: Running, answer: Answer) -> None:
        """Complete the message with its chart and buttons."""
        if not self._said:
            await self.say(answer.text)
        chart = await self._chart(answer.chart)
        tries = [chart, None] if chart else [None]  # what Slack refuses may be the chart alone
        for each in tries:
            if await self._close(view.footer(run.id, answer, self._texts, each)):
                log.info("answer.shown", run_id=run.id, ts=self._message.ts)
                await self._chart_later(answer.chart if each is None else "")
                return
        await self._leave_to_outbox()

    async def fail(self, run: Running, text: str) -> None:
        """Complete the message with an apology that says what to do."""
        await self.say(f"\n{text}" if self._said else text)
        log.info("answer.apologised", run_id=run.id)
        if not await self._close([]):
            await self._leave_to_outbox(text)

    async def complete(self, answer: Answer) -> None:
        """Finish a message that was begun by a process which died."""
        await self._message.reopen()
        self._said = answer.text
        chart = await self._chart(answer.chart)
        tries = [chart, None] if chart else [None]
        for each in tries:
            if await self._written(view.footer(self._run.id, answer, self._texts, each)):
                await self._chart_later(answer.chart if each is None else "")
                return
        await self._leave_to_outbox()

    # ------------------------------------------------------------------ growing

    async def _send(self, chunks: list[dict[str, Any]], *, force: bool = False) -> None:
        async with self._lock:
            if self._failures >= MOST_FAILURES:
                return
            piece, self._buffer = (self._buffer, "") if force else whole(self._buffer)
            try:
                await self._message.begin()
                await self._grow(piece, chunks, force=force)
                await self._offer_stop()
                self._failures = 0
            except SLACK_ERRORS as error:
                self._buffer = piece + self._buffer
                await self._hurt(error)
            self._sent_at = self._clock.monotonic()

    async def _hurt(self, error: Exception) -> None:
        """Note a failed call; a stream that Slack refuses is given up, and its text rewritten."""
        failure, message = failure_of(error), self._message
        passes = failure.code in PASSING or failure.retry_after is not None
        refused = isinstance(error, SlackApiError) and failure.code != UNREACHABLE and not passes
        self._failures += 1
        if failure.code == UNREACHABLE:
            self._doubtful = True
        elif failure.code == GONE:
            message.forget()
            self._failures, self._doubtful = 1, True  # what it said must be said again
        elif refused and message.streams and message.ts is not None:
            try:
                await message.give_up()
            except SLACK_ERRORS as worse:
                log.warning("reply.hurt", run_id=self._run.id, why=failure_of(worse).text)
        elif refused:
            self._failures = MOST_FAILURES
        log.warning("reply.hurt", run_id=self._run.id, why=failure.text, failures=self._failures)

    async def _grow(self, piece: str, chunks: list[dict[str, Any]], *, force: bool) -> None:
        if self._message.streams:
            await self._message.write(piece)
            if chunks and self._message.streams:
                await self._message.append(chunks)
        elif force or self._clock.monotonic() - self._sent_at >= UPDATE_SECONDS:
            stop = [view.stop_button(self._run.id, self._texts)]
            await self._message.rewrite(self._said, self._step_lines(), stop)

    async def _offer_stop(self) -> None:
        """A stream has no buttons until it ends, so Stop is whispered to who asked."""
        waited = self._clock.monotonic() - self._began
        asker = self._run.asked_by
        if self._stop_offered or not self._message.streams or asker is None:
            return
        if waited < OFFER_STOP_AFTER_SECONDS:
            return
        self._stop_offered = True
        text = self._texts.say("slack.offer_stop")
        try:
            await self._workspace.client.chat_postEphemeral(
                channel=self._message.channel,
                user=asker,
                thread_ts=self._run.place.thread_ts,
                text=text,
                blocks=[context(text), view.stop_button(self._run.id, self._texts)],
            )
        except SLACK_ERRORS as error:  # what was said is said: it goes on without the button
            log.info("reply.no_stop", run_id=self._run.id, why=failure_of(error).text)

    def _step_lines(self) -> list[Block]:
        lines = [f"{MARKS.get(s.status, '·')} {escape(s.title)}" for s in self._steps.values()]
        return [context("\n".join(lines[-12:]))] if lines else []

    # ------------------------------------------------------------------ ending

    async def _close(self, blocks: list[Block]) -> bool:
        """Send what is left and end the message; False when Slack could not be told."""
        self._failures = min(self._failures, MOST_FAILURES - 1)  # one more try at the end
        for _ in range(MOST_FAILURES):
            await self._send([], force=True)
            if not self._buffer or self._failures >= MOST_FAILURES:
                break
        message = self._message
        if message.ts is None or (self._buffer and message.streams):
            return False
        try:
            if message.streams:
                await message.end(blocks)
            if not message.streams or self._doubtful:
                await message.write_all(self._said, blocks)
        except SLACK_ERRORS as error:
            if failure_of(error).code not in ENDED:
                log.warning("reply.not_closed", run_id=self._run.id, why=failure_of(error).text)
                return False
            return await self._written(blocks)
        return True

    async def _written(self, blocks: list[Block]) -> bool:
        """Slack ended the stream by itself: write the whole answer into its message."""
        try:
            await self._message.write_all(self._said, blocks)
        except SLACK_ERRORS as error:
            log.warning("reply.not_closed", run_id=self._run.id, why=failure_of(error).text)
            return False
        return True

    async def _chart(self, chart_id: str) -> tuple[str, str] | None:
        if not chart_id:
            return None
        try:
            async with self._store.begin() as tx:
                png, alt = await tx.charts.get(chart_id)
            client = self._workspace.client
            file_id = self._uploaded = await upload_chart(client, png, chart_id, alt)
            if await becomes_usable(client, file_id, CHART_PATIENCE):
                return file_id, alt
            log.warning("chart.late", run_id=self._run.id)
            return None
        except CHART_ERRORS as error:
            log.warning("chart.upload_failed", run_id=self._run.id, why=failure_of(error).text)
            return None

    async def _chart_later(self, chart_id: str) -> None:
        """Have the chart that an answer had to go without shown below it, when Slack can."""
        if not chart_id:
            return
        run = self._run
        async with self._store.begin() as tx:
            row = await tx.outbox.post(f"chart:{run.id}", "chart", chart_id, run.place)
            if self._uploaded:
                await tx.outbox.uploaded(row, self._uploaded)

    async def _leave_to_outbox(self, apology: str = "") -> None:
        """Slack does not listen now; the answer is posted when it does."""
        await leave_to_outbox(self._store, self._run, apology)
        log.warning("answer.left_to_outbox", run_id=self._run.id)
        try:
            await self._message.discard()  # the half that is shown; the outbox posts the whole
        except SLACK_ERRORS as error:
            log.warning("reply.half_left", run_id=self._run.id, why=failure_of(error).text)
