"""The seed of whatever a run samples, and sampling that leaves no kind of thing out.

Each commit draws its own sample, so that commits together see what one leaves out; a run is
repeated with the seed that it prints: SRE_AGENT_SEED=7 make test.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
VARIABLE = "SRE_AGENT_SEED"
ROOT = Path(__file__).parents[1]


@cache
def seed() -> int:
    """Return what the environment names, else a number of the commit, else one of the day."""
    if named := os.environ.get(VARIABLE):
        return int(named)
    try:
        asked = ["git", "rev-parse", "--short=7", "HEAD"]
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)
        return int(done.stdout, 16)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return datetime.now(UTC).toordinal()


def stratified(
    items: Sequence[T],
    kinds: Callable[[T], Iterable[Hashable]],
    *,
    by: int,
    least: int = 0,
) -> list[T]:
    """Draw as few items as hold every kind there is, and at least so many; their order is kept.

    `kinds` names all that an item is an example of. The draw is greedy: in a shuffled order, an
    item is taken when it brings a kind that none before it brought.
    """
    order = list(range(len(items)))
    random.Random(by).shuffle(order)
    chosen: set[int] = set()
    held: set[Hashable] = set()
    for at in order:
        new = set(kinds(items[at])) - held
        if new:
            chosen.add(at)
            held |= new
    for at in order:
        if len(chosen) >= min(least, len(items)):
            break
        chosen.add(at)
    return [items[at] for at in sorted(chosen)]
