"""Where ends of the audit chain are kept outside of the database: files, a config map, a webhook.

    {"seq": 812, "hash": "9c…", "sealed_at": "2026-11-20T19:00:00+00:00", "count": 812}

    head file    the newest end alone, replaced after every sealing; on by default, beside the key
    file         one line per anchor, only ever appended to: every few minutes, as the two below
    config map   the newest end alone
    webhook      every anchor

Files are their owner's only, and on the disk before we go on. The webhook gets the same object as a
signed POST (`X-Signature-SHA256`: HMAC-SHA256 of the body). What a webhook's owner writes down line
by line is a file that `read_anchors` reads.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from bot.core.upkeep.anchoring import AnchorPlace
from bot.domain.audit import Anchor
from bot.store.engine import database_url, in_memory
from tools.backends.kubernetes.config_map_text import ConfigMapText
from tools.backends.webhook import Webhook, WebhookConfig
from tools.errors import BackendUnavailableError

NAME = "audit anchor"


@dataclass(frozen=True, slots=True)
class AnchorConfig:
    """Where anchors go; nothing set is off."""

    head_file: Path | None = None
    file: Path | None = None
    config_map: str = ""  # namespace/name, in the default cluster
    webhook_url: str = field(default="", repr=False)  # a secret: whoever knows it may post
    secret: str = field(default="", repr=False)  # HMAC key of the signature
    every: timedelta = timedelta(minutes=10)  # wall time
    timeout_seconds: float = 10.0  # of one post

    def places(self) -> tuple[AnchorPlace, ...]:
        """Return the places that get an anchor every few minutes, but for the config map."""
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

    async def newest(self) -> Anchor | None:
        """Return the newest anchor in it."""
        return await _newest_in(self._path)

    async def put(self, anchor: Anchor) -> None:
        """Append one line and wait until it is on the disk."""
        try:
            await asyncio.to_thread(_append, self._path, json.dumps(_plain(anchor)))
        except OSError as error:
            why = f"{str(self._path)!r} cannot be written ({error.strerror})"
            raise BackendUnavailableError(NAME, f"{why}; check audit.anchor.file") from error


class HeadFile:
    """A file that holds the newest end alone."""

    def __init__(self, path: Path) -> None:
        """`path` may not exist yet; its folder is created."""
        self.path = path
        self.name = f"file {path}"

    async def put(self, anchor: Anchor) -> None:
        """Replace what is kept; a crash leaves the one or the other."""
        try:
            await asyncio.to_thread(_replace, self.path, json.dumps(_plain(anchor)))
        except OSError as error:
            why = f"{str(self.path)!r} cannot be written ({error.strerror})"
            raise BackendUnavailableError(NAME, f"{why}; check audit.anchor.head_file") from error

    async def newest(self) -> Anchor | None:
        """Return what is kept."""
        return await _newest_in(self.path)


class AnchorConfigMap:
    """A config map that holds the newest end alone."""

    def __init__(self, text: ConfigMapText, name: str) -> None:
        """`name` is namespace/name."""
        self._text = text
        self.name = f"config map {name}"

    async def put(self, anchor: Anchor) -> None:
        """Replace what is kept."""
        await self._text.write(json.dumps(_plain(anchor)))

    async def newest(self) -> Anchor | None:
        """Return what is kept."""
        line = await self._text.read()
        try:
            return _anchor(line, self.name) if line else None
        except ValueError as error:
            raise BackendUnavailableError(NAME, str(error)) from error


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


def _replace(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_TRUNC | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{line}\n".encode())
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(
            folder
        )  # else a power cut could bring the old end back, which is older than the chain
    finally:
        os.close(folder)


def head_file_beside(key: Path, url: str) -> Path | None:
    """Return where a database's newest end is kept by default; None for one in memory.

    Its name tells databases apart that one folder serves. A SQLite file is named by where it is
    beside the key, so that both may be moved together.
    """
    known = database_url(url)
    if in_memory(known):
        return None
    where = f"{known.host}:{known.port}/{known.database}"
    if known.get_backend_name() == "sqlite":
        where = os.path.relpath(str(known.database), key.parent)
    tag = hashlib.sha256(where.encode()).hexdigest()[:12]
    return key.with_name(f"audit-{tag}.anchor")


async def _newest_in(path: Path) -> Anchor | None:
    if not await asyncio.to_thread(path.exists):
        return None
    try:
        found = await asyncio.to_thread(read_anchors, path)
    except ValueError as error:
        raise BackendUnavailableError(NAME, str(error)) from error
    return max(found, key=lambda each: each.sealed_at, default=None)


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
