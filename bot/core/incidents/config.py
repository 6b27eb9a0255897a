"""How incidents are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.access import AccessConfig, Role
from bot.domain.incident import Priority


@dataclass(frozen=True, slots=True)
class IncidentConfig:
    """Who is called, and which incidents get a channel of their own."""

    on_call: tuple[str, ...] = ()  # user groups (S…) and people (U…) of services without their own
    own_channel_from: Priority | None = None  # this serious or more; None: none gets one


def on_call_of(service: str, config: IncidentConfig, access: AccessConfig) -> tuple[str, ...]:
    """Return who is on call for a service: its own responders, those named, every responder.

    Whoever is meant by "*" is nobody in particular, and is not called.
    """
    own: Mapping[Role, tuple[str, ...]] = access.services.get(service, {})
    known = (own.get(Role.RESPONDER, ()), config.on_call, access.holders.get(Role.RESPONDER, ()))
    for names in known:
        called = tuple(each for each in names if each[:1] in {"S", "U", "W"})
        if called:
            return called
    return ()
