"""What `check-config` doubts: right in form, but it resolves to nothing or to nobody."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping

from bot.domain.access import Holders, Role
from bot.settings import Settings
from foundation.nearest import nearest
from tools.backends.kubernetes.kinds import KINDS
from tools.world import ServiceName, ServiceSpec

_HOLDER = re.compile(r"\*|[SUW][A-Z0-9]{2,}")
_CHANNEL = re.compile(r"#[^\s#]+|[CGD][A-Z0-9]{2,}")


def doubts_of(found: Settings, services: Collection[str]) -> list[str]:
    """Return one sentence for each thing a person should look at; none of them is an error."""
    return [*_people(found), *_names(found, services), *_places(found)]


def kinds_doubted(services: Mapping[ServiceName, ServiceSpec]) -> Iterator[str]:
    """Yield the workloads whose kind nobody here reads: of them only the pods are told."""
    for name, spec in services.items():
        for ref in spec.workloads:
            if ref.kind not in KINDS:
                yield (
                    f"service {name} has the workload {ref.kind}/{ref.name}, a kind that is not "
                    f"read: only the pods it owns are told.{nearest(ref.kind, KINDS)}"
                )


def _people(found: Settings) -> Iterator[str]:
    access = found.access
    if not access.holders[Role.ADMIN]:
        yield (
            "access.admin is empty: nobody may resume after a halt, freeze or reload; put a person "
            "(U…) or a user group (S…) there"
        )
    held: dict[str, Collection[str]] = {
        f"access.{role.value}": who for role, who in access.holders.items()
    }
    tables: Mapping[str, Mapping[str, Holders]] = {
        "channels": access.channels,
        "services": access.services,
    }
    for table, places in tables.items():
        for place, roles in places.items():
            held |= {f"access.{table}.{place}.{role.value}": who for role, who in roles.items()}
    for key, holders in held.items():
        for holder in holders:
            if not _HOLDER.fullmatch(holder):
                yield (
                    f"{key} holds {holder!r}, which is no person (U…), no user group (S…) and not "
                    "'*': it is nobody; copy the id from the profile in Slack"
                )


def _names(found: Settings, services: Collection[str]) -> Iterator[str]:
    for name in found.access.services if services else ():
        if name not in services:
            yield f"access.services names {name!r}, which is no service.{nearest(name, services)}"
    named = found.document.slack.channels
    channels: dict[str, Iterable[str]] = {
        "slack.channels.default_incidents": filter(None, [named.default_incidents]),
        "slack.channels.digest": filter(None, [named.digest]),
        "slack.channels.status": filter(None, [named.status]),
        "slack.channels.locales": named.locales,
        "access.channels": found.access.channels,
    }
    for key, values in channels.items():
        for value in values:
            if not _CHANNEL.fullmatch(value):
                yield f"{key} names {value!r}; a channel is written '#name' or by its id (C…)"


def _places(found: Settings) -> Iterator[str]:
    if not found.clusters:
        return
    stores = {
        **{f"prometheus {name}": each.cluster for name, each in found.prometheus.items()},
        **{f"loki {name}": each.cluster for name, each in found.loki.items()},
    }
    for name, cluster in stores.items():
        if cluster and cluster not in found.clusters:
            yield (
                f"{name} observes the cluster {cluster!r}, which kubernetes does not read: no "
                f"events, pods or changes there.{nearest(cluster, found.clusters)}"
            )
