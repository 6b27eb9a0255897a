"""Who may is judged once per click, by its row of the table; nobody behind it asks again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.composition.process import Bot
from bot.core.ports import PlanRecord
from bot.domain.access import AccessConfig, Role
from bot.domain.ids import ChannelId, UserId
from bot.slack.ids import ActionId
from bot.slack.interactions import ACTION, Interaction
from bot.slack.listeners.listener import Listener
from bot.slack.listeners.plans import of_card
from bot.slack.listeners.room import Room
from bot.store.store import SqlStore
from sandbox.slack.chat.people import ALICE, CAROL, INCIDENTS
from tests.architecture.source import imported_names, sources
from tests.fakes.clock import FakeClock
from tests.fixtures.bot import BotStand, room_of
from tests.fixtures.nouns import a_record
from tests.fixtures.shift import local_slack

JUDGES = {"bot.domain.access.decide", "bot.domain.access.has_role", "bot.domain.access.role_of"}


@dataclass
class Door:
    """The room of a bot whose rights are counted, and what its work was given."""

    store: SqlStore
    bot: Bot
    judged: int = 0
    worked: list[str] = field(default_factory=list)

    def access(self) -> AccessConfig:
        self.judged += 1
        return AccessConfig({Role.RESPONDER: (ALICE,)})

    def room(self) -> Room:
        room = room_of(self.bot).inbox._room
        room.deps = replace(room.deps, access=self.access)
        self.judged = 0
        return room

    async def work(self, _: Room, click: Interaction, record: PlanRecord) -> None:
        self.worked.append(f"{click.name} of {record.plan.id}")

    async def beside(self, _: Room, click: Interaction) -> None:
        self.worked.append(f"beside {click.name}")


@pytest.fixture
async def door(store: SqlStore, tmp_path: Path) -> AsyncIterator[Door]:
    async with store.begin() as tx:
        await tx.plans.add(a_record())
    clock = FakeClock()
    async with local_slack(clock) as slack:
        yield Door(store, BotStand(store, tmp_path, clock=clock, slack=slack).join())


def click(user: str = ALICE, value: str = "PLAN-000001") -> Interaction:
    name, channel = ActionId.PLAN_APPROVE, ChannelId(INCIDENTS)
    return Interaction(ACTION, name, "key", UserId(user), channel, value=value, trigger_id="1.1")


def rows(door: Door) -> Iterator[tuple[Listener[Any], list[str]]]:
    name = ActionId.PLAN_APPROVE
    done = f"{name} of PLAN-000001"
    yield Listener(ACTION, name, of_card, work=door.work), [done]
    yield Listener(ACTION, name, of_card, quick=door.work), [done]
    both = Listener(ACTION, name, of_card, work=door.work, beside=door.beside)
    yield both, [f"beside {name}", done]


async def test_a_click_is_judged_once_whichever_way_it_is_worked_on(door: Door) -> None:
    room = door.room()
    for listener, done in rows(door):
        door.judged, door.worked = 0, []
        await listener.in_time(room, click())
        await listener.at_leisure(room, click())
        assert (door.judged, door.worked) == (1, done)


async def test_who_may_not_gets_no_further_and_that_is_written_once(door: Door) -> None:
    listener = Listener(ACTION, ActionId.PLAN_APPROVE, of_card, work=door.work)
    await listener.at_leisure(door.room(), click(CAROL))
    assert (door.judged, door.worked) == (1, [])
    async with door.store.begin() as tx:
        (row,) = await tx.audit.tail()
    assert (row.event.kind, row.event.actor, row.event.subject) == (
        "access.denied", CAROL, "PLAN-000001",
    )  # fmt: skip
    service = a_record().plan.service
    told = {"right": "plan.approve", "channel": INCIDENTS, "service": service}
    assert row.event.facts == told


async def test_what_is_gone_is_told_before_anybody_is_judged(door: Door) -> None:
    listener = Listener(ACTION, ActionId.PLAN_APPROVE, of_card, work=door.work)
    await listener.at_leisure(door.room(), click(value="PLAN-404404"))
    assert (door.judged, door.worked) == (0, [])


def test_nobody_behind_the_door_asks_again() -> None:
    asking = {
        str(source.path)
        for source in sources("bot")
        for _, name in imported_names(source)
        if name in JUDGES and str(source.path).startswith("bot/slack/")
    }
    assert asking == {"bot/slack/listeners/listener.py"}
