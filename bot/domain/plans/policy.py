"""Policy: what people allow in general, and what follows for one plan. The stricter always wins.

    tier × service mode × enabled × dry_run × auto_tier ──rule──> Ruling
        observe  no plan            suggest  a plan without Approve
        approve  buttons            auto     AUTO runs after the hold, if `auto_tier: run` as well

CRITICAL never runs. An AUTO plan that does not run by itself waits for a responder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from bot.domain.access import Role
from bot.domain.plans.risk import Tier
from tools.world import ServiceMode


class AutoTier(StrEnum):
    """What happens to AUTO plans."""

    ASK = "ask"  # they wait for a click like all others
    RUN = "run"  # they run after the hold, where the service's mode is auto too


class OwnProtection(StrEnum):
    """How much of what the bot itself stands on is protected."""

    NAMESPACE = "namespace"  # everything in its own namespace, its database, what it reads
    WORKLOAD = "workload"  # its own workload alone, its database, what it reads
    OFF = "off"  # nothing


@dataclass(frozen=True, slots=True)
class OwnService:
    """A Kubernetes Service that the bot cannot do without."""

    namespace: str
    name: str
    what: str  # "the database"


@dataclass(frozen=True, slots=True)
class OwnGround:
    """What the bot itself stands on: where it runs, what it keeps its state in, what it reads."""

    protection: OwnProtection = OwnProtection.NAMESPACE
    cluster: str = ""  # where it runs; empty: in none
    namespace: str = ""
    pod: str = ""  # its own, of which whoever owns it is its workload
    services: tuple[OwnService, ...] = ()


@dataclass(frozen=True, slots=True)
class PolicyConfig:
    """`auto_remediation` of the configuration."""

    enabled: bool = True  # False: plans are shown, none can be approved
    dry_run: bool = False  # True: plans end with their dry run
    auto_tier: AutoTier = AutoTier.ASK
    requester_counts: bool = True  # False: who asked for a plan may not answer it
    break_glass: bool = False  # True: one approver may open a MANUAL plan, with a written reason
    max_concurrent: int = 3
    cooldown: timedelta = timedelta(minutes=5)  # world time, same target
    expiry: timedelta = timedelta(minutes=30)  # wall time
    remind_before: timedelta = timedelta(minutes=5)  # wall time before the expiry
    hold: timedelta = timedelta(seconds=30)  # wall time
    max_pods_affected: int = 20
    protected_namespaces: tuple[str, ...] = ("kube-system",)
    protected_labels: tuple[str, ...] = ("do-not-remediate=true",)
    own: OwnGround = OwnGround()


@dataclass(frozen=True, slots=True)
class Ruling:
    """What policy says of one plan."""

    may_be_shown: bool
    may_be_approved: bool
    runs_by_itself: bool
    approvers_needed: int
    role: Role  # who may answer
    why: str = ""  # why not, when something is not allowed
    glass: bool = False  # one approver alone may open it in an emergency


MODES = tuple(ServiceMode)  # strictest first


def strictest(modes: Iterable[ServiceMode]) -> ServiceMode:
    """Return the strictest of some modes; a target of no known service counts as `approve`."""
    return min(modes, key=MODES.index, default=ServiceMode.APPROVE)


def role_for(tier: Tier) -> Role:
    """Return the role that may answer a plan of this tier."""
    return Role.RESPONDER if tier is Tier.AUTO else Role.APPROVER


def rule(tier: Tier, mode: ServiceMode, config: PolicyConfig) -> Ruling:
    """Say what is allowed for a plan of this tier on a service of this mode."""
    role, needed = role_for(tier), 2 if tier is Tier.MANUAL else 1
    if mode is ServiceMode.OBSERVE:
        return Ruling(False, False, False, needed, role, "the service's mode is observe")
    if tier is Tier.CRITICAL:
        return Ruling(True, False, False, needed, role, "the tier is critical: diagnosis only")
    if mode is ServiceMode.SUGGEST:
        return Ruling(True, False, False, needed, role, "the service's mode is suggest")
    if not config.enabled:
        return Ruling(True, False, False, needed, role, "auto_remediation.enabled is false")
    if config.dry_run:
        return Ruling(True, False, False, needed, role, "auto_remediation.dry_run is true")
    alone = tier is Tier.AUTO and mode is ServiceMode.AUTO and config.auto_tier is AutoTier.RUN
    glass = config.break_glass and tier is Tier.MANUAL
    return Ruling(True, True, alone, needed, role, glass=glass)
