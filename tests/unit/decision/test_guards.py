"""Each guard, at each moment it speaks at, has a story through the real planner and execution.

A story lets one thing change at its moment and looks who refuses, what was sent, and how the plan
ends. `test_a_guard_removed_at_one_moment_is_missed` takes each guard out at each of its moments in
turn: that one story must turn red.

The plan has three steps and a way back: it rolls shop and cart back and scales shop. What changes
is cart's wherever an object changes: it is neither the first step's nor the service's own.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import text

from bot.core.ports import PlanRecord
from bot.core.remediation.plan_moves import named_guard
from bot.core.remediation.planning.planner import Origin
from bot.core.remediation.planning.proposal_results import proposed
from bot.core.remediation.running.permits import PermitForgedError
from bot.domain.access import AccessConfig, Role
from bot.domain.audit import Event
from bot.domain.ids import PlanId, UserId
from bot.domain.place import Place
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import Approved, Yes
from bot.domain.plans.guards import GUARDS, Moment
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.policy import OwnGround, OwnService
from bot.locale import LANGUAGES, Texts
from tests.fakes.decision import (
    ADA,
    ANN,
    BOB,
    BOTH,
    INCIDENTS,
    RAY,
    ROLLBACK,
    TEXTS,
    Production,
    deployment,
    library,
    service,
)
from tests.fixtures.forgery import seal_again
from tests.fixtures.guards import removed
from tests.seed import seed, stratified
from tools.errors import BackendRefusedError, BackendUnavailableError
from tools.world import ProposalDraft, ServiceMode, ServiceName

Story = Callable[[Production], Awaitable[None]]
Change = Callable[[Production, PlanId | None], Awaitable[None]]  # None: there is no plan yet
Make = Callable[[Production], Awaitable[PlanId]]

BOTH_MANUAL = BOTH.replace("id: both", "id: both-manual").replace(": 0.5", ": 0.7")
LATER = timedelta(minutes=6)  # beyond a cooldown


# --- what changes -----------------------------------------------------------------------------


def policy(**changes: Any) -> Change:
    async def change(world: Production, _: PlanId | None) -> None:
        world.policy = replace(world.policy, **changes)

    return change


async def cart_is_labelled(world: Production, _: PlanId | None) -> None:
    item = world.cluster.objects["Deployment", "trading", "cart"]
    item["metadata"]["labels"]["do-not-remediate"] = "true"


async def cart_is_protected(world: Production, _: PlanId | None) -> None:
    world.services["cart"] = replace(world.services["cart"], protected=True)


async def cart_is_ours(world: Production, _: PlanId | None) -> None:
    """The bot is told that its database is what cart's Service leads to."""
    own = OwnGround(services=(OwnService("trading", "cart", "the database"),))
    world.policy = replace(world.policy, own=own)


def another_service_for_cart(world: Production) -> None:
    selects = {"selector": {"app": "cart"}}
    metadata = {"namespace": "trading", "name": "another"}
    world.cluster.put({"kind": "Service", "metadata": metadata, "spec": selects})


async def cart_is_served_by_another(world: Production, _: PlanId | None) -> None:
    another_service_for_cart(world)


async def cart_goes_to_git(world: Production, _: PlanId | None) -> None:
    item = world.cluster.objects["Deployment", "trading", "cart"]
    item["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = "cart:apps/Deployment"


def cart_is(mode: ServiceMode) -> Change:
    async def change(world: Production, _: PlanId | None) -> None:
        world.set_mode("cart", mode)

    return change


async def cart_is_made_anew(world: Production, _: PlanId | None) -> None:
    """All that belongs to it looks the same, with other uids."""
    for key, item in list(world.cluster.objects.items()):
        if key[2].startswith("cart"):
            world.cluster.put(json.loads(json.dumps(item).replace("uid-cart", "uid-anew")))


async def cart_is_deployed_by_hand(world: Production, _: PlanId | None) -> None:
    item = world.cluster.objects["Deployment", "trading", "cart"]
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "cart:9"


async def cart_cannot_be_read(world: Production, _: PlanId | None) -> None:
    world.cluster.unreadable["cart"] = BackendUnavailableError("kubernetes", "no answer")


async def the_server_refuses(world: Production, _: PlanId | None) -> None:
    world.cluster.fail_next = [BackendRefusedError("kubernetes", "admission says no")]


async def halted(world: Production, _: PlanId | None) -> None:
    assert (await world.bot.switches.halt(RAY, "wrong", INCIDENTS)).accepted


async def frozen(world: Production, _: PlanId | None) -> None:
    assert (await world.bot.switches.freeze(ADA, "launch day", INCIDENTS)).accepted


async def somebody_stops_it(world: Production, plan: PlanId | None) -> None:
    assert plan is not None
    assert (await world.bot.approvals.stop(plan, RAY, INCIDENTS)).accepted


async def wall_time_is_over(world: Production, _: PlanId | None) -> None:
    world.clock.set_wall(minutes=31)  # the world stands still


def row_says(before: str, after: str, *, sealed: bool = True) -> Change:
    """Somebody edits the plan's own row by hand; `sealed`: they have the key as well."""

    async def change(world: Production, plan: PlanId | None) -> None:
        edit = text("UPDATE plans SET body = replace(body, :before, :after) WHERE id = :plan")
        values = {"before": before, "after": after, "plan": plan}
        async with world.store._engine.begin() as connection:
            assert (await connection.execute(edit, values)).rowcount == 1
        if sealed:
            assert plan is not None
            await seal_again(world.store, plan)

    return change


async def slack_is_down(world: Production, _: PlanId | None) -> None:
    world.directory.down = True


async def ann_is_deactivated(world: Production, _: PlanId | None) -> None:
    world.directory.people[ANN] = replace(world.directory.people[ANN], deleted=True)


async def cart_is_worked_on(world: Production, _: PlanId | None) -> None:
    """One of its pods: another object, the same workload; and nothing has to rest."""
    world.policy = replace(world.policy, cooldown=timedelta(0))
    other = await world.approved("restart", "cart", RAY)
    await world.bot.execution.drive(other)
    assert (await world.record(other)).status is PlanStatus.VERIFYING


async def cart_was_worked_on(world: Production, _: PlanId | None) -> None:
    await stopped_restart(world)


async def stopped_restart(world: Production) -> PlanId:
    plan = await world.approved("restart", "cart", RAY)
    await world.bot.execution.drive(plan)
    assert (await world.bot.approvals.stop(plan, RAY, INCIDENTS)).accepted
    await world.bot.execution.drive(plan)
    assert (await world.record(plan)).status is PlanStatus.HALTED
    return plan


async def somebody_else_works(world: Production, _: PlanId | None) -> None:
    other = await world.approved("rollback", "desk")
    await world.bot.execution.drive(other)
    assert (await world.record(other)).status is PlanStatus.VERIFYING


# --- moments ----------------------------------------------------------------------------------


async def plan_of_three(world: Production) -> PlanId:
    return await world.planned("both")


async def plan_asked_for_by_ann(world: Production) -> PlanId:
    draft = ProposalDraft("both-manual", ServiceName("shop"), "because")
    receipt = await world.bot.planner.propose(draft, Origin(Place(INCIDENTS), ANN))
    assert receipt.plan_id is not None, receipt
    return PlanId(receipt.plan_id)


async def refusals(world: Production, plan: PlanId) -> list[str]:
    async with world.store.begin() as tx:
        rows = await tx.audit.tail(200, plan)
    return [row.event.facts["guard"] for row in rows if row.event.kind == "plan.refused"]


async def at_propose(world: Production, guard: str, change: Change, playbook: str = "both") -> None:
    await change(world, None)
    sent = len(world.cluster.sent)
    receipt = await world.propose(playbook)
    assert (receipt.refused_by, receipt.plan_id) == (guard, None)
    await world.run()
    assert len(world.cluster.sent) == sent


async def at_answer(
    world: Production, guard: str, change: Change, make: Make = plan_of_three, user: UserId = ANN
) -> None:
    plan = await make(world)
    await change(world, plan)
    said = await world.bot.approvals.approve(plan, user, INCIDENTS)
    assert (said.accepted, said.refused_by) == (False, guard)
    assert (await world.record(plan)).status is PlanStatus.WAITING
    assert await refusals(world, plan) == [guard]
    await world.run()
    assert world.cluster.sent == []


async def at_claim(
    world: Production,
    guard: str,
    change: Change,
    make: Make = plan_of_three,
    users: tuple[UserId, ...] = (ANN,),
    status: PlanStatus = PlanStatus.WITHDRAWN,
) -> None:
    plan = await make(world)
    assert (await world.approve(plan, *users)).status is PlanStatus.APPROVED
    await change(world, plan)
    sent = len(world.cluster.sent)
    await world.bot.execution.drive(plan)
    record = await world.record(plan)
    assert len(world.cluster.sent) == sent
    assert record.status is status
    waits = status is PlanStatus.APPROVED
    assert await refusals(world, plan) == ([] if waits else [guard])
    assert "plan.started" not in await world.audit(plan)


async def at_step(
    world: Production,
    guard: str,
    change: Change,
    make: Make = plan_of_three,
    users: tuple[UserId, ...] = (ANN,),
) -> None:
    plan = await make(world)
    assert (await world.approve(plan, *users)).status is PlanStatus.APPROVED
    before = len(world.cluster.sent)
    world.cluster.after_change[before + 1] = lambda: change(world, plan)
    await world.bot.execution.drive(plan)
    if GUARDS[guard].patience:
        await has_patience(world, plan)
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED
    assert len(world.cluster.sent) == before + 1
    assert await refusals(world, plan) == [guard]
    assert "can be undone" in record.outcome
    assert record.plan.body.undo


async def has_patience(world: Production, plan: PlanId) -> None:
    """For five minutes of wall time it waits, with its owner alive, and then no longer."""
    for _ in range(29):
        assert (await world.record(plan)).status is PlanStatus.RUNNING
        world.clock.advance(seconds=10)
        await world.run()
    state = (await world.record(plan)).state
    assert isinstance(state, life.Running)
    assert state.worker is not None
    assert world.clock.wall() - state.worker.heartbeat_at <= timedelta(seconds=10)
    world.clock.advance(seconds=10)
    await world.run()


async def at_verify(world: Production, guard: str, change: Change) -> None:
    plan = await world.approved("both")
    await world.run()
    await change(world, plan)
    world.clock.advance(seconds=6)
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED
    assert await refusals(world, plan) == [guard]
    assert len(world.cluster.sent) == 3


async def at_undo(world: Production, guard: str, change: Change, told: str = "") -> None:
    """The scale was taken back; cart's rollback is not, and neither is what comes after it."""
    plan = await world.approved("both")
    await world.run()
    world.metrics["order_error_rate", "shop"] = 0.5
    world.clock.advance(seconds=601)
    world.cluster.after_change[4] = lambda: change(world, plan)
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED
    assert await refusals(world, plan) == [guard]
    assert len(world.cluster.sent) == 4
    assert world.limits() == (2, 4)
    assert told in record.outcome


async def nobody_knows_the_namespace(world: Production) -> None:
    del world.cluster.objects["Namespace", "", "trading"]
    receipt = await world.propose("both")
    assert (receipt.refused_by, receipt.plan_id) == ("effect_set", None)


async def a_plan_that_says_nothing_is_answered(world: Production) -> None:
    """As an older version made it."""
    plan = await plan_of_three(world)
    record = await world.record(plan)
    body = record.plan.body
    silent = replace(
        body,
        steps=tuple(replace(step, effects=None) for step in body.steps),
        undo=tuple(replace(step, effects=None) for step in body.undo),
    )
    older = replace(record.plan, id=PlanId("PLAN-0LDER"), body=silent, digest=silent.digest())
    made = PlanRecord(older, life.propose(older, world.clock.wall()), 1)
    async with world.store.begin() as tx:
        await tx.plans.add(made)
        await tx.audit.append(proposed(made))
    said = await world.bot.approvals.approve(older.id, ANN, INCIDENTS)
    assert (said.accepted, said.refused_by) == (False, "effect_set")
    assert await refusals(world, older.id) == ["effect_set"]


# --- stories with words of their own -----------------------------------------------------------


async def diagnosis_only(world: Production) -> None:
    receipt = await world.propose("forbidden")
    assert (receipt.refused_by, receipt.plan_id) == ("tier_critical", None)


async def another_digest(world: Production) -> None:
    plan = await plan_of_three(world)
    said = await world.bot.approvals.approve(plan, ANN, INCIDENTS, "0" * 64)
    assert (said.accepted, said.refused_by) == (False, "plan_digest")


async def nobody_breaks_glass(world: Production) -> None:
    plan = await world.planned("both-manual")
    said = await world.bot.approvals.break_glass(plan, ANN, "all orders fail", INCIDENTS)
    assert (said.accepted, said.refused_by) == (False, "break_glass")
    assert await refusals(world, plan) == ["break_glass"]


async def glass_is_forbidden_again(world: Production, *, after_a_step: bool) -> None:
    world.policy = replace(world.policy, break_glass=True)
    plan = await world.planned("both-manual")
    assert (await world.bot.approvals.break_glass(plan, ANN, "all fail", INCIDENTS)).accepted
    change = partial(policy(break_glass=False), world, plan)
    if after_a_step:
        world.cluster.after_change[1] = change
    else:
        await change()
    await world.run()
    status = PlanStatus.HALTED if after_a_step else PlanStatus.WITHDRAWN
    assert (await world.record(plan)).status is status
    assert await refusals(world, plan) == ["break_glass"]
    assert len(world.cluster.sent) == int(after_a_step)


async def a_claim_waits_for_slack(world: Production) -> None:
    plan = await world.approved("both")
    world.directory.down = True
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.APPROVED
    assert world.cluster.sent == []
    assert await refusals(world, plan) == []
    world.directory.down = False
    world.clock.advance(seconds=10)
    await world.run()
    assert len(world.cluster.sent) == 3


async def another_plan_holds_cart(world: Production) -> None:
    """As a process of an older version may, which knows no workloads."""
    other = await stopped_restart(world)
    world.clock.advance(LATER)

    async def goes_on(world: Production, _: PlanId | None) -> None:
        record = await world.record(other)
        assert isinstance(record.state, life.Halted)
        undoing = life.undo_for(record.state, ANN, world.clock.now(), ())
        worker = life.Worker("older", world.clock.wall())
        async with world.store.begin() as tx:
            await tx.plans.move(record.to(life.hand_to(undoing, worker)))

    await at_step(world, "exclusion", goes_on)


async def a_longer_cooldown(world: Production) -> None:
    await stopped_restart(world)
    world.clock.advance(LATER)
    await at_step(world, "cooldown", policy(cooldown=timedelta(hours=1)))


async def fewer_at_once(world: Production) -> None:
    await somebody_else_works(world, None)
    world.clock.advance(seconds=1)
    await at_step(world, "concurrency", policy(max_concurrent=1))


# --- the matrix ---------------------------------------------------------------------------------

P, A, C = Moment.PROPOSE, Moment.ANSWER, Moment.CLAIM
S, V, U = Moment.STEP, Moment.VERIFY, Moment.UNDO
AT: dict[Moment, Callable[..., Awaitable[None]]] = {
    P: at_propose,
    A: at_answer,
    C: at_claim,
    S: at_step,
    V: at_verify,
    U: at_undo,
}
CHANGES: dict[str, Change] = {
    "proof": row_says('"reason":"because"', '"reason":"so"', sealed=False),
    "protected_namespace": policy(protected_namespaces=("trading",)),
    "protected_label": cart_is_labelled,
    "protected_service": cart_is_protected,
    "protected_own": cart_is_ours,
    "effect_set": cart_is_served_by_another,
    "gitops_owned": cart_goes_to_git,
    "service_mode": cart_is(ServiceMode.OBSERVE),
    "service_mode_answer": cart_is(ServiceMode.SUGGEST),
    "tier_critical": row_says('"tier":"semi_auto"', '"tier":"critical"'),
    "blast_radius": policy(max_pods_affected=2),
    "enabled": policy(enabled=False),
    "dry_run": policy(dry_run=True),
    "halt": halted,
    "freeze": frozen,
    "stopped": somebody_stops_it,
    "expiry": wall_time_is_over,
    "plan_digest": row_says('"name":"Second"', '"name":"Sec0nd"'),
    "identity": slack_is_down,
    "approver_role": ann_is_deactivated,
    "requester": policy(requester_counts=False),
    "distinct_approvers": policy(requester_counts=False),
    "target_identity": cart_is_made_anew,
    "target_changed": cart_is_deployed_by_hand,
    "unseen": cart_cannot_be_read,
    "exclusion": cart_is_worked_on,
    "cooldown": cart_was_worked_on,
    "concurrency": somebody_else_works,
    "dry_run_refused": the_server_refuses,
}
MANUAL = {"make": plan_asked_for_by_ann, "users": (ANN, BOB)}
WAITS = {"status": PlanStatus.APPROVED}
PODS_OF_CART = policy(protected_labels=("app=cart",))
DETAILS: dict[tuple[str, Moment], dict[str, Any]] = {
    ("halt", C): {"status": PlanStatus.HALTED},
    ("expiry", C): {"status": PlanStatus.EXPIRED},
    ("requester", A): {"make": plan_asked_for_by_ann},
    ("distinct_approvers", C): MANUAL,
    ("distinct_approvers", S): MANUAL,
    ("exclusion", C): WAITS,
    ("cooldown", C): WAITS,
    ("concurrency", C): WAITS,
    **{
        (name, U): {"told": "Done and not taken back: First, Second."}
        for name in (
            "protected_namespace",
            "protected_label",
            "protected_service",
            "protected_own",
            "target_identity",
            "plan_digest",
            "proof",
        )
    },
}
OWN: dict[tuple[str, Moment], Story] = {
    ("tier_critical", P): diagnosis_only,
    ("protected_label", A): partial(at_answer, guard="protected_label", change=PODS_OF_CART),
    ("effect_set", P): nobody_knows_the_namespace,
    ("effect_set", A): a_plan_that_says_nothing_is_answered,
    ("plan_digest", A): another_digest,
    ("break_glass", A): nobody_breaks_glass,
    ("break_glass", C): partial(glass_is_forbidden_again, after_a_step=False),
    ("break_glass", S): partial(glass_is_forbidden_again, after_a_step=True),
    ("identity", C): a_claim_waits_for_slack,
    ("exclusion", S): another_plan_holds_cart,
    ("cooldown", S): a_longer_cooldown,
    ("concurrency", S): fewer_at_once,
}
MATRIX = [(name, moment) for name, guard in GUARDS.items() for moment in sorted(guard.moments)]


def prepared(world: Production) -> None:
    """A third service, a Service before cart, and a plan of three steps that takes two people."""
    selects = {"selector": {"app": "cart"}}
    metadata = {"namespace": "trading", "name": "cart"}
    world.cluster.put({"kind": "Service", "metadata": metadata, "spec": selects})
    for item in deployment("desk"):
        world.cluster.put(item)
    world.services["desk"] = service("desk")
    world.playbooks = library(*TEXTS, BOTH_MANUAL)


async def tell(world: Production, name: str, moment: Moment) -> None:
    """Tell the story of one guard at one moment. Raises AssertionError where it does not hold."""
    prepared(world)
    if name == "concurrency" and moment is C:
        world.policy = replace(world.policy, max_concurrent=1)
    own = OWN.get((name, moment))
    if own is not None:
        await own(world)
        return
    await AT[moment](world, name, CHANGES[name], **DETAILS.get((name, moment), {}))


def test_every_guard_is_called_something_in_both_languages() -> None:
    for language in LANGUAGES:
        texts = Texts(language)
        names = {name: named_guard(texts, name) for name in GUARDS}
        assert texts.say("guard.other") not in names.values()
        assert named_guard(texts, "backend") == texts.say("guard.other")


def test_every_guard_has_a_story_at_each_of_its_moments() -> None:
    assert len(MATRIX) == sum(len(guard.moments) for guard in GUARDS.values())
    assert {name for name, _ in MATRIX} == set(GUARDS)


@pytest.mark.parametrize(("name", "moment"), MATRIX)
async def test_a_guard_refuses(world: Production, name: str, moment: Moment) -> None:
    await tell(world, name, moment)


# every guard and every moment in each sample; whole: python -m bench safety
REMOVED = stratified(MATRIX, lambda each: each, by=seed())


@pytest.mark.parametrize(("name", "moment"), REMOVED)
async def test_a_guard_removed_at_one_moment_is_missed(
    world: Production, name: str, moment: Moment
) -> None:
    # what was changed by hand is no permit's either: the last line of defence
    with removed(name, moment), pytest.raises((AssertionError, PermitForgedError)):
        await tell(world, name, moment)


# --- what a matrix does not tell ----------------------------------------------------------------


async def test_a_row_that_claims_two_yeses_of_one_person_is_not_run(world: Production) -> None:
    plan = await world.planned("manual")
    record = await world.record(plan)
    answers = (Yes(ANN, world.clock.wall(), record.plan.digest),) * 2
    forged = Approved(record.plan.id, record.plan.digest, answers, world.clock.wall())
    async with world.store.begin() as tx:
        moved = await tx.plans.move(record.to(life.PlanApproved(forged)))
        facts = {"status": moved.status.value, "version": moved.version}
        event = Event("plan.approved", world.clock.now(), ANN, plan, "", record.plan.digest, facts)
        await tx.audit.append(event)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.WITHDRAWN
    assert await refusals(world, plan) == ["distinct_approvers"]


async def test_an_approver_without_the_role_any_more_lets_nothing_run(world: Production) -> None:
    plan = await world.approved("rollback")
    world.access = AccessConfig({**world.access.holders, Role.APPROVER: (BOB,)})
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.WITHDRAWN
    assert world.cluster.sent == []


async def test_time_that_passes_in_the_world_alone_expires_nothing(world: Production) -> None:
    plan = await world.planned("rollback")
    world.clock.advance_world(minutes=31)
    assert (await world.approve(plan)).accepted
    await world.run()
    assert len(world.cluster.sent) == 1


async def test_a_plan_that_began_in_time_goes_on_after_its_expiry(world: Production) -> None:
    plan = await world.approved("both")

    async def later() -> None:
        world.clock.advance(minutes=31)

    world.cluster.after_change[1] = later
    await world.run()
    assert len(world.cluster.sent) == 3
    assert (await world.record(plan)).status is PlanStatus.VERIFYING


async def test_what_a_plan_did_itself_is_no_cooldown_and_no_company(world: Production) -> None:
    world.policy = replace(world.policy, max_concurrent=1)
    await world.approved("both")
    await world.run()
    assert [ref.name for _, ref, _ in world.cluster.sent] == ["shop", "cart", "shop"]


def test_the_playbook_of_one_step_is_the_others_first() -> None:
    """The stories lean on it: what changes is cart's, and the first step is shop's."""
    assert "target: shop" in BOTH
    assert BOTH.index("target: shop") < BOTH.index("target: cart")
    assert "deployment_rollback" in ROLLBACK


@pytest.mark.parametrize("value", ["true", "True", "TRUE"])
async def test_a_label_protects_in_whatever_letters_somebody_typed_its_value(
    world: Production, value: str
) -> None:
    item = world.cluster.objects["Deployment", "trading", "shop"]
    item["metadata"]["labels"]["do-not-remediate"] = value
    assert (await world.propose("rollback")).refused_by == "protected_label"
