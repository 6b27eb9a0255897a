"""Frozen nouns to JSON text and back, and nothing else.

    encode(plan)            -> '{"id":"PLAN-9c01d4",…}'      a dataclass, through pydantic
    decode(Plan, text)      -> Plan(...)
    encode_state(approval)  -> ("Pending", '{"plan_id":…}')  one of several classes: named,
    decode_state(APPROVALS, "Pending", text)                 as two may have the same fields

Text is ASCII JSON: it survives NUL, half characters and not-a-number on both databases.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import numpy as np
from pydantic import TypeAdapter

from tools.world import Floats

T = TypeVar("T")


_adapters: dict[type[Any], TypeAdapter[Any]] = {}  # built when first needed: that takes a while


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def _plain(value: Any) -> Any:
    """Turn what slipped in from numpy or a frozen mapping into plain JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, bytes | bytearray):
        return list(value)
    raise TypeError(f"cannot store {value!r} ({type(value).__name__}) as JSON; give plain values")


def to_json(value: Any) -> str:
    """Return plain JSON values as text."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), default=_plain)


def from_json(text: str) -> Any:
    """Return what `to_json` was given."""
    return json.loads(text)


def encode(value: object) -> str:
    """Return a dataclass as JSON text."""
    plain = _adapter(type(value)).dump_python(value, mode="json", fallback=_plain, warnings="none")
    return to_json(plain)


def decode(kind: type[T], text: str) -> T:
    """Return the dataclass that `encode` was given."""
    found: T = _adapter(kind).validate_python(json.loads(text))
    return found


def encode_state(state: object) -> tuple[str, str]:
    """Return the name of a state's class and its facts."""
    return type(state).__name__, encode(state)


def decode_state(kinds: Iterable[type[T]], name: str, text: str) -> T:
    """Return the state that `encode_state` was given, one of `kinds`."""
    by_name = {kind.__name__: kind for kind in kinds}
    if name not in by_name:
        raise ValueError(f"unknown stored state {name!r}; known: {', '.join(sorted(by_name))}")
    return decode(by_name[name], text)


def pack(values: Floats) -> bytes:
    """Return an array as little-endian float64 bytes."""
    return np.asarray(values, dtype="<f8").tobytes()


def unpack(packed: bytes) -> Floats:
    """Return the array that `pack` was given."""
    return np.frombuffer(packed, dtype="<f8").astype(np.float64)
