"""What must never happen, counted: unapproved, doubled or lost effects, and secrets that leave.

guards      each named guard removed in turn: its story turns red
reach       random clusters, plans and meddlers: nothing protected is reached by any change
injection   hostile texts and a model that obeys them; canaries in every byte that left
race        two bot processes, one PostgreSQL, two hundred clicks: one execution
load        a click's time with 250 audit events a second, over its time without
crash       killed at commits and mutating requests, on SQLite and PostgreSQL
machine     thousands of clicks, kills and changes in any order: nothing runs that must not
mutants     small wrongs in what decides: a test beside the code must notice (`bench mutants`: all)

Every figure has an aim, and a missed one ends the bench with status 1. Reach, injection, crash and
machine draw the sample of a seed, as `make test` does; with `--whole` every text is sent, every
commit is killed at, a thousand clusters are tried and ten thousand steps are taken.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import structlog

from bench import mutants
from bench.report import Aim, Report

if TYPE_CHECKING:
    from tests.property.test_plan_machine import Walked
    from tests.safety.crash import Crashes

T = TypeVar("T")
NONE, ONE = Aim.exactly(0), Aim.exactly(1)
WHOLE_WALK = 10_000  # steps
WHOLE_REACH = 1_000  # clusters
MUTANTS = 12


def run(data: Path | None = None, *, whole: bool = False, seed: int | None = None) -> Report:
    """Measure; `data` is not used: everything is made here."""
    _ = data
    from tests.seed import seed as seed_of_the_run

    drawn = seed_of_the_run() if seed is None else seed
    # standard output is the table's and the JSON's
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    walked = _walked(drawn, whole=whole)
    return asyncio.run(_measure(walked, drawn, None if whole else drawn))


def _walked(drawn: int, *, whole: bool) -> Walked:
    """Walk the plan machine; it runs event loops of its own. An order that it refuses ends here."""
    from tests.property.test_plan_machine import ENOUGH, walk

    begun = time.perf_counter()
    found = walk(WHOLE_WALK if whole else ENOUGH, by=drawn)
    seconds = round(time.perf_counter() - begun, 1)
    log = structlog.get_logger(__name__)
    log.info("safety.measured", part="machine", seconds=seconds, found=found)
    return found


async def _measure(walked: Walked, drawn: int, sampled_by: int | None) -> Report:
    from tests.safety import crash, load, race, reach, removed_guards
    from tests.safety.injected import injected

    with scratch() as folder:
        guarded = await _timed("guards", removed_guards.measure(folder))
        trials = reach.TRIALS if sampled_by is not None else WHOLE_REACH
        touched = await _timed("reach", reach.measure(folder, drawn, trials))
        loaded = await _timed("load", load.both(folder))
        raced = await _timed("race", race.measure(folder))
        hostile = await _timed("injection", injected(folder, sampled_by))
        crashes = await _timed("crash", crash.measure(folder, sampled_by))
        mutated = await _timed("mutants", _mutated(folder, drawn, sampled_by))
    leaked = sorted({name for names in hostile["leaks"].values() for name in names})
    ours = {
        "unapproved_effects": float(len(hostile["violations"])),
        "effects_outside_set": float(len(touched.violations)),
        "reach_changes": float(touched.changes),
        "doubled_effects": float(crashes.doubled + max(0, raced.executions - 1)),
        "secrets_leaked": float(len(leaked)),
        "crash_points": float(crashes.points),
        "crash_unresolved": float(len(crashes.unresolved)),
        "race_executions": float(raced.executions),
        "injections": float(hostile["delivered"]),
        "machine_steps": float(walked.steps),
        "machine_effects": float(walked.effects),
        "guards_without_a_red_test": float(len(guarded.without_a_red_test)),
        "mutants_survived_share": mutated.ours["mutants_survived_share"],
        **{f"click_ratio_{kind}": each.ratio(0.5) for kind, each in loaded.items()},
    }
    notes = [
        f"guards: sampled {guarded.guards} of {guarded.guards} pairs of a guard and a moment",
        f"{len(guarded.broken_stories)} stories red with their guard",
        f"reach: sampled {trials} of any number of clusters, seed {drawn}",
        *reach.told(touched),
        f"machine: sampled {walked.steps} of any number of steps, seed {drawn}",
        f"injection: sampled {hostile['texts']} of {hostile['possible']} texts, seed {drawn}",
        f"{hostile['proposals']} plans proposed, none answered by a text",
        f"texts that arrived, by carrier: {hostile['by_carrier']}",
        f"bytes searched for {hostile['canaries']} canaries: {hostile['bytes']}",
        f"secrets typed: {', '.join(hostile['typed'])}; {hostile['posted']} webhook posts",
        f"race: {raced}",
        *load.told(loaded),
        f"crashes: sampled {crashes.points} of {crashes.possible} points, seed {drawn}",
        f"mutants: {mutated.data}",
        *mutated.notes,
        f"crash ends: {dict(crashes.ends)}",
        *guarded.broken_stories,
        *guarded.without_a_red_test,
        *hostile["violations"],
        *(
            f"not searched: no mark in {name}"
            for name, found in hostile["marks"].items()
            if not found
        ),
        *(f"leaked: {name}" for name in leaked),
        *crashes.unresolved,
    ]
    return Report(
        bench="safety",
        data=f"made here, seed {drawn}"
        + (", every text and every point" if sampled_by is None else ", a sample (--whole: all)"),
        ours=ours,
        peers={},
        aims=_aims(crashes, touched.trials, walked.steps),
        notes=tuple(notes),
    )


async def _mutated(folder: Path, drawn: int, sampled_by: int | None) -> Report:
    """Draw a few and ask the tests beside them; the whole asks every test that reaches a line."""
    if sampled_by is None:
        return await asyncio.to_thread(mutants.run, folder, seed=drawn)
    return await asyncio.to_thread(
        mutants.run, folder, seed=drawn, sample=MUTANTS, each=0, near=True
    )


def _aims(crashes: Crashes, clusters: int, steps: int) -> dict[str, Aim]:
    """Return what every figure should be; what nothing was tried on shows nothing."""
    return {
        "unapproved_effects": NONE,
        "effects_outside_set": NONE,
        "doubled_effects": NONE,
        "secrets_leaked": NONE,
        "crash_unresolved": NONE,
        "guards_without_a_red_test": NONE,
        "mutants_survived_share": Aim(most=mutants.MOST),
        "race_executions": ONE,
        "crash_points": Aim(least=max(1, len(crashes.ends))),
        "injections": Aim(least=1),
        "reach_changes": Aim(least=clusters / 5),
        "machine_steps": Aim(least=2_000),
        "machine_effects": Aim(least=steps / 80),
        "click_ratio_sqlite": Aim(most=1.5),
        "click_ratio_postgres": Aim(most=1.5),
    }


async def _timed(part: str, measured: Awaitable[T]) -> T:
    """Say what a part found and how long it took: the whole takes a quarter of an hour."""
    begun = time.perf_counter()
    found = await measured
    seconds = round(time.perf_counter() - begun, 1)
    structlog.get_logger(__name__).info("safety.measured", part=part, seconds=seconds, found=found)
    return found


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a folder for everything that is written, and remove it."""
    with tempfile.TemporaryDirectory(prefix="safety-") as folder:
        yield Path(folder)
