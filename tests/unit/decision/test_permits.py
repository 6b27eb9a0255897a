"""Who may act on a plan, and on which step: each line of defence, asked by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from bot.core.remediation.running import permits
from bot.core.remediation.running.holds import Hold, NotOursError
from bot.core.remediation.running.permits import Permit, PermitForgedError, mint
from bot.domain.ids import PlanId
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import Approved
from bot.domain.plans.guards import Case, Refusal
from bot.domain.plans.plan import PlanStatus, Position, StepPhase
from tests.fakes.decision import ANN, INCIDENTS, Production
from tools.act.contract import Bound
from tools.errors import LostRaceError, OutcomeUnknownError


async def case_of(world: Production, plan: PlanId) -> Case:
    look = await world.bot.gate.look(await world.record(plan))
    async with world.store.begin() as tx:
        return await world.bot.gate.case(tx, await tx.plans.get(plan), look)


async def test_nobody_but_the_gate_makes_a_permit(world: Production) -> None:
    plan = (await world.record(await world.planned("rollback"))).plan
    with pytest.raises(PermitForgedError):
        Permit(plan, plan.digest, (ANN,), object())


async def test_a_permit_does_not_fit_another_plan(world: Production) -> None:
    plan = (await world.record(await world.planned("rollback"))).plan
    other = replace(plan, body=replace(plan.body, playbook_id="other"))
    with pytest.raises(PermitForgedError):
        Permit(other, plan.digest, (ANN,), permits._SEAL)


async def test_a_permit_gives_no_step_of_a_plan_that_was_bent_in_its_hand(
    world: Production,
) -> None:
    plan = await world.approved("rollback")
    record, case = await world.record(plan), await case_of(world, plan)
    permit = mint(record, replace(case, plan=record.plan, approval=record.approval))
    assert isinstance(permit, Permit)
    assert permit.approvers == (ANN,)
    assert permit.step(Position.forward(0)) == record.plan.body.steps[0]
    other = replace(record.plan.body.steps[0], parameters={"to_revision": 1})
    object.__setattr__(permit.plan, "body", replace(record.plan.body, steps=(other,)))
    with pytest.raises(PermitForgedError, match="has changed since it was approved"):
        permit.step(Position.forward(0))


async def test_a_plan_whose_steps_are_all_done_has_no_permit(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.VERIFYING
    async with world.store.begin() as tx:
        case = await world.bot.gate.case(tx, record)
    assert mint(record, case) == Refusal("status", f"{plan} is verifying, not approved")


async def test_a_plan_that_waits_for_answers_has_no_permit(world: Production) -> None:
    plan = await world.planned("rollback")
    record, case = await world.record(plan), await case_of(world, plan)
    case = replace(case, plan=record.plan, approval=record.approval)
    assert mint(record, case) == Refusal("status", f"{plan} is waiting, not approved")


async def test_a_permit_is_for_the_plan_that_the_guards_looked_at(world: Production) -> None:
    plan, other = await world.approved("rollback"), await world.approved("rollback", "cart")
    record, case = await world.record(plan), await case_of(world, other)
    about_another = Refusal("plan_digest", "the case is about another plan")
    assert mint(record, case) == about_another
    assert mint(record, replace(case, plan=record.plan)) == about_another
    assert isinstance(
        mint(record, replace(case, plan=record.plan, approval=record.approval)), Permit
    )


async def test_an_approval_that_nobody_gave_is_none(world: Production) -> None:
    plan = await world.planned("rollback")
    record = await world.record(plan)
    nobody = Approved(plan, record.plan.digest, (), world.clock.wall())
    record = record.to(life.PlanApproved(nobody))
    case = replace(await case_of(world, plan), plan=record.plan, approval=nobody)
    refusal = Refusal("distinct_approvers", f"nobody said yes to {plan}")
    assert mint(record, replace(case, auto=True)) == refusal


async def test_a_row_that_says_approved_without_anybodys_yes_is_proved_by_nothing(
    world: Production,
) -> None:
    plan = await world.planned("rollback")
    record = await world.record(plan)
    nobody = Approved(plan, record.plan.digest, (), world.clock.wall())
    await world.put_into(record, life.PlanApproved(nobody))
    async with world.store.begin() as tx:
        why = await world.bot.gate.unproved(tx, await tx.plans.get(plan))
    assert "nobody said yes, and the audit knows of no hold that ended" in why
    await world.run()
    assert world.cluster.sent == []


async def test_what_is_sent_is_the_step_that_was_approved(world: Production) -> None:
    plan = await world.approved("rollback")
    record = await world.record(plan)
    case = replace(await case_of(world, plan), plan=record.plan, approval=record.approval)
    permit, step = mint(record, case), record.plan.body.steps[0]
    assert isinstance(permit, Permit)
    hold = Hold(record.plan, 1)
    other = Bound(step.action, step.target, {**step.parameters, "to_revision": 9}, step.fingerprint)
    with pytest.raises(LostRaceError, match="not the step that was approved"):
        await world.bot.execution._execute(permit, hold, Position.forward(0), other)
    assert world.cluster.sent == []


async def test_a_plan_whose_bytes_were_changed_while_it_was_watched_stops(
    world: Production,
) -> None:
    plan = await world.approved("rollback")
    await world.run()
    async with world.store._engine.begin() as connection:
        edited = "UPDATE plans SET body = replace(body, 'shop-h1', 'shop-h9')"
        assert (await connection.execute(text(edited))).rowcount == 1
    world.clock.advance(seconds=6)
    await world.run()
    record = await world.record(plan)
    assert record.status is PlanStatus.HALTED
    assert "nothing proves" in record.outcome


async def test_a_process_that_lost_its_plan_writes_nothing_of_it(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    before = await world.record(plan)
    hold = Hold(before.plan, before.token)
    with pytest.raises(NotOursError, match="of another process"):
        await world.replica("two").execution._progress.objection(hold)
    state = before.state
    assert isinstance(state, life.Verifying)
    running = life.Running(state.approval, state.worker)
    with pytest.raises(NotOursError, match="is verifying, not running any more"):
        await world.bot.execution._progress.verifying(hold, running, world.clock.now())
    assert await world.record(plan) == before


async def test_a_step_is_moved_on_only_from_where_it_stands(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    record, steps = await world.record(plan), world.bot.execution._steps
    assert isinstance(record.approval, Approved)
    hold, running = Hold(record.plan, record.token), life.Running(record.approval, None)
    undoing = life.take_back(running, "because")
    for state, position, again, told in (
        (running, Position.forward(0), False, "the step is done, not intent"),
        (undoing, Position.back(0), True, "the step is not begun, not sent"),
    ):
        worker = life.Worker("one", world.clock.wall())
        await world.put_into(await world.record(plan), life.hand_to(state, worker))
        look = await steps.look(hold, position)
        with pytest.raises(NotOursError, match=told):
            await steps.sent(hold, position, look, again=again)
    assert [run.phase for run in await world.steps(plan)] == [StepPhase.DONE]


async def test_an_undo_step_that_a_person_proved_leads_on_with_the_way_back(
    world: Production,
) -> None:
    """It is not taken for one of the plan's own steps: nothing is done forward again."""
    plan = await world.approved("both")
    await world.run()
    real = type(world.actions["hpa_scale"])

    class AnswerLost(real):  # type: ignore[misc, valid-type]
        async def execute(self, actors: object, bound: object, key: str) -> None:
            raise OutcomeUnknownError("the connection broke after the request")

    world.actions["hpa_scale"] = AnswerLost()
    world.metrics["order_error_rate", "shop"] = 0.5
    world.clock.advance(seconds=601)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.OUTCOME_UNKNOWN
    world.actions["hpa_scale"] = real()
    sent = len(world.cluster.sent)
    assert (await world.bot.approvals.resolve_unknown(plan, ANN, "done", INCIDENTS)).accepted
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.ROLLED_BACK
    assert world.images() == {"shop": "shop:2", "cart": "cart:2"}
    assert len(world.cluster.sent) == sent + 2
