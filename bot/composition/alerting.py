"""What takes alerts in and ends them, over the parts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import structlog

from bot.composition.parts import Parts
from bot.core.detection.alert_expiry import AlertExpiry
from bot.core.detection.alerts import AlertDesk, no_owners
from bot.core.detection.heartbeats import Heartbeats
from bot.locale import Texts
from tools.errors import ToolError
from tools.fleet import pick
from tools.ownership import HPA, scale_target
from tools.ownership_reader import OwnershipReader
from tools.ports import Cluster
from tools.world import WorkloadRef

log = structlog.get_logger(__name__)
OWNERS_SECONDS = 3.0  # a sender waits for our answer; without owners the labels must do
AT_ONCE = 8  # objects that a cluster is asked about: a delivery may name hundreds


@dataclass(frozen=True, slots=True)
class Alerting:
    """Everything about alerts that one bot has."""

    desk: AlertDesk
    expiry: AlertExpiry
    heartbeats: Heartbeats


def alerting_of(parts: Parts, texts: Texts) -> Alerting:
    """Join what alerts need."""
    config, redactor = parts.settings.alerts, parts.settings.redactor
    heartbeats = Heartbeats(parts.store, parts.clock, texts, config.heartbeats)
    cluster = parts.cluster
    desk = AlertDesk(
        store=parts.store,
        clock=parts.clock,
        catalogue=parts.live_files.catalogue,
        redactor=redactor,
        severity=config.severity,
        heartbeats=heartbeats,
        owners_of=ClusterOwners(cluster).of if cluster is not None else no_owners,
    )
    expiry = AlertExpiry(parts.store, parts.clock, redactor, config.expiry, parts.alert_source)
    return Alerting(desk, expiry, heartbeats)


@dataclass(frozen=True, slots=True)
class ClusterOwners:
    """Who stands above an object, as its cluster tells; a cluster that is slow tells nothing.

    Who waits for its turn does so within the same limit, so that a delivery whose objects are asked
    about together is answered in time, whatever the cluster does.
    """

    cluster: Cluster
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def of(self, ref: WorkloadRef) -> Sequence[WorkloadRef]:
        """Return the owners of an object, nearest first; it never raises for the outside."""
        try:
            async with asyncio.timeout(OWNERS_SECONDS), self.turns:
                place = pick(self.cluster, cluster=ref.cluster)
                item = await place.get(ref)
                if ref.kind == HPA:
                    return [scale_target(item, ref.cluster).ref]
                found = await OwnershipReader(place, ref.cluster).ancestry(item)
        except (ToolError, TimeoutError) as error:
            log.info("alert.owners_unknown", subject=str(ref), why=str(error) or "too slow")
            return ()
        return [owner.ref for owner in found.owners]
