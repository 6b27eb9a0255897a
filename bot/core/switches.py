"""Switches that people set at run time: halt (kill switch) and freeze. Every change is audited.

halt stops new steps at once; it is a flag, or a file that exists. freeze refuses new plans and
claims; what runs may end. Rights: `sre.halt` for responders, the rest for admins.
"""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.gate import FREEZE, HALT, Gate
from bot.core.ports import Clock, Store
from bot.domain.audit import Event
from bot.domain.ids import ChannelId, UserId


@dataclass(frozen=True, slots=True)
class Switched:
    """What setting a switch came to; `why` says why not."""

    accepted: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Switches:
    """Sets and reads the switches."""

    store: Store
    clock: Clock
    gate: Gate

    async def halt(self, user: UserId, reason: str, channel: ChannelId) -> Switched:
        """Stop every plan before its next step."""
        return await self._set(HALT, reason or "no reason given", user, "sre.halt", channel)

    async def resume(self, user: UserId, channel: ChannelId) -> Switched:
        """Let plans run again; a halt file stays in force."""
        return await self._set(HALT, "", user, "sre.resume", channel)

    async def freeze(self, user: UserId, reason: str, channel: ChannelId) -> Switched:
        """Refuse new plans and claims."""
        return await self._set(FREEZE, reason or "no reason given", user, "sre.freeze", channel)

    async def unfreeze(self, user: UserId, channel: ChannelId) -> Switched:
        """End the freeze."""
        return await self._set(FREEZE, "", user, "sre.unfreeze", channel)

    async def state(self) -> tuple[str, str]:
        """Return why plans are halted and why changes are frozen; empty when they are not."""
        async with self.store.begin() as tx:
            return await self.gate.halted(tx), await tx.flags.get(FREEZE)

    async def _set(
        self, name: str, value: str, user: UserId, right: str, channel: ChannelId
    ) -> Switched:
        who = self.gate.may(await self.gate.person(user), user, right, channel)
        now = self.clock.now()
        async with self.store.begin() as tx:
            if not who.allowed:
                facts = {"right": right}
                await tx.audit.append(
                    Event("access.denied", now, user, name, why=who.why, facts=facts)
                )
                return Switched(False, who.why)
            before = await tx.flags.get(name)
            text = f"{user}: {value}" if value else ""
            await tx.flags.set(name, text, user, now)
            await tx.audit.append(
                Event(
                    kind="setting.changed",
                    at=now,
                    actor=user,
                    subject=name,
                    facts={"before": bool(before), "after": bool(value)},
                    private=value,
                )
            )
        return Switched(True)
