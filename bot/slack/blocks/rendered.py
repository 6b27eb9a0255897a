"""A message ready to be posted: notification text, blocks, and where its chart goes."""

from __future__ import annotations

from dataclasses import dataclass, field

from bot.slack.blocks.text import Block


@dataclass(frozen=True, slots=True)
class Rendered:
    """`text` is what a phone shows; `chart_id` names a stored chart, put before `chart_at`."""

    text: str
    blocks: list[Block] = field(default_factory=list)
    chart_id: str = ""
    chart_at: int = 0
