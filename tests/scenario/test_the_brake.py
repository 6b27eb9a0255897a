"""The brake overtakes talk, and holds while the database is locked or its disk is full."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from slack_bolt.async_app import AsyncBoltRequest

from bot.core.ports import BRAKE, Transaction
from bot.core.remediation.answers.switches import HaltFile
from bot.core.remediation.guarding.halts import HALT, SETTING_CHANGED
from bot.domain.access import AccessConfig, Role
from bot.domain.ids import ChannelId, UserId
from bot.domain.secrets.redaction import Redactor
from bot.slack import front_door
from bot.slack.front_door import ON_THE_LOOP, characters
from bot.slack.inbox import InboxWorker
from bot.slack.interactions import COMMAND, EVENT, Interaction, MalformedError, Read, read_of
from bot.slack.listeners.listener import Listener, nothing
from bot.slack.listeners.room import Room
from bot.slack.listeners.table import Table
from bot.store.store import SqlStore
from bot.telemetry import LoopLag
from sandbox.slack.chat.people import ALICE, CAROL, INCIDENTS
from tests.fakes.clock import FakeClock
from tests.fixtures.database import sqlite_store
from tests.fixtures.full_disk import full_disk, locked
from tests.fixtures.shift import PLACE, Shift, local_slack
from tests.patience import PATIENCE
from tools.errors import BackendUnavailableError

Broken = Callable[[Path], AbstractContextManager[None]]
ACCESS = AccessConfig({Role.VIEWER: ("*",), Role.APPROVER: (ALICE,), Role.ADMIN: (ALICE,)})


@pytest.fixture
async def shift(tmp_path: Path) -> AsyncIterator[Shift]:
    clock = FakeClock()
    database = sqlite_store(tmp_path / "bot.db", threads=True)
    async with database as store, local_slack(clock) as slack:
        found = Shift(store, tmp_path, slack, clock)
        found.stand.configure(access=ACCESS)
        yield found


def halt_file(shift: Shift) -> Path:
    return shift.stand.settings.files.halt_file


async def flag(store: SqlStore) -> str:
    async with store.begin() as tx:
        return await tx.flags.get(HALT)


async def test_the_brake_is_worked_on_while_every_other_place_is_taken(shift: Shift) -> None:
    worked, hold = asyncio.Event(), asyncio.Event()

    async def talk(_: Room, __: Interaction, ___: None) -> None:
        await hold.wait()

    async def brake(_: Room, __: Interaction, ___: None) -> None:
        worked.set()

    table = Table(
        [
            Listener(EVENT, "app_mention", nothing, right=None, work=talk),
            Listener(COMMAND, "/sre", nothing, right=None, lane=BRAKE, work=brake),
        ]
    )
    room = shift.room
    worker = InboxWorker(room.workspace.config, shift.store, shift.clock, room.inbox._room, table)
    async with shift.store.begin() as tx:
        for number in range(20):
            said = {"type": "app_mention", "user": ALICE, "channel": INCIDENTS, "ts": f"1.{number}"}
            body = {"event_id": f"Ev{number}", "event": said}
            await tx.inbox.add(f"Ev{number}", EVENT, body, shift.clock.wall())
        typed = {"command": "/sre", "text": "halt", "user_id": ALICE, "channel_id": INCIDENTS}
        await tx.inbox.add("T1", COMMAND, typed, shift.clock.wall(), BRAKE)
    worker.start()
    try:
        async with asyncio.timeout(PATIENCE):
            await worked.wait()
    finally:
        hold.set()
        await worker.stop()


@pytest.mark.parametrize(
    ("minutes", "order", "halted"),
    [(14, "resume", ""), (16, "resume", "held"), (16, "halt", "all")],
)
async def test_what_lets_the_brake_go_does_not_come_late(
    shift: Shift, minutes: int, order: str, halted: str
) -> None:
    """Somebody who writes the database holds an order back until it serves them."""
    switches = shift.bot.remediation.switches
    assert (await switches.halt(UserId(ALICE), "held", ChannelId(INCIDENTS))).accepted
    typed = {
        "command": "/sre", "text": f"{order} all", "user_id": ALICE, "channel_id": INCIDENTS,
        "trigger_id": "T1",
    }  # fmt: skip
    given = shift.clock.wall() - timedelta(minutes=minutes)
    async with shift.store.begin() as tx:
        await tx.inbox.add("T1", COMMAND, typed, given)
    async with shift.running() as room:
        async with asyncio.timeout(PATIENCE):
            while await backlog(shift.store):  # noqa: ASYNC110 - a row of the store rings no bell
                await asyncio.sleep(0.01)
        await room.inbox.idle()
        whispers = [each["text"] for each in shift.slack.ephemerals("alice", "#incidents")]
    assert halted in await flag(shift.store)
    assert bool(await flag(shift.store)) is bool(halted)
    assert any("was not carried out" in each for each in whispers) is (halted == "held")


async def backlog(store: SqlStore) -> int:
    async with store.begin() as tx:
        return await tx.inbox.backlog()


@pytest.mark.parametrize("crowded", ["the socket", "the door"])
async def test_a_halt_waits_for_no_place_that_talk_has_taken(shift: Shift, crowded: str) -> None:
    async with shift.running() as room:
        assert room._socket is not None
        places = {"the socket": room._socket._few, "the door": room.door._few}[crowded]
        for _ in range(room.workspace.config.door_concurrency):
            await places.acquire()
        halted = shift.slack.command(ALICE, "#incidents", "/sre halt it burns")
        async with asyncio.timeout(PATIENCE):
            assert await halted
            while not await flag(shift.store):  # noqa: ASYNC110 - a row of the store rings no bell
                await asyncio.sleep(0.01)
        assert shift.bot.remediation.switches.hand_brake.pulled == ""  # and it was kept in time
        for _ in range(room.workspace.config.door_concurrency):
            places.release()


@pytest.mark.parametrize("broken", [locked, full_disk])
async def test_halt_is_pulled_by_hand_while_the_database_takes_nothing(
    shift: Shift, tmp_path: Path, broken: Broken
) -> None:
    async with shift.running() as room:
        with broken(tmp_path / "bot.db"):
            assert await shift.slack.command(ALICE, "#incidents", "/sre halt it burns")
            whispers = shift.slack.ephemerals("alice", "#incidents")
            assert any("Halted on this instance" in each["text"] for each in whispers)
            brake = shift.bot.remediation.switches.hand_brake
            assert "it burns" in brake.pulled
            assert halt_file(shift).exists()
        async with asyncio.timeout(PATIENCE):  # the database is back: the order was not forgotten
            while not await flag(shift.store):
                await room.inbox.idle()
                await asyncio.sleep(0)
        await room.inbox.idle()
    assert await flag(shift.store) == f"{ALICE}: it burns"
    assert brake.pulled == ""
    assert not halt_file(shift).exists()
    async with shift.store.begin() as tx:
        (told,) = [e for e in await tx.audit.proved(HALT) if e.kind == SETTING_CHANGED]
    assert told.actor == ALICE


async def test_who_may_not_halt_pulls_no_hand_brake_either(shift: Shift, tmp_path: Path) -> None:
    async with shift.running():
        with locked(tmp_path / "bot.db"):
            await shift.slack.command(CAROL, "#incidents", "/sre halt for fun")
        assert shift.bot.remediation.switches.hand_brake.pulled == ""
        assert not halt_file(shift).exists()


async def test_a_file_that_a_person_made_is_not_removed_with_the_hand_brake(shift: Shift) -> None:
    halt_file(shift).write_text("", encoding="utf-8")
    switches = shift.bot.remediation.switches
    assert (await switches.halt_by_hand(UserId(ALICE), "why", PLACE.channel)).accepted
    assert (await switches.resume(UserId(ALICE), PLACE.channel)).accepted
    assert halt_file(shift).exists()


async def test_the_hand_brake_is_let_go_when_another_instance_sets_the_halt(shift: Shift) -> None:
    switches = shift.bot.remediation.switches
    await switches.halt_by_hand(UserId(ALICE), "why", PLACE.channel)
    path, brake = halt_file(shift), switches.hand_brake
    watch = HaltFile(shift.store, shift.clock, path, "this one", brake)
    await watch.tick()
    assert path.exists()
    async with shift.store.begin() as tx:
        await tx.flags.set(HALT, f"{ALICE}: why", ALICE, shift.clock.now())
    await watch.tick()
    assert not path.exists()
    assert brake.pulled == ""


async def test_a_halt_in_memory_holds_where_no_file_can_be_written_and_a_file_while_it_stands(
    shift: Shift, tmp_path: Path
) -> None:
    switches, halted = shift.bot.remediation.switches, shift.bot.remediation.switches.halts
    (tmp_path / "no folder").write_text("a file", encoding="utf-8")
    switches.hand_brake.path = tmp_path / "no folder" / "halt"
    done = await switches.halt_by_hand(UserId(ALICE), "why", PLACE.channel)
    async with shift.store.begin() as tx:
        assert (done.file, "why" in await halted.why(tx)) == ("", True)
    switches.hand_brake.path = halt_file(shift)
    done = await switches.halt_by_hand(UserId(ALICE), "why", PLACE.channel)
    async with shift.store.begin() as tx:
        assert done.file in await halted.why(tx)
        halt_file(shift).unlink()
        assert await halted.why(tx) == ""


async def test_a_replica_that_cannot_write_that_it_sends_sends_nothing(
    shift: Shift, tmp_path: Path
) -> None:
    plan = await shift.approved("restart")
    before = list(shift.cluster.sent)
    with full_disk(tmp_path / "bot.db"), contextlib.suppress(BackendUnavailableError):
        await shift.run()
        await shift.idle()
    assert shift.cluster.sent == before
    await shift.run()
    await shift.idle()
    assert len(shift.cluster.sent) > len(before), await shift.status(plan)


@pytest.mark.parametrize("broken", [locked, full_disk])
async def test_what_commits_nothing_is_not_writable_though_it_answers(
    tmp_path: Path, broken: Broken
) -> None:
    async with sqlite_store(tmp_path / "bot.db", threads=True) as store:
        assert await store.writable()
        store._probed = None  # as if its second had passed
        with broken(tmp_path / "bot.db"):
            assert await store.healthy()
            assert not await store.writable()


async def test_an_envelope_is_read_once_on_its_way_in(
    shift: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counting(kind: str, body: Mapping[str, Any]) -> Read:
        found = read_of(kind, body)
        read.append(str(found) if isinstance(found, MalformedError) else found.text)
        return found

    monkeypatch.setattr(front_door, "read_of", counting)
    async with shift.running():
        for text in ("halt strange numbers", "status"):
            assert await shift.slack.command(ALICE, "#incidents", f"/sre {text}")
    assert read == ["halt strange numbers", "status"]


async def test_an_envelope_that_lacks_something_is_read_once_on_its_way_in(
    shift: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def counting(kind: str, body: Mapping[str, Any]) -> Read:
        read.append(kind)
        return read_of(kind, body)

    monkeypatch.setattr(front_door, "read_of", counting)
    door, nameless = shift.room.door, {"command": "/sre", "text": "halt", "trigger_id": "T1"}
    assert not door.lane_of(nameless)
    assert not await door.keep(AsyncBoltRequest(mode="socket_mode", body=nameless))
    assert read == [COMMAND]
    assert await backlog(shift.store) == 1


async def test_talk_that_nobody_heeds_is_not_kept(shift: Shift) -> None:
    async with shift.running() as room:
        for number in range(5):
            shift.slack.post_as(ALICE, "#incidents", f"chatter {number}")
        assert await shift.slack.command(ALICE, "#incidents", "/sre help")
        await room.inbox.idle()
    async with shift.store._engine.connect() as connection:
        rows = (await connection.exec_driver_sql("SELECT kind FROM slack_inbox")).all()
    assert [row[0] for row in rows] == [COMMAND]


class Counting(Redactor):
    """A redactor that notes how much it is given, and whether the event loop waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.on_the_loop: list[int] = []
        self.elsewhere: list[int] = []
        self._loop_thread = threading.get_ident()

    def json(self, value: Any) -> Any:
        here = threading.get_ident() == self._loop_thread
        if isinstance(value, dict) and "event_id" in value:  # it calls itself for the parts
            (self.on_the_loop if here else self.elsewhere).append(characters(value))
        return super().json(value)


def storm(number: int) -> dict[str, Any]:
    """Return one of 1,500 events: talk, now and then a mention or a mention of great length."""
    said = {"type": "message", "user": f"U{number % 40}", "channel": INCIDENTS, "ts": f"{number}.1"}
    said["text"] = "x" * 4_000
    if number % 15 == 0:
        said |= {"type": "app_mention", "text": "why is it slow?" * (3_000 if number % 75 else 1)}
    return {"event_id": f"Ev{number}", "event": said}


async def test_no_text_over_the_cap_is_looked_through_on_the_loop_in_a_storm(shift: Shift) -> None:
    room, redactor, most = shift.room, Counting(), 0
    inside = room.inbox._room
    inside.deps = replace(inside.deps, redactor=redactor)
    begin, open_now = shift.store.begin, 0

    @asynccontextmanager
    async def counted() -> AsyncIterator[Transaction]:
        nonlocal most, open_now
        open_now += 1
        most = max(most, open_now)
        try:
            async with begin() as tx:
                yield tx
        finally:
            open_now -= 1

    room.door._store = cast("SqlStore", SimpleNamespace(begin=counted))
    requests = [AsyncBoltRequest(body=storm(number), mode="socket_mode") for number in range(1500)]
    await asyncio.gather(*(room.door.keep(each) for each in requests))
    mentions = 1500 // 15
    assert len(redactor.on_the_loop) + len(redactor.elsewhere) == mentions
    assert max(redactor.on_the_loop) <= ON_THE_LOOP
    assert len(redactor.elsewhere) == mentions - mentions // 5
    assert most <= room.workspace.config.door_concurrency
    async with begin() as tx:
        assert await tx.inbox.backlog() == mentions


async def test_the_lag_of_the_event_loop_is_told() -> None:
    told: list[float] = []
    now = 10.0
    due: list[tuple[Any, ...]] = []
    slow = SimpleNamespace(time=lambda: now, call_at=lambda *call: due.append(call))
    lag = LoopLag(cast("asyncio.AbstractEventLoop", slow), told.append)
    lag.start()
    at, called, *arguments = due.pop()
    now = at + 1.25  # something held the loop
    called(*arguments)
    assert told == [1.25]
    assert due  # it looks again


async def test_who_asks_too_often_is_told_and_still_halts(shift: Shift) -> None:
    async with shift.running() as room:
        most = 3
        room.door.limit_asking(most)
        for _ in range(most + 3):
            assert await shift.slack.command(ALICE, "#incidents", "/sre help")
        assert await shift.slack.command(ALICE, "#incidents", "/sre halt now")
        async with asyncio.timeout(PATIENCE):
            while not await flag(shift.store):
                await room.inbox.idle()
                await asyncio.sleep(0)
        await room.inbox.idle()
    async with shift.store._engine.connect() as connection:
        (kept,) = (await connection.exec_driver_sql("SELECT count(*) FROM slack_inbox")).one()
    assert kept == most + 1


@pytest.mark.parametrize("stamp", ["", "soon", "1e9", "-5", "9" * 30])
async def test_a_request_whose_time_is_no_number_is_refused_and_no_error(
    shift: Shift, stamp: str
) -> None:
    request = SimpleNamespace(headers={"x-slack-request-timestamp": stamp})
    assert (await shift.room.handle_http(request)).status_code == 401
