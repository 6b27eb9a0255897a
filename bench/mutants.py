"""Hundreds of small wrongs in what decides: how many of them does a test notice?

    tree ──copied──> the suite once, with contexts ──> line → tests that reach it
    sampled mutants ──one by one, in a copy──> those tests, the quickest first ──> killed | survived

The sample is drawn by a printed seed from all mutants of the named paths, and holds some of every
file. One that survives is argued in a file (`survivors.yaml`): why nobody could see it. More than
one in twenty alive, or one that nobody argued, is a missed aim.

Ids name no file, so that two trees can be compared: `--again FILE` takes those of an earlier run,
from the file that holds every verdict. A mutant is killed when a test fails, when nothing can be
imported any more, or when the tests do not end in twenty times their time; one that no test reaches
has survived.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Queue
from typing import Any

import yaml

from bench.mutations import Mutant, of_files
from bench.report import Aim, Report

ROOT = Path(__file__).parents[1]
PATHS = (
    "bot/domain", "bot/core/remediation", "tools/act", "bot/store/remediation",
    "bot/store/audit.py", "bot/store/audit_chain.py", "bot/store/audit_rows.py",
    "bot/store/anchors.py", "bot/store/adoption.py", "bot/store/store.py",
)  # fmt: skip
TESTS = (
    "tests/unit", "tests/contract", "tests/snapshot", "tests/property", "tests/safety",
    "tests/scenario",
)  # fmt: skip
SAMPLE, EACH, JOBS = 560, 4, 2
MOST = 0.05  # of all may survive
NEAR_TESTS = {  # where nobody has time to learn who reaches a line: the tests beside the code
    "tools/act": ("tests/unit/act",),
    "bot/store": (
        "tests/unit/store", "tests/contract/test_store_audit.py",
        "tests/contract/test_forged_audit.py", "tests/contract/test_store.py",
        "tests/contract/test_forged_approvals.py",
    ),
    "bot/core": ("tests/unit/decision",),
    "bot/domain": ("tests/unit/decision", "tests/unit/core"),
}  # fmt: skip
SOUND = ("tests/unit/decision/test_risk_policy_access.py", "tests/unit/act/test_effects.py")
ARGUED = "tests/safety/survivors.yaml"  # id → why nobody could see it
NEAR = 12  # lines above that a part of a statement may begin at
TIMES, LEAST = 20.0, 240.0  # patience: times what the tests took before, and at least so long
MAP = "mutants.json"  # line → tests, in the tree's own var/
AGED = count(1_000_000_000)  # Python takes a compiled file for fresh when seconds and size agree

Reach = dict[str, dict[str, list[str]]]  # file → line → tests


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said of one mutant."""

    mutant: str
    path: str
    line: int
    instead: str
    verdict: str  # killed | survived | unreached
    by: str  # the test that failed
    tests: int
    seconds: float

    def as_json(self) -> dict[str, object]:
        """Return what the file of verdicts holds."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done."""

    seed: int = 0
    sample: int = SAMPLE
    each: int = EACH  # of every file at least, where it has so many
    paths: Sequence[str] = PATHS
    tree: Path = ROOT
    tests: Sequence[str] = TESTS
    again: Path | None = None
    slow: bool = False  # the tests marked slow take part as well
    near: bool = False  # the tests beside the code alone, and no map: quick, and kind to nobody
    jobs: int = JOBS


def run(data: Path | None = None, **chosen: Any) -> Report:
    """Sample, apply, test; `data` is the folder that the verdicts are written to."""
    plan = Plan(**chosen)
    folder = data or plan.tree / "var"
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="mutants-") as scratch:
        first = _copied(plan.tree, Path(scratch) / "0")
        drawn, missing, known = _drawn(plan, dict(_sources(first, plan.paths)))
        _say(f"sampled {len(drawn)} of {known} mutants, seed {plan.seed}")
        reach, seconds = ({}, {}) if plan.near else _mapped(first, plan, folder)
        copies: Queue[Zygote] = Queue()
        for number in range(plan.jobs):
            copy = first if not number else _copied(plan.tree, Path(scratch) / str(number))
            copies.put(_sound(Zygote(copy), seconds))

        def judged(each: tuple[str, Mutant]) -> Verdict:
            lives = copies.get()
            try:
                verdict = _judged(lives, *each, reach, seconds)
            finally:
                copies.put(lives)
            _say(f"{verdict.verdict:9} {verdict.seconds:6.1f} s  {verdict.mutant}  {verdict.path}")
            return verdict

        with ThreadPoolExecutor(plan.jobs) as pool:
            verdicts = list(pool.map(judged, drawn))
        while not copies.empty():
            copies.get().close()
    written = folder / f"mutants-{plan.seed}.json"
    rows = [each.as_json() for each in verdicts]
    written.write_text(
        json.dumps({"seed": plan.seed, "missing": missing, "verdicts": rows}, indent=1)
    )
    return _report(plan, verdicts, missing, known, written)


def _report(
    plan: Plan, verdicts: list[Verdict], missing: list[str], known: int, written: Path
) -> Report:
    told = Counter(each.verdict for each in verdicts)
    alive = [each for each in verdicts if each.verdict != "killed"]
    argued = arguments(plan.tree / ARGUED)
    silent = [each for each in alive if each.mutant not in argued]
    return Report(
        bench="mutants",
        data=f"sampled {len(verdicts)} of {known}, seed {plan.seed}, of {', '.join(plan.paths)}",
        ours={
            **{name: float(told[name]) for name in ("killed", "survived", "unreached")},
            "mutants_survived_share": len(alive) / len(verdicts) if verdicts else math.nan,
            "survivors_without_argument": float(len(silent)),
        },
        peers={},
        aims={
            "mutants_survived_share": Aim(most=MOST),
            "survivors_without_argument": Aim.exactly(0),
        },
        notes=(
            *(
                f"{v.verdict}: {v.mutant}: {v.path}:{v.line} became {v.instead}: "
                f"{argued.get(v.mutant, 'nobody says why')}"
                for v in alive
            ),
            *(f"not in this tree: {each}" for each in missing),
            f"every verdict: {written}",
        ),
    )


def arguments(file: Path) -> dict[str, str]:
    """Return why nobody could see some mutants, by id."""
    if not file.is_file():
        return {}
    return {str(each["id"]): str(each["why"]) for each in yaml.safe_load(file.read_text()) or ()}


def _say(words: str) -> None:
    sys.stderr.write(f"{words}\n")
    sys.stderr.flush()


# --- the sample -------------------------------------------------------------------------------


def _copied(tree: Path, folder: Path) -> Path:
    """Copy a tree, so that nothing is ever changed in place."""
    unneeded = shutil.ignore_patterns(
        ".git", ".venv", "var", "__pycache__", ".*_cache", ".coverage*", ".hypothesis", "htmlcov"
    )
    shutil.copytree(tree, folder, ignore=unneeded, symlinks=True)
    return folder


def _sources(tree: Path, paths: Sequence[str]) -> Iterator[tuple[str, str]]:
    for name in paths:
        path = tree / name
        files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        if not files or not files[0].is_file():
            raise SystemExit(f"no Python source at {name!r} in {tree}")
        for file in files:
            yield str(file.relative_to(tree)), file.read_text(encoding="utf-8")


def _drawn(plan: Plan, files: dict[str, str]) -> tuple[list[tuple[str, Mutant]], list[str], int]:
    """Draw mutants by the seed, or find those of an earlier run.

    Returns them with those that are not there any more, and how many there are to draw from.
    """
    known = {mutant.id: (path, mutant) for path, mutant in of_files(files)}
    if plan.again is not None:
        wanted = [each["mutant"] for each in json.loads(plan.again.read_text())["verdicts"]]
        there = [known[i] for i in wanted if i in known]
        return there, [i for i in wanted if i not in known], len(known)
    ids, held = sorted(known), Counter[str]()
    random.Random(plan.seed).shuffle(ids)
    first: list[str] = []
    rest: list[str] = []
    for each in ids:
        path = known[each][0]
        (first if held[path] < plan.each else rest).append(each)
        held[path] += 1
    drawn = [*first, *rest][: max(plan.sample, len(first))]
    return [known[each] for each in drawn], [], len(known)


# --- who reaches a line -----------------------------------------------------------------------


def _mapped(copy: Path, plan: Plan, folder: Path) -> tuple[Reach, dict[str, float]]:
    """Run the tests once, or read what an earlier run of the same tree found."""
    kept = folder / MAP
    state = _state_of(copy, plan)
    if kept.is_file():
        found = json.loads(kept.read_text())
        if found["state"] == state:
            return found["reach"], found["seconds"]
    _say("no map yet: the tests run once, with contexts")
    begun = time.monotonic()
    report, targets = copy / "map.xml", sorted({path.split("/")[0] for path in plan.paths})
    command = [
        sys.executable, "-m", "pytest", *(each for each in plan.tests if (copy / each).exists()),
        "-q", "-p", "no:cacheprovider", "-n", str(plan.jobs), "--dist", "loadfile",
        *(f"--cov={target}" for target in targets), "--cov-branch", "--cov-context=test",
        "--cov-report=", f"--junitxml={report}", *([] if plan.slow else ["-m", "not slow"]),
    ]  # fmt: skip
    done = subprocess.run(
        command, cwd=copy, env=_environment(copy), capture_output=True, text=True, check=False
    )
    if done.returncode not in {0, 1}:
        raise SystemExit(f"the tests cannot be mapped: {done.stdout[-3000:]}{done.stderr[-2000:]}")
    reach, seconds = _reach_of(copy, plan.paths), _seconds_of(report)
    _say(f"mapped {len(seconds)} tests in {time.monotonic() - begun:.0f} s")
    kept.write_text(json.dumps({"state": state, "reach": reach, "seconds": seconds}))
    return reach, seconds


def _state_of(copy: Path, plan: Plan) -> str:
    """Return what a map depends on: every source and test, and what was asked."""
    digest = hashlib.sha256(f"{plan.slow} {sorted(plan.paths)} {sorted(plan.tests)}".encode())
    for file in sorted(copy.rglob("*.py")):
        digest.update(str(file.relative_to(copy)).encode() + file.read_bytes())
    return digest.hexdigest()


def _reach_of(copy: Path, paths: Sequence[str]) -> Reach:
    from coverage import CoverageData

    data = CoverageData(basename=str(copy / ".coverage"))
    data.read()
    reach: Reach = {}
    for file in data.measured_files():
        relative = str(Path(file).relative_to(copy)) if Path(file).is_absolute() else file
        if not relative.startswith(tuple(paths)):
            continue
        lines = data.contexts_by_lineno(file)
        reach[relative] = {
            str(line): sorted({c.rpartition("|")[0] for c in contexts if "|" in c})
            for line, contexts in lines.items()
        }
    return reach


def _seconds_of(report: Path) -> dict[str, float]:
    """Return how long each test took, by file and function; what failed has no place here."""
    found: dict[str, float] = {}
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314 - pytest wrote it
        where = (case.get("classname") or "").replace(".", "/")
        bad = case.find("failure") is not None or case.find("error") is not None
        found[f"{where}.py::{case.get('name')}"] = -1.0 if bad else float(case.get("time") or 0)
    return found


# --- one mutant -------------------------------------------------------------------------------


def _judged(
    lives: Zygote, path: str, mutant: Mutant, reach: Reach, seconds: dict[str, float]
) -> Verdict:
    begun = time.monotonic()
    if reach:
        near = _reaching(reach.get(path, {}), mutant.line)
        tests = [test for test in near if seconds.get(test, 0.0) >= 0]
        tests.sort(key=lambda each: (seconds.get(each, 0.0), each))
    else:
        tests = [t for part, beside in NEAR_TESTS.items() if path.startswith(part) for t in beside]

    def verdict(said: str, by: str = "") -> Verdict:
        took = round(time.monotonic() - begun, 1)
        return Verdict(mutant.id, path, mutant.line, mutant.instead, said, by, len(tests), took)

    if not tests:
        return verdict("unreached")
    file = lives.copy / path
    before = file.read_text(encoding="utf-8")
    _write(file, mutant.applied(before))
    patience = LEAST + TIMES * sum(seconds.get(each, 0.0) for each in tests)
    try:
        status, by = lives.tested(tests, patience)
    finally:
        _write(file, before)
    return verdict("survived" if status == 0 else "killed", by)


def _sound(lives: Zygote, seconds: dict[str, float]) -> Zygote:
    """Return it when good code is told as good: else every mutant would look killed."""
    quick = [test for test, took in sorted(seconds.items()) if 0 <= took < 1]
    good = quick[:: len(seconds) // 20] if quick else [*SOUND]
    status, by = lives.tested(good, LEAST)
    if status != 0:
        raise SystemExit(f"without any mutant the tests end with {status} {by}")
    return lives


def _reaching(lines: dict[str, list[str]], line: int) -> Iterable[str]:
    """Return the tests of a line; what runs at import alone is reached by all tests of the file."""
    for near in range(line, max(line - NEAR, 0), -1):
        if tests := lines.get(str(near)):
            return tests
    return {test for tests in lines.values() for test in tests}


def _write(file: Path, text: str) -> None:
    file.write_text(text, encoding="utf-8")
    at = next(AGED)
    os.utime(file, (at, at))


class Zygote:
    """A program that forks the tests of one copy of the tree."""

    def __init__(self, copy: Path) -> None:
        """Start it; it loads what all tests load."""
        self.copy = copy
        self._process: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("mutant_zygote.py"))],
            cwd=copy, env=_environment(copy), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def tested(self, tests: list[str], patience: float) -> tuple[int, str]:
        """Run tests until the first fails; returns pytest's status and that test."""
        named, out = self.copy / "tests.txt", self.copy / "tests.out"
        named.write_text("\n".join(tests), encoding="utf-8")
        arguments = [
            "-x", "-q", "--no-header", "--tb=no", "--no-cov", "-p", "no:cacheprovider",
            "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning", f"@{named}",
        ]  # fmt: skip
        job = {"copy": str(self.copy), "arguments": arguments, "out": str(out)}
        self._said(json.dumps(job))
        child = int(self._heard())
        late = threading.Timer(patience, _kill, [child])
        late.start()
        try:
            status = int(self._heard())
        finally:
            late.cancel()
            _kill(child)  # what the tests started and left
        lines = out.read_text(encoding="utf-8", errors="replace").splitlines()
        failed = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
        if status == -signal.SIGKILL:
            return 1, f"no end after {patience:.0f} s"
        return status, failed[0].split(" - ")[0] if failed else ""

    def close(self) -> None:
        """End it."""
        self._process.communicate()

    def _said(self, line: str) -> None:
        into = self._process.stdin
        if into is not None:
            into.write(f"{line}\n")
            into.flush()

    def _heard(self) -> str:
        line = self._process.stdout.readline() if self._process.stdout is not None else ""
        if not line:
            raise SystemExit("the program that forks the tests has ended")
        return line


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def _environment(copy: Path) -> dict[str, str]:
    """Return an environment in which the copy, and not this tree, is imported."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "SRE_AGENT_"))}
    return kept | {"PYTHONPATH": str(copy)}
