"""Who answers in a terminal: the agent desk without Slack. A plan's card goes where it always goes.

model ──propose_plan──> the plan waits in the store ──> its card, drawn by the bot that runs
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from bot.composition.agent import agent_desk
from bot.composition.no_slack import NoSlack
from bot.composition.parts import Parts, owner_name
from bot.composition.remediation import open_hands, remediation_of
from bot.composition.slack import People, people_of
from bot.core.investigation.desk import AgentDesk
from bot.core.remediation.planning.planner import Origin, Planner
from bot.settings import slack_config
from tools.world import ProposalDraft, ProposalReceipt


@dataclass(frozen=True, slots=True)
class ServiceChannels:
    """The port `PlanDesk` of a run without a thread: a card goes to its service's channel."""

    parts: Parts
    planner: Planner
    people: People

    async def propose(self, draft: ProposalDraft) -> ProposalReceipt:
        """Turn a draft into a plan card, or say which guard refused it."""
        service = self.parts.live_files.catalogue().services.get(draft.service)
        return await self.planner.desk(Origin(self.people.place_of(service))).propose(draft)


def terminal_desk(parts: Parts, stack: AsyncExitStack) -> AgentDesk:
    """Build the desk; `stack` closes what only proposing needed.

    Slack's channels are known by the names the configuration gives them; nobody in it is asked.
    """
    settings = parts.settings
    slack = slack_config(settings, owner_name()) if settings.slack is not None else None
    known = people_of(slack, settings.access, parts.store, parts.clock)
    people = replace(known, directory=NoSlack())
    planner = remediation_of(parts, open_hands(settings, stack), people).planner
    return agent_desk(parts, lambda _run: ServiceChannels(parts, planner, people))
