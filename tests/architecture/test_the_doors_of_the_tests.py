"""The walls that tests/conftest.py puts around every test."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.patience import PATIENCE

CONFTEST = Path(__file__).parents[1] / "conftest.py"


def run_pytest(folder: Path, source: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `source` as a test file of its own beside a copy of our conftest."""
    (folder / "conftest.py").write_text(CONFTEST.read_text())
    ours = f"[pytest]\npythonpath = {CONFTEST.parents[1]}\nmarkers =\n  browser: x\n"
    (folder / "pytest.ini").write_text(ours)
    (folder / "test_it.py").write_text(source)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV_", "SRE_AGENT_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", ".", "."],
        cwd=folder, env={**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def test_a_connection_beyond_this_machine_fails_the_test_even_if_the_code_swallows_it(
    tmp_path: Path,
) -> None:
    done = run_pytest(
        tmp_path,
        "import socket\n"
        "def test_swallows():\n"
        "    try:\n"
        "        socket.create_connection(('192.0.2.1', 443), timeout=0.1)\n"
        "    except BaseException:\n"
        "        pass\n",
    )
    assert done.returncode == 1
    assert "192.0.2.1" in done.stdout


def test_a_name_beyond_this_machine_is_not_looked_up(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        "import socket\ndef test_asks():\n    socket.getaddrinfo('slack.example', 443)\n",
    )
    assert done.returncode == 1
    assert "tests stay on this machine, but one tried to look up 'slack.example'" in done.stdout


def test_loopback_and_unix_sockets_stay_open(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1]), timeout=5).close()
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server, socket.socket(socket.AF_UNIX) as client:
        server.bind(path)
        server.listen()
        client.connect(path)


@pytest.mark.parametrize(("required", "status"), [("0", 0), ("1", 1)])
def test_a_skip_is_red_only_where_everything_is_required(
    tmp_path: Path, required: str, status: int
) -> None:
    done = run_pytest(
        tmp_path,
        "import pytest\ndef test_runs(): pass\ndef test_skips(): pytest.skip('no such program')\n",
        SRE_AGENT_REQUIRE_ALL=required,
    )
    assert done.returncode == status
    assert ("no such program" in done.stdout) is (required == "1")


def test_a_test_that_needs_a_missing_program_skips_with_its_debian_name(tmp_path: Path) -> None:
    done = run_pytest(
        tmp_path,
        "import pytest\n@pytest.mark.browser\ndef test_looks(): raise AssertionError\n",
        PATH=str(tmp_path), SRE_AGENT_REQUIRE_ALL="1",
    )  # fmt: skip
    assert done.returncode == 1
    assert "apt install chromium" in done.stdout
