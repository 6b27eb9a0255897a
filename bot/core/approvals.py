"""Answers to plans: every door (Slack, REST API) comes through here.

    approve · reject · stop · resolve_unknown · undo · propose_again      by a person
    expire_due · remind_due · withdraw · review_waiting                   by the clock

A person is looked up and their role judged anew at every answer. Moves are compare-and-set; a lost
race is read and judged again. Every refusal is an audit row. A repeated click changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import structlog

from bot.core import resolving
from bot.core.gate import Gate
from bot.core.planner import Origin, Planner
from bot.core.ports import Clock, Person, PlanRecord, StaleError, Store, Transaction
from bot.domain import approval as moves
from bot.domain.approval import Approval, Approved, Expired, Pending, Yes
from bot.domain.audit import BOT, Event
from bot.domain.finding import Finding
from bot.domain.guards import Answerer, Moment, Refusal, check
from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.place import Place
from bot.domain.plan import PlanStatus, StepRun
from bot.locale import Texts
from tools.errors import BackendError
from tools.world import ProposalDraft

log = structlog.get_logger(__name__)

TRIES = 12  # lost races before we give up; two hundred clicks need a few
OPEN = (PlanStatus.WAITING, PlanStatus.HELD)
UNDOABLE = frozenset({PlanStatus.HALTED, PlanStatus.UNVERIFIED})
UNDO_ASKED = "undo asked by "  # begins the outcome of a plan that a person lets be undone


@dataclass(frozen=True, slots=True)
class Said:
    """What an answer came to. `text` is for the person who gave it."""

    accepted: bool
    status: PlanStatus | None
    text: str
    refused_by: str = ""  # name of the guard or "access"

    @property
    def ok(self) -> bool:
        """Whether it was accepted; what listeners ask."""
        return self.accepted

    @property
    def message(self) -> str:
        """The sentence for the person."""
        return self.text


Judge = Callable[[Transaction, PlanRecord, Answerer], Awaitable[Said]]


class Approvals:
    """The one place where plans are answered."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        gate: Gate,
        planner: Planner,
        texts: Texts,
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        """`wake` is called after a move that lets the execution go on."""
        self._store, self._clock, self._gate = store, clock, gate
        self._planner, self._texts, self._wake = planner, texts, wake

    # --- by a person ----------------------------------------------------------------------

    async def approve(
        self, plan_id: PlanId, user: UserId, channel: ChannelId, digest: str = ""
    ) -> Said:
        """Say yes to one plan, as it was shown. `digest` is compared where the door tells it."""

        async def judge(tx: Transaction, record: PlanRecord, who: Answerer) -> Said:
            pending = record.approval
            if record.status not in OPEN or not isinstance(pending, Pending):
                return self._late(record, user)
            case = await self._gate.case(tx, record, None, (who,), digest)
            refusal = check(replace(case, auto=False), Moment.ANSWER)
            if refusal is not None and refusal.guard == "expiry":
                return await self._expired(tx, record)
            if refusal is not None:
                return await self._refuse(tx, record, user, refusal)
            if any(yes.by == user for yes in pending.answers):
                return self._said(record, "plan.already_counted")
            answered = self._yes(record, pending, user)
            if isinstance(answered, Expired):
                return await self._expired(tx, record)
            done = isinstance(answered, Approved)
            status = PlanStatus.APPROVED if done else PlanStatus.WAITING
            moved = await tx.plans.move(replace(record, approval=answered, status=status))
            await self._note(
                tx,
                moved,
                "plan.approved",
                user,
                {
                    "answers": len(answered.answers),
                    "needed": record.plan.approvers_needed,
                    "complete": done,
                    "channel": channel,
                },
            )
            return self._said(moved, "plan.approved" if done else "plan.counted")

        said = await self._answer(plan_id, user, "plan.approve", judge, tiered=True)
        if said.accepted and said.status is PlanStatus.APPROVED:
            self._wake()
        return said

    def _yes(
        self, record: PlanRecord, pending: Pending, user: UserId
    ) -> Pending | Approved | Expired:
        """Add a yes; a held plan that somebody approves needs no further hold."""
        wall = self._clock.wall()
        if record.status is PlanStatus.HELD:
            pending = replace(pending, expires_at=record.plan.expires_at)
        return moves.approve(pending, user, record.plan.body.digest(), wall)

    async def reject(self, plan_id: PlanId, user: UserId, reason: str, channel: ChannelId) -> Said:
        """Say no, with a reason."""
        if not reason.strip():
            return Said(False, None, self._texts.say("plan.reason_needed"), "reason")

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            if record.status not in OPEN or not isinstance(record.approval, Pending):
                return self._late(record, user)
            pending = replace(record.approval, expires_at=record.plan.expires_at)
            rejected = moves.reject(pending, user, reason.strip()[:3000], self._clock.wall())
            if isinstance(rejected, Expired):
                return await self._expired(tx, record)
            moved = await self._end(tx, record, PlanStatus.REJECTED, "plan.rejected", rejected)
            await self._note(
                tx, moved, "plan.rejected", user, {"channel": channel}, private=rejected.reason
            )
            return self._said(moved, "plan.rejected")

        return await self._answer(plan_id, user, "plan.reject", judge, tiered=True)

    async def stop(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        """Stop a plan: before it runs it is withdrawn, at work it halts before the next step."""

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            if record.status.ended:
                return self._late(record, user)
            at_work = record.status not in {*OPEN, PlanStatus.APPROVED}
            if at_work and record.halted:
                return self._said(record, "plan.stopping")
            if at_work:
                moved = await tx.plans.move(replace(record, halted=True))
            else:
                text = self._texts.say("plan.stopped_by", user=user)
                state = self._withdrawn(record, text)
                moved = await self._end(tx, record, PlanStatus.WITHDRAWN, text, state, raw=True)
            await self._note(tx, moved, "plan.stopped", user, {"channel": channel})
            return self._said(moved, "plan.stopping" if at_work else "plan.withdrawn")

        said = await self._answer(plan_id, user, "plan.stop", judge)
        self._wake()
        return said

    async def resolve_unknown(
        self, plan_id: PlanId, user: UserId, verdict: str, channel: ChannelId | None = None
    ) -> Said:
        """Tell what became of the step whose outcome is unknown: done, undone or retry."""
        if verdict not in resolving.VERDICTS:
            raise ValueError(f"verdict {verdict!r} must be one of {', '.join(resolving.VERDICTS)}")

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            if record.status is not PlanStatus.OUTCOME_UNKNOWN:
                return self._late(record, user)
            unknown = resolving.find_unknown(await tx.plans.steps(plan_id))
            if unknown is None:
                return self._said(record, "plan.nothing_unknown", accepted=False)
            await self._resolve(tx, record, unknown, verdict, user)
            moved = await tx.plans.move(resolving.resumed(record, unknown, verdict))
            await self._note(
                tx,
                moved,
                f"step.told_{verdict}",
                user,
                {
                    "index": unknown.index,
                    "undo": unknown.undo,
                    "channel": channel,
                },
            )
            return self._said(moved, "plan.resumed")

        said = await self._answer(plan_id, user, f"plan.{verdict}", judge, tiered=True)
        self._wake()
        return said

    async def undo(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        """Take back what a halted or unhelpful plan did; its approval covers that."""

        async def judge(tx: Transaction, record: PlanRecord, _: Answerer) -> Said:
            if record.status not in UNDOABLE or not record.plan.body.undo:
                return self._late(record, user)
            text = UNDO_ASKED + user
            moved = await tx.plans.move(
                replace(
                    record,
                    status=PlanStatus.UNDOING,
                    halted=False,
                    ended_at=None,
                    outcome=text,
                    owner="",
                    heartbeat_at=None,
                )
            )
            await self._note(tx, moved, "plan.undo_asked", user, {"channel": channel})
            return self._said(moved, "plan.resumed")

        said = await self._answer(plan_id, user, "plan.undo", judge, tiered=True)
        self._wake()
        return said

    async def propose_again(self, plan_id: PlanId, user: UserId, channel: ChannelId) -> Said:
        """Propose the same playbook anew, with the world as it is now."""
        async with self._store.begin() as tx:
            record = await tx.plans.get(plan_id)
        plan = record.plan
        who = self._who(await self._gate.person(user), user, record, "plan.propose_again")
        if not who.allowed:
            async with self._store.begin() as tx:
                return await self._denied(tx, record, user, "plan.propose_again", who.why)
        if not record.status.ended:
            return self._late(record, user)
        draft = ProposalDraft(plan.body.playbook_id, plan.service, plan.reason, dict(plan.chosen))
        log.info("plan.asked_again", plan_id=plan_id, user=user, channel=channel)
        found = await self._planner.propose(draft, Origin(plan.place, user, plan.finding))
        if found.plan_id is None:
            text = self._texts.say("plan.refused", guard=found.refused_by, why=found.summary)
            return Said(False, record.status, text, found.refused_by)
        return Said(True, PlanStatus.WAITING, found.summary)

    # --- by the clock ---------------------------------------------------------------------

    async def expire_due(self) -> int:
        """Expire what nobody answered in time; returns how many."""
        wall, count = self._clock.wall(), 0
        for record in await self._list(PlanStatus.WAITING):
            if wall >= record.plan.expires_at:
                count += await self._try(record.plan.id, self._expire_now)
        return count

    async def remind_due(self) -> int:
        """Remind once, shortly before a plan expires; returns how many reminders were posted."""
        wall, count = self._clock.wall(), 0
        before = self._gate.policy().remind_before
        for record in await self._list(PlanStatus.WAITING):
            left = record.plan.expires_at - wall
            if before.total_seconds() >= left.total_seconds() > 0:
                count += await self._remind(record, round(left.total_seconds() / 60))
        return count

    async def withdraw(self, plan_id: PlanId, why: str) -> bool:
        """Take a plan back that nobody has claimed yet; False when it is too late."""

        async def judge(tx: Transaction, record: PlanRecord) -> bool:
            if record.status not in {*OPEN, PlanStatus.APPROVED}:
                return False
            state = self._withdrawn(record, why)
            moved = await self._end(tx, record, PlanStatus.WITHDRAWN, why, state, raw=True)
            await self._note(tx, moved, "plan.withdrawn", BOT, {"why": why})
            return True

        return await self._try(plan_id, judge)

    async def trigger_cleared(self, finding: Finding) -> int:
        """Withdraw the unclaimed plans of a finding whose anomalies are all gone."""
        async with self._store.begin() as tx:
            records = await tx.plans.of_finding(finding.id)
        why = self._texts.say("plan.trigger_cleared", finding=finding.id)
        return sum([await self.withdraw(record.plan.id, why) for record in records])

    async def review_waiting(self) -> int:
        """Withdraw waiting plans whose objects somebody has changed by hand; returns how many."""
        count = 0
        for record in await self._list(*OPEN):
            try:
                refusal = (await self._gate.look(record)).refusal
            except BackendError as error:
                log.warning("plan.not_reviewed", plan_id=record.plan.id, why=str(error))
                continue
            if refusal is not None:
                why = self._texts.say("plan.fixed_by_hand", why=refusal.message)
                count += await self.withdraw(record.plan.id, why)
        return count

    # --- inside ---------------------------------------------------------------------------

    async def _answer(
        self, plan_id: PlanId, user: UserId, right: str, judge: Judge, *, tiered: bool = False
    ) -> Said:
        """Look the person up, then judge inside one transaction; a lost race is judged again."""
        person = await self._gate.person(user)
        for _ in range(TRIES):
            try:
                async with self._store.begin() as tx:
                    record = await tx.plans.get(plan_id)
                    who = self._who(person, user, record, right, tiered=tiered)
                    if not who.allowed:
                        return await self._denied(tx, record, user, right, who.why)
                    return await judge(tx, record, who)
            except StaleError:
                continue
        return Said(False, None, self._texts.say("plan.busy"), "busy")

    def _who(
        self,
        person: Person | None,
        user: UserId,
        record: PlanRecord,
        right: str,
        *,
        tiered: bool = False,
    ) -> Answerer:
        plan = record.plan
        if tiered:
            return self._gate.answerer(person, user, plan, right)
        return self._gate.may(person, user, right, plan.place.channel, plan.service)

    async def _try(
        self, plan_id: PlanId, judge: Callable[[Transaction, PlanRecord], Awaitable[bool]]
    ) -> bool:
        for _ in range(TRIES):
            try:
                async with self._store.begin() as tx:
                    return await judge(tx, await tx.plans.get(plan_id))
            except StaleError:
                continue
        return False  # the next tick tries again

    async def _list(self, *statuses: PlanStatus) -> list[PlanRecord]:
        async with self._store.begin() as tx:
            return await tx.plans.list(statuses, limit=1000)

    async def _expire_now(self, tx: Transaction, record: PlanRecord) -> bool:
        if record.status is not PlanStatus.WAITING or not isinstance(record.approval, Pending):
            return False
        if self._clock.wall() < record.plan.expires_at:
            return False
        await self._expired(tx, record)
        return True

    async def _expired(self, tx: Transaction, record: PlanRecord) -> Said:
        state = Expired(record.plan.id, self._clock.wall())
        moved = await self._end(tx, record, PlanStatus.EXPIRED, "plan.expired", state)
        await self._note(tx, moved, "plan.expired", BOT, {})
        return self._said(moved, "plan.expired", accepted=False, guard="expiry")

    async def _remind(self, record: PlanRecord, minutes: int) -> bool:
        plan, key = record.plan, f"plan-reminder:{record.plan.id}"
        async with self._store.begin() as tx:
            if await tx.outbox.find(key) is not None:
                return False
            text = self._texts.say("plan.reminder", title=plan.title, minutes=minutes, id=plan.id)
            place = Place(plan.place.channel, plan.place.thread_ts)
            await tx.outbox.post(
                key,
                "notice",
                plan.id,
                place,
                {"text": text},
                behind="" if place.thread_ts else f"plan:{plan.id}",
            )
            await self._note(tx, record, "plan.reminded", BOT, {})
            return True

    def _withdrawn(self, record: PlanRecord, why: str) -> Approval:
        if isinstance(record.approval, Pending):
            return moves.withdraw(record.approval, why, self._clock.wall())
        return record.approval  # it was approved; that stays on record

    async def _end(
        self,
        tx: Transaction,
        record: PlanRecord,
        status: PlanStatus,
        text: str,
        state: Approval,
        *,
        raw: bool = False,
    ) -> PlanRecord:
        outcome = text if raw else self._texts.say(text, **self._fields(record))
        return await tx.plans.move(
            replace(
                record, status=status, approval=state, outcome=outcome, ended_at=self._clock.now()
            )
        )

    async def _refuse(
        self, tx: Transaction, record: PlanRecord, user: UserId, refusal: Refusal
    ) -> Said:
        await self._note(tx, record, "plan.refused", user, {"guard": refusal.guard})
        text = self._texts.say("plan.refused", guard=refusal.guard, why=refusal.message)
        return Said(False, record.status, text, refusal.guard)

    async def _denied(
        self, tx: Transaction, record: PlanRecord, user: UserId, right: str, why: str
    ) -> Said:
        await tx.audit.append(
            Event(
                kind="access.denied",
                at=self._clock.now(),
                actor=user,
                subject=record.plan.id,
                why=why,
                digest=record.plan.digest,
                facts={"right": right, "service": record.plan.service},
            )
        )
        log.info("access.denied", user=user, right=right, plan_id=record.plan.id)
        text = self._texts.say("plan.denied", why=why)
        return Said(False, record.status, text, "access")

    async def _resolve(
        self, tx: Transaction, record: PlanRecord, unknown: StepRun, verdict: str, user: UserId
    ) -> None:
        """Write what a person says of a step into its row."""
        body = record.plan.body
        step = (body.undo if unknown.undo else body.steps)[unknown.index]
        row = resolving.told(unknown, verdict, user, self._clock.now())
        await tx.plans.save_step(row, str(step.target))

    async def _note(
        self,
        tx: Transaction,
        record: PlanRecord,
        kind: str,
        actor: str,
        facts: dict[str, object],
        private: str = "",
    ) -> None:
        await tx.outbox.refresh("plan", record.plan.id)
        await tx.audit.append(
            Event(
                kind=kind,
                at=self._clock.now(),
                actor=actor,
                subject=record.plan.id,
                digest=record.plan.digest,
                facts={"status": record.status.value, **facts},
                private=private,
            )
        )

    def _late(self, record: PlanRecord, user: UserId) -> Said:
        """Answer a click that comes too late, or again."""
        own = isinstance(record.approval, Approved | Pending) and any(
            yes.by == user for yes in record.approval.answers
        )
        key = "plan.already_counted" if own else "plan.too_late"
        return self._said(record, key, accepted=own, guard="" if own else "status")

    def _said(
        self, record: PlanRecord, key: str, *, accepted: bool = True, guard: str = ""
    ) -> Said:
        text = self._texts.say(key, **self._fields(record))
        return Said(accepted, record.status, text, guard)

    def _fields(self, record: PlanRecord) -> dict[str, object]:
        """Return what texts about a plan may name."""
        answers: tuple[Yes, ...] = ()
        if isinstance(record.approval, Pending | Approved):
            answers = record.approval.answers
        return {
            "id": record.plan.id,
            "title": record.plan.title,
            "status": self._texts.say(f"plan.status.{record.status.value}"),
            "answers": len(answers),
            "needed": record.plan.approvers_needed,
        }
