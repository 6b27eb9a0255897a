"""What plans, asks and acts: the decision side over the parts and Slack's people."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial

from bot.composition.instances import acting_clusters
from bot.composition.parts import Parts, owner_name
from bot.composition.slack import People
from bot.core.remediation.answers.switches import halted_by
from bot.core.remediation.assembly import Remediation, RemediationPorts, build_remediation
from bot.core.remediation.guarding.hand_brake import HandBrake
from bot.core.remediation.measuring import Measuring, Notices
from bot.core.shared.stored_ports import StoredConfigHistory
from bot.locale import Texts
from bot.settings import Settings, with_channel_ids
from tools.act.contract import Actors
from tools.backends.http import HttpEndpoints
from tools.ports import ClusterActor, HttpCaller


@dataclass(frozen=True, slots=True)
class Hands:
    """The acting identities, by the cluster's name, and whom HTTP actions may call."""

    clusters: Mapping[str, ClusterActor] = field(default_factory=dict)
    http: HttpCaller | None = None


def open_hands(settings: Settings, stack: AsyncExitStack) -> Hands:
    """Build what acts."""
    endpoints = None
    if settings.http_actions.hosts:
        endpoints = HttpEndpoints(settings.http_actions, wall=settings.clock.wall)
        stack.push_async_callback(endpoints.close)
    return Hands(acting_clusters(settings, stack), endpoints)


async def nothing_measured(metric: str, service: str) -> float | None:  # noqa: ARG001 - the port's
    """Stand in where no Prometheus is configured: no data."""
    return None


async def nothing_noticed(service: str) -> Notices:  # noqa: ARG001 - the port's
    """Stand in where no Prometheus is configured: nobody can look."""
    return Notices(None, None, True)


def remediation_of(parts: Parts, hands: Hands, people: People) -> Remediation:
    """Build the decision side; who is not known may answer no plan."""
    settings = parts.settings
    measuring = (
        Measuring(
            parts.clock,
            parts.live_files.catalogue,
            parts.metrics,
            parts.logs,
            parts.cluster,
            parts.changes,
        )
        if parts.metrics is not None
        else None
    )
    return build_remediation(
        RemediationPorts(
            store=parts.store,
            clock=parts.clock,
            directory=people.directory,
            actors=Actors(
                parts.clock,
                http=hands.http,
                clusters=hands.clusters,
                config_history=StoredConfigHistory(parts.store, settings.redactor),
            ),
            actions=parts.actions,
            library=parts.live_files.library,
            catalogue=parts.live_files.catalogue,
            measure=measuring.measure if measuring else nothing_measured,
            notice=measuring.notice if measuring else nothing_noticed,
            place_of=people.place_of,
            texts=Texts(settings.installation.locale),
            access=lambda: with_channel_ids(settings.access, people.channels.known),
            policy=lambda: settings.policy,
            risk=lambda: settings.risk,
            halt_file=partial(halted_by, settings.files.halt_file),
            hand_brake=HandBrake(settings.files.halt_file),
            redactor=settings.redactor,
            anchored=parts.audit.sealing.known_now,
            owner=owner_name(),
        )
    )
