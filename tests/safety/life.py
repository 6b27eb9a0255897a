"""One life of a bot that decides: it proposes, is answered, acts, verifies, undoes; or is killed.

    job (JSON line) ──fork──> a life: plan ─ yes ─ claim ─ steps ─ verify ─ undo ─ seal
                                 │ counts every commit that wrote and every changing request
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
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect

from bot.core.ports import PlanRecord, Store
from bot.core.remediation.assembly import Remediation, RemediationPorts, build_remediation
from bot.core.remediation.running import execution
from bot.domain.access import AccessConfig, Role
from bot.domain.ids import PlanId
from bot.domain.keyring import Keyring
from bot.domain.place import Place
from bot.domain.plans.plan import PlanStatus
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from bot.store.store import open_store
from playbooks.loader import parse
from tests.fakes.clock import FakeClock
from tests.fakes.decision import ANN, BOB, INCIDENTS, FakeDirectory, service
from tests.safety.crash_stories import BY_NAME, Story
from tools.act.actions import ACTIONS
from tools.act.contract import Actors
from tools.backends.http import HttpConfig, HttpEndpoints
from tools.backends.kubernetes.actor import KubernetesActor
from tools.backends.kubernetes.config import KubernetesConfig
from tools.ports import HttpReply
from tools.world import Catalogue, ProposalDraft, ServiceName, WorkloadRef

START = datetime(2026, 11, 18, 10, 0, tzinfo=UTC)  # where the imitated production stands too
AUDIT_KEY = b"safety-bench-audit-key-0123456789"
ROUNDS = 60  # a life needs about ten; one that does not come to an end is told as unresolved
_Around = AbstractContextManager[None]
COMMIT: Callable[..., None] = DefaultDialect.do_commit
SERVICES = ("order-api", "ledger", "gateway", "risk-engine")


@dataclass(frozen=True, slots=True)
class Job:
    """What one life is told. `kill_at` 0: it lives to the end."""

    story: str
    database: str
    kubeconfig: str
    http: str  # where the imitated service listens
    clock: str  # file: seconds since START, shared by the lives of one story and by the platform
    marks: str  # file: one line per commit or request, as it is reached
    kind: str = ""  # of marks, of which the n-th kills: commit | request
    kill_at: int = 0
    when: str = "before"  # or "after"
    helps: bool = False  # True: the metric is well afterwards, so that nothing is taken back
    forked: bool = True  # False: in the program itself, so that what is loaded late is loaded once


class Marks:
    """Counts what may be the last thing a life does."""

    def __init__(self, job: Job) -> None:
        self._job, self._counts = job, Counter[str]()
        self._file = Path(job.marks).open("a", encoding="utf-8")  # noqa: SIM115 - a life long

    @contextmanager
    def around(self, kind: str, what: str = "") -> Iterator[None]:
        """Count a mark; die before or after it when that is asked."""
        self._counts[kind] += 1
        self._file.write(f"{kind} {what}\n")
        self._file.flush()
        last = kind == self._job.kind and self._counts[kind] == self._job.kill_at
        if last and self._job.when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        yield
        if last:
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
        if raw not in wrote:
            COMMIT(self, connection)
            return
        wrote.discard(raw)
        with marks.around("commit"):
            COMMIT(self, connection)

    event.listen(Engine, "before_cursor_execute", note)
    DefaultDialect.do_commit = marked  # type: ignore[method-assign]


class MarkedActor(KubernetesActor):
    """The real acting identity; every request that changes something is a mark."""

    def __init__(self, config: KubernetesConfig, marks: Marks) -> None:
        super().__init__(config)
        self._marks = marks

    async def patch(self, ref: WorkloadRef, *args: Any, dry_run: bool, **more: Any) -> Any:
        with self._around("patch", ref, dry_run=dry_run):
            return await super().patch(ref, *args, dry_run=dry_run, **more)

    async def delete(self, ref: WorkloadRef, *, dry_run: bool, **more: Any) -> None:
        with self._around("delete", ref, dry_run=dry_run):
            await super().delete(ref, dry_run=dry_run, **more)

    async def create(self, ref: WorkloadRef, *args: Any, dry_run: bool, **more: Any) -> Any:
        with self._around("create", ref, dry_run=dry_run):
            return await super().create(ref, *args, dry_run=dry_run, **more)

    def _around(
        self, verb: str, ref: WorkloadRef, *, dry_run: bool
    ) -> AbstractContextManager[None]:
        if dry_run:
            return nullcontext()
        return self._marks.around("request", f"{verb} {ref.kind}/{ref.name}")


class MarkedCaller(HttpEndpoints):
    """The real caller of endpoints; every call is a mark."""

    def __init__(self, config: HttpConfig, clock: FakeClock, marks: Marks) -> None:
        super().__init__(config, wall=clock.wall)
        self._marks = marks

    async def call(self, method: str, url: str, *args: Any) -> HttpReply:
        with self._marks.around("request", f"{method} {url}") if method != "GET" else nullcontext():
            return await super().call(method, url, *args)


@dataclass
class Patience:
    """World time passes while a step waits, until its time would be over."""

    clock: FakeClock
    left: float  # seconds of world time

    async def pause(self, seconds: float) -> bool:
        """Let the world go on, while there is time."""
        if self.left < seconds:
            return False
        self.left -= seconds
        self.clock.advance(seconds=seconds)
        return True


def clock_in(path: Path) -> FakeClock:
    """Return a clock that goes on where the last life's stood, and keeps in the file how far."""
    passed = float(path.read_text()) if path.exists() else 0.0
    clock = FakeClock(START + timedelta(seconds=passed))

    def keep(_seconds: float) -> None:
        path.write_text(str((clock.now() - START).total_seconds()))

    clock.followers.append(keep)
    return clock


def remedy_of(store: Store, clock: FakeClock, actors: Actors, job: Job) -> Remediation:
    """Build the decision side over the imitated production."""

    async def measured(metric: str, service: str) -> float | None:
        return 0.0 if job.helps else 0.5

    text = BY_NAME[job.story].playbook(job.http)
    loaded = parse(text.encode(), "bench.yaml", frozenset(ACTIONS))
    services = {ServiceName(name): service(name) for name in SERVICES}
    database = WorkloadRef("default", "data", "Cluster", "postgres")
    services[ServiceName("postgres")] = service("postgres", namespace="data", workloads=(database,))
    return build_remediation(
        RemediationPorts(
            store=store,
            clock=clock,
            directory=FakeDirectory(),
            actors=actors,
            actions=ACTIONS,
            library=lambda: {loaded.playbook.id: loaded},
            catalogue=lambda: Catalogue({}, services),
            measure=measured,
            place_of=lambda _: Place(INCIDENTS),
            texts=Texts("en"),
            redactor=Redactor(),
            access=lambda: AccessConfig({Role.VIEWER: ("*",), Role.APPROVER: (ANN, BOB)}),
            owner=f"life:{os.getpid()}",
        )
    )


async def live(job: Job) -> None:
    """Live one life: go on from wherever the database stands, to the end of the plan."""
    marks, clock = Marks(job), clock_in(Path(job.clock))
    watch_commits(marks)
    store = await open_store(job.database, Keyring(AUDIT_KEY))
    actor = MarkedActor(KubernetesConfig(kubeconfig_act=job.kubeconfig), marks)
    hosts = (job.http.removeprefix("http://"),)
    caller = MarkedCaller(HttpConfig(private_hosts=hosts, secret="s"), clock, marks)
    actors = Actors(clock, actor, caller)
    vars(execution)["Patience"] = partial(Patience, clock)  # nobody waits for real
    bot = remedy_of(store, clock, actors, job)
    try:
        plan_id = await _proposed(store, bot, BY_NAME[job.story])
        for _ in range(ROUNDS):
            record = await _record(store, plan_id)
            if record.status.ended:
                break
            if record.status is PlanStatus.WAITING:
                for user in (ANN, BOB):
                    await bot.approvals.approve(plan_id, user, INCIDENTS)
            await bot.execution.run_due()
            async with store.begin() as tx:
                await tx.audit.seal()
            clock.advance(seconds=301 if record.status is PlanStatus.VERIFYING else 31)
    finally:
        await caller.close()
        await actor.close()
        await store.close()


async def _proposed(store: Store, bot: Remediation, story: Story) -> PlanId:
    async with store.begin() as tx:
        known = await tx.plans.list()
    if known:
        return known[0].plan.id
    draft = ProposalDraft(story.playbook_id, ServiceName(story.service), "errors after a release")
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
            _answer(_lived(job))
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
    os._exit(_lived(job))


def _lived(job: Job) -> int:
    try:
        asyncio.run(live(job))
    except BaseException:  # noqa: BLE001 - the end of a life: told, and its status says so
        import traceback

        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    main()
