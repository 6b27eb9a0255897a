"""Time in, jobs out: with a clock in the test's hand."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.scheduler import LEASE_TTL, Every, Job, Scheduler
from bot.store.store import SqlStore
from foundation.cron import Cron, CronError
from tests.fakes.clock import FakeClock
from tests.patience import PATIENCE

FRIDAY = datetime(2026, 11, 20, 8, 59, 0, tzinfo=UTC)


class Diary:
    """Notes every slot it is run for."""

    def __init__(self) -> None:
        self.slots: list[datetime] = []

    async def __call__(self, slot: datetime) -> None:
        self.slots.append(slot)


async def tick(scheduler: Scheduler) -> tuple[str, ...]:
    started = await scheduler.run_due()
    await scheduler.idle()
    return started


def a_scheduler(
    store: SqlStore, clock: FakeClock, *jobs: Job, owner: str = "a", **more: Any
) -> Scheduler:
    return Scheduler(jobs, clock, store, owner, **more)


async def test_an_interval_runs_at_once_and_then_every_time_it_has_passed(store: SqlStore) -> None:
    clock, diary = FakeClock(), Diary()
    scheduler = a_scheduler(store, clock, Job("cycle", Every(timedelta(seconds=60)), diary))
    for _ in range(121):
        await tick(scheduler)
        clock.advance(seconds=1)
    assert len(diary.slots) == 3


async def test_jitter_makes_each_time_later_by_up_to_so_much_and_bots_differ(
    store: SqlStore,
) -> None:
    every = Every(timedelta(seconds=60), jitter=timedelta(seconds=10))
    found = []
    for owner in ("a", "b"):
        clock, diary = FakeClock(), Diary()
        scheduler = a_scheduler(store, clock, Job("cycle", every, diary, False), owner=owner)
        for _ in range(700):
            await tick(scheduler)
            clock.advance(seconds=1)
        gaps = [(b - a).total_seconds() for a, b in zip(diary.slots, diary.slots[1:], strict=False)]
        assert all(60 <= gap <= 71 for gap in gaps)
        assert len(set(gaps)) > 1
        found.append(gaps)
    assert found[0] != found[1]


async def test_times_that_pass_while_a_job_runs_are_counted_and_not_made_up_for(
    store: SqlStore,
) -> None:
    clock, go, begun = FakeClock(), asyncio.Event(), Diary()

    async def slow(slot: datetime) -> None:
        await begun(slot)
        await go.wait()

    scheduler = a_scheduler(store, clock, Job("cycle", Every(timedelta(seconds=60)), slow))
    await scheduler.run_due()
    for _ in range(200):
        clock.advance(seconds=1)
        assert await scheduler.run_due() == ()
    go.set()
    await scheduler.idle()
    assert await tick(scheduler) == ("cycle",)
    assert scheduler.states["cycle"].skipped == 2
    assert await tick(scheduler) == ()
    assert len(begun.slots) == 2


async def test_a_faster_world_makes_world_jobs_faster_and_wall_jobs_not(store: SqlStore) -> None:
    clock, world, wall = FakeClock(speed=10), Diary(), Diary()
    scheduler = a_scheduler(
        store,
        clock,
        Job("cycle", Every(timedelta(seconds=60)), world),
        Job("seal", Every(timedelta(seconds=60), on="wall"), wall),
    )
    for _ in range(60):
        await tick(scheduler)
        clock.advance(seconds=1)
    assert (len(world.slots), len(wall.slots)) == (10, 1)


async def test_a_digest_is_due_at_nine_on_working_days_of_its_zone(store: SqlStore) -> None:
    clock, diary = FakeClock(FRIDAY, speed=600), Diary()
    cron = Cron("0 9 * * mon-fri", "Europe/Berlin")
    scheduler = a_scheduler(store, clock, Job("digest", cron, diary))
    while clock.now() < FRIDAY + timedelta(days=4):
        await tick(scheduler)
        clock.advance(seconds=1)
    assert [f"{s:%a %H:%M}" for s in diary.slots] == ["Mon 09:00", "Tue 09:00"]
    assert {s.astimezone(UTC).hour for s in diary.slots} == {8}


async def test_a_slot_missed_by_minutes_is_caught_up_on_and_one_missed_by_hours_is_not(
    store: SqlStore,
) -> None:
    for minutes, expected in ((20, 1), (300, 0)):
        diary = Diary()
        clock = FakeClock(FRIDAY + timedelta(minutes=1 + minutes))
        job = Job("digest", Cron("0 9 * * mon-fri"), diary)
        await tick(a_scheduler(store, clock, job))
        assert len(diary.slots) == expected


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("0 9 * * 1-5", "mon-fri"),
        ("0 9 * *", "4 fields"),
        ("61 9 * * *", "minute"),
        ("0 9 * * someday", "someday"),
    ],
)
def test_a_schedule_that_cannot_be_read_says_what_to_write(expression: str, names: str) -> None:
    with pytest.raises(CronError, match=names) as caught:
        Cron(expression)
    assert repr(expression) in str(caught.value)


async def test_a_job_that_still_runs_is_not_started_again(store: SqlStore) -> None:
    clock, going, begun = FakeClock(), asyncio.Event(), []

    async def slow(slot: datetime) -> None:
        begun.append(slot)
        await going.wait()

    scheduler = a_scheduler(store, clock, Job("slow", Every(timedelta(seconds=1)), slow))
    for _ in range(5):
        await scheduler.run_due()
        await asyncio.sleep(0)
        clock.advance(seconds=1)
    assert len(begun) == 1
    going.set()
    await scheduler.idle()
    await tick(scheduler)
    assert len(begun) == 2


async def test_a_failing_job_is_told_and_stops_no_other(store: SqlStore) -> None:
    clock, diary, told = FakeClock(), Diary(), []

    async def broken(_: datetime) -> None:
        raise ValueError("no such metric 'cpu'")

    scheduler = a_scheduler(
        store,
        clock,
        Job("broken", Every(timedelta(seconds=1)), broken),
        Job("good", Every(timedelta(seconds=1)), diary),
        on_failure=lambda name, error: told.append((name, str(error))),
    )
    await tick(scheduler)
    clock.advance(seconds=1)
    await tick(scheduler)
    assert told == [("broken", "no such metric 'cpu'")] * 2
    assert len(diary.slots) == 2
    assert scheduler.states["broken"].error == "ValueError: no such metric 'cpu'"


async def test_only_the_leader_runs_leader_jobs_and_a_dead_one_is_followed(store: SqlStore) -> None:
    clock = FakeClock(FRIDAY)
    first, second, own = Diary(), Diary(), Diary()
    cron = Cron("0 9 * * mon-fri")
    a = a_scheduler(store, clock, Job("digest", cron, first), owner="a")
    b = a_scheduler(
        store,
        clock,
        Job("digest", cron, second),
        Job("own", Every(timedelta(seconds=1)), own, leader_only=False),
        owner="b",
    )
    await tick(a)
    await tick(b)
    assert (a.leading, b.leading, len(own.slots)) == (True, False, 1)
    # a dies at 8:59; nobody leads at nine, and b still tells the digest once a's lease is over.
    clock.advance(seconds=60 - LEASE_TTL.total_seconds() + 5)
    await tick(a)
    clock.advance(seconds=11)
    await tick(b)
    assert second.slots == []
    clock.advance(seconds=LEASE_TTL.total_seconds())
    await tick(b)
    assert b.leading
    assert len(second.slots) == 1


async def test_stopping_lets_a_job_end_and_gives_the_lease_back(store: SqlStore) -> None:
    clock, ended = FakeClock(), []

    async def last(_: datetime) -> None:
        await asyncio.sleep(0)
        ended.append("whole")

    a = a_scheduler(store, clock, Job("last", Every(timedelta(seconds=1)), last), owner="a")
    await a.run_due()
    await a.stop()
    assert ended == ["whole"]
    assert await a.run_due() == ()
    b = a_scheduler(store, clock, owner="b")
    await b.run_due()
    assert b.leading


async def test_the_wall_tick_starts_jobs_by_itself(store: SqlStore) -> None:
    begun = asyncio.Event()

    async def note(_: datetime) -> None:
        begun.set()

    scheduler = a_scheduler(store, FakeClock(), Job("first", Every(timedelta(hours=1)), note))
    scheduler.start()
    await asyncio.wait_for(begun.wait(), timeout=PATIENCE)
    await scheduler.stop()
