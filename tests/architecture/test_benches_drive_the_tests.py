"""A bench may drive what the tests stand on; no test leans on a bench but those of the benches."""

from tests.architecture.source import PACKAGES, ROOT, Source, imported_names, read, sources


def imported(source: Source) -> set[str]:
    """Return the top packages that a file imports, at its head or inside."""
    return {name.partition(".")[0] for _, name in imported_names(source)}


def test_no_test_imports_a_bench() -> None:
    files = [f for f in (ROOT / "tests").rglob("*.py") if "tests/unit/bench/" not in f.as_posix()]
    assert len(files) > 100
    assert [str(f) for f in files if "bench" in imported(read(f))] == []


def test_nothing_that_runs_imports_a_bench_or_a_test() -> None:
    assert [f.path for f in sources(*PACKAGES) if imported(f) & {"bench", "tests"}] == []
