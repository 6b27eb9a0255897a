"""`python -m bench NAME [--data DIR] [--json]`: the benches and how to start one."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

from rich.console import Console

from foundation.nearest import nearest

BENCHES = {
    "logs": "templates of log lines: grouping accuracy and speed, beside drain3",
    "perception": "a week of 200 series from a real Prometheus, beside prometheus-api-client",
    "safety": "guards, injection, race, load and crashes: what must never happen, counted",
    "texts": "hostile texts, load and memory: what leaks, stalls or waits",
    "outside": "public troubles of senders, stores, clusters, Slack: how many we take right",
    "cloudops": "recorded incidents of a Kubernetes application: is the cause named; needs --data",
    "confidence": "how often answers of one sort were right: fills the table; needs --data",
    "stories": "incidents in files: is the right place named first, and health told right",
    "petshop": "recorded slow calls of a shop: which service began it; needs --data",
    "figures": "sentences about evidence: wrong figures marked, right ones left alone",
    "incidents": "generated incidents: is the cause named, healthy left alone; truth is computed",
    "onboarding": "a strange platform of real programs: what `init` finds, how soon it is useful",
    "throughput": "a cycle over 100,000 series, beside one by one and a floor; takes minutes",
    "mutants": "small wrongs in what decides, one at a time: how many a test notices; takes hours",
}
# only when it is asked for
BY_NAME = frozenset(
    {"mutants", "cloudops", "confidence", "petshop", "onboarding", "incidents", "throughput"}
)
OPTIONS = {  # what a bench takes besides; what is not given is its own default
    "safety": ("seed", "whole"),
    "onboarding": ("seed", "stage"),
    "throughput": ("series", "stage"),
    "incidents": ("seeds", "kinds", "held_out", "sources"),
    "mutants": (
        "seed",
        "sample",
        "each",
        "paths",
        "tests",
        "tree",
        "again",
        "slow",
        "near",
        "jobs",
    ),
}  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run one bench and print what it found; the last line is JSON with `--json`.

    Returns 1 when an aim that is printed is missed.
    """
    missed = False
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.name and given.name not in BENCHES:
        parser.error(f"no bench named {given.name!r}.{nearest(given.name, BENCHES)}")
    if given.data is not None and not given.data.is_dir():
        parser.error(f"--data {str(given.data)!r} is no folder")
    for name in [given.name] if given.name else [n for n in BENCHES if n not in BY_NAME]:
        asked = {each: getattr(given, each) for each in OPTIONS.get(name, ())}
        chosen = {each: value for each, value in asked.items() if value is not None}
        report = importlib.import_module(f"bench.{name}").run(given.data, **chosen)
        report.show(Console(stderr=given.json))
        missed = missed or bool(report.missed)
        if given.json:
            sys.stdout.write(json.dumps(report.as_json()) + "\n")
            sys.stdout.flush()
    return int(missed)


def _parser() -> argparse.ArgumentParser:
    listing = "\n".join(f"  {name:12} {sentence}" for name, sentence in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure ours against a peer or a limit, in the same run.",
        epilog=f"benches:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "name",
        nargs="?",
        default="",
        help="which bench; left out: all that need neither --data nor many minutes",
    )
    add("--data", type=Path, help="folder of recorded data; else it is generated")
    add("--json", action="store_true", help="print one JSON object as last line")
    add("--seed", type=int, help="safety, mutants, onboarding: what is drawn")
    add("--whole", action="store_true", default=None, help="safety: all, no sample")
    add("--stage", help="onboarding: a file of its stages; throughput: cycle, store")
    add("--series", type=int, help="throughput: how many")
    add("--seeds", help="incidents: A-B, of which worlds")
    add("--kinds", type=Path, help="incidents: another folder of kinds of faults")
    add("--held-out", action="store_true", default=None, help="incidents: the sealed ones")
    add("--sources", action="store_true", default=None, help="incidents: each source away")
    add("--sample", type=int, help="mutants: how many")
    add("--each", type=int, help="mutants: how many at least of every file")
    add("--paths", nargs="+", help="mutants: files and folders to draw from")
    add("--tests", nargs="+", help="mutants: folders and files of the tests that may notice")
    add("--tree", type=Path, help="mutants: another tree than this one")
    add("--again", type=Path, help="mutants: the ones of an earlier run, from its file")
    add("--slow", action="store_true", default=None, help="mutants: slow tests may notice as well")
    add("--near", action="store_true", default=None, help="mutants: only tests beside the code")
    add("--jobs", type=int, help="mutants: how many at once")
    return parser


if __name__ == "__main__":
    sys.exit(main())
