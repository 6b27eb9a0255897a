"""What happens is written down in the transaction in which it happens: both are there, or neither.

Each case is told in two parts around its `yield`: what was before, and what causes the event, by
the use case that people and the clock call. It is told twice: once to find the row, once with a
process that dies just before the commit that would have made the row and its state lasting.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bot.claude.model import Claude, ClaudeConfig
from bot.core.ports import Budget
from bot.core.remediation.answers.switches import HaltFile
from bot.core.shared.live_files import LiveFiles, LoadedFiles
from bot.domain.ids import PlanId
from bot.domain.plans.plan import PlanStatus
from bot.domain.plans.policy import AutoTier
from bot.store.schema import Base
from tests.fakes.changes import FakeChanges
from tests.fakes.decision import ADA, ANN, INCIDENTS, RAY, VIV, Production, library
from tests.fakes.metrics import FakeMetrics
from tests.fixtures.memory import memory_store
from tests.fixtures.office import Office
from tools.errors import BackendRefusedError, OutcomeUnknownError
from tools.world import Catalogue, ServiceMode

SHELF = library()


class DiedError(Exception):
    """The process ends before a commit."""


class MortalStore:
    """A store in whose process somebody may die: before the commit of the event named `dies_at`."""

    def __init__(self, store: Any) -> None:
        self.store, self.dies_at = store, ""
        self.before: dict[str, Any] = {}
        self.lost: dict[str, Any] = {}

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Any]:
        async with self.store.begin() as tx:
            before = await everything(tx) if self.dies_at else {}
            yield tx
            after = await everything(tx) if self.dies_at else {}
            fresh = after.get("audit", [])[len(before.get("audit", [])) :]
            if any(row["kind"] == self.dies_at for row in fresh):
                self.before, self.lost = before, after
                raise DiedError

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


async def everything(tx: Any) -> dict[str, Any]:
    """Return every row of every table."""
    connection = tx.audit._session._connection
    found = {}
    for table in sorted(Base.metadata.tables):
        rows = (await connection.execute(text(f"SELECT * FROM {table} ORDER BY rowid"))).mappings()  # noqa: S608
        found[table] = [dict(row) for row in rows]
    return found


@dataclass
class World:
    """What a case may use."""

    store: MortalStore
    production: Production
    office: Office
    folder: Path

    @property
    def bot(self) -> Any:
        return self.production.bot

    def fail_with(self, error: Exception) -> None:
        async def patch(*_: Any, dry_run: bool, **__: Any) -> Any:
            if dry_run:
                return {}
            raise error

        self.production.cluster.patch = patch  # type: ignore[method-assign]


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    store = MortalStore(await memory_store())
    production = Production(store, playbooks=SHELF)  # type: ignore[arg-type]
    office = Office(store, production.clock, FakeMetrics(), FakeChanges())  # type: ignore[arg-type]
    try:
        yield World(store, production, office, folder)
    finally:
        await production.bot.execution.idle()
        await store.store.close()


Case = Callable[[World], AsyncIterator[None]]


# --- plans ------------------------------------------------------------------------------------


async def a_plan_is_proposed(w: World) -> AsyncIterator[None]:
    yield
    await w.production.propose("rollback")


async def a_plan_is_refused(w: World) -> AsyncIterator[None]:
    yield
    await w.production.propose("rollback", "vault")


async def an_answer_is_refused(w: World) -> AsyncIterator[None]:
    plan = await w.production.planned("rollback")
    yield
    await w.bot.approvals.approve(plan, ANN, INCIDENTS, "0" * 64)


async def a_plan_is_approved(w: World) -> AsyncIterator[None]:
    plan = await w.production.planned("rollback")
    yield
    await w.production.approve(plan)


async def a_glass_is_broken(w: World) -> AsyncIterator[None]:
    w.production.policy = replace(w.production.policy, break_glass=True)
    plan = await w.production.planned("manual")
    yield
    await w.bot.approvals.break_glass(plan, ANN, "all is down", INCIDENTS)


async def a_plan_is_rejected(w: World) -> AsyncIterator[None]:
    plan = await w.production.planned("rollback")
    yield
    await w.bot.approvals.reject(plan, ANN, "not now", INCIDENTS)


async def a_plan_expires(w: World) -> AsyncIterator[None]:
    await w.production.planned("rollback")
    w.production.clock.advance(minutes=31)
    yield
    await w.bot.deadlines.expire_due()


async def a_plan_is_withdrawn(w: World) -> AsyncIterator[None]:
    plan = await w.production.planned("rollback")
    yield
    await w.bot.deadlines.withdraw(plan, "it cleared")


async def a_plan_is_stopped(w: World) -> AsyncIterator[None]:
    plan = await w.production.planned("rollback")
    yield
    await w.bot.approvals.stop(plan, RAY, INCIDENTS)


async def a_right_is_missing(w: World) -> AsyncIterator[None]:
    plan = await w.production.planned("rollback")
    yield
    await w.production.approve(plan, VIV)


async def a_hold_ends(w: World) -> AsyncIterator[None]:
    w.production.policy = replace(w.production.policy, auto_tier=AutoTier.RUN)
    w.production.set_mode("shop", ServiceMode.AUTO)
    await w.production.planned("scale-up")
    w.production.clock.advance(seconds=40)
    yield
    await w.production.run()


async def a_plan_runs(w: World) -> AsyncIterator[None]:
    await w.production.approved("rollback")
    yield
    await w.production.run()


async def a_plan_is_refused_when_it_is_claimed(w: World) -> AsyncIterator[None]:
    await w.production.approved("rollback")
    w.production.policy = replace(w.production.policy, dry_run=True)
    yield
    await w.production.run()


async def a_plan_ran(w: World) -> PlanId:
    plan = await w.production.approved("rollback")
    await w.production.run()
    w.production.clock.advance(seconds=601)
    return plan


async def a_plan_helped(w: World) -> AsyncIterator[None]:
    await a_plan_ran(w)
    w.production.metrics["order_error_rate", "shop"] = 0.0
    yield
    await w.production.run()


async def a_plan_did_not_help(w: World) -> AsyncIterator[None]:
    await a_plan_ran(w)
    w.production.metrics["order_error_rate", "shop"] = 0.9
    yield
    await w.production.run()


async def nobody_knows_whether_it_helped(w: World) -> AsyncIterator[None]:
    await a_plan_ran(w)
    yield
    await w.production.run()


async def somebody_wants_it_undone(w: World) -> AsyncIterator[None]:
    plan = await a_plan_ran(w)
    await w.production.run()
    yield
    await w.bot.approvals.undo(plan, ANN, INCIDENTS)


async def a_plan_is_halted(w: World) -> AsyncIterator[None]:
    await w.production.approved("rollback")
    await w.bot.switches.halt(RAY, "wrong", INCIDENTS)
    yield
    await w.production.run()


async def a_step_is_refused(w: World) -> AsyncIterator[None]:
    await w.production.approved("rollback")
    w.fail_with(BackendRefusedError("kubernetes", "no"))
    yield
    await w.production.run()


async def nobody_knows_what_a_step_did(w: World) -> AsyncIterator[None]:
    await w.production.approved("rollback")
    w.fail_with(OutcomeUnknownError("sent and not answered"))
    yield
    await w.production.run()


async def somebody_says_what_a_step_did(w: World) -> AsyncIterator[None]:
    plan = await w.production.approved("rollback")
    w.fail_with(OutcomeUnknownError("sent and not answered"))
    await w.production.run()
    assert (await w.production.record(plan)).status is PlanStatus.OUTCOME_UNKNOWN
    yield
    await w.bot.approvals.resolve_unknown(plan, ANN, "done", INCIDENTS)


async def a_dead_process_is_followed(w: World) -> AsyncIterator[None]:
    await a_plan_ran(w)
    yield
    await w.production.run(w.production.replica("two"))


# --- switches and files -----------------------------------------------------------------------


async def changes_are_halted(w: World) -> AsyncIterator[None]:
    yield
    await w.bot.switches.halt(RAY, "wrong", INCIDENTS)


async def changes_are_resumed(w: World) -> AsyncIterator[None]:
    await w.bot.switches.halt(RAY, "wrong", INCIDENTS)
    yield
    await w.bot.switches.resume(ADA, INCIDENTS)


async def changes_are_frozen(w: World) -> AsyncIterator[None]:
    yield
    await w.bot.switches.freeze(ADA, "launch", INCIDENTS)


async def a_switch_is_refused(w: World) -> AsyncIterator[None]:
    yield
    await w.bot.switches.freeze(VIV, "launch", INCIDENTS)


async def the_halt_file_comes(w: World) -> AsyncIterator[None]:
    file = HaltFile(w.store, w.production.clock, w.folder / "halt", "one")
    await file.tick()
    (w.folder / "halt").touch()
    yield
    await file.tick()


async def the_halt_file_goes(w: World) -> AsyncIterator[None]:
    (w.folder / "halt").touch()
    file = HaltFile(w.store, w.production.clock, w.folder / "halt", "one")
    await file.tick()
    (w.folder / "halt").unlink()
    yield
    await file.tick()


async def files_are_read_again(w: World) -> AsyncIterator[None]:
    shelves = iter([{}, SHELF])
    live_files = LiveFiles(lambda: LoadedFiles(Catalogue({}, {}), (), next(shelves)))
    yield
    await live_files.reload("UADA", w.store, w.production.clock)


# --- questions --------------------------------------------------------------------------------


async def a_question_is_answered(w: World) -> AsyncIterator[None]:
    w.office.feed(0.18, 0.91)
    yield
    await w.office.ask()


async def a_budget_is_used_up(w: World) -> AsyncIterator[None]:
    w.office.feed(0.18, 0.91)
    w.office.budget = Budget(usd_micros_per_day=0)
    w.office.claude = Claude(ClaudeConfig("no-key", base_url="http://127.0.0.1:9"))
    w.office.model = object()  # type: ignore[assignment]
    yield
    await w.office.ask()
    await w.office.claude.close()


CASES: tuple[tuple[str, Case], ...] = (
    ("plan.proposed", a_plan_is_proposed),
    ("plan.refused", a_plan_is_refused),
    ("plan.refused", an_answer_is_refused),
    ("plan.refused", a_plan_is_refused_when_it_is_claimed),
    ("plan.approved", a_plan_is_approved),
    ("plan.break_glass", a_glass_is_broken),
    ("plan.rejected", a_plan_is_rejected),
    ("plan.expired", a_plan_expires),
    ("plan.withdrawn", a_plan_is_withdrawn),
    ("plan.withdrawn", a_plan_is_refused_when_it_is_claimed),
    ("plan.stopped", a_plan_is_stopped),
    ("plan.hold_ended", a_hold_ends),
    ("plan.started", a_plan_runs),
    ("step.intended", a_plan_runs),
    ("step.started", a_plan_runs),
    ("step.succeeded", a_plan_runs),
    ("plan.verifying", a_plan_runs),
    ("plan.verified", a_plan_helped),
    ("plan.undoing", a_plan_did_not_help),
    ("plan.rolled_back", a_plan_did_not_help),
    ("plan.unverified", nobody_knows_whether_it_helped),
    ("plan.undo_asked", somebody_wants_it_undone),
    ("plan.halted", a_plan_is_halted),
    ("step.failed", a_step_is_refused),
    ("plan.failed", a_step_is_refused),
    ("step.unknown", nobody_knows_what_a_step_did),
    ("plan.outcome_unknown", nobody_knows_what_a_step_did),
    ("step.told_done", somebody_says_what_a_step_did),
    ("plan.taken_over", a_dead_process_is_followed),
    ("access.denied", a_right_is_missing),
    ("access.denied", a_switch_is_refused),
    ("setting.changed", changes_are_halted),
    ("setting.changed", changes_are_resumed),
    ("setting.changed", changes_are_frozen),
    ("setting.changed", the_halt_file_comes),
    ("setting.changed", the_halt_file_goes),
    ("setting.changed", files_are_read_again),
    ("question.asked", a_question_is_answered),
    ("tool.called", a_question_is_answered),
    ("answer.given", a_question_is_answered),
    ("budget.reached", a_budget_is_used_up),
)
NAMES = [f"{kind}: {case.__name__}" for kind, case in CASES]


async def tell(case: Case, w: World, between: Callable[[], Awaitable[None]]) -> None:
    async with aclosing(case(w)) as told:  # type: ignore[type-var]
        await anext(told)
        await between()
        try:
            await anext(told)
        except StopAsyncIteration:
            return


@pytest.mark.parametrize(("kind", "case"), CASES, ids=NAMES)
async def test_it_is_written_down(tmp_path: Path, kind: str, case: Case) -> None:
    async with world(tmp_path) as w:
        seen: list[str] = []

        async def look() -> None:
            seen.extend(await w.production.audit())

        await tell(case, w, look)
        assert kind in (await w.production.audit())[len(seen) :]


@pytest.mark.parametrize(("kind", "case"), CASES, ids=NAMES)
async def test_it_is_written_down_with_its_state_or_not_at_all(
    tmp_path: Path, kind: str, case: Case
) -> None:
    async with world(tmp_path) as w:

        async def doom() -> None:
            w.store.dies_at = kind

        with suppress(DiedError):
            await tell(case, w, doom)
        assert w.store.lost, "nobody died: the event was not written"
        assert w.store.lost != w.store.before
        w.store.dies_at = ""
        await w.bot.execution.idle()
        async with w.store.begin() as tx:
            left = await everything(tx)
        kinds = [row["kind"] for row in left["audit"]]
        assert kinds.count(kind) == [row["kind"] for row in w.store.before["audit"]].count(kind)
