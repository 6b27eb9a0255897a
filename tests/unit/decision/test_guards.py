"""Each guard has a story through the real planner, approvals and execution.

`test_a_removed_guard_is_missed` takes each guard out in turn: its story must turn red.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from bot.core.remediation.plan_moves import named_guard
from bot.domain import plan_life as life
from bot.domain.access import AccessConfig
from bot.domain.approval import Approved, Yes
from bot.domain.guards import GUARDS
from bot.domain.ids import PlanId
from bot.domain.plan import PlanStatus
from bot.domain.policy import OwnGround, OwnService, PolicyConfig
from bot.locale import LANGUAGES, Texts
from tests.fakes.decision import ADA, ANN, BOB, INCIDENTS, RAY, Production
from tools.world import ServiceMode

Story = Callable[[Production], Awaitable[None]]


async def refused(
    world: Production, guard: str, playbook: str = "rollback", service: str = "shop"
) -> None:
    receipt = await world.propose(playbook, service)
    assert receipt.refused_by == guard
    assert receipt.plan_id is None
    await world.run()
    assert world.cluster.sent == []


async def not_answered(world: Production, plan: PlanId, guard: str, *, digest: str = "") -> None:
    said = await world.bot.approvals.approve(plan, ANN, INCIDENTS, digest)
    assert said.refused_by == guard
    await world.run()
    assert world.cluster.sent == []
    assert "plan.refused" in await world.audit(plan)


async def not_run(world: Production, plan: PlanId, status: PlanStatus, guard: str) -> None:
    before = len(world.cluster.sent)
    await world.run()
    record = await world.record(plan)
    assert len(world.cluster.sent) == before
    assert record.status is status
    async with world.store.begin() as tx:
        rows = await tx.audit.tail(100, plan)
    assert [r.event.facts["guard"] for r in rows if r.event.kind == "plan.refused"] == [guard]


async def protected_namespace(world: Production) -> None:
    world.policy = PolicyConfig(protected_namespaces=("trading",))
    await refused(world, "protected_namespace")


async def protected_label(world: Production) -> None:
    item = world.cluster.objects["Deployment", "trading", "shop"]
    item["metadata"]["labels"]["do-not-remediate"] = "true"
    await refused(world, "protected_label")
    del item["metadata"]["labels"]["do-not-remediate"]
    plan = await world.approved("rollback")
    item["metadata"]["labels"]["do-not-remediate"] = "true"
    await not_run(world, plan, PlanStatus.WITHDRAWN, "protected_label")


async def protected_service(world: Production) -> None:
    await refused(world, "protected_service", service="vault")


async def protected_own(world: Production) -> None:
    selects = {"selector": {"app": "shop"}}
    metadata = {"namespace": "trading", "name": "shop-db"}
    world.cluster.put({"kind": "Service", "metadata": metadata, "spec": selects})
    plan = await world.approved("rollback")
    own = OwnGround(services=(OwnService("trading", "shop-db", "the database"),))
    world.policy = PolicyConfig(own=own)
    await not_run(world, plan, PlanStatus.WITHDRAWN, "protected_own")
    await refused(world, "protected_own")
    world.policy = PolicyConfig(own=OwnGround(namespace="trading"))
    await refused(world, "protected_own")


async def effect_set(world: Production) -> None:
    plan = await world.approved("rollback")
    selects = {"selector": {"app": "shop"}}
    metadata = {"namespace": "trading", "name": "another"}
    world.cluster.put({"kind": "Service", "metadata": metadata, "spec": selects})
    await not_run(world, plan, PlanStatus.WITHDRAWN, "effect_set")
    del world.cluster.objects["Namespace", "", "trading"]
    await refused(world, "effect_set")


async def gitops_owned(world: Production) -> None:
    item = world.cluster.objects["Deployment", "trading", "shop"]
    item["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = "shop:apps/Deployment"
    await refused(world, "gitops_owned")


async def service_mode(world: Production) -> None:
    world.set_mode("shop", ServiceMode.OBSERVE)
    await refused(world, "service_mode")


async def service_mode_answer(world: Production) -> None:
    world.set_mode("shop", ServiceMode.SUGGEST)
    plan = await world.planned("rollback")
    await not_answered(world, plan, "service_mode_answer")


async def tier_critical(world: Production) -> None:
    await refused(world, "tier_critical", "forbidden")


async def blast_radius(world: Production) -> None:
    world.policy = PolicyConfig(max_pods_affected=2)
    await refused(world, "blast_radius")


async def enabled(world: Production) -> None:
    world.policy = PolicyConfig(enabled=False)
    await not_answered(world, await world.planned("rollback"), "enabled")


async def dry_run(world: Production) -> None:
    plan = await world.approved("rollback")
    world.policy = PolicyConfig(dry_run=True)
    await not_run(world, plan, PlanStatus.WITHDRAWN, "dry_run")


async def halt(world: Production) -> None:
    plan = await world.approved("rollback")
    assert (await world.bot.switches.halt(RAY, "wrong", INCIDENTS)).accepted
    await not_run(world, plan, PlanStatus.HALTED, "halt")
    await refused(world, "halt", service="cart")


async def freeze(world: Production) -> None:
    plan = await world.approved("rollback")
    assert (await world.bot.switches.freeze(ADA, "launch day", INCIDENTS)).accepted
    await not_run(world, plan, PlanStatus.WITHDRAWN, "freeze")


async def stopped(world: Production) -> None:
    plan = await world.approved("rollback")
    await world.run()
    assert (await world.bot.approvals.stop(plan, RAY, INCIDENTS)).accepted
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.HALTED


async def expiry(world: Production) -> None:
    plan = await world.planned("rollback")
    world.clock.advance(minutes=31)
    said = await world.bot.approvals.approve(plan, ANN, INCIDENTS)
    assert said.refused_by == "expiry"
    assert said.status is PlanStatus.EXPIRED
    late = await world.approved("rollback", "cart")
    world.clock.advance(minutes=31)
    await not_run(world, late, PlanStatus.EXPIRED, "expiry")


async def plan_digest(world: Production) -> None:
    plan = await world.planned("rollback")
    await not_answered(world, plan, "plan_digest", digest="0" * 64)


async def approver_role(world: Production) -> None:
    plan = await world.approved("rollback")
    world.access = AccessConfig({**world.access.holders, "approver": (BOB,)})  # type: ignore[dict-item]
    await not_run(world, plan, PlanStatus.WITHDRAWN, "approver_role")


async def requester(world: Production) -> None:
    from bot.core.remediation.planner import Origin
    from bot.domain.place import Place
    from tools.world import ProposalDraft, ServiceName

    world.policy = PolicyConfig(requester_counts=False)
    draft = ProposalDraft("rollback", ServiceName("shop"), "because")
    origin = Origin(Place(INCIDENTS), ANN)
    receipt = await world.bot.planner.propose(draft, origin)
    assert receipt.plan_id is not None
    await not_answered(world, PlanId(receipt.plan_id), "requester")


async def distinct_approvers(world: Production) -> None:
    """A row in the store that claims an approval which one person alone gave."""
    plan = await world.planned("manual")
    record = await world.record(plan)
    answers = (Yes(ANN, world.clock.wall(), record.plan.digest),) * 2
    forged = Approved(record.plan.id, record.plan.digest, answers, world.clock.wall())
    async with world.store.begin() as tx:
        await tx.plans.move(record.to(life.Approved(forged)))
    await not_run(world, plan, PlanStatus.WITHDRAWN, "distinct_approvers")


async def break_glass(world: Production) -> None:
    plan = await world.planned("manual")
    said = await world.bot.approvals.break_glass(plan, ANN, "all orders fail", INCIDENTS)
    assert said.refused_by == "break_glass"
    await world.run()
    assert world.cluster.sent == []
    assert "plan.refused" in await world.audit(plan)


async def cooldown(world: Production) -> None:
    plan = await world.approved("scale-up", "shop", RAY)
    await world.run()
    assert (await world.propose("hpa_scale", add_replicas="1")).refused_by == "cooldown"  # busy
    world.metrics["cpu_usage", "shop"] = 0.1
    world.clock.advance(seconds=70)
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.SUCCEEDED
    assert (await world.propose("hpa_scale", add_replicas="1")).refused_by == "cooldown"
    world.clock.advance(seconds=300)
    assert (await world.propose("hpa_scale", add_replicas="1")).refused_by == ""


async def concurrency(world: Production) -> None:
    world.policy = PolicyConfig(max_concurrent=1)
    await world.approved("rollback")
    await world.run()
    other = await world.approved("rollback", "cart")
    await world.run()
    assert (await world.record(other)).status is PlanStatus.APPROVED  # it waits its turn
    assert world.images()["cart"] == "cart:2"
    world.metrics["order_error_rate", "shop"] = 0.0
    world.clock.advance(seconds=70)
    await world.run()
    await world.run()
    assert world.images()["cart"] == "cart:1"


STORIES: dict[str, Story] = {
    story.__name__: story
    for story in (
        protected_namespace,
        protected_label,
        protected_service,
        protected_own,
        effect_set,
        gitops_owned,
        service_mode,
        service_mode_answer,
        tier_critical,
        blast_radius,
        enabled,
        dry_run,
        halt,
        freeze,
        stopped,
        expiry,
        plan_digest,
        approver_role,
        requester,
        distinct_approvers,
        break_glass,
        cooldown,
        concurrency,
    )
}


def test_every_guard_has_a_story() -> None:
    assert STORIES.keys() == GUARDS.keys()


def test_every_guard_is_called_something_in_both_languages() -> None:
    for language in LANGUAGES:
        texts = Texts(language)
        names = {name: named_guard(texts, name) for name in GUARDS}
        assert texts.say("guard.other") not in names.values()
        assert named_guard(texts, "backend") == texts.say("guard.other")


@pytest.mark.parametrize("name", GUARDS)
async def test_a_guard_refuses(world: Production, name: str) -> None:
    await STORIES[name](world)


@pytest.mark.parametrize("name", GUARDS)
async def test_a_removed_guard_is_missed(
    world: Production, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(GUARDS, name)
    with pytest.raises(AssertionError):
        await STORIES[name](world)
