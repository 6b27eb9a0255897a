"""A turn as the API sends it: one message object, or server-sent events.

message_start · ping · (content_block_start · content_block_delta … · content_block_stop) … ·
message_delta (stop_reason, usage) · message_stop
"""

import json
from collections.abc import Iterator

from sandbox.model.protocol import Json, sign, tokens
from sandbox.model.script import Turn

PIECE_CHARACTERS = 24  # length of a delta: long texts and inputs arrive in several pieces


def pieces(words: str) -> list[str]:
    """Split text as a stream would."""
    return [words[i : i + PIECE_CHARACTERS] for i in range(0, len(words), PIECE_CHARACTERS)]


def finished_blocks(turn: Turn, first_call: int) -> list[Json]:
    """The content blocks with signatures and tool-call ids filled in."""
    done: list[Json] = []
    number = first_call
    for block in turn.blocks:
        if block["type"] == "thinking":
            done.append({"signature": sign(block["thinking"])} | block)
        elif block["type"] == "tool_use":
            done.append({"id": f"toolu_sandbox{number:06d}"} | block)
            number += 1
        else:
            done.append(dict(block))
    return done


def shortened(blocks: list[Json], max_tokens: int) -> tuple[list[Json], bool]:
    """Cut the answer where `max_tokens` ends it; whether it was cut."""
    left, kept = max_tokens, []
    for block in blocks:
        need = tokens(block.get("text") or block.get("thinking") or block.get("input", {}))
        if need <= left:
            kept.append(block)
            left -= need
            continue
        if block["type"] == "text" and left > 0:
            kept.append(block | {"text": block["text"][: left * 4]})
        return kept, True
    return kept, False


def message(request: Json, turn: Turn, blocks: list[Json], number: int, stop_reason: str) -> Json:
    """The whole message, as sent without streaming."""
    content_tokens = tokens([request.get("system"), request.get("tools"), request["messages"]])
    made: Json = {
        "id": f"msg_sandbox{number:06d}",
        "type": "message",
        "role": "assistant",
        "model": request["model"],
        "content": blocks,
        "stop_reason": stop_reason,
        "stop_sequence": turn.stop_sequence,
        "usage": {
            "input_tokens": max(1, content_tokens - turn.cache_read_tokens),
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": turn.cache_read_tokens,
            "output_tokens": sum(tokens(block) for block in blocks) or 1,
            "service_tier": "standard",
        },
    }
    if stop_reason == "refusal":
        made["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return made


def events(whole: Json) -> Iterator[Json]:
    """The stream events that carry a message."""
    opened = whole | {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": whole["usage"] | {"output_tokens": 1},
    }
    opened.pop("stop_details", None)
    yield {"type": "message_start", "message": opened}
    yield {"type": "ping"}
    for index, block in enumerate(whole["content"]):
        start, deltas = _block_events(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    ended = {key: whole[key] for key in ("stop_reason", "stop_sequence", "stop_details")
             if key in whole}  # fmt: skip
    usage = {"output_tokens": whole["usage"]["output_tokens"]}
    yield {"type": "message_delta", "delta": ended, "usage": usage}
    yield {"type": "message_stop"}


def _block_events(block: Json) -> tuple[Json, list[Json]]:
    if block["type"] == "text":
        deltas = [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
        return block | {"text": ""}, deltas
    if block["type"] == "thinking":
        deltas = [
            {"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])
        ]
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return block | {"thinking": "", "signature": ""}, deltas
    if block["type"] == "tool_use":
        block = dict(block)
        written = block.pop("written", None) or json.dumps(block["input"], ensure_ascii=False)
        deltas = [
            {"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces(written))
        ]
        return block | {"input": {}}, deltas
    return block, []


def encoded(event: Json) -> bytes:
    """One server-sent event."""
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {body}\n\n".encode()
