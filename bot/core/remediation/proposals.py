"""A person asks for a fix: of a finding, or of an answer the bot gave.

finding or answered run ──causes──> matching playbooks ──first that is not refused──> plan card
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from bot.core.ports import Store
from bot.core.remediation.plan_ends import named_guard
from bot.core.remediation.planner import Origin, Planner
from bot.domain.finding import Finding
from bot.domain.ids import FindingId, PlanId, RunId, UserId
from bot.domain.place import Place
from bot.locale import Texts
from tools.world import Cause, ProposalDraft, ProposalReceipt, ServiceName, Severity


@dataclass(frozen=True, slots=True)
class Proposed:
    """What asking for a fix came to."""

    ok: bool
    message: str


class ProposalDesk:
    """Finds the playbook that fits and proposes it."""

    def __init__(self, store: Store, planner: Planner, texts: Texts) -> None:
        """`texts` are in the language of the answers."""
        self._store, self._planner, self._texts = store, planner, texts

    async def for_finding(self, finding_id: FindingId, user: UserId, place: Place) -> Proposed:
        """Propose a fix for a finding, in its thread."""
        async with self._store.begin() as tx:
            finding = await tx.findings.get(finding_id)
        receipt = await self._propose(finding, Origin(place, user, finding_id))
        if receipt is not None and receipt.plan_id is not None:
            async with self._store.begin() as tx:
                current = await tx.findings.get(finding_id)
                await tx.findings.save(replace(current, plan=PlanId(receipt.plan_id)))
                await tx.outbox.refresh("finding", finding_id)
        return self._told(receipt)

    async def for_answer(self, run_id: RunId, user: UserId, place: Place) -> Proposed:
        """Propose a fix for the causes of an answer, in its thread."""
        async with self._store.begin() as tx:
            run = await tx.runs.get(run_id)
        if run.finding is not None:
            return await self.for_finding(run.finding, user, place)
        if run.answer is None:
            return Proposed(False, self._texts.say("proposal.no_answer"))
        causes = tuple(_cause(each) for each in run.answer.get("causes") or [])
        if not causes:
            return Proposed(False, self._texts.say("proposal.none_fits"))
        supposed = Finding(
            id=FindingId(run_id),
            service=causes[0].service,
            severity=Severity.MEDIUM,
            opened_at=run.started_at,
            anomalies=(),
            lines=(),
            causes=causes,
        )
        receipt = await self._propose(supposed, Origin(place, user, may_run_alone=False))
        return self._told(receipt)

    async def _propose(self, finding: Finding, origin: Origin) -> ProposalReceipt | None:
        receipt: ProposalReceipt | None = None
        for match in await self._planner.matches(finding):
            why = "; ".join(match.conditions) or "; ".join(c.cause for c in finding.causes[:1])
            draft = ProposalDraft(match.loaded.playbook.id, finding.service, why)
            receipt = await self._planner.propose(draft, origin, match.facts)
            if receipt.plan_id is not None:
                return receipt
        return receipt

    def _told(self, receipt: ProposalReceipt | None) -> Proposed:
        if receipt is None:
            return Proposed(False, self._texts.say("proposal.none_fits"))
        if receipt.plan_id is None:
            return Proposed(
                False,
                self._texts.say(
                    "proposal.refused",
                    guard=receipt.refused_by,
                    named=named_guard(self._texts, receipt.refused_by),
                    why=receipt.summary,
                ),
            )
        return Proposed(True, self._texts.say("proposal.made", id=receipt.plan_id))


def _cause(stored: dict[str, Any]) -> Cause:
    return Cause(
        cause=str(stored.get("cause", "")),
        service=ServiceName(str(stored.get("service", ""))),
        kind=str(stored.get("kind", "unknown")),
        confidence=float(stored.get("confidence") or 0),
        remediation=tuple(stored.get("remediation") or ()),
    )
