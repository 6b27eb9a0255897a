"""Which renderer draws which row of the outbox: the subject is read when it is drawn.

row.view ──table──> renderer(row, tx, texts) ──> Rendered
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass

from bot.core.incidents.story import read_story
from bot.core.ports import Clock, OutboxRow, PlanRecord, Transaction
from bot.domain.ids import FindingId, IncidentId, PlanId, PostmortemId, RunId
from bot.domain.incident import PartKind
from bot.domain.plans.policy import Ruling
from bot.domain.signal import Signal
from bot.locale import Texts
from bot.slack.blocks import answer, digest, finding, incident, notice, plan, postmortem
from bot.slack.blocks.rendered import Rendered


def nowhere(_channel: str, _ts: str) -> str:
    """Return no address: Slack was not asked for ours."""
    return ""


@dataclass(frozen=True, slots=True)
class Here:
    """What time it is, and where messages are found."""

    clock: Clock
    link_to: Callable[[str, str], str] = nowhere  # channel and ts to an address, empty for none

    async def link(self, tx: Transaction, view: str, ref: str) -> str:
        """Return the address of the message that shows a subject; empty while there is none."""
        rows = [row for row in await tx.outbox.of(view, ref) if not row.body.get("brief")]
        shown = next((row for row in rows if row.ts), None)
        return self.link_to(shown.channel, str(shown.ts)) if shown else ""


Renderer = Callable[[OutboxRow, Transaction, Texts], Awaitable[Rendered]]
Renderers = Mapping[str, Renderer]


def _ours(subject: str, genuine: bool) -> None:  # noqa: FBT001 - a verdict
    """Refuse to draw what somebody else wrote; the row is parked and says why."""
    if not genuine:
        raise ValueError(f"nothing proves {subject} as it stands: somebody changed it")


def renderers_over(
    hosts: Collection[str], ruling: Callable[[PlanRecord], Ruling], here: Here
) -> Renderers:
    """Return the table of renderers. Each raises NotFoundError when its subject is gone."""

    async def draw_finding(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        found = await tx.findings.get(FindingId(row.ref))
        genuine = [await tx.anomalies.is_genuine(each) for each in found.anomalies]
        genuine += [await tx.alerts.is_genuine(each) for each in found.alerts]
        _ours(found.id, all([await tx.findings.is_genuine(found.id), *genuine]))
        signals: list[Signal] = [await tx.anomalies.get(a) for a in found.anomalies]
        signals += [await tx.alerts.get(a) for a in found.alerts]
        owner = await tx.incidents.get(found.incident) if found.incident else None
        link = await here.link(tx, "incident", owner.id) if owner else ""
        return finding.render(found, signals, owner, texts, hosts, link)

    async def draw_incident(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        story = await read_story(tx, IncidentId(row.ref))
        links = {str(r.plan.id): await here.link(tx, "plan", r.plan.id) for r in story.waiting}
        return incident.render(story, here.clock.now(), texts, links)

    async def draw_plan(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        record = await tx.plans.get(PlanId(row.ref))
        if plan.must_not_be_shown(record):
            return plan.unproved(record, texts)
        if row.body.get("brief"):
            return plan.brief(record, await here.link(tx, "plan", record.plan.id), texts)
        steps = await tx.plans.steps(record.plan.id)
        owner = await tx.incidents.owner_of(PartKind.PLAN, record.plan.id)
        link = await here.link(tx, "incident", owner) if owner else ""
        named = f"<{link}|{owner}>" if link else owner or ""
        return plan.render(record, steps, ruling(record), texts, named)

    async def draw_answer(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        run = await tx.runs.get(RunId(row.ref))
        _ours(run.id, await tx.runs.is_genuine(run.id))
        return answer.render(run, texts, hosts)

    async def draw_postmortem(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        report = await tx.postmortems.get(PostmortemId(row.ref))
        return postmortem.render(report, texts, hosts)

    async def draw_digest(row: OutboxRow, _: Transaction, texts: Texts) -> Rendered:
        return digest.render(row.body, texts, hosts)

    return {
        "finding": draw_finding,
        "incident": draw_incident,
        "plan": draw_plan,
        "diagnosis": _draw_diagnosis,
        "answer": draw_answer,
        "postmortem": draw_postmortem,
        "digest": draw_digest,
        "chart": _draw_chart,
        "notice": _draw_notice,
        "question": _draw_question,
    }


async def _draw_chart(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
    _, alt = await tx.charts.get(row.ref)
    return notice.late_chart(row.ref, alt, texts)


async def _draw_notice(row: OutboxRow, _: Transaction, texts: Texts) -> Rendered:
    return notice.render(row.body, texts)


async def _draw_diagnosis(row: OutboxRow, _: Transaction, texts: Texts) -> Rendered:
    return plan.diagnosis(row.body, texts)


async def _draw_question(row: OutboxRow, _: Transaction, texts: Texts) -> Rendered:
    return notice.question(row.body, texts)
