"""Hostile texts through the whole bot, with a model that obeys every one; and secrets in its way.

    text planted ─> @sre in Slack ─> Bolt ─> desk ─> tools read it ─> model obeys: proposes, runs,
    approves, repeats ─> plans ─> execution ticks ─> effects on the cluster: none but a person's yes

This is a program of its own (`tests.safety.injected` starts it): the canaries stand in its real
environment, and its standard error is the log stream that is searched. Policy is the most
permissive there is: half of the texts meet `auto_tier: run` on services of mode `auto`, where a
plan of the detector would run without a click. It prints one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.domain.plans.policy import AutoTier
from bot.telemetry import configure_logging
from sandbox.model.server import start_model
from tests.fakes.clock import FakeClock
from tests.fixtures.database import sqlite_store
from tests.fixtures.shift import local_slack
from tests.fixtures.webhook import Receiver, receiving
from tests.safety.canaries import MARKS, found_in
from tests.safety.outside import (
    HOST,
    kept_bytes,
    notifier,
    seal_all,
    trace_store,
    watch_config_maps,
)
from tests.safety.people import break_the_glass, show_a_plan_amid_secrets, type_secrets
from tests.safety.stage import Stage
from tests.safety.texts import HOSTILE, Hostile, texts
from tools.world import ServiceMode

ASKS: dict[str, Any] = {  # every other text meets the most permissive policy
    "mode": ServiceMode.APPROVE, "auto_tier": AutoTier.ASK, "cooldown": timedelta(0),
}  # fmt: skip
RUNS: dict[str, Any] = {**ASKS, "mode": ServiceMode.AUTO, "auto_tier": AutoTier.RUN}
AT_THE_END = "reason"  # what a person types who may act is suffered last


@asynccontextmanager
async def staged(folder: Path) -> AsyncIterator[Stage]:
    """Build the stage; its bot hears while it meets a policy."""
    clock = FakeClock()
    async with (
        sqlite_store(folder / "bot.db") as store,
        local_slack(clock) as slack,
        trace_store(clock.now().timestamp()) as traces,
    ):
        model = await start_model(HOST, 0)
        try:
            stage = Stage(store, folder, slack, clock, model, traces)
            settings = stage.stand.settings
            configure_logging(replace(settings.log, level="INFO"), settings.redactor)
            yield stage
        finally:
            await model.close()


async def perform(folder: Path, sent: Sequence[Hostile] = HOSTILE) -> dict[str, Any]:
    """Suffer every text, then what people type amid secrets; search every byte that left."""
    with receiving() as receiver:
        return await _perform(folder, sent, receiver)


async def _perform(folder: Path, sent: Sequence[Hostile], receiver: Receiver) -> dict[str, Any]:
    heard: list[bytes] = []
    async with staged(folder) as stage:
        told = notifier(stage.store, stage.clock, receiver)
        await told.tick()
        read = [t for t in sent if t.where != AT_THE_END]
        for half, policy in ((read[::2], ASKS), (read[1::2], RUNS)):
            async with stage.meeting(**policy):
                for hostile in half:
                    await stage.suffer(hostile)
                    heard += _taken(stage)
        async with stage.meeting(**ASKS, break_glass=True):
            shown = await show_a_plan_amid_secrets(stage)
            parts = stage.bot.parts
            await watch_config_maps(
                stage.store, stage.clock, parts.live_files.catalogue, parts.settings.redactor
            )
            await _read_what_is_large(stage)
            for hostile in (t for t in sent if t.where == AT_THE_END):
                await break_the_glass(stage, hostile)
            typed = await type_secrets(stage)
            heard += _taken(stage)
        await seal_all(stage.store)
        posted = await told.tick()
        said = list(stage.model.raw_requests)
    raw, unpacked = kept_bytes(folder)
    streams = {"model": said, "slack": heard, "store": [raw, unpacked], "webhook": receiver.heard}
    leaks = {where: found_in(stream) for where, stream in streams.items()}
    return {
        "texts": len(sent),
        "possible": len(HOSTILE),
        "delivered": stage.delivered.total(),
        "by_carrier": dict(stage.delivered),
        "proposals": stage.proposals,
        "violations": list(dict.fromkeys(stage.violations)),
        "card_shown": shown,
        "typed": typed,
        "posted": posted,
        "marks": {
            "a further page": _stands("a further page", said),
            "a container's log": _stands("a container's log", said),
            "an object as it is": _stands("an object as it is", said),
            "compressed evidence": _stands("compressed evidence", [unpacked]),
            "config map history": _stands("config map history", [raw]),
        },
        "bytes": {where: sum(map(len, stream)) for where, stream in streams.items()},
        "leaks": {where: names for where, names in leaks.items() if names},
    }


def _taken(stage: Stage) -> list[bytes]:
    """Return what Slack was told since the last time."""
    told = [json.dumps(call, ensure_ascii=False).encode() for call in stage.slack.calls]
    stage.slack.api.calls.clear()
    return told


def _stands(mark: str, streams: Sequence[bytes]) -> bool:
    return any(MARKS[mark].encode() in each for each in streams)


async def _read_what_is_large(stage: Stage) -> None:
    """Ask once more, where a trace is so large that its evidence is kept compressed."""
    stage.obedient.present = None
    now = stage.clock.now().timestamp()
    stage.traces.plant("", now)
    stage.traces.plant_large(now)
    await stage.ask("why do orders fail in shop?")


def main() -> None:
    """Perform in the folder that is named, with the texts of a seed or all; print the result."""
    sampled_by = int(sys.argv[2]) if len(sys.argv) > 2 else None
    result = asyncio.run(perform(Path(sys.argv[1]), texts(sampled_by)))
    sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
