"""What every listener has at hand: who may, a word in private, a question to answer."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.core.ports import Person
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.domain.access import decide
from bot.domain.audit import Event
from bot.domain.ids import ChannelId, RunId, UserId
from bot.domain.place import Place
from bot.domain.question import Question
from bot.domain.run import Running
from bot.locale import Texts
from bot.slack.blocks.text import DAY_AND_TIME, Block, cut, date, escape, heard, section
from bot.slack.calls import judge
from bot.slack.deeds import COMMAND, SHORTCUT, Deed
from bot.slack.deps import SlackDeps
from bot.slack.outbox import OutboxWorker
from bot.slack.reporting import report
from bot.slack.stream import SlackReplies
from bot.slack.workspace import Workspace
from tools.errors import BackendUnavailableError, NotFoundError

log = structlog.get_logger(__name__)

POST_WAIT_SECONDS = 15.0
_ERRORS = (SlackClientError, OSError, TimeoutError)


class Room:
    """The room as listeners see it."""

    def __init__(
        self, workspace: Workspace, deps: SlackDeps, replies: SlackReplies, outbox: OutboxWorker
    ) -> None:
        self.config, self.client = workspace.config, workspace.client
        self.directory, self.book = workspace.directory, workspace.book
        self.channels = workspace.channels
        self.deps, self.replies, self.outbox = deps, replies, outbox
        self._runs: KeyedTasks[RunId] = KeyedTasks("run")

    def texts(self, deed: Deed) -> Texts:
        """Return the texts of the channel where it happened."""
        return self.channels.texts_of(deed.channel)

    # ------------------------------------------------------------------ who may

    async def admits(self, deed: Deed, right: str, service: str = "") -> Person | None:
        """Return who acts if they have a right here; else tell them why not, and audit it."""
        person: Person | None = None
        try:
            person = await self.directory.person(deed.user)
            found = decide(person, right, self.deps.access(), deed.channel, service)
            why = found.why
        except NotFoundError as error:
            why = str(error)
        if person is not None and not why:
            return person
        async with self.deps.store.begin() as tx:
            await tx.audit.append(
                Event(
                    kind="access.denied",
                    at=self.deps.clock.now(),
                    actor=deed.user,
                    subject=deed.value or deed.subject or right,
                    why=why,
                    facts={"right": right, "channel": deed.channel, "service": service},
                )
            )
        log.info("access.denied", user=deed.user, right=right, why=why)
        await self.say_privately(deed, "slack.denied", right=right, why=why)
        return None

    # ------------------------------------------------------------------ a word in private

    async def say_privately(self, deed: Deed, key: str, **fields: object) -> None:
        """Tell one person one sentence of the locale; fields are foreign text."""
        safe = {name: escape(value) for name, value in fields.items()}
        await self.whisper(deed, self.texts(deed).say(key, **safe))

    async def say_muted(self, deed: Deed, service: str, until: datetime) -> None:
        """Tell one person how long nothing will be told of a service, in their own time zone."""
        shown = date(until, DAY_AND_TIME)
        text = self.texts(deed).say("slack.muted", service=escape(service), until=shown)
        await self.whisper(deed, text)

    async def whisper(self, deed: Deed, text: str, blocks: list[Block] | None = None) -> None:
        """Show mrkdwn to one person where they acted; a dead Slack is reported only."""
        shown = blocks or [section(text)]
        ways = [self._ephemeral, self._respond]
        if deed.kind in {COMMAND, SHORTCUT}:
            ways.reverse()  # the bot may not be in the channel where somebody typed
        for way in ways:
            try:
                if await way(deed, text, shown):
                    return
            except _ERRORS as error:
                log.info("whisper.failed", user=deed.user, name=deed.name, why=judge(error).text)
        log.warning("whisper.lost", user=deed.user, name=deed.name, text=text)

    async def _ephemeral(self, deed: Deed, text: str, blocks: list[Block]) -> bool:
        channel = deed.channel or await self._direct(deed.user)
        if not channel or not deed.user:
            return False
        if not deed.channel:
            await self.client.chat_postMessage(channel=channel, text=cut(text, 3000), blocks=blocks)
            return True
        await self.client.chat_postEphemeral(
            channel=channel,
            user=deed.user,
            thread_ts=deed.thread_ts,
            text=cut(text, 3000),
            blocks=blocks,
        )
        return True

    async def _direct(self, user: UserId) -> ChannelId:
        if not user:
            return ChannelId("")
        answer: Any = await self.client.conversations_open(users=user)
        return ChannelId(answer["channel"]["id"])

    async def _respond(self, deed: Deed, text: str, blocks: list[Block]) -> bool:
        if not deed.response_url:
            return False
        answer = await AsyncWebhookClient(deed.response_url).send(
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
        deed = Deed(
            kind="",
            name="malformed",
            key="",
            user=UserId(name),
            channel=ChannelId(where if isinstance(where, str) else ""),
            response_url=str(body.get("response_url") or ""),
        )
        await self.say_privately(deed, "slack.malformed", why=why)

    async def report_parked(self, deed: Deed, why: str) -> None:
        """Say in the thread that something asked for could not be done, and where to look."""
        text = self.texts(deed).say(
            "slack.parked", name=escape(deed.name), why=escape(self.deps.redactor.text(why)[:300])
        )
        if not deed.channel or deed.ts is None:
            await self.whisper(deed, text)
            return
        async with self.deps.store.begin() as tx:
            body = {
                "key": "slack.parked",
                "fields": {"name": deed.name, "why": self.deps.redactor.text(why)[:300]},
            }
            await tx.outbox.post(f"parked:{deed.key}", "notice", deed.key, deed.place, body)
        self.outbox.wake()

    async def open_modal(self, deed: Deed, view: Block) -> None:
        """Open a modal while the trigger lives."""
        await self.client.views_open(trigger_id=deed.trigger_id, view=view)

    async def push_modal(self, deed: Deed, view: Block) -> None:
        """Lay a modal over the one whose button was pressed."""
        await self.client.views_push(trigger_id=deed.trigger_id, view=view)

    async def turn_modal(self, deed: Deed, view: Block) -> None:
        """Show something else in the modal whose button was pressed."""
        await self.client.views_update(view_id=deed.view_id, view=view)

    # ------------------------------------------------------------------ questions

    async def bot_user(self) -> str:
        """Return the bot's own user id."""
        return str((await self.replies.me()).get("user_id", ""))

    async def ask(self, deed: Deed, place: Place, trigger: str, right: str, text: str) -> None:
        """Answer a question in a thread, or queue it behind the run that is at work there."""
        person = await self.admits(deed, right)
        if person is None:
            return
        plain = heard(text, await self.bot_user())
        if not plain:
            await self.say_privately(deed, "slack.ask_what")
            return
        run_id = _run_id(deed)
        async with self.deps.store.begin() as tx:
            try:
                await tx.runs.get(run_id)
                return  # asked before a restart; the run is on record
            except NotFoundError:
                pass
        question = Question(
            text=plain,
            place=place,
            trigger=trigger,
            asked_by=deed.user,
            asker_name=person.name,
            voice=self.channels.voice_of(place.channel),
        )
        run = await self.deps.questions.open(question, run_id)
        if run is None:
            await self.mark_seen(deed)
            return
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

    async def mark_seen(self, deed: Deed) -> None:
        """Put 👀 on a message that has to wait."""
        if deed.ts is None:
            return
        try:
            await self.client.reactions_add(channel=deed.channel, timestamp=deed.ts, name="eyes")
        except SlackApiError as error:
            if error.response.get("error") != "already_reacted":
                log.info("reaction.failed", why=judge(error).text)

    async def thread_for(self, deed: Deed, text: str) -> Place | None:
        """Post what was asked by command, so that there is a thread to answer in.

        Returns None after telling the person that the bot is not in the channel.
        """
        if not await self.book.is_member(deed.channel):
            await self.say_privately(deed, "slack.invite_me")
            return None
        key = f"question:{deed.key}"
        async with self.deps.store.begin() as tx:
            body = {"user": deed.user, "text": self.deps.redactor.text(text)}
            await tx.outbox.post(key, "question", deed.key, Place(deed.channel), body)
        self.outbox.wake()
        waited = 0.0
        while waited < POST_WAIT_SECONDS:
            async with self.deps.store.begin() as tx:
                row = await tx.outbox.find(key)
            if row is not None and row.ts is not None:
                return Place(deed.channel, row.ts)
            await asyncio.sleep(0.05)
            waited += 0.05
        raise BackendUnavailableError("slack", f"the question of {deed.name} could not be posted")


def _run_id(deed: Deed) -> RunId:
    """The same envelope worked on twice is one run."""
    return RunId(f"RUN-{hashlib.sha256(deed.key.encode()).hexdigest()[:12]}")
