"""One reader of the environment, one of the clock, no mocks, no naps, no swallowed errors."""

import ast
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable

import pytest

from tests.architecture.source import (
    OURS,
    PACKAGES,
    ROOT,
    Source,
    functions,
    imported_names,
    sources,
    uses,
)
from tests.patience import PATIENCE

ENVIRONMENT = frozenset({"os.environ", "os.getenv", "os.environb", "os.putenv"})
ENVIRONMENT_READERS = {
    "bot/settings/environment.py": "what it reads and config.yaml become one frozen Settings",
    "bot/workers.py": "writes, reads nothing: one thread per worker, before numpy is loaded there",
    "sandbox/__main__.py": "starts the bot as a child with the environment it prints",
}

# time.monotonic and perf_counter measure how long something took; they do not say what time it is.
CLOCK = frozenset(
    {
        "time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today",
        "date.today", "time.localtime", "time.gmtime",
    }
)  # fmt: skip
CLOCK_READERS = {
    "bot/clock.py": "the real clock and the sandbox's faster one",
    "sandbox/clock.py": "the same definition, written apart: the sandbox imports none of ours",
}

# A set of background tasks is a KeyedTasks; what is awaited where it is started may stand alone.
TASKS = frozenset({"asyncio.create_task", "asyncio.ensure_future"})
TASK_STARTERS = {
    "bot/core/shared/keyed_tasks.py": "background tasks by key: kept, reported, drained",
    "bot/core/investigation/desk.py": "the heartbeat of a run, cancelled where the run ends",
    "bot/slack/inbox.py": "the renewal of an item's lease, cancelled where its work ends",
    "bot/slack/app.py": "the one connection, awaited by whoever waits for it",
    "bot/api/server.py": "the one server, awaited where it is closed",
    "bot/composition/watchdog.py": "its visit to the database, which may be past waiting for",
    "bot/composition/process.py": "the warming of workers, cancelled where the bot stops",
    "foundation/together.py": "questions asked at once, given up together",
    "tools/fleet.py": "questions to each instance, gathered where they are asked",
}

# A broad except belongs to an outer boundary and reports what it caught; the line says why as well.
BROAD_EXCEPT: dict[str, str] = {
    "bot/core/shared/isolation.py": "one part that crashes is named, and the rest is told",
    "bot/core/shared/announcing.py": "a subscriber that fails costs nobody but itself",
    "bot/core/detection/judging.py": "one service that cannot be judged is named",
    "bot/core/upkeep/doctor.py": "whatever fails is a row of the doctor's report",
    "bot/core/remediation/running/execution.py": "one plan's drive; its row is taken over",
    "bot/core/investigation/desk.py": "whatever fails at the model, the investigator answers",
    "bot/composition/watchdog.py": "a failed visit, and the thread's end: both told",
    "bot/core/investigation/recorder.py": "a tool that crashes is a gap of the answer, not its end",
    "bot/core/investigation/run_queue.py": "a background run; the desk told its row and thread",
    "bot/scheduler.py": "a job that fails is told and stops no other",
    "bot/slack/front_door.py": "a listener that fails is told to its person; the rest is heard",
    "bot/slack/inbox.py": "a listener that fails is told to its person; the loop goes on hearing",
    "bot/slack/listeners/room.py": "a background run; the desk told its row and thread",
    "bot/slack/delivery/outbox.py": "the loop that posts goes on posting",
    "tools/extensions.py": "a team's own module may fail in any way; the error names its line",
}

# One subject each, so that cutting them would only scatter it.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}


def places(found: Iterable[tuple[Source, int, str]], allowed: Iterable[str]) -> list[str]:
    return [f"{s.path}:{line} {what}" for s, line, what in found if s.path not in set(allowed)]


def test_only_the_settings_read_the_environment() -> None:
    found = [(s, line, n) for s in sources(*PACKAGES) for line, n in uses(s, ENVIRONMENT)]
    assert places(found, ENVIRONMENT_READERS) == []


def test_only_the_clock_modules_read_the_time() -> None:
    found = [(s, line, n) for s in sources(*PACKAGES) for line, n in uses(s, CLOCK)]
    assert places(found, CLOCK_READERS) == []


def test_background_tasks_are_kept_by_one_helper() -> None:
    found = [(s, line, n) for s in sources(*OURS) for line, n in uses(s, TASKS)]
    assert places(found, TASK_STARTERS) == []
    assert set(TASK_STARTERS) == {source.path for source, _, _ in found}


def doubles(source: Source) -> Iterable[int]:
    """Yield the lines where a wait could grow: two to the power of something that is counted."""
    for node in source.nodes:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow | ast.LShift):
            counted = any(isinstance(part, ast.Name) for part in ast.walk(node.right))
            base = 2 if isinstance(node.op, ast.Pow) else 1
            if counted and isinstance(node.left, ast.Constant) and node.left.value == base:
                yield node.lineno


def test_waits_grow_in_one_place() -> None:
    found = [(s, line, "doubles") for s in sources(*OURS) for line in doubles(s)]
    assert places(found, {"foundation/retries.py"}) == []
    assert [source.path for source, _, _ in found] == ["foundation/retries.py"]


def test_tests_use_fakes_and_never_mocks() -> None:
    found = [
        (source, line, name)
        for source in sources(*PACKAGES, "tests")
        for line, name in imported_names(source)
        if name.startswith(("unittest.mock", "pytest_mock", "mock."))
    ]
    assert places(found, ()) == []


def test_nothing_waits_by_sleeping() -> None:
    naps = frozenset({"time.sleep"})
    found = [(s, line, n) for s in sources(*PACKAGES, "tests") for line, n in uses(s, naps)]
    assert places(found, ()) == []


def broad_handlers(source: Source) -> list[ast.ExceptHandler]:
    broad = {"Exception", "BaseException"}
    handlers = [n for n in source.nodes if isinstance(n, ast.ExceptHandler)]
    return [
        handler
        for handler in handlers
        if handler.type is None
        or any(isinstance(n, ast.Name) and n.id in broad for n in ast.walk(handler.type))
    ]


def reraises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(n, ast.Raise) and n.exc is None for n in ast.walk(handler))


def test_broad_excepts_stand_only_at_outer_boundaries() -> None:
    found = [
        (source, handler.lineno, "catches everything")
        for source in sources(*PACKAGES)
        for handler in broad_handlers(source)
        if not reraises(handler)
    ]
    assert places(found, BROAD_EXCEPT) == []


# ruff lets a handler pass that logs the exception itself; every other one needs its noqa.
WHY = r"(noqa: BLE001 - )?\S.{9,}"


def test_every_broad_except_says_why_on_its_line() -> None:
    silent = [
        f"{source.path}:{handler.lineno}"
        for source in sources(*PACKAGES)
        for handler in broad_handlers(source)
        if not reraises(handler) and not re.fullmatch(WHY, source.comment_of(handler.lineno))
    ]
    assert silent == []


def test_the_allow_lists_name_only_files_that_need_them() -> None:
    broad = {s.path for s in sources(*PACKAGES) if any(not reraises(h) for h in broad_handlers(s))}
    assert set(BROAD_EXCEPT) <= broad
    long = {s.path for s in sources(*PACKAGES) if s.lines > 500}
    assert set(LONG_FILES) <= long


HEAVY = (
    "anthropic", "lancedb", "matplotlib", "pandas", "prophet", "pyarrow", "scipy",
    "sentence_transformers", "sklearn", "statsmodels", "torch",
)  # fmt: skip


@pytest.mark.parametrize("package", OURS)
def test_importing_a_package_is_silent_and_cheap(package: str) -> None:
    modules = [
        s.path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        for s in sources(package)
        if "/migrations/" not in s.path and not s.path.endswith("__main__.py")
    ]
    program = (
        "import importlib, sys, threading\n"
        f"for name in {modules!r}: importlib.import_module(name)\n"
        f"heavy = sorted(set({HEAVY!r}) & set(sys.modules))\n"
        "print('heavy:', heavy) if heavy else None\n"
        "print('threads:', threading.enumerate()) if threading.active_count() > 1 else None\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_files_and_functions_stay_readable() -> None:
    """Most files below 300 lines; above 400 only with one subject; functions fit on a screen."""
    everything = [s for s in sources(*PACKAGES) if "/migrations/" not in s.path]
    lengths = Counter({source.path: source.lines for source in everything})
    long_functions = {
        f"{source.path}:{line} {name}": length
        for source in everything
        for name, line, length in functions(source)
        if length > 80 and f"{source.path}:{name}" not in LONG_FUNCTIONS
    }
    too_long = {p: n for p, n in lengths.items() if n > 500 and p not in LONG_FILES}
    assert too_long == {}
    assert sum(n <= 300 for n in lengths.values()) >= 0.85 * len(lengths)
    assert long_functions == {}
