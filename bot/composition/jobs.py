"""What runs when: the schedule over the parts.

every second   audit sealed · plans driven · waiting runs started · the halt file noted
every 10 s     approvals expired, reminded, reviewed · changed files read again
               what somebody else wrote into the database told to the admins
               audit anchored where it is due · the webhook told what is new · alerts told
               open incidents looked after
every minute   alerts that nobody ends are ended, silent heartbeats told
every cycle    detection            every 24 h   baselines relearned
every hour     who calls whom
by cron        the digest
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.composition.alerting import Alerting
from bot.composition.parts import Parts, owner_name
from bot.core.detection.cycle import CycleReport, DetectionCycle
from bot.core.detection.learning import Learner
from bot.core.detection.telling import Round, Telling
from bot.core.incidents.rooms import IncidentRooms
from bot.core.incidents.upkeep import IncidentUpkeep
from bot.core.investigation.run_queue import RunQueue
from bot.core.remediation.answers.switches import HaltFile
from bot.core.remediation.assembly import Remediation
from bot.core.reports.digests import DigestDesk
from bot.core.reports.webhook_notices import Notifier
from bot.core.upkeep.anchoring import Anchoring
from bot.core.upkeep.heartbeat import HeartbeatSender
from bot.core.upkeep.rereading import Rereading
from bot.core.upkeep.tampering import Tampering
from bot.domain.ids import ChannelId
from bot.scheduler import Every, Job
from foundation.cron import Cron
from tools.backends.webhook import Webhook
from tools.errors import BackendUnavailableError

SECOND, TEN_SECONDS = timedelta(seconds=1), timedelta(seconds=10)
CYCLE_JITTER = timedelta(seconds=2)  # world time
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Work:
    """What the jobs call; None is not configured."""

    parts: Parts
    remediation: Remediation
    run_queue: RunQueue
    digests: DigestDesk
    digest_channel: Callable[[], ChannelId] | None
    learner: Learner | None
    cycle: DetectionCycle | None
    telling: Telling
    alerting: Alerting
    on_cycle: Callable[[CycleReport], None]
    files: Rereading
    incidents: IncidentUpkeep
    rooms: IncidentRooms | None
    tampering: Tampering
    failing: Callable[[], Mapping[str, str]]  # jobs that fail now: why


def schedule(work: Work) -> list[Job]:
    """Return every job."""
    settings = work.parts.settings
    audit = work.parts.audit
    jobs = [
        Job("audit.seal", Every(SECOND, on="wall"), _plain(audit.sealing.tick)),
        Job(
            "plans.drive", Every(SECOND, on="wall"), _plain(work.remediation.execution.tick), False
        ),
        Job("runs.start", Every(SECOND, on="wall"), _plain(work.run_queue.tick)),
        Job("approvals.review", Every(TEN_SECONDS, on="wall"), _approvals(work.remediation)),
        Job("tampering.tell", Every(TEN_SECONDS, on="wall"), _plain(work.tampering.tick)),
        Job("files.look", Every(TEN_SECONDS, on="wall"), _plain(work.files.look), False),
    ]
    hand_brake = work.remediation.switches.hand_brake
    halt_file = HaltFile(
        work.parts.store, work.parts.clock, settings.files.halt_file, owner_name(), hand_brake
    )
    jobs.append(Job("halt.file", Every(SECOND, on="wall"), _plain(halt_file.tick), False))
    if audit.places:
        known = audit.sealing.known
        every = settings.audit_anchor.every
        anchoring = Anchoring(known, work.parts.clock, audit.places, every)
        jobs.append(Job("audit.anchor", Every(TEN_SECONDS, on="wall"), _plain(anchoring.tick)))
    if (rooms := work.rooms) is not None:
        jobs.append(Job("incidents.rooms", Every(TEN_SECONDS, on="wall"), _plain(rooms.tick)))
    if (webhook := settings.webhook) is not None:
        notifier = Notifier(work.parts.store, work.parts.clock, Webhook(webhook))
        jobs.append(Job("webhook.notify", Every(TEN_SECONDS, on="wall"), _plain(notifier.tick)))
    if (beat := settings.heartbeat) is not None:
        sender = HeartbeatSender(
            work.parts.store, work.parts.clock, Webhook(beat.webhook), work.failing
        )
        jobs.append(Job("heartbeat.send", Every(beat.every, on="wall"), _plain(sender.tick)))
    if work.digest_channel is not None:
        digest = settings.digest
        jobs.append(
            Job("digest", Cron(digest.cron, digest.timezone), _digest(work, work.digest_channel))
        )
    jobs += [
        Job("incidents.look", Every(TEN_SECONDS, on="wall"), _plain(work.incidents.tick)),
        Job("alerts.tell", Every(TEN_SECONDS, on="wall"), _alerts(work.telling)),
        Job("alerts.expire", Every(MINUTE), _plain(work.alerting.expiry.tick)),
        Job("alerts.heartbeats", Every(MINUTE), _plain(work.alerting.heartbeats.tick)),
    ]
    if (discovery := work.parts.discovery) is not None:  # every replica keeps its own map
        jobs.append(Job("dependencies.discover", Every(HOUR), _plain(discovery.refresh), False))
    if work.learner is not None and work.cycle is not None:
        ready = Readiness(work.learner)
        jobs.append(Job("baselines.learn", Every(TEN_SECONDS, on="wall"), ready.learn))
        jobs.append(
            Job(
                "detection.cycle",
                Every(settings.cycle.every, jitter=CYCLE_JITTER),
                _cycle(work, work.cycle, ready),
            )
        )
    return jobs


class Readiness:
    """Baselines are learned at the first start and when they are old, then detection begins."""

    def __init__(self, learner: Learner) -> None:
        """Nothing was looked at yet."""
        self._learner = learner
        self.learned = False

    async def learn(self, _slot: datetime) -> None:
        """Relearn the metrics whose baselines are old, and those that have none."""
        try:
            await self._learner.run_due()
        finally:  # a first look that failed is tried again; until then static limits serve
            self.learned = True


def _plain(function: Callable[[], Awaitable[object]]) -> Callable[[datetime], Awaitable[object]]:
    async def run(_slot: datetime) -> object:
        return await function()

    return run


def _approvals(remediation: Remediation) -> Callable[[datetime], Awaitable[object]]:
    async def run(_slot: datetime) -> None:
        await remediation.deadlines.expire_due()
        await remediation.deadlines.remind_due()
        await remediation.deadlines.review_waiting()

    return run


def _digest(
    work: Work, channel: Callable[[], ChannelId]
) -> Callable[[datetime], Awaitable[object]]:
    async def run(slot: datetime) -> None:
        await work.digests.tell(channel(), slot)

    return run


def _alerts(telling: Telling) -> Callable[[datetime], Awaitable[object]]:
    async def run(_slot: datetime) -> Round:
        told = await telling.alerts()
        _refuse_silence(told.crashed)
        return told

    return run


def _refuse_silence(crashed: Mapping[str, str]) -> None:
    """Let a job that did only a part of its work fail: told, counted and seen in the status."""
    if crashed:
        told = "; ".join(f"{part}: {why}" for part, why in crashed.items())
        raise BackendUnavailableError("detection", told)


def _cycle(
    work: Work, cycle: DetectionCycle, ready: Readiness
) -> Callable[[datetime], Awaitable[object]]:
    async def run(_slot: datetime) -> None:
        # Without a first look at the history every series would be judged by its static limit.
        if ready.learned:
            report = await cycle.run()
            if report.waited:
                return
            work.on_cycle(report)
            _refuse_silence(report.crashed)

    return run
