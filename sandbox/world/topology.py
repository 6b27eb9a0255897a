"""What the simulated crypto trading platform consists of.

    clients -> gateway -> order-api -> risk-engine ----> redis
                  |           |-----> matching-engine -> kafka -> market-data
                  |           '-----> ledger ----------> postgres
                  '-----> wallet-service (protected) ---> ledger, postgres

A *service* is one workload (Deployment or StatefulSet) of the same name in one namespace.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

GIB = 1024**3
MIB = 1024**2
NAMESPACES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "trading": {"team": "trading"},
        "wallet": {"team": "wallet", "do-not-remediate": "true"},
        "data": {"team": "platform"},
    }
)
NODES = ("node-a", "node-b", "node-c")


@dataclass(frozen=True)
class Service:
    """One service and the workload that runs it."""

    name: str
    namespace: str
    replicas: int
    version: str  # image tag in service when the sandbox starts
    dependencies: tuple[str, ...] = ()
    kind: str = "Deployment"  # or "StatefulSet"
    port: int = 8080
    cpu_limit_cores: float = 2.0
    memory_limit_bytes: int = 2 * GIB
    team: str = "trading"
    tier: str = "critical"  # critical | important | supporting
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    previous_versions: tuple[str, ...] = ()  # oldest first, what the older revisions ran

    @property
    def workload(self) -> str:
        """Name of the Deployment or StatefulSet, of its container and of its Service object."""
        return self.name

    @property
    def image(self) -> str:
        """Image reference in service when the sandbox starts, without a registry."""
        return f"{self.name}:{self.version}"


_PROTECTED = MappingProxyType({"do-not-remediate": "true"})

SERVICES: tuple[Service, ...] = (
    Service(
        "gateway",
        "trading",
        4,
        "5.3.1",
        ("order-api", "market-data", "wallet-service"),
        previous_versions=("5.2.8", "5.3.0"),
        team="edge",
    ),
    Service(
        "order-api",
        "trading",
        4,
        "2.13.2",
        ("risk-engine", "matching-engine", "ledger", "postgres"),
        previous_versions=("2.12.9", "2.13.0", "2.13.1"),
    ),
    Service(
        "matching-engine",
        "trading",
        2,
        "7.1.0",
        ("kafka", "redis"),
        cpu_limit_cores=4.0,
        memory_limit_bytes=4 * GIB,
        previous_versions=("7.0.3", "7.0.4"),
    ),
    Service(
        "risk-engine",
        "trading",
        3,
        "3.8.0",
        ("redis", "postgres"),
        previous_versions=("3.7.5", "3.7.6"),
        team="risk",
    ),
    Service(
        "market-data",
        "trading",
        3,
        "1.9.4",
        ("kafka", "redis"),
        tier="important",
        previous_versions=("1.9.2", "1.9.3"),
        team="market-data",
    ),
    Service(
        "ledger",
        "trading",
        2,
        "4.0.6",
        ("postgres", "kafka"),
        previous_versions=("4.0.4", "4.0.5"),
        team="ledger",
    ),
    Service(
        "wallet-service",
        "wallet",
        2,
        "6.2.0",
        ("ledger", "postgres"),
        team="wallet",
        labels=_PROTECTED,
        previous_versions=("6.1.7", "6.1.8"),
    ),
    Service(
        "postgres",
        "data",
        2,
        "16.4",
        kind="StatefulSet",
        port=5432,
        cpu_limit_cores=4.0,
        memory_limit_bytes=8 * GIB,
        team="platform",
        previous_versions=("16.3",),
    ),
    Service(
        "redis",
        "data",
        1,
        "7.4.1",
        kind="StatefulSet",
        port=6379,
        memory_limit_bytes=4 * GIB,
        team="platform",
        tier="important",
        previous_versions=("7.4.0",),
    ),
    Service(
        "kafka",
        "data",
        3,
        "3.8.1",
        kind="StatefulSet",
        port=9092,
        memory_limit_bytes=4 * GIB,
        team="platform",
        tier="important",
        previous_versions=("3.8.0",),
    ),
)
BY_NAME: Mapping[str, Service] = MappingProxyType({s.name: s for s in SERVICES})


def get_service(name: str) -> Service:
    """Return the service called `name`; KeyError names the ones that exist."""
    try:
        return BY_NAME[name]
    except KeyError:
        msg = f"no service {name!r}; the platform has {', '.join(BY_NAME)}"
        raise KeyError(msg) from None
