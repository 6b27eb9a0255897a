"""Start `tests.safety.injection` with the canaries in its environment; search its log too."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.safety.canaries import CANARIES, ENVIRONMENT, found_in

ROOT = Path(__file__).parents[2]
FOREIGN = ("SRE_", "SLACK_", "ANTHROPIC", "PROMETHEUS", "LOKI", "KUBE", "DATABASE", "AUDIT")


async def injected(folder: Path, sampled_by: int | None) -> dict[str, Any]:
    """Send hostile texts, a sample of them or all; returns what came of them, and what left."""
    place = folder / "injection"
    place.mkdir()
    env = {k: v for k, v in os.environ.items() if not k.startswith(FOREIGN)} | ENVIRONMENT
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.safety.injection", str(place),
        *(() if sampled_by is None else (str(sampled_by),)),
        cwd=ROOT, env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, log = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"the injection ended with {process.returncode}: {log.decode()[-2000:]}")
    found: dict[str, Any] = json.loads(out.splitlines()[-1])
    found["bytes"]["log"] = len(log)
    found["canaries"] = len(CANARIES)
    if names := found_in([log]):
        found["leaks"]["log"] = names
    return found
