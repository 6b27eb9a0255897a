"""The content of a message: text, blocks, attachments, metadata, judged before it is posted."""

from dataclasses import dataclass
from typing import Any

from sandbox.slack.blockkit import MOST_MARKDOWN, check_blocks, markdown_length
from sandbox.slack.chat import people
from sandbox.slack.chat.wire import Json, Refusal
from sandbox.slack.elements import Check
from sandbox.slack.identity import name_blocks
from sandbox.slack.methods.args import Args
from sandbox.slack.parts import Parts

MOST_TEXT = 40_000
_MOST_ATTACHMENTS = 100
_MOST_METADATA_BYTES = 8_192


@dataclass(frozen=True)
class Content:
    """What a message says; None means the caller did not mention it."""

    text: str | None
    blocks: list[Json] | None
    attachments: list[Json] | None
    metadata: Json | None
    is_truncated: bool = False  # Slack took the beginning only, and says so

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not self.text and not self.blocks and not self.attachments


def read_content(
    parts: Parts, args: Args, *, most_text: int = MOST_TEXT, truncates: bool = False
) -> Content:
    """Read and judge the content arguments of a call; a long text is refused or cut."""
    text = args.text("text") if args.has("text") else None
    blocks = args.structure("blocks", "invalid_blocks_format")
    if args.has("markdown_text"):
        if text or blocks:
            raise Refusal("markdown_text_conflict")
        markdown = args.text("markdown_text")
        if len(markdown) > MOST_MARKDOWN:
            raise Refusal("msg_too_long")
        text, blocks = markdown, [{"type": "markdown", "text": markdown}] if markdown else None
    is_long = len(text or "") > most_text
    if is_long and not truncates:
        raise Refusal("msg_too_long")
    attachments = args.structure("attachments", "invalid_attachments")
    return Content(
        text[:most_text] if text else text,
        judge_blocks(parts, blocks),
        _judge_attachments(parts, attachments),
        _judge_metadata(args.structure("metadata", "invalid_metadata_format")),
        is_long,
    )


def judge_blocks(parts: Parts, blocks: Any) -> list[Json] | None:
    """Check blocks of a message and give every block and element its id."""
    if blocks is None:
        return None
    if not isinstance(blocks, list):
        raise Refusal("invalid_blocks_format")
    check = Check("message", lambda name: parts.files.find_image(name) is not None)
    check_blocks(check, blocks)
    if check.faults:
        raise Refusal("invalid_blocks", *check.faults, errors=check.faults)
    if markdown_length(blocks) > MOST_MARKDOWN:
        raise Refusal("msg_blocks_too_long")
    if sum(block["type"] == "table" for block in blocks) > 1:
        raise Refusal("only_one_table_allowed")
    return name_blocks([_with_file(parts, block) for block in blocks])


def bot_body(parts: Parts, args: Args) -> Json:
    """The fields every message of the bot carries."""
    body: Json = {
        "user": people.BOT_USER_ID, "bot_id": people.BOT_ID, "app_id": people.APP_ID,
        "team": people.TEAM_ID,
        "bot_profile": {
            "id": people.BOT_ID, "app_id": people.APP_ID, "name": "SRE Agent",
            "user_id": people.BOT_USER_ID, "team_id": people.TEAM_ID, "deleted": False,
        },
    }  # fmt: skip
    custom = {k: args.text(k) for k in ("username", "icon_url", "icon_emoji") if args.has(k)}
    if custom:
        parts.need_scope("chat:write.customize")
    return body | custom


def content_body(content: Content) -> Json:
    """The parts of a message body that its content decides."""
    body: Json = {"text": content.text or ""}
    for key in ("blocks", "attachments", "metadata"):
        value = getattr(content, key)
        if value:
            body[key] = value
    return body


def _judge_attachments(parts: Parts, attachments: Any) -> list[Json] | None:
    if attachments is None:
        return None
    if not isinstance(attachments, list) or not all(isinstance(a, dict) for a in attachments):
        raise Refusal("invalid_attachments")
    if len(attachments) > _MOST_ATTACHMENTS:
        raise Refusal("too_many_attachments")
    return [
        {**a, "id": index, "blocks": judge_blocks(parts, a["blocks"])}
        if "blocks" in a
        else {**a, "id": index}
        for index, a in enumerate(attachments, 1)
    ]


def _judge_metadata(metadata: Any) -> Json | None:
    if metadata is None:
        return None
    if metadata == {}:
        return {}
    if not isinstance(metadata, dict):
        raise Refusal("invalid_metadata_format")
    event_type, payload = metadata.get("event_type"), metadata.get("event_payload")
    if not isinstance(event_type, str) or not event_type or not isinstance(payload, dict):
        message = "metadata needs `event_type` (string) and `event_payload` (object)"
        raise Refusal("invalid_metadata_format", message)
    if len(str(payload).encode()) > _MOST_METADATA_BYTES:
        raise Refusal("metadata_too_large")
    return {"event_type": event_type, "event_payload": payload}


def _with_file(parts: Parts, block: Json) -> Json:
    """Slack shows the file's address beside its id."""
    source = block.get("slack_file")
    if block["type"] != "image" or not isinstance(source, dict):
        return block
    file = parts.files.find_image(source.get("id") or source.get("url") or "")
    if file is None:
        return block
    url = file.wire(parts.base_url)["url_private"]
    return {**block, "slack_file": {"id": file.id, "url": url}}
