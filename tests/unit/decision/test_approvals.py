from __future__ import annotations

import asyncio

import pytest

from bot.domain.access import AccessConfig, Role
from bot.domain.finding import Finding
from bot.domain.ids import FindingId, PlanId, UserId
from bot.domain.place import Place
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.policy import AutoTier, PolicyConfig
from tests.fakes.decision import ADA, ANN, BOB, GUEST, INCIDENTS, RAY, VIV, Production
from tools.errors import BackendUnavailableError
from tools.world import ServiceMode, ServiceName, Severity


async def test_one_approver_is_enough_for_semi_auto(world: Production) -> None:
    plan = await world.planned("rollback")
    said = await world.approve(plan, ANN)
    assert (said.accepted, said.status) == (True, PlanStatus.APPROVED)


async def test_manual_needs_two_different_people(world: Production) -> None:
    plan = await world.planned("manual")
    assert (await world.approve(plan, ANN)).status is PlanStatus.WAITING
    again = await world.approve(plan, ANN)
    assert (again.accepted, again.status) == (True, PlanStatus.WAITING)
    await world.run()
    assert world.cluster.sent == []
    assert (await world.approve(plan, BOB)).status is PlanStatus.APPROVED


async def test_anyone_who_responds_may_answer_the_lowest_tier(world: Production) -> None:
    plan = await world.planned("scale-up")
    assert (await world.approve(plan, RAY)).accepted


@pytest.mark.parametrize("who", [VIV, RAY, GUEST, UserId("UNOBODY")])
async def test_who_may_not_is_refused_and_audited(world: Production, who: UserId) -> None:
    plan = await world.planned("rollback")
    said = await world.approve(plan, who)
    assert (said.accepted, said.refused_by) == (False, "access")
    async with world.store.begin() as tx:
        last = (await tx.audit.tail(1, plan))[-1].event
    assert (last.kind, last.actor) == ("access.denied", who)
    assert (await world.record(plan)).status is PlanStatus.WAITING


async def test_a_double_click_from_two_phones_is_one_yes(world: Production) -> None:
    plan = await world.planned("manual")
    clicks = [world.bot.approvals.approve(plan, ANN, INCIDENTS) for _ in range(5)]
    said = await asyncio.gather(*clicks)
    assert all(each.accepted for each in said)
    record = await world.record(plan)
    assert record.status is PlanStatus.WAITING
    assert len(record.approval.answers) == 1  # type: ignore[union-attr]


async def test_a_click_on_an_old_card_changes_nothing(world: Production) -> None:
    plan = await world.planned("rollback")
    assert (await world.bot.approvals.reject(plan, ANN, "not now", INCIDENTS)).accepted
    late = await world.approve(plan, BOB)
    assert (late.accepted, late.status) == (False, PlanStatus.REJECTED)
    await world.run()
    assert world.cluster.sent == []


async def test_a_no_needs_a_reason_which_is_kept_apart(world: Production) -> None:
    plan = await world.planned("rollback")
    empty = await world.bot.approvals.reject(plan, ANN, "  ", INCIDENTS)
    assert (empty.accepted, empty.refused_by) == (False, "reason")
    assert (await world.bot.approvals.reject(plan, ANN, "wrong service", INCIDENTS)).accepted
    async with world.store.begin() as tx:
        last = (await tx.audit.tail(1, plan))[-1]
    assert last.event.kind == "plan.rejected"
    assert last.private_sha256


@pytest.mark.parametrize("late", [0, 1], ids=["at its last moment", "a second later"])
async def test_a_no_after_the_time_is_over_says_expired_and_not_rejected(
    world: Production, late: int
) -> None:
    plan = await world.planned("rollback")
    expires = (await world.record(plan)).plan.expires_at
    world.clock.advance(seconds=(expires - world.clock.wall()).total_seconds() + late)
    said = await world.bot.approvals.reject(plan, ANN, "not now", INCIDENTS)
    assert said.status is PlanStatus.EXPIRED
    assert (await world.record(plan)).status is PlanStatus.EXPIRED


async def test_a_plan_expires_in_the_very_moment_that_its_card_names(world: Production) -> None:
    plan = await world.planned("rollback")
    expires = (await world.record(plan)).plan.expires_at
    world.clock.advance(seconds=(expires - world.clock.wall()).total_seconds())
    assert await world.bot.deadlines.expire_due() == 1
    assert (await world.record(plan)).status is PlanStatus.EXPIRED


async def test_a_yes_to_one_plan_does_not_open_another(world: Production) -> None:
    first = await world.planned("rollback")
    second = await world.planned("rollback", "cart")
    await world.approve(first, ANN)
    await world.run()
    assert world.images() == {"shop": "shop:1", "cart": "cart:2"}
    assert (await world.record(second)).status is PlanStatus.WAITING


async def test_unanswered_plans_are_reminded_once_and_expire(world: Production) -> None:
    plan = await world.planned("rollback")
    assert await world.bot.deadlines.remind_due() == 0
    world.clock.advance(minutes=26)
    assert await world.bot.deadlines.remind_due() == 1
    assert await world.bot.deadlines.remind_due() == 0
    assert await world.bot.deadlines.expire_due() == 0
    world.clock.advance(minutes=5)
    assert await world.bot.deadlines.expire_due() == 1
    assert await world.bot.deadlines.expire_due() == 0
    assert (await world.record(plan)).status is PlanStatus.EXPIRED


async def test_an_expired_plan_can_be_proposed_again_as_a_new_one(world: Production) -> None:
    plan = await world.planned("rollback")
    world.clock.advance(minutes=31)
    await world.bot.deadlines.expire_due()
    denied = await world.bot.approvals.propose_again(plan, VIV, INCIDENTS)
    assert denied.refused_by == "access"
    said = await world.bot.approvals.propose_again(plan, RAY, INCIDENTS)
    assert said.accepted
    async with world.store.begin() as tx:
        waiting = await tx.plans.list([PlanStatus.WAITING])
    assert [r.plan.requested_by for r in waiting] == [RAY]
    assert waiting[0].plan.id != plan


async def test_an_approved_plan_that_could_not_start_expires(world: Production) -> None:
    plan = await world.approved("rollback")
    world.clock.advance(minutes=31)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.EXPIRED
    assert world.cluster.sent == []


async def test_while_the_directory_is_down_an_approved_plan_waits(world: Production) -> None:
    plan = await world.approved("rollback")
    world.directory.down = True
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.APPROVED
    world.directory.down = False
    world.clock.advance(seconds=10)
    await world.run()
    assert len(world.cluster.sent) == 1


async def test_roles_are_judged_where_the_card_lives_not_where_the_click_came_from(
    world: Production,
) -> None:
    world.access = AccessConfig({Role.VIEWER: ("*",)}, channels={"CEVIL": {Role.APPROVER: (VIV,)}})
    plan = await world.planned("rollback")
    said = await world.bot.approvals.approve(plan, VIV, "CEVIL")  # type: ignore[arg-type]
    assert said.refused_by == "access"


async def test_a_plan_changed_by_hand_meanwhile_is_withdrawn(world: Production) -> None:
    plan = await world.planned("rollback")
    assert await world.bot.deadlines.review_waiting() == 0
    item = world.cluster.objects["Deployment", "trading", "shop"]
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:1"
    world.cluster.put(item)
    assert await world.bot.deadlines.review_waiting() == 1
    record = await world.record(plan)
    assert record.status is PlanStatus.WITHDRAWN
    assert "by hand" in record.outcome


async def test_an_object_changed_after_the_yes_is_not_touched(world: Production) -> None:
    plan = await world.approved("rollback")
    item = world.cluster.objects["Deployment", "trading", "shop"]
    item["spec"]["template"]["spec"]["containers"][0]["image"] = "shop:9"
    world.cluster.put(item)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.WITHDRAWN
    assert world.cluster.sent == []


async def test_a_plan_whose_trigger_cleared_is_withdrawn(world: Production) -> None:
    from bot.core.remediation.planning.planner import Origin
    from tools.world import ProposalDraft

    finding = Finding(
        FindingId("FND-1"), ServiceName("shop"), Severity.HIGH, world.clock.now(), (), ()
    )
    async with world.store.begin() as tx:
        await tx.findings.save(finding)
    draft = ProposalDraft("rollback", ServiceName("shop"), "because")
    origin = Origin(Place(INCIDENTS), None, finding.id)
    receipt = await world.bot.planner.propose(draft, origin)
    assert await world.bot.deadlines.trigger_cleared(finding) == 1
    assert await world.bot.deadlines.trigger_cleared(finding) == 0
    record = await world.record(receipt.plan_id)  # type: ignore[arg-type]
    assert record.status is PlanStatus.WITHDRAWN


# --- the lowest tier by itself ----------------------------------------------------------------


async def held(world: Production) -> PlanId:
    world.policy = PolicyConfig(auto_tier=AutoTier.RUN)
    world.set_mode("shop", ServiceMode.AUTO)
    plan = await world.planned("scale-up")
    assert (await world.record(plan)).status is PlanStatus.HELD
    return plan


async def test_a_held_plan_runs_when_the_hold_ends(world: Production) -> None:
    await held(world)
    await world.run()
    world.clock.advance(seconds=29)
    await world.run()
    assert world.cluster.sent == []
    world.clock.advance(seconds=1)
    await world.run()
    assert world.limits() == (4, 6)


async def test_a_held_plan_can_be_stopped(world: Production) -> None:
    plan = await held(world)
    assert (await world.bot.approvals.stop(plan, RAY, INCIDENTS)).accepted
    world.clock.advance(seconds=60)
    await world.run()
    assert world.cluster.sent == []
    assert (await world.record(plan)).status is PlanStatus.WITHDRAWN


async def test_a_held_plan_asks_after_all_when_policy_became_stricter(world: Production) -> None:
    plan = await held(world)
    world.policy = PolicyConfig(auto_tier=AutoTier.ASK)
    world.clock.advance(seconds=31)
    await world.run()
    assert world.cluster.sent == []
    assert (await world.record(plan)).status is PlanStatus.WAITING
    assert (await world.approve(plan, RAY)).accepted
    await world.run()
    assert world.limits() == (4, 6)


async def test_mode_auto_alone_does_not_let_a_plan_run(world: Production) -> None:
    world.set_mode("shop", ServiceMode.AUTO)
    plan = await world.planned("scale-up")
    assert (await world.record(plan)).status is PlanStatus.WAITING


# --- switches ---------------------------------------------------------------------------------


async def test_a_switch_keeps_the_reason_given_and_says_so_when_none_was(world: Production) -> None:
    switches = world.bot.switches
    assert (await switches.freeze(ADA, "release night", INCIDENTS)).accepted
    assert (await switches.state())[1] == f"{ADA}: release night"
    assert (await switches.freeze(ADA, "", INCIDENTS)).accepted
    assert (await switches.state())[1] == f"{ADA}: no reason given"
    assert (await switches.halt(ADA, "stop", INCIDENTS)).accepted
    assert (await switches.resume(ADA, INCIDENTS, "it is over")).accepted
    async with world.store.begin() as tx:
        rows = await tx.audit.tail(4)
    assert [row.event.facts["after"] for row in rows] == [True, True, True, False]
    assert all(row.private_sha256 for row in rows)
    assert len({row.private_sha256 for row in rows}) == 4


async def test_switches_are_audited_and_need_a_role(world: Production) -> None:
    assert not (await world.bot.switches.halt(VIV, "x", INCIDENTS)).accepted
    assert (await world.bot.switches.halt(RAY, "x", INCIDENTS)).accepted
    assert not (await world.bot.switches.resume(RAY, INCIDENTS)).accepted
    assert (await world.bot.switches.resume(ADA, INCIDENTS)).accepted
    assert await world.bot.switches.state() == ("", "")
    assert (await world.audit("halt")).count("setting.changed") == 2


async def test_a_dead_cluster_leaves_an_approved_plan_approved(world: Production) -> None:
    plan = await world.approved("rollback")
    world.cluster.fail_next = [BackendUnavailableError("kubernetes", "down")]
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.APPROVED
