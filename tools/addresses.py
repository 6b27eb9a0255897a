"""Addresses that name a Kubernetes Service, as the cluster's own DNS reads them. Pure text.

http://prometheus.monitoring.svc:9090              monitoring/prometheus, nothing else
postgresql://db-0.db.data.svc.cluster.local/bot    data/db
http://prometheus.monitoring:9090                  monitoring/prometheus, or somebody's host
http://prometheus:9090                             the same of whoever's namespace asks
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

FULL_STOPS = dict.fromkeys(map(ord, "\u3002\uff0e\uff61"), ".")  # RFC 3490 3.1: dots as well


@dataclass(frozen=True, slots=True)
class NamedService:
    """A Service that an address names."""

    namespace: str
    name: str
    sure: bool  # nothing else can be meant


def services_of_address(url: str, namespace: str = "") -> tuple[NamedService, ...]:
    """Return the Services that an address names; a database's may name several hosts.

    `namespace` is whose who asks: a bare name is looked for there.
    """
    parts = urlsplit(url)
    hosts = parts.netloc.rpartition("@")[2].split(",")
    hosts += [each for name in parse_qs(parts.query).get("host", []) for each in name.split(",")]
    found = [_service_of(host.rpartition(":")[0] or host, namespace) for host in hosts]
    return tuple(dict.fromkeys(each for each in found if each is not None))


def _service_of(host: str, namespace: str) -> NamedService | None:
    parts = host.lower().translate(FULL_STOPS).rstrip(".").split(".")
    if not all(parts) or all(part.isdigit() for part in parts):
        return None
    if "svc" in parts[2:]:
        place = parts.index("svc", 2)
        return NamedService(parts[place - 1], parts[place - 2], sure=True)
    if len(parts) == 2:
        return NamedService(parts[1], parts[0], sure=False)
    if len(parts) == 1 and namespace:
        return NamedService(namespace, parts[0], sure=False)
    return None
