"""Who pays for an answer: every question it answers books an equal share, under its own run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.core.ports import Transaction
from bot.domain.answer import Usage
from bot.domain.ids import UserId
from bot.domain.run import Merged, Running

COUNTED = ("steps", "input_tokens", "output_tokens", "cached_tokens", "usd_micros")


async def who_asked(tx: Transaction, run: Running) -> tuple[UserId, ...]:
    """Return everybody whose question a run answers; nobody asks a detection's."""
    asked: list[Running | Merged] = [run, *await tx.runs.merged_into(run.id)]
    return tuple(dict.fromkeys(each.asked_by for each in asked if each.asked_by is not None))


async def book(tx: Transaction, run: Running, mode: str, cost: Usage, at: datetime) -> None:
    """Book what a run cost, also one that was stopped or failed: its tokens are paid for."""
    asked: Sequence[Running | Merged] = [run, *await tx.runs.merged_into(run.id)]
    for number, each in enumerate(asked):
        share = _share(cost, number, len(asked))
        await tx.usage.add(each.id, each.asked_by, mode, share, at)


def _share(usage: Usage, number: int, of: int) -> Usage:
    """Return one of some shares that together are the whole."""
    counts = {name: getattr(usage, name) for name in COUNTED}
    shares = {name: total // of + (number < total % of) for name, total in counts.items()}
    return Usage(**shares, seconds=usage.seconds / of)
