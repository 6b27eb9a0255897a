"""Background tasks by key: one at a time, each crash told once, nothing left behind at the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bot.core.shared.keyed_tasks import KeyedTasks


@pytest.fixture
async def tasks() -> AsyncIterator[KeyedTasks[str]]:
    made: KeyedTasks[str] = KeyedTasks("run")
    yield made
    await made.drain()
    assert [t.get_name() for t in asyncio.all_tasks() if t.get_name().startswith("run ")] == []


class Gate:
    """Work that ends when the test says so."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.log: list[str] = []

    async def work(self, name: str) -> None:
        self.log.append(f"{name} begins")
        try:
            await self.open.wait()
        except asyncio.CancelledError:
            self.log.append(f"{name} cancelled")
            raise
        self.log.append(f"{name} ends")


async def begun() -> None:
    """Let what was spawned begin."""
    await asyncio.sleep(0)


async def test_what_is_at_work_is_known_by_its_key_until_it_ends(tasks: KeyedTasks[str]) -> None:
    gate = Gate()
    assert tasks.spawn("a", gate.work("a"))
    assert tasks.spawn("b", gate.work("b"))
    assert "a" in tasks
    assert (list(tasks), len(tasks)) == (["a", "b"], 2)
    gate.open.set()
    await tasks.idle()
    assert "a" not in tasks
    assert (list(tasks), len(tasks)) == ([], 0)


async def test_a_key_never_runs_twice_at_once_and_may_run_again_later(
    tasks: KeyedTasks[str],
) -> None:
    gate = Gate()
    assert tasks.spawn("a", gate.work("first"))
    assert not tasks.spawn("a", gate.work("second"))  # closed: no warning that it never began
    gate.open.set()
    await tasks.idle()
    assert gate.log == ["first begins", "first ends"]
    assert tasks.spawn("a", gate.work("third"))
    await tasks.idle()
    assert gate.log[2:] == ["third begins", "third ends"]


async def test_a_task_carries_its_kind_and_key_as_its_name(tasks: KeyedTasks[str]) -> None:
    names: list[str] = []

    async def work() -> None:
        current = asyncio.current_task()
        assert current is not None
        names.append(current.get_name())

    tasks.spawn("RUN-1", work())
    await tasks.idle()
    assert names == ["run RUN-1"]


async def test_tasks_begin_in_the_order_they_were_spawned(tasks: KeyedTasks[str]) -> None:
    gate = Gate()
    for name in ("c", "a", "b"):
        tasks.spawn(name, gate.work(name))
    await begun()
    assert gate.log == ["c begins", "a begins", "b begins"]


async def test_one_can_wait_for_the_end_of_another(tasks: KeyedTasks[str]) -> None:
    first, order = Gate(), []

    async def second() -> None:
        await tasks.ended("first")
        order.append("second")

    tasks.spawn("first", first.work("first"), on_end=lambda: order.append("first"))
    tasks.spawn("second", second())
    await begun()
    assert order == []
    first.open.set()
    await tasks.idle()
    assert order == ["first", "second"]
    await tasks.ended("first")  # long gone: at once


async def failing() -> None:
    raise ValueError("no such thing")


async def test_a_crash_is_reported_once_with_its_trace_and_frees_the_key(
    tasks: KeyedTasks[str],
) -> None:
    with capture_logs() as logs:
        tasks.spawn("a", failing())
        await tasks.idle()
        await tasks.drain()
    (told,) = logs
    assert told["event"] == "task.crashed"
    assert told["task"] == "run a"
    assert isinstance(told["exc_info"], ValueError)
    assert "a" not in tasks


async def test_a_crash_of_one_ends_no_other(tasks: KeyedTasks[str]) -> None:
    gate = Gate()
    tasks.spawn("good", gate.work("good"))
    tasks.spawn("bad", failing())
    await tasks.ended("bad")
    assert list(tasks) == ["good"]


async def test_draining_cancels_what_runs_and_reports_no_crash(tasks: KeyedTasks[str]) -> None:
    gate = Gate()
    tasks.spawn("a", gate.work("a"))
    tasks.spawn("b", gate.work("b"))
    await begun()
    with capture_logs() as logs:
        await tasks.drain()
    assert gate.log[2:] == ["a cancelled", "b cancelled"]
    assert (len(tasks), logs) == (0, [])


async def test_draining_lets_what_ends_in_time_end(tasks: KeyedTasks[str]) -> None:
    quick, slow = Gate(), Gate()
    tasks.spawn("quick", quick.work("quick"))
    tasks.spawn("slow", slow.work("slow"))
    await begun()
    quick.open.set()
    await tasks.drain(timedelta(seconds=0.05))
    assert quick.log == ["quick begins", "quick ends"]
    assert slow.log == ["slow begins", "slow cancelled"]


async def test_draining_waits_for_a_task_that_tidies_up_after_its_cancellation(
    tasks: KeyedTasks[str],
) -> None:
    tidied = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            tidied.append("a")

    tasks.spawn("a", work())
    await begun()
    await tasks.drain()
    assert tidied == ["a"]


async def test_the_end_is_told_of_every_end_even_of_a_task_that_never_began(
    tasks: KeyedTasks[str],
) -> None:
    ends: list[tuple[str, bool]] = []

    def told(key: str) -> None:
        ends.append((key, key in tasks))  # its key is free by then

    with capture_logs():
        tasks.spawn("bad", failing(), on_end=lambda: told("bad"))
        await tasks.idle()
    gate = Gate()
    tasks.spawn("new", gate.work("new"), on_end=lambda: told("new"))
    await tasks.drain()
    assert ends == [("bad", False), ("new", False)]
    assert gate.log == []


async def test_idle_waits_for_what_begins_meanwhile(tasks: KeyedTasks[str]) -> None:
    gate = Gate()

    async def parent() -> None:
        tasks.spawn("child", gate.work("child"))
        gate.open.set()

    tasks.spawn("parent", parent())
    await tasks.idle()
    assert gate.log == ["child begins", "child ends"]


async def test_nothing_to_wait_for_is_no_wait(tasks: KeyedTasks[str]) -> None:
    await tasks.idle()
    await tasks.drain()
    await tasks.ended("nobody")
