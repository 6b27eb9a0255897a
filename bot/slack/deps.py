"""What the room is built over: core, and how the process is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from bot.core.detection.triage import Triage
from bot.core.incidents.desk import IncidentDesk
from bot.core.incidents.status import StatusDesk
from bot.core.investigation.answer_reactions import AnswerReactions
from bot.core.investigation.desk import AgentDesk
from bot.core.ports import Clock, PlanRecord, Store
from bot.core.remediation.answers.approvals import Approvals
from bot.core.remediation.answers.switches import Switches
from bot.core.remediation.planning.proposals import ProposalDesk
from bot.core.reports.digests import DigestDesk
from bot.core.reports.postmortems import PostmortemDesk
from bot.core.upkeep.rereading import Rereading
from bot.domain.access import AccessConfig
from bot.domain.plans.policy import Ruling
from bot.domain.secrets.redaction import Redactor
from tools.world import Catalogue


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackDeps:
    """What listeners call and renderers ask."""

    store: Store
    clock: Clock
    redactor: Redactor
    access: Callable[[], AccessConfig]
    catalogue: Callable[[], Catalogue]
    questions: AgentDesk
    reactions: AnswerReactions  # to answers
    plans: Approvals
    proposals: ProposalDesk
    postmortems: PostmortemDesk
    digests: DigestDesk
    switches: Switches  # halt and freeze
    triage: Triage  # acknowledge, mute, false alarm, declare
    incidents: IncidentDesk
    status_texts: StatusDesk  # what stakeholders are told of an incident
    files: Rereading  # catalogue, rules, playbooks and tools, read again
    status: Callable[[], Awaitable[Mapping[str, str]]]  # name and state, for `/sre status`
    ruling: Callable[[PlanRecord], Ruling]  # what policy says of a plan now
