"""Bad input at every door ends in one clear line: the wrong value, and what to do instead.

One wrong value per program is given to a process of its own, as people start it; so is whatever
makes `run` give up. The others are given to the same `main` in this process.
"""

import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from bot.__main__ import main as bot
from sandbox.__main__ import main as sandbox
from tests.fixtures.profile import CONFIG, METRICS, PLAYBOOKS

ROOT = Path(__file__).parents[2]
OURS = ("SLACK_", "ANTHROPIC", "SRE_AGENT_", "PROMETHEUS_", "LOKI_", "KUBE", "API_", "AUDIT_")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    return kept | {
        "DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/bot.db",
        "KNOWLEDGE_URI": str(tmp_path / "knowledge"),
        "AUDIT_KEY": "ab" * 32,
        "SRE_AGENT_AUDIT__ANCHOR__HEAD_FILE": str(tmp_path / "audit.anchor"),
        "API_PORT": "0",
        "API_LIVE_PORT": "0",
    }


@pytest.fixture
def taken() -> Iterator[int]:
    """Return a port on which somebody listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def the_line(status: int, err: str, expected: int) -> str:
    assert status == expected, err
    assert "Traceback" not in err
    said = [line for line in err.splitlines() if not line.startswith(("usage:", " "))]
    assert len(said) == 1, err
    return said[0]


def complaint(env: dict[str, str], *arguments: str, program: str = "bot", status: int = 1) -> str:
    """Run a program that must fail; returns the one line it says on stderr."""
    done = subprocess.run(
        [sys.executable, "-m", program, *arguments],
        cwd=ROOT, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return the_line(done.returncode, done.stderr, status)


Complains = Callable[..., str]


@pytest.fixture
def complains(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Complains]:
    """Return what runs a command that must fail in this process, and says what it said."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level

    def run(*arguments: str, program: Callable[[list[str]], int] = bot) -> str:
        for name in set(os.environ) - set(env):
            monkeypatch.delenv(name)
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(ROOT)
        capfd.readouterr()
        found = program(list(arguments))
        return the_line(found, capfd.readouterr().err, 1)

    yield run
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_program_says_it_as_its_main_does(env: dict[str, str], complains: Complains) -> None:
    env["DATABASE_URL"] = "nonsense"
    said = complaint(env, "audit", "verify")
    assert "DATABASE_URL cannot be read; write sqlite" in said
    assert complains("audit", "verify") == said


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SRE_AGENT_CLOCK", "tomorrow", "must be 'EPOCH,SPEED' .* got 'tomorrow'"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL cannot be read; write sqlite"),
        ("DATABASE_URL", "postgresql://u:pw@host:port/x", "DATABASE_URL cannot be read"),
        ("DATABASE_URL", "mysql://x/y", "'mysql'; use one of: postgres"),
        ("SLACK_BOT_TOKEN", "hello", "SLACK_BOT_TOKEN must be a bot token .*'xoxb-'"),
        ("SLACK_BOT_TOKEN_FILE", "no/such/file", "'no/such/file', which cannot be read"),
        ("SLACK_BOT_TOKEN_FILE", sys.executable, "it is not text"),
        ("SRE_AGENT_ANOMALY_DETECTION__ZSCORE_TRESHOLD", "3", "Did you mean 'zscore_threshold'"),
        ("SRE_AGENT_CONFIG", "no/such.yaml", "'no/such.yaml' cannot be read.*SRE_AGENT_CONFIG"),
        ("PROMETHEUS_URL", "localhost:9090", "http.s. address, got 'localhost:9090'"),
        ("API_PORT", "abc", "API_PORT must be a port number .* got 'abc'"),
    ],
)
def test_a_wrong_variable_is_named_with_its_value_and_what_is_right(
    env: dict[str, str], complains: Complains, name: str, value: str, words: str
) -> None:
    env[name] = value
    assert re.search(words, complains("audit", "verify"))


def test_an_app_token_of_another_kind_is_refused(env: dict[str, str], complains: Complains) -> None:
    env |= {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xoxb-1"}
    assert "SLACK_APP_TOKEN must be an app-level token" in complains("check-config")


def test_a_typo_in_a_playbook_is_named_at_every_door(
    env: dict[str, str], complains: Complains, tmp_path: Path
) -> None:
    good = (PLAYBOOKS / "pod-restart.yaml").read_text(encoding="utf-8")
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "mine.yaml").write_text(good.replace("action: pod_restart", "action: pod_restrat"))
    env["SRE_AGENT_PATHS__PLAYBOOKS"] = f'["{folder}"]'
    for said in (complains("check-config"), complains("playbooks", "lint", str(folder))):
        assert re.search(r"mine\.yaml:\d+:\d+: .*'pod_restrat'.*'pod_restart'", said)
    assert "'no/such'" in complains("playbooks", "lint", "no/such")


def test_a_typo_in_the_metric_catalogue_is_named_at_every_door(
    env: dict[str, str], complains: Complains, tmp_path: Path
) -> None:
    good = METRICS.read_text(encoding="utf-8")
    (tmp_path / "metrics.yaml").write_text(good.replace("query:", "qury:", 1), encoding="utf-8")
    env["SRE_AGENT_PATHS__METRICS"] = str(tmp_path / "metrics.yaml")
    for said in (complains("check-config"), complaint(env, "run")):
        assert re.search(r"metrics\.yaml:\d+:\d+: unknown key 'qury'. Did you mean 'query'", said)


def test_a_port_in_use_is_named_with_what_changes_it(
    env: dict[str, str], complains: Complains, taken: int, tmp_path: Path
) -> None:
    env["API_PORT"] = str(taken)
    env["SRE_AGENT_CONFIG"] = str(CONFIG)  # without a catalogue a bot warns of that first
    said = complaint(env, "run")
    assert str(taken) in said
    assert "API_PORT" in said
    free = [f"--{name}-port=0" for name in ("slack", "prometheus", "loki", "kubernetes")]
    for name in ("slack", "prometheus", "loki", "kubernetes"):
        ports = [p for p in free if name not in p] + [f"--{name}-port={taken}"]
        state = f"--state={tmp_path / name}"
        said = complains("up", state, *ports, program=sandbox)
        assert f"port {taken} ({name}) is in use" in said
        assert f"--{name}-port" in said


def test_a_port_that_is_none_is_wrong_usage(env: dict[str, str]) -> None:
    said = complaint(env, "up", "--slack-port=99999", program="sandbox", status=2)
    assert "'99999' is not a port" in said
