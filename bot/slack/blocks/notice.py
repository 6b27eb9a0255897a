"""The short messages: one line of the bot, or the question that a command asked."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.locale import MissingTextError, Texts
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import DAY_AND_TIME, called, date, escape, ours, section


def render(body: Mapping[str, Any], texts: Texts) -> Rendered:
    """Return a line: `{"key", "fields"}` of the locale, or a ready `{"text"}`.

    A text that `quotes` others names nobody. Fields are foreign text; those that are ids of people
    (`user`) become mentions, and `mentions` lists people who should be told.
    """
    key = str(body.get("key") or "")
    told = [called(user) for user in body.get("mentions") or []]
    if not key:
        read = escape if body.get("quotes") else ours
        text = " ".join(part for part in (read(str(body.get("text") or "")), *told) if part)
        return Rendered(text, [section(text or "–")])
    given = body.get("fields") or {}
    fields = {name: _shown(name, value) for name, value in given.items()}
    try:
        text = texts.say(key, **fields)
    except MissingTextError:
        text = " ".join([key, *(str(v) for v in fields.values())])
    text = " ".join([text, *told])
    return Rendered(text, [section(text)])


def _shown(name: str, value: object) -> str:
    """Return a field as it is read: people as mentions, a time in the reader's own zone."""
    if name == "until":
        return date(datetime.fromisoformat(str(value)), DAY_AND_TIME)
    return _mention(value) if name in {"user", "by"} else escape(value)


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
