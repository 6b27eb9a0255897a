"""Hundreds of small wrongs in what decides: how many of them does a test notice?

    tree ──copied──> [bench.mutant_judge: tests once, traced; a fork per mutant in a function]
                         └ what is outside of functions ──> a new pytest each ──> killed | survived

The sample is drawn by a printed seed from all mutants of the named paths, and holds some of every
file. One that survives is argued in a file (`survivors*.yaml`): why nobody could see it. More than
one in twenty alive, or one that nobody argued, is a missed aim.

Ids name no file, so that two trees can be compared: `--again FILE` takes those of an earlier run,
from the file that holds every verdict. A mutant is killed when a test fails, when nothing can be
imported any more, or when the tests do not end in twenty times their time; one that no test reaches
has survived.
"""

from __future__ import annotations

import contextlib
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
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from queue import Queue
from typing import Any

import yaml

from bench.mutant_judge import CAP, mixed
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
ARGUED = "tests/safety/survivors*.yaml"  # id → why nobody could see it
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
        warm = _warm(first, drawn, plan, folder)
        cold = [each for each in drawn if warm[each[1].id]["verdict"] == "elsewhere"]
        reach, seconds = _map(folder / MAP)
        copies: Queue[Zygote] = Queue()
        for number in range(plan.jobs if cold else 0):
            copy = first if not number else _copied(plan.tree, Path(scratch) / str(number))
            copies.put(_sound(Zygote(copy), seconds))

        def judged(each: tuple[str, Mutant]) -> Verdict:
            path, mutant = each
            said = warm[mutant.id]
            if said["verdict"] != "elsewhere":
                told = said["verdict"], said["by"], said["seconds"]
                return Verdict(mutant.id, path, mutant.line, mutant.instead, *told)
            lives = copies.get()
            try:
                verdict = _judged(lives, path, mutant, reach, seconds)
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
    argued = arguments(plan.tree)
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


def arguments(tree: Path) -> dict[str, str]:
    """Return why nobody could see some mutants, by id."""
    rows = [row for file in tree.glob(ARGUED) for row in yaml.safe_load(file.read_text()) or ()]
    return {str(each["id"]): str(each["why"]) for each in rows}


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


# --- in forks of a warm pytest ----------------------------------------------------------------


def _warm(
    copy: Path, drawn: list[tuple[str, Mutant]], plan: Plan, folder: Path
) -> dict[str, dict[str, Any]]:
    """Judge what is inside of functions; returns what was said of each, by id."""
    sources = {path: (copy / path).read_text(encoding="utf-8") for path, _ in drawn}
    by_path: dict[str, list[tuple[str, int, str]]] = {path: [] for path in sources}
    for path, mutant in drawn:
        by_path[path].append((mutant.id, mutant.line, mutant.applied(sources[path])))
    tests = {t for beside in NEAR_TESTS.values() for t in beside} if plan.near else plan.tests
    job = {
        "mutants": by_path, "jobs": plan.jobs, "slow": plan.slow, "map": str(folder / MAP),
        "tests": [each for each in sorted(tests) if (copy / each).exists()],
    }  # fmt: skip
    file, begun = copy / "job.json", time.monotonic()
    file.write_text(json.dumps(job), encoding="utf-8")
    (folder / MAP).unlink(missing_ok=True)
    said: dict[str, dict[str, Any]] = {}
    with subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("mutant_judge.py")), str(file)],
        cwd=copy, env=_environment(copy), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        text=True,
    ) as judge:  # fmt: skip
        for line in judge.stdout or ():
            row = json.loads(line)
            said[row["mutant"]] = row
            if row["verdict"] != "elsewhere":
                _say(f"{row['verdict']:9} {row['seconds']:6.1f} s  {row['mutant']}")
    if judge.returncode != 0 or len(said) < len({mutant.id for _, mutant in drawn}):
        raise SystemExit(f"the judge ended with {judge.returncode}: its tests cannot be collected")
    _say(f"{len(said)} mutants in {time.monotonic() - begun:.0f} s")
    return said


def _map(file: Path) -> tuple[Reach, dict[str, float]]:
    """Return which tests reach a line, and how long each takes; -1 for those that fail anyway."""
    found = json.loads(file.read_text())
    return found["reach"], found["seconds"]


# --- one mutant -------------------------------------------------------------------------------


def _judged(
    lives: Zygote, path: str, mutant: Mutant, reach: Reach, seconds: dict[str, float]
) -> Verdict:
    begun = time.monotonic()
    near = {test for tests in reach.get(path, {}).values() for test in tests}
    tests = sorted((t for t in near if seconds[t] >= 0), key=lambda each: (seconds[each], each))
    tests = mixed(tests)[:CAP]

    def verdict(said: str, by: str = "") -> Verdict:
        took = round(time.monotonic() - begun, 1)
        return Verdict(mutant.id, path, mutant.line, mutant.instead, said, by, took)

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
    good = quick[:: max(1, len(quick) // 20)]
    status, by = lives.tested(good, LEAST)
    if status != 0:
        raise SystemExit(f"without any mutant the tests end with {status} {by}")
    return lives


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
