"""Charts as private files: uploaded without a channel, shown by id inside a message.

Slack looks through a file after its upload is complete: until then the file has no media type, and
a message that shows it is refused. How long that takes Slack does not say. A chart is a decoration:
whatever goes wrong with it is reported, and the message is told without it.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from aiohttp import ClientError
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.failures import failure_of
from tools.errors import BackendError, NotFoundError

ASK_AGAIN_SECONDS = 0.5
CANNOT_ASK = frozenset({"missing_scope", "unknown_method", "not_allowed_token_type"})
# What may go wrong with a chart: Slack, the network, the store, an answer that lacks what it needs.
CHART_ERRORS = (
    SlackClientError, ClientError, BackendError, NotFoundError, OSError, TimeoutError,
    LookupError, TypeError, ValueError,
)  # fmt: skip


async def upload_chart(client: AsyncWebClient, png: bytes, name: str, alt_text: str) -> str:
    """Upload a PNG and return its file id. Raises what is in `CHART_ERRORS`."""
    answer: Any = await client.files_upload_v2(
        filename=f"{name}.png", content=png, title=alt_text[:200], alt_txt=alt_text[:1000]
    )
    return str(answer["files"][0]["id"])


async def is_usable(client: AsyncWebClient, file_id: str) -> bool:
    """Say whether a message may show a file; who may not ask tries it.

    Raises what is in `CHART_ERRORS`.
    """
    try:
        answer: Any = await client.files_info(file=file_id)
    except SlackApiError as error:
        if (
            failure_of(error).code in CANNOT_ASK
        ):  # an installation of before asked for no files:read
            return True
        raise
    return str(answer["file"].get("mimetype") or "").startswith("image/")


async def becomes_usable(client: AsyncWebClient, file_id: str, patience: timedelta) -> bool:
    """Wait for a file; False when it took longer. Raises what is in `CHART_ERRORS`."""
    try:
        async with asyncio.timeout(patience.total_seconds()):
            while not await is_usable(client, file_id):  # noqa: ASYNC110 - Slack tells nobody
                await asyncio.sleep(ASK_AGAIN_SECONDS)
    except TimeoutError:
        return False
    return True
