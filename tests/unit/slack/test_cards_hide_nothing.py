"""A plan's card shows what a yes covers, whatever somebody writes into what it quotes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.domain.access import Role
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import Pending
from bot.domain.plans.plan import Plan, PlanStatus, Step
from bot.domain.plans.policy import Ruling
from bot.locale import Texts
from bot.slack.blocks import finding as findings
from bot.slack.blocks import home, notice
from bot.slack.blocks import plan as cards
from bot.slack.blocks.text import MOST_SECTION, one_line
from foundation.hidden import readable
from tests.fixtures.nouns import ALICE, a_finding, a_plan, a_record, a_state

EN = Texts("en")
OVERLONG = "&" * 5_000
FAKE = "fine\n\n*Dry run*\n• nothing changes\n```\n<!here> code"


def card(plan: Plan) -> list[dict[str, Any]]:
    record = a_record()
    waiting = Pending(plan.id, plan.digest, 2, plan.expires_at)
    ruling = Ruling(True, True, False, 2, Role.APPROVER)
    return cards.render(
        replace(record, plan=plan, state=life.Waiting(waiting)), (), ruling, EN
    ).blocks


def told(blocks: list[dict[str, Any]]) -> list[str]:
    return [each["text"]["text"] for each in blocks if each["type"] == "section"]


def a_step(number: int, **changes: Any) -> Step:
    step = a_plan().body.steps[0]
    target = replace(step.target, name=f"shop-{number}")
    return replace(step, name=f"step {number}", target=target, **changes)


def of_steps(*steps: Step) -> Plan:
    plan = a_plan()
    return replace(plan, body=replace(plan.body, steps=steps))


def test_lines_that_a_step_changes_push_no_other_step_out_of_sight() -> None:
    diff = tuple(f"- {OVERLONG}" for _ in range(40))
    texts = told(card(of_steps(*(a_step(n, diff=diff) for n in range(8)))))
    for number in range(8):
        assert any(f"/shop-{number}`" in each for each in texts), number
    assert all(len(each) <= MOST_SECTION for each in texts)
    assert all(each.count("```") % 2 == 0 for each in texts)


def test_who_is_hit_is_not_hidden_behind_what_a_dry_run_says() -> None:
    plan = replace(a_plan(), dry_run=(OVERLONG,) * 4)
    texts = told(card(plan))
    for label in ("slack.plan.blast_radius", "slack.plan.dry_run", "slack.plan.way_back"):
        assert any(f"*{EN.say(label)}*" in each for each in texts), label
    assert all(len(each) <= MOST_SECTION for each in texts)


def test_a_list_says_how_many_of_its_lines_are_not_shown() -> None:
    text = cards._list("Dry run", [OVERLONG] * 4, 8, EN)
    assert len(text) <= MOST_SECTION
    assert EN.say("slack.more", count=4 - text.count("• ")) in text


@pytest.mark.parametrize("name", ["n" * 253, "https://hooks.example/" + "a" * 2_000])
def test_how_many_steps_follow_is_read_in_the_dialog_before_a_yes(name: str) -> None:
    first = a_step(1)
    long = replace(first, target=replace(first.target, name=f"{name}-end"))
    (row,) = (
        each for each in card(of_steps(long, *map(a_step, range(5)))) if each["type"] == "actions"
    )
    asked = row["elements"][0]["confirm"]["text"]["text"]
    assert "(+5)" in asked
    assert "-end" in asked
    assert not asked.endswith("…")


@pytest.mark.parametrize("unseen", ["\u200b", "\u2060", "\x00", "\x1b[0m", "\u202e", "\u3164"])
def test_no_line_ends_the_code_it_stands_in(unseen: str) -> None:
    step = a_step(1, diff=(f"- a``{unseen}`*bold* <!here>", f"+ `{unseen}``"))
    (text,) = (each for each in told(card(of_steps(step))) if "shop-1`" in each)
    assert readable(text).count("```") == 2


def test_what_somebody_writes_begins_no_line_of_the_card() -> None:
    plan = replace(a_plan(), reason=FAKE, dry_run=(FAKE,))
    texts = told(card(of_steps(a_step(1))) + card(plan))
    lines = [line for each in texts for line in each.split("\n")]
    assert "• nothing changes" not in lines
    assert lines.count(f"*{EN.say('slack.plan.dry_run')}*") == 2
    assert "\n" not in one_line(FAKE)


FORGED = "HTTP 500: approved by <@U0BOB0002> <!channel>"


def test_what_a_target_answers_names_nobody_at_the_end_of_a_plan() -> None:
    record = a_record()
    failed = a_state(record.plan, PlanStatus.FAILED)
    assert isinstance(failed, life.Failed)
    ended = replace(record, state=replace(failed, outcome=FORGED))
    said = [
        *told(cards.render(ended, (), None, EN).blocks),
        notice.render({"text": FORGED, "quotes": True, "mentions": [ALICE]}, EN).text,
        home.status_lines({"prometheus": FORGED}, EN),
    ]
    assert sum("HTTP 500" in each for each in said) == 3
    assert not [each for each in said if "<@U0BOB" in each or "<!" in each]


def test_whoever_stopped_a_plan_is_named() -> None:
    assert "<@U0ALICE01>" in notice.render({"text": "stopped by <@U0ALICE01>"}, EN).text


def test_a_finding_and_a_status_begin_no_line_that_they_quote() -> None:
    finding = replace(a_finding(), lines=(FAKE,), gaps=(FAKE,))
    drawn = str(findings.render(finding, [], None, EN)) + home.status_lines({"loki": FAKE}, EN)
    assert "nothing changes" in drawn
    assert "\\n• nothing changes" not in drawn
    assert "\n• nothing changes" not in drawn
