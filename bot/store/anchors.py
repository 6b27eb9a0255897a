"""Where ends of the audit chain are kept outside of the database: a file, a webhook.

    {"seq": 812, "hash": "9c…", "sealed_at": "2026-11-20T19:00:00+00:00", "count": 812}

The file gets one such line per anchor and is only ever appended to: owner-only, on the disk before
we go on. The webhook gets the same object as a signed POST (`X-Signature-SHA256`: HMAC-SHA256 of
the body). What a webhook's owner writes down line by line is a file that `read_anchors` reads.
"""

from __future__ import annotations

import asyncio
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.core.upkeep.anchoring import AnchorPlace
from bot.domain.audit import Anchor
from tools.backends.webhook import Webhook, WebhookConfig
from tools.errors import BackendUnavailableError

NAME = "audit anchor"


@dataclass(frozen=True, slots=True)
class AnchorConfig:
    """Where anchors go; nothing set is off."""

    file: Path | None = None
    webhook_url: str = field(default="", repr=False)  # a secret: whoever knows it may post
    secret: str = field(default="", repr=False)  # HMAC key of the signature
    every: timedelta = timedelta(minutes=10)  # wall time
    timeout_seconds: float = 10.0  # of one post

    def places(self) -> tuple[AnchorPlace, ...]:
        """Return every place that is set."""
        found: list[AnchorPlace] = []
        if self.file is not None:
            found.append(AnchorFile(self.file))
        if self.webhook_url:
            found.append(AnchorWebhook(self))
        return tuple(found)


class AnchorFile:
    """An append-only file."""

    def __init__(self, path: Path) -> None:
        """`path` may not exist yet; its folder is created."""
        self._path = path
        self.name = f"file {path}"

    async def put(self, anchor: Anchor) -> None:
        """Append one line and wait until it is on the disk."""
        try:
            await asyncio.to_thread(_append, self._path, json.dumps(_plain(anchor)))
        except OSError as error:
            why = f"{str(self._path)!r} cannot be written ({error.strerror})"
            raise BackendUnavailableError(NAME, f"{why}; check audit.anchor.file") from error


class AnchorWebhook:
    """A webhook of somebody else's."""

    def __init__(self, config: AnchorConfig) -> None:
        """The address is told by its host alone: the rest of it is a secret."""
        self._webhook = Webhook(
            WebhookConfig(
                url=config.webhook_url,
                setting="audit.anchor.webhook_url and its secret",
                backend=NAME,
                timeout_seconds=config.timeout_seconds,
                secret=config.secret,
            )
        )
        self.name = self._webhook.name

    async def put(self, anchor: Anchor) -> None:
        """Post one anchor; anything but 2xx is a failure."""
        await self._webhook.post(_plain(anchor), f"audit-{anchor.count}-{anchor.hash[:16]}")


def _plain(anchor: Anchor) -> dict[str, Any]:
    return {
        "seq": anchor.seq,
        "hash": anchor.hash,
        "sealed_at": anchor.sealed_at.isoformat(),
        "count": anchor.count,
    }


def _append(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_anchors(path: Path) -> list[Anchor]:
    """Read a file of anchors. Raises ValueError that names the line which is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise ValueError(
            f"the anchors {str(path)!r} cannot be read ({error.strerror}); "
            "name the file that audit.anchor.file writes"
        ) from error
    return [_anchor(line, f"{path}:{n}") for n, line in enumerate(lines, 1) if line.strip()]


def _anchor(line: str, where: str) -> Anchor:
    try:
        given = json.loads(line)
        seq, count, seal = given["seq"], given["count"], given["hash"]
        sealed_at = datetime.fromisoformat(given["sealed_at"])
        if not (type(seq) is type(count) is int and len(bytes.fromhex(seal)) == 32):
            raise TypeError
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{where} is no anchor: {line[:80]!r}; if a crash cut the line, remove it"
        ) from error
    return Anchor(seq, seal, sealed_at, count)
