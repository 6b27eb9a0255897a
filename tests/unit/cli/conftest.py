"""The commands as on a machine where nothing is configured."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from tests.fixtures.profile import CONFIG

ROOT = Path(__file__).parents[3]
SILENT = (
    "SLACK_BOT_TOKEN", "ANTHROPIC_API_KEY", "PROMETHEUS_URL", "LOKI_URL", "KUBECONFIG",
    "KUBECONFIG_ACT", "K8S_IN_CLUSTER", "AUDIT_KEY_FILE", "SRE_AGENT_CONFIG", "SRE_AGENT_CLOCK",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SILENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DATABASE_URL", f"sqlite+aiosqlite:///{tmp_path}/sre-agent.db")
    monkeypatch.setenv("KNOWLEDGE_URI", str(tmp_path / "knowledge"))
    monkeypatch.setenv("AUDIT_KEY", "ab" * 32)
    monkeypatch.setenv("SRE_AGENT_AUDIT__ANCHOR__HEAD_FILE", str(tmp_path / "audit.anchor"))


@pytest.fixture
def trading(monkeypatch: pytest.MonkeyPatch) -> None:
    """Describe the platform that the sandbox simulates."""
    monkeypatch.setenv("SRE_AGENT_CONFIG", str(CONFIG))


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """A command sets up logging for the process; the next test finds it as it was."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    structlog.configure(**before)
    root.handlers[:] = handlers
    root.setLevel(level)
