"""Following one kind of object: what is there, then every change, without a gap or a repeat.

    list ──resourceVersion──> watch ──event──> seen(before, after)
      ^                         │ stream ends, API restarts: again from the last version
      └────── 410 Gone ─────────┘ what was missed is the difference between two lists

Two states of an object are compared, not events counted: a repeated event says nothing new, and
what happened while nobody could look is one change from the last state to the present one.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import structlog

from foundation.retries import RetryPolicy
from tools.backends.kubernetes.failures import Object
from tools.backends.kubernetes.session import KubernetesSession
from tools.errors import BackendDeniedError, BackendError

log = structlog.get_logger(__name__)

Seen = Callable[[str, Object | None, Object | None], Awaitable[None]]
Essence = Callable[[Object], Object]
AWAY = RetryPolicy(  # while the API does not answer; not all watches of it come back at once
    first=timedelta(seconds=1), longest=timedelta(seconds=30), jitter_ratio=0.2
)
DENIED_PAUSE = 300.0  # a missing right does not come back by asking often


class ForgottenVersionError(Exception):
    """The API has forgotten the version we asked to go on from (410)."""


class Watch:
    """One kind, cluster-wide or in one namespace."""

    def __init__(
        self, session: KubernetesSession, kind: str, namespace: str, essence: Essence, seen: Seen
    ) -> None:
        """`essence` keeps what matters of an object; `seen` is told when that changed.

        An object that is there at the first list has no `before`; one that is deleted no `after`.
        """
        self._session, self._essence, self._seen = session, essence, seen
        self.kind, self.namespace = kind, namespace
        self.known: dict[tuple[str, str], Object] = {}
        self.version = ""  # empty: list first
        self.lists = 0  # how often everything was listed
        self.listed = asyncio.Event()  # set when everything was seen once

    async def run(self) -> None:
        """Follow until cancelled."""
        failures = 0
        while True:
            try:
                if not self.version:
                    await self._list()
                await self._follow()
                failures = 0
            except ForgottenVersionError:
                log.info("watch.relisted", kind=self.kind, namespace=self.namespace)
                self.version = ""
            except BackendDeniedError as error:
                log.warning("watch.denied", kind=self.kind, why=str(error))
                await asyncio.sleep(DENIED_PAUSE)
            except BackendError as error:
                log.warning("watch.interrupted", kind=self.kind, why=str(error))
                failures += 1
                chance = random.random()  # noqa: S311 - spreads questions, guards nothing
                await asyncio.sleep(AWAY.wait_after(failures, chance).total_seconds())

    async def _list(self) -> None:
        items, version = await self._session.list_at(self.kind, self.namespace, {})
        self.lists += 1
        present = {_key(item): item for item in items}
        for key in [key for key in self.known if key not in present]:
            await self._gone(key)
        for item in present.values():
            await self._there(item)
        self.version = version
        self.listed.set()

    async def _follow(self) -> None:
        async with aclosing(self._session.watch(self.kind, self.namespace, self.version)) as events:
            async for event in events:
                await self._take(str(event.get("type", "")), event.get("object") or {})

    async def _take(self, event: str, item: Object) -> None:
        if event == "ERROR":
            if item.get("code") == 410:
                raise ForgottenVersionError(str(item.get("message", "")))
            raise BackendError(self._session.name, f"watch {self.kind}: {item.get('message')}")
        if event == "DELETED":
            await self._gone(_key(item))
        elif event in {"ADDED", "MODIFIED"}:
            item.setdefault("kind", self.kind)
            await self._there(item)
        self.version = str((item.get("metadata") or {}).get("resourceVersion", self.version))

    async def _there(self, item: Object) -> None:
        key, after = _key(item), self._essence(item)
        before = self.known.get(key)
        if before != after:
            await self._seen(self.kind, before, after)
            self.known[key] = after

    async def _gone(self, key: tuple[str, str]) -> None:
        before = self.known.get(key)
        if before is not None:
            await self._seen(self.kind, before, None)
            del self.known[key]


def _key(item: Object) -> tuple[str, str]:
    own: dict[str, Any] = item.get("metadata") or {}
    return str(own.get("namespace", "")), str(own.get("name", ""))
