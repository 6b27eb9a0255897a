"""The gate: gathers what the guards look at, from the store, the cluster and the directory.

    look(plan)   outside any transaction: objects and people as they are now
    case(tx, …)  inside one: halt, freeze, cooldown, what else is running

Reading is kept out of transactions, so that a slow cluster never holds the database.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from bot.core.ports import Clock, Directory, Person, PlanRecord, Transaction
from bot.core.remediation.binding import Binder, Looked
from bot.domain.access import AccessConfig, decide, has_role
from bot.domain.approval import Approved, Pending, answers_of
from bot.domain.guards import Answerer, Case, Refusal, TouchedObject
from bot.domain.ids import UserId
from bot.domain.plan import AT_WORK, Plan, PlanStatus
from bot.domain.plan_life import AtWork
from bot.domain.policy import PolicyConfig, Ruling, role_for, rule, strictest
from bot.domain.risk import Tier
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
        halt_file: Callable[[], str] = lambda: "",
    ) -> None:
        """`halt_file` tells why, when the kill switch file exists; empty otherwise."""
        self._clock, self._binder, self._directory = clock, binder, directory
        self._catalogue, self._policy, self._access = catalogue, policy, access
        self._halt_file = halt_file

    def policy(self) -> PolicyConfig:
        """Return the policy in force."""
        return self._policy()

    def ruling(self, record: PlanRecord) -> Ruling:
        """Return what policy says of a plan now, for its card."""
        plan = record.plan
        mode = self.mode(plan.service, [step.target for step in plan.body.steps])
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
        refs = [step.target for step in plan.body.steps]
        state, approval = record.state, record.approval
        found = await self._targets(tx, refs, {i: o.labels for i, o in objects.items()}, plan)
        return Case(
            config=self._policy(),
            now=self._clock.now(),
            wall=self._clock.wall(),
            tier=plan.tier,
            mode=self.mode(plan.service, refs),
            targets=found,
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
        looked: Sequence[Looked],
        refs: Sequence[WorkloadRef],
        cooldown: timedelta = timedelta(0),
    ) -> Case:
        """Build the case of a plan that is being proposed."""
        return Case(
            config=self._policy(),
            now=self._clock.now(),
            wall=self._clock.wall(),
            tier=tier,
            mode=self.mode(service, refs),
            targets=await self._targets(tx, refs, {i: o.labels for i, o in enumerate(looked)}),
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
        touched = [catalogue.service_of(ref) for ref in refs]
        return strictest(spec.mode for spec in (own, *touched) if spec is not None)

    def protected(self, ref: WorkloadRef) -> bool:
        """Say whether the service catalogue protects an object."""
        spec = self._catalogue().service_of(ref)
        return spec is not None and spec.protected

    def _services(self, plan: Plan) -> tuple[str, ...]:
        catalogue = self._catalogue()
        touched = [catalogue.service_of(step.target) for step in plan.body.steps]
        return tuple(dict.fromkeys([plan.service, *(s.name for s in touched if s is not None)]))

    async def _targets(
        self,
        tx: Transaction,
        refs: Sequence[WorkloadRef],
        labels: Mapping[int, Mapping[str, str]],
        plan: Plan | None = None,
    ) -> tuple[TouchedObject, ...]:
        busy = await self._busy(tx, plan)
        return tuple(
            [
                TouchedObject(
                    ref=ref,
                    labels=labels.get(index, {}),
                    protected=self.protected(ref),
                    touched_at=await tx.plans.last_action_on(str(ref)),
                    busy=busy.get(str(ref), ""),
                )
                for index, ref in enumerate(refs)
            ]
        )

    async def _busy(self, tx: Transaction, plan: Plan | None) -> dict[str, str]:
        at_work = await tx.plans.list([*AT_WORK, PlanStatus.OUTCOME_UNKNOWN])
        return {
            str(step.target): str(record.plan.id)
            for record in at_work
            for step in record.plan.body.steps
            if plan is None or record.plan.id != plan.id
        }

    async def _running(self, tx: Transaction, plan: Plan) -> int:
        at_work = await tx.plans.list(AT_WORK)
        return sum(record.plan.id != plan.id for record in at_work)
