"""Fencing: nothing that changes the world is sent by a process that lost its plan.

    actors ──fenced(actors, held)──> the same actors; before each request that changes something
                                     `held()` looks whether the plan is still ours, or raises

Reads and dry runs pass freely. `held` is the last thing that is waited for before the request.
"""

from __future__ import annotations

import builtins
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tools.act.contract import Actors
from tools.ports import ClusterActor, HttpCaller, HttpReply
from tools.world import WorkloadRef

Held = Callable[[], Awaitable[None]]
Json = Mapping[str, Any]


def fenced(actors: Actors, held: Held) -> Actors:
    """Return the same actors behind a fence."""
    return replace(
        actors,
        cluster=_cluster(actors.cluster, held),
        clusters={name: FencedCluster(each, held) for name, each in actors.clusters.items()},
        http=FencedHttp(actors.http, held) if actors.http is not None else None,
    )


def _cluster(actor: ClusterActor | None, held: Held) -> ClusterActor | None:
    return FencedCluster(actor, held) if actor is not None else None


@dataclass(frozen=True, slots=True)
class FencedCluster:
    """The port ClusterActor."""

    actor: ClusterActor
    held: Held

    async def get(self, ref: WorkloadRef) -> Json:
        return await self.actor.get(ref)

    async def list(
        self, kind: str, namespace: str, selector: Mapping[str, str] | None = None
    ) -> builtins.list[Json]:
        return await self.actor.list(kind, namespace, selector)

    async def logs(self, pod: WorkloadRef, lines: int) -> str:
        return await self.actor.logs(pod, lines)

    async def ask_pod(self, pod: WorkloadRef, port: int, path: str) -> Json:
        return await self.actor.ask_pod(pod, port, path)

    async def patch(
        self, ref: WorkloadRef, operations: Sequence[Json], *, dry_run: bool, subresource: str = ""
    ) -> Json:
        if not dry_run:
            await self.held()
        return await self.actor.patch(ref, operations, dry_run=dry_run, subresource=subresource)

    async def delete(
        self, ref: WorkloadRef, *, dry_run: bool, grace_seconds: int = 30, uid: str = ""
    ) -> None:
        if not dry_run:
            await self.held()
        await self.actor.delete(ref, dry_run=dry_run, grace_seconds=grace_seconds, uid=uid)

    async def create(
        self, ref: WorkloadRef, body: Json, *, dry_run: bool, subresource: str = ""
    ) -> Json:
        if not dry_run:
            await self.held()
        return await self.actor.create(ref, body, dry_run=dry_run, subresource=subresource)


@dataclass(frozen=True, slots=True)
class FencedHttp:
    """The port HttpCaller."""

    caller: HttpCaller
    held: Held

    async def check(self, method: str, url: str) -> None:
        await self.caller.check(method, url)

    async def call(self, method: str, url: str, body: Json | None, key: str) -> HttpReply:
        if method != "GET":
            await self.held()
        return await self.caller.call(method, url, body, key)
