"""Posting JSON to a webhook of somebody else's: one object, one key, an honest answer.

    2xx                      taken
    400, 413, 422            refused for good: this one object will never be taken
    other 4xx                refused: the address or its secret is wrong
    5xx, silence             unavailable: the same object may be posted again under the same key

The address is a secret, since whoever knows it may post: it is told by its host alone.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from tools.backends.transport import WHOLE_RATIO
from tools.errors import BackendRefusedError, BackendUnavailableError, BadArgumentError

REFUSED_FOR_GOOD = frozenset({400, 413, 422})


class ObjectRefusedError(BackendRefusedError, BadArgumentError):
    """This one object will never be taken; others may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookConfig:
    """One webhook."""

    url: str = field(repr=False)
    setting: str  # what a person would mend
    backend: str = "webhook"  # its name in errors
    timeout_seconds: float = 10.0
    secret: str = field(default="", repr=False)  # HMAC key of X-Signature-SHA256; empty: unsigned


class Webhook:
    """Posts to one webhook."""

    def __init__(self, config: WebhookConfig) -> None:
        """Nothing is opened before the first post."""
        self._config = config
        self.name = f"webhook at {urlsplit(config.url).hostname}"

    async def post(self, body: Mapping[str, Any], key: str) -> None:
        """Post one object; `key` is the same each time the same object is posted.

        Raises ObjectRefusedError when it is refused for good, BackendRefusedError when the address
        or its secret is wrong, BackendUnavailableError when it may be taken later.
        """
        ours = self._config
        content = json.dumps(body, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        if ours.secret:
            digest = hmac.new(ours.secret.encode(), content, hashlib.sha256).hexdigest()
            headers["X-Signature-SHA256"] = digest
        try:
            reply = await self._answer(content, headers)
        except (httpx.HTTPError, TimeoutError) as error:
            why = f"the {self.name} does not answer ({type(error).__name__})"
            raise BackendUnavailableError(ours.backend, f"{why}; check that it runs") from error
        why = f"the {self.name} answered {reply.status_code}"
        if reply.status_code in REFUSED_FOR_GOOD:
            raise ObjectRefusedError(ours.backend, f"{why} to {key}; check what it expects")
        if reply.is_server_error or reply.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise BackendUnavailableError(ours.backend, f"{why}; it is tried again")
        if not reply.is_success:
            raise BackendRefusedError(ours.backend, f"{why}; check {ours.setting}")

    async def _answer(self, content: bytes, headers: Mapping[str, str]) -> httpx.Response:
        """Post it and return the answer's status; its body, which may never end, is not read."""
        ours = self._config
        async with (
            asyncio.timeout(ours.timeout_seconds * WHOLE_RATIO),
            httpx.AsyncClient(timeout=ours.timeout_seconds) as client,
            client.stream("POST", ours.url, content=content, headers=headers) as reply,
        ):
            return reply
