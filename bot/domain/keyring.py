"""Keys for everything that proves itself, made from one master key that lives outside the store.

    AUDIT_KEY ──HKDF (RFC 5869)──┬─ "audit row"       one event, from its append on
                                 ├─ "plan"            a plan, its state and its approval
                                 ├─ "inbox envelope"  what Slack sent
                                 ├─ "api token"       what a token may do, and until when
                                 ├─ "slack message"   what is posted in the bot's name
                                 ├─ "agent run"       who asked what, and what was answered
                                 ├─ "anomaly"         how bad it is
                                 ├─ "alert"           the same of an alert
                                 └─ "finding"         which of both it tells of

Who can write the database but has no key can neither make such a seal nor carry one over: each
purpose has a key of its own, and what is sealed names whose it is.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from enum import StrEnum

HASH = "sha256"
SALT = b"sre-agent keyring 1"


class Purpose(StrEnum):
    """What a key is for; its name is part of the key."""

    AUDIT_ROW = "audit row"
    PLAN = "plan"
    ENVELOPE = "inbox envelope"
    TOKEN = "api token"  # noqa: S105 - a purpose
    MESSAGE = "slack message"
    RUN = "agent run"
    ANOMALY = "anomaly"
    ALERT = "alert"
    FINDING = "finding"


@dataclass(frozen=True, slots=True)
class Keyring:
    """The master key and those derived from it.

    The chain of the audit is sealed with the master key itself, as it always was: seals of older
    versions go on holding.
    """

    master: bytes = field(repr=False)
    _keys: dict[Purpose, bytes] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Derive the keys. Raises ValueError for a blank key, which everybody knows."""
        if not self.master.strip():
            raise ValueError("the audit key is blank: anybody could seal with it")
        # Extract: the master is what is hashed here, never the key of this hash, so that no seal
        # made with it (of the chain) can be one of these keys.
        extracted = hmac.digest(SALT, self.master, HASH)
        keys = {each: hmac.digest(extracted, each.encode() + b"\x01", HASH) for each in Purpose}
        object.__setattr__(self, "_keys", keys)

    def mac(self, purpose: Purpose, *parts: str) -> str:
        """Return the seal of some parts, in hexadecimal; each counts where it stands."""
        return hmac.digest(self._keys[purpose], _joined(parts), HASH).hex()

    def holds(self, mac: str | None, purpose: Purpose, *parts: str) -> bool:
        """Say whether this is the seal of these parts."""
        expected = self.mac(purpose, *parts)
        return mac is not None and hmac.compare_digest(mac.encode(), expected.encode())


def _joined(parts: tuple[str, ...]) -> bytes:
    """Join parts so that no two ways of cutting a text into parts are the same bytes."""
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    return b"".join(len(each).to_bytes(8, "big") + each for each in encoded)
