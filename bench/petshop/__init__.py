"""Recorded slow and failing calls of a shop: which service began it?

    five rows of an issue behind two healthy days ──usual, trouble, own──> services, likeliest first

The functions are the product's. Issues with an odd number were not looked at one by one while the
rules were written; they are printed apart. There are only five distinct causes: a point more or
less means little.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.petshop.dataset import Issue, Shop, part, shops
from bench.petshop.ranking import largest_z, ours, ranked_correlation
from bench.report import Aim, Report

DAY = 288  # rows of the healthy record that a healthy window is judged by
ASKED_WHEN_HEALTHY = ("latency", "availability")
AIMS = {
    "top1": Aim(least=0.92), "top3": Aim(least=1.0), "specificity": Aim(least=0.95),
    "ms_per_issue": Aim(most=100.0),
}  # fmt: skip
PUBLISHED = {  # of both traffic halves, by the set's authors
    "ranked correlation (authors)": {"top1": 0.65, "top3": 0.83},
    "traversal (authors)": {"top1": 0.64, "top3": 0.83},
}
Ranked = tuple[Issue, list[str]]


def run(data: Path | None) -> Report:
    """Rank every issue and judge every healthy window."""
    if data is None:
        raise SystemExit("petshop needs --data: a folder with the recorded issues")
    found = [shop for shop in shops(data) if shop.issues]
    if not found:
        raise SystemExit(f"{data} holds no issue (<scenario>/test/issue_<n>/target.json)")
    ranked, claimed, seconds = _ours(found)
    windows, false = _healthy(found)
    whole = _shares(ranked)
    held = _shares([each for each in ranked if each[0].number % 2])
    mine = {
        **whole,
        "specificity": 1 - false / max(windows, 1),
        "claimed": claimed / max(len(ranked), 1),
        "ms_per_issue": 1000 * seconds / max(len(ranked), 1),
        "top1_other_part": held["top1"],
        "top3_other_part": held["top3"],
    }
    wrong = [
        f"{each.name}: {each.answer} came {_place(each, names) or 'not at all'}, first {names[:1]}"
        for each, names in ranked
        if _place(each, names) != 1 and not each.number % 2
    ]
    return Report(
        bench="petshop",
        data=f"{data}, {len(ranked)} issues, {windows} healthy windows",
        ours=mine,
        peers={**_peers(found), **PUBLISHED},
        aims=AIMS,
        details={
            f"{shop.name}, {metric}": _shares([r for r in ranked if r[0] in part_of])
            for shop in found
            for metric in ASKED_WHEN_HEALTHY
            if (part_of := [each for each in shop.issues if each.metric == metric])
        },
        notes=tuple(wrong),
    )


def _ours(found: Sequence[Shop]) -> tuple[list[Ranked], int, float]:
    ranked: list[Ranked] = []
    claimed, began = 0, time.process_time()
    for shop in found:
        for each in shop.issues:
            felt, standing = ours(
                shop.healthy, each.table, shop.calls, each.asked, each.metric, each.statistic
            )
            claimed += felt and bool(standing)
            ranked.append((each, [one.service for one in standing]))
    return ranked, claimed, time.process_time() - began


def _healthy(found: Sequence[Shop]) -> tuple[int, int]:
    """Return how many healthy windows there are, and in how many a cause would be blamed."""
    windows = false = 0
    for shop in found:
        size = shop.issues[0].table.rows
        asked = shop.issues[0].asked
        for first in range(DAY, shop.healthy.rows - size + 1, size):
            past = part(shop.healthy, first - DAY, first)
            now = part(shop.healthy, first, first + size)
            blamed = [
                felt and bool(standing)
                for metric in ASKED_WHEN_HEALTHY
                for felt, standing in [ours(past, now, shop.calls, asked, metric, "Average")]
            ]
            windows += 1
            false += any(blamed)
    return windows, false


def _peers(found: Sequence[Shop]) -> dict[str, dict[str, float]]:
    peers: dict[str, Callable[[Shop, Issue], list[str]]] = {
        "largest robust z": lambda shop, each: largest_z(shop.healthy, each.table),
        "ranked correlation": lambda shop, each: ranked_correlation(
            shop.healthy, each.table, each.asked, each.metric, each.statistic
        ),
    }
    return {
        name: _shares([(each, rank(shop, each)) for shop in found for each in shop.issues])
        for name, rank in peers.items()
    }


def _shares(ranked: Sequence[Ranked]) -> dict[str, float]:
    places = [_place(each, names) for each, names in ranked]
    return {
        f"top{most}": sum(0 < place <= most for place in places) / max(len(places), 1)
        for most in (1, 3, 5)
    }


def _place(issue: Issue, names: Sequence[str]) -> int:
    """Return where the answer stands, counted from 1; 0 when nowhere."""
    return names.index(issue.answer) + 1 if issue.answer in names else 0
