"""What is committed works elsewhere: no registry address, path of a machine or secret."""

import re
import subprocess

import pytest

from tests.architecture.source import ROOT
from tests.patience import PATIENCE

# written in pieces, so that this file does not find itself
REGISTRIES = re.compile(r"py[p]i\.org|python[h]osted|registry\.n[p]mjs|deb\.deb[i]an\.org")
MACHINE = re.compile(r"(?<![\w.}/$~-])/(roo[t]|wor[k]|far[m]|hom[e]/\w+)/")
SECRET = re.compile(r"xox[bp]-\d{8,}-|sk-an[t]-[a-z0-9]{8,}-|BEGIN [A-Z ]*PRIVATE KE[Y]")


def committed() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    names = listed.stdout.splitlines()
    if not names:
        names = [str(p.relative_to(ROOT)) for p in ROOT.rglob("*.*") if ".venv" not in p.parts]
    return [n for n in names if not n.endswith((".png", ".woff2", ".gz"))]


@pytest.mark.parametrize("pattern", [REGISTRIES, MACHINE, SECRET], ids=lambda p: p.pattern[:12])
def test_no_committed_line_belongs_to_one_machine(pattern: re.Pattern[str]) -> None:
    found = []
    for name in committed():
        file = ROOT / name
        if not file.is_file():
            continue
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()[:120]}")
    assert found == []


def test_requirements_are_pinned_hashed_and_name_no_index() -> None:
    for file in sorted((ROOT / "requirements").glob("*.txt")):
        entries = file.read_text().replace("\\\n", " ").splitlines()
        assert entries, file.name
        for entry in entries:
            assert re.match(r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+ .*--hash=sha256:", entry), entry
            assert "://" not in entry
            assert "--index" not in entry


def test_development_uses_the_very_versions_that_run() -> None:
    def pins(name: str) -> dict[str, str]:
        lines = (ROOT / "requirements" / name).read_text().splitlines()
        return dict(
            re.sub(r"\[.*\]", "", line.split()[0]).split("==")
            for line in lines
            if "==" in line[:60]
        )

    dev = pins("dev.txt")
    assert {n: v for n, v in pins("base.txt").items() if dev.get(n) != v} == {}
    assert dev["uv"] == pins("uv.txt")["uv"]
