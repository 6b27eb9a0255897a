"""A message ready to be posted: notification text, blocks, and where its chart goes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from bot.slack.blocks.text import Block


@dataclass(frozen=True, slots=True)
class Rendered:
    """`text` is what a phone shows; `chart_id` names a stored chart, put before `chart_at`."""

    text: str
    blocks: list[Block] = field(default_factory=list)
    chart_id: str = ""
    chart_at: int = 0

    def under(self, note: Block) -> Rendered:
        """Return it with a note on top."""
        return replace(self, blocks=[note, *self.blocks], chart_at=self.chart_at + 1)

    def with_chart(self, block: Block) -> Rendered:
        """Return it with a block where its chart belongs."""
        before, after = self.blocks[: self.chart_at], self.blocks[self.chart_at :]
        return replace(self, blocks=[*before, block, *after])
