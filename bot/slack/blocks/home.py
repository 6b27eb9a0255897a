"""The Home tab and what `/sre` answers: what waits, what is open, how the bot is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.core.ports import PlanRecord
from bot.domain.finding import Finding
from bot.domain.incident import Incident
from bot.locale import Texts
from bot.slack.blocks import incident
from bot.slack.blocks.finding import EMOJI
from bot.slack.blocks.text import Block, context, divider, escape, header, one_line, section

MOST_LISTED = 10


def home(
    plans: Sequence[PlanRecord],
    findings: Sequence[Finding],
    status: Mapping[str, str],
    texts: Texts,
    *,
    incidents: Sequence[Incident] = (),
    switches: Mapping[str, str] | None = None,
) -> Block:
    """Return a person's Home tab; `switches` is what is switched off or silenced, by whom."""
    told = [incident.line(each, texts) for each in incidents[:MOST_LISTED]]
    open_ones = _listed(told, len(incidents), texts.say("slack.incident.none_open"), texts)
    blocks: list[Block] = [
        header(texts.say("slack.home.incidents")),
        section(open_ones),
        divider(),
        header(texts.say("slack.home.plans")),
        section(plan_lines(plans, texts)),
        divider(),
        header(texts.say("slack.home.findings")),
        section(finding_lines(findings, texts)),
        divider(),
        header(texts.say("slack.home.status")),
        section(status_lines(status, texts, switches)),
        context(texts.say("slack.home.hint")),
    ]
    return {"type": "home", "blocks": blocks}


def plan_lines(plans: Sequence[PlanRecord], texts: Texts) -> str:
    """Return plans, one line each."""
    lines = [
        f"• *{escape(r.plan.title)}* `{r.plan.id}` · "
        f"{texts.say(f'plan.status.{r.status.value}')} · "
        f"{texts.say(f'slack.tier.{r.plan.tier.value}')} · <#{r.plan.place.channel}>"
        for r in plans[:MOST_LISTED]
    ]
    return _listed(lines, len(plans), texts.say("slack.home.no_plans"), texts)


def finding_lines(findings: Sequence[Finding], texts: Texts) -> str:
    """Return open findings, one line each."""
    lines = [
        f"{EMOJI[f.severity]} *{escape(f.service)}* `{f.id}` · {escape(' '.join(f.lines[:1]))}"
        for f in findings[:MOST_LISTED]
    ]
    return _listed(lines, len(findings), texts.say("slack.home.no_findings"), texts)


def status_lines(
    status: Mapping[str, str], texts: Texts, switches: Mapping[str, str] | None = None
) -> str:
    """Return how the bot and what it leans on are; `switches` first, which name who set them."""
    lines = [f"• *{escape(name)}*: {state}" for name, state in (switches or {}).items()]
    lines += [f"• *{escape(name)}*: {one_line(state)}" for name, state in status.items()]
    return "\n".join(lines) or texts.say("slack.home.no_status")


def _listed(lines: list[str], count: int, none: str, texts: Texts) -> str:
    if count > len(lines):
        lines = [*lines, texts.say("slack.more", count=count - len(lines))]
    return "\n".join(lines) or none
