"""A team's first hour: a fresh clone, an empty configuration, PROMETHEUS_URL and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.onboarding.judge import Proposal
from bench.onboarding.programs import Place
from foundation.yaml_file import read_yaml

ROOT = Path(__file__).parents[2]
LONGEST_SECONDS = 600.0


@dataclass(slots=True)
class Newcomer:
    """One clone and the store it is pointed at."""

    clone: Path
    store: str
    log: Path
    begun_ns: int = 0  # when init began: what is older is the clone's own

    def init(self) -> float:
        """Run init; return its seconds. SystemExit with its words when it fails."""
        self.begun_ns = time.time_ns()
        took, done = self._run("init")
        if done.returncode != 0:
            raise SystemExit(f"init failed ({done.returncode}): {done.stdout}{done.stderr}"[-3000:])
        return took

    def ask(self, question: str) -> tuple[Mapping[str, Any], float]:
        """Ask; return what `--json` prints, or why it failed, and the seconds."""
        took, done = self._run("ask", question, "--json")
        try:
            answer: Mapping[str, Any] = json.loads(done.stdout)
        except ValueError:
            answer = {"failed": (done.stderr or done.stdout).strip()[-400:]}
        return answer, took

    def proposals(self) -> list[Proposal]:
        """Return the metrics of the catalogue that init wrote."""
        read = read_yaml(self._written("metrics.yaml")).value or {}
        return [
            Proposal(
                name, str(each["query"]), str(each.get("unit", "")), str(each.get("role") or ""),
                str(each.get("group_by") or "service"),
            )
            for metrics in read.values()
            for name, each in metrics.items()
        ]  # fmt: skip

    def services(self) -> set[str]:
        """Return the services of the file that init wrote."""
        read = read_yaml(self._written("services.yaml")).value or {}
        return {str(each) for each in read.get("services", read)}

    def _written(self, name: str) -> Path:
        """Return the file that was written last, wherever init puts it."""
        found = [e for e in self.clone.rglob(name) if e.stat().st_mtime_ns >= self.begun_ns]
        if not found:
            raise SystemExit(f"init wrote no {name} below {self.clone}")
        return max(found, key=lambda each: each.stat().st_mtime_ns)

    def _run(self, *words: str) -> tuple[float, subprocess.CompletedProcess[str]]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
        env = {**kept, "HOME": str(self.clone.parent), "PROMETHEUS_URL": self.store}
        begun = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "bot", *words], cwd=self.clone, env=env, check=False,
            capture_output=True, text=True, timeout=LONGEST_SECONDS, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        took = time.perf_counter() - begun
        with self.log.open("a", encoding="utf-8") as log:
            log.write(f"$ {' '.join(words)}  ({took:.1f} s)\n{done.stdout}{done.stderr}\n")
        return took, done


def arrive(place: Place, name: str, store: str) -> Newcomer:
    """Clone the tree as it stands, uncommitted work too; catalogues of its own stay behind."""
    clone = place.room(f"clone-{name}")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    for each in filter(None, listed.split("\0")):
        source, goal = ROOT / each, clone / each
        if source.is_file() and not source.is_symlink():
            goal.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, goal)
    kept = ROOT / "var" / "onboarding-logs"
    kept.mkdir(parents=True, exist_ok=True)
    return Newcomer(clone, store, kept / f"{place.folder.name}-{name}.log")
