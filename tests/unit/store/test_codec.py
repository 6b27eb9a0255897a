"""Nouns to JSON and back."""

from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pytest

from bot.domain.anomaly import Acknowledged, AnomalyState, FalseAlarm
from bot.domain.finding import Finding
from bot.store.codec import decode, decode_state, encode, encode_state, from_json, pack, to_json
from bot.store.codec import unpack as unpack_array
from bot.store.schema import clean_text
from tests.fixtures.nouns import ALICE, NOW, a_finding, a_plan, a_verdict
from tools.world import Verdict, Vote

STATES: tuple[type[AnomalyState], ...] = (Acknowledged, FalseAlarm)


def test_states_with_the_same_fields_keep_their_names() -> None:
    for state in (Acknowledged(ALICE, NOW), FalseAlarm(ALICE, NOW)):
        assert decode_state(STATES, *encode_state(state)) == state


def test_a_state_nobody_knows_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="'Vanished'; known: Acknowledged, FalseAlarm"):
        decode_state(STATES, "Vanished", "{}")


def test_figures_straight_from_numpy_and_not_a_number_are_kept() -> None:
    vote = Vote("mad", np.float64(4.2), np.float64(3.5), anomalous=bool(np.bool_(1)))
    object.__setattr__(vote, "anomalous", np.bool_(1))  # as a careless detector leaves it
    verdict = a_verdict()
    object.__setattr__(verdict, "votes", (vote,))
    back = decode(Verdict, encode(verdict))
    assert back.votes == (Vote("mad", 4.2, 3.5, anomalous=True),)
    assert np.isnan(back.expected)


def test_a_plan_keeps_its_digest_through_json() -> None:
    plan = a_plan()
    assert decode(type(plan), encode(plan)).body.digest() == plan.digest


def test_a_finding_stored_before_it_had_gaps_is_read_without_any() -> None:
    stored = from_json(encode(a_finding()))
    assert stored.pop("gaps") == ["loki: no answer within 30 s"]
    assert decode(Finding, to_json(stored)) == replace(a_finding(), gaps=())


def test_plain_json_takes_frozen_mappings_arrays_and_times_but_no_objects() -> None:
    told = {"m": MappingProxyType({"a": (1, 2)}), "n": np.int64(3), "t": NOW, "s": {4}}
    assert from_json(to_json(told)) == {"m": {"a": [1, 2]}, "n": 3, "t": NOW.isoformat(), "s": [4]}
    with pytest.raises(TypeError, match="object"):
        to_json({"o": object()})


def test_an_array_survives_as_bytes() -> None:
    values = np.array([1.5, np.nan, -0.0])
    np.testing.assert_array_equal(unpack_array(pack(values)), values)


def test_text_loses_only_what_no_database_can_hold() -> None:
    assert clean_text("grün 👍 \0 \ud83d.") == "grün 👍 \ufffd \ufffd."
