"""What the bot itself stands on, found in the cluster: no plan touches it.

    own pod --ownerReferences--> own workload        its namespace, until that is known

A plan that restarts the bot, its database or the monitoring it decides by would cut off the hand
that has to take it back.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog

from bot.domain.plans.policy import OwnGround, OwnProtection
from tools.act.contract import Actors
from tools.errors import ToolError
from tools.ownership_reader import OwnershipReader
from tools.world import WorkloadRef

log = structlog.get_logger(__name__)


class OwnGroundReader:
    """Says what an object is to the bot."""

    def __init__(self, actors: Actors, ground: Callable[[], OwnGround]) -> None:
        """`ground` is read anew each time: settings may be reloaded."""
        self._actors, self._ground = actors, ground
        self._workload: WorkloadRef | None = None

    async def learn(self) -> None:
        """Find the own workload, once; where it cannot be read the whole namespace is protected."""
        own = self._ground()
        asked = own.protection is OwnProtection.WORKLOAD and own.namespace and own.pod
        if not asked or self._workload is not None:
            return
        pod = WorkloadRef(own.cluster, own.namespace, "Pod", own.pod)
        try:
            cluster = self._actors.need_cluster(own.cluster)
            found = await OwnershipReader(cluster, own.cluster).ancestry(await cluster.get(pod))
        except ToolError as error:
            log.warning("own_workload.unknown", pod=str(pod), why=str(error))
            return
        self._workload = found.top.ref if found.top is not None else pod

    def of(self, ref: WorkloadRef) -> str:
        """Return what an object is to the bot, empty when it is nothing to it."""
        own = self._ground()
        if own.protection is OwnProtection.OFF:
            return ""
        if ref.kind == "Service":
            for each in own.services:
                if (ref.namespace, ref.name) == (each.namespace, each.name):
                    return each.what
        if own.cluster not in {"", ref.cluster}:
            return ""
        known = self._workload
        if known is not None and own.protection is OwnProtection.WORKLOAD:
            mine = (known.namespace, known.kind, known.name)
            return "the workload" if (ref.namespace, ref.kind, ref.name) == mine else ""
        space = ref.name if ref.kind == "Namespace" else ref.namespace
        return "in the namespace" if own.namespace and space == own.namespace else ""
