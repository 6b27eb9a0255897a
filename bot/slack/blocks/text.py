"""Text for Slack: foreign text can neither ping, nor link out, nor break the markup.

escape(text)   for mrkdwn: & < > as Slack wants them; Markdown is read by `markdown`
fit(blocks)    a message within Slack's limits, with a note about what was cut
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import re2

from bot.locale import Texts
from bot.slack.blocks.markdown import BREAK, NAMED_PING, is_known
from foundation.encodings import writable
from foundation.hidden import readable

Block = dict[str, Any]

MOST_BLOCKS = 50
MOST_SECTION = 3000
MOST_MARKDOWN = 12_000  # characters in all markdown blocks of one message
MOST_HEADER = 150
LONGEST_LINE = 600  # characters of foreign text in one line of a card
MOST_BUTTON = 75
MOST_CONTEXT = 10  # elements
DAY_AND_TIME = "{date_short_pretty} {time}"  # of `date`: today and yesterday by name
MOST_FALLBACK = 3000  # of the notification; chat.update refuses more than 4,000

# What searches for an end that may be missing is RE2's: linear, whatever stands there instead.
_REFERENCE = re2.compile(
    r"<(?:(@|#|!subteam\^)([A-Z0-9]+)(?:\|([^>]*))?|!(\w+)[^>]*|([^>|]+)(?:\|([^>]*))?)>"
)


def escape(text: object) -> str:
    """Return foreign text for mrkdwn: no markup of Slack survives in it."""
    safe = readable(str(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return NAMED_PING.sub(f"@{BREAK}", safe)


def ours(text: str) -> str:
    """Return a sentence of core for mrkdwn: escaped, but the people it names stay mentions."""
    parts = re.split(r"(<@[UW][A-Z0-9]+>)", text)
    parts[::2] = [escape(part) for part in parts[::2]]
    return "".join(parts)


def called(name: object) -> str:
    """Return a person or user group by id as a mention, and any other name as text."""
    text = str(name)
    if re.fullmatch(r"[UW][A-Z0-9]+", text):
        return f"<@{text}>"
    return f"<!subteam^{text}>" if re.fullmatch(r"S[A-Z0-9]{6,}", text) else escape(text)


def channel_named(name: str) -> str:
    """Return a channel by id as a link, and any other name as text."""
    return f"<#{name}>" if re.fullmatch(r"[CG][A-Z0-9]{6,}", name) else escape(name)


def code(text: object) -> str:
    """Return foreign text as inline code on one line."""
    flat = " ".join(str(text).replace("`", "'").split())
    return f"`{escape(flat)}`" if flat else ""


def link(url: str, label: str, hosts: Collection[str]) -> str:
    """Return a mrkdwn link, or its label alone when the host is not on the allow-list."""
    if not url or not is_known(url, hosts):
        return escape(label)
    safe = url.replace("|", "%7C").replace(">", "%3E").replace("<", "%3C").replace("&", "&amp;")
    return f"<{safe}|{escape(label).replace('|', '¦')}>"


def heard(text: str, bot_user: str = "") -> str:
    """Return what a person wrote as plain text: the bot's name gone, references as words."""

    def plain(match: re.Match[str]) -> str:
        sign, ident, label, special, url, name = match.groups()
        if special:
            return f"@{special}"
        if url:
            return name or url.removeprefix("mailto:")
        if ident == bot_user:
            return ""
        word = label or ident
        return f"{'#' if sign == '#' else '@'}{word.lstrip('@#')}"

    said = _REFERENCE.sub(plain, writable(text))
    said = said.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return re.sub(r"[ \t]+", " ", said).strip()


def one_line(text: object, most: int = LONGEST_LINE) -> str:
    """Return foreign text for a line of mrkdwn: it can begin no line that looks like ours."""
    return escape(cut(" ".join(str(text).split()), most))


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters."""
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def middle_out(text: str, most: int) -> str:
    """Return a text of at most `most` characters that keeps both its ends."""
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


def date(at: datetime, pattern: str = "{time}") -> str:
    """Return a time that every reader sees in their own zone, with UTC as the fallback."""
    return f"<!date^{int(at.timestamp())}^{pattern}|{at:%Y-%m-%d %H:%M} UTC>"


def section(text: str, **more: Any) -> Block:
    """Return a section of mrkdwn."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, MOST_SECTION)}, **more}


def sections(parts: Sequence[str]) -> list[Block]:
    """Return one section where all fits into it, else one for each part: none hides another."""
    whole = "\n".join(parts)
    return [section(whole)] if len(whole) <= MOST_SECTION else [section(part) for part in parts]


def prose(text: str) -> Block:
    """Return a block of Markdown."""
    return {"type": "markdown", "text": cut(text, MOST_MARKDOWN)}


def header(text: str) -> Block:
    """Return a headline."""
    return {"type": "header", "text": _plain(text, MOST_HEADER)}


def context(*lines: str) -> Block:
    """Return small print."""
    shown = [cut(line, 2000) for line in lines if line][:MOST_CONTEXT]
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": t} for t in shown]}


def divider() -> Block:
    """Return a line."""
    return {"type": "divider"}


def button(text: str, action_id: str, value: str, style: str = "", **more: Any) -> Block:
    """Return a button."""
    made: Block = {
        "type": "button",
        "action_id": action_id,
        "value": value,
        "text": _plain(text, MOST_BUTTON),
        **more,
    }
    if style:
        made["style"] = style
    return made


def actions(*elements: Block, block_id: str = "") -> Block:
    """Return a row of buttons."""
    made: Block = {"type": "actions", "elements": list(elements)}
    if block_id:
        made["block_id"] = block_id
    return made


def select(text: str, action_id: str, options: Mapping[str, str]) -> Block:
    """Return a select; `options` maps values to what people read."""
    return {
        "type": "static_select",
        "action_id": action_id,
        "placeholder": _plain(text, MOST_BUTTON),
        "options": [{"text": _plain(t, MOST_BUTTON), "value": v} for v, t in options.items()],
    }


def confirm(title: str, text: str, yes: str, no: str, style: str = "primary") -> Block:
    """Return a dialog that asks before a click counts."""
    return {
        "title": _plain(title, 100),
        "text": _plain(text, 300),
        "confirm": _plain(yes, 30),
        "deny": _plain(no, 30),
        "style": style,
    }


def text_input(
    block_id: str, label: str, value: str = "", *, optional: bool = False, lines: bool = True
) -> Block:
    """Return one input of a form."""
    element: Block = {
        "type": "plain_text_input",
        "action_id": "text",
        "multiline": lines,
        "max_length": MOST_SECTION,
    }
    if value:
        element["initial_value"] = cut(value, MOST_SECTION)
    return {
        "type": "input",
        "block_id": block_id,
        "label": _plain(label, 2000),
        "element": element,
        "optional": optional,
    }


def modal(
    title: str, blocks: Sequence[Block], *, close: str, callback: str = "", submit: str = "",
    carries: str = "",
) -> Block:  # fmt: skip
    """Return a modal; with `submit` it is a form. What it `carries` its buttons know too."""
    made: Block = {
        "type": "modal",
        "title": _plain(title, 24),
        "close": _plain(close, 24),
        "blocks": list(blocks)[:100],
    }
    if submit:
        made |= {"callback_id": callback, "submit": _plain(submit, 24)}
    if submit or carries:
        made["private_metadata"] = carries[:3000]
    return made


def image(file_id: str, alt_text: str) -> Block:
    """Return an uploaded picture."""
    return {"type": "image", "slack_file": {"id": file_id}, "alt_text": cut(alt_text, 2000)}


def fit(blocks: Sequence[Block], texts: Texts) -> list[Block]:
    """Return blocks within Slack's limits; what had to go is told in a last line."""
    kept: list[Block] = []
    room, dropped = MOST_MARKDOWN, 0
    for block in blocks:
        if block["type"] == "markdown":
            if room < 100:
                dropped += 1
                continue
            block = {**block, "text": cut(block["text"], room)}  # noqa: PLW2901 - a cut copy
            room -= len(block["text"])
        kept.append(block)
    if len(kept) > MOST_BLOCKS:
        tail = [b for b in kept[MOST_BLOCKS - 1 :] if b["type"] == "actions"]
        head = kept[: MOST_BLOCKS - 1 - len(tail)]
        dropped += len(kept) - len(head) - len(tail)
        kept = [*head, *tail]
    if dropped:
        kept = [*kept[: MOST_BLOCKS - 1], context(texts.say("slack.cut", count=dropped))]
    return kept


def _plain(text: str, most: int) -> Block:
    return {"type": "plain_text", "text": cut(readable(text), most) or "–", "emoji": True}
