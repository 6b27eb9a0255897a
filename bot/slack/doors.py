"""What listeners call: small Protocols over core, joined by the composition root.

click ──> listener ──> PlanAnswers.approve(…) ──> Told(ok, message) ──> the person
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.core.detection.triage import AlarmDesk
from bot.core.ports import Clock, Directory, PlanRecord, Reply, Store
from bot.core.remediation.switches import Switches
from bot.domain.access import AccessConfig
from bot.domain.answer import Answer
from bot.domain.ids import (
    ChannelId,
    FindingId,
    IncidentId,
    PlanId,
    PostmortemId,
    RunId,
    UserId,
)
from bot.domain.incident import Incident
from bot.domain.place import Place
from bot.domain.policy import Ruling
from bot.domain.postmortem import Postmortem
from bot.domain.question import Question
from bot.domain.redaction import Redactor
from bot.domain.run import Running
from tools.world import Catalogue


class Told(Protocol):
    """How a request ended, in one sentence for the person who made it."""

    @property
    def ok(self) -> bool: ...
    @property
    def message(self) -> str: ...


class Questions(Protocol):
    """Answers questions (`bot.core.investigation.desk.AgentDesk`)."""

    async def open(self, question: Question, run_id: RunId | None = None) -> Running | None: ...
    async def answer(self, run: Running, reply: Reply) -> Answer | None: ...


class PlanAnswers(Protocol):
    """People's answers to plans (`bot.core.remediation.approvals`), which judges them again."""

    async def approve(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Told: ...
    async def reject(
        self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId
    ) -> Told: ...
    async def stop(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Told: ...
    async def resolve_unknown(
        self, plan_id: PlanId, user: UserId, verdict: str, channel: ChannelId
    ) -> Told: ...
    async def undo(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Told: ...
    async def propose_again(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Told: ...
    async def break_glass(
        self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId
    ) -> Told: ...
    async def edit(
        self, plan_id: PlanId, user: UserId, values: Mapping[str, str], channel: ChannelId
    ) -> Told: ...


class Proposals(Protocol):
    """Looks for a playbook that fits; the plan's card is posted by the desk itself."""

    async def for_finding(self, finding_id: FindingId, user: UserId, place: Place) -> Told: ...
    async def for_answer(self, run_id: RunId, user: UserId, place: Place) -> Told: ...


class PostmortemDrafts(Protocol):
    """Drafts, edits, publishes postmortems (`bot.core.reports.postmortems`); shows their card.

    Raises NotFoundError, and ValueError for what cannot be edited.
    """

    async def find_incident(self, place: Place, named: str = "") -> Incident | None: ...
    async def draft(
        self, incident_id: IncidentId, by: UserId | None, place: Place | None = None
    ) -> Postmortem: ...
    async def edit(
        self, postmortem_id: PostmortemId, by: UserId, fields: Mapping[str, str]
    ) -> Postmortem: ...
    async def publish(self, postmortem_id: PostmortemId, by: UserId) -> Postmortem: ...


class Digests(Protocol):
    """Writes digests (`bot.core.reports.digests.DigestDesk`)."""

    async def preview(self, channel: ChannelId) -> Mapping[str, Any]: ...


@dataclass(frozen=True, slots=True)
class SlackDeps:
    """What the room is built over. None is not available and said so to who asks for it.

    `status` gives lines of name and state for `/sre status`; `reload` reads catalogue and
    playbooks again.
    """

    store: Store
    clock: Clock
    questions: Questions
    redactor: Redactor
    access: Callable[[], AccessConfig]
    catalogue: Callable[[], Catalogue]
    plans: PlanAnswers | None = None
    proposals: Proposals | None = None
    postmortems: PostmortemDrafts | None = None
    digests: Digests | None = None
    switches: Switches | None = None  # halt and freeze
    alarms: AlarmDesk | None = None  # acknowledge, mute, false alarm, declare
    reload: Callable[[UserId], Awaitable[Told]] | None = None
    status: Callable[[], Awaitable[Mapping[str, str]]] | None = None
    ruling: Callable[[PlanRecord], Ruling] | None = None  # what policy says of a plan now
    directory: Directory | None = None  # None: Slack's own
