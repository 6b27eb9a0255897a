"""What every test lives in.

    loopback only   a connection or name look-up beyond this machine fails the test that made it
    no public CA    whose certificates they signed is out of reach; a test's own authority is asked
    programs        a test marked needs_… or browser skips with its reason when one is absent
    any speed       no test fails because an example took long; timeouts guard against hanging alone
    nothing skipped with SRE_AGENT_REQUIRE_ALL=1 (CI) a skip turns the whole run red
    one run         what all processes of a run share, such as a PostgreSQL server, ends with it
    store           an empty database at the newest schema, a copy per test

Servers of a test listen on port 0 and are found by their printed or returned port.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import hypothesis
import pytest
import structlog

from tests.fixtures.postgres import stop_shared_server
from tests.fixtures.shared import begin_run, end_run

if TYPE_CHECKING:
    from bot.store.store import SqlStore

# ---------------------------------------------------------------------------- no verdict by speed

# A machine is slow, shared, and imports pandas in the first example only.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")

# A traceback with everybody's variables in a frame, structlog's default, takes seconds to draw.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
    ]
)

# ------------------------------------------------------------------------------- loopback only


class OutsideWorldError(AssertionError):
    """A test tried to leave this machine."""


_attempts: list[str] = []
_real_connect = socket.socket.connect
_real_connect_ex = socket.socket.connect_ex
_real_sendto = socket.socket.sendto
_real_getaddrinfo = socket.getaddrinfo
_LOCAL_NAMES = frozenset({"", "localhost", "localhost.localdomain", "ip6-localhost"})


def _is_local(host: object) -> bool:
    if host is None:
        return True
    name = host.decode() if isinstance(host, bytes) else str(host)
    if name in _LOCAL_NAMES or name == socket.gethostname():
        return True
    try:
        address = ipaddress.ip_address(name.split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _refuse(what: str) -> OutsideWorldError:
    _attempts.append(what)
    return OutsideWorldError(f"tests stay on this machine, but one tried {what}")


def _check(sock: socket.socket, address: Any) -> None:
    if sock.family in {socket.AF_INET, socket.AF_INET6} and not _is_local(address[0]):
        raise _refuse(f"to reach {address!r}")


def _connect(sock: socket.socket, address: Any) -> None:
    _check(sock, address)
    _real_connect(sock, address)


def _connect_ex(sock: socket.socket, address: Any) -> int:
    _check(sock, address)
    return _real_connect_ex(sock, address)


def _sendto(sock: socket.socket, *arguments: Any) -> int:
    _check(sock, arguments[-1])
    return _real_sendto(sock, *arguments)


def _getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    if not _is_local(host):
        raise _refuse(f"to look up {host!r}")
    return _real_getaddrinfo(host, *arguments, **options)


# ------------------------------------------------------------------------------- no public CA

# Each client reads some 140 authorities of the world, which takes longer than most tests. Whom they
# vouch for is beyond this machine. Nothing is trusted that was not: a context only knows fewer.
_real_locations = ssl.SSLContext.load_verify_locations


def _locations(context: ssl.SSLContext, cafile: Any = None, *more: Any, **named: Any) -> None:
    if cafile != certifi.where():
        _real_locations(context, cafile, *more, **named)


def _no_default_paths(context: ssl.SSLContext) -> None:
    """Know no authority of the system."""


def pytest_configure(config: pytest.Config) -> None:
    """Close the doors before any test module is imported."""
    config.stash[_BEGAN] = begin_run()
    socket.socket.connect = _connect  # type: ignore[method-assign, assignment]
    socket.socket.connect_ex = _connect_ex  # type: ignore[method-assign, assignment]
    socket.socket.sendto = _sendto  # type: ignore[method-assign, assignment]
    socket.getaddrinfo = _getaddrinfo
    ssl.SSLContext.load_verify_locations = _locations  # type: ignore[method-assign, assignment]
    ssl.SSLContext.set_default_verify_paths = (  # type: ignore[method-assign]
        _no_default_paths  # type: ignore[assignment]
    )
    for proxy in ("http_proxy", "https_proxy", "all_proxy"):
        os.environ.pop(proxy, None)
        os.environ.pop(proxy.upper(), None)


@pytest.fixture(autouse=True)
def loopback_only() -> Iterator[None]:
    """Fail the test that tried to leave, even where the code under test swallowed the refusal."""
    _attempts.clear()
    yield
    if _attempts:
        tried = "; ".join(dict.fromkeys(_attempts))
        _attempts.clear()
        pytest.fail(f"tests stay on this machine, but this one tried {tried}")


# ------------------------------------------------------------------------------- one run

_BEGAN = pytest.StashKey[bool]()


def pytest_unconfigure(config: pytest.Config) -> None:
    """End what all processes of this run shared; xdist's workers have ended before."""
    if config.stash.get(_BEGAN, False):
        stop_shared_server()
        end_run()


# ------------------------------------------------------------------------------- databases


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """A store on SQLite at the newest schema; a folder may ask for other databases."""
    from tests.fixtures.database import sqlite_store  # the doors are closed before we import ours

    async with sqlite_store(tmp_path / "sre-agent.db") as opened:
        yield opened


# ------------------------------------------------------------------------------- programs


def _missing() -> dict[str, str]:
    """Name, per marker, what is absent on this machine and how Debian calls it."""
    missing = {}
    if not (shutil.which("prometheus") and shutil.which("promtool")):
        missing["needs_prometheus"] = "prometheus is not installed (apt install prometheus)"
    if not shutil.which("prometheus-alertmanager"):
        missing["needs_alertmanager"] = (
            "Alertmanager is not installed (apt install prometheus-alertmanager)"
        )
    if not shutil.which("victoria-metrics"):
        missing["needs_victoriametrics"] = (
            "VictoriaMetrics is not installed (apt install victoria-metrics)"
        )
    if not (shutil.which("initdb") or any(Path("/usr/lib/postgresql").glob("*/bin/initdb"))):
        missing["needs_postgres"] = "PostgreSQL is not installed (apt install postgresql)"
    if not shutil.which("kubectl"):
        missing["needs_kubectl"] = "kubectl is not installed (apt install kubernetes-client)"
    if not shutil.which("chromium"):
        missing["browser"] = "Chromium is not installed (apt install chromium)"
    return missing


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what has no program to run against."""
    missing = _missing()
    for item in items:
        for marker, reason in missing.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.skip(reason=reason))


# ------------------------------------------------------------------------------- nothing skipped

_skipped: list[str] = []


def _everything_is_required() -> bool:
    return os.environ.get("SRE_AGENT_REQUIRE_ALL") == "1"


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        _skipped.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember what was skipped."""
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """Remember whole files that were skipped."""
    _note(report)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Turn the run red when everything was required and something was skipped."""
    if _skipped and _everything_is_required() and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say why the run is red."""
    if _skipped and _everything_is_required():
        terminalreporter.section("skipped, though SRE_AGENT_REQUIRE_ALL=1 allows none")
        for line in _skipped:
            terminalreporter.line(line)
