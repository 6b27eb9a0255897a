"""What people do with incidents leaves row, timeline, card, thread and audit behind, once."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.incidents.desk import Declaration, IncidentDesk
from bot.core.incidents.status import StatusDesk
from bot.core.incidents.upkeep import IncidentUpkeep
from bot.core.ports import OutboxRow
from bot.core.shared import incident_book
from bot.domain.ids import ChannelId, RunId, Ts, UserId
from bot.domain.incident import Declared, Incident, PartKind, Priority, WrongMoveError
from bot.domain.place import Place
from bot.domain.secrets.redaction import Redactor
from bot.locale import Texts
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fixtures.incidents import CHANNEL, an_incident_desk
from tests.fixtures.nouns import ALICE, BOB, ORDER_API, a_finding, a_record, an_anomaly
from tools.errors import BadArgumentError, NotFoundError
from tools.world import Catalogue, ServiceSpec

CATALOGUE = Catalogue({}, {ORDER_API: ServiceSpec(ORDER_API, "trading", ())})
ON_CALL = ("S0ONCALL01",)
SAID = Declaration("Orders fail", "order-api", Priority.P1)
LEASE = timedelta(seconds=30)
HERE = Place(CHANNEL)
NUMBERS = itertools.count(10)  # of messages


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def desk(store: SqlStore, clock: FakeClock) -> IncidentDesk:
    return an_incident_desk(store, clock, lambda: CATALOGUE, ON_CALL)


def upkeep(store: SqlStore, clock: FakeClock) -> IncidentUpkeep:
    return IncidentUpkeep(store, clock, lambda _: Texts("en"), lambda _: ON_CALL)


async def posted(store: SqlStore, clock: FakeClock) -> list[OutboxRow]:
    """Let Slack show everything that waits; returns it in its order."""
    shown: list[OutboxRow] = []
    while True:
        async with store.begin() as tx:
            row = await tx.outbox.claim("test", clock.wall(), LEASE)
            if row is None:
                return shown
            shown.append(row)
            if row.ts is None:
                ts = Ts(f"17320000{next(NUMBERS):02d}.000100")
                await tx.outbox.posted(row.id, ts, clock.wall())
            else:
                await tx.outbox.updated(row.id, clock.wall())


async def audited(store: SqlStore) -> list[str]:
    async with store.begin() as tx:
        return [row.event.kind for row in await tx.audit.tail(200)]


def keys(rows: list[OutboxRow]) -> list[str]:
    return [str(row.body.get("key")) for row in rows if row.view == "notice"]


async def test_a_declared_incident_has_one_card_that_calls_whoever_is_on_call(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    assert (incident.id, incident.declared_by, incident.people) == (
        "INC-2026-0001",
        ALICE,
        (ALICE,),
    )
    assert incident.call is not None
    assert incident.call.names == ON_CALL
    (card,) = await posted(store, clock)
    assert (card.view, card.ref, card.channel, card.thread_ts) == (
        "incident", incident.id, CHANNEL, None
    )  # fmt: skip
    assert await audited(store) == ["incident.declared", "outbox.posted"]


async def test_a_limited_one_calls_nobody_until_it_becomes_serious_and_then_once(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(replace(SAID, priority=Priority.P2), ALICE)
    assert incident.call is None
    await posted(store, clock)
    for priority in (Priority.P1, Priority.P3, Priority.P0, Priority.P1):
        incident = await desk.judge(incident.id, priority, BOB)
    rows = await posted(store, clock)
    called = [row for row in rows if row.body.get("key") == "incident.called"]
    assert [row.body["mentions"] for row in called] == [list(ON_CALL)]
    assert called[0].thread_ts is None  # in the channel, where a phone rings
    assert incident.call is not None
    assert not incident.call.in_card  # so that the card does not mention them again


async def test_what_an_unknown_service_has_is_no_incident(desk: IncidentDesk) -> None:
    with pytest.raises(BadArgumentError, match="order-apj"):
        await desk.declare(replace(SAID, service="order-apj"), ALICE)
    with pytest.raises(BadArgumentError, match="what is wrong"):
        await desk.declare(replace(SAID, title=" "), ALICE)


async def test_taking_twice_is_once_and_the_next_joins(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    clock.advance(minutes=1)
    for user in (BOB, BOB, ALICE):
        incident = await desk.take(incident.id, user)
    assert (incident.lead, incident.people) == (BOB, (ALICE, BOB))
    story = await desk.story(incident.id)
    assert [e.text for e in story.timeline] == ["declared by a person as P1", "somebody took it"]
    kinds = [kind for kind in await audited(store) if kind.startswith("incident.")]
    assert kinds == ["incident.declared", "incident.taken"]


async def test_what_ends_and_changes_hands_is_said_in_the_thread_of_the_card(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    (card,) = await posted(store, clock)
    await desk.hand_over(incident.id, BOB, ALICE)
    await desk.resolve(incident.id, BOB, "rolled back, token xoxb-made-up-abcdefghij")
    await desk.resolve(incident.id, ALICE)
    clock.advance(minutes=1)
    again = await desk.reopen(incident.id, ALICE)
    assert (again.lead, again.open) == (BOB, True)  # who had it has it again
    rows = await posted(store, clock)
    assert keys(rows) == [
        "incident.told.handed_over", "incident.told.resolved", "incident.told.reopened",
    ]  # fmt: skip
    async with store.begin() as tx:
        shown = await tx.outbox.find(f"incident:{incident.id}")
    assert shown is not None
    threads = {row.thread_ts for row in rows if row.view == "notice"}
    assert threads == {shown.ts}
    said = next(row for row in rows if row.body.get("key") == "incident.told.resolved")
    assert "xoxb" not in str(said.body)
    assert card.id in {row.id for row in rows}  # the card was drawn anew, not posted again


async def test_a_resolved_one_takes_nobody_until_it_is_reopened(desk: IncidentDesk) -> None:
    incident = await desk.declare(SAID, ALICE)
    await desk.resolve(incident.id, ALICE)
    with pytest.raises(WrongMoveError, match="reopen it first"):
        await desk.take(incident.id, BOB)


async def test_a_merged_one_gives_all_that_was_its_to_the_other(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    one = await desk.declare(SAID, ALICE)
    other = await desk.declare(replace(SAID, title="Orders are slow"), BOB)
    finding = replace(a_finding(), incident=one.id)
    async with store.begin() as tx:
        await tx.anomalies.save(an_anomaly())
        await tx.findings.save(finding)
        await incident_book.attach(tx, one.id, PartKind.FINDING, finding.id, clock.now())
    await desk.note(one.id, "the queue is full", ALICE)
    grown = await desk.merge(one.id, other.id, BOB)
    story = await desk.story(other.id)
    assert grown.people == (BOB, ALICE)
    assert [f.incident for f in story.findings] == [other.id]
    assert "the queue is full" in [e.text for e in story.timeline]
    assert (await desk.find(HERE)).id == other.id  # the only open one
    with pytest.raises(WrongMoveError, match=other.id):
        await desk.reopen(one.id, ALICE)
    with pytest.raises(WrongMoveError, match="itself"):
        await desk.merge(other.id, other.id, ALICE)


async def test_where_several_are_open_one_must_be_named(desk: IncidentDesk) -> None:
    with pytest.raises(NotFoundError):
        await desk.find(HERE)
    one = await desk.declare(SAID, ALICE)
    other = await desk.declare(SAID, ALICE)
    with pytest.raises(BadArgumentError, match=f"{other.id}, {one.id}"):
        await desk.find(HERE)
    assert (await desk.find(HERE, one.id.lower())).id == one.id


async def test_a_plan_of_another_thread_stands_in_the_incidents_thread_too(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    await posted(store, clock)
    record = a_record()  # proposed in a thread of a question, for the service of the incident
    async with store.begin() as tx:
        await tx.plans.add(record)
        await tx.outbox.post(f"plan:{record.plan.id}", "plan", record.plan.id, record.plan.place)
        adopted = await incident_book.adopt_plan(tx, record, "plan proposed")
    assert adopted is not None
    assert adopted.id == incident.id
    rows = [row for row in await posted(store, clock) if row.view == "plan"]
    assert [(row.body.get("brief"), row.ref) for row in rows] == [
        (None, record.plan.id), (True, record.plan.id),
    ]  # fmt: skip
    async with store.begin() as tx:
        assert await tx.outbox.refresh("plan", record.plan.id) == 2  # one move redraws both
    assert [r.plan.id for r in (await desk.story(incident.id)).plans] == [record.plan.id]


async def test_a_question_in_the_thread_of_a_card_belongs_to_the_incident(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    await posted(store, clock)
    async with store.begin() as tx:
        card = await tx.outbox.find(f"incident:{incident.id}")
    assert card is not None
    found = await desk.attach_question(RunId("RUN-1"), Place(CHANNEL, card.ts))
    assert found is not None
    assert await desk.attach_question(RunId("RUN-2"), Place(CHANNEL, Ts("1.2"))) is None
    assert (await desk.story(incident.id)).questions == 1


# --- time ------------------------------------------------------------------------------------


async def seen(store: SqlStore, incident: Incident) -> Incident:
    async with store.begin() as tx:
        return await tx.incidents.get(incident.id)


async def test_nobody_has_it_in_time_so_whoever_is_on_call_is_reminded_once(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    await posted(store, clock)
    look = upkeep(store, clock)
    clock.advance(minutes=59)
    await look.tick()
    assert "incident.reminder" not in keys(await posted(store, clock))
    clock.advance(minutes=1)
    await look.tick()
    (reminder,) = [
        r for r in await posted(store, clock) if r.body.get("key") == "incident.reminder"
    ]
    assert reminder.body["mentions"] == list(ON_CALL)
    assert reminder.thread_ts is not None  # in the channel they were mentioned once
    for _ in range(3):
        clock.advance(hours=1)
        await look.tick()
    assert "incident.reminder" not in keys(await posted(store, clock))
    assert isinstance((await seen(store, incident)).state, Declared)


async def test_who_took_it_in_time_is_not_reminded(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    await desk.take(incident.id, BOB)
    clock.advance(hours=2)
    await upkeep(store, clock).tick()
    assert "incident.reminder" not in keys(await posted(store, clock))


async def test_updates_keep_their_rhythm_say_what_is_new_and_stop_when_quiet_is_asked_for(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    await desk.take(incident.id, ALICE)
    await posted(store, clock)
    look = upkeep(store, clock)

    async def updates() -> list[str]:
        await look.tick()
        rows = await posted(store, clock)
        return [str(r.body["text"]) for r in rows if "text" in r.body and r.view == "notice"]

    clock.advance(minutes=29)
    assert await updates() == []
    await desk.note(incident.id, "the queue is full", ALICE)
    clock.advance(minutes=1)
    (first,) = await updates()
    assert "in hand, 30 min so far. New since the last update:" in first
    assert "the queue is full" in first
    assert await updates() == []
    clock.advance(minutes=30)
    (second,) = await updates()
    assert second.endswith("Nothing new since the last update.")
    clock.advance(hours=5)  # it was stopped meanwhile: one update, not ten
    assert len(await updates()) == 1
    await desk.quiet(incident.id, BOB)
    clock.advance(hours=1)
    assert await updates() == []
    await desk.quiet(incident.id, BOB, on=False)
    clock.advance(minutes=30)
    assert len(await updates()) == 1


async def test_the_card_is_drawn_anew_when_its_figures_move_and_for_its_duration(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    await posted(store, clock)
    look = upkeep(store, clock)

    async def drawn() -> bool:
        await look.tick()
        return any(row.view == "incident" for row in await posted(store, clock))

    assert await drawn()
    assert not await drawn()
    async with store.begin() as tx:
        await tx.anomalies.save(an_anomaly())
        await tx.findings.save(replace(a_finding(), incident=incident.id))
        part = incident_book.attach(tx, incident.id, PartKind.FINDING, a_finding().id, clock.now())
        await part
    await posted(store, clock)
    assert await drawn()
    assert not await drawn()
    clock.advance(minutes=5)
    assert await drawn()


async def test_a_serious_one_that_slack_does_not_take_is_noted_for_the_webhook_once(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    await desk.declare(SAID, ALICE)
    await desk.declare(replace(SAID, priority=Priority.P2), ALICE)
    await upkeep(store, clock).tick()
    assert "incident.unreached" not in await audited(store)
    clock.advance(minutes=1)
    look = upkeep(store, clock)
    for each in (look, look, upkeep(store, clock)):  # the third is after a restart
        await each.tick()
        clock.advance(minutes=1)
    assert (await audited(store)).count("incident.unreached") == 1


# --- stakeholders ----------------------------------------------------------------------------


async def test_a_status_text_is_drafted_without_names_and_sent_by_a_person(
    store: SqlStore, clock: FakeClock, desk: IncidentDesk
) -> None:
    incident = await desk.declare(SAID, ALICE)
    status = StatusDesk(store, clock, lambda _: Texts("en"), Redactor(), lambda: ChannelId("C9"))
    await posted(store, clock)
    clock.advance(minutes=10)
    _, draft = await status.draft(incident.id)
    assert draft.startswith("We are looking into a problem with order-api")
    assert ALICE not in draft
    assert await posted(store, clock) == []  # a draft is told to nobody
    assert await status.send(incident.id, "Orders may fail. We work on it.", BOB) == "C9"
    sent = [row for row in await posted(store, clock) if row.channel == "C9"]
    assert [row.body["fields"]["text"] for row in sent] == ["Orders may fail. We work on it."]
    assert "incident.status_sent" in await audited(store)
    with pytest.raises(BadArgumentError):
        await status.send(incident.id, "  ", BOB)


async def test_who_is_named_as_the_next_is_a_person_of_the_incident(desk: IncidentDesk) -> None:
    incident = await desk.declare(SAID, ALICE)
    given = await desk.hand_over(incident.id, UserId("UCAROL"), ALICE)
    assert (given.lead, given.people) == ("UCAROL", (ALICE, "UCAROL"))
