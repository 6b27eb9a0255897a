"""Who answers in a terminal: the agent desk without Slack. A plan's card goes where it always goes.

model ──propose_plan──> the plan waits in the store ──> its card, drawn by the bot that runs
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bot.composition.agent import agent_desk
from bot.composition.parts import Parts, owner_name
from bot.composition.remediation import NobodyKnown, open_hands, remediation_of
from bot.core.investigation.desk import AgentDesk
from bot.core.remediation.planner import Origin, Planner
from bot.domain.ids import ChannelId
from bot.domain.place import TERMINAL, Place
from bot.settings import slack_config
from tools.world import ProposalDraft, ProposalReceipt, ServiceSpec


@dataclass(frozen=True, slots=True)
class ServiceChannels:
    """The port `PlanDesk` of a run without a thread: a card goes to its service's channel."""

    parts: Parts
    planner: Planner
    place_of: Callable[[ServiceSpec | None], Place]

    async def propose(self, draft: ProposalDraft) -> ProposalReceipt:
        """Turn a draft into a plan card, or say which guard refused it."""
        service = self.parts.shelf.catalogue().services.get(draft.service)
        return await self.planner.desk(Origin(self.place_of(service))).propose(draft)


def terminal_desk(parts: Parts, stack: AsyncExitStack) -> AgentDesk:
    """Build the desk; `stack` closes what only proposing needed."""
    settings = parts.settings
    slack = slack_config(settings, owner_name()) if settings.slack is not None else None

    def place_of(service: ServiceSpec | None) -> Place:
        if slack is None:
            return TERMINAL
        named = service.channel if service is not None else ""
        return Place(ChannelId(named or slack.incidents_channel))

    hands = open_hands(settings, stack)
    planner = remediation_of(parts, hands, NobodyKnown(), place_of, str).planner
    return agent_desk(parts, lambda _run: ServiceChannels(parts, planner, place_of))
