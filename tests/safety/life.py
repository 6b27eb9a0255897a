"""One life of a bot that decides: it proposes, is answered, acts, verifies, undoes; or is killed.

    job (JSON line) ──fork──> a life: plan ─ yes ─ claim ─ steps ─ verify ─ undo ─ seal
                                 │ counts every commit and every mutating request
                                 └ SIGKILL to itself before or after the n-th one

Started as a program by `tests.safety.crash`. Everything heavy is imported once; each life is a
fork of it with connections of its own, so that a life costs a fraction of a second and a kill is a
real one: nothing is flushed, nothing is told. A life begins where the database says, never fresh.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

from bot.core.ports import PlanRecord, Store
from bot.core.remediation.assembly import Remediation, RemediationPorts, build_remediation
from bot.domain.access import AccessConfig, Role
from bot.domain.ids import PlanId
from bot.domain.keyring import Keyring
from bot.domain.place import Place
from bot.domain.plan import PlanStatus
from bot.domain.redaction import Redactor
from bot.locale import Texts
from bot.store.store import open_store
from playbooks.loader import parse
from tests.fakes.clock import FakeClock
from tests.fakes.decision import ANN, INCIDENTS, FakeDirectory, service
from tools.act.actions import ACTIONS
from tools.act.contract import Actors
from tools.backends.kubernetes.actor import KubernetesActor
from tools.backends.kubernetes.config import KubernetesConfig
from tools.world import Catalogue, ProposalDraft, ServiceName, WorkloadRef

START = datetime(2026, 11, 18, 10, 0, tzinfo=UTC)  # where the imitated production stands too
AUDIT_KEY = b"safety-bench-audit-key-0123456789"
ROUNDS = 60  # a life needs about ten; one that does not come to an end is told as unresolved
PLAYBOOK = """
id: three-steps
name: Three steps
description: Two rollbacks and a scale, each with a way back
trigger_conditions: ["order_error_rate > 2%"]
risk_override: 0.5
steps:
  - {name: First, action: deployment_rollback, target: order-api}
  - {name: Second, action: deployment_rollback, target: ledger}
  - {name: Third, action: hpa_scale, target: Deployment/gateway, parameters: {add_replicas: 2}}
verify: [{expression: order_error_rate < 2%, window_seconds: 300}]
"""
COMMIT: Callable[..., None] = DefaultDialect.do_commit
TARGETS = (("Deployment", "order-api"), ("Deployment", "ledger"), ("HPA", "gateway"))


@dataclass(frozen=True, slots=True)
class Job:
    """What one life is told. `kill_at` 0: it lives to the end."""

    database: str
    kubeconfig: str
    clock: str  # file: seconds since START, shared by the lives of one story
    marks: str  # file: one line per commit or request, as it is reached
    kill_at: int = 0
    when: str = "before"  # or "after"
    helps: bool = False  # True: the metric is well afterwards, so that nothing is taken back
    forked: bool = True  # False: in the program itself, so that what is loaded late is loaded once


class Marks:
    """Counts what may be the last thing a life does."""

    def __init__(self, job: Job) -> None:
        self._job, self._count = job, 0
        self._file = Path(job.marks).open("a", encoding="utf-8")  # noqa: SIM115 - a life long

    def reach(self, what: str) -> int:
        """Count a mark, and die before it when that is asked."""
        self._count += 1
        self._file.write(f"{what}\n")
        self._file.flush()
        if self._count == self._job.kill_at and self._job.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        return self._count

    def passed(self, number: int) -> None:
        """Die after a mark when that is asked."""
        if number == self._job.kill_at and self._job.when == "after":
            os.kill(os.getpid(), signal.SIGKILL)


def watch_commits(marks: Marks) -> None:
    """Mark every commit of this process; those that wrote are told from those that only read."""
    wrote: set[int] = set()

    def note(  # SQLAlchemy's signature
        connection: Any,
        _cursor: object,
        statement: str,
        _given: object,
        _context: object,
        _many: object,
    ) -> None:
        if statement.lstrip()[:6].upper() in {"INSERT", "UPDATE", "DELETE"}:
            wrote.add(id(connection.connection.dbapi_connection))

    def marked(self: DefaultDialect, connection: Any) -> None:
        raw = id(getattr(connection, "dbapi_connection", connection))
        number = marks.reach("commit" if raw in wrote else "commit of a read")
        wrote.discard(raw)
        COMMIT(self, connection)
        marks.passed(number)

    event.listen(Engine, "before_cursor_execute", note)
    DefaultDialect.do_commit = marked  # type: ignore[method-assign]


class MarkedActor(KubernetesActor):
    """The real acting identity; every request that changes something is a mark."""

    def __init__(self, config: KubernetesConfig, marks: Marks) -> None:
        super().__init__(config)
        self._marks = marks

    async def patch(
        self,
        ref: WorkloadRef,
        operations: Sequence[Mapping[str, Any]],
        *,
        dry_run: bool,
        subresource: str = "",
    ) -> Mapping[str, Any]:
        number = 0 if dry_run else self._marks.reach(f"request patch {ref.kind}/{ref.name}")
        after = await super().patch(ref, operations, dry_run=dry_run, subresource=subresource)
        if not dry_run:
            self._marks.passed(number)
        return after


def clock_in(path: Path) -> FakeClock:
    """Return a clock that goes on where the last life's stood, and keeps in the file how far."""
    passed = float(path.read_text()) if path.exists() else 0.0
    clock = FakeClock(START + timedelta(seconds=passed))

    def keep(_seconds: float) -> None:
        path.write_text(str((clock.now() - START).total_seconds()))

    clock.followers.append(keep)
    return clock


def remedy_of(
    store: Store, clock: FakeClock, actor: KubernetesActor, *, helps: bool
) -> Remediation:
    """Build the decision side over the imitated production."""

    async def measured(metric: str, service: str) -> float | None:
        return 0.0 if helps else 0.5

    loaded = parse(PLAYBOOK.encode(), "bench.yaml", frozenset(ACTIONS))
    services = {ServiceName(n): service(n) for n in ("order-api", "ledger", "gateway")}
    return build_remediation(
        RemediationPorts(
            store=store,
            clock=clock,
            directory=FakeDirectory(),
            actors=Actors(clock, actor),
            actions=ACTIONS,
            library=lambda: {loaded.playbook.id: loaded},
            catalogue=lambda: Catalogue({}, services),
            measure=measured,
            place_of=lambda _: Place(INCIDENTS),
            texts=Texts("en"),
            redactor=Redactor(),
            access=lambda: AccessConfig({Role.VIEWER: ("*",), Role.APPROVER: (ANN,)}),
            owner=f"life:{os.getpid()}",
        )
    )


async def live(job: Job) -> None:
    """Live one life: go on from wherever the database stands, to the end of the plan."""
    marks, clock = Marks(job), clock_in(Path(job.clock))
    watch_commits(marks)
    store = await open_store(job.database, Keyring(AUDIT_KEY))
    actor = MarkedActor(KubernetesConfig(kubeconfig_act=job.kubeconfig), marks)
    bot = remedy_of(store, clock, actor, helps=job.helps)
    try:
        plan_id = await _proposed(store, bot)
        for _ in range(ROUNDS):
            record = await _record(store, plan_id)
            if record.status.ended:
                break
            if record.status is PlanStatus.WAITING:
                await bot.approvals.approve(plan_id, ANN, INCIDENTS)
            await bot.execution.run_due()
            async with store.begin() as tx:
                await tx.audit.seal()
            clock.advance(seconds=301 if record.status is PlanStatus.VERIFYING else 31)
    finally:
        await actor.close()
        await store.close()


async def _proposed(store: Store, bot: Remediation) -> PlanId:
    async with store.begin() as tx:
        known = await tx.plans.list()
    if known:
        return known[0].plan.id
    draft = ProposalDraft("three-steps", ServiceName("order-api"), "errors after a release")
    receipt = await bot.planner.propose(draft)
    if receipt.plan_id is None:
        raise RuntimeError(f"no plan: {receipt.refused_by}: {receipt.summary}")
    return PlanId(receipt.plan_id)


async def _record(store: Store, plan_id: PlanId) -> PlanRecord:
    async with store.begin() as tx:
        return await tx.plans.get(plan_id)


def main() -> None:
    """Fork a life for every job on standard input; answer how it ended, its signal negative."""
    import structlog

    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    import kubernetes.aio.client
    import kubernetes.aio.config  # noqa: F401 - loaded before the fork, once for all lives

    for line in sys.stdin:
        job = Job(**json.loads(line))
        if not job.forked:
            asyncio.run(live(job))
            _answer(0)
            continue
        child = os.fork()
        if child == 0:
            _one(job)
        _, status = os.waitpid(child, 0)
        _answer(os.waitstatus_to_exitcode(status))


def _answer(status: int) -> None:
    sys.stdout.write(f"{status}\n")
    sys.stdout.flush()


def _one(job: Job) -> None:
    try:
        asyncio.run(live(job))
    except BaseException:  # noqa: BLE001 - the end of a process: told, and its status says so
        import traceback

        traceback.print_exc()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
