"""Judges mutants in forks of a pytest that has collected everything and is warm.

    pytest collects ──fork──> every test once, traced: line → tests, seconds
         │
         └─fork per mutant──> the one function that differs gets its new code ──> tests of its line

A new process loads libraries for seconds; a fork costs milliseconds. A mutant outside of functions
(a constant, a default) changes what importing does, and is left to whoever imports anew.

    python bench/mutant_judge.py JOB   in a copy of the tree; prints a line of JSON per mutant
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import threading
import time
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

NEAR = 12  # lines above that a part of a statement may begin at
CAP = 150  # tests of one mutant: the quickest, one of each function before a second of any
HANG, TIMES = 12, 10  # seconds of patience with a test, and times what it took before
Code = types.CodeType


def main(job_file: str) -> None:
    """Collect the tests of a job and judge its mutants."""
    job = json.loads(Path(job_file).read_text())
    sys.path[:] = [str(Path.cwd()), *sys.path[1:]]
    import pytest

    arguments = [
        "-q", "--no-header", "-s", "--no-cov", "--timeout=0", "-p", "no:cacheprovider",
        "-p", "no:xdist", "-W", "ignore::pytest.PytestAssertRewriteWarning",
        *([] if job["slow"] else ["-m", "not slow"]), *job["tests"],
    ]  # fmt: skip
    told = os.fdopen(os.dup(1), "w")
    _silence()
    os._exit(int(pytest.main(arguments, plugins=[_Judge(job, told)])))


@dataclass(eq=False)  # pytest keeps its plugins in a set
class _Judge:
    """The pytest plugin that runs mutants instead of tests."""

    job: dict[str, Any]
    told: Any
    seconds: dict[str, float] = field(default_factory=dict)
    reach: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    live: dict[int, tuple[str, float, int]] = field(default_factory=dict)

    def pytest_runtestloop(self, session: Any) -> bool:
        """Learn which tests reach which line, then judge."""
        if session.testsfailed:
            raise SystemExit("the tests cannot be collected")
        self._learn(session)
        items = {item.nodeid: item for item in session.items}
        functions = _functions()
        gc.collect()
        gc.freeze()
        for path, mutants in self.job["mutants"].items():
            source = (Path.cwd() / path).read_text(encoding="utf-8")
            for name, line, text in mutants:
                while len(self.live) >= self.job["jobs"]:
                    self._reap()
                self._start(session, items, functions, (name, path, line, source, text))
        while self.live:
            self._reap()
        return True

    # --- who reaches a line ---------------------------------------------------------------

    def _learn(self, session: Any) -> None:
        kept = Path(self.job["map"])
        if not kept.is_file():
            child = os.fork()
            if child == 0:
                self._trace(session, kept)
                os._exit(0)
            os.waitpid(child, 0)
        found = json.loads(kept.read_text())
        self.reach, self.seconds = found["reach"], found["seconds"]

    def _trace(self, session: Any, kept: Path) -> None:
        files = {str(Path.cwd() / path): path for path in self.job["mutants"]}
        hits: set[tuple[str, int]] = set()

        def line(frame: types.FrameType, event: str, _: object) -> Any:
            if event == "line":
                hits.add((frame.f_code.co_filename, frame.f_lineno))
            return line

        def call(frame: types.FrameType, _event: str, _: object) -> Any:
            if frame.f_code.co_filename not in files:
                return None
            hits.add((frame.f_code.co_filename, frame.f_lineno))
            return line

        threading.settrace(call)
        for item, following in _pairs(session.items):
            hits.clear()
            begun, failed = time.monotonic(), session.testsfailed
            sys.settrace(call)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            sys.settrace(None)
            good = session.testsfailed == failed
            self.seconds[item.nodeid] = time.monotonic() - begun if good else -1.0
            for file, number in hits:
                lines = self.reach.setdefault(files[file], {})
                lines.setdefault(str(number), []).append(item.nodeid)
        kept.write_text(json.dumps({"reach": self.reach, "seconds": self.seconds}))

    def _tests(self, path: str, line: int, first: int) -> list[str]:
        """Return the tests of a line of a function that begins at `first`."""
        lines = self.reach.get(path, {})
        near = range(line, max(line - NEAR, first - 1), -1)
        found = next((lines[str(each)] for each in near if str(each) in lines), [])
        good = sorted((t for t in found if self.seconds[t] >= 0), key=lambda t: self.seconds[t])
        return mixed(good)[:CAP]

    # --- one mutant -----------------------------------------------------------------------

    def _start(self, session: Any, items: dict[str, Any], functions: Any, of: Any) -> None:
        name, path, line, source, text = of
        file = str(Path.cwd() / path)
        pair = _differing(file, source, text)
        if pair is None:
            self._say(name, "elsewhere", "", 0.0)
            return
        old, new = pair
        tests = self._tests(path, line, old.co_firstlineno)
        found = functions.get((file, old.co_qualname, old.co_firstlineno), [])
        if not tests or not found:
            self._say(name, "unreached", "", 0.0)
            return
        reading, writing = os.pipe()
        child = os.fork()
        if child:
            os.close(writing)
            self.live[child] = name, time.monotonic(), reading
            return
        os.setsid()
        status = 2
        with contextlib.suppress(BaseException):
            for function in found:
                function.__code__ = new
            failed = self._run(session, [items[each] for each in tests])
            os.write(writing, failed.encode())
            status = 1 if failed else 0
        os._exit(status)

    def _run(self, session: Any, items: Sequence[Any]) -> str:
        """Run tests until one fails or hangs; returns that one."""
        before = session.testsfailed
        for item, following in _pairs(items):
            signal.alarm(int(HANG + TIMES * self.seconds[item.nodeid]))  # its default ends us
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed > before:
                return str(item.nodeid)
        return ""

    def _reap(self) -> None:
        child, status = os.wait()
        if child not in self.live:
            return
        name, begun, reading = self.live.pop(child)
        with os.fdopen(reading, encoding="utf-8") as pipe:
            by = pipe.read()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what its tests left
        said = "survived" if os.waitstatus_to_exitcode(status) == 0 else "killed"
        self._say(name, said, by, time.monotonic() - begun)

    def _say(self, name: str, said: str, by: str, seconds: float) -> None:
        row = {"mutant": name, "verdict": said, "by": by, "seconds": round(seconds, 1)}
        self.told.write(f"{json.dumps(row)}\n")
        self.told.flush()


def _pairs(items: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each test with the next; behind the last comes the first, so that nothing is ended."""
    yield from zip(items, [*items[1:], items[0]], strict=True)


def mixed(tests: Sequence[str]) -> list[str]:
    """Return tests so that each function comes once before any comes a second time."""
    cases: dict[str, list[str]] = {}
    for each in tests:
        cases.setdefault(each.partition("[")[0], []).append(each)
    depth = max(map(len, cases.values()), default=0)
    return [case[at] for at in range(depth) for case in cases.values() if at < len(case)]


def _functions() -> dict[tuple[str, str, int], list[types.FunctionType]]:
    """Return every living function by its file, name and line."""
    found: dict[tuple[str, str, int], list[types.FunctionType]] = {}
    gc.unfreeze()  # the suite froze what it had collected, and what is frozen is not listed
    for each in gc.get_objects():
        if isinstance(each, types.FunctionType):
            code = each.__code__
            key = code.co_filename, code.co_qualname, code.co_firstlineno
            found.setdefault(key, []).append(each)
    return found


def _differing(file: str, source: str, text: str) -> tuple[Code, Code] | None:
    """Return the code of the one outer function that differs, before and after; else None."""
    old, new = (list(_outer(compile(each, file, "exec"))) for each in (source, text))
    if len(old) != len(new):
        return None
    pairs = [(a, b) for a, b in zip(old, new, strict=True) if _essence(a) != _essence(b)]
    same = len(pairs) == 1 and pairs[0][0].co_freevars == pairs[0][1].co_freevars
    return pairs[0] if same else None


def _outer(code: Code) -> Iterator[Code]:
    """Yield the functions of a module and of its classes, without those inside functions."""
    for each in code.co_consts:
        if isinstance(each, Code):
            if not each.co_flags & 1:  # CO_OPTIMIZED: a function; a class's body is none
                yield from _outer(each)
            elif not each.co_name.startswith("<"):
                yield each


def _essence(code: Code) -> tuple[Any, ...]:
    """Return what code does, without where it stands."""
    constants = tuple(
        _essence(each) if isinstance(each, Code) else (type(each).__name__, repr(each))
        for each in code.co_consts
    )
    return code.co_code, code.co_names, code.co_varnames, code.co_exceptiontable, constants


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)


if __name__ == "__main__":
    main(sys.argv[1])
