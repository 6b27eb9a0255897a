"""The live card of an incident as people read it, in both languages, within Slack's limits."""
# ruff: noqa: E501 - snapshots are as written

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from inline_snapshot import snapshot

from bot.core.incidents.story import Story
from bot.core.incidents.telling import catch_up, status_draft, update_lines
from bot.domain import incident as life
from bot.domain.anomaly import Anomaly
from bot.domain.ids import IncidentId, UserId
from bot.domain.incident import Incident, Paged, Priority, TimelineEntry
from bot.locale import Texts
from bot.slack.blocks import incident as card
from bot.slack.blocks.text import fit
from sandbox.slack.blockkit import check_blocks, check_view
from sandbox.slack.elements import Check
from tests.fixtures.nouns import (
    ALICE,
    BOB,
    MINUTE,
    NOW,
    a_finding,
    a_record,
    an_anomaly,
    an_incident,
)
from tests.snapshot.test_slack_views import seen

EN, ZH = Texts("en"), Texts("zh")
LATER = NOW + 11 * MINUTE
LONG = "lorem ipsum <!channel> " * 400


def slow() -> Anomaly:
    first = an_anomaly()
    worst = replace(first.worst, observed=1.2, expected=0.151)
    latest = replace(first.latest, observed=0.92, expected=0.151)
    return replace(first, worst=worst, latest=latest)


def a_story(incident: Incident | None = None) -> Story:
    called = replace(incident or an_incident(), call=Paged(("S0ONCALL01",), in_card=True))
    entry = TimelineEntry(NOW + 5 * MINUTE, "the queue is full", "note", ALICE)
    return Story(called, (a_finding(),), (slow(),), (), (entry,), questions=1)


def test_a_new_one_says_how_bad_what_since_when_why_and_what_to_do() -> None:
    shown = card.render(a_story(), LATER, EN)
    assert seen(shown.blocks) == snapshot(
        [
            "# 🟠 P1 · nobody has it yet · Order latency",
            "`order-api` · since <!date^1795183140^{time}|2026-11-20 13:59 UTC> · 12 min so far",
            "• order_latency_p99 920 ms now, peak 1.2 s, usual 151 ms",
            "Likely cause: deploy 2.15.0 (80% sure)",
            "👉 *Now:* somebody takes it, by <!date^1795186800^{time}|2026-11-20 15:00 UTC> (*I have it*)",
            "· INC-2026-0001 · findings 1, plans 0, questions 1",
            "· 🔔 on call: <!subteam^S0ONCALL01>",
            "[I have it] [Resolved] [More …]",
        ]
    )
    assert shown.text == snapshot(
        "🟠 P1 · nobody has it yet · Order latency. • order_latency_p99 920 ms now, peak 1.2 s, usual 151 ms"
    )


def test_the_same_in_chinese() -> None:
    assert seen(card.render(a_story(), LATER, ZH).blocks) == snapshot(
        [
            "# 🟠 P1 · 还没有人接手 · Order latency",
            "`order-api` · 自 <!date^1795183140^{time}|2026-11-20 13:59 UTC> 起 · 已持续 12 分钟",
            "• order_latency_p99 当前 920 ms，峰值 1.2 s，平时 151 ms",
            "可能的原因：deploy 2.15.0（把握 80%）",
            "👉 *现在：* 请在 <!date^1795186800^{time}|2026-11-20 15:00 UTC> 之前有人接手（点 *我来处理*）",
            "· INC-2026-0001 · 1 个发现，0 个计划，1 个提问",
            "· 🔔 值班：<!subteam^S0ONCALL01>",
            "[我来处理] [已解决] [更多……]",
        ]
    )


def test_a_plan_that_waits_is_the_one_thing_to_do_and_is_a_click_away() -> None:
    record = a_record()
    taken = life.take(an_incident(), ALICE, NOW)
    story = replace(a_story(life.join(taken, BOB)), plans=(record,))
    links = {str(record.plan.id): "https://team.slack.com/archives/C1/p1"}
    assert seen(card.render(story, LATER, EN, links).blocks) == snapshot(
        [
            "# 🟠 P1 · in hand · Order latency",
            "`order-api` · since <!date^1795183140^{time}|2026-11-20 13:59 UTC> · 12 min so far",
            "• order_latency_p99 920 ms now, peak 1.2 s, usual 151 ms",
            "Likely cause: deploy 2.15.0 (80% sure)",
            "👉 *Now:* answer the plan <https://team.slack.com/archives/C1/p1|Roll back order-api>",
            "· INC-2026-0001 · findings 1, plans 1, questions 1",
            "· 🔔 on call: <!subteam^S0ONCALL01>",
            "· has it: <@UALICE>",
            "· with: <@UBOB>",
            "[Join] [Resolved] [More …]",
        ]
    )
    assert "PLAN-000001" in str(card.render(story, LATER, ZH).blocks)


def test_one_that_is_over_offers_to_go_on_and_nothing_else() -> None:
    over = life.resolve(life.take(an_incident(), ALICE, NOW), NOW + 30 * MINUTE, ALICE)
    assert seen(card.render(a_story(over), LATER, EN).blocks) == snapshot(
        [
            "# ✅ P1 · resolved · Order latency",
            "`order-api` · since <!date^1795183140^{time}|2026-11-20 13:59 UTC> · lasted 31 min",
            "• order_latency_p99 920 ms now, peak 1.2 s, usual 151 ms",
            "Likely cause: deploy 2.15.0 (80% sure)",
            "· INC-2026-0001 · findings 1, plans 0, questions 1",
            "· 🔔 on call: <!subteam^S0ONCALL01>",
            "· had it: <@UALICE>",
            "[Reopen] [More …]",
        ]
    )
    other = replace(an_incident(), id=IncidentId("INC-2026-0002"))
    merged = life.merge(an_incident(), other, ALICE, NOW)
    assert "actions" not in str(card.render(a_story(merged), LATER, EN).blocks)
    assert "INC-2026-0002" in card.render(a_story(merged), LATER, ZH).text


def test_what_was_called_in_a_message_of_its_own_is_not_called_by_the_card_again() -> None:
    later = replace(a_story().incident, call=Paged(("S0ONCALL01",), in_card=False))
    shown = card.render(replace(a_story(), incident=later), LATER, EN)
    assert "S0ONCALL01" not in str(shown)
    assert "<!subteam^S0ONCALL01>" in str(card.render(a_story(), LATER, EN))


def test_an_update_says_what_is_new_and_one_line_when_nothing_is() -> None:
    assert update_lines(a_story(), NOW, LATER, EN) == snapshot(
        [
            "🕒 INC-2026-0001 P1: nobody has it yet, 12 min so far. New since the last update:",
            "order_latency_p99 920 ms now, peak 1.2 s, usual 151 ms",
            "14:05 · the queue is full",
        ]
    )
    quiet = replace(a_story(), signals=())
    assert update_lines(quiet, LATER, LATER, ZH) == snapshot(
        ["🕒 INC-2026-0001 P1：还没有人接手，已持续 12 分钟。上次通报以来没有新情况。"]
    )


def test_who_joins_is_caught_up() -> None:
    story = replace(a_story(), plans=(a_record(),))
    assert catch_up(story, LATER, EN) == snapshot(
        [
            "INC-2026-0001 P1: Order latency. nobody has it yet, 12 min.",
            "order_latency_p99 920 ms now, peak 1.2 s, usual 151 ms",
            "Likely cause: deploy 2.15.0 (80% sure)",
            "Plan Roll back order-api (PLAN-000001): waiting for answers",
            "14:05 · the queue is full",
        ]
    )
    assert catch_up(story, LATER, ZH) == snapshot(
        [
            "INC-2026-0001 P1：Order latency。还没有人接手，12 分钟。",
            "order_latency_p99 当前 920 ms，峰值 1.2 s，平时 151 ms",
            "可能的原因：deploy 2.15.0（把握 80%）",
            "计划 Roll back order-api（PLAN-000001）：等待答复",
            "14:05 · the queue is full",
        ]
    )


def test_stakeholders_read_no_name_and_no_figure_of_the_inside() -> None:
    assert status_draft(a_story(), LATER, EN) == snapshot("""\
We are looking into a problem with order-api that began at 13:59 UTC (12 min so far).
What you may notice: (please fill in).
We have a likely cause and are working on it.
Next update in 30 minutes.\
""")
    over = life.resolve(an_incident(), LATER, ALICE)
    assert status_draft(a_story(over), LATER, ZH) == snapshot("""\
order-api 从 13:59 UTC 开始的问题已经结束，持续了 12 分钟。
您可能注意到的现象：（请填写）。\
""")


@pytest.mark.parametrize("texts", [EN, ZH], ids=["en", "zh"])
@pytest.mark.parametrize("priority", Priority)
def test_slack_takes_every_card_and_form(texts: Texts, priority: Priority) -> None:
    crowd = tuple(UserId(f"U{n:09d}") for n in range(40))
    incident = replace(an_incident(), title=LONG, priority=priority, people=crowd)
    states = (
        incident,
        life.take(incident, ALICE, NOW),
        life.resolve(incident, NOW),
        replace(incident, quiet=True, next_update_at=NOW + timedelta(hours=1)),
    )
    for each in states:
        story = replace(a_story(each), plans=(a_record(),) * 20, signals=(slow(),) * 20)
        shown = card.render(story, LATER, texts, {"PLAN-000001": "https://x.example/p|1"})
        check = Check("message", lambda _: True)
        check_blocks(check, fit(shown.blocks, texts))
        assert check.faults == []
        assert "<!channel>" not in str(shown.blocks[1:])
    for form in (
        card.status_form(LONG, "#x", "C1||INC-1", texts),
        card.hand_over_form("C1||INC-1", texts),
        card.severity_form(incident, "C1||INC-1", texts),
        card.note_form("C1||INC-1", texts),
        card.merge_form([incident] * 120, "C1||INC-1", texts),
    ):
        check = Check("modal", lambda _: True)
        check_view(check, form)
        assert check.faults == []
