"""The leader's watches: begun once, begun again after a crash, ended with the leadership."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from structlog.testing import capture_logs

from bot.composition.parts import Parts
from bot.composition.watching import Watchers
from bot.domain.secrets.redaction import Redactor
from tests.fakes.clock import FakeClock
from tools.backends.kubernetes.reader import KubernetesReader


class FakeWatch:
    """A watch that runs until the test lets it crash."""

    def __init__(self, kind: str, begun: list[str]) -> None:
        self.kind, self.namespace, self.begun = kind, "trading", begun
        self.crash = asyncio.Event()

    async def run(self) -> None:
        self.begun.append(self.kind)
        await self.crash.wait()
        raise ValueError("an event that nobody can read")


class FakeReader(KubernetesReader):
    name = "default"

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.made: dict[str, FakeWatch] = {}

    def _make(self, kind: str) -> Any:
        self.made[kind] = FakeWatch(kind, self.begun)
        return [self.made[kind]]

    def watch(self, kind: str, _essence: Callable[..., Any], _seen: Callable[..., Any]) -> Any:
        return self._make(kind)

    def remember_events(self) -> Any:
        return self._make("Event")


KINDS = ["ConfigMap", "HorizontalPodAutoscaler", "Deployment", "StatefulSet", "Event"]


def parts_of(reader: FakeReader) -> Parts:
    settings = SimpleNamespace(redactor=Redactor())
    live_files = SimpleNamespace(catalogue=None)
    return cast(
        "Parts",
        SimpleNamespace(
            cluster=reader, store=None, clock=FakeClock(), live_files=live_files, settings=settings
        ),
    )


async def test_watches_run_while_this_process_leads_and_no_longer() -> None:
    reader, leading = FakeReader(), [True]
    watchers = Watchers(parts_of(reader), lambda: leading[0])
    for _ in range(3):
        await watchers.tick()
        await asyncio.sleep(0)
    assert reader.begun == KINDS
    leading[0] = False
    await watchers.tick()
    assert not [t for t in asyncio.all_tasks() if t.get_name().startswith("watch ")]
    leading[0] = True
    await watchers.tick()
    await asyncio.sleep(0)
    assert reader.begun == KINDS * 2
    await watchers.close()


async def test_a_watch_that_crashes_is_reported_once_and_begun_again_by_the_next_tick() -> None:
    reader = FakeReader()
    watchers = Watchers(parts_of(reader), lambda: True)
    await watchers.tick()
    await asyncio.sleep(0)
    reader.made["Deployment"].crash.set()
    with capture_logs() as logs:
        for _ in range(3):
            await asyncio.sleep(0)
    assert [(x["event"], x["task"]) for x in logs] == [
        ("task.crashed", "watch default/Deployment/trading")
    ]
    await watchers.tick()
    await asyncio.sleep(0)
    assert reader.begun == [*KINDS, "Deployment"]
    await watchers.close()
