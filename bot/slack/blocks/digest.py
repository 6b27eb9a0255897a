"""A digest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bot.locale import Texts
from bot.slack.blocks.markdown import markdown
from bot.slack.blocks.rendered import Rendered
from bot.slack.blocks.text import escape, header, prose, section


def render(body: Mapping[str, Any], texts: Texts, hosts: Collection[str] = ()) -> Rendered:
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
