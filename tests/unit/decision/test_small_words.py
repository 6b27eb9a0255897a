"""Small things that whole stories lean on: one word each, and what it must not become."""

from __future__ import annotations

import pytest

from bot.domain import approval as answers
from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.keyring import Keyring, Purpose
from bot.domain.place import Place
from bot.domain.plan_proof import newest_move
from bot.domain.question import Question, merge
from tests.fixtures.nouns import ALICE, MINUTE, NOW


def test_nobody_opens_a_plan_alone_without_a_written_reason() -> None:
    asked = answers.Pending(PlanId("PLAN-1"), "d", 2, NOW + MINUTE)
    for nothing in ("", " \n"):
        with pytest.raises(ValueError, match="PLAN-1 is opened by one person only for a written"):
            answers.break_glass(asked, ALICE, "d", nothing, NOW)
    opened = answers.break_glass(asked, ALICE, "d", " it burns ", NOW)
    assert isinstance(opened, answers.Approved)
    assert (opened.glass, [yes.by for yes in opened.answers]) == ("it burns", [ALICE])


def test_questions_that_waited_become_one_and_none_is_dropped() -> None:
    place = Place(ChannelId("C1"))
    first, second = (
        Question(text, place, "mention", asked_by=UserId(name), asker_name=name)
        for text, name in (("why?", "U1"), ("and since when?", "U2"))
    )
    assert merge([first]) is first
    both = merge([first, second])
    assert (both.text, both.asked_by) == ("why?\nand since when?", UserId("U1"))
    assert both.asker == "U1, U2"


def test_a_plan_that_the_audit_never_heard_of_was_moved_nowhere() -> None:
    assert newest_move([]) == 0


def test_a_keyring_is_never_shown_and_seals_as_it_always_did() -> None:
    keyring = Keyring(b"k" * 32)
    assert "k" * 4 not in repr(keyring)
    assert {each.name: keyring.mac(each, "a", "b")[:16] for each in Purpose} == {
        "AUDIT_ROW": "97bf6bcb6dc2f076", "PLAN": "191f692f884492d0",
        "ENVELOPE": "0aaf4ef23b6386f0", "TOKEN": "1f325e6627736375",
        "MESSAGE": "d938051beebc4130", "RUN": "6d2b3f4a10832543",
        "ANOMALY": "9c9e5d05f164d127", "FINDING": "e5ad06e038cf17bf",
        "ALERT": "727f7da43f50df61",
    }  # fmt: skip
    assert keyring.mac(Purpose.PLAN, "ab") != keyring.mac(Purpose.PLAN, "a", "b")
