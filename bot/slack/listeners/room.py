"""What every listener has at hand: a word in private, a modal, a question to answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.core.investigation.desk import AskedBeforeError
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain.ids import ChannelId, RunId, UserId
from bot.domain.place import Place
from bot.domain.question import Question
from bot.domain.run import Running
from bot.locale import Texts
from bot.slack.blocks.text import DAY_AND_TIME, Block, called, cut, date, escape, heard, section
from bot.slack.delivery.outbox import OutboxWorker
from bot.slack.deps import SlackDeps
from bot.slack.failures import failure_of
from bot.slack.interactions import COMMAND, EVENT, SHORTCUT, Interaction
from bot.slack.replies import SlackReplies
from bot.slack.reporting import report
from bot.slack.workspace import Workspace
from tools.errors import BackendUnavailableError

log = structlog.get_logger(__name__)

POST_WAIT_SECONDS = 15.0
MOST_ASKED = 3  # groups and people named to who may not
_ERRORS = (SlackClientError, OSError, TimeoutError)


class Room:
    """The room as listeners see it."""

    def __init__(
        self, workspace: Workspace, deps: SlackDeps, replies: SlackReplies, outbox: OutboxWorker
    ) -> None:
        self.config, self.client = workspace.config, workspace.client
        self.directory, self.book = workspace.directory, workspace.book
        self.channels, self.bot = workspace.channels, workspace.bot
        self.deps, self.replies, self.outbox = deps, replies, outbox
        self._runs: KeyedTasks[RunId] = KeyedTasks("run")

    def texts(self, given: Interaction) -> Texts:
        """Return the texts of the channel where it happened."""
        return self.channels.texts_of(given.channel)

    # ------------------------------------------------------------------ a word in private

    async def say_privately(self, given: Interaction, key: str, /, **fields: object) -> None:
        """Tell one person one sentence of the locale; fields are foreign text."""
        safe = {name: escape(value) for name, value in fields.items()}
        await self.whisper(given, self.texts(given).say(key, **safe))

    async def say_denied(
        self, given: Interaction, right: str, why: str, names: Sequence[str]
    ) -> None:
        """Say no, and whom to ask: the mention is in private, so it calls nobody."""
        texts = self.texts(given)
        text = texts.say("slack.denied", right=escape(right), why=escape(why))
        await self.whisper(given, " ".join([text, *self.whom_to_ask(given, names)]))

    def whom_to_ask(self, given: Interaction, names: Sequence[str]) -> list[str]:
        """Return one sentence that names who may, or nothing where nobody is named."""
        who = ", ".join(called(name) for name in names[:MOST_ASKED])
        return [self.texts(given).say("slack.ask_them", who=who)] if who else []

    async def say_muted(self, given: Interaction, service: str, until: datetime) -> None:
        """Tell one person how long nothing will be told of a service, in their own time zone."""
        shown = date(until, DAY_AND_TIME)
        text = self.texts(given).say("slack.muted", service=escape(service), until=shown)
        await self.whisper(given, text)

    async def whisper(
        self, given: Interaction, text: str, blocks: list[Block] | None = None
    ) -> None:
        """Show mrkdwn to one person where they acted; a dead Slack is reported only."""
        shown = blocks or [section(text)]
        ways = [self._ephemeral, self._respond]
        if given.kind in {COMMAND, SHORTCUT}:
            ways.reverse()  # the bot may not be in the channel where somebody typed
        for way in ways:
            try:
                if await way(given, text, shown):
                    return
            except _ERRORS as error:
                log.info(
                    "whisper.failed",
                    user=given.user,
                    name=given.name,
                    why=failure_of(error).text,
                )
        log.warning("whisper.lost", user=given.user, name=given.name, text=text)

    async def _ephemeral(self, given: Interaction, text: str, blocks: list[Block]) -> bool:
        channel = given.channel or await self._direct(given.user)
        if not channel or not given.user:
            return False
        if not given.channel:
            await self.client.chat_postMessage(channel=channel, text=cut(text, 3000), blocks=blocks)
            return True
        await self.client.chat_postEphemeral(
            channel=channel,
            user=given.user,
            thread_ts=given.thread_ts,
            text=cut(text, 3000),
            blocks=blocks,
        )
        return True

    async def _direct(self, user: UserId) -> ChannelId:
        if not user:
            return ChannelId("")
        answer: Any = await self.client.conversations_open(users=user)
        return ChannelId(answer["channel"]["id"])

    async def _respond(self, given: Interaction, text: str, blocks: list[Block]) -> bool:
        if not given.response_url:
            return False
        answer = await AsyncWebhookClient(given.response_url).send(
            text=cut(text, 3000), blocks=blocks, response_type="ephemeral", replace_original=False
        )
        return answer.status_code == 200

    async def say_malformed(self, body: Mapping[str, Any], why: str) -> None:
        """Tell whoever sent a payload that lacks something, as far as it can be known."""
        user = body.get("user")
        name = user.get("id") if isinstance(user, Mapping) else body.get("user_id")
        channel = body.get("channel")
        where = channel.get("id") if isinstance(channel, Mapping) else body.get("channel_id")
        event = body.get("event")
        if isinstance(event, Mapping):
            name, where = event.get("user"), event.get("channel")
        if not isinstance(name, str) or not name:
            return
        given = Interaction(
            kind="",
            name="malformed",
            key="",
            user=UserId(name),
            channel=ChannelId(where if isinstance(where, str) else ""),
            response_url=str(body.get("response_url") or ""),
        )
        await self.say_privately(given, "slack.malformed", why=why)

    async def report_parked(self, given: Interaction, why: str) -> None:
        """Say in the thread that something asked for could not be done, and where to look."""
        text = self.texts(given).say(
            "slack.parked",
            name=escape(given.name),
            why=escape(why[:300]),
        )
        if not given.channel or given.ts is None:
            await self.whisper(given, text)
            return
        async with self.deps.store.begin() as tx:
            body = {
                "key": "slack.parked",
                "fields": {"name": given.name, "why": why[:300]},
            }
            await tx.outbox.post(f"parked:{given.key}", "notice", given.key, given.place, body)
        self.outbox.wake()

    async def open_modal(self, given: Interaction, view: Block) -> None:
        """Open a modal while the trigger lives."""
        await self.client.views_open(trigger_id=given.trigger_id, view=view)

    async def push_modal(self, given: Interaction, view: Block) -> None:
        """Lay a modal over the one whose button was pressed."""
        await self.client.views_push(trigger_id=given.trigger_id, view=view)

    async def turn_modal(self, given: Interaction, view: Block) -> None:
        """Show something else in the modal whose button was pressed."""
        await self.client.views_update(view_id=given.view_id, view=view)

    # ------------------------------------------------------------------ questions

    async def ask(self, given: Interaction, place: Place, trigger: str) -> None:
        """Answer a question in a thread, or queue it behind the run that is at work there."""
        plain = heard(given.text, str((await self.bot.known()).get("user_id", "")))
        if not plain:
            await self.say_privately(given, "slack.ask_what")
            return
        question = Question(
            text=plain,
            place=place,
            trigger=trigger,
            asked_by=given.user,
            asker_name=(await self.directory.person(given.user)).name,
            voice=self.channels.voice_of(place.channel),
        )
        try:
            run = await self.deps.questions.open(question, _run_id(given))
        except AskedBeforeError as before:  # before a restart, or it was edited since
            if await self.deps.questions.says_otherwise(question, before.run_id):
                await self.say_privately(given, "slack.edited")
            return
        if run is None:
            await self.mark_seen(given)
            return
        await self.deps.incidents.attach_question(run.id, place)
        self.carry(run)

    def carry(self, run: Running) -> None:
        """Answer in the background; the row is what survives."""
        self._runs.spawn(run.id, self._answer(run))

    async def _answer(self, run: Running) -> None:
        try:
            await self.deps.questions.answer(run, self.replies.for_run(run, fresh=True))
        except Exception as error:  # noqa: BLE001 - a run's outer boundary: the desk told the thread
            report("run.failed", error, run_id=run.id)

    async def stop_runs(self) -> None:
        """Let runs go at shutdown: their rows stay running and are taken over."""
        await self._runs.drain()

    async def idle(self) -> None:
        """Wait until no run of this room is at work."""
        await self._runs.idle()

    async def mark_seen(self, given: Interaction) -> None:
        """Put 👀 on a message that has to wait."""
        if given.ts is None:
            return
        try:
            await self.client.reactions_add(channel=given.channel, timestamp=given.ts, name="eyes")
        except SlackApiError as error:
            if error.response.get("error") != "already_reacted":
                log.info("reaction.failed", why=failure_of(error).text)

    async def thread_for(self, given: Interaction, text: str) -> Place | None:
        """Post what was asked by command, so that there is a thread to answer in.

        Returns None after telling the person that the bot is not in the channel.
        """
        if not await self.book.is_member(given.channel):
            await self.say_privately(given, "slack.invite_me")
            return None
        key = f"question:{given.key}"
        async with self.deps.store.begin() as tx:
            body = {"user": given.user, "text": text}
            await tx.outbox.post(key, "question", given.key, Place(given.channel), body)
        self.outbox.wake()
        waited = 0.0
        while waited < POST_WAIT_SECONDS:
            async with self.deps.store.begin() as tx:
                row = await tx.outbox.find(key)
            if row is not None and row.ts is not None:
                return Place(given.channel, row.ts)
            await asyncio.sleep(0.05)
            waited += 0.05
        raise BackendUnavailableError("slack", f"the question of {given.name} could not be posted")


def _run_id(given: Interaction) -> RunId:
    """The same message heard twice is one run: its author edited it, or it came again."""
    said = given.kind == EVENT and given.ts is not None
    key = f"{given.channel} {given.ts}" if said else given.key
    return RunId(f"RUN-{hashlib.sha256(key.encode()).hexdigest()[:12]}")
