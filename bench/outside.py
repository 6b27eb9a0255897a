"""The outside as it is: by sender, how many of its public troubles we take right.

    tests/outside/test_<sender>[_….py] ──pytest──> JUnit's XML ──> tried, right, wrong

Each case is an input that went wrong for somebody in public, with its source in the file that holds
it. The aim is that none goes wrong; one that could not be tried (a program is missing) is neither.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

from bench.report import Aim, Report

ROOT = Path(__file__).parents[1]
CASES = "tests/outside"
LONGEST_SECONDS = 900.0


def run(_: Path | None) -> Report:
    """Try every case once."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "cases.xml"
        command = [sys.executable, "-m", "pytest", CASES, "-q", "-n", "0", f"--junitxml={told}"]
        done = subprocess.run(
            command, cwd=ROOT, check=False, timeout=LONGEST_SECONDS, capture_output=True, text=True
        )
        if not told.is_file():
            raise SystemExit(f"the cases could not be tried: {done.stdout}{done.stderr}")
        counted, wrong = _count(ET.parse(told).getroot())  # noqa: S314 - our own pytest wrote it
    whole = {
        name: sum(row[name] for row in counted.values()) for name in ("tried", "right", "wrong")
    }
    return Report(
        bench="outside",
        data=f"{CASES}, sources in each file",
        ours=whole,
        peers={},
        aims={"wrong": Aim.exactly(0)},
        details=counted,
        notes=tuple(f"wrong: {name}" for name in wrong),
    )


def _count(tree: ET.Element) -> tuple[dict[str, dict[str, float]], list[str]]:
    counted: dict[str, dict[str, float]] = defaultdict(lambda: {"tried": 0, "right": 0, "wrong": 0})
    wrong: list[str] = []
    for case in tree.iter("testcase"):
        sender = (
            case.get("classname", "").rpartition(".")[2].removeprefix("test_").partition("_")[0]
        )
        if case.find("skipped") is not None:
            continue
        failed = case.find("failure") is not None or case.find("error") is not None
        counted[sender]["tried"] += 1
        counted[sender]["wrong" if failed else "right"] += 1
        wrong += [f"{sender}: {case.get('name', '')}"] if failed else []
    return dict(sorted(counted.items())), wrong
