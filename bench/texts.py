"""Hostile texts, load and memory: what leaks, what stalls, what waits.

leak_share             secrets of the corpus that stay readable, over all
false_cut_share        ordinary lines that are cut, over all
leak_share_blind       the same of the half by somebody who had not seen the rules
false_cut_share_blind
superlinear_texts      readers of foreign text that take more than linear time for some text
longest_stall_ms       the longest that a reader takes for 16,000 characters
halt_seconds_behind_600  a halt behind 600 messages, from the click to the word
peak_mb_50k_series     memory while 50,000 series are answered where 1,000 are allowed

What the blind half said first, and what was mended upon it, is told in docs/redaction.md.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import structlog

from bench import brake
from bench.report import Aim, Report

SEEDS = 3


def run(data: Path | None = None) -> Report:
    """Measure; `data` is not used: everything is made here."""
    _ = data
    from bot.domain.secrets.redaction import Redactor
    from tests.fixtures import ordinary_lines_blind, secret_corpus_blind
    from tests.fixtures.secret_corpus import leaks, ordinary
    from tests.property.test_linear_texts import LONG, MOST, READERS, UNITS, seconds, times_as_long

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    logging.disable(logging.CRITICAL)  # the client complains when the imitated Slack is closed
    redactor = Redactor()
    shapes = [leak for seed in range(SEEDS) for leak in leaks(seed)]
    leaked = [x for x in shapes if any(s in redactor.text(x.text) for s in x.secrets)]
    lines = list(ordinary(1))
    cut = [line for line in lines if redactor.text(line) != line]
    blind = [each for seed in range(SEEDS) for each in secret_corpus_blind.secrets(seed)]
    leaked_blind = [each for each in blind if each.value in redactor.text(each.text)]
    lines_blind = ordinary_lines_blind.ordinary(1)
    cut_blind = [each for each in lines_blind if redactor.text(each.text) != each.text]
    slow = [
        f"{name}: {unit!r}"
        for name, reader in READERS.items()
        for unit in UNITS
        if min(times_as_long(reader, unit) for _ in range(3)) > MOST
    ]
    stalls = {
        f"{name}: {unit!r}": min(seconds(reader, unit, LONG) for _ in range(2)) * 1000
        for name, reader in READERS.items()
        for unit in UNITS
    }
    worst = sorted(stalls, key=lambda each: -stalls[each])[:5]
    return Report(
        bench="texts",
        data=f"{len(shapes)} and, blind, {len(blind)} secrets, {len(lines)} and {len(lines_blind)} "
        f"ordinary lines, {len(READERS)} readers, "
        f"{len(UNITS)} hostile texts of {LONG:,} characters",
        ours={
            "leak_share": len(leaked) / len(shapes),
            "false_cut_share": len(cut) / len(lines),
            "leak_share_blind": len(leaked_blind) / len(blind),
            "false_cut_share_blind": len(cut_blind) / len(lines_blind),
            "superlinear_texts": float(len({each.partition(":")[0] for each in slow})),
            "longest_stall_ms": stalls[worst[0]],
            "halt_seconds_behind_600": brake.halt_seconds_behind(600),
            "peak_mb_50k_series": brake.peak_mb(50_000),
        },
        peers={},
        aims={
            "leak_share": Aim(most=0.03),
            "false_cut_share": Aim(most=0.02),
            "leak_share_blind": Aim(most=0.03),
            "false_cut_share_blind": Aim(most=0.02),
            "superlinear_texts": Aim.exactly(0),
            "longest_stall_ms": Aim(most=200),
            "halt_seconds_behind_600": Aim(most=2),
            "peak_mb_50k_series": Aim(most=500),
        },
        notes=(
            *(f"leaked: {leak.kind}" for leak in leaked),
            *(f"leaked, blind half: {each.issuer}" for each in leaked_blind),
            *(f"cut, blind half: {kind}" for kind in sorted({each.kind for each in cut_blind})),
            *(f"more than linear: {each}" for each in slow),
            *(f"{stalls[each]:.0f} ms: {each}" for each in worst),
        ),
    )
