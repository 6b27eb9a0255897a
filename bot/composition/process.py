"""The whole bot: Slack, schedule and API over the parts, until it is told to stop.

start: parts → Slack room → remediation → agent → run queue → schedule → API
stop:  the other way
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from bot.api.app import build_api
from bot.api.deps import ApiDeps, Pulse
from bot.api.server import ApiServer
from bot.composition.agent import agent_desk
from bot.composition.jobs import Work, schedule
from bot.composition.parts import Parts, open_parts, owner_name
from bot.composition.remediation import Hands, NobodyKnown, open_hands, remediation_of
from bot.composition.watching import Watchers
from bot.core.detection.alerts import AlertDesk
from bot.core.detection.cycle import CycleReport, DetectionCycle
from bot.core.detection.enrichment import Enricher, Sources
from bot.core.detection.finding_reply import FindingReply
from bot.core.detection.findings import FindingConfig, FindingDesk
from bot.core.detection.learning import Learner
from bot.core.detection.triage import AlarmDesk
from bot.core.investigation.desk import AgentDesk
from bot.core.investigation.run_queue import RunQueue
from bot.core.ports import Message, Person, Reply, StepUpdate
from bot.core.remediation.assembly import Remediation
from bot.core.remediation.planner import Origin
from bot.core.reports.breach_forecasts import Outlook
from bot.core.reports.digests import DigestDesk
from bot.core.reports.postmortems import PostmortemDesk, PostmortemSources
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.core.upkeep.rereading import Rereading
from bot.domain.access import AccessConfig, Role
from bot.domain.answer import Answer
from bot.domain.finding import Finding
from bot.domain.ids import ChannelId, UserId
from bot.domain.place import TERMINAL, Place
from bot.domain.question import Voice
from bot.domain.run import Running
from bot.locale import Texts
from bot.scheduler import Scheduler
from bot.settings import Settings, slack_config, with_channel_ids
from bot.slack.app import SlackRoom, build_app
from bot.slack.config import SlackConfig
from bot.slack.doors import SlackDeps
from bot.telemetry import SelfMetrics
from knowledge.documents import read_document
from tools.fleet import healths_of
from tools.ports import HasHealth, Health
from tools.world import ServiceSpec

log = structlog.get_logger(__name__)


class Silent:
    """The reply of a bot without Slack: answers stay in the store."""

    async def step(self, update: StepUpdate) -> None:
        """Show nothing."""

    async def say(self, text: str) -> None:
        """Show nothing."""

    async def finish(self, run: Running, answer: Answer) -> None:
        """Show nothing."""

    async def fail(self, run: Running, text: str) -> None:
        """Show nothing."""


@dataclass(frozen=True, slots=True)
class Bot:
    """The running bot. Built by `start_bot`."""

    parts: Parts
    room: SlackRoom | None
    scheduler: Scheduler
    run_queue: RunQueue
    remediation: Remediation
    api: ApiServer
    heartbeat: Heartbeat
    files: Rereading
    desk: AgentDesk
    watchers: Watchers
    work: Work  # what the scheduler runs


class RoomLater:
    """What remediation asks of the Slack room, which is built after it: people and channel ids."""

    def __init__(self) -> None:
        """Know nobody until the room is there."""
        self.room: SlackRoom | None = None
        self._nobody = NobodyKnown()

    async def person(self, user: UserId) -> Person:
        """Return a person as Slack knows them."""
        return await (self.room.directory if self.room else self._nobody).person(user)

    async def by_email(self, email: str) -> Person | None:
        """Return the person with this e-mail."""
        return await (self.room.directory if self.room else self._nobody).by_email(email)

    async def messages(self, place: Place, since: datetime, until: datetime) -> list[Message]:
        """Return people's messages (the port ChannelHistory); none without Slack."""
        return await self.room.history.messages(place, since, until) if self.room else []

    def channel_id(self, name: str) -> ChannelId:
        """Return a channel's id when its name is known by now, else the name."""
        return self.room.book.known(name) if self.room else ChannelId(name)

    def channel_of(self, service: ServiceSpec | None) -> ChannelId:
        """Return the channel a service's findings and plans go to."""
        return self.room.channel_of(service) if self.room else TERMINAL.channel

    def texts_of(self, channel: ChannelId) -> Texts:
        """Return the texts of a channel."""
        return Texts(self.voice_of(channel).locale)

    def voice_of(self, channel: ChannelId) -> Voice:
        """Return how a channel is spoken to."""
        return self.room.voice_of(channel) if self.room else Voice()


def join_bot(parts: Parts, hands: Hands, metrics: SelfMetrics, slack: SlackConfig | None) -> Bot:
    """Join the whole bot over its parts; nothing is started, connected or listened to."""
    return _Builder(parts, hands, metrics, slack).build()


async def start_bot(settings: Settings, stack: AsyncExitStack) -> Bot:
    """Build and start everything; `stack` stops it in reverse order."""
    metrics = SelfMetrics(settings.installation.version)
    parts = await stack.enter_async_context(open_parts(settings, [metrics.on_event]))
    slack = slack_config(settings, owner_name()) if settings.slack is not None else None
    bot = join_bot(parts, open_hands(settings, stack), metrics, slack)
    stack.push_async_callback(bot.watchers.close)
    await bot.api.start()
    stack.push_async_callback(bot.api.stop)
    if bot.room is not None:
        await bot.room.start()
        stack.push_async_callback(bot.room.stop)
    stack.push_async_callback(bot.run_queue.drain)
    stack.push_async_callback(bot.remediation.execution.close)
    bot.scheduler.start()
    stack.push_async_callback(bot.scheduler.stop)
    warming = asyncio.create_task(parts.workers.warm(), name="warm workers")
    stack.callback(warming.cancel)
    bot.heartbeat.ready = True
    return bot


async def serve(settings: Settings) -> None:
    """Run until SIGINT or SIGTERM; SIGHUP reads catalogue, rules and playbooks again."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    # its default would end a bot that is still starting; the files are read then anyway
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    async with AsyncExitStack() as stack:
        bot = await start_bot(settings, stack)
        reloads: KeyedTasks[int] = KeyedTasks("SIGHUP")
        stack.push_async_callback(reloads.drain)
        numbers = itertools.count(1)

        def reload() -> None:
            reloads.spawn(next(numbers), bot.files.reload("SIGHUP"))

        loop.add_signal_handler(signal.SIGHUP, reload)
        log.info("bot.started", version=settings.installation.version, off=sorted(settings.off))
        await stop.wait()
        bot.heartbeat.ready = False
        log.info("bot.stopping")


class _Builder:
    """Joins one bot's objects; every method is one room."""

    def __init__(
        self, parts: Parts, hands: Hands, metrics: SelfMetrics, slack: SlackConfig | None
    ) -> None:
        self.parts, self.hands, self.metrics, self.slack = parts, hands, metrics, slack
        self.settings = parts.settings
        self.texts = Texts(self.settings.installation.locale)
        self.later = RoomLater()
        self.files = Rereading(
            shelf=parts.shelf,
            store=parts.store,
            clock=parts.clock,
            texts=self.texts,
            place=lambda: Place(self.later.channel_of(None)),
            admins=lambda: self.settings.access.holders[Role.ADMIN],
        )

    def build(self) -> Bot:
        parts, later = self.parts, self.later
        remediation = remediation_of(
            parts, self.hands, later, lambda s: Place(later.channel_of(s)), later.channel_id
        )
        desk = agent_desk(parts, lambda run: remediation.planner.desk(_origin(run)))
        findings = FindingDesk(
            parts.store, parts.clock, later.channel_of, FindingConfig(self.texts, later.voice_of)
        )
        digests, postmortems = self._digests(), self._postmortems()
        room = later.room = self._room(remediation, desk, digests, postmortems)
        run_queue = self._run_queue(desk, findings, remediation)
        metrics = self.metrics
        pulse = Heartbeat(parts)
        work = Work(
            parts=parts,
            remediation=remediation,
            run_queue=run_queue,
            digests=digests,
            digest_channel=room.digest_channel if room else None,
            learner=self._learner(),
            cycle=self._cycle(findings, remediation),
            on_cycle=pulse.beat(metrics),
            files=self.files,
        )
        watchers = Watchers(parts, lambda: pulse.scheduler is not None and pulse.scheduler.leading)
        jobs = [*schedule(work), *watchers.jobs()]
        scheduler = Scheduler(jobs, parts.clock, parts.store, owner_name(), metrics.job_failed)
        pulse.scheduler = scheduler
        deps = self._api(pulse, metrics, remediation)
        api = build_api(deps)
        if room is not None and not room.config.app_token:  # HTTP mode: Slack calls us, signed
            api.add_route("/slack/events", room.handle_http, methods=["POST"])
        server = ApiServer(self.settings.api, api)
        return Bot(
            parts=parts,
            room=room,
            scheduler=scheduler,
            run_queue=run_queue,
            remediation=remediation,
            api=server,
            heartbeat=pulse,
            files=self.files,
            desk=desk,
            watchers=watchers,
            work=work,
        )

    def _access(self) -> AccessConfig:
        return with_channel_ids(self.settings.access, self.later.channel_id)

    # --- rooms ----------------------------------------------------------------------------

    def _room(
        self,
        remediation: Remediation,
        desk: AgentDesk,
        digests: DigestDesk,
        postmortems: PostmortemDesk,
    ) -> SlackRoom | None:
        if self.slack is None:
            return None
        parts = self.parts
        return build_app(
            self.slack,
            SlackDeps(
                store=parts.store,
                clock=parts.clock,
                questions=desk,
                redactor=self.settings.redactor,
                access=self._access,
                catalogue=parts.shelf.catalogue,
                plans=remediation.approvals,
                proposals=remediation.proposals,
                postmortems=postmortems,
                digests=digests,
                switches=remediation.switches,
                alarms=AlarmDesk(parts.store, parts.clock),
                reload=self.files.reload,
                status=self._status,
                ruling=remediation.gate.ruling,
            ),
        )

    def _run_queue(
        self, desk: AgentDesk, findings: FindingDesk, remediation: Remediation
    ) -> RunQueue:
        room = self.later.room
        of_thread = room.reply_for if room else lambda _run: Silent()

        def reply_for(run: Running) -> Reply:
            if run.finding is None:
                return of_thread(run)
            return FindingReply(findings, remediation.proposals.for_new_finding)

        return RunQueue(
            store=self.parts.store,
            clock=self.parts.clock,
            desk=desk,
            reply_for=reply_for,
            posts=room is not None,
        )

    def _digests(self) -> DigestDesk:
        parts = self.parts
        outlook = (
            Outlook(parts.clock, parts.metrics, parts.workers, parts.shelf.catalogue)
            if parts.metrics is not None
            else None
        )
        return DigestDesk(
            parts.store, parts.clock, self.later.texts_of, changes=parts.changes, breaches=outlook
        )

    def _postmortems(self) -> PostmortemDesk:
        parts, later = self.parts, self.later

        async def index(path: Path) -> None:
            document = await asyncio.to_thread(read_document, path, self.settings.files.export_dir)
            await parts.index_documents([document])

        return PostmortemDesk(
            store=parts.store,
            clock=parts.clock,
            sources=PostmortemSources(parts.changes, later, index),
            export_dir=self.settings.files.export_dir,
            redactor=self.settings.redactor,
            texts_of=later.texts_of,
        )

    def _learner(self) -> Learner | None:
        parts = self.parts
        if parts.metrics is None:
            return None
        return Learner(
            parts.store,
            parts.clock,
            parts.metrics,
            parts.workers,
            parts.shelf.catalogue,
            self.settings.learning,
        )

    def _cycle(self, findings: FindingDesk, remediation: Remediation) -> DetectionCycle | None:
        parts = self.parts
        if parts.metrics is None:
            return None
        sources = Sources(
            parts.metrics,
            parts.workers,
            parts.logs,
            parts.cluster,
            parts.changes,
            parts.history,
            parts.charts,
        )

        async def on_cleared(finding: Finding) -> None:
            await remediation.deadlines.trigger_cleared(finding)

        return DetectionCycle(
            store=parts.store,
            clock=parts.clock,
            metrics=parts.metrics,
            baselines=parts.baselines,
            workers=parts.workers,
            catalogue=parts.shelf.catalogue,
            enricher=Enricher(
                parts.clock,
                sources,
                parts.shelf.rules,
                self.texts,
                self.settings.digest.timezone,
                self.settings.redactor,
            ),
            desk=findings,
            settings=parts.detector,
            on_cleared=on_cleared,
        )

    def _api(self, pulse: Heartbeat, metrics: SelfMetrics, remediation: Remediation) -> ApiDeps:
        parts = self.parts

        async def before_scrape() -> None:
            await metrics.collect(parts.store, parts.clock, await pulse.backends())

        return ApiDeps(
            store=parts.store,
            redactor=self.settings.redactor,
            clock=parts.clock,
            catalogue=parts.shelf.catalogue,
            access=self._access,
            registry=metrics.registry,
            pulse=pulse.pulse,
            version=self.settings.installation.version,
            directory=self.later if self.slack is not None else None,
            plans=remediation.approvals,
            switches=remediation.switches,
            alerts=AlertDesk(
                parts.store, parts.clock, parts.shelf.catalogue, self.settings.redactor
            ),
            backends=pulse.backends,
            before_scrape=before_scrape,
        )

    async def _status(self) -> Mapping[str, str]:
        """Return the lines of `/sre status`."""
        lines = {h.name: told_health(h, self.texts) for h in await backends_health(self.parts)}
        return lines | {name: f"off ({how})" for name, how in self.settings.off.items()}


def _origin(run: Running) -> Origin:
    """Return where a run's proposals go: its thread, and its finding when it has one."""
    behind = f"finding:{run.finding}" if run.finding and not run.place.thread_ts else ""
    return Origin(run.place, run.asked_by, run.finding, behind)


def backends_of(parts: Parts) -> Sequence[HasHealth]:
    """Return the configured backends."""
    return [b for b in (parts.metrics, parts.logs, parts.traces, parts.cluster) if b is not None]


async def backends_health(parts: Parts) -> list[Health]:
    """Ask every instance of every configured backend how it is."""
    asked = await asyncio.gather(*(healths_of(each) for each in backends_of(parts)))
    return [health for found in asked for health in found]


def told_health(health: Health, texts: Texts) -> str:
    """Return how a backend is, as a person reads it."""
    since = f"{health.since:%Y-%m-%d %H:%M} UTC" if health.since else ""
    if health.word not in {"down", "degraded"}:
        return texts.say("slack.status.up")
    if not since:
        return texts.say(f"slack.status.{health.word}", why=health.detail)
    return texts.say(f"slack.status.{health.word}_since", since=since, why=health.detail)


class Heartbeat:
    """How the process is, for health, readiness and self metrics."""

    def __init__(self, parts: Parts) -> None:
        """Not ready until the start-up says so."""
        self._parts = parts
        self.ready = False
        self.scheduler: Scheduler | None = None
        self.last_cycle_at: datetime | None = None

    def beat(self, metrics: SelfMetrics) -> Callable[[CycleReport], None]:
        """Return what is called after every detection cycle."""

        def on_cycle(report: CycleReport) -> None:
            self.last_cycle_at = self._parts.clock.now()
            metrics.cycle_finished(report.seconds)

        return on_cycle

    async def backends(self) -> Sequence[Health]:
        """Ask every configured backend how it is."""
        return await backends_health(self._parts)

    def pulse(self) -> Pulse:
        """Return the state of the process."""
        scheduler = self.scheduler
        failing = {n: s.error for n, s in scheduler.states.items() if s.error} if scheduler else {}
        return Pulse(
            ready=self.ready,
            leading=scheduler.leading if scheduler else False,
            last_cycle_at=self.last_cycle_at,
            mode="claude" if self._parts.model is not None else "deterministic",
            off=tuple(sorted(self._parts.settings.off)),
            failing_jobs=failing,
        )
