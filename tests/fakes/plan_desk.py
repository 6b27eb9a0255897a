"""A plan desk from memory."""

from __future__ import annotations

from tools.world import ProposalDraft, ProposalReceipt


class FakePlanDesk:
    """Implements `tools.ports.PlanDesk`: numbers the drafts of the playbooks that it knows."""

    def __init__(self, *known: str) -> None:
        self.known, self.drafts = known, list[ProposalDraft]()

    async def propose(self, draft: ProposalDraft) -> ProposalReceipt:
        if draft.playbook_id not in self.known:
            return ProposalReceipt(None, "", f"no playbook {draft.playbook_id!r}", "playbook")
        self.drafts.append(draft)
        number = f"PLAN-{len(self.drafts)}"
        return ProposalReceipt(number, "semi_auto", "One approver must click.")
