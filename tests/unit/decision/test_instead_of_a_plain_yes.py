"""Answers that are more than yes or no: the glass broken, a plan edited, the end told."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from itertools import count
from typing import Any

import pytest

from bot.domain.ids import ChannelId, PlanId, Ts, UserId
from bot.domain.plans.plan import PlanStatus, Step
from bot.domain.plans.policy import PolicyConfig
from tests.fakes.decision import (
    ADA,
    ANN,
    BOB,
    GUEST,
    INCIDENTS,
    MANUAL,
    RAY,
    SCALE,
    VIV,
    Production,
    library,
)

WHY = "nobody else answers, orders fail"
CHOOSING = SCALE.replace("{add_replicas: 2}", '{add_replicas: "{{ add_replicas }}"}').replace(
    "id: scale-up", "id: choosing"
)
CHOOSING += """
parameters:
  add_replicas: {description: how many more, default: 2, pattern: "[1-5]"}
"""


HOUR = timedelta(hours=1)


async def notices(world: Production, word: str) -> list[dict[str, Any]]:
    """Post everything, and return the notices in which a word stands, oldest first."""
    found: list[dict[str, Any]] = []
    async with world.store.begin() as tx:
        for number in count():
            row = await tx.outbox.claim("test", world.clock.wall(), HOUR)
            if row is None:
                return found
            await tx.outbox.posted(row.id, Ts(f"1732099200.{number:06}"), world.clock.wall())
            if row.view == "notice" and word in str(row.body):
                found.append({"channel": row.channel, "thread": row.thread_ts, **row.body})
    raise AssertionError("the outbox never ends")


# --- break-glass ------------------------------------------------------------------------------


async def glass(world: Production, plan: PlanId, user: UserId = ANN, why: str = WHY) -> Any:
    return await world.bot.approvals.break_glass(plan, user, why, INCIDENTS)


async def test_one_approver_may_open_a_manual_plan_where_policy_allows_it(
    world: Production,
) -> None:
    world.policy = PolicyConfig(break_glass=True)
    plan = await world.planned("manual")
    said = await glass(world, plan)
    assert (said.accepted, said.status) == (True, PlanStatus.APPROVED)
    await world.run()
    assert world.images()["shop"] == "shop:1"
    async with world.store.begin() as tx:
        rows = await tx.audit.tail(100, plan)
    (broken,) = [row for row in rows if row.event.kind == "plan.break_glass"]
    assert (broken.event.actor, broken.event.digest) == (
        ANN,
        (await world.record(plan)).plan.digest,
    )
    assert broken.private_sha256
    (loud,) = await notices(world, "glass_announced")
    assert (loud["channel"], loud["thread"]) == (INCIDENTS, None)
    assert loud["fields"]["reason"] == WHY


async def test_a_broken_glass_is_told_in_the_channel_of_the_card_and_in_incidents(
    world: Production,
) -> None:
    from bot.core.remediation.planning.planner import Origin
    from bot.domain.place import Place
    from tools.world import ProposalDraft, ServiceName

    world.policy = PolicyConfig(break_glass=True)
    draft = ProposalDraft("manual", ServiceName("shop"), "because")
    origin = Origin(Place(ChannelId("C2SHOP"), Ts("1732099200.000100")))
    receipt = await world.bot.planner.propose(draft, origin)
    assert (await glass(world, PlanId(str(receipt.plan_id)))).accepted
    told = await notices(world, "glass_announced")
    assert [(each["channel"], each["thread"]) for each in told] == [
        ("C2SHOP", None),
        (INCIDENTS, None),
    ]


async def test_a_glass_without_a_reason_stays_whole(world: Production) -> None:
    world.policy = PolicyConfig(break_glass=True)
    plan = await world.planned("manual")
    assert (await glass(world, plan, why="  ")).refused_by == "reason"
    assert (await world.record(plan)).status is PlanStatus.WAITING


@pytest.mark.parametrize("who", [VIV, RAY, GUEST])
async def test_only_an_approver_breaks_the_glass(world: Production, who: UserId) -> None:
    world.policy = PolicyConfig(break_glass=True)
    plan = await world.planned("manual")
    assert (await glass(world, plan, who)).refused_by == "access"
    assert "access.denied" in await world.audit(plan)


@pytest.mark.parametrize("playbook", ["rollback", "scale-up"])
async def test_a_plan_that_needs_one_yes_has_no_glass(world: Production, playbook: str) -> None:
    world.policy = PolicyConfig(break_glass=True)
    assert (await glass(world, await world.planned(playbook))).refused_by == "break_glass"


async def test_the_glass_opens_no_other_guard(world: Production) -> None:
    world.policy = PolicyConfig(break_glass=True)
    plan = await world.planned("manual")
    other = await world.bot.approvals.break_glass(plan, ANN, WHY, INCIDENTS, "0" * 64)
    assert other.refused_by == "plan_digest"
    assert (await world.bot.switches.halt(RAY, "stop", INCIDENTS)).accepted
    assert (await glass(world, plan)).refused_by == "halt"
    assert (await world.bot.switches.resume(ADA, INCIDENTS)).accepted
    assert (await world.bot.switches.freeze(ADA, "launch", INCIDENTS)).accepted
    assert (await glass(world, plan)).refused_by == "freeze"
    assert (await world.bot.switches.unfreeze(ADA, INCIDENTS)).accepted
    world.policy = PolicyConfig(break_glass=True, protected_namespaces=("trading",))
    assert (await glass(world, plan)).refused_by == "protected_namespace"
    world.policy = PolicyConfig(break_glass=True)
    world.clock.advance(minutes=31)
    assert (await glass(world, plan)).status is PlanStatus.EXPIRED
    await world.run()
    assert world.cluster.sent == []


async def test_a_glass_broken_before_it_was_switched_off_opens_nothing(world: Production) -> None:
    world.policy = PolicyConfig(break_glass=True)
    plan = await world.planned("manual")
    assert (await glass(world, plan)).accepted
    world.policy = PolicyConfig()
    await world.run()
    assert world.cluster.sent == []
    assert (await world.record(plan)).status is PlanStatus.WITHDRAWN


async def test_a_glass_broken_twice_is_broken_once(world: Production) -> None:
    world.policy = PolicyConfig(break_glass=True)
    plan = await world.planned("manual")
    said = await asyncio.gather(glass(world, plan), glass(world, plan), glass(world, plan, BOB))
    assert sum(each.accepted for each in said) >= 1
    await world.run()
    assert len(world.cluster.sent) == 1
    assert (await world.audit(plan)).count("plan.break_glass") == 1


# --- edit -------------------------------------------------------------------------------------


async def choosing(world: Production) -> PlanId:
    world.playbooks = library(CHOOSING, MANUAL)
    return await world.planned("choosing")


async def newest(world: Production) -> PlanId:
    async with world.store.begin() as tx:
        (record,) = await tx.plans.list([PlanStatus.WAITING])
    return record.plan.id


async def edit(world: Production, plan: PlanId, user: UserId = RAY, **values: str) -> Any:
    return await world.bot.approvals.edit(plan, user, values, INCIDENTS)


async def test_an_edited_plan_is_a_new_plan_with_its_own_digest_and_time(
    world: Production,
) -> None:
    old = await choosing(world)
    world.clock.advance(seconds=600)
    said = await edit(world, old, add_replicas="3")
    new = await newest(world)
    assert said.accepted
    assert new in said.text
    before, after = await world.record(old), await world.record(new)
    assert before.status is PlanStatus.WITHDRAWN
    assert before.outcome == f"replaced by {new}"
    assert after.plan.digest != before.plan.digest
    assert after.plan.expires_at > before.plan.expires_at
    assert after.plan.requested_by == RAY
    assert [c.value for c in after.plan.choices] == ["3"]
    async with world.store.begin() as tx:
        (row,) = [r for r in await tx.audit.tail(50, old) if r.event.kind == "plan.edited"]
        (made,) = [r for r in await tx.audit.tail(50, new) if r.event.kind == "plan.proposed"]
    assert row.event.actor == RAY
    assert row.event.facts["changed"] == {"add_replicas": ["2", "3"]}
    assert made.event.facts["replaces"] == old
    assert (await world.approve(old, RAY)).accepted is False
    assert (await world.approve(new, RAY)).accepted
    await world.run()
    assert world.limits() == (5, 7)


async def test_a_yes_to_the_old_plan_does_not_count_for_the_edited_one(world: Production) -> None:
    text = CHOOSING.replace("risk_override: 0.3", "risk_override: 0.7")
    world.playbooks = library(text)
    old = await world.planned("choosing")
    assert (await world.approve(old, ANN)).status is PlanStatus.WAITING
    assert (await edit(world, old, add_replicas="4")).accepted
    new = await newest(world)
    assert (await world.record(new)).approval.answers == ()  # type: ignore[union-attr]
    assert (await world.approve(new, BOB)).status is PlanStatus.WAITING
    (told,) = await notices(world, "replaced by")
    assert told["mentions"] == [ANN]


async def test_a_value_the_playbook_does_not_take_leaves_the_old_plan_waiting(
    world: Production,
) -> None:
    old = await choosing(world)
    said = await edit(world, old, add_replicas="900")
    assert (said.accepted, said.refused_by) == (False, "action")
    assert "'900'" in said.text
    assert (await world.record(old)).status is PlanStatus.WAITING
    assert await newest(world) == old


async def test_nothing_changed_is_no_new_plan(world: Production) -> None:
    old = await choosing(world)
    assert (await edit(world, old, add_replicas="2")).refused_by == "choices"
    assert await newest(world) == old
    fixed = await world.planned("manual")
    assert (await edit(world, fixed, add_replicas="2")).refused_by == "choices"


async def test_somebody_without_the_right_edits_nothing(world: Production) -> None:
    old = await choosing(world)
    assert (await edit(world, old, VIV, add_replicas="3")).refused_by == "access"
    assert await newest(world) == old
    assert "access.denied" in await world.audit(old)


async def test_a_plan_approved_while_it_is_edited_stays_the_only_one(world: Production) -> None:
    old = await choosing(world)
    binder, tried = world.bot.planner._binder, world.bot.planner._binder.dry_run

    async def approved_meanwhile(step: Step) -> None:
        await tried(step)
        assert (await world.approve(old, RAY)).accepted

    binder.dry_run = approved_meanwhile  # type: ignore[method-assign]
    said = await edit(world, old, add_replicas="3")
    assert (said.accepted, said.refused_by) == (False, "busy")
    async with world.store.begin() as tx:
        assert [r.plan.id for r in await tx.plans.list()] == [old]
    assert (await world.record(old)).status is PlanStatus.APPROVED


# --- who is told the end ----------------------------------------------------------------------


async def test_whoever_said_yes_is_told_when_the_plan_never_runs(world: Production) -> None:
    plan = await world.planned("manual")
    await world.approve(plan, ANN)
    assert (await world.bot.approvals.reject(plan, BOB, "not today", INCIDENTS)).accepted
    (told,) = await notices(world, plan)
    assert told["mentions"] == [ANN]
    assert "rejected" in told["text"]


async def test_a_plan_nobody_had_to_do_with_ends_without_a_line(world: Production) -> None:
    plan = await world.planned("rollback")
    assert (await world.bot.approvals.reject(plan, ANN, "not today", INCIDENTS)).accepted
    assert await notices(world, plan) == []


async def test_who_ends_a_plan_is_not_told_what_they_did(world: Production) -> None:
    plan = await world.planned("manual")
    await world.approve(plan, ANN)
    assert (await world.bot.approvals.reject(plan, ANN, "on second thoughts", INCIDENTS)).accepted
    assert await notices(world, plan) == []


async def test_expiry_tells_those_who_said_yes(world: Production) -> None:
    plan = await world.planned("manual")
    await world.approve(plan, ANN)
    world.clock.advance(minutes=31)
    assert await world.bot.deadlines.expire_due() == 1
    (told,) = await notices(world, plan)
    assert told["mentions"] == [ANN]


# --- cooldown and owners ----------------------------------------------------------------------


async def test_the_longer_cooldown_of_playbook_and_policy_counts(world: Production) -> None:
    slow = SCALE.replace("id: scale-up", "id: slow") + "cooldown_minutes: 15\n"
    quick = SCALE.replace("id: scale-up", "id: quick") + "cooldown_minutes: 1\n"
    world.playbooks = library(slow, quick)
    plan = await world.approved("quick", "shop", RAY)
    await world.run()
    world.metrics["cpu_usage", "shop"] = 0.1
    world.clock.advance(seconds=70)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    assert (await world.propose("quick")).refused_by == "cooldown"  # policy's five minutes
    world.clock.advance(minutes=4)
    assert (await world.propose("slow")).refused_by == "cooldown"  # the playbook's fifteen
    assert (await world.propose("quick")).plan_id is not None
    world.clock.advance(minutes=10)
    assert (await world.propose("slow")).plan_id is not None


async def test_a_playbooks_cooldown_is_asked_again_at_the_claim(world: Production) -> None:
    slow = SCALE.replace("id: scale-up", "id: slow") + "cooldown_minutes: 15\n"
    world.playbooks = library(slow, SCALE)
    waiting = await world.planned("slow")
    first = await world.approved("scale-up", "shop", RAY)
    await world.run()
    world.metrics["cpu_usage", "shop"] = 0.1
    world.clock.advance(seconds=70)
    await world.run()
    assert (await world.record(first)).status is PlanStatus.SUCCEEDED
    record = await world.record(waiting)
    async with world.store.begin() as tx:
        case = await world.bot.gate.case(tx, record)
    from bot.domain.plans.guards import GUARDS

    world.clock.advance(minutes=7)
    assert "wait" in GUARDS["cooldown"].says(case)


async def test_owners_are_told_and_hold_no_right(world: Production) -> None:
    world.playbooks = library(MANUAL + f"owners: [{VIV}, trading]\n")
    plan = await world.planned("manual")
    assert (await world.record(plan)).plan.owners == (VIV, "trading")
    assert (await world.approve(plan, VIV)).refused_by == "access"
    world.clock.advance(minutes=26)
    assert await world.bot.deadlines.remind_due() == 1
    (reminder,) = await notices(world, plan)
    assert reminder["mentions"] == [VIV, "trading"]
    assert "4 min" in reminder["text"]
