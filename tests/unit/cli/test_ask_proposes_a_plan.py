"""`ask --json` names the plan that Claude proposed while it answered: the very one people judge."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path

import pytest

from bot.__main__ import main
from bot.domain.ids import PlanId, RunId
from bot.domain.run import Done
from bot.settings import keyring_of, load_settings
from bot.store.store import open_store
from sandbox.model.script import Turn, text, tool_use
from sandbox.model.server import start_model
from tests.sandboxed import HOST, START, platform


@pytest.mark.usefixtures("trading")
async def test_the_plan_of_an_answer_is_printed_kept_and_posted_where_plans_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = await start_model(HOST, 0)
    given = {"playbook": "rollout_restart", "service": "order-api", "reason": "it is stuck [E1]"}
    model.push([
        Turn([tool_use("propose_plan", given)]),
        Turn([text("**order-api is stuck.** A person must decide.")]),
    ])  # fmt: skip
    async with platform(tmp_path) as outside:
        for name, value in {
            "KUBECONFIG": str(outside.kubernetes.reader_kubeconfig),
            "KUBECONFIG_ACT": str(outside.kubernetes.actor_kubeconfig),
            "ANTHROPIC_API_KEY": "sandbox-model",
            "ANTHROPIC_BASE_URL": model.url,
            "SRE_AGENT_CLOCK": f"{START.timestamp():.0f},1",
            "SLACK_BOT_TOKEN": "xoxb-1",  # nobody connects: the bot that runs posts the card
            "SLACK_SIGNING_SECRET": "s3cret",
        }.items():
            monkeypatch.setenv(name, value)
        status = await asyncio.to_thread(main, ["ask", "is order-api stuck?", "--json"])
    await model.close()
    out, err = capsys.readouterr()
    assert status == 0, err
    answer = json.loads(out)
    assert answer["mode"] == "claude"
    store = await open_store(os.environ["DATABASE_URL"], keyring_of(load_settings()))
    async with store.begin() as tx:
        record = await tx.plans.get(PlanId(answer["plan"]["id"]))
        (asked,) = [r.event for r in await tx.audit.tail() if r.event.kind == "question.asked"]
        run = await tx.runs.get(RunId(asked.subject))
        posted = await tx.outbox.find(f"plan:{record.plan.id}")
    await store.close()
    plan = record.plan
    assert answer["plan"] == {
        "id": plan.id, "title": "Rollout restart: order-api", "status": "waiting",
        "tier": plan.tier.value, "risk": plan.risk.score, "digest": plan.digest,
    }  # fmt: skip
    assert isinstance(run, Done)
    assert run.answer.plan_id == plan.id
    assert (plan.place.channel, plan.auto) == ("#incidents", False)
    assert posted is not None
    assert posted.channel == "#incidents"
