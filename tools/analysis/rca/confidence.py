"""How sure an answer is: looked up in a table of how often such answers were right.

    cell = (cause | suspect, class of the start, seconded or alone, unseen tests, rivals)
    table: cell -> per kind of fault (right, answered), counted on development incidents
    high    the 90 % Wilson lower bound is ≥ .9, also with each kind of fault left out
    medium  the bound is ≥ .5, of the cell or of those of its class or verdict together
    low     everything else

`python -m bench confidence --data DIR` fills `confidence_table.json`; nothing else writes it. What
a missing source would have shown allows at most medium.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from functools import cache
from importlib import resources

from tools.analysis.facts import HopResult, Hypothesis

HIGH, MEDIUM, LOW = 0.9, 0.6, 0.3  # what a word stands for in an answer's `confidence`
BOUND = 0.9  # lower bound from which on an answer may be called high
HALF = 0.5
Z = 1.2816  # one-sided 90 %
Counts = Mapping[str, tuple[int, int]]  # kind of fault -> (right, answered)


def cell_of(chain: Hypothesis, *, proved: bool, rivals: int) -> str:
    """Return the cell of an answer that has this chain first."""
    unseen = sum(test.result is HopResult.UNSEEN for test in chain.tests)
    parts = (
        "cause" if proved else "suspect",
        chain.start.start_class.value,
        "seconded" if chain.witnesses or chain.trigger is not None else "alone",
        "all-seen" if unseen == 0 else "some-unseen",
        "rivals" if rivals else "no-rival",
    )
    return "/".join(parts)


def confidence_of(cell: str, *, complete: bool, table: Mapping[str, Counts] | None = None) -> float:
    """Return the confidence of a cell; `complete`: no source that it needs was missing."""
    known = table if table is not None else _table()
    bound = lowest_bound(known.get(cell, {}))
    if bound >= BOUND and complete:
        return max(HIGH, round(bound, 2))
    parts = cell.split("/")
    nearest = (bound, *(lowest_bound(_joined(known, "/".join(parts[:n]))) for n in (2, 1)))
    return MEDIUM if max(nearest) >= HALF else LOW


def _joined(table: Mapping[str, Counts], begin: str) -> Counts:
    """Return the counts of all cells that begin alike, by kind of fault."""
    found: dict[str, tuple[int, int]] = {}
    for cell, counts in table.items():
        if cell == begin or cell.startswith(f"{begin}/"):
            for kind, (right, told) in counts.items():
                before = found.get(kind, (0, 0))
                found[kind] = (before[0] + right, before[1] + told)
    return found


def lowest_bound(counts: Counts) -> float:
    """Return the lower bound with that kind of fault left out that makes it lowest; 0: no data."""
    if not counts:
        return 0.0
    right = sum(r for r, _ in counts.values())
    told = sum(n for _, n in counts.values())
    if len(counts) == 1:
        return 0.0  # one kind alone says nothing of others
    return min(wilson(right - r, told - n) for r, n in counts.values())


def wilson(right: int, told: int) -> float:
    """Return the lower end of Wilson's score interval at one-sided 90 %."""
    if told <= 0:
        return 0.0
    share = right / told
    middle = share + Z * Z / (2 * told)
    spread = Z * math.sqrt(share * (1 - share) / told + Z * Z / (4 * told * told))
    return (middle - spread) / (1 + Z * Z / told)


@cache
def _table() -> Mapping[str, Counts]:
    text = (
        resources.files("tools.analysis.rca").joinpath("confidence_table.json").read_text("utf-8")
    )
    cells = json.loads(text)["cells"]
    return {
        cell: {kind: (int(right), int(told)) for kind, (right, told) in kinds.items()}
        for cell, kinds in cells.items()
    }
