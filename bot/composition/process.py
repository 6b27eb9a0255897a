"""The whole bot: Slack, schedule and API over the parts, until it is told to stop.

parts → Slack's people → core: remediation, agent, desks → Slack's room, run queue, schedule, API
"""

from __future__ import annotations

import asyncio
import itertools
import signal
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from bot.api.app import build_api
from bot.api.deps import ApiDeps
from bot.api.server import ApiServer
from bot.composition.agent import agent_desk
from bot.composition.alerting import alerting_of
from bot.composition.detection import cycle_of, learner_of, telling_of
from bot.composition.incidents import incidents_of, on_call
from bot.composition.jobs import Work, schedule
from bot.composition.no_slack import TokenOwners
from bot.composition.parts import Parts, open_parts, owner_name
from bot.composition.remediation import Hands, open_hands, remediation_of
from bot.composition.reports import digests_of, postmortems_of
from bot.composition.slack import people_of, room_over
from bot.composition.until_told import UntilTold
from bot.composition.vitals import Vitals
from bot.composition.watchdog import LoopLimits, Watchdog
from bot.composition.watching import Watchers
from bot.core.detection.baseline_import import BaselineImport
from bot.core.detection.deployments import Deployments
from bot.core.detection.finding_reply import FindingReply
from bot.core.detection.findings import FindingConfig, FindingDesk
from bot.core.detection.triage import Triage
from bot.core.investigation.answer_reactions import AnswerReactions
from bot.core.investigation.desk import AgentDesk
from bot.core.investigation.run_queue import RunQueue
from bot.core.ports import Reply
from bot.core.remediation.assembly import Remediation
from bot.core.remediation.planning.planner import Origin
from bot.core.reports.digests import DigestDesk
from bot.core.shared.keyed_tasks import KeyedTasks
from bot.core.upkeep.rereading import Rereading
from bot.core.upkeep.tampering import Tampering
from bot.domain.access import AccessConfig, Role
from bot.domain.ids import ChannelId
from bot.domain.run import Done, Running
from bot.locale import Texts
from bot.scheduler import Scheduler
from bot.settings import Settings, slack_config, with_channel_ids
from bot.slack.app import SlackRoom
from bot.slack.config import SlackConfig
from bot.slack.delivery.held import HeldInSlack
from bot.slack.deps import SlackDeps
from bot.telemetry import LoopLag, SelfMetrics
from tools.world import ServiceName

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bot:
    """The running bot. Built by `start_bot`."""

    parts: Parts
    room: SlackRoom | None
    scheduler: Scheduler
    run_queue: RunQueue
    remediation: Remediation
    api: ApiServer
    vitals: Vitals
    files: Rereading
    desk: AgentDesk
    watchers: Watchers
    work: Work  # what the scheduler runs


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
    if bot.work.cycle is not None:
        stack.push_async_callback(bot.work.cycle.close)
    bot.scheduler.start()
    stack.push_async_callback(bot.scheduler.stop)
    warming = asyncio.create_task(parts.workers.warm(), name="warm workers")
    stack.callback(warming.cancel)
    lag = LoopLag(asyncio.get_running_loop(), metrics.lag.observe)
    lag.start()
    stack.callback(lag.stop)
    bot.vitals.ready = True
    return bot


async def serve(settings: Settings, limits: LoopLimits | None = None) -> None:
    """Run until SIGINT or SIGTERM; SIGHUP reads catalogue, rules and playbooks again."""
    watchdog = Watchdog(settings, limits or LoopLimits())
    loop = asyncio.get_running_loop()
    # its default would end a bot that is still starting; the files are read then anyway
    loop.add_signal_handler(signal.SIGHUP, lambda: None)
    async with UntilTold(watchdog.ending) as told, AsyncExitStack() as stack:
        stack.push_async_callback(watchdog.stop)  # last of all: what hangs on the way is ended
        bot = await start_bot(settings, stack)
        await watchdog.start()  # not before: a start imports for seconds
        reloads: KeyedTasks[int] = KeyedTasks("SIGHUP")
        stack.push_async_callback(reloads.drain)
        numbers = itertools.count(1)

        def reload() -> None:
            reloads.spawn(next(numbers), bot.files.reload("SIGHUP"))

        loop.add_signal_handler(signal.SIGHUP, reload)
        log.info("bot.started", version=settings.installation.version, off=sorted(settings.off))
        await told.wait()
        bot.vitals.ready = False
        log.info("bot.stopping")


class _Builder:
    """Joins one bot's objects."""

    def __init__(
        self, parts: Parts, hands: Hands, metrics: SelfMetrics, slack: SlackConfig | None
    ) -> None:
        self.parts, self.hands, self.metrics = parts, hands, metrics
        self.settings = parts.settings
        self.texts = Texts(self.settings.installation.locale)
        self.people = people_of(slack, self.settings.access, parts.store, parts.clock)
        self.vitals = Vitals(parts, self.texts)
        if self.people.slack is not None:
            workspace = self.people.slack.workspace
            self.vitals.more = HeldInSlack(workspace, parts.store, parts.clock, self.texts).healths
        self.on_call = on_call(parts, self._access)
        self.triage = Triage(parts.store, parts.clock, self.on_call, self._channel_of)
        self.incidents = incidents_of(parts, self.people, self.on_call, self._channel_of)
        self.alerting = alerting_of(parts, self.texts)
        self.files = Rereading(
            live_files=parts.live_files,
            store=parts.store,
            clock=parts.clock,
            texts=self.texts,
            place=lambda: self.people.place_of(None),
            admins=lambda: self.settings.access.holders[Role.ADMIN],
        )

    def build(self) -> Bot:
        parts, people, vitals = self.parts, self.people, self.vitals
        remediation = remediation_of(parts, self.hands, people)
        desk = agent_desk(parts, lambda run: remediation.planner.desk(_origin(run)))
        findings = FindingDesk(
            parts.store,
            parts.clock,
            people.channels.of_service,
            FindingConfig(self.texts, people.channels.voice_of, on_call=self.on_call),
        )
        telling = telling_of(parts, findings, remediation)
        digests = digests_of(parts, people)
        room = room_over(people, self._slack_deps(remediation, desk, digests))
        run_queue = self._run_queue(desk, findings, remediation)
        work = Work(
            parts=parts,
            remediation=remediation,
            run_queue=run_queue,
            digests=digests,
            digest_channel=people.slack.workspace.channels.of_digest if people.slack else None,
            learner=learner_of(parts),
            cycle=cycle_of(parts, telling),
            telling=telling,
            alerting=self.alerting,
            on_cycle=vitals.beat(self.metrics),
            files=self.files,
            incidents=self.incidents.upkeep,
            rooms=self.incidents.rooms,
            failing=lambda: vitals.pulse().failing_jobs,
            tampering=Tampering(
                parts.store,
                parts.clock,
                self.texts,
                parts.audit.sealing,
                self.files.place,
                self.files.admins,
            ),
        )
        watchers = Watchers(parts, vitals.leads)
        jobs = [*schedule(work), *watchers.jobs()]
        scheduler = vitals.scheduler = Scheduler(
            jobs, parts.clock, parts.store, owner_name(), self.metrics.job_failed
        )
        api = build_api(self._api_deps(remediation))
        if room is not None and not room.workspace.config.app_token:  # HTTP mode: Slack calls us
            api.add_route("/slack/events", room.handle_http, methods=["POST"])
        server = ApiServer(self.settings.api, api)
        return Bot(
            parts=parts,
            room=room,
            scheduler=scheduler,
            run_queue=run_queue,
            remediation=remediation,
            api=server,
            vitals=vitals,
            files=self.files,
            desk=desk,
            watchers=watchers,
            work=work,
        )

    def _slack_deps(
        self, remediation: Remediation, desk: AgentDesk, digests: DigestDesk
    ) -> SlackDeps:
        parts = self.parts
        return SlackDeps(
            store=parts.store,
            clock=parts.clock,
            redactor=self.settings.redactor,
            access=self._access,
            catalogue=parts.live_files.catalogue,
            questions=desk,
            reactions=AnswerReactions(parts.store, parts.clock, self.settings.redactor),
            plans=remediation.approvals,
            proposals=remediation.proposals,
            postmortems=postmortems_of(parts, self.people),
            digests=digests,
            switches=remediation.switches,
            triage=self.triage,
            incidents=self.incidents.desk,
            status_texts=self.incidents.status,
            files=self.files,
            status=self.vitals.status,
            ruling=remediation.gate.ruling,
        )

    def _run_queue(
        self, desk: AgentDesk, findings: FindingDesk, remediation: Remediation
    ) -> RunQueue:
        people = self.people

        in_finding = FindingReply(findings, remediation.proposals.for_new_finding)

        async def follow_up(run: Done) -> None:
            await in_finding.finish(run, run.answer)

        def reply_for(run: Running) -> Reply:
            if run.finding is None:
                return people.reply_for(run)
            return in_finding

        return RunQueue(
            store=self.parts.store,
            clock=self.parts.clock,
            desk=desk,
            reply_for=reply_for,
            follow_up=follow_up,
            posts=people.slack is not None,
        )

    def _api_deps(self, remediation: Remediation) -> ApiDeps:
        parts, metrics, vitals = self.parts, self.metrics, self.vitals
        catalogue, redactor = parts.live_files.catalogue, self.settings.redactor

        async def before_scrape() -> None:
            await metrics.collect(parts.store, parts.clock, await vitals.backends())

        return ApiDeps(
            store=parts.store,
            clock=parts.clock,
            catalogue=catalogue,
            access=self._access,
            registry=metrics.registry,
            pulse=vitals.pulse,
            version=self.settings.installation.version,
            directory=self.people.directory if self.people.slack else TokenOwners(),
            plans=remediation.approvals,
            switches=remediation.switches,
            alerts=self.alerting.desk,
            triage=self.triage,
            incidents=self.incidents.desk,
            baselines=BaselineImport(parts.store, parts.clock, catalogue),
            deployments=Deployments(parts.store, parts.clock, catalogue, redactor),
            backends=vitals.backends,
            before_scrape=before_scrape,
        )

    def _channel_of(self, service: ServiceName) -> ChannelId:
        services = self.parts.live_files.catalogue().services
        return self.people.channels.of_service(services.get(service))

    def _access(self) -> AccessConfig:
        return with_channel_ids(self.settings.access, self.people.channels.known)


def _origin(run: Running) -> Origin:
    """Return where a run's proposals go: its thread, and its finding when it has one."""
    behind = f"finding:{run.finding}" if run.finding and not run.place.thread_ts else ""
    return Origin(run.place, run.asked_by, run.finding, behind)
