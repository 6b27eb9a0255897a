"""Who holds which role, in general and in single channels and services."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from bot.domain.access import OPEN_TO_READ, AccessConfig, Holders, Role
from bot.settings.arguments import configured
from bot.settings.errors import ConfigError
from bot.settings.sections import AccessSection


def access_config(section: AccessSection) -> AccessConfig:
    """Return who holds which role, channels by the names they are given (`#incidents`)."""
    general = configured(
        viewer=section.viewer,
        responder=section.responder,
        approver=section.approver,
        admin=section.admin,
    )
    return AccessConfig(
        holders={**OPEN_TO_READ, **_holders("", general)},
        channels={
            name: _holders(f".channels.{name}", held) for name, held in section.channels.items()
        },
        services={
            name: _holders(f".services.{name}", held) for name, held in section.services.items()
        },
    )


def with_channel_ids(access: AccessConfig, channel_id: Callable[[str], str]) -> AccessConfig:
    """Return the same with channels by their ids too, which only Slack knows.

    By their names as well: a plan of `ask`, which asks no Slack, knows its channel by name only.
    """
    held = access.channels.items()
    known = {each: holders for name, holders in held for each in (name, channel_id(name))}
    return replace(access, channels=known)


def _holders(place: str, held: Mapping[str, tuple[str, ...]]) -> Holders:
    try:
        return {Role(name): holders for name, holders in held.items()}
    except ValueError as error:
        known = ", ".join(role.value for role in Role)
        raise ConfigError(f"access{place}: {error}; known roles: {known}") from error
