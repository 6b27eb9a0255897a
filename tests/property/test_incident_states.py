"""Any order of what people and clocks do to incidents: each stays in one piece."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import incident as life
from bot.domain.ids import ChannelId, IncidentId, UserId
from bot.domain.incident import Declared, Incident, InHand, MergedInto, Priority, WrongMoveError
from bot.domain.place import Place
from tests.fixtures.nouns import NOW, ORDER_API

PEOPLE = st.sampled_from([UserId("UALICE"), UserId("UBOB"), UserId("UCAROL")])
DEEDS = st.sampled_from(
    ["take", "join", "hand_over", "resolve", "reopen", "merge", "judge", "remind"]
)
STEP = timedelta(minutes=7)


def declared(number: int, priority: Priority) -> Incident:
    return life.declare(
        IncidentId(f"INC-2026-{number:04d}"), "slow", priority, ORDER_API, Place(ChannelId("C1")),
        at=NOW, wall=NOW,
    )  # fmt: skip


def moves(
    before: Incident, other: Incident, who: UserId, how: Priority, now: datetime
) -> dict[str, Callable[[], Incident | None]]:
    return {
        "take": lambda: life.take(before, who, now),
        "join": lambda: life.join(before, who),
        "hand_over": lambda: life.hand_over(before, who, now),
        "resolve": lambda: life.resolve(before, now, who),
        "reopen": lambda: life.reopen(before, who, now, now),
        "merge": lambda: life.merge(before, other, who, now),
        "judge": lambda: life.judge(before, how, now),
        "remind": lambda: life.remind(before, now),
    }


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(Priority),
    st.lists(st.tuples(DEEDS, PEOPLE, st.sampled_from(Priority)), max_size=25),
)
def test_whatever_is_done_an_incident_stays_in_one_piece(
    priority: Priority, deeds: list[tuple[str, UserId, Priority]]
) -> None:
    other, here, now = declared(2, Priority.P2), declared(1, priority), NOW
    reminders = reopened = 0
    for deed, who, how in deeds:
        now += STEP
        before = here
        try:
            here = moves(before, other, who, how, now)[deed]() or before
        except WrongMoveError:
            assert not before.open
        reopened += deed == "reopen" and here != before
        reminders += deed == "remind" and here != before
        assert here.id == before.id
        assert set(before.people) <= set(here.people)  # nobody who worked on it is forgotten
        assert here.open is (here.resolved_at is None)
        assert here.open is isinstance(here.state, Declared | InHand)
        if isinstance(here.state, InHand):
            assert here.lead in here.people
            assert here.state.acknowledged_at <= here.state.lead_since <= now
        if isinstance(before.state, MergedInto):
            assert here == before  # what is a part of another one moves no more
        if not here.open:
            assert here.next_update_at is None
    assert reminders <= 1 + reopened


def test_the_first_takes_it_and_the_next_joins() -> None:
    alice, bob = UserId("UALICE"), UserId("UBOB")
    first = life.take(declared(1, Priority.P1), alice, NOW)
    second = life.take(first, bob, NOW + STEP)
    assert (second.lead, second.people) == (alice, (alice, bob))
    assert life.take(second, bob, NOW + 2 * STEP) == second
    given = life.hand_over(second, bob, NOW + STEP)
    assert given.state == InHand(bob, NOW + STEP, NOW)


def test_what_becomes_more_serious_must_be_answered_sooner_and_never_later() -> None:
    calm = declared(1, Priority.P3)
    serious = life.judge(calm, Priority.P0, NOW + STEP)
    assert serious.respond_by == NOW + STEP + timedelta(minutes=15)
    assert life.judge(serious, Priority.P3, NOW + STEP).respond_by == serious.respond_by


def test_the_targets_are_those_of_the_platforms_rules() -> None:
    minutes = {p.value: p.answer_within.total_seconds() / 60 for p in Priority}
    assert minutes == {"P0": 15, "P1": 60, "P2": 240, "P3": 1440}
    reopened = life.reopen(
        life.resolve(replace(declared(1, Priority.P0)), NOW), UserId("UBOB"), NOW, NOW + STEP
    )
    assert reopened.respond_by == NOW + STEP + timedelta(minutes=15)
