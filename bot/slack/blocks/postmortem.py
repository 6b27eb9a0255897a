"""A postmortem: its draft, the published report, and the form that edits it."""

from __future__ import annotations

from collections.abc import Collection

from bot.domain.postmortem import Postmortem
from bot.locale import Texts
from bot.slack.blocks.markdown import markdown
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import (
    Block,
    actions,
    button,
    confirm,
    context,
    cut,
    date,
    escape,
    header,
    modal,
    prose,
    text_input,
)
from bot.slack.ids import ActionId, FormId

SECTIONS = ("title", "summary", "impact", "root_cause", "resolution", "lessons", "actions")
MOST_TIMELINE = 30


def render(report: Postmortem, texts: Texts, hosts: Collection[str] = ()) -> Rendered:
    """Return a draft with Edit and Publish, or the published report."""
    draft = report.published_at is None
    state = "slack.postmortem.draft" if draft else "slack.postmortem.published"
    title = texts.say(state, title=report.title, incident=report.incident)
    blocks = [header(title)]
    for name in ("summary", "impact"):
        blocks += _part(name, getattr(report, name), texts, hosts)
    lines = [f"- {line}" for line in report.timeline[:MOST_TIMELINE]]
    if len(report.timeline) > MOST_TIMELINE:
        lines.append(texts.say("slack.more", count=len(report.timeline) - MOST_TIMELINE))
    blocks += _part("timeline", "\n".join(lines), texts, hosts)
    for name in ("root_cause", "resolution", "lessons"):
        blocks += _part(name, getattr(report, name), texts, hosts)
    owed = [
        f"- {a.text}" + (f" ({a.owner})" if a.owner else "") + (f" {a.due}" if a.due else "")
        for a in report.actions
    ]
    blocks += _part("actions", "\n".join(owed), texts, hosts)
    blocks.append(context(*_small_print(report, texts)))
    if draft:
        blocks.append(_buttons(report, texts))
    return Rendered(escape(f"{title}. {report.summary}"), blocks)


def _part(name: str, text: str, texts: Texts, hosts: Collection[str]) -> list[Block]:
    if not text.strip():
        return []
    return [
        prose(cut(markdown(f"**{texts.say(f'slack.postmortem.{name}')}**\n{text}", hosts), 2800))
    ]


def _small_print(report: Postmortem, texts: Texts) -> list[str]:
    by = f"<@{report.drafted_by}>" if report.drafted_by else texts.say("slack.the_bot")
    lines = [texts.say("slack.postmortem.drafted_by", user=by, at=date(report.drafted_at))]
    if report.published_at is not None:
        by = f"<@{report.published_by}>" if report.published_by else texts.say("slack.the_bot")
        lines.append(
            texts.say("slack.postmortem.published_by", user=by, at=date(report.published_at))
        )
    return [*lines, f"{report.id} · {report.incident}"]


def _buttons(report: Postmortem, texts: Texts) -> Block:
    return actions(
        button(texts.say("slack.button.edit"), ActionId.POSTMORTEM_EDIT, report.id),
        button(
            texts.say("slack.button.publish"),
            ActionId.POSTMORTEM_PUBLISH,
            report.id,
            "primary",
            confirm=confirm(
                texts.say("slack.button.publish"),
                texts.say("slack.postmortem.publish_confirm"),
                texts.say("slack.button.publish"),
                texts.say("slack.no"),
            ),
        ),
        block_id=report.id,
    )


def edit_form(report: Postmortem, carries: str, texts: Texts) -> Block:
    """Return the form that edits a draft, with what it says now filled in."""
    owed = "\n".join(f"{a.text} | {a.owner} | {a.due}" for a in report.actions)
    inputs = [
        text_input(
            name,
            texts.say(f"slack.postmortem.{'actions_form' if name == 'actions' else name}"),
            owed if name == "actions" else getattr(report, name),
            optional=name != "title",
            lines=name != "title",
        )
        for name in SECTIONS
    ]
    return modal(
        texts.say("slack.postmortem.edit"),
        inputs,
        close=texts.say("slack.close"),
        callback=FormId.POSTMORTEM_EDIT,
        submit=texts.say("slack.save"),
        carries=carries,
    )
