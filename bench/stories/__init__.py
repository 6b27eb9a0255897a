"""Incidents that people wrote in files: is the right place named first, and health told right?

    incidents/*.yaml ──the ports' fakes──> bot ──`ask`──> answer ──truth──> figures

`--data DIR` takes a folder of somebody else's files; docs/write-an-incident.md tells the format. An
incident whose `kind` is nobody else's is as good as held out: nothing was made for it.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import structlog

from bench.incidents.asking import open_office
from bench.report import Aim, Report
from bench.stories.asking import ask
from bench.stories.scoring import Judged, figures, judge
from bench.stories.story import Story, read_stories

HERE = Path(__file__).parent / "incidents"
AIMS = {
    "top1": Aim(least=0.9),
    "claimed": Aim(least=0.6),
    "healthy_blamed": Aim(most=0),
    "healthy_right": Aim(least=1.0),
    "false_all_clear": Aim(most=0),
    "incidents": Aim(least=15),
}


def run(data: Path | None = None) -> Report:
    """Judge every incident of the folder, or of ours."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    stories = read_stories(data or HERE)
    if not stories:
        raise SystemExit(f"{data or HERE} holds no incident")
    judged = asyncio.run(judged_of(stories))
    return Report(
        bench="stories",
        data=f"{len(stories)} incidents of {data or 'our own'}",
        ours=figures(judged),
        peers={},
        aims=AIMS,
        notes=tuple(_note(each) for each in judged),
    )


async def judged_of(stories: list[Story]) -> list[Judged]:
    """Ask about each incident, one after the other."""
    async with open_office() as office:
        return [
            judge(each, await ask(each, office.store, number))
            for number, each in enumerate(stories, start=1)
        ]


def _note(each: Judged) -> str:
    truth = each.story.truth
    right = each.right_verdict and (each.at_place or not truth.where)
    mark = "ok " if right else "BAD"
    wanted = "/".join(sorted(truth.verdicts))
    return f"{mark} {each.story.name}: {each.verdict} ({wanted}): {each.first[:150]}"
