"""A bench may drive what the tests stand on; no test leans on a bench but those of the benches."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
OF_THE_BENCHES = ROOT / "tests" / "unit" / "bench"


def imported(file: Path) -> set[str]:
    """Return the top packages that a file imports, at its head or inside."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_no_test_imports_a_bench() -> None:
    files = [f for f in (ROOT / "tests").rglob("*.py") if not f.is_relative_to(OF_THE_BENCHES)]
    assert len(files) > 100
    assert [str(f.relative_to(ROOT)) for f in files if "bench" in imported(f)] == []


def test_nothing_that_runs_imports_a_bench_or_a_test() -> None:
    packages = ("bot", "tools", "knowledge", "playbooks", "prompts", "foundation", "sandbox")
    files = [f for package in packages for f in (ROOT / package).rglob("*.py")]
    guilty = [f for f in files if imported(f) & {"bench", "tests"}]
    assert [str(f.relative_to(ROOT)) for f in guilty] == []
