"""Two bot processes on one PostgreSQL, two hundred clicks on one plan through real Bolt.

    local Slack ── 200 clicks at once ──┬─ Bolt ─ bot process 1 ─┐
                                        └─ Bolt ─ bot process 2 ─┴─ one PostgreSQL, one cluster

The bots are started as people start them (`python -m bot run`), without Prometheus and Claude: this
is about answers. The clicks come from the two people who may approve. Effects are counted at the
imitated Kubernetes.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bot.clock import WorldClock
from bot.core.ports import PlanRecord
from bot.core.remediation.assembly import Remediation, RemediationPorts, build_remediation
from bot.domain.access import AccessConfig
from bot.domain.ids import ChannelId, PlanId
from bot.domain.keyring import Keyring
from bot.domain.place import Place
from bot.domain.plans.plan import PlanStatus
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from bot.store.store import SqlStore, open_store
from playbooks.loader import parse
from sandbox.main import Ports, Sandbox, up
from sandbox.slack.chat.people import INCIDENTS
from sandbox.slack.deeds import DeedError
from tests.fakes.decision import FakeDirectory, service
from tests.fixtures.database import postgres_copy
from tests.fixtures.postgres import postgres_server
from tests.fixtures.slack_timing import UNHURRIED
from tests.patience import PATIENCE
from tests.safety.life import AUDIT_KEY
from tools.act.actions import ACTIONS
from tools.act.contract import Actors
from tools.backends.kubernetes.actor import KubernetesActor
from tools.backends.kubernetes.config import KubernetesConfig
from tools.world import Catalogue, ProposalDraft, ServiceName

ROOT = Path(__file__).parents[2]
BOTS, CLICKS = 2, 200
PLAYBOOK = """
id: race
name: One rollback
description: The previous revision
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.7
steps:
  - {name: Roll back, action: deployment_rollback, target: order-api}
verify: [{expression: order_error_rate < 2%, window_seconds: 300}]
"""


@dataclass(frozen=True, slots=True)
class Raced:
    """What two hundred clicks came to."""

    delivered: int  # clicks that found the button
    acknowledged: int
    approvals: int  # audit rows that say yes; two people must, and each counts once
    started: int  # audit rows that say that the plan began
    effects: int  # changes at the imitated Kubernetes

    @property
    def executions(self) -> int:
        """How often the plan ran; 1 is right."""
        return max(self.started, self.effects)


async def measure(folder: Path, clicks: int = CLICKS) -> Raced:
    """Start two bots, propose one plan, click."""
    with postgres_server() as postgres:
        url = postgres_copy(postgres)
        store = await open_store(url, Keyring(AUDIT_KEY))
        # How soon a click is acknowledged is another bench's question; here each must arrive.
        sandbox = await up(
            "noisy_night", 1.0, Ports(0, 0, 0, 0, 0), folder / "sandbox",
            after_seconds=86_400.0, timing=replace(UNHURRIED, real_limits=False),
        )  # fmt: skip
        try:
            async with _bots(sandbox, url, folder):
                await sandbox.slack.wait_for(
                    lambda: len(sandbox.slack.parts.socket.connections) >= BOTS, PATIENCE
                )
                return await _click(sandbox, store, clicks)
        finally:
            await sandbox.close()
            await store.close()


@asynccontextmanager
async def _bots(sandbox: Sandbox, url: str, folder: Path) -> AsyncIterator[None]:
    off = ("PROMETHEUS_URL", "LOKI_URL", "ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY")
    ours = ("SRE_", "SLACK_", "ANTHROPIC", "PROMETHEUS", "LOKI", "KUBE", "DATABASE")
    env = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    env |= {k: v for k, v in sandbox.env.items() if k not in off}
    env |= {
        "DATABASE_URL": url,
        "AUDIT_KEY": AUDIT_KEY.decode(),
        "API_PORT": "0",
        "API_LIVE_PORT": "0",
    }
    started: list[asyncio.subprocess.Process] = []
    try:
        for number in range(BOTS):
            own = {
                "KNOWLEDGE_URI": str(folder / f"knowledge-{number}"),
                "SRE_AGENT_KNOWLEDGE__EXPORT_DIR": str(folder / f"export-{number}"),
            }
            with (folder / f"bot-{number}.log").open("wb") as log:
                started.append(
                    await asyncio.create_subprocess_exec(
                        sys.executable, "-m", "bot", "run",
                        env=env | own, cwd=ROOT, stdout=log, stderr=log,
                    )
                )  # fmt: skip
        yield
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _planner(store: SqlStore, actor: KubernetesActor) -> Remediation:
    loaded = parse(PLAYBOOK.encode(), "bench.yaml", frozenset(ACTIONS))
    services = {ServiceName("order-api"): service("order-api")}
    clock = WorldClock()

    async def bad(metric: str, service: str) -> float | None:
        return 0.5

    return build_remediation(
        RemediationPorts(
            store=store,
            clock=clock,
            directory=FakeDirectory(),
            actors=Actors(clock, actor),
            actions=ACTIONS,
            library=lambda: {loaded.playbook.id: loaded},
            catalogue=lambda: Catalogue({}, services),
            measure=bad,
            place_of=lambda _: Place(ChannelId(INCIDENTS)),
            texts=Texts("en"),
            redactor=Redactor(),
            access=lambda: AccessConfig({}),
        )
    )


async def _click(sandbox: Sandbox, store: SqlStore, clicks: int) -> Raced:
    actor = KubernetesActor(
        KubernetesConfig(kubeconfig_act=str(sandbox.kubernetes.actor_kubeconfig))
    )
    try:
        draft = ProposalDraft("race", ServiceName("order-api"), "errors after a release")
        receipt = await _planner(store, actor).planner.propose(draft)
    finally:
        await actor.close()
    if receipt.plan_id is None:
        raise RuntimeError(f"no plan: {receipt.refused_by}: {receipt.summary}")
    plan_id = PlanId(receipt.plan_id)
    slack = sandbox.slack

    def card() -> str | None:
        told = [m["ts"] for m in slack.messages("#incidents") if plan_id in str(m.get("blocks"))]
        return told[0] if told else None

    ts = await slack.wait_for(card, PATIENCE)

    gone = 0

    async def click(number: int) -> bool:
        nonlocal gone
        who = ("alice", "bob")[number % 2]
        try:
            return bool(await slack.click(who, "#incidents", ts, "plan.approve", value=plan_id))
        except DeedError:  # the button is gone: so late was this one
            gone += 1
            return False

    told = await asyncio.gather(*(click(number) for number in range(clicks)))
    record = await _settled(store, plan_id)
    kinds = await _audited(store, record.plan.id)
    return Raced(
        delivered=clicks - gone,
        acknowledged=sum(told),
        approvals=kinds.count("plan.approved"),
        started=kinds.count("plan.started"),
        effects=len(sandbox.kubernetes.effects),
    )


async def _settled(store: SqlStore, plan_id: PlanId) -> PlanRecord:
    """Wait until the plan ran and every click was worked on."""
    quiet = 0
    async with asyncio.timeout(PATIENCE):
        while True:
            async with store.begin() as tx:
                record, backlog = await tx.plans.get(plan_id), await tx.inbox.backlog()
            ran = record.status.ended or record.status is PlanStatus.VERIFYING
            quiet = quiet + 1 if ran and backlog == 0 else 0
            if quiet >= 10:  # two and a half seconds: a tick of either bot would have begun again
                return record
            await asyncio.sleep(0.25)


async def _audited(store: SqlStore, subject: str) -> list[str]:
    async with store.begin() as tx:
        rows: list[Any] = await tx.audit.tail(1000, subject)
    return [row.event.kind for row in rows]
