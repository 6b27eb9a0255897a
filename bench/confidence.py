"""Fill the table of confidence from incidents whose truth is known, and show it.

    cloudops cases, ids that three does not divide ──objects' facts──> first cause: cell, right?
    incidents in files ──the whole bot──> first cause: cell, right?
        ──counts per cell and kind of fault──> tools/analysis/rca/confidence_table.json

`python -m bench confidence --data DIR` with cloudops' folder. A cell is high only where the lower
bound is nine in ten with each kind left out: the kind that would lower it most decides.
"""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import tempfile
from collections import defaultdict
from pathlib import Path

import structlog

from bench.cloudops import HOLD_OUT, MOST_LINES, cases_of
from bench.cloudops.case import Case
from bench.cloudops.kinds import is_right
from bench.report import Report
from bench.stories import HERE, judged_of
from bench.stories.story import read_stories
from tools.analysis.blame import count_blamed
from tools.analysis.facts import Snapshot
from tools.analysis.rca.chains import Concern
from tools.analysis.rca.confidence import confidence_of, lowest_bound
from tools.analysis.rca.explain import told
from tools.analysis.rca.verdict import decide
from tools.doctor import examine
from tools.doctor.causes import causes
from tools.doctor.object_facts import object_facts

TABLE = Path(__file__).parents[1] / "tools" / "analysis" / "rca" / "confidence_table.json"
Answered = tuple[str, str, bool]  # cell, kind of fault, right


def run(data: Path | None) -> Report:
    """Fill the table."""
    if data is None:
        raise SystemExit("confidence needs --data: the folder of cloudops")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    answered = _of_cases(data) + _of_stories()
    cells: dict[str, dict[str, list[int]]] = defaultdict(dict)
    for cell, kind, right in sorted(answered):
        counts = cells[cell].setdefault(kind, [0, 0])
        counts[0] += right
        counts[1] += 1
    text = json.dumps({"cells": cells}, indent=1, sort_keys=True)
    TABLE.write_text(f"{text}\n", encoding="utf-8")
    rows = {}
    for cell, kinds in sorted(cells.items()):
        counted = {kind: (right, told) for kind, (right, told) in kinds.items()}
        rows[cell] = {
            "right": float(sum(right for right, _ in counted.values())),
            "answered": float(sum(told for _, told in counted.values())),
            "kinds": float(len(counted)),
            "lowest bound": lowest_bound(counted),
            "confidence": confidence_of(cell, complete=True, table={cell: counted}),
        }
    return Report(
        bench="confidence",
        data=f"{data}: ids that {HOLD_OUT} does not divide; incidents in files",
        ours={"answered": float(len(answered)), "cells": float(len(cells))},
        peers={},
        details=rows,
    )


def _of_cases(data: Path) -> list[Answered]:
    with tempfile.TemporaryDirectory() as spare:
        folders = [f for f in cases_of(data, Path(spare)) if int(f.name) % HOLD_OUT]
        context = multiprocessing.get_context("fork")
        with context.Pool(2, maxtasksperchild=8) as pool:
            found = pool.map(_case, folders, chunksize=4)
    return [each for each in found if each is not None]


def _case(folder: Path) -> Answered | None:
    """Return what the solver makes of a case's objects and lines; None: it names nothing."""
    said = json.loads((folder / "metadata.json").read_text(encoding="utf-8"))
    cache = json.loads((folder / "tool_cache.json").read_text(encoding="utf-8"))
    logs_file = folder / "raw_data" / "logs.json"
    logs = json.loads(logs_file.read_text(encoding="utf-8")) if logs_file.is_file() else {}
    state = Case(cache, said["namespace"], logs).state()
    found = examine(state)
    blamed = count_blamed(line for lines in logs.values() for line in lines[-MOST_LINES:])
    facts, edges = object_facts(causes(state, found, blamed), found)
    decided = decide(Snapshot(state.at, facts, edges), Concern())
    answers = told(decided, complete=True)
    if not answers:
        return None
    chain = (*decided.causes, *decided.suspects)[0]
    wanted = said["result"]
    right = is_right(
        chain.start.predicate, chain.start.subject.name,
        wanted["fault_object"], wanted["root_cause"],
    )  # fmt: skip
    return answers[0].cell, wanted["root_cause"], right


def _of_stories() -> list[Answered]:
    judged = asyncio.run(judged_of(read_stories(HERE)))
    return [(each.cell, each.story.kind, each.at_place) for each in judged if each.cell]
