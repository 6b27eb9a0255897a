"""The quiet messages: notices, questions from commands, digests, postmortem drafts."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bot.domain.postmortem import Postmortem
from bot.locale import MissingTextError, Texts
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import (
    Block,
    actions,
    button,
    called,
    confirm,
    context,
    cut,
    date,
    escape,
    header,
    markdown,
    modal,
    ours,
    prose,
    section,
    text_input,
)
from bot.slack.ids import ActionId, FormId

SECTIONS = ("title", "summary", "impact", "root_cause", "resolution", "lessons", "actions")
MOST_TIMELINE = 30


def notice(body: Mapping[str, Any], texts: Texts) -> Rendered:
    """Return a line: `{"key", "fields"}` of the locale, or a ready `{"text"}`.

    Fields are foreign text; those that are ids of people (`user`) become mentions, and
    `mentions` lists people who should be told.
    """
    key = str(body.get("key") or "")
    if not key:
        told = " ".join(called(user) for user in body.get("mentions") or [])
        text = " ".join(part for part in (ours(str(body.get("text") or "")), told) if part)
        return Rendered(text, [section(text or "–")])
    given = body.get("fields") or {}
    fields = {k: _mention(v) if k in {"user", "by"} else escape(v) for k, v in given.items()}
    try:
        text = texts.say(key, **fields)
    except MissingTextError:
        text = " ".join([key, *(str(v) for v in fields.values())])
    return Rendered(text, [section(text)])


def _mention(user: object) -> str:
    name = str(user)
    return f"<@{name}>" if name.isalnum() and name[:1] in {"U", "W"} else escape(name)


def question(body: Mapping[str, Any], texts: Texts) -> Rendered:
    """Return the message under which a command's question is answered."""
    text = texts.say(
        "slack.asked", user=_mention(body.get("user", "")), text=escape(body.get("text", ""))
    )
    return Rendered(text, [section(text)])


def digest(body: Mapping[str, Any], texts: Texts, hosts: Collection[str] = ()) -> Rendered:
    """Return a digest: `{"title", "lines", "sections": [{"title", "lines"}]}`.

    A digest of one line (nothing is new) stays one line.
    """
    title = str(body.get("title") or texts.say("slack.digest.title"))
    lines = [str(line) for line in body.get("lines") or ([body["text"]] if "text" in body else [])]
    parts = [p for p in body.get("sections") or [] if p.get("lines")]
    if not parts and len(lines) <= 1:
        text = escape(lines[0] if lines else title)
        return Rendered(text, [section(text)])
    blocks = [header(title)]
    if lines:
        blocks.append(prose(markdown("\n".join(lines), hosts)))
    for part in parts:
        listed = "\n".join(f"- {line}" for line in part["lines"])
        blocks.append(prose(markdown(f"**{part.get('title', '')}**\n{listed}", hosts)))
    lead = lines[0] if lines else str(parts[0]["lines"][0])
    return Rendered(escape(f"{title}: {lead}"), blocks)


def postmortem(report: Postmortem, texts: Texts, hosts: Collection[str] = ()) -> Rendered:
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
    blocks.append(context(*_postmortem_small_print(report, texts)))
    if draft:
        blocks.append(_postmortem_buttons(report, texts))
    return Rendered(escape(f"{title}. {report.summary}"), blocks)


def _part(name: str, text: str, texts: Texts, hosts: Collection[str]) -> list[Block]:
    if not text.strip():
        return []
    return [
        prose(cut(markdown(f"**{texts.say(f'slack.postmortem.{name}')}**\n{text}", hosts), 2800))
    ]


def _postmortem_small_print(report: Postmortem, texts: Texts) -> list[str]:
    by = f"<@{report.drafted_by}>" if report.drafted_by else texts.say("slack.the_bot")
    lines = [texts.say("slack.postmortem.drafted_by", user=by, at=date(report.drafted_at))]
    if report.published_at is not None:
        by = f"<@{report.published_by}>" if report.published_by else texts.say("slack.the_bot")
        lines.append(
            texts.say("slack.postmortem.published_by", user=by, at=date(report.published_at))
        )
    return [*lines, f"{report.id} · {report.incident}"]


def _postmortem_buttons(report: Postmortem, texts: Texts) -> Block:
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


def reason_form(form: FormId, carries: str, texts: Texts) -> Block:
    """Return the form that asks why: optional for a 👎, required for everything else."""
    optional = form is FormId.ANSWER_UNHELPFUL
    name = form.value.partition(".")[2]
    return modal(
        texts.say(f"slack.form.{name}_title"),
        [text_input("reason", texts.say(f"slack.form.{name}_label"), optional=optional)],
        close=texts.say("slack.close"),
        callback=form,
        submit=texts.say("slack.send"),
        carries=carries,
    )
