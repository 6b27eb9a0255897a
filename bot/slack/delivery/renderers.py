"""Which renderer draws which row of the outbox: the subject is read when it is drawn.

row.view ──table──> renderer(row, tx, texts) ──> Rendered
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping

from bot.core.ports import OutboxRow, PlanRecord, Transaction
from bot.domain.ids import FindingId, PlanId, PostmortemId, RunId
from bot.domain.plans.policy import Ruling
from bot.domain.signal import Signal
from bot.locale import Texts
from bot.slack.blocks import answer, digest, finding, notice, plan, postmortem
from bot.slack.blocks.rendered import Rendered

Renderer = Callable[[OutboxRow, Transaction, Texts], Awaitable[Rendered]]
Renderers = Mapping[str, Renderer]


def _ours(subject: str, genuine: bool) -> None:  # noqa: FBT001 - a verdict
    """Refuse to draw what somebody else wrote; the row is parked and says why."""
    if not genuine:
        raise ValueError(f"nothing proves {subject} as it stands: somebody changed it")


def renderers_over(hosts: Collection[str], ruling: Callable[[PlanRecord], Ruling]) -> Renderers:
    """Return the table of renderers. Each raises NotFoundError when its subject is gone."""

    async def draw_finding(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        found = await tx.findings.get(FindingId(row.ref))
        genuine = [await tx.anomalies.is_genuine(each) for each in found.anomalies]
        genuine += [await tx.alerts.is_genuine(each) for each in found.alerts]
        _ours(found.id, all([await tx.findings.is_genuine(found.id), *genuine]))
        signals: list[Signal] = [await tx.anomalies.get(a) for a in found.anomalies]
        signals += [await tx.alerts.get(a) for a in found.alerts]
        incident = await tx.incidents.get(found.incident) if found.incident else None
        return finding.render(found, signals, incident, texts, hosts)

    async def draw_plan(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        record = await tx.plans.get(PlanId(row.ref))
        if plan.must_not_be_shown(record):
            return plan.unproved(record, texts)
        steps = await tx.plans.steps(record.plan.id)
        return plan.render(record, steps, ruling(record), texts)

    async def draw_answer(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        run = await tx.runs.get(RunId(row.ref))
        _ours(run.id, await tx.runs.is_genuine(run.id))
        return answer.render(run, texts, hosts)

    async def draw_postmortem(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        report = await tx.postmortems.get(PostmortemId(row.ref))
        return postmortem.render(report, texts, hosts)

    async def draw_digest(row: OutboxRow, _: Transaction, texts: Texts) -> Rendered:
        return digest.render(row.body, texts, hosts)

    async def draw_chart(row: OutboxRow, tx: Transaction, texts: Texts) -> Rendered:
        _, alt = await tx.charts.get(row.ref)
        return notice.late_chart(row.ref, alt, texts)

    async def draw_notice(row: OutboxRow, _: Transaction, texts: Texts) -> Rendered:
        return notice.render(row.body, texts)

    async def draw_diagnosis(row: OutboxRow, _: Transaction, texts: Texts) -> Rendered:
        return plan.diagnosis(row.body, texts)

    async def draw_question(row: OutboxRow, _: Transaction, texts: Texts) -> Rendered:
        return notice.question(row.body, texts)

    return {
        "finding": draw_finding,
        "plan": draw_plan,
        "diagnosis": draw_diagnosis,
        "answer": draw_answer,
        "postmortem": draw_postmortem,
        "digest": draw_digest,
        "chart": draw_chart,
        "notice": draw_notice,
        "question": draw_question,
    }
