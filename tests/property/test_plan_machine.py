"""Any order of clicks, clocks, kills, halts, role and policy changes, with two replicas.

Every effect on the cluster is judged at the moment it happens: it belongs to one step of one plan,
it happens once, and when its plan began it was approved by enough people who might, had not
expired, was not halted and touched nothing protected.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from bot.domain.access import AccessConfig, Role
from bot.domain.ids import PlanId, UserId
from bot.domain.plan import PlanStatus
from bot.store.store import open_store
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
    empty_database,
)
from tools.act.contract import STEP_ANNOTATION
from tools.world import ServiceMode

T = TypeVar("T")
PEOPLE = st.sampled_from([ANN, BOB, RAY, ANN, BOB, VIV, ADA, GUEST])
PLAYBOOKS = st.sampled_from(["rollback", "both", "manual", "scale-up", "rollback", "forbidden"])
SERVICES = st.sampled_from(["shop", "cart", "shop", "cart", "shop", "vault"])
RARELY = st.sampled_from([False, False, False, True])

BETWEEN = st.sampled_from(
    ["nothing", "nothing", "halt", "expire", "role", "protect", "kill", "die", "dry"]
)
ENDS = st.sampled_from([None, 0.0, 0.9])  # what the metrics say afterwards


class Killed(BaseException):
    """A process dies."""


@cache
def _empty() -> Path:
    return empty_database(Path(tempfile.mkdtemp()))


def key_of(operations: Any) -> str:
    """Return the step's key, which every change carries into the world."""
    for each in operations:
        if STEP_ANNOTATION.replace("/", "~1") in each["path"]:
            return str(each["value"])
        if each["path"] == "/metadata/annotations":
            return str(each["value"][STEP_ANNOTATION])
    raise AssertionError(f"a change without a key: {operations}")


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
        after = await super().patch(ref, operations, dry_run=False, subresource=subresource)
        await self.judge(key_of(operations), ref)
        if self.die == "after":
            self.die = ""
            raise Killed
        return after


class PlanMachine(RuleBasedStateMachine):
    plans = Bundle("plans")

    @initialize()
    def start(self) -> None:
        self.runner = asyncio.Runner()
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(_empty(), self.folder / "bot.db")
        self.effects: list[str] = []
        self.wrong: list[str] = []
        self.halted = False
        self.lives = 0
        self.resumed: dict[str, bool] = {}
        self.claimed: dict[str, Any] = {}
        self.world = self.run_(self._build())
        self.bots = [self.world.bot, self.world.replica("two")]

    async def _build(self) -> Production:
        store = await open_store(f"sqlite+aiosqlite:///{self.folder}/bot.db")
        cluster = WatchedCluster()
        cluster.judge = self.judge
        return Production(store, cluster=cluster)

    def run_(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.run_(self.world.store.close())
            self.runner.close()
            shutil.rmtree(self.folder)

    # --- the judge ------------------------------------------------------------------------

    async def judge(self, key: str, ref: Any) -> None:
        plan_id, direction, index = key.split("/")
        if key in self.effects:
            self.wrong.append(f"{key} twice")
        self.effects.append(key)
        if direction == "undo":
            return
        record = await self.world.record(PlanId(plan_id))
        if self.halted:
            self.wrong.append(f"{key} while halted")
        if record.status is not PlanStatus.RUNNING:
            self.wrong.append(f"{key} of a plan that is {record.status.value}")
        if record.plan.body.digest() != record.plan.digest:
            self.wrong.append(f"{key} is not what was shown")
        if ref.name == "vault" or (record.plan.service == "vault"):
            self.wrong.append(f"{key} touches the vault")
        if index == "0" and not self.resumed.get(plan_id):
            await self._judge_beginning(key, record)
        self.resumed[plan_id] = True

    async def _judge_beginning(self, key: str, record: Any) -> None:
        plan = record.plan
        claimed_at = self.claimed.get(plan.id, self.world.clock.wall())
        if claimed_at >= plan.expires_at:
            self.wrong.append(f"{key} after expiry")
        item = self.world.cluster.objects.get(("Deployment", "trading", plan.service), {})
        labels = item.get("metadata", {}).get("labels", {})
        if claimed_at == self.world.clock.wall() and labels.get("do-not-remediate") == "true":
            self.wrong.append(f"{key} on a protected object")
        async with self.world.store.begin() as tx:
            rows = await tx.audit.tail(1000, plan.id)
        said = {r.event.actor for r in rows if r.event.kind == "plan.approved"}
        holders = self.world.access.holders
        may = {*holders[Role.APPROVER], *holders.get(Role.ADMIN, ())}
        if plan.tier.value == "auto":
            may |= set(holders[Role.RESPONDER])
        counted = said & may if claimed_at == self.world.clock.wall() else said
        if self.world.policy.dry_run:
            self.wrong.append(f"{key} while the dry-run switch is on")
        if len(counted) < plan.approvers_needed:
            self.wrong.append(f"{key} approved by {sorted(said)} of {plan.approvers_needed}")

    @invariant()
    def nothing_wrong_happened(self) -> None:
        assert getattr(self, "wrong", []) == []

    @rule(stories=st.lists(st.tuples(PLAYBOOKS, SERVICES, BETWEEN, ENDS), min_size=1, max_size=4))
    def whole_stories(self, stories: list[tuple[str, str, str, float | None]]) -> None:
        """Propose, let everybody answer, let something happen, let both replicas tick."""
        for playbook, service, between, end in stories:
            self.run_(self.world.bot.switches.resume(ADA, INCIDENTS))
            self.halted = False
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
        receipt = self.run_(self.world.propose(playbook, service))
        if receipt.plan_id is None:
            return
        plan = PlanId(receipt.plan_id)
        for who in (RAY, ANN, BOB):
            self.approve(plan, who)
        {
            "nothing": lambda: None,
            "halt": lambda: self.halt(on=True),
            "expire": lambda: self.world.clock.move(31 * 60),
            "role": lambda: self.roles_change(()),
            "protect": lambda: self.protection_changes(on=True),
            "kill": lambda: self.killed_around_a_request(plan, "after"),
            "die": lambda: self.killed_around_a_request(plan, "before"),
            "dry": lambda: self.dry_run_changes(on=True),
        }[between]()
        self.both_tick()

    # --- people ---------------------------------------------------------------------------

    @rule(target=plans, playbook=PLAYBOOKS, service=SERVICES)
    def propose(self, playbook: str, service: str) -> Any:
        receipt = self.run_(self.world.propose(playbook, service))
        return receipt.plan_id or multiple()

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
                    if record.owner and record.plan.id not in self.claimed:
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
        self.world.clock.move(seconds)
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

    # --- the world and its settings -------------------------------------------------------

    @rule(on=RARELY)
    def halt(self, on: bool) -> None:
        switches = self.world.bot.switches
        if on:
            self.run_(switches.halt(RAY, "test", INCIDENTS))
        else:
            self.run_(switches.resume(ADA, INCIDENTS))
        self.halted = on

    @rule(approvers=st.sampled_from([(ANN, BOB), (ANN, BOB), (ANN, BOB), (BOB,), (ANN,), ()]))
    def roles_change(self, approvers: tuple[UserId, ...]) -> None:
        holders = {**self.world.access.holders, Role.APPROVER: approvers}
        self.world.access = AccessConfig(holders)

    @rule(mode=st.sampled_from([ServiceMode.APPROVE] * 4 + list(ServiceMode)))
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


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.timeout(600)
def test_no_order_of_things_runs_what_must_not_run() -> None:
    run_state_machine_as_test(PlanMachine, settings=_settings(20))


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_order_of_ten_thousand_things_runs_what_must_not_run() -> None:
    run_state_machine_as_test(PlanMachine, settings=_settings(250))
