"""The gate: gathers what the guards look at, from the store, the cluster and the directory.

    look(plan)   outside any transaction: objects and people as they are now
    case(tx, …)  inside one: halt, freeze, cooldown, what else is running

Reading is kept out of transactions, so that a slow cluster never holds the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.core.ports import Clock, Directory, Person, PlanRecord, Touch, Transaction
from bot.core.remediation.binding import Binder, Looked
from bot.core.remediation.own_ground import OwnGroundReader
from bot.domain.access import AccessConfig, decide, has_role
from bot.domain.approval import Approved, Pending, answers_of
from bot.domain.guards import PROTECTIONS, Answerer, Case, Refusal, TouchedObject, protection
from bot.domain.ids import UserId
from bot.domain.plan import AT_WORK, Plan, PlanStatus, Step
from bot.domain.plan_life import AtWork
from bot.domain.policy import PolicyConfig, Ruling, role_for, rule, strictest
from bot.domain.risk import Tier
from tools.act.effects import EffectSet, Reached
from tools.errors import NotFoundError
from tools.world import Catalogue, ServiceMode, ServiceName, WorkloadRef

HALT, FREEZE = "halt", "freeze"  # names of the flags


@dataclass(frozen=True, slots=True)
class Look:
    """The world as it was a moment ago."""

    objects: Mapping[int, Looked]  # by step index
    answerers: tuple[Answerer, ...]
    version: int  # of the record that was looked at

    @property
    def refusal(self) -> Refusal | None:
        """The first step that can no longer be done as it was shown."""
        for looked in self.objects.values():
            if looked.refusal is not None:
                return looked.refusal
        return None


class Gate:
    """Builds cases."""

    def __init__(
        self,
        *,
        clock: Clock,
        binder: Binder,
        directory: Directory,
        catalogue: Callable[[], Catalogue],
        policy: Callable[[], PolicyConfig],
        access: Callable[[], AccessConfig],
        own: OwnGroundReader,
        halt_file: Callable[[], str] = lambda: "",
    ) -> None:
        """`halt_file` tells why, when the kill switch file exists; empty otherwise."""
        self._clock, self._binder, self._directory = clock, binder, directory
        self._catalogue, self._policy, self._access = catalogue, policy, access
        self._own, self._halt_file = own, halt_file

    def policy(self) -> PolicyConfig:
        """Return the policy in force."""
        return self._policy()

    def ruling(self, record: PlanRecord) -> Ruling:
        """Return what policy says of a plan now, for its card."""
        plan = record.plan
        mode = self.mode(plan.service, touched_by(plan))
        return rule(plan.tier, mode, self._policy())

    async def person(self, user: UserId) -> Person | None:
        """Return a person, None when the directory does not know them."""
        try:
            return await self._directory.person(user)
        except NotFoundError:
            return None

    def answerer(self, person: Person | None, user: UserId, plan: Plan, right: str) -> Answerer:
        """Say whether somebody may answer a plan; judged where its card lives."""
        if person is None:
            return Answerer(user, False, f"the directory does not know {user!r}")
        config, channel = self._access(), plan.place.channel
        for service in self._services(plan):
            for each in (
                decide(person, right, config, channel, service),
                has_role(person, role_for(plan.tier), config, channel, service),
            ):
                if not each.allowed:
                    return Answerer(user, False, each.why)
        return Answerer(user, True)

    def may(
        self, person: Person | None, user: UserId, right: str, channel: str, service: str = ""
    ) -> Answerer:
        """Say whether somebody has a right that no tier raises."""
        if person is None:
            return Answerer(user, False, f"the directory does not know {user!r}")
        found = decide(person, right, self._access(), channel, service)
        return Answerer(user, found.allowed, found.why)

    async def look(self, record: PlanRecord, *, dry_run: bool = False) -> Look:
        """Read objects and people of a plan. Raises BackendError when one cannot be read."""
        plan = record.plan
        await self._own.learn()
        objects = {
            i: await self._binder.look(step, dry_run=dry_run)
            for i, step in enumerate(plan.body.steps)
        }
        answerers = []
        for yes in answers_of(record.approval):
            person = await self.person(yes.by)
            answerers.append(self.answerer(person, yes.by, plan, "plan.approve"))
        return Look(objects, tuple(answerers), record.version)

    async def case(
        self,
        tx: Transaction,
        record: PlanRecord,
        look: Look | None = None,
        answerers: Sequence[Answerer] | None = None,
        digest: str = "",
    ) -> Case:
        """Build the case of a plan that exists."""
        plan = record.plan
        objects = look.objects if look is not None else {}
        people = answerers if answerers is not None else look.answerers if look is not None else ()
        state, approval = record.state, record.approval
        now = effects_now(plan, objects)
        found = await self._targets(tx, now, plan.cooldown, plan)
        return Case(
            config=self._policy(),
            now=self._clock.now(),
            wall=self._clock.wall(),
            tier=plan.tier,
            mode=self.mode(plan.service, [each.ref for each in now.everything()]),
            targets=found,
            unforeseen=_unforeseen(record, now),
            pods_affected=sum(o.pods_affected for o in objects.values()),
            running=await self._running(tx, plan),
            halted=await self.halted(tx),
            frozen=await tx.flags.get(FREEZE),
            cooldown=plan.cooldown,
            glass=isinstance(approval, Approved) and bool(approval.glass),
            gitops_owner=next((o.gitops_owner for o in objects.values() if o.gitops_owner), ""),
            plan=plan,
            approval=approval,
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
            wall=self._clock.wall(),
            tier=tier,
            mode=self.mode(service, [each.ref for each in effects.everything()]),
            targets=await self._targets(tx, effects, cooldown),
            unforeseen=_unknown(effects),
            pods_affected=sum(each.pods_affected for each in looked),
            halted=await self.halted(tx),
            frozen=await tx.flags.get(FREEZE),
            cooldown=cooldown,
            gitops_owner=next((each.gitops_owner for each in looked if each.gitops_owner), ""),
            git_change=next((each.git_change for each in looked if each.git_change), ""),
        )

    async def halted(self, tx: Transaction) -> str:
        """Return why nothing may run, empty when the kill switch is off."""
        return await tx.flags.get(HALT) or self._halt_file()

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
            unforeseen=_unknown(effects),
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

    def _services(self, plan: Plan) -> tuple[str, ...]:
        catalogue = self._catalogue()
        touched = [spec.name for ref in touched_by(plan) for spec in catalogue.services_of(ref)]
        return tuple(dict.fromkeys([plan.service, *touched]))

    async def _targets(
        self, tx: Transaction, effects: EffectSet, cooldown: timedelta, plan: Plan | None = None
    ) -> tuple[TouchedObject, ...]:
        """Return the whole effect set with what the store knows of its workloads."""
        others = [
            record.plan
            for record in await tx.plans.list([*AT_WORK, PlanStatus.OUTCOME_UNKNOWN], limit=1000)
            if plan is None or record.plan.id != plan.id
        ]
        busy = {ref: str(each.id) for each in others for ref in _workloads(each.body.steps)}
        since = self._clock.now() - max(self._policy().cooldown, cooldown)
        touches = [
            touch
            for touch in await tx.plans.touched_since(since)
            if plan is None or touch.plan.id != plan.id
        ]
        at = {ref: touch.at for touch in reversed(touches) for ref in _touched_workloads(touch)}
        mine = {str(ref) for ref in effects.workloads()}
        return tuple(
            replace(each, touched_at=at.get(str(each.ref)), busy=busy.get(str(each.ref), ""))
            if str(each.ref) in mine
            else each
            for each in self._touched(effects)
        )

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

    async def _running(self, tx: Transaction, plan: Plan) -> int:
        at_work = await tx.plans.list(AT_WORK, limit=1000)
        return sum(record.plan.id != plan.id for record in at_work)


def effects_now(plan: Plan, objects: Mapping[int, Looked]) -> EffectSet:
    """Return what a plan touches: as its steps were read just now, else as they were shown."""
    now = []
    for index, step in enumerate(plan.body.steps):
        looked = objects.get(index)
        now.append(looked.effects if looked is not None and looked.effects else _shown(step))
    return EffectSet.union([*now, *(_shown(step) for step in plan.body.undo)])


def touched_by(plan: Plan) -> tuple[WorkloadRef, ...]:
    """Return every object that a plan, as it was shown, touches."""
    return tuple(each.ref for each in effects_now(plan, {}).everything())


def _shown(step: Step) -> EffectSet:
    """Return what a step said it touches; one of an older version named its target alone."""
    return step.effects or EffectSet(objects=(Reached(step.target, top=True),))


def _workloads(steps: Sequence[Step]) -> set[str]:
    """Return what some steps work on, by the names that two plans must not share."""
    return {str(ref) for step in steps for ref in _shown(step).workloads()}


def _touched_workloads(touch: Touch) -> set[str]:
    return _workloads([touch.plan.body.at(touch.position)])


def _unknown(effects: EffectSet) -> str:
    """Return what of an effect set nobody knows, empty when all of it is known."""
    for each in effects.unknown():
        return f"nobody knows {each.ref}, which it would reach: {each.why}"
    return ""


def _unforeseen(record: PlanRecord, now: EffectSet) -> str:
    """Return what a plan would touch beyond what it was shown with."""
    shown = record.plan.body.effects()
    if shown is None:
        if isinstance(record.state, AtWork):
            return ""  # it was approved and begun by an older version; protection still counts
        return (
            "an older version made this plan without saying all that it touches; propose it again"
        )
    return _unknown(now) or shown.excess(now)
