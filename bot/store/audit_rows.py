"""Rows of the audit: one event each, and what proves that we wrote it.

    payload  RFC 8785 of who, what, when, why, digest, facts
    mac      nonce + HMAC(key of audit rows, nonce | payload), from the append on

`seq` is the database's to give, so a row is sealed with a random nonce in its place: a copied row
is a `mac` that stands twice. Columns beside the payload serve queries and are checked against it.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import rfc8785
from sqlalchemy import Index, Row, Select, insert, select
from sqlalchemy import text as sql

from bot.core.ports import AuditRow
from bot.domain.audit import Event
from bot.domain.keyring import Keyring, Purpose
from bot.store.codec import from_json, to_json
from bot.store.schema import Base, clean_text, number_column, table_of, text_column, time_column

UNSEALED = sql("seal_no IS NULL")
EXACT = 2**53  # larger integers are no canonical JSON: they are kept as text
NONCE = 32  # hexadecimal digits


class EventRow(Base, table=True):
    """One event. `seq` is never used twice."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_unsealed", "seq", sqlite_where=UNSEALED, postgresql_where=UNSEALED),
        Index("ix_audit_mac", "mac", unique=True),
        {"sqlite_autoincrement": True},
    )
    seq: int | None = number_column(default=None, primary_key=True)
    kind: str = text_column(index=True)
    at: datetime = time_column(index=True)
    actor: str = text_column()
    subject: str = text_column(index=True)
    private_sha256: str = text_column()
    payload: str = text_column()
    seal_no: int | None = number_column(unique=True)
    seal: str = text_column()
    mac: str | None = text_column()  # NULL: written by a version before `0006_seals`


class PrivateRow(Base, table=True):
    """Personal text of one event; it may be erased."""

    __tablename__ = "audit_private"
    seq: int = number_column(primary_key=True, foreign_key="audit.seq")
    text: str = text_column()


class HeadRow(Base, table=True):
    """The end of the chain; there is one row, id 1."""

    __tablename__ = "audit_head"
    id: int = number_column(primary_key=True)
    seal_no: int = number_column()
    seal: str = text_column()
    proof: str = text_column()


T = table_of(EventRow)
P = table_of(PrivateRow)
H = table_of(HeadRow)
# Built once: hundreds of events a second are written with them.
ADD, ADD_NUMBERED, ADD_PRIVATE = insert(T), insert(T).returning(T.c.seq), insert(P)
CHECKED = ("kind", "actor", "subject", "private_sha256")


def row_values(event: Event, private: str, keyring: Keyring) -> dict[str, Any]:
    """Return the columns of a new row; `private` is the event's, as it can be stored."""
    digest = _sha256(private)
    payload = _payload(event, digest)
    return {
        "kind": event.kind,
        "at": event.at,
        "actor": event.actor,
        "subject": event.subject,
        "private_sha256": digest,
        "payload": payload,
        "seal": "",
        "mac": row_mac(keyring, payload, secrets.token_hex(NONCE // 2)),
    }


def row_mac(keyring: Keyring, payload: str, nonce: str) -> str:
    """Return what proves that a payload is ours."""
    return nonce + keyring.mac(Purpose.AUDIT_ROW, nonce, payload)


def is_proved(row: Row[Any], keyring: Keyring) -> bool:
    """Say whether a row's payload is one that we wrote."""
    mac = row.mac or ""
    return keyring.holds(mac[NONCE:], Purpose.AUDIT_ROW, mac[:NONCE], row.payload)


def fault_of(row: Row[Any]) -> str:
    """Say what in a row contradicts its payload; empty when nothing does."""
    try:
        fields = from_json(row.payload)
        for name in CHECKED:
            if fields[name] != getattr(row, name):
                return f"column {name} was edited: it says {getattr(row, name)!r}"
        if datetime.fromisoformat(fields["at"]) != row.at:
            return f"column at was edited: it says {row.at.isoformat()}"
    except (ValueError, KeyError, TypeError):
        return "its payload is not what was written"
    if row.private is not None and _sha256(row.private) != row.private_sha256:
        return "its private text was edited"
    return ""


def event_of(payload: str, private: str = "") -> Event:
    """Return the event that a payload tells."""
    fields = from_json(payload)
    return Event(
        kind=fields["kind"],
        at=datetime.fromisoformat(fields["at"]),
        actor=fields["actor"],
        subject=fields["subject"],
        why=fields["why"],
        digest=fields["digest"],
        facts=fields["facts"],
        private=private,
    )


def audit_row(row: Row[Any]) -> AuditRow:
    """Return a row as the port tells it."""
    event = event_of(row.payload, row.private or "")
    return AuditRow(row.seq, event, row.private_sha256, row.seal, row.seal_no or 0)


def whole_rows() -> Select[Any]:
    """Return the query of rows with their private text."""
    return select(T, P.c.text.label("private")).join_from(T, P, P.c.seq == T.c.seq, isouter=True)


def _canonical(value: Any) -> Any:
    """Return plain JSON with what RFC 8785 refuses kept as text: huge integers, NaN, infinity."""
    if isinstance(value, Mapping):
        return {clean_text(str(key)): _canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_canonical(each) for each in value]
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= EXACT:
        return str(value)
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):  # noqa: PLR0124
        return str(value)
    return value


def _sha256(private: str) -> str:
    return hashlib.sha256(private.encode()).hexdigest() if private else ""


def _payload(event: Event, private_sha256: str) -> str:
    fields = {
        "kind": event.kind,
        "at": event.at.astimezone(UTC).isoformat(),
        "actor": event.actor,
        "subject": event.subject,
        "why": event.why,
        "digest": event.digest,
        "facts": from_json(to_json(event.facts)),
        "private_sha256": private_sha256,
    }
    return rfc8785.dumps(_canonical(fields)).decode()
