"""An uploaded file of the local Slack is looked through before anybody can see it, as in Slack."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from sandbox.slack.chat.people import INCIDENTS
from sandbox.slack.server import LIKE_SLACK
from tests.unit.sandbox_slack.conftest import PNG, Api, Json, an_api

NEVER = 1e9


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with an_api(file_seconds=NEVER) as made:
        yield made


def picture(file: str) -> Json:
    return {"type": "image", "alt_text": "p99", "slack_file": {"id": file}}


async def upload(api: Api, **place: Any) -> Json:
    promised = await api("files.getUploadURLExternal", filename="p99.png", length=len(PNG))
    async with api.session.post(promised["upload_url"], data=PNG) as answer:
        assert answer.status == 200
    done = await api("files.completeUploadExternal", files=[{"id": promised["file_id"]}], **place)
    file: Json = done["files"][0]
    return file


def test_files_are_late_unless_somebody_says_otherwise() -> None:
    assert LIKE_SLACK.file_seconds > 0


async def test_a_file_tells_what_it_is_only_after_it_was_looked_through(api: Api) -> None:
    file = await upload(api)
    early = (await api("files.info", file=file["id"]))["file"]
    assert file == early
    assert {early[key] for key in ("mimetype", "filetype", "pretty_type")} == {""}
    assert (early["shares"], early["file_access"], early["media_display_type"]) == (
        {}, "visible", "unknown",
    )  # fmt: skip
    assert "thumb_360" not in early
    api.server.parts.files.look_through()
    late = (await api("files.info", file=file["id"]))["file"]
    assert (late["mimetype"], late["filetype"], late["media_display_type"]) == (
        "image/png", "png", "image",
    )  # fmt: skip
    assert late["thumb_360"]


async def test_a_message_with_a_late_file_is_refused_and_later_taken(api: Api) -> None:
    file = await upload(api)
    block = picture(file["id"])
    early = await api("chat.postMessage", channel=INCIDENTS, text="t", blocks=[block])
    assert (early["error"], early["errors"]) == (
        "invalid_blocks", ["invalid slack file [json-pointer:/blocks/0/slack_file]"],
    )  # fmt: skip
    api.server.parts.files.look_through()
    assert (await api("chat.postMessage", channel=INCIDENTS, text="t", blocks=[block]))["ok"]


async def test_a_file_comes_into_its_channel_when_it_was_looked_through(api: Api) -> None:
    file = await upload(api, channel_id=INCIDENTS, initial_comment="here")
    assert api.server.messages("#incidents") == []
    api.server.parts.files.look_through()
    (message,) = api.server.messages("#incidents")
    shown = (await api("files.info", file=file["id"]))["file"]
    assert [message["text"], message["files"][0]["mimetype"]] == ["here", "image/png"]
    assert shown["channels"] == [INCIDENTS]
    assert shown["shares"]["public"][INCIDENTS][0]["ts"] == message["ts"]


async def test_a_file_is_looked_through_by_itself_after_a_while() -> None:
    async with an_api(file_seconds=0.01) as api:
        file = await upload(api, channel_id=INCIDENTS)
        await api.server.wait_for(lambda: api.server.messages("#incidents"))
        shown = (await api("files.info", file=file["id"]))["file"]
    assert shown["mimetype"] == "image/png"


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ({"id": "F404"}, "input must match regex pattern: ^[F][A-Z0-9]{8,}$"),
        ({"id": "F0NOBODYKNOWS"}, "invalid slack file"),
        ({"url": "https://files.example/no.png"}, "invalid slack file"),
    ],
)
async def test_a_file_nobody_uploaded_is_refused(api: Api, source: Json, fault: str) -> None:
    block = {"type": "image", "alt_text": "a", "slack_file": source}
    answer = await api("chat.postMessage", channel=INCIDENTS, text="t", blocks=[block])
    assert fault in answer["errors"][0]


async def test_a_file_that_is_not_complete_is_not_found(api: Api) -> None:
    promised = await api("files.getUploadURLExternal", filename="p99.png", length=len(PNG))
    assert (await api("files.info", file=promised["file_id"]))["error"] == "file_not_found"
