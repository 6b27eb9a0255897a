"""Audit events: who, what, when, why, and the digest of what was decided upon.

Every event is a row written in the transaction of the state it describes; the leader seals
rows into an HMAC chain. Bodies that hold personal text are stored apart and hashed.

An anchor is the end of that chain at one moment, kept where whoever can change the database
cannot reach: what was sealed up to it can be neither cut off nor written anew unnoticed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

BOT = "sre-agent"  # the actor when no person acted


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `kind` is dotted and past tense: `plan.approved`."""

    kind: str
    at: datetime  # world time
    actor: str  # user id, or BOT
    subject: str  # id of what it happened to
    why: str = ""
    digest: str = ""  # sha256 of what was decided upon, when something was
    facts: dict[str, Any] = field(default_factory=dict)  # plain JSON, no personal text
    private: str = ""  # personal text (a reason, a message); stored apart, hashed, erasable


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the sealed chain ended at some moment."""

    seq: int  # of the last sealed row
    hash: str  # its seal, in hexadecimal
    sealed_at: datetime  # wall time at which the end was read
    count: int  # sealed rows, that one included
