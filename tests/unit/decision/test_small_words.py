"""Small things that whole stories lean on: one word each, and what it must not become."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.core.remediation.binding import LONGEST_DIFF, Binder
from bot.domain.audit import BOT, Event
from bot.domain.ids import ChannelId, PlanId, UserId
from bot.domain.keyring import Keyring, Purpose
from bot.domain.place import Place
from bot.domain.plans import approval as answers
from bot.domain.plans.guards import Case, Refusal, target_identity
from bot.domain.plans.plan import Position
from bot.domain.plans.plan_proof import newest_move
from bot.domain.plans.policy import PolicyConfig
from bot.domain.plans.risk import RiskConfig, Tier, assess
from bot.domain.plans.step_run import StepDone, StepUnknown, find_unknown
from bot.domain.question import Question, merge
from bot.domain.secrets.redaction import Redactor
from bot.domain.secrets.secret_shapes import tells
from bot.domain.secrets.secret_values import is_loud, is_value, is_wordy
from bot.store.store import SqlStore
from tests.fakes.clock import FakeClock
from tests.fixtures.nouns import ALICE, MINUTE, NOW
from tests.unit.decision.test_risk_policy_access import INPUTS
from tools.act.contract import Actors, Preview
from tools.world import ServiceMode
from tools.world.observations import DiffLine


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


@pytest.mark.parametrize("blank", [b"", b" \n\t"])
def test_a_blank_key_is_no_key(blank: bytes) -> None:
    with pytest.raises(ValueError, match="anybody could seal with it"):
        Keyring(blank)


@pytest.mark.parametrize("cuts", [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (0, 0.5, 1)])
def test_cuts_of_the_risk_may_meet_and_reach_both_ends(cuts: tuple[float, float, float]) -> None:
    auto, semi_auto, manual = cuts
    config = RiskConfig(auto_below=auto, semi_auto_below=semi_auto, manual_below=manual)
    assert config.tier(1.0) is Tier.CRITICAL


@pytest.mark.parametrize(
    "cuts", [(0.5, 0.4, 0.8), (0.4, 0.9, 0.8), (-0.1, 0.5, 0.8), (0.4, 0.6, 1.1)]
)
def test_cuts_that_do_not_rise_are_refused(cuts: tuple[float, float, float]) -> None:
    auto, semi_auto, manual = cuts
    with pytest.raises(ValueError, match=r"must rise within \[0, 1\]"):
        RiskConfig(auto_below=auto, semi_auto_below=semi_auto, manual_below=manual)


def test_a_protected_target_lifts_the_score_and_says_so() -> None:
    plain, protected = (
        assess(replace(INPUTS, protected=each, floors={}), RiskConfig()) for each in (False, True)
    )
    told = [line for line in protected.lines if "the target is protected" in line]
    assert len(told) == 1
    assert not any("protected" in line for line in plain.lines)
    assert protected.score >= protected.floor > plain.floor == 0.0


def test_the_newest_step_whose_outcome_is_unknown_is_the_one_that_is_asked_about() -> None:
    plan = PlanId("PLAN-1")
    unknown = [StepUnknown(plan, Position.forward(n), NOW, NOW, NOW, "no answer") for n in (0, 2)]
    done = StepDone(plan, Position.forward(3), NOW, NOW, NOW, "")
    assert find_unknown([unknown[0], done, unknown[1], done]) is unknown[1]
    assert find_unknown([done]) is None


def test_an_object_that_was_made_anew_under_its_name_is_refused_in_the_words_of_the_look() -> None:
    seen = Refusal("target_identity", "trading/Deployment/shop was deleted and made anew")
    other = Refusal("target_changed", "it changed since")
    case = Case(
        PolicyConfig(), NOW, NOW, Tier.MANUAL, ServiceMode.APPROVE, objections=(other, seen)
    )
    assert target_identity(case) == seen.message
    assert target_identity(replace(case, objections=(other,))) == ""


@pytest.mark.parametrize("lines", [39, 40, 41, 120])
def test_a_long_diff_is_cut_and_says_by_how_much(lines: int) -> None:
    binder = Binder(Actors(FakeClock()), {}, Redactor())
    diff = tuple(DiffLine(f"spec.a[{n}]", "1", "2") for n in range(lines))
    told = binder._diff(Preview("changes", diff, (), ()))
    more = lines - LONGEST_DIFF
    assert len(told) == min(lines, LONGEST_DIFF) + (more > 0)
    assert (told[-1] == f"… and {more} more") is (more > 0)
    assert binder._diff(Preview("nothing to see", (), (), ())) == ("nothing to see",)


@pytest.mark.parametrize(
    ("word", "loud"),
    [("a!b", True), ("x=y", True), ("aB1", True), ("ab1", False), ("AB1", False), ("aBc", False),
     ("maria", False), ("${A}", False)],
)  # fmt: skip
def test_a_word_is_loud_for_signs_or_for_three_kinds_of_letters(word: str, loud: bool) -> None:
    assert is_loud(word) is loud


@pytest.mark.parametrize(
    ("text", "wordy"),
    [("order-api-handler", True), ("my_test_file", True), ("abc-def-ghi", False),
     ("Orders-x9f3k", True), ("Order-x9f3kq", False), ("abcd-xyz", True), ("abc-xyz1", False)],
)  # fmt: skip
def test_a_name_is_wordy_when_half_of_it_is_words_of_four_letters(text: str, wordy: bool) -> None:
    assert is_wordy(text) is wordy


@pytest.mark.parametrize(
    ("value", "secret"),
    [("/etc/tls/key.pem", False), ("/Kq9+xz/8Bw2", True), ("run()", False), ("list[", False),
     ("${TOKEN}", False), ("hunter2", True), ("abc", False)],
)  # fmt: skip
def test_beside_a_telling_name_stands_a_secret_or_a_path_or_code(value: str, secret: bool) -> None:
    assert is_value(value) is secret


@pytest.mark.parametrize(
    ("value", "told"), [("dXNlcjpodW50ZXIy", True), ("basic", False), ("c2hvcnQ", False)]
)
def test_a_registrys_auth_is_long_and_opaque(value: str, told: bool) -> None:
    assert tells("auth", value) is told


async def test_what_happened_is_of_one_kind_and_after_a_moment(store: SqlStore) -> None:
    async with store.begin() as tx:
        for minute, kind in enumerate(("plan.approved", "plan.failed", "plan.approved")):
            await tx.audit.append(Event(kind, NOW + minute * MINUTE, BOT, f"PLAN-{minute}"))
        found = await tx.audit.happened("plan.approved", NOW)
        assert [each.subject for each in found] == ["PLAN-2"]
        assert len(await tx.audit.happened("plan.approved", NOW - MINUTE)) == 2
