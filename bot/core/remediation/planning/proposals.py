"""From a finding or an answer to a plan: the best playbook that fits and is not refused.

finding or answered run ──causes──> matching playbooks ──first that is not refused──> plan card

The bot asks for itself (`for_new_finding`), a person by a button (`for_finding`, `for_answer`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bot.core.ports import Store
from bot.core.remediation.plan_moves import named_guard
from bot.core.remediation.planning.planner import Origin, Planner
from bot.core.remediation.planning.playbook_choice import (
    Match,
    PlaybookChoice,
    Trouble,
    trouble_of,
)
from bot.domain.finding import Finding
from bot.domain.ids import FindingId, PlanId, RunId, UserId
from bot.domain.place import Place
from bot.domain.run import Done
from bot.locale import Texts
from tools.world import ProposalDraft, ProposalReceipt, ServiceName


@dataclass(frozen=True, slots=True)
class Proposed:
    """What asking for a fix came to."""

    ok: bool
    message: str


@dataclass(frozen=True, slots=True)
class ProposalDesk:
    """Finds the playbook that fits and proposes it."""

    store: Store
    choice: PlaybookChoice
    planner: Planner
    place_of: Callable[[ServiceName], Place]  # channel of a service's cards
    texts: Texts  # in the language of the answers

    async def for_new_finding(self, finding: Finding) -> ProposalReceipt | None:
        """Propose a fix by the bot's own decision; None when no playbook fits."""
        place = finding.place or self.place_of(finding.service)
        behind = "" if place.thread_ts else f"finding:{finding.id}"
        origin = Origin(place, None, finding.id, behind)
        trouble = trouble_of(finding)
        return await self._propose(
            trouble, origin, lambda match: _first_cause(trouble) or _conditions(match)
        )

    async def for_finding(self, finding_id: FindingId, user: UserId, place: Place) -> Proposed:
        """Propose a fix for a finding, in its thread."""
        async with self.store.begin() as tx:
            finding = await tx.findings.get(finding_id)
        origin = Origin(place, user, finding_id)
        return self._told(await self._asked_for(trouble_of(finding), origin))

    async def for_answer(self, run_id: RunId, user: UserId, place: Place) -> Proposed:
        """Propose a fix for the causes of an answer, in its thread."""
        async with self.store.begin() as tx:
            run = await tx.runs.get(run_id)
        if run.finding is not None:
            return await self.for_finding(run.finding, user, place)
        if not isinstance(run, Done):
            return Proposed(False, self.texts.say("proposal.no_answer"))
        causes = run.answer.causes
        if not causes:
            return Proposed(False, self.texts.say("proposal.none_fits"))
        origin = Origin(place, user, may_run_alone=False)
        return self._told(await self._asked_for(Trouble(causes[0].service, causes), origin))

    async def _asked_for(self, trouble: Trouble, origin: Origin) -> ProposalReceipt | None:
        return await self._propose(
            trouble, origin, lambda match: _conditions(match) or _first_cause(trouble)
        )

    async def _propose(
        self, trouble: Trouble, origin: Origin, why: Callable[[Match], str]
    ) -> ProposalReceipt | None:
        """Propose the best match that is not refused; a finding then names its plan."""
        receipt: ProposalReceipt | None = None
        for match in await self.choice.matches(trouble):
            draft = ProposalDraft(match.loaded.playbook.id, trouble.service, why(match))
            receipt = await self.planner.propose(draft, origin, match.facts)
            if receipt.plan_id is not None:
                if origin.finding is not None:
                    await self._name_plan(origin.finding, PlanId(receipt.plan_id))
                return receipt
        return receipt

    async def _name_plan(self, finding_id: FindingId, plan_id: PlanId) -> None:
        async with self.store.begin() as tx:
            current = await tx.findings.get(finding_id)
            await tx.findings.save(replace(current, plan=plan_id))
            await tx.outbox.refresh("finding", finding_id)

    def _told(self, receipt: ProposalReceipt | None) -> Proposed:
        if receipt is None:
            return Proposed(False, self.texts.say("proposal.none_fits"))
        if receipt.plan_id is None:
            return Proposed(
                False,
                self.texts.say(
                    "proposal.refused",
                    guard=receipt.refused_by,
                    named=named_guard(self.texts, receipt.refused_by),
                    why=receipt.summary,
                ),
            )
        return Proposed(True, self.texts.say("proposal.made", id=receipt.plan_id))


def _first_cause(trouble: Trouble) -> str:
    return trouble.causes[0].cause if trouble.causes else ""


def _conditions(match: Match) -> str:
    return "; ".join(match.conditions)
