"""The gate: gathers what the guards look at, from the store, the cluster and the people.

    look(plan)            outside any transaction: objects and people as they are now
    look_ahead(position)  the same before one step, or one step of the way back
    case(tx, …)           inside one: halt, freeze, cooldown, what else is running

Reading is kept out of transactions, so that a slow cluster never holds the database.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.core.ports import Clock, PlanRecord, Transaction
from bot.core.remediation.binding import Binder, Looked
from bot.core.remediation.guarding.halts import Halts
from bot.core.remediation.guarding.own_ground import OwnGroundReader
from bot.core.remediation.guarding.people import PeopleNow
from bot.core.remediation.guarding.plan_effects import (
    STARTED,
    WORKS_ON,
    effects_now,
    touched_by,
    touched_workloads,
    unforeseen_in,
    unknown_in,
    workloads_of,
)
from bot.core.remediation.guarding.steady_wall import SteadyWall
from bot.domain.audit import Anchor
from bot.domain.ids import PlanId
from bot.domain.plans import plan_proof
from bot.domain.plans.approval import Approved, Pending
from bot.domain.plans.guards import (
    GUARDS,
    PROTECTIONS,
    Answerer,
    Case,
    Moment,
    Refusal,
    TouchedObject,
    protection,
)
from bot.domain.plans.plan import AT_WORK, Plan, PlanStatus, Position
from bot.domain.plans.plan_life import AtWork
from bot.domain.plans.policy import PolicyConfig, Ruling, rule, strictest
from bot.domain.plans.risk import Tier
from tools.act.effects import EffectSet
from tools.errors import BackendError
from tools.world import Catalogue, ServiceMode, ServiceName, WorkloadRef

Anchored = Callable[[], Awaitable[Anchor | None]]  # the end of the audit known elsewhere
REMEMBERED = 1000  # plans whose newest move this process remembers


@dataclass(frozen=True, slots=True)
class Look:
    """The world as it was a moment ago."""

    objects: Mapping[int, Looked]  # by step index, of the steps that are still to be done
    answerers: tuple[Answerer, ...]
    version: int  # of the record that was looked at
    back: tuple[Looked, ...] = ()  # what stands where steps were that are done
    undo: Looked | None = None  # of the step of the way back that is about to be done
    unseen: str = ""  # why the objects could not be read

    @property
    def objections(self) -> tuple[Refusal, ...]:
        """What is wrong with the objects."""
        looked = [*self.objects.values(), *([self.undo] if self.undo is not None else [])]
        return tuple(each.refusal for each in looked if each.refusal is not None)

    @property
    def refusal(self) -> Refusal | None:
        """The first step that can no longer be done as it was shown."""
        return next(iter(self.objections), None)


async def nothing_anchored() -> Anchor | None:
    """Know of no end of the audit but the database's own."""
    return None


NOTHING_SEEN = Look({}, (), 0)


class Gate:
    """Builds cases."""

    def __init__(
        self,
        *,
        clock: Clock,
        binder: Binder,
        catalogue: Callable[[], Catalogue],
        policy: Callable[[], PolicyConfig],
        people: PeopleNow,
        halts: Halts,
        own: OwnGroundReader,
        anchored: Anchored = nothing_anchored,
    ) -> None:
        """Who answers a plan asks `people` as well, who lets it go on the `halts`.

        `anchored` is asked before a plan is taken to work on.
        """
        self.anchored = anchored
        self._clock, self._binder, self._own = clock, binder, own
        self._catalogue, self._policy = catalogue, policy
        self.people, self.halts = people, halts
        self.steady = SteadyWall(clock)
        self._moves: dict[PlanId, int] = {}  # the newest move of a plan that the audit told us

    def policy(self) -> PolicyConfig:
        """Return the policy in force."""
        return self._policy()

    def ruling(self, record: PlanRecord) -> Ruling:
        """Return what policy says of a plan now, for its card."""
        plan = record.plan
        mode = self.mode(plan.service, touched_by(plan))
        return rule(plan.tier, mode, self._policy())

    async def look(self, record: PlanRecord, *, dry_run: bool = False) -> Look:
        """Read objects and people of a plan. Raises BackendError when one cannot be read."""
        plan = record.plan
        await self._own.learn()
        objects = {
            i: await self._binder.look(step, dry_run=dry_run)
            for i, step in enumerate(plan.body.steps)
        }
        return Look(objects, await self.people.who_said_yes(record), record.version)

    async def look_ahead(self, record: PlanRecord, position: Position) -> Look:
        """Read what the guards look at before one step.

        Objects that cannot be read are told of a plan's own step; for one of the way back
        BackendError is raised. The way back asks nobody who they are.
        """
        await self._own.learn()
        if position.undo:
            undo = await self._binder.look_undo(record.plan.body.at(position))
            return Look({}, (), record.version, undo=undo)
        answerers = await self.people.who_said_yes(record)
        steps, first = record.plan.body.steps, position.index
        try:
            ahead = {
                first + i: await self._binder.look(each) for i, each in enumerate(steps[first:])
            }
            back = [await self._binder.look_back(each) for each in steps[:first]]
        except BackendError as error:
            return Look({}, answerers, record.version, unseen=str(error))
        return Look(ahead, answerers, record.version, tuple(back))

    async def case(
        self,
        tx: Transaction,
        record: PlanRecord,
        look: Look | None = None,
        answerers: Sequence[Answerer] | None = None,
        digest: str = "",
    ) -> Case:
        """Build the case of a plan that exists."""
        plan, seen = record.plan, look or NOTHING_SEEN
        objects = seen.objects
        people = answerers if answerers is not None else seen.answerers
        state, approval = record.state, record.approval
        now = effects_now(plan, objects)
        if seen.undo is not None:
            now = seen.undo.effects or EffectSet()
        stood = [each.effects for each in seen.back if each.effects is not None]
        found = await self._targets(tx, EffectSet.union([now, *stood]), plan.cooldown, record)
        return Case(
            config=self._policy(),
            now=self._clock.now(),
            wall=await self.steady.now(tx),
            tier=plan.tier,
            mode=self.mode(plan.service, [each.ref for each in now.everything()]),
            targets=found,
            unforeseen=unforeseen_in(record, now),
            objections=seen.objections,
            unseen=seen.unseen,
            pods_affected=sum(o.pods_affected for o in objects.values()),
            running=await self._running(tx, record),
            halted=await self.halts.stopping(tx, state),
            frozen=await self.halts.frozen(tx),
            cooldown=plan.cooldown,
            glass=isinstance(approval, Approved) and bool(approval.glass),
            gitops_owner=next((o.gitops_owner for o in objects.values() if o.gitops_owner), ""),
            plan=plan,
            approval=approval,
            unproved=await self.unproved(tx, record),
            stopped=isinstance(state, AtWork) and state.stop_asked,
            auto=plan.auto and isinstance(approval, Approved | Pending) and not approval.answers,
            answerers=tuple(people),
            asked_digest=digest,
        )

    async def draft_case(
        self,
        tx: Transaction,
        service: ServiceName,
        tier: Tier,
        effects: EffectSet,
        looked: Sequence[Looked] = (),
        cooldown: timedelta = timedelta(0),
    ) -> Case:
        """Build the case of a plan that is being proposed."""
        return Case(
            config=self._policy(),
            now=self._clock.now(),
            wall=await self.steady.now(tx),
            tier=tier,
            mode=self.mode(service, [each.ref for each in effects.everything()]),
            targets=await self._targets(tx, effects, cooldown),
            unforeseen=unknown_in(effects),
            pods_affected=sum(each.pods_affected for each in looked),
            halted=await self.halts.why(tx),
            frozen=await self.halts.frozen(tx),
            cooldown=cooldown,
            gitops_owner=next((each.gitops_owner for each in looked if each.gitops_owner), ""),
            git_change=next((each.git_change for each in looked if each.git_change), ""),
        )

    async def unproved(self, tx: Transaction, record: PlanRecord) -> str:
        """Say why nothing proves that a plan may go on as its row says; empty when it is proved.

        Asked wherever the bot would go on with a plan, before it writes a word of that into the
        audit: what it writes there is proof.
        """
        plan = record.plan
        told = await tx.audit.proved(plan.id)
        newest = self._remembered(plan.id, plan_proof.newest_move(told))
        if not record.genuine:
            why = "an older version of the bot wrote it, or somebody changed it in the database"
        elif newest > plan_proof.newest_move(told):
            why = "the audit told of more than it does now"
        else:
            steps = await tx.plans.steps(plan.id)
            why = plan_proof.unproved(plan, record.state, record.version, told, steps)
        return f"nothing proves {plan.id} as it stands: {why}" if why else ""

    async def cut_off(
        self, tx: Transaction, plan_id: PlanId, known: Anchor | None
    ) -> Refusal | None:
        """Return the guard `proof` where the audit lost what it told since a plan was proposed.

        Asked when a process takes a plan: it saw nothing of it before, and what the audit does not
        tell any more may have happened. `known` is what `anchored` returned a moment ago.
        """
        why = await tx.audit.fault_since(plan_id, known)
        return Refusal("proof", f"nothing proves {plan_id} as it stands: {why}") if why else None

    async def remember(self, tx: Transaction, plan_id: PlanId) -> None:
        """Remember how far a plan is that another process works on.

        Its earlier rows, put back with the audit cut off behind them, are then known for what they
        are here as well.
        """
        self._remembered(plan_id, plan_proof.newest_move(await tx.audit.proved(plan_id)))

    def _remembered(self, plan_id: PlanId, told: int) -> int:
        """Return the newest move of a plan that the audit ever told this process."""
        newest = max(told, self._moves.pop(plan_id, 0))
        self._moves[plan_id] = newest  # the last one asked about is the last one forgotten
        while len(self._moves) > REMEMBERED:
            del self._moves[next(iter(self._moves))]
        return newest

    async def disowned(self, tx: Transaction, record: PlanRecord, moment: Moment) -> Refusal | None:
        """Return the guard `proof` where it objects, before anything else is looked at."""
        if moment not in GUARDS["proof"].moments:
            return None
        why = await self.unproved(tx, record)
        return Refusal("proof", why) if why else None

    def mode(self, service: str, refs: Sequence[WorkloadRef]) -> ServiceMode:
        """Return the strictest mode of the services a plan is for or touches."""
        catalogue = self._catalogue()
        own = catalogue.services.get(ServiceName(service))
        touched = [spec for ref in refs for spec in catalogue.services_of(ref)]
        return strictest(spec.mode for spec in (own, *touched) if spec is not None)

    def protected(self, ref: WorkloadRef) -> bool:
        """Say whether the service catalogue protects an object."""
        return any(spec.protected for spec in self._catalogue().services_of(ref))

    def protection(self, effects: EffectSet) -> Refusal | None:
        """Return why some of an effect set must never be touched, None when all of it may."""
        case = Case(
            config=self._policy(),
            now=self._clock.now(),
            wall=self._clock.wall(),
            tier=Tier.AUTO,
            mode=ServiceMode.APPROVE,
            targets=self._touched(effects),
            unforeseen=unknown_in(effects),
        )
        return protection(case)

    def is_protected(self, effects: EffectSet) -> bool:
        """Say whether somebody protects some of an effect set."""
        refusal = self.protection(effects)
        return refusal is not None and refusal.guard in PROTECTIONS

    def objection(self, effects: EffectSet) -> str:
        """Return the same in words, empty when all of it may be touched."""
        refusal = self.protection(effects)
        return refusal.message if refusal is not None else ""

    async def _targets(
        self,
        tx: Transaction,
        effects: EffectSet,
        cooldown: timedelta,
        record: PlanRecord | None = None,
    ) -> tuple[TouchedObject, ...]:
        """Return the whole effect set with what the store knows of its workloads."""
        plan = record.plan if record is not None else None
        others = [
            other
            for other in await tx.plans.list([*AT_WORK, PlanStatus.OUTCOME_UNKNOWN], limit=None)
            if plan is None or other.plan.id != plan.id
        ]
        if record is not None and isinstance(record.state, AtWork):
            others = [each for each in others if _has_worker(each)]  # the rest gives way to it
        busy = {
            ref: str(each.plan.id)
            for each in others
            for ref in workloads_of([*each.plan.body.steps, *each.plan.body.undo])
        }
        since = self._clock.now() - max(self._policy().cooldown, cooldown)
        at = await self._touched_at(tx, since, plan)
        mine = {str(ref) for ref in effects.workloads()}
        return tuple(
            replace(each, touched_at=at.get(str(each.ref)), busy=busy.get(str(each.ref), ""))
            if str(each.ref) in mine
            else each
            for each in self._touched(effects)
        )

    async def _touched_at(
        self, tx: Transaction, since: datetime, plan: Plan | None
    ) -> dict[str, datetime]:
        """Return when other plans' steps last touched a workload.

        By their rows and by what the audit tells of them: deleting the rows ends no cooldown.
        """
        own = plan.id if plan is not None else ""
        found = [
            (ref, touch.at)
            for touch in await tx.plans.touched_since(since)
            if touch.plan.id != own
            for ref in touched_workloads(touch)
        ]
        found += [
            (str(ref), event.at)
            for event in await tx.audit.happened(STARTED, since)
            if event.subject != own
            for ref in event.facts.get(WORKS_ON, ())
        ]
        return dict(sorted(found, key=lambda each: each[1]))

    def _touched(self, effects: EffectSet) -> tuple[TouchedObject, ...]:
        """Return every object of an effect set with what the catalogue and policy say of it."""
        behind = {each.reached.ref: each.members for each in effects.services}
        return tuple(
            TouchedObject(
                ref=each.ref,
                labels=each.labels,
                protected=any(self.protected(ref) for ref in (each.ref, *behind.get(each.ref, ()))),
                own=self._own.of(each.ref),
            )
            for each in effects.everything()
        )

    async def _running(self, tx: Transaction, record: PlanRecord) -> int:
        """Count the other plans at work.

        For one that is let go on, those that a process works on; for one that a process works on
        itself, those of them proposed before it, so that a lower limit stops the youngest.
        """
        at_work = await tx.plans.list(AT_WORK, limit=None)
        others = [other for other in at_work if other.plan.id != record.plan.id]
        if isinstance(record.state, AtWork):
            others = [other for other in others if _has_worker(other)]
        if _has_worker(record):
            others = [other for other in others if _place(other.plan) < _place(record.plan)]
        return len(others)


def _has_worker(record: PlanRecord) -> bool:
    return isinstance(record.state, AtWork) and record.state.worker is not None


def _place(plan: Plan) -> tuple[datetime, str]:
    return plan.created_at, plan.id
