"""What people see in Slack, as written: within Block Kit's limits, in both languages."""

# ruff: noqa: E501 - snapshots show a line of Slack as one line

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from inline_snapshot import snapshot

from bot.core.ports import PlanRecord
from bot.domain.anomaly import acknowledge
from bot.domain.answer import Evidence
from bot.domain.ids import EvidenceId, IncidentId, PostmortemId, RunId
from bot.domain.plans import plan_life as life
from bot.domain.plans.approval import Approved, Expired, Pending, Rejected, Yes
from bot.domain.plans.plan import PlanStatus, Position
from bot.domain.plans.policy import PolicyConfig, rule
from bot.domain.plans.risk import Tier
from bot.domain.plans.step_run import StepSent
from bot.domain.postmortem import ActionItem, Postmortem
from bot.domain.run import finish
from bot.locale import Texts
from bot.slack.blocks import answer, digest, finding, home, notice, plan, postmortem
from bot.slack.blocks.reason_form import reason_form
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import Block, fit
from bot.slack.ids import FormId
from sandbox.slack.blockkit import check_blocks, check_view
from sandbox.slack.elements import Check
from tests.fixtures.nouns import (
    ALICE,
    BOB,
    MINUTE,
    NOW,
    PLACE,
    a_finding,
    a_question,
    a_record,
    a_run,
    a_state,
    an_anomaly,
    an_answer,
    an_incident,
)
from tools.paging import Page
from tools.world import ServiceMode, Window

EN, ZH = Texts("en"), Texts("zh")
HOSTS = ("grafana.nova.example",)
ANSWER = an_answer()
EVIDENCE = Evidence(
    EvidenceId("E1"), "query_metric", {"metric": "order_latency_p99"}, "p99 900 ms <!channel>",
    NOW, Window(NOW - 60 * MINUTE, NOW), "histogram_quantile(0.99, x)",
    "https://grafana.nova.example/d/1",
)  # fmt: skip


def seen(blocks: list[Block]) -> list[str]:
    """Return a message as a person reads it, one line per thing."""
    lines: list[str] = []
    for block in blocks:
        match block["type"]:
            case "header":
                lines.append(f"# {block['text']['text']}")
            case "section":
                lines += block["text"]["text"].splitlines()
            case "markdown":
                lines += block["text"].splitlines()
            case "context":
                lines += [f"· {e['text']}" for e in block["elements"]]
            case "actions":
                lines.append(" ".join(f"[{_label(e)}]" for e in block["elements"]))
            case other:
                lines.append(f"({other})")
    return lines


def _label(element: Block) -> str:
    return str((element.get("text") or element["placeholder"])["text"])


def ruling(record: PlanRecord, mode: ServiceMode = ServiceMode.APPROVE) -> Any:
    return rule(record.plan.tier, mode, PolicyConfig())


def waiting() -> PlanRecord:
    record = a_record()
    return record.to(a_state(record.plan, PlanStatus.WAITING))


def a_postmortem() -> Postmortem:
    return Postmortem(
        id=PostmortemId("PM-1"), incident=IncidentId("INC-2026-0001"), title="Order latency",
        summary="Orders were slow for 20 minutes.", impact="4 % of orders",
        timeline=("14:00 deploy 2.15.0 (kubernetes)", "14:03 p99 0.9 s (E1)"), root_cause="N+1",
        resolution="rolled back", lessons="canary", drafted_by=ALICE, drafted_at=NOW,
        actions=(ActionItem("Add a canary", "alice", "2026-12-01"),), place=PLACE,
    )  # fmt: skip


def test_a_finding_leads_with_what_is_abnormal_and_why() -> None:
    shown = finding.render(a_finding(), [an_anomaly()], an_incident(), EN)
    assert shown.text == snapshot("🔴 Critical · Order latency. deploy 2.15.0")
    assert seen(shown.blocks) == snapshot(
        [
            "# 🔴 Critical · Order latency",
            "*Likely causes*",
            "• deploy 2.15.0 (80%) [E1]",
            "• order_latency_p99 0.9 s",
            "📈 cpu is forecast to pass 0.85 1 at <!date^1795183260^{time}|2026-11-20 14:01 UTC> (0.9 1)",
            "*Seen before*",
            "• slow (postmortem)",
            "· `order-api` · since <!date^1795183140^{time}|2026-11-20 13:59 UTC>",
            "· FND-000001 · INC-2026-0001 P1",
            "· ⚠️ Not looked at: loki: no answer within 30 s",
            "[Propose a fix] [Acknowledge] [Mute …] [False alarm] [Declare incident]",
        ]
    )


def test_a_concluded_acknowledged_and_resolved_finding() -> None:
    done = replace(
        a_finding(), conclusion="**Deploy 2.15.0** made it slow [E1].\n- rolled back",
        resolved_at=NOW + 20 * MINUTE, incident=IncidentId("INC-2026-0001"), chart="CHART-1",
    )  # fmt: skip
    shown = finding.render(done, [acknowledge(an_anomaly(), ALICE, NOW)], an_incident(), EN)
    assert shown.text == snapshot("✅ Resolved · Order latency. Deploy 2.15.0 made it slow [E1].")
    assert seen(shown.blocks) == snapshot(
        [
            "# ✅ Resolved · Order latency",
            "**Deploy 2.15.0** made it slow [E1].",
            "- rolled back",
            "📈 cpu is forecast to pass 0.85 1 at <!date^1795183260^{time}|2026-11-20 14:01 UTC> (0.9 1)",
            "*Seen before*",
            "• slow (postmortem)",
            "· `order-api` · since <!date^1795183140^{time}|2026-11-20 13:59 UTC>",
            "· FND-000001 · INC-2026-0001 P1",
            "· ⚠️ Not looked at: loki: no answer within 30 s",
            "· resolved <!date^1795184400^{time}|2026-11-20 14:20 UTC>",
            "· 👀 <@UALICE> looks after it since <!date^1795183200^{time}|2026-11-20 14:00 UTC>",
        ]
    )
    assert (shown.chart_id, shown.chart_at) == ("CHART-1", 2)


def test_a_finding_says_in_one_short_line_what_could_not_be_looked_at() -> None:
    long = (
        "chart: worker processes died twice while running render_chart; look for an out-of-memory"
    )
    gaps = ("loki: no answer from <!channel>", long, "forecast: a", "knowledge: b", "causes: c")
    small_print = {}
    for texts in (EN, ZH):
        shown = finding.render(replace(a_finding(), gaps=gaps), [an_anomaly()], None, texts)
        (small_print[texts.language],) = (line for line in seen(shown.blocks) if "loki" in line)
    assert small_print == snapshot(
        {
            "en": "· ⚠️ Not looked at: loki: no answer from &lt;!channel&gt;; chart: worker processes died twice while running render_cha…; forecast: a; +2",
            "zh": "· ⚠️ 未能查看：loki: no answer from &lt;!channel&gt;; chart: worker processes died twice while running render_cha…; forecast: a; +2",
        }
    )


def test_a_plan_that_waits_shows_exactly_what_would_run() -> None:
    record = waiting()
    shown = plan.render(record, [], ruling(record), EN)
    assert shown.text == snapshot("waiting for answers: Roll back order-api. latency")
    assert seen(shown.blocks) == snapshot(
        [
            "# Plan: Roll back order-api",
            "*waiting for answers* · latency",
            "1. *Roll back* `deployment_rollback` → `main:trading/Deployment/order-api`",
            "```- image order-api:2.15.0",
            "+ image order-api:2.14.0```",
            "*Risk 0.50* · one approver (how it is made up: Details)",
            "*Touches*",
            "• main:trading/Deployment/order-api",
            "• scales main:trading/Deployment/order-worker",
            "• up to 4 pods of main:trading/Rollout/order-api",
            "• traffic of main:trading/Service/orders",
            "• main:trading/Rollout/order-api: nobody here can read what is written on it",
            "*Dry run*",
            "• ok",
            "*Way back*",
            "• Roll forward (deployment_rollback → main:trading/Deployment/order-api)",
            "· needs 1 more yes (role approver or above)",
            "· expires <!date^1795185000^{time}|2026-11-20 14:30 UTC>",
            "· PLAN-000001 · proposed by <@UALICE>",
            "[Approve] [Reject] [Details]",
        ]
    )
    (buttons,) = [b for b in shown.blocks if b["type"] == "actions"]
    approve = buttons["elements"][0]
    assert approve["value"] == "PLAN-000001"
    assert (
        "deployment_rollback → main:trading/Deployment/order-api"
        in approve["confirm"]["text"]["text"]
    )


def test_a_plan_at_work_shows_progress_and_who_said_yes() -> None:
    record = a_record()
    said = Approved(record.plan.id, record.plan.digest, (Yes(ALICE, NOW, record.plan.digest),), NOW)
    steps = [StepSent(record.plan.id, Position.forward(0), NOW, NOW)]
    running = record.to(life.Running(said, life.Worker("one", NOW)))
    assert seen(plan.render(running, steps, ruling(record), EN).blocks) == snapshot(
        [
            "# Plan: Roll back order-api",
            "*running* · latency",
            "⏳ *Roll back* `deployment_rollback` → `main:trading/Deployment/order-api`",
            "```- image order-api:2.15.0",
            "+ image order-api:2.14.0```",
            "*Risk 0.50* · one approver (how it is made up: Details)",
            "*Touches*",
            "• main:trading/Deployment/order-api",
            "• scales main:trading/Deployment/order-worker",
            "• up to 4 pods of main:trading/Rollout/order-api",
            "• traffic of main:trading/Service/orders",
            "• main:trading/Rollout/order-api: nobody here can read what is written on it",
            "*Dry run*",
            "• ok",
            "*Way back*",
            "• Roll forward (deployment_rollback → main:trading/Deployment/order-api)",
            "· ✅ <@UALICE> said yes <!date^1795183200^{time}|2026-11-20 14:00 UTC>",
            "· PLAN-000001 · proposed by <@UALICE>",
            "[Stop] [Details]",
        ]
    )


@pytest.mark.parametrize(
    ("status", "buttons"),
    [
        (PlanStatus.WAITING, "[Approve] [Reject] [Details]"),
        (PlanStatus.HELD, "[Stop] [Details]"),
        (PlanStatus.APPROVED, "[Stop] [Details]"),
        (PlanStatus.RUNNING, "[Stop] [Details]"),
        (PlanStatus.VERIFYING, "[Stop] [Details]"),
        (PlanStatus.OUTCOME_UNKNOWN, "[It was done] [It was not done] [Try again] [Details]"),
        (PlanStatus.EXPIRED, "[Propose again] [Details]"),
        (PlanStatus.HALTED, "[Undo] [Details]"),
        (PlanStatus.SUCCEEDED, "[Details]"),
        (PlanStatus.REJECTED, "[Details]"),
    ],
)
def test_each_status_has_its_buttons(status: PlanStatus, buttons: str) -> None:
    record = a_record()
    record = record.to(a_state(record.plan, status))
    assert seen(plan.render(record, [], ruling(record), EN).blocks)[-1] == buttons


def test_a_plan_that_may_only_be_read_has_no_approve_and_says_why() -> None:
    record = waiting()
    shown = seen(plan.render(record, [], ruling(record, ServiceMode.SUGGEST), EN).blocks)
    assert shown[-1] == "[Reject] [Details]"
    assert "· for reading only: the service's mode is suggest" in shown
    critical = replace(record, plan=replace(record.plan, tier=Tier.CRITICAL))
    assert seen(plan.render(critical, [], ruling(critical), EN).blocks)[-1] == "[Reject] [Details]"
    assert seen(plan.render(record, [], None, EN).blocks)[-1] == "[Reject] [Details]"


def test_a_rejected_and_an_expired_plan_say_who_and_when() -> None:
    record = a_record()
    no = Rejected(record.plan.id, BOB, "too <risky>", NOW)
    rejected = record.to(life.PlanRejected(no, "", NOW))
    assert "said no" in str(seen(plan.render(rejected, [], None, EN).blocks))
    assert "too &lt;risky&gt;" in str(plan.render(rejected, [], None, EN).blocks)
    late = record.to(life.PlanExpired(Expired(record.plan.id, NOW + MINUTE), "", NOW + MINUTE))
    assert "nobody answered in time" in str(seen(plan.render(late, [], None, EN).blocks))


def test_an_answer_ends_with_its_price_and_buttons() -> None:
    shown = answer.render(finish(a_run(), ANSWER), EN)
    assert shown.text == snapshot("Deploy 2.15.0 made order-api slow.")
    assert seen(shown.blocks) == snapshot(
        [
            "**Deploy 2.15.0 made order-api slow** [E1].",
            "· Claude · 8.4 s · $0.012 · 5 steps",
            "[Propose a fix] [Show evidence] [👍] [👎]",
        ]
    )


def test_a_healthy_answer_offers_no_fix() -> None:
    blocks = answer.footer("RUN-1", replace(ANSWER, causes=()), EN)
    assert seen(blocks)[-1] == "[Show evidence] [👍] [👎]"


@pytest.mark.parametrize("texts", [EN, ZH], ids=["en", "zh"])
def test_a_full_result_is_shown_in_pages_that_slack_takes(texts: Texts) -> None:
    lines = "\n".join(["<!channel> & ``` " + "&" * 2_000, *("row" for _ in range(3_000))])
    middle = Page(3, lines, 40, 3_041, 9_000)
    shown = answer.evidence_page(EVIDENCE, middle, texts, "RUN-1", "C1|1.1|RUN-1")
    check = Check("modal", lambda _: True)
    check_view(check, shown)
    assert check.faults == []
    assert shown["private_metadata"] == "C1|1.1|RUN-1"
    turns = {e["action_id"]: e["value"] for e in shown["blocks"][-1]["elements"]}
    assert turns == {"evidence.previous": "RUN-1/E1/2", "evidence.next": "RUN-1/E1/4"}
    told = "".join(b["text"]["text"].strip("`") for b in shown["blocks"][1:-2])
    assert told.count("row") == 3_000
    assert told.count("&amp;") == 2_001
    assert "<!channel>" not in told
    last = answer.evidence_page(EVIDENCE, Page(1, "all", 0, 0, 0), texts, "RUN-1")
    assert [b["type"] for b in last["blocks"]] == ["section", "section", "context"]


def test_evidence_is_listed_with_query_window_and_link() -> None:
    assert seen(answer.evidence([EVIDENCE], EN, HOSTS)["blocks"]) == snapshot(
        [
            "*E1* `query_metric` `metric=order_latency_p99`",
            (
                "<!date^1795179600^{date_short_pretty} {time}|2026-11-20 13:00 UTC>"
                " – <!date^1795183200^{date_short_pretty} {time}|2026-11-20 14:00 UTC>"
            ),
            "`histogram_quantile(0.99, x)`",
            "<https://grafana.nova.example/d/1|Open the source>",
            "```p99 900 ms &lt;!channel&gt;```",
        ]
    )


def test_a_digest_has_sections_and_a_quiet_one_is_one_line() -> None:
    body = {
        "title": "Digest: Fri 09:00 to Mon 09:00 UTC",
        "sections": [
            {"title": "New findings", "lines": ["14:03 · **high** · order-api (FND-1)"]},
            {"title": "Empty", "lines": []},
        ],
    }
    assert seen(digest.render(body, EN).blocks) == snapshot(
        [
            "# Digest: Fri 09:00 to Mon 09:00 UTC",
            "**New findings**",
            "- 14:03 · **high** · order-api (FND-1)",
        ]
    )
    quiet = digest.render({"title": "Digest", "lines": ["Nothing new."]}, EN)
    assert seen(quiet.blocks) == snapshot(["Nothing new."])


def test_a_postmortem_draft_can_be_edited_and_a_published_one_not() -> None:
    shown = postmortem.render(a_postmortem(), EN)
    assert seen(shown.blocks) == snapshot(
        [
            "# Postmortem draft · INC-2026-0001 · Order latency",
            "**Summary**",
            "Orders were slow for 20 minutes.",
            "**Impact**",
            "4 % of orders",
            "**Timeline**",
            "- 14:00 deploy 2.15.0 (kubernetes)",
            "- 14:03 p99 0.9 s (E1)",
            "**Root cause**",
            "N+1",
            "**Resolution**",
            "rolled back",
            "**Lessons**",
            "canary",
            "**Action items**",
            "- Add a canary (alice) 2026-12-01",
            "· drafted for <@UALICE> <!date^1795183200^{time}|2026-11-20 14:00 UTC>",
            "· PM-1 · INC-2026-0001",
            "[Edit] [Publish]",
        ]
    )
    published = replace(a_postmortem(), published_at=NOW, published_by=BOB)
    assert not [b for b in postmortem.render(published, EN).blocks if b["type"] == "actions"]


def test_a_notice_escapes_what_it_is_given_and_mentions_people() -> None:
    body = {"key": "slack.parked", "fields": {"name": "plan.approve", "why": "<!channel>"}}
    assert "<!" not in notice.render(body, EN).text
    told = notice.render({"text": "✅ done by <@U1>", "mentions": ["UALICE", "no<b>ody"]}, EN)
    assert told.text == "✅ done by <@U1> <@UALICE> no&lt;b&gt;ody"
    assert notice.render({"key": "no.such.key", "fields": {}}, EN).text == "no.such.key"


def test_the_home_tab_lists_what_waits_and_what_is_open() -> None:
    shown = home.home([waiting()], [a_finding()], {"prometheus": "up"}, EN)
    assert seen(shown["blocks"]) == snapshot(
        [
            "# Open incidents",
            "No incident is open.",
            "(divider)",
            "# Waiting for an answer",
            "• *Roll back order-api* `PLAN-000001` · waiting for answers · one approver · <#C1>",
            "(divider)",
            "# Open findings",
            "🔴 *order-api* `FND-000001` · order_latency_p99 0.9 s",
            "(divider)",
            "# Health",
            "• *prometheus*: up",
            "· Ask me in a channel with `@sre`, here in Messages, or with `/ask`. `/sre help` shows the rest.",
        ]
    )


LONG = "lorem ipsum <!channel> " * 400
VIEWS: dict[str, Callable[[Texts], Rendered]] = {
    "finding": lambda t: finding.render(
        replace(a_finding(), lines=(LONG,) * 30, conclusion=LONG * 4, gaps=(LONG,) * 30),
        [an_anomaly()] * 20, an_incident(), t,
    ),
    "plan": lambda t: plan.render(_huge_plan(), [], ruling(_huge_plan()), t),
    "answer": lambda t: answer.render(finish(a_run(), replace(ANSWER, text=LONG * 3)), t),
    "lost": lambda t: answer.render(replace(a_run(), question=replace(a_question(), text=LONG)), t),
    "question": lambda t: notice.question({"user": ALICE, "text": LONG}, t),
    "notice": lambda t: notice.render({"text": LONG}, t),
    "digest": lambda t: digest.render(
        {"sections": [{"title": "x", "lines": [LONG] * 20}] * 60}, t
    ),
    "postmortem": lambda t: postmortem.render(
        replace(a_postmortem(), summary=LONG, impact=LONG, root_cause=LONG, lessons=LONG), t
    ),
}  # fmt: skip


def _huge_plan() -> PlanRecord:
    record = waiting()
    step = replace(record.plan.body.steps[0], name=LONG, diff=(LONG,) * 80)
    body = replace(record.plan.body, steps=(step,) * 20, undo=(step,) * 20)
    return replace(record, plan=replace(record.plan, body=body, reason=LONG, dry_run=(LONG,) * 20))


@pytest.mark.parametrize("texts", [EN, ZH], ids=["en", "zh"])
@pytest.mark.parametrize("name", VIEWS)
def test_every_view_keeps_to_the_limits_of_block_kit(name: str, texts: Texts) -> None:
    shown = VIEWS[name](texts)
    check = Check("message", lambda _: True)
    check_blocks(check, fit(shown.blocks, texts))
    assert check.faults == []
    assert shown.text
    assert "<!channel>" not in str(shown.blocks)


@pytest.mark.parametrize("texts", [EN, ZH], ids=["en", "zh"])
def test_every_modal_and_home_keeps_to_the_limits_of_block_kit(texts: Texts) -> None:
    report = replace(a_postmortem(), summary=LONG, actions=(ActionItem(LONG),) * 10)
    carries = "C1|1.2|PM-1"
    views = [
        plan.details(_huge_plan(), [], texts),
        answer.evidence([replace(EVIDENCE, summary=LONG, query=LONG)] * 80, texts, HOSTS),
        postmortem.edit_form(report, carries, texts),
        reason_form(FormId.PLAN_REJECT, carries, texts),
        reason_form(FormId.ANSWER_UNHELPFUL, carries, texts),
        home.home([_huge_plan()] * 30, [a_finding()] * 30, {"a": LONG}, texts),
    ]
    for view in views:
        check = Check("modal", lambda _: True)
        check_view(check, view)
        assert check.faults == []


def test_an_expiry_is_shown_in_the_readers_own_zone() -> None:
    record = waiting()
    shown = str(plan.render(record, [], ruling(record), EN).blocks)
    at = int((NOW + timedelta(minutes=30)).timestamp())
    assert f"expires <!date^{at}^{{time}}|2026-11-20 14:30 UTC>" in shown


def test_a_second_approver_is_counted() -> None:
    record = a_record()
    pending = Pending(record.plan.id, record.plan.digest, 2, NOW, (Yes(ALICE, NOW, "d"),))
    shown = seen(plan.render(record.to(life.Waiting(pending)), [], ruling(record), EN).blocks)
    assert "· needs 1 more yes (role approver or above)" in shown
    assert any("<@UALICE> said yes" in line for line in shown)


def test_the_run_of_a_question_is_named_on_its_buttons() -> None:
    blocks = answer.footer(RunId("RUN-7"), ANSWER, EN)
    assert {e["value"] for e in blocks[-1]["elements"]} == {"RUN-7"}
