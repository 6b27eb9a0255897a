"""A local Slack and a client that shows each answer as it came."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from sandbox.clock import ManualClock
from sandbox.slack.manifest import BUILT_IN
from sandbox.slack.server import SlackServer, Timing, start_slack
from tests.patience import PATIENCE

Json = dict[str, Any]
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360f8ffff3f0005fe02fea735813d0000000049454e44ae426082"
)


@dataclass
class Api:
    server: SlackServer
    session: aiohttp.ClientSession

    async def __call__(self, method: str, token: str | None = None, /, **args: Any) -> Json:
        token = self.server.bot_token if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = self.server.api_url + method
        async with self.session.post(url, json=args, headers=headers) as answer:
            found: Json = await answer.json()
            return found

    async def page(self, path: str, **body: Any) -> Json:
        async with self.session.post(f"{self.server.url}/ui/{path}", json=body) as answer:
            found: Json = await answer.json()
            return found

    async def ask(self, path: str, **query: str) -> Json:
        async with self.session.get(f"{self.server.url}/ui/{path}", params=query) as answer:
            found: Json = await answer.json()
            return found


@asynccontextmanager
async def an_api(manifest: Json = BUILT_IN, **timing: Any) -> AsyncIterator[Api]:
    """Serve a local Slack; `timing` are fields of its Timing."""
    limits = {
        "ack_seconds": 0.2, "trigger_seconds": PATIENCE, "real_limits": False, **timing,
    }  # fmt: skip
    clock = ManualClock(1.79e9)
    server = await start_slack(clock=clock, manifest=manifest, timing=Timing(**limits))
    try:
        async with aiohttp.ClientSession() as session:
            yield Api(server, session)
    finally:
        await server.close()


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with an_api() as made:
        yield made
