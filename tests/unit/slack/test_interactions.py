"""Payloads become interactions, or one line that names what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.place import Place
from bot.slack.interactions import (
    ACTION,
    COMMAND,
    EVENT,
    SHORTCUT,
    VIEW,
    Interaction,
    MalformedError,
    dedupe_key,
    kind_of,
    pack,
    parse,
)

CLICK: dict[str, Any] = {
    "type": "block_actions",
    "user": {"id": "U1"},
    "trigger_id": "1.2",
    "channel": {"id": "C1"},
    "message": {"ts": "10.1", "thread_ts": "9.1"},
    "actions": [{"action_id": "plan.approve", "value": "PLAN-1", "block_id": "b"}],
}


def test_a_click_knows_its_thread_and_value() -> None:
    made = parse(kind_of(CLICK), CLICK)
    assert (made.kind, made.name, made.value, made.user) == (ACTION, "plan.approve", "PLAN-1", "U1")
    assert made.place == Place("C1", "9.1")  # type: ignore[arg-type]


def test_a_select_gives_the_chosen_option() -> None:
    chosen = {"action_id": "anomaly.mute", "selected_option": {"value": "4"}, "block_id": "FND-1"}
    made = parse(ACTION, {**CLICK, "actions": [chosen]})
    assert (made.value, made.block_id) == ("4", "FND-1")


def test_a_mention_outside_a_thread_begins_one_at_the_message() -> None:
    event = {"type": "app_mention", "user": "U1", "channel": "C1", "ts": "7.1", "text": "hi"}
    made = parse(EVENT, {"event": event, "event_id": "Ev1"})
    assert made.place == Place("C1", "7.1")  # type: ignore[arg-type]
    assert made.key == "Ev1"


def test_a_form_brings_back_where_it_was_opened_and_what_it_is_about() -> None:
    opened = parse(ACTION, CLICK)
    view = {
        "callback_id": "plan.reject",
        "private_metadata": pack(opened, "PLAN-1"),
        "state": {"values": {"reason": {"text": {"value": "too risky"}}}},
    }
    made = parse(VIEW, {"type": "view_submission", "user": {"id": "U1"}, "view": view})
    assert (made.channel, made.thread_ts, made.subject) == ("C1", "9.1", "PLAN-1")
    assert made.fields == {"reason": "too risky"}


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (ACTION, {**CLICK, "actions": []}, "actions"),
        (ACTION, {k: v for k, v in CLICK.items() if k != "user"}, "user"),
        (COMMAND, {"command": "/sre", "user_id": "U1"}, "channel_id"),
        (EVENT, {"event": {"type": "app_mention", "user": "U1"}}, "channel"),
        (EVENT, {"event": {"type": "assistant_thread_started"}}, "user_id"),
        (VIEW, {"user": {"id": "U1"}, "view": {}}, "callback_id"),
        (SHORTCUT, {"user": {"id": "U1"}}, "callback_id"),
    ],
)
def test_a_missing_field_is_named(kind: str, body: dict[str, Any], field: str) -> None:
    with pytest.raises(MalformedError, match=field):
        parse(kind, body)


def test_two_deliveries_share_their_key_and_two_clicks_do_not() -> None:
    assert dedupe_key({"event_id": "Ev1", "x": 1}) == dedupe_key({"event_id": "Ev1", "x": 2})
    assert dedupe_key(CLICK) != dedupe_key({**CLICK, "trigger_id": "1.3"})
    assert dedupe_key({"a": 1}) == dedupe_key({"a": 1}) != dedupe_key({"a": 2})


def test_an_envelope_of_an_unknown_kind_is_refused() -> None:
    assert kind_of({"type": "workflow_step"}) == ""
    with pytest.raises(MalformedError, match="nothing is known"):
        parse("", {})


def test_an_interaction_without_a_thread_or_message_is_in_the_channel() -> None:
    assert Interaction(COMMAND, "/sre", "k", "U1", "C1").place == Place("C1")  # type: ignore[arg-type]


@pytest.mark.parametrize("ts", ["yesterday", "1e400", "NaN", "-1.5", "1.2.3", "٣.١", "9" * 40])
def test_a_timestamp_that_is_none_of_slacks_is_malformed(ts: str) -> None:
    event = {"type": "app_mention", "user": "U1", "channel": "C1", "ts": ts, "text": "hi"}
    with pytest.raises(MalformedError, match="timestamp"):
        parse(EVENT, {"event_id": "Ev1", "event": event})
