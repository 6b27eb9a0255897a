"""What the executor and the planner hand to an action, and take from it."""

from __future__ import annotations

import asyncio

import pytest

from bot.domain.plans.plan import PlanStatus
from tests.fakes.decision import Production
from tests.patience import PATIENCE
from tools.act.contract import ActionResult, Actors, Bound, NoPauses, Pauses
from tools.act.patience import Patience
from tools.act.rollout import DeploymentRollback


async def test_a_target_from_git_is_refused_with_the_change_to_commit(world: Production) -> None:
    item = world.cluster.objects["Deployment", "trading", "shop"]
    item["metadata"]["annotations"] |= {
        "argocd.argoproj.io/tracking-id": "shop:apps/Deployment:trading/shop",
        "config.kubernetes.io/origin": "path: apps/shop.yaml\n",
    }
    receipt = await world.propose("rollback", "shop")
    assert receipt.refused_by == "gitops_owned"
    assert "Argo CD application 'shop' owns the target" in receipt.summary
    assert "in apps/shop.yaml" in receipt.summary
    assert "spec.template.spec.containers[shop].image back to 'shop:1'" in receipt.summary


class Watching(DeploymentRollback):
    """Notes the patience it is given."""

    seen: list[Pauses]

    async def execute(self, actors: Actors, bound: Bound, key: str) -> ActionResult:
        self.seen.append(actors.waiting)
        return await super().execute(actors, bound, key)


async def test_a_step_is_given_the_patience_of_its_own_timeout(world: Production) -> None:
    watching = Watching()
    watching.seen = []
    world.actions["deployment_rollback"] = watching
    plan = await world.approved("rollback")
    await world.run()
    assert (await world.record(plan)).status is PlanStatus.VERIFYING
    assert [type(each) for each in watching.seen] == [Patience]


async def test_patience_ends_before_the_step_does() -> None:
    patience, loop = Patience(3600.0), asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE):
        begun = loop.time()
        assert await patience.pause(0.05) is True
        assert loop.time() >= begun + 0.05
        assert await patience.pause(3600.0) is False  # at once: waiting would outlast the step
        assert await NoPauses().pause(0.0) is False


@pytest.mark.parametrize(("timeout", "kept"), [(10.0, 1.0), (50.0, 5.0), (3600.0, 5.0)])
async def test_a_tenth_of_the_time_is_kept_for_the_last_answer_and_no_more_than_five_seconds(
    timeout: float, kept: float
) -> None:
    patience = Patience(timeout)
    assert await patience.pause(timeout - kept + 0.1) is False
    waits = asyncio.create_task(patience.pause(timeout - kept - 0.5))
    await asyncio.sleep(0)
    assert not waits.done()
    waits.cancel()
