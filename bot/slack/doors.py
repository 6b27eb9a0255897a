"""What listeners call: small Protocols over core, joined by the composition root.

    click ──> listener ──> PlanAnswers.approve(…) ──> Told(ok, message) ──> the person
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from bot.core.ports import AgentRun, Clock, Directory, Reply, Store
from bot.core.turn import Question
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
from bot.domain.place import Place
from bot.domain.redaction import Redactor
from tools.world import Catalogue


class Told(Protocol):
    """How a request ended, in one sentence for the person who made it."""

    @property
    def ok(self) -> bool: ...
    @property
    def message(self) -> str: ...


class Questions(Protocol):
    """Answers questions (`bot.core.turn.AgentDesk`)."""

    async def open(self, question: Question, run_id: RunId | None = None) -> AgentRun | None: ...
    async def answer(self, run: AgentRun, question: Question, reply: Reply) -> Answer | None: ...


class PlanAnswers(Protocol):
    """People's answers to plans. Roles and guards are judged inside again."""

    async def approve(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Told: ...
    async def reject(
        self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId
    ) -> Told: ...
    async def stop(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Told: ...
    async def resolve_unknown(
        self, plan_id: PlanId, user: UserId, verdict: str, channel: ChannelId
    ) -> Told: ...
    async def propose_again(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Told: ...


class Proposals(Protocol):
    """Looks for a playbook that fits; the plan's card is posted by the desk itself."""

    async def for_finding(self, finding_id: FindingId, user: UserId, place: Place) -> Told: ...
    async def for_answer(self, run_id: RunId, user: UserId, place: Place) -> Told: ...


class PostmortemDrafts(Protocol):
    """Drafts, edits and publishes postmortems; their card is posted by the desk itself."""

    async def draft(self, incident: IncidentId, user: UserId, place: Place) -> Told: ...
    async def edit(
        self, postmortem: PostmortemId, user: UserId, sections: Mapping[str, str]
    ) -> Told: ...
    async def publish(self, postmortem: PostmortemId, user: UserId) -> Told: ...


@dataclass(frozen=True, slots=True)
class SlackDeps:
    """What the room is built over. None is not available and said so to who asks for it.

    `status` gives lines of name and state for `/sre status`; `reload` reads catalogue and
    playbooks again; `digest` posts a digest to a channel now.
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
    digest: Callable[[ChannelId, UserId], Awaitable[Told]] | None = None
    reload: Callable[[UserId], Awaitable[Told]] | None = None
    status: Callable[[], Awaitable[Mapping[str, str]]] | None = None
    directory: Directory | None = None  # None: Slack's own
