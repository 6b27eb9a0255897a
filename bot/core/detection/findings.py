"""Findings are opened, extended and cleared here: row, incident, Slack and audit in one step.

open ──> finding + post + queued agent run; its incident is the open one of the service, or new
extend ─> more symptoms of the same story: the post is updated, nothing new is posted
clear ──> all anomalies and alerts gone: finding resolved, thread told; with the last finding of
          an incident that the bot declared, the incident too
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.core.detection.enrichment import Extra
from bot.core.ports import Clock, Store, Transaction
from bot.core.shared import incident_book
from bot.core.shared.incident_book import OnCall, nobody_on_call
from bot.core.shared.wording import clock, gap_text, limit_text
from bot.domain import incident as life
from bot.domain.alert import Alert, AlertEnding, Over
from bot.domain.audit import BOT, Event
from bot.domain.finding import Finding
from bot.domain.ids import ChannelId, FindingId, IncidentId, PlanId, RunId, mint
from bot.domain.incident import Incident, PartKind, Priority, TimelineEntry
from bot.domain.place import Place
from bot.domain.question import Question, Voice
from bot.domain.run import Queued
from bot.domain.signal import Signal, alerts_in, anomalies_in
from bot.locale import Texts
from tools.units import format_value
from tools.world import Catalogue, Change, ServiceName, ServiceSpec, Verdict
from tools.world.conclusions import SILENT

GUESSED = frozenset({AlertEnding.EXPIRED, AlertEnding.GONE})  # nobody said that it is over
LONGEST_WORDS = 500  # of an alert's own

LookupChannel = Callable[[ServiceSpec | None], ChannelId]


@dataclass(frozen=True, slots=True)
class FindingConfig:
    """How findings are told."""

    texts: Texts
    voice_of: Callable[[ChannelId], Voice] = lambda _: Voice()  # of the answer in a channel
    investigate: bool = True  # queue an agent run for every new finding
    on_call: OnCall = nobody_on_call  # of a service, for what is serious


class FindingDesk:
    """Keeps findings."""

    def __init__(
        self, store: Store, clock: Clock, channel_of: LookupChannel, config: FindingConfig
    ) -> None:
        """`channel_of` names the channel a service's findings go to."""
        self._store, self._clock = store, clock
        self._channel_of, self._config = channel_of, config

    async def open(self, group: Sequence[Signal], extra: Extra, catalogue: Catalogue) -> Finding:
        """Tell one new group of signals, the worst first."""
        now = self._clock.now()
        members = {a.service for a in group}
        guilty = next((c.service for c in extra.causes if c.service in members), None)
        service = guilty or group[0].service
        spec = catalogue.services.get(service)
        severity = max((a.severity for a in group), key=lambda s: s.rank)
        place = Place(self._channel_of(spec))
        async with self._store.begin() as tx:
            known = await incident_book.of_service(tx, service)
            priority = Priority.of(severity, catalogue.tier_of(service))
            incident = known or await self._declare(tx, group, service, priority, place)
            finding = Finding(
                id=FindingId(mint("FND")),
                service=service,
                severity=severity,
                opened_at=now,
                anomalies=tuple(a.id for a in anomalies_in(group)),
                alerts=tuple(a.id for a in alerts_in(group)),
                lines=tuple(self.line(each) for each in group),
                causes=extra.causes,
                breaches=extra.breaches,
                similar=extra.similar,
                place=place,
                incident=incident.id,
                chart=extra.chart,
                notes=self._notes(group),
                gaps=tuple(_gap(name, why) for name, why in extra.gaps.items()),
            )
            await tx.findings.save(finding)
            for part, ref in (
                (PartKind.FINDING, finding.id),
                *((PartKind.ALERT, each) for each in finding.alerts),
            ):
                await incident_book.attach(tx, incident.id, part, ref, now)
            await self._timeline(tx, incident, group, extra.changes)
            await tx.outbox.post(f"finding:{finding.id}", "finding", finding.id, place)
            if self._config.investigate:
                await tx.runs.save(self._run(finding, incident, place))
            facts = {
                "service": service,
                "severity": severity.value,
                "priority": incident.priority.value,
                "anomalies": list(finding.anomalies),
                "alerts": [_told(each) for each in alerts_in(group)],
                "incident": incident.id,
                "gaps": list(finding.gaps),
            }
            await tx.audit.append(Event("finding.opened", now, BOT, finding.id, facts=facts))
            if known is None:
                await tx.audit.append(incident_book.declared(incident, facts))
        return finding

    async def _declare(
        self,
        tx: Transaction,
        group: Sequence[Signal],
        service: ServiceName,
        priority: Priority,
        place: Place,
    ) -> Incident:
        """Declare the incident of a new story; its card stands above the finding."""
        now = self._clock.now()
        incident = life.declare(
            await tx.incidents.next_id(now.year),
            self._title(group),
            priority,
            service,
            place,
            at=now,
            wall=self._clock.wall(),
            started_at=min(a.started_at for a in group),
        )
        return await incident_book.declare(tx, incident, self._config.on_call)

    def _run(self, finding: Finding, incident: Incident, place: Place) -> Queued:
        """The agent run that follows: the same as a mention, asked by the detector."""
        text = self._config.texts.say(
            "finding.question", service=finding.service, title=incident.title
        )
        voice = self._config.voice_of(place.channel)
        question = Question(text, place, "detection", finding=finding.id, voice=voice)
        return Queued(id=RunId(mint("RUN")), question=question, started_at=self._clock.now())

    async def _timeline(
        self,
        tx: Transaction,
        incident: Incident,
        group: Sequence[Signal],
        changes: Sequence[Change],
    ) -> None:
        for change in changes:
            if change.service in {a.service for a in group}:
                entry = TimelineEntry(change.at, change.summary, "change", change.author)
                await tx.incidents.note(incident.id, entry)
        for signal in group:
            await tx.incidents.note(incident.id, self._entry(signal))

    async def extend(self, finding: Finding, signals: Sequence[Signal]) -> Finding:
        """Add symptoms to an open finding; its post is updated in place."""
        async with self._store.begin() as tx:
            current = await tx.findings.get(finding.id)
            told = {*current.anomalies, *current.alerts}
            fresh = [s for s in signals if s.id not in told]
            severities = [current.severity, *(s.severity for s in fresh)]
            known: list[Signal] = [await tx.anomalies.get(a) for a in current.anomalies]
            known += [await tx.alerts.get(a) for a in current.alerts]
            # A spell that ended and began again is one line, told by its newest spell.
            newest = {s.fingerprint: s for s in (*known, *fresh)}
            grown = replace(
                current,
                anomalies=(*current.anomalies, *(a.id for a in anomalies_in(fresh))),
                alerts=(*current.alerts, *(a.id for a in alerts_in(fresh))),
                lines=tuple(self.line(s) for s in newest.values()),
                severity=max(severities, key=lambda s: s.rank),
                notes=tuple(dict.fromkeys([*current.notes, *self._notes(fresh)])),
            )
            await tx.findings.save(grown)
            await tx.outbox.refresh("finding", finding.id)
            for signal in fresh:
                if grown.incident is not None:
                    await tx.incidents.note(grown.incident, self._entry(signal))
                    await incident_book.redraw(tx, grown.incident)
            await tx.audit.append(
                Event(
                    kind="finding.extended",
                    at=self._clock.now(),
                    actor=BOT,
                    subject=finding.id,
                    facts={
                        "anomalies": [a.id for a in anomalies_in(fresh)],
                        "alerts": [_told(each) for each in alerts_in(fresh)],
                    },
                )
            )
        return grown

    async def clear(self, finding: Finding) -> Finding:
        """Resolve a finding none of whose signals is active any more."""
        now = self._clock.now()
        async with self._store.begin() as tx:
            done = replace(await tx.findings.get(finding.id), resolved_at=now)
            await tx.findings.save(done)
            await tx.outbox.refresh("finding", finding.id)
            ended = [await tx.alerts.get(each) for each in done.alerts]
            if done.place is not None:
                await tx.outbox.post(
                    f"finding-resolved:{finding.id}",
                    "notice",
                    finding.id,
                    Place(done.place.channel),
                    {"text": self._resolved_text(done, ended)},
                    behind=f"finding:{finding.id}",
                )
            if done.incident is not None:
                text = self._config.texts.say("finding.resolved_line")
                await tx.incidents.note(done.incident, TimelineEntry(now, text, "bot"))
                await _end(tx, done.incident, now)
            await tx.audit.append(
                Event(kind="finding.resolved", at=now, actor=BOT, subject=finding.id)
            )
        return done

    def _resolved_text(self, finding: Finding, alerts: Sequence[Alert]) -> str:
        assert finding.resolved_at is not None  # noqa: S101 - set one line above its only caller
        texts = self._config.texts
        minutes = round((finding.resolved_at - finding.opened_at).total_seconds() / 60)
        unheard = [a.name for a in alerts if isinstance(a.state, Over) and a.state.how in GUESSED]
        names = unheard or [a.name for a in alerts]
        key = "finding.resolved" if finding.anomalies else "finding.stopped_firing"
        return texts.say(
            "finding.unheard" if unheard else key,
            service=finding.service,
            minutes=minutes,
            id=finding.id,
            alerts=", ".join(dict.fromkeys(names)),
        )

    async def conclude(
        self, finding_id: FindingId, conclusion: str, chart: str, plan: PlanId | None = None
    ) -> Finding:
        """Write the agent run's conclusion, and the plan it proposed, into the finding's post."""
        async with self._store.begin() as tx:
            finding = await tx.findings.get(finding_id)
            concluded = replace(
                finding,
                conclusion=conclusion,
                chart=finding.chart or chart,
                plan=finding.plan or plan,
            )
            await tx.findings.save(concluded)
            await tx.outbox.refresh("finding", finding_id)
            if concluded.incident is not None:
                await incident_book.redraw(tx, concluded.incident)
        return concluded

    async def close_investigation(self, finding_id: FindingId) -> None:
        """Note that all that follows from a finding's agent run was done."""
        async with self._store.begin() as tx:
            finding = await tx.findings.get(finding_id)
            await tx.findings.save(replace(finding, investigated=True))

    def line(self, signal: Signal) -> str:
        """Return one signal as people read it: an anomaly at its worst."""
        return self._alert(signal) if isinstance(signal, Alert) else self._verdict(signal.worst)

    def _entry(self, signal: Signal) -> TimelineEntry:
        if isinstance(signal, Alert):
            return TimelineEntry(signal.started_at, self._alert(signal), "alert", ref=signal.id)
        text = self._verdict(signal.first)
        return TimelineEntry(signal.started_at, text, "anomaly", ref=signal.id)

    def _verdict(self, verdict: Verdict) -> str:
        texts = self._config.texts
        if verdict.method == SILENT:
            key = "finding.line_silent"
        else:
            key = "finding.line" if verdict.limit is None else "finding.line_limit"
        line = texts.say(
            key,
            metric=verdict.metric,
            service=verdict.service,
            observed=format_value(verdict.observed, verdict.unit),
            expected=format_value(verdict.expected, verdict.unit),
            sigma=f"{verdict.deviation_sigma:+.1f}",
            limit=limit_text(verdict),
            since=self._since(verdict.started_at),
        )
        return f"{line}{gap_text(texts, verdict)}"

    def _alert(self, alert: Alert) -> str:
        """Return an alert in its own words."""
        key = "finding.alert_line" if alert.summary else "finding.alert_bare"
        return self._config.texts.say(
            key,
            alert=alert.name,
            service=alert.service,
            words=alert.summary[:LONGEST_WORDS],
            since=self._since(alert.started_at),
        )

    def _since(self, at: datetime) -> str:
        return f"{clock(at, self._clock.now())} UTC"

    def _notes(self, signals: Sequence[Signal]) -> tuple[str, ...]:
        """Return what must be known of alerts: words that no table has, what was left out."""
        texts = self._config.texts
        said: list[str] = []
        for alert in alerts_in(signals):
            word = alert.severity_word
            if not word.known:
                key = "alert.unknown_severity" if word.text else "alert.no_severity"
                taken = texts.say(f"slack.severity.{alert.severity.value}")
                said.append(texts.say(key, alert=alert.name, word=word.text, taken=taken))
        left_out = max((a.left_out for a in alerts_in(signals)), default=0)
        if left_out:
            said.append(texts.say("alert.left_out", count=left_out))
        return tuple(dict.fromkeys(said))

    def _title(self, group: Sequence[Signal]) -> str:
        worst = group[0]
        if isinstance(worst, Alert):
            return self._config.texts.say(
                "finding.title_alert", alert=worst.name, service=worst.service
            )
        key = "finding.title_up" if worst.worst.deviation_sigma > 0 else "finding.title_down"
        if worst.worst.method == SILENT:
            key = "finding.title_silent"
        return self._config.texts.say(key, metric=worst.metric, service=worst.service)


async def _end(tx: Transaction, incident_id: IncidentId, at: datetime) -> None:
    """Resolve an incident of ours that nothing holds open; a person's is theirs to resolve."""
    incident = await tx.incidents.held(incident_id)
    await incident_book.redraw(tx, incident_id)
    parts = await tx.incidents.parts(incident_id)
    findings = [
        await tx.findings.get(FindingId(p.ref)) for p in parts if p.kind is PartKind.FINDING
    ]
    lasts = any(each.resolved_at is None for each in findings)
    if lasts or incident.declared_by is not None or not incident.open:
        return
    await tx.incidents.save(life.resolve(incident, at))
    await tx.audit.append(Event("incident.resolved", at, BOT, incident_id))


def _told(alert: Alert) -> dict[str, str]:
    """Return an alert's own words, for whoever is told outside of Slack."""
    return {
        "id": alert.id,
        "alert": alert.name,
        "summary": alert.summary[:LONGEST_WORDS],
        "description": alert.description[:LONGEST_WORDS],
        "runbook": alert.runbook[:LONGEST_WORDS],
        "severity": alert.severity_word.text,
    }


def _gap(name: str, why: str) -> str:
    """Return one gap as it is told; a backend's error begins with its name already."""
    return why if why.startswith(f"{name}: ") else f"{name}: {why}"
