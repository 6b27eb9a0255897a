"""Who may do what: one matrix of rights, one decision, used at every door.

    viewer < responder < approver < admin     a higher role holds the rights of the lower ones

A right is the name of a command, button, shortcut or API call; reading is a right too. Guests,
people from outside the workspace, deleted accounts and bots hold no role, whatever a list says.
A channel or service may name its own holders of a role, who then replace the general ones
there; where channel and service both do, a person needs the role in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol

EVERYONE = "*"  # every full member of the workspace


class Role(StrEnum):
    """Roles, from the lowest."""

    VIEWER = "viewer"
    RESPONDER = "responder"
    APPROVER = "approver"
    ADMIN = "admin"

    @property
    def rank(self) -> int:
        """0 for viewer … 3 for admin."""
        return list(Role).index(self)


class Scope(StrEnum):
    """What an API token is for; each has one purpose."""

    READ = "read"
    INGEST = "ingest"  # machines that report: they learn nothing and decide nothing
    APPROVE = "approve"
    ADMIN = "admin"


def _of(role: Role, *rights: str) -> dict[str, Role]:
    return dict.fromkeys(rights, role)


RIGHTS: Mapping[str, Role] = MappingProxyType(
    {
        # ask and read
        **_of(Role.VIEWER, "ask", "command.ask", "message.ask", "mention", "home", "assistant"),
        **_of(Role.VIEWER, "sre.help", "sre.status", "sre.plans", "sre.digest", "service.read"),
        **_of(Role.VIEWER, "sre.incidents", "api.incidents"),
        **_of(Role.VIEWER, "answer.helpful", "answer.unhelpful", "answer.stop", "evidence.show"),
        **_of(Role.VIEWER, "evidence.open", "evidence.previous", "evidence.next"),
        **_of(Role.VIEWER, "plan.details"),
        **_of(Role.VIEWER, "api.status", "api.metrics", "api.anomalies", "api.baselines"),
        **_of(Role.VIEWER, "api.approvals", "api.plans"),
        # respond
        **_of(Role.RESPONDER, "anomaly.acknowledge", "anomaly.mute", "anomaly.false_alarm"),
        **_of(Role.RESPONDER, "answer.propose", "finding.propose"),
        **_of(Role.RESPONDER, "plan.propose_again", "plan.edit", "incident.declare", "sre.mute"),
        **_of(Role.RESPONDER, "incident.take", "incident.join", "incident.resolve"),
        **_of(Role.RESPONDER, "incident.reopen", "incident.more", "incident.status"),
        **_of(Role.RESPONDER, "incident.hand_over", "incident.severity", "incident.note"),
        **_of(Role.RESPONDER, "incident.merge", "sre.incident", "sre.unmute", "api.incident"),
        # approve and reject also need the role of the plan's tier: policy.role_for
        **_of(Role.RESPONDER, "plan.approve", "plan.reject", "plan.stop"),
        **_of(Role.RESPONDER, "command.postmortem", "message.postmortem"),
        **_of(Role.RESPONDER, "postmortem.edit", "postmortem.publish"),
        **_of(Role.RESPONDER, "api.acknowledge", "api.approve", "api.reject"),
        # a person vouches for the state of production
        **_of(Role.APPROVER, "plan.done", "plan.undone", "plan.retry", "plan.undo"),
        # one approver in place of two: off unless policy allows it
        **_of(Role.APPROVER, "plan.break_glass", "api.break_glass"),
        # anyone on call may pull the brake; letting it go takes an admin
        **_of(Role.RESPONDER, "sre.halt"),
        **_of(Role.ADMIN, "sre.resume", "sre.freeze", "sre.unfreeze", "sre.reload"),
        # a token is no person at a keyboard: both ways take an admin's
        **_of(Role.ADMIN, "api.halt", "api.resume"),
        **_of(Role.ADMIN, "api.import"),
        # machines that report
        **_of(Role.RESPONDER, "api.alerts", "api.deployments"),
    }
)


# What a token may do at most; its owner's role decides whether they may. A call stands once here.
SCOPES: Mapping[Scope, frozenset[str]] = MappingProxyType(
    {
        Scope.READ: frozenset(
            {"api.status", "api.metrics", "api.anomalies", "api.baselines"}
            | {"api.approvals", "api.plans", "api.incidents"}
        ),
        Scope.INGEST: frozenset({"api.alerts", "api.deployments"}),
        Scope.APPROVE: frozenset(
            {"api.approve", "api.reject", "api.break_glass", "api.acknowledge", "api.incident"}
        ),
        Scope.ADMIN: frozenset({"api.halt", "api.resume", "api.import"}),
    }
)


class Someone(Protocol):
    """What must be known of a person (see `bot.core.ports.Person`)."""

    @property
    def id(self) -> str: ...
    @property
    def guest(self) -> bool: ...
    @property
    def external(self) -> bool: ...
    @property
    def deleted(self) -> bool: ...
    @property
    def bot(self) -> bool: ...
    @property
    def groups(self) -> tuple[str, ...]: ...
    @property
    def unread(self) -> tuple[str, ...]: ...


Holders = Mapping[Role, tuple[str, ...]]  # user groups (S…), people (U…) or "*"
# where the configuration names nobody: every full member reads, nobody does more
OPEN_TO_READ: Holders = MappingProxyType(dict.fromkeys(Role, ()) | {Role.VIEWER: (EVERYONE,)})


@dataclass(frozen=True, slots=True)
class AccessConfig:
    """Holders of the roles, in general and per channel id or service name."""

    holders: Holders = field(default_factory=dict)
    channels: Mapping[str, Holders] = field(default_factory=dict)
    services: Mapping[str, Holders] = field(default_factory=dict)

    def who_holds(self, needed: Role) -> tuple[str, ...]:
        """Return everybody who holds a role or a higher one anywhere; empty: nobody does."""
        scopes = (self.holders, *self.channels.values(), *self.services.values())
        high = [role for role in Role if role.rank >= needed.rank]
        return tuple(sorted({who for held in scopes for r in high for who in held.get(r, ())}))


def named_holders(
    needed: Role, config: AccessConfig, channel: str = "", service: str = ""
) -> tuple[str, ...]:
    """Return whom to ask for what needs a role here: groups and people by id, the nearest first.

    Where a service or channel names its own holders, only those count there.
    """
    scopes = (config.services.get(service), config.channels.get(channel), config.holders)
    held = next((each for each in scopes if each), {})
    high = [role for role in Role if role.rank >= needed.rank]
    names = [who for role in high for who in held.get(role, ()) if who != EVERYONE]
    return tuple(dict.fromkeys(names))


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether somebody may, and what they would need."""

    allowed: bool
    needed: Role
    held: Role | None
    why: str = ""  # why not


def stranger(person: Someone) -> str:
    """Return why a person holds no role at all, empty for a full member."""
    if person.deleted:
        return "the account is deactivated"
    if person.bot:
        return "bots hold no role"
    if person.external:
        return "people from outside the workspace hold no role"
    return "guests hold no role" if person.guest else ""


def role_of(
    person: Someone, config: AccessConfig, channel: str = "", service: str = ""
) -> Role | None:
    """Return a person's highest role here, None when they hold none."""
    if stranger(person):
        return None
    overrides = (config.channels.get(channel), config.services.get(service))
    scopes: list[Holders] = [{**config.holders, **own} for own in overrides if own]
    held = [_highest(person, scope) for scope in scopes or [config.holders]]
    known = [role for role in held if role is not None]
    return min(known, key=lambda role: role.rank) if len(known) == len(held) else None


def _highest(person: Someone, holders: Holders) -> Role | None:
    names = {person.id, EVERYONE, *person.groups}
    for role in reversed(Role):
        if names.intersection(holders.get(role, ())):
            return role
    return None


def has_role(
    person: Someone, needed: Role, config: AccessConfig, channel: str = "", service: str = ""
) -> Decision:
    """Say whether a person holds at least a role here."""
    held = role_of(person, config, channel, service)
    if held is not None and held.rank >= needed.rank:
        return Decision(True, needed, held)
    why = stranger(person) or f"this needs the role {needed.value}" + (
        f"; yours is {held.value}" if held is not None else "; you hold none here"
    )
    if person.unread and not stranger(person):
        why += f" (who is in {', '.join(person.unread)} cannot be read now, so nobody is by that)"
    return Decision(False, needed, held, why)


def decide(
    person: Someone, right: str, config: AccessConfig, channel: str = "", service: str = ""
) -> Decision:
    """Say whether a person has a right here. A right that is not in the table is nobody's."""
    needed = RIGHTS.get(right)
    if needed is None:
        return Decision(False, Role.ADMIN, None, f"there is no right {right!r}")
    return has_role(person, needed, config, channel, service)
