"""One spell of one alert is one row, in whatever order and how often deliveries come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.alert import (
    Alert,
    AlertEnding,
    Firing,
    Over,
    SeverityWord,
    acknowledge_alert,
    end_unheard,
    fingerprint_of_alert,
    hear_again,
    hear_resolved,
    mark_false_alert,
)
from bot.domain.anomaly import Acknowledged, FalseAlarm
from bot.domain.heartbeat import Heartbeat, beat
from bot.domain.ids import AlertId
from tests.fixtures.nouns import ALICE, BOB, NOW, ORDER_API
from tools.world import Severity, labels_of

MINUTE = timedelta(minutes=1)


def an_alert(at: datetime = NOW, **says: str) -> Alert:
    labels = labels_of({"severity": "page", "service": "order-api"})
    return Alert(
        AlertId("ALR-1"), "PodDown", ORDER_API, "", Severity.CRITICAL, SeverityWord("page"),
        labels, labels_of(says), at, at,
    )  # fmt: skip


def test_what_a_replica_calls_itself_makes_no_other_alert() -> None:
    one = fingerprint_of_alert("A", {"service": "x", "prometheus_replica": "p-0"})
    assert one == fingerprint_of_alert("A", {"alertname": "A", "service": "x"})
    assert one != fingerprint_of_alert("A", {"service": "y"})
    assert one != fingerprint_of_alert("B", {"service": "x"})


def test_a_repetition_renews_it_with_the_words_it_has_now() -> None:
    later = an_alert(NOW + 5 * MINUTE, summary="47 s behind")
    heard = hear_again(an_alert(NOW, summary="31 s behind"), later)
    assert heard is not None
    assert (heard.started_at, heard.heard_at) == (NOW, later.heard_at)
    assert heard.summary == "47 s behind"


def test_an_end_is_told_once_and_a_firing_that_comes_after_it_is_late() -> None:
    over = hear_resolved(an_alert(), NOW + 5 * MINUTE)
    assert over.state == Over(NOW + 5 * MINUTE, AlertEnding.TOLD)
    late = an_alert(NOW)
    assert hear_again(over, late) is over
    assert hear_again(over, an_alert(NOW + 6 * MINUTE)) is None  # a spell of its own
    assert hear_resolved(over, NOW + 9 * MINUTE) is over


def test_the_end_of_an_older_spell_ends_no_newer_one() -> None:
    newer = an_alert(NOW + 10 * MINUTE)
    assert hear_resolved(newer, NOW + 5 * MINUTE) is newer


@pytest.mark.parametrize("how", [AlertEnding.EXPIRED, AlertEnding.GONE])
def test_what_we_ended_ourselves_goes_on_when_it_is_heard_again(how: AlertEnding) -> None:
    over = end_unheard(an_alert(), NOW + 60 * MINUTE, how)
    again = hear_again(over, replace(an_alert(), heard_at=NOW + 61 * MINUTE))
    assert again is not None
    assert (again.id, again.state, again.started_at) == (over.id, Firing(), NOW)
    assert hear_again(over, an_alert(NOW + 61 * MINUTE)) is None


def test_a_false_alarm_stays_one_until_the_alert_begins_anew() -> None:
    closed = mark_false_alert(an_alert(), ALICE, NOW + MINUTE)
    assert closed.state == FalseAlarm(ALICE, NOW + MINUTE)
    repeated = hear_again(closed, replace(an_alert(), heard_at=NOW + 5 * MINUTE))
    assert repeated is not None
    assert repeated.state == closed.state
    assert hear_again(closed, an_alert(NOW + 2 * MINUTE)) is None
    assert mark_false_alert(closed, BOB, NOW + 2 * MINUTE) is closed


def test_who_looks_after_it_is_the_first_who_said_so() -> None:
    seen = acknowledge_alert(an_alert(), ALICE, NOW)
    assert acknowledge_alert(seen, BOB, NOW + MINUTE).state == Acknowledged(ALICE, NOW)
    again = hear_again(seen, an_alert(NOW + MINUTE))
    assert again is not None
    assert again.state == Acknowledged(ALICE, NOW)


@pytest.mark.parametrize(
    ("says", "summary", "description", "runbook"),
    [
        ({"summary": "a\n b", "description": "c"}, "a b", "c", ""),
        ({"message": "old style", "runbook": "http://r"}, "old style", "", "http://r"),
        ({"description": "only this"}, "only this", "", ""),
        ({"summary": "  ", "title": "t", "runbook_url": "u"}, "t", "", "u"),
        ({}, "", "", ""),
    ],
)
def test_its_own_words_are_found_wherever_its_rule_puts_them(
    says: dict[str, str], summary: str, description: str, runbook: str
) -> None:
    alert = replace(an_alert(), annotations=labels_of(says))
    assert (alert.summary, alert.description, alert.runbook) == (summary, description, runbook)


Said = tuple[str, int, int]  # firing or resolved, start, end: minutes


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_whatever_order_deliveries_come_in_a_spell_is_never_told_twice(
    lengths: Sequence[tuple[int, int]], shuffle: object, ends: bool
) -> None:
    spells: list[tuple[int, int]] = []
    minute = 0
    for on, off in lengths:
        spells.append((minute, minute + on))
        minute += on + off
    said: list[Said] = [("firing", start, end) for start, end in spells for _ in range(2)]
    said += [("resolved", start, end) for start, end in (spells if ends else spells[:-1])]
    shuffle.shuffle(said)  # type: ignore[attr-defined]
    known: list[Alert] = []
    for kind, start, end in said:
        latest = max(known, key=lambda a: (a.active, a.started_at), default=None)
        if kind == "resolved":
            if latest is not None:
                known[known.index(latest)] = hear_resolved(latest, NOW + end * MINUTE)
            continue
        fresh = replace(an_alert(NOW + start * MINUTE), id=AlertId(f"ALR-{len(known)}"))
        heard = hear_again(latest, fresh) if latest is not None else None
        if heard is None:
            known.append(fresh)
        elif latest is not None:
            known[known.index(latest)] = heard
        assert sum(a.active for a in known) <= 1
    assert len(known) <= len(spells)


# ------------------------------------------------------------------------------ heartbeats


def test_silence_begins_after_three_usual_gaps_and_never_before_the_least() -> None:
    least, unknown = timedelta(minutes=15), timedelta(hours=25)
    once = Heartbeat("k", "Watchdog", (), NOW)
    assert once.due_at(least, unknown) == NOW + unknown  # nobody knows how often it comes
    often = beat(once, NOW + MINUTE)
    assert often.due_at(least, unknown) == NOW + MINUTE + least
    seldom = beat(often, NOW + timedelta(hours=4))
    assert seldom.due_at(least, unknown) == seldom.heard_at + 3 * timedelta(minutes=239)
    for _ in range(5):
        seldom = beat(seldom, seldom.heard_at + MINUTE)
    assert seldom.due_at(least, unknown) == seldom.heard_at + least  # the old gap is forgotten


def test_the_gap_of_a_silence_that_was_told_is_no_usual_one() -> None:
    known = replace(Heartbeat("k", "Watchdog", (), NOW, (60.0,)), alert=AlertId("ALR-1"))
    heard = beat(known, NOW + timedelta(hours=9))
    assert (heard.gaps, heard.alert) == ((60.0,), None)


def test_a_heartbeat_that_was_told_resolved_is_silent_at_once() -> None:
    stopped = replace(Heartbeat("k", "Watchdog", (), NOW, (60.0,)), stopped=True)
    assert stopped.due_at(timedelta(minutes=15), timedelta(hours=25)) == NOW
    assert not beat(stopped, NOW + MINUTE).stopped
