"""How the suite runs, whatever it tests.

    longest first   slow files, by the time they ask for, then those of many tests: no worker ends
                    with a long file alone
    cheap coverage  measured where it is the purpose, with no trace inside SQLAlchemy's greenlets
    cheap memory    what is imported and collected is looked through for garbage no more
    seconds         per folder at the end of every run, so that growth is seen
    seed            of what a run samples: at its head and beside every failure

What every test lives in (no network, missing programs) stands in tests/conftest.py.
"""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests.seed import VARIABLE, seed

ROOT = Path(__file__).parent

# An example that takes long says that the machine is busy, not that a property is broken.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

# ------------------------------------------------------------------------------- longest first


def _weight(items: list[pytest.Item]) -> tuple[bool, float, int]:
    slow = any(item.get_closest_marker("slow") for item in items)
    # who asks for more time than others, such as a story that waits for minutes, begins at once
    asked = (mark for item in items for mark in item.iter_markers("timeout"))
    return slow, max((float(mark.args[0]) for mark in asked), default=0.0), len(items)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order whole files by weight for workers that take file after file; alone, leave the order."""
    if not (config.getoption("numprocesses", None) or hasattr(config, "workerinput")):
        return
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    ordered = sorted(files.values(), key=_weight, reverse=True)
    items[:] = [item for file in ordered for item in file]


# ------------------------------------------------------------------------------- cheap coverage

# Tracing makes Python twice as slow: one traced frame slows every library down. What these folders
# reach, unit and contract tests nearly all reach too; what they look for (an order of things, a
# kill, a whole story, a sender's habit, the text of our own files) no line count shows.
UNMEASURED = (
    "architecture", "e2e", "outside", "property", "safety", "scenario",
    "unit/decision",  # whole plans through a database: the slowest of all when traced
)  # fmt: skip
MEASURED_CASES = 2  # of one test function; what further parameters reach, these nearly always did


class _Measuring:
    """Coverage of this process, off while an unmeasured file runs."""

    def __init__(self, controller: Any) -> None:
        self._controller, self._on = controller, True

    def turn(self, *, on: bool) -> None:
        if on != self._on:
            self._on = on
            (self._controller.resume if on else self._controller.pause)()


_measuring: list[_Measuring] = []  # none: this run measures nothing
_cases: Counter[tuple[Path, str]] = Counter()  # run so far, of each test function


def _outside_of_greenlets() -> None:
    """Trace the event loop's code only.

    SQLAlchemy runs its engine in greenlets. coverage's own support for them looks the greenlet up
    at every line, which costs more than the tests themselves; here the trace is lifted at each
    switch into one and comes back with the loop.
    """
    import greenlet

    lifted: list[Any] = []

    def switched(_event: str, pair: tuple[Any, Any]) -> None:
        left, entered = pair
        if entered.parent is None:
            if lifted:
                sys.settrace(lifted.pop())
        elif left.parent is None and sys.gettrace() is not None:
            lifted[:] = [sys.gettrace()]
            sys.settrace(None)

    greenlet.settrace(switched)


def _purpose(path: Path) -> bool:
    """Say whether coverage is what a test file is for."""
    tests = ROOT / "tests"
    if not path.is_relative_to(tests):
        return False
    file = path.relative_to(tests).as_posix()
    return not file.startswith(tuple(f"{folder}/" for folder in UNMEASURED))


@pytest.hookimpl(trylast=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Find out whether this process measures coverage."""
    plugin = session.config.pluginmanager.getplugin("_cov")
    controller = getattr(plugin, "cov_controller", None)
    if controller is not None:
        _outside_of_greenlets()
        if not session.config.getoption("cov_context", None):  # who asks for contexts asks for all
            _measuring[:] = [_Measuring(controller)]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure set-up, test and tear-down, or none of them."""
    function = item.path, getattr(item, "originalname", item.name)
    _cases[function] += 1
    for measuring in _measuring:
        measuring.turn(on=_purpose(item.path) and _cases[function] <= MEASURED_CASES)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish() -> None:
    """Leave the measurement as its plugin expects it, and little for pytest to collect."""
    for measuring in _measuring:
        measuring.turn(on=True)
    gc.collect()  # whose complaints pytest hears, as of the five rounds that it makes later
    gc.freeze()


# ------------------------------------------------------------------------------- cheap memory


def pytest_collection_finish() -> None:
    """Leave what lives to the end anyway out of the collector's rounds: a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


# ------------------------------------------------------------------------------- seconds

_seconds: dict[str, float] = {}
_tests: Counter[str] = Counter()


def _folder(nodeid: str) -> str:
    """Return the folder of a test; below tests/unit the one that says of what."""
    parts = nodeid.partition("::")[0].split("/")[:-1]
    return "/".join(parts[:3] if parts[1:2] == ["unit"] else parts[:2])


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what set-up, test and tear-down took."""
    folder = _folder(report.nodeid)
    _seconds[folder] = _seconds.get(folder, 0.0) + report.duration
    _tests[folder] += report.when == "call"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the seconds of each folder, the longest first."""
    if len(_seconds) < 2 or hasattr(terminalreporter.config, "workerinput"):
        return
    terminalreporter.section("seconds per folder, all workers together")
    for folder, seconds in sorted(_seconds.items(), key=lambda each: -each[1]):
        terminalreporter.line(f"{seconds:8.1f}  {_tests[folder]:5}  {folder}")
    terminalreporter.line(f"{sum(_seconds.values()):8.1f}  {_tests.total():5}  in all")


# ------------------------------------------------------------------------------- seed


def pytest_report_header() -> str:
    """Say what repeats this run."""
    return f"what is sampled is drawn by {VARIABLE}={seed()}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say beside a failure what repeats it."""
    report = yield
    if report.failed:
        report.sections.append(("Seed of what is sampled", f"{VARIABLE}={seed()}"))
    return report
