"""A program that has loaded what every test loads, and forks a pytest for each job.

    {"copy": folder, "arguments": […], "out": file}  ──fork──> pytest in that folder
    prints the child's process number, then its exit status

Loading the libraries takes longer than most tests. Nothing of the tree under test is loaded here:
each child imports it anew, with its mutant.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import sys
import traceback
from pathlib import Path

LOADED = (
    "numpy", "pandas", "sqlalchemy.ext.asyncio", "sqlmodel", "alembic.command", "aiosqlite",
    "asyncpg", "fastapi", "uvicorn", "httpx", "aiohttp.web", "slack_sdk.web.async_client",
    "slack_bolt.async_app", "kubernetes.aio.client", "structlog", "pydantic", "yaml", "jinja2",
    "rich.console", "typer", "scipy.stats", "sklearn.ensemble", "prometheus_client", "pytest",
)  # fmt: skip


def main() -> None:
    """Serve jobs from standard input until it ends."""
    for name in LOADED if Path("bot").is_dir() else ():  # of another tree nobody knows it
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    here = Path(__file__).resolve().parent
    sys.path[:] = [each for each in sys.path if Path(each).resolve() != here]
    for line in sys.stdin:
        job = json.loads(line)
        child = os.fork()
        if child == 0:
            _test(job["copy"], job["arguments"], job["out"])
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _test(copy: str, arguments: list[str], out: str) -> None:
    """Run pytest in a folder, in a session of its own, and end."""
    os.setsid()
    os.chdir(copy)
    kept = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(kept, stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ["PYTHONPATH"] = copy
    sys.path.insert(0, copy)
    import pytest

    status = 1
    try:
        status = int(pytest.main(arguments))
    except Exception:  # noqa: BLE001 - the child's end: whoever reads its output should see
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    main()
