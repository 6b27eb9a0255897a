"""Generated incidents: worlds that do not flatter us, asked as somebody on call asks.

    seed ──stage, kind──> world ──mechanics──> track ──conventions──> ports ──`ask`──> answer
             │ the same seed without the fault, without each herring ──> truth ──────────> score

`python -m bench incidents [--seeds 0-199] [--kinds DIR] [--held-out] [--sources] [--json]`

Held out (`--held-out`), none of which the ordinary run shows: the kinds in `sealed/`; the families
hub, two_clusters and tree; the metric conventions dropwizard, envoy and summary_ms; the log
conventions log4j_json, ruby and glog_cpp. Every look at them stands in LOOKS.md.
"""

from __future__ import annotations

import asyncio
import logging
import math
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import structlog

from bench.incidents import ladder, scoring
from bench.incidents.asking import SOURCES, Office, open_office
from bench.incidents.incident import make
from bench.incidents.kind import OPEN, SEALED, Kind, read_kinds
from bench.incidents.ports import Served
from bench.incidents.scoring import Outcome
from bench.incidents.telling.exposure import expose
from bench.report import Aim, Report

SEEDS = "0-199"
RULES = "rules"  # the team's root-cause rules, away like a source
LADDER_MOST = 0.5  # above, the worlds are too easy


def run(
    data: Path | None = None,
    *,
    seeds: str = SEEDS,
    kinds: Path | None = None,
    held_out: bool = False,
    sources: bool = False,
) -> Report:
    """Score the seeds `A-B`; `data` is not used: everything is made here."""
    _ = data
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    first, last = _span(seeds)
    folder = kinds or (SEALED if held_out else OPEN)
    known = read_kinds(folder)
    return asyncio.run(
        _scored(range(first, last + 1), known, folder, held_out=held_out, sources=sources)
    )


def _span(seeds: str) -> tuple[int, int]:
    begin, dash, end = seeds.partition("-")
    if not begin.isdigit() or (dash and not end.isdigit()):
        raise SystemExit(f"--seeds {seeds!r}: write A-B, such as {SEEDS}")
    return int(begin), int(end or begin)


async def _scored(
    seeds: Sequence[int], kinds: Sequence[Kind], folder: Path, *, held_out: bool, sources: bool
) -> Report:
    asked: list[Outcome] = []
    without: dict[str, list[Outcome]] = {each: [] for each in (SOURCES if sources else ())}
    without[RULES] = []
    generating = 0.0
    async with open_office() as office:
        for seed in seeds:
            began = time.process_time()
            incident = make(seed, kinds, held_out=held_out)
            x = expose(incident, held_out=held_out)
            generating += time.process_time() - began
            whole = Served(x)
            rules = await ladder.named(whole)
            clear = await ladder.identifiable(whole)
            asked.append(await _asked(office, whole, rules, clear=clear, without=()))
            for source, kept in without.items():
                if incident.state != "hurts":
                    continue
                kept.append(await _asked(office, whole, rules, clear=clear, without=(source,)))
            if seed % 25 == 24:
                _say(f"{len(asked)} incidents")
    return report(asked, without, folder, seeds, generating)


async def _asked(
    office: Office,
    served: Served,
    rules: Mapping[str, bool],
    *,
    clear: bool,
    without: Collection[str],
) -> Outcome:
    incident = served.incident
    began = time.process_time()
    answer = await office.ask(served.x, incident.question, without)
    truths = scoring.judged(incident)
    first = (answer["causes"] or [{}])[0]
    return Outcome(
        seed=incident.seed,
        state=incident.state,
        kind=truths[0].kind if truths else "",
        family=incident.stage.graph.family,
        size=incident.size,
        identifiable=clear,
        verdict=str(answer["verdict"]),
        confidence=float(answer["confidence"] or 0.0),
        place=scoring.place_of(answer, truths),
        mechanism=any(scoring.names_mechanism(first, each) for each in truths),
        ladder=rules,
        seconds=time.process_time() - began,
    )


def report(
    asked: Sequence[Outcome],
    without: dict[str, list[Outcome]],
    folder: Path,
    seeds: Sequence[int],
    generating: float,
) -> Report:
    """Return figures, tables and what was missed."""
    ours = scoring.figures(asked)
    ours["top1_empty_rules"] = scoring.figures(without[RULES])["top1"]
    ours["generation_ms"] = 1000.0 * generating / max(len(asked), 1)
    details = scoring.grouped(asked, lambda o: o.kind)
    details |= scoring.grouped(
        asked, lambda o: f"size {'≤ 10' if o.size <= 10 else '≤ 20' if o.size <= 20 else '> 20'}"
    )
    details |= scoring.grouped(asked, lambda o: f"family {o.family}")
    details |= scoring.calibration(asked)
    for source, some in without.items():
        lost = scoring.figures(some)
        details[f"without {source}"] = {
            k: lost[k] for k in ("top1", "top3", "claimed") if not math.isnan(lost[k])
        }
    told = {k: v for k, v in ours.items() if not math.isnan(v)}
    aims = {"ladder_best": Aim(most=LADDER_MOST)}
    data = f"generated, kinds of {folder.name}, seeds {seeds[0]}-{seeds[-1]}"
    return Report("incidents", data, told, {}, aims, details)


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
