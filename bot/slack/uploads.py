"""Charts as private files: uploaded without a channel, shown by id inside a message."""

from __future__ import annotations

from typing import Any

from slack_sdk.web.async_client import AsyncWebClient


async def upload_chart(client: AsyncWebClient, png: bytes, name: str, alt_text: str) -> str:
    """Upload a PNG and return its file id. Raises what the Slack client raises."""
    answer: Any = await client.files_upload_v2(
        filename=f"{name}.png", content=png, title=alt_text[:200], alt_txt=alt_text[:1000]
    )
    return str(answer["files"][0]["id"])
