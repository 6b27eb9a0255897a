"""Any order of clicks, clocks, kills, restarts, halts, role and policy changes, with two replicas.

Every effect on the cluster is judged at the moment it happens: it belongs to one step of one plan,
it happens once, it meets the object that was shown, and when its plan began it was approved by
enough people who might, had not expired, was neither halted nor frozen and touched nothing
protected. At the end the audit chain verifies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import pytest
import structlog
from hypothesis import HealthCheck, settings
from hypothesis import seed as seed_of_hypothesis
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    get_state_machine_test,
    initialize,
    invariant,
    multiple,
    rule,
)

from bot.domain.access import AccessConfig, Role
from bot.domain.ids import PlanId, UserId
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.plan_life import AtWork
from bot.domain.plans.policy import AutoTier
from tests.fakes.cluster import FakeCluster
from tests.fakes.decision import (
    ADA,
    ANN,
    BOB,
    GUEST,
    INCIDENTS,
    RAY,
    VIV,
    Production,
    library,
)
from tests.fixtures.memory import memory_store
from tests.seed import seed
from tools.kubernetes_objects import STEP_ANNOTATION
from tools.world import ServiceMode

T = TypeVar("T")
PEOPLE = st.sampled_from([ANN, BOB, RAY, ANN, BOB, VIV, ADA, GUEST])
PLAYBOOKS = st.sampled_from(["rollback", "both", "manual", "scale-up", "rollback", "forbidden"])
SERVICES = st.sampled_from(["shop", "cart", "shop", "cart", "shop", "vault"])
RARELY = st.sampled_from([False, False, False, True])

BETWEEN = st.sampled_from(
    [
        *("nothing", "nothing", "halt", "expire", "role", "protect", "kill", "die", "dry"),
        *("no", "meddle"),
    ]
)
ENDS = st.sampled_from([None, 0.0, 0.9])  # what the metrics say afterwards
ENOUGH = 2_000  # steps, each a rule of the machine
SHELF = library()  # read once: the same playbooks in every world


class Killed(BaseException):
    """A process dies."""


def key_of(operations: Any) -> str:
    """Return the step's key, which every change carries into the world."""
    for each in operations:
        if STEP_ANNOTATION.replace("/", "~1") in each["path"]:
            return str(each["value"])
        if each["path"] == "/metadata/annotations":
            return str(each["value"][STEP_ANNOTATION])
    raise AssertionError(f"a change without a key: {operations}")


def state_of(item: Any) -> str:
    """Return what a step of ours replaces in an object."""
    spec = item.get("spec", {})
    return repr([spec.get(name) for name in ("template", "minReplicas", "maxReplicas")])


class WatchedCluster(FakeCluster):
    """Tells every effect to a judge and may die around one."""

    judge: Any = None
    die: str = ""

    async def patch(
        self, ref: Any, operations: Any, *, dry_run: bool, subresource: str = ""
    ) -> Any:
        if dry_run:
            return await super().patch(ref, operations, dry_run=True, subresource=subresource)
        if self.die == "before":
            self.die = ""
            raise Killed
        met = state_of(self.objects.get((ref.kind, ref.namespace, ref.name), {}))
        after = await super().patch(ref, operations, dry_run=False, subresource=subresource)
        await self.judge(key_of(operations), ref, met)
        if self.die == "after":
            self.die = ""
            raise Killed
        return after


class PlanMachine(RuleBasedStateMachine):
    plans = Bundle("plans")
    taken = 0  # steps of all machines so far
    effects_seen = 0  # changes of the world that were judged
    reached: ClassVar[set[PlanStatus]] = set()

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.shown: dict[str, dict[str, str]] = {}
        PlanMachine.taken -= 1  # the invariant is asked once more than there are steps
        self.effects: list[str] = []
        self.wrong: list[str] = []
        self.halted = False
        self.lives = 0
        self.resumed: dict[str, bool] = {}
        self.claimed: dict[str, Any] = {}
        self.world = self.run_(self._build())
        self.bots = [self.world.bot, self.world.replica("two")]

    async def _build(self) -> Production:
        store = await memory_store()
        cluster = WatchedCluster()
        cluster.judge = self.judge
        return Production(store, cluster=cluster, playbooks=SHELF)

    def run_(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.chain_holds()
        finally:
            self.run_(self.world.store.close())
            self.runner.close()

    def chain_holds(self) -> None:
        async def verified() -> Any:
            async with self.world.store.begin() as tx:
                await tx.audit.seal(limit=100_000)
                PlanMachine.reached |= {r.status for r in await tx.plans.list(limit=500)}
            async with self.world.store.read() as tx:
                return await tx.audit.verify()

        chain = self.run_(verified())
        assert (chain.broken_at, chain.sealed) == (None, chain.rows), chain

    # --- the judge ------------------------------------------------------------------------

    async def judge(self, key: str, ref: Any, met: str) -> None:
        plan_id, direction, index = key.split("/")
        if key in self.effects:
            self.wrong.append(f"{key} twice")
        self.effects.append(key)
        PlanMachine.effects_seen += 1
        if ref.name == "vault" or self._is_protected(ref):
            self.wrong.append(f"{key} on a protected object")
        record = await self.world.record(PlanId(plan_id))
        if record.plan.body.digest() != record.plan.digest:
            self.wrong.append(f"{key} is not what was shown")
        if direction == "undo":
            return
        if self.halted or self.world.halt_file:
            self.wrong.append(f"{key} while halted")
        if met != self.shown[plan_id].get(str(ref), met):
            self.wrong.append(f"{key} met {ref} as it was not shown")
        if record.status is not PlanStatus.RUNNING:
            self.wrong.append(f"{key} of a plan that is {record.status.value}")
        if index == "0" and not self.resumed.get(plan_id):
            self._judge_beginning(key, record)
        self.resumed[plan_id] = True
        await self._judge_step(key, record)

    def _is_protected(self, ref: Any) -> bool:
        item = self.world.cluster.objects.get(("Deployment", "trading", ref.name), {})
        labels = item.get("metadata", {}).get("labels", {})
        return bool(labels.get("do-not-remediate") == "true")

    def _judge_beginning(self, key: str, record: Any) -> None:
        """What ends with the claim."""
        if self.claimed.get(record.plan.id, self.world.clock.wall()) >= record.plan.expires_at:
            self.wrong.append(f"{key} after expiry")

    async def _judge_step(self, key: str, record: Any) -> None:
        """What must hold before every step, also of a plan that began long ago."""
        plan, policy = record.plan, self.world.policy
        async with self.world.store.begin() as tx:
            rows = await tx.audit.tail(1000, plan.id)
            frozen = await tx.flags.get("freeze")
            others = await tx.plans.list([PlanStatus.RUNNING, PlanStatus.VERIFYING])
        if frozen or not policy.enabled or policy.dry_run:
            self.wrong.append(f"{key} while frozen, switched off or on dry run")
        names = {step.target.name for step in plan.body.steps}
        if any(self._is_protected(step.target) for step in plan.body.steps):
            self.wrong.append(f"{key} of a plan that touches a protected object")
        modes = {self.world.services[name].mode for name in names}
        if modes & {ServiceMode.OBSERVE, ServiceMode.SUGGEST}:
            self.wrong.append(f"{key} of a service that is for reading")
        for other in others:
            same = names & {step.target.name for step in other.plan.body.steps}
            if (
                other.plan.id != plan.id
                and same
                and getattr(other.state, "worker", None) is not None
            ):
                self.wrong.append(f"{key} beside {other.plan.id} on {sorted(same)}")
        started = [r.event for r in rows if r.event.kind == "plan.started"]
        if len(started) != 1:
            self.wrong.append(f"{key} of a plan that began {len(started)} times")
        if started and started[0].facts["auto"]:
            if not self._runs_by_itself(plan):
                self.wrong.append(f"{key} without a click that policy asks for")
            return
        said = {r.event.actor for r in rows if r.event.kind == "plan.approved"}
        glass = {r.event.actor for r in rows if r.event.kind == "plan.break_glass"}
        holders = self.world.access.holders
        may = {*holders[Role.APPROVER], *holders.get(Role.ADMIN, ())}
        if plan.tier.value == "auto":
            may |= set(holders[Role.RESPONDER])
        if glass & may and policy.break_glass:
            return
        if len(said & may) < plan.approvers_needed:
            self.wrong.append(f"{key} approved by {sorted(said)} of {plan.approvers_needed}")

    def _runs_by_itself(self, plan: Any) -> bool:
        auto = self.world.policy.auto_tier is AutoTier.RUN and plan.tier.value == "auto"
        return auto and self.world.services[plan.service].mode is ServiceMode.AUTO

    @invariant()
    def nothing_wrong_happened(self) -> None:
        PlanMachine.taken += 1
        assert getattr(self, "wrong", []) == []

    @rule(stories=st.lists(st.tuples(PLAYBOOKS, SERVICES, BETWEEN, ENDS), min_size=1, max_size=3))
    def whole_stories(self, stories: list[tuple[str, str, str, float | None]]) -> None:
        """Propose, let everybody answer, let something happen, let both replicas tick."""
        for playbook, service, between, end in stories:
            self.run_(self.world.bot.switches.resume(ADA, INCIDENTS))
            self.halted = False
            self.halt_by_file(on=False)
            self.freeze(on=False)
            self.policy_changes(
                cooldown=300, enabled=True, auto_tier=AutoTier.ASK, requester_counts=True,
                break_glass=False,
            )  # fmt: skip
            self.mode_changes(ServiceMode.APPROVE)
            self._story(playbook, service, between)
            self.roles_change((ANN, BOB))
            self.protection_changes(on=False)
            self.dry_run_changes(on=False)
            self.metrics_change(end)
            self.time_passes(601)
            self.both_tick()
            self.time_passes(301)

    def _story(self, playbook: str, service: str, between: str) -> None:
        plan = self._proposed(playbook, service)
        if plan is None:
            return
        if between == "no":
            self.reject(plan, ANN)
        for who in (RAY, ANN, BOB):
            self.approve(plan, who)
        {
            "nothing": lambda: None,
            "no": lambda: None,
            "meddle": lambda: self._killed_and_meddled_with(plan),
            "halt": lambda: self.halt(on=True),
            "expire": lambda: self.world.clock.advance(minutes=31),
            "role": lambda: self.roles_change(()),
            "protect": lambda: self.protection_changes(on=True),
            "kill": lambda: self.killed_around_a_request(plan, "after"),
            "die": lambda: self.killed_around_a_request(plan, "before"),
            "dry": lambda: self.dry_run_changes(on=True),
        }[between]()
        self.both_tick()

    def _killed_and_meddled_with(self, plan: PlanId) -> None:
        """Nobody can tell any more whether the request of the killed life took effect."""
        self.killed_around_a_request(plan, "before")
        for name in ("shop", "cart"):
            self.somebody_deploys_by_hand(name, "9")

    # --- people ---------------------------------------------------------------------------

    @rule(target=plans, playbook=PLAYBOOKS, service=SERVICES)
    def propose(self, playbook: str, service: str) -> Any:
        return self._proposed(playbook, service) or multiple()

    def _proposed(self, playbook: str, service: str) -> PlanId | None:
        receipt = self.run_(self.world.propose(playbook, service))
        if receipt.plan_id is None:
            return None
        record = self.run_(self.world.record(PlanId(receipt.plan_id)))
        objects = self.world.cluster.objects
        self.shown[receipt.plan_id] = {
            str(step.target): state_of(
                objects.get((step.target.kind, step.target.namespace, step.target.name), {})
            )
            for step in record.plan.body.steps
        }
        return PlanId(receipt.plan_id)

    @rule(plan=plans, who=PEOPLE)
    def approve(self, plan: PlanId, who: UserId) -> None:
        self.run_(self.world.bot.approvals.approve(plan, who, INCIDENTS))

    @rule(plan=plans)
    def two_people_approve_at_once(self, plan: PlanId) -> None:
        async def both() -> None:
            bots = [self.bots[0].approvals, self.bots[1].approvals]
            await asyncio.gather(
                *(
                    bot.approve(plan, who, INCIDENTS)
                    for bot, who in zip(bots, (ANN, BOB), strict=True)
                )
            )

        self.run_(both())

    @rule(plan=plans, who=PEOPLE)
    def break_the_glass(self, plan: PlanId, who: UserId) -> None:
        self.run_(self.world.bot.approvals.break_glass(plan, who, "all is down", INCIDENTS))

    @rule(plan=plans, who=PEOPLE)
    def reject(self, plan: PlanId, who: UserId) -> None:
        self.run_(self.world.bot.approvals.reject(plan, who, "no", INCIDENTS))

    @rule(plan=plans, who=PEOPLE)
    def stop(self, plan: PlanId, who: UserId) -> None:
        self.run_(self.world.bot.approvals.stop(plan, who, INCIDENTS))

    @rule(plan=plans, verdict=st.sampled_from(["done", "undone"]))
    def resolve(self, plan: PlanId, verdict: str) -> None:
        self.run_(self.world.bot.approvals.resolve_unknown(plan, ANN, verdict, INCIDENTS))

    @rule(plan=plans)
    def undo(self, plan: PlanId) -> None:
        self.run_(self.world.bot.approvals.undo(plan, ANN, INCIDENTS))

    # --- time and processes ---------------------------------------------------------------

    def _note_claims(self) -> None:
        async def read() -> None:
            async with self.world.store.begin() as tx:
                for record in await tx.plans.list(limit=500):
                    at_work = isinstance(record.state, AtWork) and record.state.worker
                    if at_work and record.plan.id not in self.claimed:
                        self.claimed[record.plan.id] = self.world.clock.wall()

        self.run_(read())

    @rule(which=st.integers(0, 1))
    def tick(self, which: int) -> None:
        self.run_(self.world.run(self.bots[which]))
        self._note_claims()

    @rule()
    def both_tick(self) -> None:
        async def both() -> None:
            await asyncio.gather(*(bot.execution.run_due() for bot in self.bots))

        self.run_(both())
        self._note_claims()

    @rule(seconds=st.sampled_from([1, 31, 70, 301, 601, 1801]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.advance(seconds=seconds)
        self.run_(self.world.bot.deadlines.expire_due())

    @rule(plan=plans, when=st.sampled_from(["before", "after"]))
    def killed_around_a_request(self, plan: PlanId, when: str) -> None:
        """One process dies around a mutating request; another one is started in its place."""
        cluster = self.world.cluster
        assert isinstance(cluster, WatchedCluster)
        cluster.die = when

        async def die() -> None:
            try:
                await self.bots[0].execution.drive(plan)
            except Killed:
                return

        self.run_(die())
        cluster.die = ""
        self._note_claims()
        self.lives += 1
        self.bots[0] = self.world.replica(f"life-{self.lives}")

    @rule(which=st.integers(0, 1))
    def restarted(self, which: int) -> None:
        """A process ends in good order; what it knew is gone."""
        self.lives += 1
        self.bots[which] = self.world.replica(f"life-{self.lives}")

    @rule(seconds=st.sampled_from([-90, 40, 1860]))
    def clocks_part(self, seconds: int) -> None:
        """Wall time is set; world time goes on as before."""
        self.world.clock.set_wall(seconds=seconds)

    @rule(plan=plans)
    def trigger_clears(self, plan: PlanId) -> None:
        self.run_(self.world.bot.deadlines.withdraw(plan, "it cleared"))

    @rule()
    def waiting_plans_are_reviewed(self) -> None:
        self.run_(self.world.bot.deadlines.review_waiting())

    # --- the world and its settings -------------------------------------------------------

    @rule(on=RARELY)
    def halt(self, on: bool) -> None:
        switches = self.world.bot.switches
        if on:
            self.run_(switches.halt(RAY, "test", INCIDENTS))
        else:
            self.run_(switches.resume(ADA, INCIDENTS))
        self.halted = on

    @rule(on=RARELY)
    def halt_by_file(self, on: bool) -> None:
        self.world.halt_file = "the file exists" if on else ""

    @rule(on=RARELY)
    def freeze(self, on: bool) -> None:
        switches = self.world.bot.switches
        changed = switches.freeze(ADA, "launch", INCIDENTS) if on else None
        self.run_(changed or switches.unfreeze(ADA, INCIDENTS))

    @rule(
        enabled=st.sampled_from([True, True, True, False]),
        auto_tier=st.sampled_from(list(AutoTier)),
        requester_counts=st.booleans(),
        break_glass=st.booleans(),
        cooldown=st.sampled_from([0, 300]),
    )
    def policy_changes(self, cooldown: int, **changes: Any) -> None:
        changes["cooldown"] = timedelta(seconds=cooldown)
        self.world.policy = replace(self.world.policy, **changes)

    @rule(name=st.sampled_from(["shop", "cart"]), image=st.sampled_from(["7", "8"]))
    def somebody_deploys_by_hand(self, name: str, image: str) -> None:
        item = self.world.cluster.objects["Deployment", "trading", name]
        item["spec"]["template"]["spec"]["containers"][0]["image"] = f"{name}:{image}"

    @rule(most=st.sampled_from([4, 6]))
    def somebody_sets_the_autoscaler(self, most: int) -> None:
        item = self.world.cluster.objects["HorizontalPodAutoscaler", "trading", "shop"]
        item["spec"]["maxReplicas"] = most

    @rule(approvers=st.sampled_from([(ANN, BOB), (ANN, BOB), (ANN, BOB), (BOB,), (ANN,), ()]))
    def roles_change(self, approvers: tuple[UserId, ...]) -> None:
        holders = {**self.world.access.holders, Role.APPROVER: approvers}
        self.world.access = AccessConfig(holders)

    @rule(mode=st.sampled_from([ServiceMode.APPROVE] * 3 + [ServiceMode.AUTO, *ServiceMode]))
    def mode_changes(self, mode: ServiceMode) -> None:
        self.world.set_mode("shop", mode)

    @rule(on=RARELY)
    def dry_run_changes(self, on: bool) -> None:
        self.world.policy = replace(self.world.policy, dry_run=on)

    @rule(on=RARELY)
    def protection_changes(self, on: bool) -> None:
        item = self.world.cluster.objects["Deployment", "trading", "cart"]
        item["metadata"]["labels"]["do-not-remediate"] = str(on).lower()

    @rule(value=st.sampled_from([None, 0.0, 0.9]))
    def metrics_change(self, value: float | None) -> None:
        for name in ("order_error_rate", "cpu_usage"):
            for service in ("shop", "cart"):
                self.world.metrics.pop((name, service), None)
                if value is not None:
                    self.world.metrics[name, service] = value


@contextmanager
def silent() -> Iterator[None]:
    """Spend no time on log lines that nobody reads."""
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    try:
        yield
    finally:
        structlog.configure(**before)


@dataclass(frozen=True, slots=True)
class Walked:
    """What some thousand steps came to."""

    steps: int
    effects: int
    reached: frozenset[PlanStatus]  # where plans stood when their world ended

    @property
    def missed(self) -> frozenset[PlanStatus]:
        """Return the ways of ending that no plan took; no change of this world ever fails."""
        return frozenset(s for s in PlanStatus if s.ended) - self.reached - {PlanStatus.FAILED}


def walk(least: int, by: int) -> Walked:
    """Take at least so many steps, and on until plans did run and ended in every way there is."""
    PlanMachine.taken, PlanMachine.effects_seen, rounds = 0, 0, 0
    PlanMachine.reached = set()
    found = Walked(0, 0, frozenset())
    with silent():
        while found.steps < 10 * least and (
            found.steps < least or found.missed or found.effects < least // 50
        ):
            machine = get_state_machine_test(PlanMachine, settings=SETTINGS)
            seed_of_hypothesis(by + rounds)(machine)()
            rounds += 1
            found = Walked(
                PlanMachine.taken, PlanMachine.effects_seen, frozenset(PlanMachine.reached)
            )
    return found


SETTINGS = settings(
    max_examples=20,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_order_of_things_runs_what_must_not_run() -> None:
    walked = walk(ENOUGH, by=seed())  # five times as far: python -m bench safety --whole
    assert walked.steps >= ENOUGH
    assert walked.missed == frozenset()
    assert walked.effects >= ENOUGH // 50  # plans did run, in every way there is
