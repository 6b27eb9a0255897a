"""The message in which an answer appears: begun once, grown, and ended with a mark.

    begin ──> chat.startStream with the first words (ts committed) ──> write, append ──> end
                 │                                          full? the next message <──┤
                 └ refused ──> chat.postMessage (ts committed) ──> rewrite … ──> rewrite, marked
                                    refused later ──> give_up: the stream ends, rewrite goes on

A stream grows by chunks alone: Slack refuses chunks and `markdown_text` in one call, and a stream
that began with the one and goes on with the other.

Only a finished answer carries metadata. So after a crash an own message without metadata is an
answer nobody will finish: it is deleted before the run, taken over, begins again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError

from bot.core.ports import Store
from bot.domain.ids import ChannelId, Ts
from bot.domain.run import Done, Running
from bot.slack.blocks.markdown import going_on, markdown
from bot.slack.blocks.text import Block, cut, escape, fit, prose
from bot.slack.failures import failure_of
from bot.slack.metadata import METADATA_ANSWER
from bot.slack.workspace import Workspace
from tools.errors import BackendError, NotFoundError

log = structlog.get_logger(__name__)

MOST_PER_MESSAGE = 11_000
UNREACHABLE = "unreachable"  # the fate of the call is unknown
GONE = "message_not_found"  # somebody deleted it
ENDED = frozenset({"message_not_in_streaming_state", "stopped_by_user", GONE})
# What Slack says when the same call may succeed a moment later.
PASSING = frozenset({"internal_error", "fatal_error", "service_unavailable", "request_timeout"})
FULL = frozenset({"msg_too_long", "msg_blocks_too_many", "msg_blocks_too_long"})
SLACK_ERRORS = (SlackClientError, BackendError, NotFoundError, OSError, TimeoutError)


class AnswerMessage:
    """One run's message, and those that its answer goes on in. Raises what the client raises."""

    def __init__(
        self, workspace: Workspace, store: Store, run: Running | Done, *, fresh: bool
    ) -> None:
        """`fresh`: nobody can have begun to answer the run before."""
        self._workspace, self._store, self._run, self._fresh = workspace, store, run, fresh
        self._client, self._poster = workspace.client, workspace.poster
        self._texts = workspace.channels.texts_of(run.place.channel)
        self._thread = run.place.thread_ts
        self._shown = 0  # characters in the current message
        self._end = ""  # the last of them
        self._pages: list[Ts] = []  # the full messages before the current one
        self.channel: ChannelId = run.place.channel
        self.ts: Ts | None = None
        self.streams = True

    # ------------------------------------------------------------------ beginning

    async def begin(self) -> None:
        """Clear away what a dead process left, once; a message that cannot stream is posted."""
        if self.ts is not None:
            return
        self.channel = await self._workspace.book.id_of(self._run.place.channel)
        if not self._fresh:
            await self._clear_away()
            self._fresh = True
        await self._set_status()
        self.streams = self.streams and self._thread is not None and self._has_reader()
        if not self.streams:
            await self._post()

    def _has_reader(self) -> bool:
        """Say whether Slack can be told for whom it streams."""
        return self.channel.startswith("D") or self._run.asked_by is not None

    async def _start(self, first: Sequence[Block]) -> None:
        """Begin to stream with the first chunks, so that no message is ever empty."""
        arguments: dict[str, Any] = {"channel": self.channel, "thread_ts": self._thread}
        if not self.channel.startswith("D"):
            arguments["recipient_user_id"] = self._run.asked_by
            arguments["recipient_team_id"] = await self._team_of_asker()
        try:
            answer: Any = await self._poster.chat_startStream(
                **arguments, task_display_mode="plan", chunks=first
            )
        except SlackApiError as error:
            failure = failure_of(error)
            if failure.retry_after is not None:
                raise
            if failure.code == UNREACHABLE:
                self._fresh = False  # it may have begun: it is looked for before the next try
                raise
            log.info("reply.no_stream", run_id=self._run.id, why=failure.text)
            self.streams = False
            if self._pages:  # what was said stands in them: they become one message again
                self.ts = self._pages.pop()
                await self.give_up()
            else:
                await self._post()
            return
        except (SlackClientError, OSError, TimeoutError):
            self._fresh = False
            raise
        await self._began_as(Ts(answer["ts"]))

    async def _post(self) -> None:
        answer: Any = await self._poster.chat_postMessage(
            channel=self.channel,
            thread_ts=self._thread,
            text=self._texts.say("slack.working"),
            unfurl_links=False,
            unfurl_media=False,
        )
        await self._began_as(Ts(answer["ts"]))

    async def _team_of_asker(self) -> str:
        """Return the workspace of who reads the stream: theirs, in an organisation of several."""
        if self._run.asked_by is not None:
            with contextlib.suppress(BackendError, NotFoundError):
                person = await self._workspace.directory.person(self._run.asked_by)
                if person.team:
                    return person.team
        return str((await self._workspace.bot.known()).get("team_id", ""))

    async def _began_as(self, ts: Ts) -> None:
        """Commit where the answer is before anything else is said in it."""
        self.ts = ts
        async with self._store.begin() as tx:
            await tx.runs.shown_in(self._run.id, ts)

    async def _set_status(self) -> None:
        if not self.channel.startswith("D") or self._thread is None:
            return
        try:
            await self._client.assistant_threads_setStatus(
                channel_id=self.channel,
                thread_ts=self._thread,
                status=self._texts.say("slack.status.thinking"),
            )
        except SLACK_ERRORS as error:
            log.debug("reply.no_status", run_id=self._run.id, why=str(error))

    # ------------------------------------------------------------------ growing

    async def write(self, piece: str) -> None:
        """Add prose to the stream; what a full message does not hold goes on in the next."""
        hosts = self._workspace.config.link_hosts
        for part in (p for each in _split(piece) for p in _split(going_on(each, self._end, hosts))):
            if self._shown and self._shown + len(part) > MOST_PER_MESSAGE:
                await self._turn_page()
            try:
                await self.append([_words(part)])
            except SlackApiError as error:
                if failure_of(error).code not in FULL or not self._shown:
                    raise
                await self._turn_page()
                await self.append([_words(part)])
            if not self.streams:
                return  # the stream was refused: what was said is written by `rewrite`
            self._shown += len(part)
            self._end = part[-1:]

    async def append(self, chunks: Sequence[Block]) -> None:
        """Add chunks to the stream, which begins with them if it has not begun."""
        if self.ts is None:
            await self._start(chunks)
            return
        await self._poster.chat_appendStream(channel=self.channel, ts=str(self.ts), chunks=chunks)

    async def rewrite(self, said: str, steps: list[Block], blocks: list[Block]) -> None:
        """Show the beginning of what was said, while more is to come."""
        part = (self._parts(said) or [self._texts.say("slack.working")])[0]
        content = self._content(part, steps, blocks)
        await self._poster.chat_update(ts=str(self.ts), **content)

    def forget(self) -> None:
        """Let the message be: Slack ended it, and the answer goes on in a new one."""
        self.ts, self._shown, self._end = None, 0, ""

    async def give_up(self) -> None:
        """Stream no more: what is there becomes one message, which is rewritten from here on."""
        if self.ts is None:
            return
        await self._stop(self.ts)
        first, *later = [*self._pages, self.ts]
        self.streams, self.ts, self._shown, self._end = False, first, 0, ""
        self._pages.clear()
        if later:
            await self._began_as(first)
        for ts in later:
            await self._delete(str(ts))

    async def _stop(self, ts: Ts) -> None:
        """End a stream as it stands; one that has ended is left alone."""
        try:
            await self._client.chat_stopStream(channel=self.channel, ts=ts)
        except SlackApiError as error:
            log.debug("reply.was_not_streaming", ts=ts, why=failure_of(error).text)

    async def _turn_page(self) -> None:
        """Finish a full message; what follows begins the next."""
        await self._poster.chat_stopStream(
            channel=self.channel, ts=str(self.ts), metadata=self._metadata()
        )
        if self.ts is not None:
            self._pages.append(self.ts)
        self.forget()

    async def restart(self, steps: list[Block]) -> None:
        """Take back all prose: the first message is emptied and rewritten from here on."""
        await self.give_up()
        await self.rewrite("", steps, [])

    # ------------------------------------------------------------------ ending

    async def end(self, blocks: list[Block]) -> None:
        """End the stream with its footer and mark."""
        await self._poster.chat_stopStream(
            channel=self.channel,
            ts=str(self.ts),
            blocks=fit(blocks, self._texts) or None,
            metadata=self._metadata(),
        )

    async def write_all(self, said: str, blocks: list[Block]) -> None:
        """Show everything that was said, marked; what does not fit goes on below it."""
        parts = self._parts(said) or [self._texts.say("slack.working")]
        for i, part in enumerate(parts):
            content = self._content(part, [], blocks if i == len(parts) - 1 else [])
            content["metadata"] = self._metadata()
            if i == 0:
                await self._poster.chat_update(ts=str(self.ts), **content)
            else:
                await self._poster.chat_postMessage(thread_ts=self._thread, **content)

    def _parts(self, said: str) -> list[str]:
        hosts = self._workspace.config.link_hosts
        return [part for each in _split(said) for part in _split(markdown(each, hosts))]

    def _content(self, part: str, steps: list[Block], blocks: list[Block]) -> dict[str, Any]:
        shown = part.strip("\n")
        return {
            "channel": self.channel,
            "text": cut(escape(shown.partition("\n")[0]), 3000),
            "blocks": fit([*steps, prose(shown), *blocks], self._texts),
        }

    def _metadata(self) -> dict[str, Any]:
        return {"event_type": METADATA_ANSWER, "event_payload": {"run": self._run.id}}

    # ------------------------------------------------------------------ after a restart

    async def reopen(self) -> None:
        """Take the message of a process that died, whose stream may still be open."""
        self.channel = await self._workspace.book.id_of(self._run.place.channel)
        self.ts = self._run.stream_ts
        if self.ts is not None:
            await self._stop(self.ts)

    async def discard(self) -> None:
        """Take away what is shown of the answer, which is posted whole elsewhere."""
        for ts in [*self._pages, *([self.ts] if self.ts is not None else [])]:
            await self._delete(str(ts))
        self._pages.clear()
        self.forget()

    async def _clear_away(self) -> None:
        """Delete the unfinished message of the process that died over this run."""
        left = {self._run.stream_ts} if self._run.stream_ts else set()
        if self._thread is not None:
            left |= set(await self._unfinished())
        for ts in left:
            await self._delete(str(ts))

    async def _unfinished(self) -> list[Ts]:
        """Return own messages of the thread without metadata: answers nobody finished."""
        me = (await self._workspace.bot.known()).get("user_id")
        answer: Any = await self._client.conversations_replies(
            channel=self.channel, ts=str(self._thread), include_all_metadata=True, limit=200
        )
        return [
            Ts(m["ts"])
            for m in answer["messages"]
            if m.get("user") == me and not m.get("metadata") and m["ts"] != self._thread
        ]

    async def _delete(self, ts: str) -> None:
        await self._stop(Ts(ts))
        try:
            await self._client.chat_delete(channel=self.channel, ts=ts)
            log.info("reply.unfinished_deleted", run_id=self._run.id, ts=ts)
        except SlackApiError as error:
            if not failure_of(error).gone and failure_of(error).code != "cant_delete_message":
                raise


def _words(text: str) -> Block:
    """Return prose as a chunk of a stream."""
    return {"type": "markdown_text", "text": text}


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
