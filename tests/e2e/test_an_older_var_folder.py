"""A var folder that commit 547c8bb left: this version starts on it, migrates and verifies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import pytest

from bot.domain.plans.plan import PlanStatus
from bot.store.store import open_store
from tests.fixtures.older_var import KEYRING, TOKENS, write_older_var

ROOT = Path(__file__).parents[2]
OURS = ("SLACK_", "ANTHROPIC", "SRE_AGENT_", "PROMETHEUS_", "LOKI_", "KUBE", "API_", "AUDIT_")
PATIENCE = 150.0  # only a hang lasts that long, on any machine

pytestmark = [pytest.mark.slow]


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    database = write_older_var(tmp_path / "var")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(OURS)}
    return kept | {
        "DATABASE_URL": f"sqlite+aiosqlite:///{database}",
        "KNOWLEDGE_URI": str(tmp_path / "knowledge"),
        "AUDIT_KEY_FILE": str(tmp_path / "var" / "audit.key"),
        "SRE_AGENT_AUDIT__ANCHOR__HEAD_FILE": str(tmp_path / "var" / "audit.anchor"),
        "API_PORT": "0",
        "API_LIVE_PORT": "0",
    }


async def bot(env: dict[str, str], *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *arguments,
        cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip


async def answer_of(env: dict[str, str], *arguments: str) -> tuple[int, str]:
    process = await bot(env, *arguments)
    out, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert process.returncode is not None
    return process.returncode, out.decode()


async def unclaimed(database: str) -> set[str]:
    """Return the plans that wait, are held, or are approved and not begun."""
    store = await open_store(database, KEYRING)
    try:
        async with store.begin() as tx:
            open_ones = (PlanStatus.WAITING, PlanStatus.HELD, PlanStatus.APPROVED)
            return {each.plan.id for each in await tx.plans.list(open_ones)}
    finally:
        await store.close()


async def test_it_starts_withdraws_what_nobody_can_prove_and_verifies(
    env: dict[str, str], tmp_path: Path
) -> None:
    running = await bot(env, "run")
    assert running.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE):
            async for line in running.stdout:
                if "bot.started" in line.decode():
                    break
            while True:
                if not await unclaimed(env["DATABASE_URL"]):
                    break
                await asyncio.sleep(0.25)
        running.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            assert await running.wait() == 0
    finally:
        if running.returncode is None:
            running.kill()
        await running.communicate()

    status, out = await answer_of(env, "audit", "verify", "--json")
    report = json.loads(out)
    assert (status, report["ok"]) == (0, True)
    assert (report["unsealed"], report["anchors"]) == (0, 1)  # sealed to the last row at its end
    _, out = await answer_of(env, "token", "list", "--json")
    tokens = {each["id"]: each for each in json.loads(out)["tokens"]}
    assert tokens.keys() == TOKENS.keys()
    assert {each["scope"] for each in tokens.values()} == {"ingest"}
    assert (tmp_path / "var" / "audit.anchor").stat().st_mode & 0o777 == 0o600
