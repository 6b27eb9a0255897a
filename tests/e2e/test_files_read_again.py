"""SIGHUP to a running bot: its files are read again, and a bad one keeps the good one serving."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.core.ports import AuditRow
from bot.domain.keyring import Keyring
from bot.store.store import open_store
from tests.fixtures.profile import METRICS, PLAYBOOKS
from tests.patience import PATIENCE

ROOT = Path(__file__).parents[2]
OURS = ("SLACK_", "ANTHROPIC", "SRE_AGENT_", "PROMETHEUS_", "LOKI_", "KUBE", "API_", "AUDIT_")

pytestmark = [pytest.mark.slow]


@dataclass
class Running:
    """A bot without any backend, and the metric catalogue it reads."""

    process: asyncio.subprocess.Process
    catalogue: Path
    database: str

    async def says(self, word: str) -> str:
        """Return the next line of its log that holds a word."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            async for line in self.process.stdout:
                if word in line.decode():
                    return line.decode()
        raise AssertionError(f"the bot ended without saying {word!r}")

    async def writes_down(self, kind: str) -> AuditRow:
        """Return the newest audit row of a kind, once there is one."""
        store = await open_store(self.database, Keyring(b"ab" * 32))
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    async with store.begin() as tx:
                        rows = [r for r in await tx.audit.tail(50) if r.event.kind == kind]
                    if rows:
                        return rows[-1]
                    await asyncio.sleep(0.1)
        finally:
            await store.close()


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    catalogue = tmp_path / "metrics.yaml"
    shutil.copy(METRICS, catalogue)
    broken = tmp_path / "playbooks"
    broken.mkdir()
    (broken / "broken.yaml").write_text("id: [", encoding="utf-8")
    database = f"sqlite+aiosqlite:///{tmp_path}/bot.db"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    env = kept | {
        "DATABASE_URL": database,
        "KNOWLEDGE_URI": str(tmp_path / "knowledge"),
        "AUDIT_KEY": "ab" * 32,
        "SRE_AGENT_AUDIT__ANCHOR__HEAD_FILE": str(tmp_path / "audit.anchor"),
        "API_PORT": "0",
        "API_LIVE_PORT": "0",
        "SRE_AGENT_PATHS__METRICS": str(catalogue),
        "SRE_AGENT_PATHS__PLAYBOOKS": json.dumps([str(PLAYBOOKS), str(broken)]),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run",
        cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    yield Running(process, catalogue, database)
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_a_running_bot_reads_its_files_again_and_keeps_the_good_ones(
    running: Running,
) -> None:
    refused = await running.says("playbook_refused")
    assert "broken.yaml:1:" in refused  # one bad playbook does not keep the bot from its start
    await running.says("bot.started")
    good = running.catalogue.read_text(encoding="utf-8")
    running.catalogue.write_text(good.replace("unit:", "unitt:", 1), encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    refused = await running.says("reload_refused")
    assert "unknown key 'unitt'. Did you mean 'unit'?" in refused

    changed = good.replace("description: ", "description: New words for ", 1)
    assert changed != good
    running.catalogue.write_text(changed, encoding="utf-8")
    running.process.send_signal(signal.SIGHUP)
    row = await running.writes_down("setting.changed")
    assert row.event.subject == "files"
    assert row.event.facts["metrics_changed"] == ["order_latency_p99"]

    running.process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(PATIENCE):
        assert await running.process.wait() == 0
