"""The short messages: one line of the bot, or the question that a command asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.locale import MissingTextError, Texts
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import called, escape, ours, section


def render(body: Mapping[str, Any], texts: Texts) -> Rendered:
    """Return a line: `{"key", "fields"}` of the locale, or a ready `{"text"}`.

    A text that `quotes` others names nobody. Fields are foreign text; those that are ids of people
    (`user`) become mentions, and `mentions` lists people who should be told.
    """
    key = str(body.get("key") or "")
    if not key:
        told = " ".join(called(user) for user in body.get("mentions") or [])
        read = escape if body.get("quotes") else ours
        text = " ".join(part for part in (read(str(body.get("text") or "")), told) if part)
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


def late_chart(chart_id: str, alt: str, texts: Texts) -> Rendered:
    """Return the message below an answer whose chart Slack could not show in time."""
    text = texts.say("slack.late_chart", alt=escape(alt))
    return Rendered(text, [section(text)], chart_id, 1)
