"""A team that points the bot at its platform: what it finds by itself, and how soon it is useful.

    stage (real programs, names drawn) ──Prometheus, VictoriaMetrics──> init ──> catalogue: judged
                                    a fault begins ──────────────────> ask ──> answer: judged

Nothing but PROMETHEUS_URL is given. What counts is the stage's own list, `expected.yaml`.
"""

from __future__ import annotations

import math
import random
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.onboarding import newcomer, truths
from bench.onboarding.judge import Verdicts, judge
from bench.onboarding.stage import STORES, Stage, given_stage, missing, standing
from bench.onboarding.usefulness import NO_FIGURE, why_not_useful
from bench.report import Aim, Report

WARM_SECONDS = 240.0  # how old the history is when init comes: a rate over 5 minutes is low before
RIPE_SECONDS = 75.0  # how old the fault is when somebody asks
RED_LEAST, DATA_LEAST, USEFUL_MOST_SECONDS = 0.9, 0.95, 180.0
WORSE: Mapping[str, Callable[[list[float]], float]] = {  # of two stores
    "services_with_red": min, "queries_with_data": min, "useful_seconds": max,
}  # fmt: skip
QUESTIONS = ("What is wrong right now?", "What is wrong with {service}?")


@dataclass(slots=True)
class Try:
    """What one store's newcomer came to."""

    newcomer: newcomer.Newcomer
    init_seconds: float = math.nan
    verdicts: Verdicts | None = None
    known: float = math.nan
    strangers: list[str] = field(default_factory=list)
    ask_seconds: float = 0.0
    asked: int = 0
    named_seconds: float = math.nan  # until an answer named the right service, whatever figure
    why: list[str] = field(default_factory=list)  # why answers were not useful

    @property
    def useful_seconds(self) -> float:
        """Return the seconds from nothing to the first useful answer; NaN: there was none."""
        is_useful = self.asked > len(self.why)
        return self.init_seconds + self.ask_seconds if is_useful else math.nan


def run(data: Path | None = None, *, seed: int | None = None, stage: str = "mixed") -> Report:
    """Measure; `data` is not used: everything is made here."""
    _ = data
    given = given_stage(stage)
    lines = missing(given)
    if lines:
        raise SystemExit("the stage lacks programs; install them:\n  " + "\n  ".join(lines))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # the programs end with us
    drawn = random.SystemRandom().randrange(10**6) if seed is None else seed
    with standing(given, drawn) as there:
        say(f"{stage}, {there.drawn.told()}; at {there.place.folder}")
        tries = {store: Try(newcomer.arrive(there.place, store, url))
                 for store, url in there.stores.items()}  # fmt: skip
        time.sleep(WARM_SECONDS)
        untold = measure(there, tries)
    return report(stage, there, tries, untold)


def measure(stage: Stage, tries: Mapping[str, Try]) -> list[str]:
    """Let each newcomer begin and ask; return the truths that the stage itself did not give."""
    before = time.time()  # values are judged as of here, when nothing was broken
    untold = [
        f"{store}: {each}"
        for store, url in stage.stores.items()
        for each in truths.untold(truths.wanted(stage, url, before))
    ]
    if stage.drawn.is_fault_first:
        stage.break_it()
        time.sleep(RIPE_SECONDS)
    for store, each in tries.items():
        begin(stage, store, each, before)
        if stage.drawn.is_fault_first:
            inquire(stage, store, each)
    if not stage.drawn.is_fault_first:
        stage.break_it()
        time.sleep(RIPE_SECONDS)
        for store, each in tries.items():
            inquire(stage, store, each)
    return untold


def begin(stage: Stage, store: str, each: Try, before: float) -> None:
    """Run init and judge what it wrote."""
    url = stage.stores[store]
    each.init_seconds = each.newcomer.init()
    say(f"{store}: init took {each.init_seconds:.1f} s")
    proposals = each.newcomer.proposals()
    then = {e.name: truths.ask(url, e.query, before) for e in proposals}
    now = {e.name: truths.ask(url, e.query, time.time()) for e in proposals}
    each.verdicts = judge(
        proposals, then, now, truths.wanted(stage, url, before),
        truths.resources(stage, url, before), truths.roles(),
    )  # fmt: skip
    ours, theirs = set(stage.drawn.names.values()), each.newcomer.services()
    each.known = len(ours & theirs) / len(ours)
    each.strangers = sorted(theirs - ours)


def inquire(stage: Stage, store: str, each: Try) -> None:
    """Ask until an answer is useful."""
    names = stage.drawn.names
    for question in QUESTIONS:
        asked = question.format(service=names[stage.drawn.faulty])
        answer, took = each.newcomer.ask(asked)
        each.asked += 1
        each.ask_seconds += took
        fault = truths.fault(stage, stage.stores[store], time.time())
        why = why_not_useful(answer, fault, names.values())
        say(f"{store}: {asked} ({took:.1f} s) {fault}\n    {answer.get('conclusion', '')!r}: "
            f"{why or 'useful'}")  # fmt: skip
        if why in ("", NO_FIGURE) and math.isnan(each.named_seconds):
            each.named_seconds = each.init_seconds + each.ask_seconds
        if not why:
            return
        each.why.append(f"{asked} {why}")


def report(stage: str, there: Stage, tries: Mapping[str, Try], untold: list[str]) -> Report:
    """Return figures, aims and what was missed."""
    ours: dict[str, float] = {}
    aims: dict[str, Aim] = {}
    details: dict[str, dict[str, float]] = {}
    notes: list[str] = [f"the stage itself does not tell {each}" for each in untold]
    for store, each in tries.items():
        if each.verdicts is None:
            continue
        verdicts = each.verdicts
        figures = {
            "services_with_red": verdicts.red_share,
            "queries_with_data": verdicts.data_share,
            "useful_seconds": each.useful_seconds,
            "named_seconds": each.named_seconds,
            "init_seconds": each.init_seconds,
            "asked": each.asked,
            "red_parts": verdicts.part_share,
            "resources_with_use": verdicts.use_share,
            "services_named": each.known,
            "queries": verdicts.proposals,
            "wrong_roles": len(verdicts.wrong_roles),
            "roles_not_judged": verdicts.unjudged,
            "wrong_units": len(verdicts.wrong_units),
        }
        told = {name: value for name, value in figures.items() if not math.isnan(value)}
        ours |= {f"{store} {name}": value for name, value in told.items()}
        aims |= {
            f"{store} services_with_red": Aim(least=RED_LEAST),
            f"{store} queries_with_data": Aim(least=DATA_LEAST),
            f"{store} useful_seconds": Aim(most=USEFUL_MOST_SECONDS),
        }
        for service, parts in verdicts.red.items():
            row = details.setdefault(f"{service}{_held(there, service)}", {})
            short = "P" if store == STORES[0] else "V"
            row |= {f"{part} {short}": float(not why) for part, why in parts.items()}
        notes += [f"{store}: {line}" for line in _told(each, verdicts)]
    for name, worse in WORSE.items():  # of the two stores, under the names of the protocol
        both = [ours[f"{store} {name}"] for store in STORES if f"{store} {name}" in ours]
        if len(both) == len(STORES):
            ours["seconds" if name == "useful_seconds" else name] = worse(both)
    return Report(
        bench="onboarding",
        data=f"stage {stage}, {there.drawn.told()}",
        ours=ours,
        peers={},
        aims=aims,
        details=details,
        notes=tuple(notes),
    )


def _held(stage: Stage, service: str) -> str:
    key = next(key for key, name in stage.drawn.names.items() if name == service)
    kind = stage.kinds()[key]
    return f" ({kind}{', held out' if kind in stage.given['held_out'] else ''})"


def _told(each: Try, verdicts: Verdicts) -> list[str]:
    red = [
        f"{service} {part}: {why}"
        for service, parts in verdicts.red.items()
        for part, why in parts.items()
        if why
    ]
    use = [f"{resource}: {why}" for resource, why in verdicts.use.items() if why]
    return [
        *red, *use,
        *(f"no data: {name}" for name in verdicts.empty),
        *(f"wrong role: {name}: {why}" for name, why in verdicts.wrong_roles.items()),
        *(f"wrong unit: {name}: {why}" for name, why in verdicts.wrong_units.items()),
        *(f"not on the stage: {name}" for name in each.strangers),
        *each.why,
    ]  # fmt: skip


def say(text: str) -> None:
    """Tell how far the run is."""
    sys.stderr.write(f"{text}\n")
